package webui

import (
	"cmp"
	"net/http"
	"strconv"
	"time"

	"github.com/stetlog/stet/internal/ghosts"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/wire"
)

// ghostsView is the page of what is missing.
type ghostsView struct {
	Query    string
	Wrong    *wire.Problem
	Kinds    []kindView
	Late     bool
	All      bool   // those that were answered, too
	Toggle   string // address with them, or without
	Ghosts   []ghostView
	NotTold  string // why none is shown
	Doubts   []doubtView
	Next     string
	Expected []expectedView
	Further  string // address of what else is expected
	NoExpect string // why there are none
	Calendar *calendarView
	Searched searchedView
}

type kindView struct {
	Words, Href string
	Chosen      bool
}

// ghostView is a job that something is missing of.
type ghostView struct {
	What, Tone string
	Text       string
	Rule       string
	Since      moment
	Age        string
	Open       bool
	App        string
	Job        string
	Event      string // addresses
	Story      string
	Evidence   []evidenceView
	Answer     string
	AnswerAt   moment
	AnswerHref string
}

type evidenceView struct {
	Seq  uint64
	Href string
}

// ghostKinds are the kinds of what is missing; late are those whose outcome came after all.
var ghostKinds = [...]struct {
	words, query string
	late         bool
}{
	{"All", "", false}, {"Never started", "event:job_never_started", false}, {"Never ended", "event:job_no_outcome", false}, {"Lost", "event:job_lost", false},
	{"Stalled", "event:job_stalled", false}, {"Missed slots", "event:job_missed", false}, {"Late outcomes", "", true},
}

func (v *visit) ghost(g ghosts.JSON) ghostView {
	out := ghostView{What: g.What, Tone: "bad", Text: g.Text, Rule: g.Rule, Since: v.atText(g.Since), Age: story.Age(time.Duration(g.AgeSeconds) * time.Second),
		Open: g.Open, App: g.AppID, Job: g.JobName, Story: link("story", "interaction", g.Interaction)}
	if out.Job == "" {
		out.Job = g.JobID
	}
	if g.Seq != nil {
		out.Event = eventLink(*g.Seq)
	}
	if g.JobID == "" {
		out.Story = ""
	}
	if !g.Open {
		out.Tone = ""
	}
	for _, seq := range g.Evidence {
		out.Evidence = append(out.Evidence, evidenceView{seq, eventLink(seq)})
	}
	if g.Answer != nil {
		out.Answer, out.AnswerAt = g.Answer.Text, v.atText(g.Answer.At)
		if g.Answer.Seq != nil {
			out.AnswerHref = eventLink(*g.Answer.Seq)
		}
	}
	return out
}

func (u *UI) getGhosts(v *visit) error {
	in := v.r.URL.Query()
	view := ghostsView{Query: in.Get("q"), All: in.Get("all") == "1", Late: in.Get("late") == "1"}
	for _, k := range ghostKinds {
		late := ""
		if k.late {
			late = "1"
		}
		view.Kinds = append(view.Kinds, kindView{k.words, link("ghosts", "q", k.query, "late", late, "all", in.Get("all")), k.query == view.Query && k.late == view.Late})
	}
	all, open, late := "1", "true", ""
	if view.All {
		all, open = "", "false"
	}
	if view.Toggle = link("ghosts", "q", view.Query, "all", all); view.Late {
		open, late, view.Toggle = "", "true", ""
	}
	found, err := ask[foundGhosts](v, link("/v1/ghosts", "q", view.Query, "open", open, "late", late, "limit", strconv.Itoa(ghostRows), "cursor", in.Get("cursor")))
	if p, ok := problemOf(err); ok && p.Code == wire.InvalidQuery {
		view.Wrong = p
		return u.show(v, http.StatusBadRequest, "ghosts", "Ghosts", view)
	}
	if err != nil {
		return err
	}
	for _, g := range found.Ghosts {
		view.Ghosts = append(view.Ghosts, v.ghost(g))
	}
	for _, d := range found.Doubts {
		view.Doubts = append(view.Doubts, doubtView{d.Seq, d.Doubt, eventLink(d.Seq)})
	}
	if found.Next != "" {
		view.Next = link("ghosts", "q", view.Query, "late", in.Get("late"), "all", in.Get("all"), "cursor", found.Next)
	}
	if found.untold() {
		view.NotTold = notTold
	}
	view.Searched = found.Searched.view()
	if err := v.expectations(&view); err != nil {
		return err
	}
	if id := in.Get("slots"); id != "" || len(view.Expected) > 0 {
		if id == "" {
			id = view.Expected[0].ID
		}
		c, err := v.calendar(id, in.Get("to"))
		if err != nil {
			return err
		}
		view.Calendar = &c
	}
	return u.show(v, http.StatusOK, "ghosts", "Ghosts", view)
}

