package webui

import (
	"net/http"
	"strconv"

	"github.com/stetlog/stet/internal/policy"
)

// judgedEvents is how many events the page of the policy judges.
const judgedEvents = 100

// policyView is the page of the rules of the two documents, and what the newest events are worth by them.
type policyView struct {
	Query       string
	Origin      string // of the log, and when: what is printed says itself what it is about
	At          moment
	Searched    searchedView
	Doubts      []doubt
	First, Last string // "" where nothing was judged
	More        bool
	Events      int
	Failing     int
	Passing     int
	NotChecked  int
	Rules       []ruleView
	Checklist   []policy.JSONRequirement
}

type ruleView struct {
	policy.JSONRule
	Tone  string
	Found []foundView
}

// foundView is a finding, and the entries where it was first met.
type foundView struct {
	What  string
	Count uint64
	Seqs  []trailLink
}

type trailLink struct {
	Seq  uint64
	Href string
}

// judgedAnswer is stet.judged/1.
type judgedAnswer struct {
	Query       string
	Searched    searched
	Doubts      []doubt
	First, Last *uint64
	More        bool
	Report      policy.Document
}

func (u *UI) getPolicy(v *visit) error {
	query := v.r.URL.Query().Get("q")
	j, err := ask[judgedAnswer](v, link("/v1/policy", "q", query, "limit", strconv.Itoa(judgedEvents)))
	if err != nil {
		return err
	}
	l, err := v.log()
	if err != nil {
		return err
	}
	d := j.Report
	view := policyView{Query: query, Origin: l.Origin, At: v.at(v.now), Searched: j.Searched.view(), Doubts: j.Doubts, More: j.More, Events: d.Events, Failing: d.Failing, Passing: d.Passing, NotChecked: d.NotChecked,
		Checklist: d.Checklist}
	if j.First != nil && j.Last != nil {
		view.First, view.Last = strconv.FormatUint(*j.First, 10), strconv.FormatUint(*j.Last, 10)
	}
	for _, state := range []policy.State{policy.Fail, policy.Pass, policy.NotChecked} {
		for _, r := range d.Rules {
			if r.State != state.String() {
				continue
			}
			one := ruleView{JSONRule: r, Tone: map[policy.State]string{policy.Fail: "bad", policy.Pass: "good"}[state]}
			for _, f := range r.Findings {
				found := foundView{What: f.What, Count: f.Count}
				for _, seq := range f.Seqs {
					found.Seqs = append(found.Seqs, trailLink{seq, eventLink(seq)})
				}
				one.Found = append(one.Found, found)
			}
			view.Rules = append(view.Rules, one)
		}
	}
	return u.show(v, http.StatusOK, "policy", "Policy", view)
}
