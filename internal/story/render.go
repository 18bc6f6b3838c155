package story

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// RenderOptions says how to write a story. The zero value writes plain text in UTC, children in one line each.
type RenderOptions struct {
	Width     int            // columns to wrap at; 0: do not wrap
	Colour    bool           // SGR colours; whether they are wanted is the caller's to know
	Location  *time.Location // zone of the times shown; nil is UTC. The offset is always shown
	LocalOnly bool           // say that whoever owns the store's key could rewrite it
	Full      bool           // children in full, with phases of their own
	Job       string         // id of the one job that is told; "": all of them
	Limit     int            // jobs that one list has at most: of children, of those that nothing started, of orphans; 0: all
	Now       time.Time      // says how long what is missing has been so; zero: that is not said
}

// maxIndent is how deep children are indented, in levels. Deeper ones say whose children they are.
const maxIndent = 8

// maxDepth is how deep children are written in full. What is below them is counted.
const maxDepth = 1000

// Render writes the text of a story. Only printable characters and line feeds leave, and with Colour the SGR sequences
// of this package. Its error is the writer's first.
func Render(w io.Writer, s Story, o RenderOptions) error {
	p := newPaper(w, o)
	p.measure(s.Events)
	id := words{escaped: escapedStory(s)}
	p.line("", 0, "Interaction "+id.name(s.InteractionID)+", "+plural(len(s.Events), "event")+p.date(), bold)
	p.limit = o.Limit
	all := s.all()
	p.jobs = make(map[string]*Job, len(all))
	for _, j := range all {
		p.jobs[j.ID] = j
	}
	if only := p.jobs[o.Job]; only != nil {
		p.heads([]*Job{only}, o.Full)
	} else {
		p.heads(s.Jobs, o.Full)
		if len(s.Orphans) > 0 {
			p.write("\n")
			p.line("", 0, "Jobs whose parent cannot be shown", yellow)
		}
		p.heads(s.Orphans, o.Full)
		p.loose(s)
	}
	p.clocks(s)
	p.localOnly(o)
	return p.err
}

// heads writes jobs that stand at the head of a tree.
func (p *paper) heads(jobs []*Job, full bool) {
	for i, j := range jobs {
		if i == p.limit && i > 0 {
			p.write("\n")
			p.line("", 0, p.notShown(len(jobs)-i), faint)
			return
		}
		p.write("\n")
		p.topKey = ""
		p.job(j, 0, true, full)
	}
}

func (p *paper) notShown(n int) string {
	return "… " + plural(n, "more job") + ": stet story --tree shows them"
}

func newPaper(w io.Writer, o RenderOptions) *paper {
	p := &paper{w: w, width: o.Width, colour: o.Colour, zone: o.Location, now: o.Now}
	if p.zone == nil {
		p.zone = time.UTC
	}
	return p
}

// measure finds what the columns must hold.
func (p *paper) measure(events []*Entry) {
	p.refWidth = 1
	for i, e := range events {
		p.refWidth = max(p.refWidth, utf8.RuneCountInString(ref(e)))
		day := e.When().In(p.zone).Format(time.DateOnly)
		if i == 0 {
			p.day, p.sample = day, e.When()
		} else if p.day != day {
			p.day = ""
		}
	}
}

func (p *paper) date() string {
	if p.day == "" {
		return ""
	}
	return ", all on " + p.day
}

// ref is an event's place in the ledger, as a column has it.
func ref(e *Entry) string {
	if e.HasSeq {
		return fmt.Sprintf("#%d", e.Seq)
	}
	return "spool"
}

func escapedStory(s Story) bool { return len(s.Events) > 0 && s.Events[0].Event.Escaped }

// row writes one event, or one empty slot: label, time, reference, text.
func (p *paper) row(indent int, label string, when, ref, text string, st style) {
	head := fmt.Sprintf("%s%-*s%-*s  %-*s  ", strings.Repeat(" ", indent), labelWidth, label, p.clockWidth(), when, p.refWidth, ref)
	p.line(head, utf8.RuneCountInString(head), text, st)
}

// detail writes a line about the event above it, under its text. Behind a bar every line it takes has the bar.
func (p *paper) detail(indent int, text string, st style) {
	n := indent + labelWidth + p.clockWidth() + 2 + p.refWidth + 2
	if quoted, ok := strings.CutPrefix(text, bar); ok {
		for _, l := range wrap(quoted, p.width-n-len(bar)) {
			p.write(strings.Repeat(" ", n) + p.paint(bar+l, st) + "\n")
		}
		return
	}
	p.line(strings.Repeat(" ", n), n, text, st)
}

