package webui

import (
	"net/http"
	"slices"
	"strconv"

	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/wire"
)

// lineageView is the page of a job's line: from whoever asked for it first, down to its children.
type lineageView struct {
	Job         kinView
	Above       childrenView // the root first
	Orphan      string       // why the line does not reach a job without a parent
	Who         string       // who asked for the first of them
	Why         string
	Children    childrenView
	Orphans     childrenView // others of its interaction
	OrphansMore string       // address of all that were found
	Folds       []foldView
	From, Until moment // of the axis
	FailedOnly,
	More bool
	Toggle   string // address with the failed children alone, or with all
	Doubts   []doubtView
	Searched searchedView
}

// childrenView is a page of rows.
type childrenView struct {
	Rows  []kinView
	Folds []foldView
	Depth int
	Next  string // address of the page with the next ones
	Part  string // the same, of these alone
	None  bool   // there are none, which was asked for by opening a job
}

// kinView is a job in a line.
type kinView struct {
	ID, Name, State, Tone string
	App                   string
	Depth, Indent         int // Indent in pixels
	Here                  bool
	Line, Story, Event    string // addresses
	Open                  string // address of its children alone; "" where it has none
	Heard                 moment
	Took                  string
	Wait                  *bar // from when it was heard of until it was at work
	Bars                  []bar
	work                  []period
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
	Orphans  []kin
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
	Heard       string
	AtWork      []struct{ From, Until string } `json:"at_work"`
	Children    bool                           `json:"has_children"`
}

// lineChildren is how many children a page has.
const lineChildren = 30

// indentMost is how many steps of the tree are indented.
const indentMost, indentStep = 8, 16

func (v *visit) kin(k kin, depth int) kinView {
	out := kinView{ID: k.ID, Name: k.Name, State: string(k.State), Tone: toneOfState(k.State), App: k.App, Depth: depth, Indent: min(depth, indentMost) * indentStep,
		Line: link("lineage", "job", k.ID), Story: link("story", "interaction", k.Interaction), Event: eventLink(k.First), Heard: v.atText(k.Heard)}
	if out.Name == "" {
		out.Name = "job " + k.ID
	}
	heard, err := parseTime(k.Heard)
	if err != nil {
		return out
	}
	for _, w := range k.AtWork {
		p := period{}
		if p.From, err = parseTime(w.From); err != nil {
			continue
		}
		if p.Until, err = parseTime(w.Until); err != nil { // it is at work, as far as is known; of one that fell silent nobody knows
			p.Until = p.From
			if k.State == story.StateRunning && v.now.After(p.From) {
				p.Until = v.now
			}
		}
		if p.Until.Before(p.From) { // the clocks of two machines
			p.Until = p.From
		}
		out.work = append(out.work, p)
	}
	if n := len(out.work); n > 0 && k.AtWork[len(k.AtWork)-1].Until != "" {
		out.Took = micros(out.work[n-1].Until.Sub(out.work[0].From).Microseconds())
	}
	if len(out.work) == 0 || heard.Before(out.work[0].From) {
		out.work = append([]period{{heard, heard}}, out.work...)
	}
	return out
}

// draw places the bars of jobs on an axis.
func draw(all []kinView, on axis) {
	for i := range all {
		k := &all[i]
		work := k.work
		if len(work) > 0 && work[0].From.Equal(work[0].Until) { // heard of, and not at work yet
			wait := on.bar(work[0])
			if len(work) > 1 {
				wait = on.bar(period{work[0].From, work[1].From})
			}
			k.Wait, work = &wait, work[1:]
		}
		for _, p := range work {
			k.Bars = append(k.Bars, on.bar(p))
		}
	}
}

// line asks for a job's line, and the children from a cursor on.
func (v *visit) line() (l lineage, failedOnly bool, err error) {
	in := v.r.URL.Query()
	id := in.Get("job")
	if id == "" {
		return l, false, server.Refuse(wire.NotFound, "a line is asked for by a job: lineage?job=…")
	}
	failed := ""
	if failedOnly = in.Get("failed") == "1"; failedOnly {
		failed = "true"
	}
	l, err = ask[lineage](v, link("/v1/jobs/"+segment(id)+"/lineage", "limit", strconv.Itoa(lineChildren), "cursor", in.Get("cursor"), "failed", failed))
	return l, failedOnly, err
}

