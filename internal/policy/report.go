package policy

import "slices"

// tally is how often, and where first.
type tally struct {
	Count  uint64
	Places []Place
}

// Finding is one kind of failure, or one reason for not checking, and where it was first met.
type Finding struct {
	What   string // never quotes a value of the log
	Count  uint64
	Places []Place
}

// Result is what came of one rule.
type Result struct {
	Rule
	Pass, Fail, NotChecked uint64
	Findings               []Finding // why it fails, the commonest first
	Reasons                []Finding // why it was not checked

	whats map[string]*tally
	whys  map[string]*tally
}

// maxWhats bounds the kinds of findings of one rule; what is beyond is counted as others.
const maxWhats = 20

const others = "other findings of this rule"

func (r *Result) addTally(s State, what string, most int, t tally) {
	m := &r.whats
	if s == NotChecked {
		m = &r.whys
		r.NotChecked += t.Count
	} else {
		r.Fail += t.Count
	}
	if *m == nil {
		*m = map[string]*tally{}
	}
	if (*m)[what] == nil && len(*m) >= maxWhats {
		what = others
	}
	old := (*m)[what]
	if old == nil {
		old = &tally{}
		(*m)[what] = old
	}
	old.Count += t.Count
	for _, p := range t.Places {
		// Several records of one OTLP line are one place.
		if n := len(old.Places); n < most && p != (Place{}) && (n == 0 || old.Places[n-1] != p) {
			old.Places = append(old.Places, p)
		}
	}
}

// State is the rule's word for the whole log: pass only where everything that it judges was checked and passed.
func (r *Result) State() State {
	switch {
	case r.Fail > 0:
		return Fail
	case r.NotChecked > 0 || r.Pass == 0:
		return NotChecked
	}
	return Pass
}

// Met is a requirement and what came of it.
type Met struct {
	Requirement
	State State
}

// Report is what came of a log.
type Report struct {
	Name    string // of the log, for people
	Ledger  bool
	Lines   int // of a file, blank ones aside; entries of a ledger
	Records int // events that could be read
	Rules   []Result
	// Requirements are all of both documents, each with the worst state of its rules; without a rule it is not checked.
	Requirements []Met
}

// Count returns how many rules have a state.
func (r *Report) Count(s State) (n int) {
	for i := range r.Rules {
		if r.Rules[i].State() == s {
			n++
		}
	}
	return n
}

// Checklist is the policy's own verification checklist.
func (r *Report) Checklist() []Met {
	var all []Met
	for _, m := range r.Requirements {
		if m.Section[:min(len(m.Section), len(checklist))] == checklist {
			all = append(all, m)
		}
	}
	return all
}

const checklist = "Verification Checklist"

// findings sorts what was tallied, the commonest first.
func findings(m map[string]*tally) []Finding {
	var all []Finding
	for what, t := range m {
		all = append(all, Finding{what, t.Count, t.Places})
	}
	slices.SortFunc(all, func(a, b Finding) int {
		switch {
		case (a.What == others) != (b.What == others):
			if a.What == others {
				return 1
			}
			return -1
		case a.Count != b.Count:
			if a.Count > b.Count {
				return -1
			}
			return 1
		case a.What < b.What:
			return -1
		}
		return 1
	})
	return all
}

// worst is the state of a requirement with these rules.
func worst(rules []string, of map[string]State) State {
	if len(rules) == 0 {
		return NotChecked
	}
	s := Pass
	for _, id := range rules {
		switch of[id] {
		case Fail:
			return Fail
		case NotChecked:
			s = NotChecked
		}
	}
	return s
}
