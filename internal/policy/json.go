package policy

// Document is what --json prints: stet.lint/1. Members are only added.
type Document struct {
	Format       string            `json:"format"`
	Name         string            `json:"name"`
	Lines        int               `json:"lines"`
	Events       int               `json:"events"`
	Failing      int               `json:"failing"` // rules
	Passing      int               `json:"passing"`
	NotChecked   int               `json:"not_checked"`
	Rules        []JSONRule        `json:"rules"`
	Checklist    []JSONRequirement `json:"checklist"`
	Requirements []JSONRequirement `json:"requirements"`
	Map          map[string]any    `json:"map,omitempty"` // of a file: stet.map/1
}

// JSONRule is a Result.
type JSONRule struct {
	ID         string        `json:"id"`
	State      string        `json:"state"`
	Judges     string        `json:"judges"`
	Title      string        `json:"title"`
	Warning    bool          `json:"warning,omitempty"`
	Pass       uint64        `json:"pass"`
	Fail       uint64        `json:"fail"`
	NotChecked uint64        `json:"not_checked"`
	Findings   []JSONFinding `json:"findings"`
	Reasons    []JSONFinding `json:"reasons"`
	Next       string        `json:"next"`
	From       []string      `json:"from"` // requirements
}

// JSONFinding is a Finding.
type JSONFinding struct {
	What  string   `json:"what"`
	Count uint64   `json:"count"`
	Lines []int    `json:"lines,omitempty"`
	Seqs  []uint64 `json:"seqs,omitempty"`
}

// JSONRequirement is a Met.
type JSONRequirement struct {
	ID      string   `json:"id"`
	Section string   `json:"section"`
	Text    string   `json:"text"`
	State   string   `json:"state"`
	Rules   []string `json:"rules"`
	Reason  string   `json:"reason,omitempty"` // what of it a log cannot show
}

// JSON makes the structure for --json. Lists are empty rather than null.
func JSON(r *Report) Document {
	d := Document{Format: "stet.lint/1", Name: printable(r.Name), Lines: r.Lines, Events: r.Records, Failing: r.Count(Fail), Passing: r.Count(Pass), NotChecked: r.Count(NotChecked),
		Rules: []JSONRule{}, Requirements: jsonRequirements(r.Requirements), Checklist: jsonRequirements(r.Checklist())}
	for i := range r.Rules {
		x := &r.Rules[i]
		j := JSONRule{ID: x.ID, State: x.State().String(), Judges: x.Of, Title: x.Title, Warning: x.Should, Pass: x.Pass, Fail: x.Fail, NotChecked: x.NotChecked,
			Findings: jsonFindings(x.Findings), Reasons: jsonFindings(x.Reasons), Next: x.Next, From: []string{}}
		for _, q := range sourcesOf(x.ID) {
			j.From = append(j.From, q.ID)
		}
		d.Rules = append(d.Rules, j)
	}
	return d
}

func jsonFindings(all []Finding) []JSONFinding {
	out := []JSONFinding{}
	for _, f := range all {
		j := JSONFinding{What: f.What, Count: f.Count}
		for _, p := range f.Places {
			if p.HasSeq {
				j.Seqs = append(j.Seqs, p.Seq)
			} else {
				j.Lines = append(j.Lines, p.Line)
			}
		}
		out = append(out, j)
	}
	return out
}

func jsonRequirements(all []Met) []JSONRequirement {
	out := []JSONRequirement{}
	for _, m := range all {
		rules := m.Rules
		if rules == nil {
			rules = []string{}
		}
		out = append(out, JSONRequirement{ID: m.ID, Section: m.Section, Text: m.Text, State: m.State.String(), Rules: rules, Reason: m.Reason})
	}
	return out
}