func (v *visit) children(all []kin, depth int) (out childrenView) {
	out.Depth = depth
	for _, k := range all {
		out.Rows = append(out.Rows, v.kin(k, depth))
	}
	return out
}

// finish draws rows, and says where their children are, and further ones.
func (c *childrenView) finish(all []kin, on axis, folds []foldView) {
	draw(c.Rows, on)
	c.Folds = folds
	for i := range c.Rows {
		if i < len(all) && all[i].Children && !c.Rows[i].Here {
			c.Rows[i].Open = link("children", "job", c.Rows[i].ID, "depth", strconv.Itoa(c.Rows[i].Depth+1), "axis", on.String())
		}
	}
}

func (c *childrenView) further(l lineage, failedOnly bool, on axis) {
	failed := ""
	if failedOnly {
		failed = "1"
	}
	if l.Next != "" {
		c.Next = link("lineage", "job", l.Job.ID, "cursor", l.Next, "failed", failed)
		c.Part = link("children", "job", l.Job.ID, "cursor", l.Next, "failed", failed, "depth", strconv.Itoa(c.Depth), "axis", on.String())
	}
}

func (u *UI) getLineage(v *visit) error {
	l, failedOnly, err := v.line()
	if err != nil {
		return err
	}
	view := lineageView{FailedOnly: failedOnly, More: l.More, Searched: l.Searched.view()}
	if l.Orphan {
		view.Orphan = l.Because
	}
	for i := len(l.Ancestors) - 1; i >= 0; i-- {
		view.Above.Rows = append(view.Above.Rows, v.kin(l.Ancestors[i], len(view.Above.Rows)))
	}
	view.Job = v.kin(l.Job, len(view.Above.Rows))
	view.Job.Here = true
	view.Above.Rows = append(view.Above.Rows, view.Job)
	view.Children = v.children(l.Children, view.Job.Depth+1)
	view.Orphans = v.children(l.Orphans, 0)
	var work []period
	for _, k := range slices.Concat(view.Above.Rows, view.Children.Rows, view.Orphans.Rows) {
		work = append(work, k.work...)
	}
	on := axisOf(work)
	view.Folds = v.folds(on)
	if len(on) > 0 {
		view.From, view.Until = v.at(on[0].From), v.at(on[len(on)-1].Until)
	}
	view.Above.finish(nil, on, view.Folds)
	view.Children.finish(l.Children, on, view.Folds)
	view.Children.further(l, failedOnly, on)
	view.Orphans.finish(l.Orphans, on, view.Folds)
	if len(l.Orphans) > 0 {
		view.OrphansMore = link("search", "q", is(search.FieldInteraction, l.Job.Interaction)+" event:job_orphaned")
	}
	view.Toggle = link("lineage", "job", l.Job.ID, "failed", "1")
	if failedOnly {
		view.Toggle = link("lineage", "job", l.Job.ID)
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

// depthMost bounds how deep a tree is opened on one page.
const depthMost = 64

// getChildren answers with further children alone, or those of a job that was opened, on the axis of the page that they are for.
func (u *UI) getChildren(v *visit) error {
	l, failedOnly, err := v.line()
	if err != nil {
		return err
	}
	in := v.r.URL.Query()
	depth, err := strconv.Atoi(in.Get("depth"))
	if err != nil || depth < 0 || depth > depthMost {
		depth = 1
	}
	view := v.children(l.Children, depth)
	on, ok := parseAxis(in.Get("axis"))
	if !ok {
		var work []period
		for _, k := range view.Rows {
			work = append(work, k.work...)
		}
		on = axisOf(work)
	}
	view.finish(l.Children, on, v.folds(on))
	view.further(l, failedOnly, on)
	view.None = len(view.Rows) == 0 && view.Next == ""
	return u.part(v, "lineage", "children", view)
}
