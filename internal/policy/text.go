package policy

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
)

// WriteText writes a report for people: the rules that fail with what to do, the counts of all, what was not checked and why,
// and the policy's checklist. It is printable, and its error is the writer's.
func WriteText(w io.Writer, r *Report) error {
	var b strings.Builder
	p := func(format string, args ...any) { fmt.Fprintf(&b, format, args...) }
	unit := "lines"
	if r.Ledger {
		unit = "entries"
	}
	p("%s: %d rules fail, %d pass, %d not checked (%d %s, %d events)\n", event.Sanitize(r.Name), r.Count(Fail), r.Count(Pass), r.Count(NotChecked), r.Lines, unit, r.Records)
	for i := range r.Rules {
		if x := &r.Rules[i]; x.State() == Fail {
			level := "FAIL"
			if x.Should {
				level = "WARN"
			}
			p("\n%s  %s: %s\n", level, x.ID, x.Title)
			for _, f := range x.Findings {
				p("      %d of %d %s: %s%s\n", f.Count, x.Pass+x.Fail+x.NotChecked, x.Of, f.What, placesText(f))
			}
			p("      next: %s\n", x.Next)
			p("      from: %s\n", sourcesText(x.ID))
		}
	}
	p("\n%-18s %10s %10s %12s\n", "RULE", "PASS", "FAIL", "NOT CHECKED")
	var idle []string
	for i := range r.Rules {
		x := &r.Rules[i]
		if x.Pass+x.Fail+x.NotChecked == 0 {
			idle = append(idle, x.ID)
			continue
		}
		p("%-18s %10d %10d %12d  %-11s  %s\n", x.ID, x.Pass, x.Fail, x.NotChecked, x.State(), x.Of)
	}
	p("\nNot checked, because\n")
	for i := range r.Rules {
		for _, f := range r.Rules[i].Reasons {
			if f.Count > 0 {
				p("  %-17s %s: %s%s\n", r.Rules[i].ID, many(f.Count, r.Rules[i].Of), f.What, placesText(f))
			}
		}
	}
	if len(idle) > 0 {
		p("  nothing in this log is what these are about: %s\n", strings.Join(idle, ", "))
	}
	p("\nThe policy's verification checklist\n")
	for _, m := range r.Checklist() {
		p("  [%s] %-12s %s\n", map[State]string{Pass: "x", Fail: " ", NotChecked: "?"}[m.State], m.State, m.Text)
	}
	n := 0
	for _, m := range r.Requirements {
		if len(m.Rules) == 0 {
			n++
		}
	}
	p("\n%d requirements are such as no log can show; stet lint --rules lists them, with what to look at instead.\n", n)
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteChecklist writes the policy's checklist alone.
func WriteChecklist(w io.Writer, r *Report) error {
	var b strings.Builder
	for _, m := range r.Checklist() {
		fmt.Fprintf(&b, "- [%s] %s: %s\n", map[State]string{Pass: "x", Fail: " ", NotChecked: " "}[m.State], m.Text, m.State)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// many writes a count and what is counted.
func many(n uint64, of string) string {
	if n == 1 {
		of = strings.TrimSuffix(of, "s")
	}
	return strconv.FormatUint(n, 10) + " " + of
}

func placesText(f Finding) string {
	if len(f.Places) == 0 {
		return ""
	}
	one, more := "line", "lines"
	if f.Places[0].HasSeq {
		one, more = "entry", "entries"
	}
	if len(f.Places) > 1 {
		one = more
	}
	var b strings.Builder
	b.WriteString(": " + one + " ")
	for i, at := range f.Places {
		if i > 0 {
			b.WriteString(", ")
		}
		if at.HasSeq {
			b.WriteString(strconv.FormatUint(at.Seq, 10))
		} else {
			b.WriteString(strconv.Itoa(at.Line))
		}
	}
	if f.Count > uint64(len(f.Places)) {
		b.WriteString(" …") // more, there or elsewhere
	}
	return b.String()
}

// sourcesText names the requirements that a rule is from.
func sourcesText(id string) string {
	var all []string
	for _, q := range sourcesOf(id) {
		all = append(all, q.Document()+", "+q.Section)
	}
	return strings.Join(all, "; ")
}

// sourcesOf are the requirements that name a rule.
func sourcesOf(id string) (all []Requirement) {
	for _, q := range requirements {
		for _, r := range q.Rules {
			if r == id {
				all = append(all, q)
			}
		}
	}
	return all
}

// MarkdownRules is the specification's table of rules.
func MarkdownRules() string {
	var b strings.Builder
	b.WriteString("| rule | judges | what must hold | how it is decided |\n|---|---|---|---|\n")
	for _, r := range rules() {
		title := r.Title
		if r.Should {
			title += " (a warning)"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", r.ID, r.Of, title, r.Check)
	}
	return b.String()
}

// MarkdownRequirements is the specification's table of requirements.
func MarkdownRequirements() string {
	var b strings.Builder
	b.WriteString("| document | section | requirement | rules | what a log cannot show |\n|---|---|---|---|---|\n")
	for _, q := range requirements {
		names := make([]string, len(q.Rules))
		for i, r := range q.Rules {
			names[i] = "`" + r + "`"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", q.Document(), q.Section, q.Text, strings.Join(names, ", "), q.Reason)
	}
	return b.String()
}

// WriteRules writes rules and requirements for people.
func WriteRules(w io.Writer) error {
	var b strings.Builder
	b.WriteString("Rules\n")
	for _, r := range rules() {
		fmt.Fprintf(&b, "\n%s (%s): %s\n    checked: %s\n    next:    %s\n    from:    %s\n", r.ID, r.Of, r.Title, r.Check, r.Next, sourcesText(r.ID))
	}
	b.WriteString("\nWhat no log can show\n\n")
	for _, q := range requirements {
		if q.Reason != "" {
			fmt.Fprintf(&b, "%s, %s: %s\n    not checked: %s\n", q.Document(), q.Section, q.Text, q.Reason)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}
