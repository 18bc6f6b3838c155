package story

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// RenderDifferences writes the text of the differences of a story, of which left more are not among them: what differs
// first, and what is the same by its name alone. Its error is the writer's first.
func RenderDifferences(w io.Writer, s Story, all []Difference, left int, o RenderOptions) error {
	p := newPaper(w, o)
	p.measure(s.Events)
	p.line("", 0, "Interaction "+(words{escapedStory(s)}).name(s.InteractionID)+p.date(), bold)
	if len(all) == 0 {
		p.write("\n")
		p.line("", 0, "Nothing to compare: no run recorded a state of data before or after it, and no job had a second attempt.", unstyled)
	}
	for _, d := range all {
		p.write("\n")
		p.difference(d)
	}
	if left > 0 {
		p.write("\n")
		p.line("", 0, "… "+plural(left, "more difference")+": stet story --diff JOB shows those of one job", faint)
	}
	p.localOnly(o)
	return p.err
}

// maxValue is how much of a value is written, in characters. JSON has all of it.
const maxValue = 400

func (p *paper) difference(d Difference) {
	p.line("", 0, d.name()+" ("+d.when(p.clock)+")", bold)
	if d.NotRecorded != "" {
		p.line("  ", 2, capital(d.NotRecorded)+". The other:", yellow)
	}
	path := 0
	var same []string
	for _, c := range d.Changes {
		if c.How == Same && c.Note == "" {
			same = append(same, shown(c.Path))
			continue
		}
		path = max(path, utf8.RuneCountInString(shown(c.Path)))
	}
	path = min(path, 32)
	for _, c := range d.Changes {
		if c.How == Same && c.Note == "" {
			continue
		}
		how := string(c.How)
		if d.NotRecorded != "" {
			how = ""
		}
		head := fmt.Sprintf("  %-*s%-*s  ", len(Changed)+1, how, path, shown(c.Path))
		p.line(head, utf8.RuneCountInString(head), c.text(d.NotRecorded != ""), howStyle(c.How))
	}
	if d.Left > 0 {
		p.line("  ", 2, "… "+plural(d.Left, "more value"), faint)
	}
	if len(same) > 0 {
		p.line("  ", 2, "same    "+strings.Join(same, ", "), faint)
	}
	if len(d.Changes) == 0 {
		p.line("  ", 2, "nothing was said of either", faint)
	}
}

// text is "1 → 2 (+1)". Values stand as they are: the arrow and what is in brackets are ours, and what could be taken for
// them is quoted.
func (c Change) text(alone bool) string {
	from, to := shown(c.From), shown(c.To)
	s := from + " → " + to
	switch {
	case alone, c.How == Removed, c.From == c.To:
		s = from
	case c.How == Added:
		s = to
	}
	if c.Note != "" {
		s += " (" + c.Note + ")"
	}
	return s
}

// shown is a value, or a path, printable already, quoted where it could be taken for ours.
func shown(s string) string {
	s = cut(s, maxValue)
	if s == emptyText || isName(s) && !ours(s) || isPhrase(s) {
		return shortDigest(s)
	}
	return quote(s)
}

func howStyle(h How) style {
	switch h {
	case Changed, Unknown:
		return yellow
	case Added:
		return green
	case Removed:
		return red
	}
	return unstyled
}
