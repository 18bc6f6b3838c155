package webui

import (
	"net/http"
	"strconv"

	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/wire"
)

// lineageView is the page of a job's line: from whoever asked for it first, down to its children.
type lineageView struct {
	Job       kinView
	Ancestors []kinView // the root first
	Orphan    string    // why the line does not reach a job without a parent
	Who       string    // who asked for the first of them
	Why       string
	Children  childrenView
	FailedOnly,
	More bool
	Toggle   string // address with the failed children alone, or with all
	Doubts   []doubtView
	Searched searchedView
}

// childrenView is a page of children.
type childrenView struct {
	Rows []kinView
	Next string // address of the page with the next ones
	Part string // the same, of these alone
}

// kinView is a job in a line.
type kinView struct {
	ID, Name, State, Tone string
	App                   string
	Depth                 int
	Line, Story, Event    string // addresses
	First, Last           uint64
	X, W                  int // of its bar: where in the line's entries its own lie, in hundredths
}

// lineage is stet.lineage/1.
type lineage struct {
	Searched  searched
	More      bool
	Doubts    []doubt
	Job       kin
	Ancestors []kin
	Orphan    bool
	Because   string
	Principal *struct {
		Type, ID   string
		UserID     string `json:"user_id"`
		OnBehalfOf *struct{ Type, ID string }
		Why        *struct{ Trigger, Reason string }
	}
	Children []kin
	Next     string
}

type kin struct {
	ID, Name    string
	Interaction string `json:"interaction_id"`
	Parent      string `json:"parent_id"`
	App         string `json:"app_id"`
	Environment string
	State       story.State
	First       uint64 `json:"first_seq"`
	Last        uint64 `json:"last_seq"`
}

// lineChildren is how many children a page has.
const lineChildren = 30

func kinOf(k kin, depth int) kinView {
	out := kinView{ID: k.ID, Name: k.Name, State: string(k.State), Tone: toneOfState(k.State), App: k.App, Depth: depth, Line: link("lineage", "job", k.ID),
		Story: link("story", "interaction", k.Interaction), Event: eventLink(k.First), First: k.First, Last: k.Last}
	if out.Name == "" {
		out.Name = "job " + k.ID
	}
	return out
}

// line asks for a job's line, and the children from a cursor on.
func (v *visit) line() (lineage, string, error) {
	id := v.r.URL.Query().Get("job")
	if id == "" {
		return lineage{}, "", server.Refuse(wire.NotFound, "a line is asked for by a job: lineage?job=…")
	}
	l, err := ask[lineage](v, link("/v1/jobs/"+segment(id)+"/lineage", "limit", strconv.Itoa(lineChildren), "cursor", v.r.URL.Query().Get("cursor")))
	return l, id, err
}

func (v *visit) children(l lineage, id string, failedOnly bool) (out childrenView) {
	failed := ""
	if failedOnly {
		failed = "1"
	}
	for _, c := range l.Children {
		k := kinOf(c, 0)
		if !failedOnly || k.Tone == "bad" || k.Tone == "warn" {
			out.Rows = append(out.Rows, k)
		}
	}
	bars(out.Rows)
	if l.Next != "" {
		out.Next = link("lineage", "job", id, "cursor", l.Next, "failed", failed)
		out.Part = link("children", "job", id, "cursor", l.Next, "failed", failed)
	}
	return out
}

// bars places the bars of jobs by where their entries lie among those of all of them. What lies between, where none of them was
// at work, takes no room: an entry is a step, whatever time passed.
func bars(all []kinView) {
	if len(all) == 0 {
		return
	}
	from, to := all[0].First, all[0].Last
	for _, k := range all {
		from, to = min(from, k.First), max(to, k.Last)
	}
	whole := max(to-from, 1)
	for i := range all {
		all[i].X = int((all[i].First - from) * 97 / whole)
		all[i].W = max(3, int((all[i].Last-all[i].First)*100/whole))
	}
}

func (u *UI) getLineage(v *visit) error {
	l, id, err := v.line()
	if err != nil {
		return err
	}
	view := lineageView{FailedOnly: v.r.URL.Query().Get("failed") == "1", More: l.More, Searched: l.Searched.view()}
	if l.Orphan {
		view.Orphan = l.Because
	}
	for i := len(l.Ancestors) - 1; i >= 0; i-- {
		view.Ancestors = append(view.Ancestors, kinOf(l.Ancestors[i], len(view.Ancestors)))
	}
	view.Job = kinOf(l.Job, len(view.Ancestors))
	view.Children = v.children(l, id, view.FailedOnly)
	view.Toggle = link("lineage", "job", id, "failed", "1")
	if view.FailedOnly {
		view.Toggle = link("lineage", "job", id)
	}
	if p := l.Principal; p != nil {
		view.Who = p.ID
		if p.UserID != "" {
			view.Who = p.UserID
		}
		if p.OnBehalfOf != nil {
			view.Who += ", on behalf of " + p.OnBehalfOf.ID
		}
		if p.Why != nil {
			view.Why = p.Why.Reason
		}
	}
	for _, d := range l.Doubts {
		view.Doubts = append(view.Doubts, doubtView{d.Seq, d.Doubt, eventLink(d.Seq)})
	}
	return u.show(v, http.StatusOK, "lineage", view.Job.Name+" · Lineage", view)
}

// getChildren answers with further children alone.
func (u *UI) getChildren(v *visit) error {
	l, id, err := v.line()
	if err != nil {
		return err
	}
	return u.part(v, "lineage", "children", v.children(l, id, v.r.URL.Query().Get("failed") == "1"))
}