// event writes one event with what belongs beside it: its own details, and what corrects it.
func (p *paper) event(indent int, label string, e *Entry, st style) {
	text := Sentence(e.Item)
	if e.Standing == Again {
		label, text = "  again", text+" The first report stands."
	}
	p.row(indent, label, p.clock(e.When()), ref(e), text, st)
	for _, d := range details(e.Item) {
		p.detail(indent, d, faint)
	}
	if e.Standing == Overtaken {
		p.detail(indent, "The run has an outcome, and that counts.", faint)
	}
	p.corrections(indent, e)
}

func (p *paper) corrections(indent int, e *Entry) {
	for _, c := range e.Copies {
		p.row(indent, "  copy", p.clock(c.When()), ref(c), Sentence(c.Item)+" This is the same event, recorded again because its sender could not know that it was durable.", faint)
		if mine := details(c.Item); !slices.Equal(mine, details(e.Item)) {
			for _, d := range mine {
				p.detail(indent, d, faint)
			}
		}
	}
	p.corrected(indent, e)
}

func (p *paper) corrected(indent int, e *Entry) {
	for _, c := range e.Corrections {
		if c.Standing == Foreign {
			p.claim(indent, c, "")
			continue
		}
		label := "  corrected"
		if c.Event.Corrects != nil && c.Event.Corrects.Kind == "reversal" {
			label = "  reversed"
		}
		p.event(indent, label, c, yellow)
	}
}

// claim writes a foreign claim, with whose it is.
func (p *paper) claim(indent int, e *Entry, why string) {
	p.row(indent, "  not its own", p.clock(e.When()), ref(e), Sentence(e.Item), yellow)
	if why == "" {
		why = "it comes neither from the stream of what it corrects nor from its application under the same key"
	}
	p.detail(indent, "A foreign claim by "+sender(e.Item)+", which counts for nothing: "+why+".", yellow)
	for _, d := range details(e.Item) {
		p.detail(indent, d, faint)
	}
	p.corrections(indent, e)
}

// sender names who sealed an event, which is known, and the application it claims to be.
func sender(it Item) string {
	w := wordsOf(it.Event)
	s := "application " + w.name(it.Event.AppID)
	switch {
	case it.StoreKey:
		return s + " under the store's own key"
	case it.KeyID == "":
		return s + ", unsealed"
	}
	return s + " under key " + plain(shortKey(it.KeyID), false)
}

// loose writes the events of no job, in order.
func (p *paper) loose(s Story) {
	if len(s.Loose) == 0 {
		return
	}
	p.write("\n")
	if len(s.Jobs)+len(s.Orphans) > 0 {
		p.line("", 0, "Other events of this interaction", bold)
	}
	for _, e := range s.Loose {
		if e.Standing == Foreign {
			p.claim(0, e, "events of this type count from the store's key alone")
			continue
		}
		st := unstyled
		if sev := e.Event.Severity; sev != nil && *sev <= 3 {
			st = red
		}
		p.event(0, looseLabel(e), e, st)
		p.detail(0, setting(e), faint)
	}
}

// looseLabel is how bad an event is, for the first column.
func looseLabel(e *Entry) string {
	if e.Event.Severity == nil {
		return ""
	}
	return e.Event.Severity.String()
}

// setting says who did it and where.
func setting(e *Entry) string {
	w := wordsOf(e.Event)
	s := who(e.Event)
	if s == "somebody" {
		s = "no user (" + excuseOr(e, "user_id") + ")"
	}
	if e.Event.SourceIP != "" {
		s += " from " + w.name(e.Event.SourceIP)
	}
	s += ", in " + w.name(e.Event.AppID)
	if e.Event.AppVersion != "" {
		s += " " + w.name(e.Event.AppVersion)
	}
	if e.Event.Host != nil && e.Event.Host.Name != "" {
		s += " on " + w.name(e.Event.Host.Name)
	}
	if e.Event.CodeLocation != "" {
		s += " at " + w.name(e.Event.CodeLocation)
	}
	return s + " (" + w.name(e.Event.EventType) + ")"
}

func excuseOr(e *Entry, path string) string {
	if why := excuse(e.Event, path); why != "" {
		return why
	}
	return "not recorded"
}

func (p *paper) clocks(s Story) {
	for i, n := range s.Clocks {
		if i == 0 {
			p.write("\n")
			p.line("", 0, "Clocks that disagree", yellow)
		}
		text := n.Text
		if n.Count > 1 {
			text += fmt.Sprintf(" This is the worst of %d.", n.Count)
		}
		p.line("  ", 2, text, unstyled)
	}
}