// ghostRows is how many ghosts are on a page, and expectedMost how many expectations are; each of these costs two questions to the index and the reading of two entries.
const ghostRows, expectedMost = 30, 10

// expectedView is a job that must run, and when it was heard of.
type expectedView struct {
	ID, Job, App, Schedule, Zone, Grace string
	Link, Part                          string // addresses of its calendar: of the page, and of it alone
	Seen, Success                       moment // the last of its events, and the last good outcome
	SeenHref, SuccessHref               string
	Missed                              string // slots of the last 30 days
	MissedHref                          string
	Event                               string // address of what says that it is expected
}

// notHeard leaves out what the server itself says of a job: that it was missed is no sign of it.
const notHeard = " -event:job_missed,job_never_started,job_no_outcome,job_stalled,job_lost,job_orphaned,job_late_outcome,job_recovered"

// expectations lists what must run, with when it was last seen and when it last succeeded: one without the other is how a job
// fails for weeks.
func (v *visit) expectations(view *ghostsView) error {
	all, err := ask[struct {
		Expectations []struct {
			ID, Job, App, Schedule, Zone, Grace string
			Seq                                 uint64
		}
	}](v, "/v1/expectations")
	if p, ok := problemOf(err); ok {
		if view.NoExpect = p.Title + "."; p.Code == wire.NotAllowed {
			view.NoExpect = "What must run is shown to who may read the whole log: it takes an auditor's token."
		}
		return nil
	}
	if err != nil {
		return err
	}
	if len(all.Expectations) == 0 {
		return nil
	}
	in := v.r.URL.Query()
	from, _ := strconv.Atoi(in.Get("expected")) // what is no number is the first page
	from = min(max(from, 0), len(all.Expectations))
	missed, err := v.missed()
	if err != nil {
		return err
	}
	for i, x := range all.Expectations[from:] {
		if i == expectedMost {
			view.Further = link("ghosts", "q", view.Query, "all", in.Get("all"), "late", in.Get("late"), "expected", strconv.Itoa(from+i))
			break
		}
		out := expectedView{ID: x.ID, Link: link("ghosts", "slots", x.ID) + "#calendar", Part: link("calendar", "slots", x.ID), Job: x.Job, App: x.App, Schedule: x.Schedule, Zone: x.Zone, Grace: x.Grace, Event: eventLink(x.Seq)}
		of := is(search.FieldJob, x.Job)
		if x.App != "" {
			of += " " + is(search.FieldApp, x.App)
		}
		if out.Seen, out.SeenHref, err = v.last(of + notHeard); err != nil {
			return err
		}
		if out.Success, out.SuccessHref, err = v.last(of + " event:job_succeeded"); err != nil {
			return err
		}
		if out.Missed, err = missed(x.ID); err != nil {
			return err
		}
		out.MissedHref = link("search", "q", missedBy(x.ID))
		view.Expected = append(view.Expected, out)
	}
	return nil
}

// recentlyMissed finds the slots that were missed of late, and missedBy those of an expectation: jobs of two applications may have
// one name.
const recentlyMissed = "event:job_missed since:30d"

func missedBy(id string) string { return "label.expectation:" + id + " " + recentlyMissed }

// missed counts the slots that were missed of late: of all expectations at once, and of one by itself where they are too many to be
// told.
func (v *visit) missed() (func(id string) (string, error), error) {
	all, err := ask[counts](v, link("/v1/counts", "q", recentlyMissed, "facet", "label.expectation", "limit", "1000"))
	if err != nil {
		return nil, err
	}
	by, some := map[string]string{}, all.Facet == nil
	if f := all.Facet; f != nil {
		some = f.More
		for _, one := range f.Values {
			by[one.Value] = number(one.Count, one.AtLeast)
		}
	}
	return func(id string) (string, error) {
		if n, ok := by[id]; ok || !some {
			return cmp.Or(n, "0"), nil
		}
		c, err := ask[counts](v, link("/v1/counts", "q", missedBy(id)))
		return number(c.Count, c.AtLeast), err
	}, nil
}

// last is when the newest event that a query finds was received.
func (v *visit) last(query string) (moment, string, error) {
	found, err := ask[foundRows](v, link("/v1/events", "q", query, "limit", "1"))
	if err != nil || len(found.Rows) == 0 {
		return moment{}, "", err
	}
	row := v.row(found.Rows[0], "")
	return row.At, row.Event, nil
}
