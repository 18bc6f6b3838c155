package webui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/wire"
)

const (
	// storyJobs is how many jobs of a story are on its page at most, storyEvents how many events beside those of the four phases,
	// storyRuns how many attempts of a job, storyRaw how many bytes of events as they are stored, and storyText how many characters
	// of a sentence. What is beyond is a link away.
	storyJobs   = 12
	storyEvents = 100
	storyRuns   = 8
	storyRaw    = 24 << 10
	storyText   = 1000
	// storyPulses is how many heartbeats of a run are shown: the last ones.
	storyPulses = 3
)

// storyView is the page of an interaction.
type storyView struct {
	Interaction string
	Day         string // of its first event; times on that day are written without it
	Events      int
	Jobs        []*jobView
	Orphans     []*jobView
	Loose       []entryView
	Clocks      []string
	Left        int // jobs that are not on the page
	Hidden      int // events of those on the page that are not
	More        bool
	Doubts      []doubtView
	All         string // address of the events, as results of a search
	Evidence    []evidenceOf
	Searched    searchedView
}

type doubtView struct {
	Seq  uint64
	Why  string
	Href string
}

// jobView is a job on a page.
type jobView struct {
	ID, Name, Anchor string
	State            string
	Tone             string
	Marks            []string // what else there is to know of the outcome: that it came late, or was corrected
	Duration         string
	Who, Why         string
	Attempts         int // that began, as far as was reported
	Many             bool
	Earlier          int // attempts that are not on the page
	Runs             []runView
	Notes            []entryView
	Children         []*jobView
	Left             int
	Lineage          string // address
	Diffs            []diffView
}

// runView is one attempt.
type runView struct {
	Words, State, Tone string
	Last               bool
	Answers            []story.JSONAnswer
	Phases             []phaseView
	Pulses             int // heartbeats
	Heartbeats         []entryView
	Snapshots          []entryView
	Lost               *entryView
	Claims             []entryView
	Corrections        []entryView
}

// phaseView is one of the four slots of a run.
type phaseView struct {
	Name, Icon, Question string
	Event                *entryView
	Missing              string // that there is none, and why
	Open                 bool   // it may come yet
	Fine                 bool   // there need be none
	More                 []entryView
}

// entryView is an event in a story.
type entryView struct {
	Seq         string // "" where it is in no log yet
	At          moment
	SameDay     bool // as the story's first event
	Type        string
	Sentence    string
	Standing    string // what it counts for, where it is not what one would think
	Came        string // how, where its sender did not seal it
	Logged      moment // where it was logged at another time than it claims
	Foreign     bool
	Href        string
	Raw         string // "" where it is on its own page alone
	Corrections []entryView
	Copies      []entryView
}

// diffView is what differs between two states, or two attempts.
type diffView struct {
	Words   string
	Columns [2]string
	Note    string
	Changes []story.JSONChange
	Same    []string
	Left    int
}

func (u *UI) getStory(v *visit) error {
	interaction := v.r.URL.Query().Get("interaction")
	if interaction == "" {
		return server.Refuse(wire.NotFound, "a story is asked for by its interaction: story?interaction=…")
	}
	found, err := ask[foundStory](v, link("/v1/stories/"+segment(interaction), "jobs", strconv.Itoa(storyJobs)))
	if err != nil {
		return err
	}
	return u.fit(v, "story", func(share int) (string, any) {
		view := v.story(found, share)
		return cut(storyTitle(view), 80), view
	})
}

// story is the view of a story, with one share-th of what may be on its page.
func (v *visit) story(found foundStory, share int) storyView {
	b := &storyBuilder{v: v, jobs: max(storyJobs/share, 1), events: storyEvents / share, runs: max(storyRuns/share, 1), raw: storyRaw / share, text: storyText / share, changes: storyEvents / share,
		diffs: map[string][]story.JSONDifference{}}
	for _, d := range found.Differences {
		b.diffs[d.JobID] = append(b.diffs[d.JobID], d)
	}
	doc := found.Story
	view := storyView{Interaction: doc.InteractionID, Events: doc.EventCount, Jobs: b.all(doc.Jobs), Orphans: b.all(doc.Orphans), Loose: b.entries(doc.Loose),
		More: found.More, Searched: found.Searched.view(), Left: b.left, Hidden: b.hidden, All: link("search", "q", is(search.FieldInteraction, doc.InteractionID))}
	view.Day = b.day
	if v.mayExport() {
		view.Evidence = []evidenceOf{{"Evidence of this story", is(search.FieldInteraction, doc.InteractionID)}}
	}
	for _, d := range found.Doubts[:min(len(found.Doubts), storyEvents)] {
		view.Doubts = append(view.Doubts, doubtView{d.Seq, d.Doubt, eventLink(d.Seq)})
	}
	for _, c := range doc.Clocks[:min(len(doc.Clocks), storyEvents/share)] {
		view.Clocks = append(view.Clocks, c.Text)
	}
	return view
}

func storyTitle(s storyView) string {
	for _, j := range append(s.Jobs, s.Orphans...) {
		return j.Name + " " + j.State
	}
	return "Interaction " + s.Interaction
}

func eventLink(seq uint64) string { return link("event", "seq", strconv.FormatUint(seq, 10)) }

// storyBuilder makes views of jobs, as long as there is room on the page.
type storyBuilder struct {
	v                                      *visit
	jobs, events, runs, raw, text, changes int // that there is room for
	left, hidden                           int // jobs and events that there was none for
	count                                  int
	day                                    string
	diffs                                  map[string][]story.JSONDifference
}

func (b *storyBuilder) all(jobs []story.JSONJob) (out []*jobView) {
	for _, j := range jobs {
		if b.jobs == 0 {
			b.left += 1 + below(j)
			continue
		}
		b.jobs--
		out = append(out, b.job(j))
	}
	return out
}

// short is the first clause of an answer; the whole one stands below.
func short(answer string) string {
	answer, _, _ = strings.Cut(answer, "; ")
	answer, _, _ = strings.Cut(answer, " (found: ")
	return cut(answer, 200)
}

// below is how many jobs are below one.
func below(j story.JSONJob) (n int) {
	for _, c := range j.Children {
		n += 1 + below(c)
	}
	return n + j.ChildrenLeft
}

func (b *storyBuilder) job(j story.JSONJob) *jobView {
	b.count++
	out := &jobView{ID: j.ID, Name: j.Name, Anchor: "job-" + strconv.Itoa(b.count), State: string(j.State), Tone: toneOfState(j.State), Many: len(j.Runs) > 1,
		Lineage: link("lineage", "job", j.ID), Notes: b.entries(j.Notes)}
	if out.Name == "" {
		out.Name = "job " + j.ID
	}
	for _, d := range b.diffs[j.ID] {
		out.Diffs = append(out.Diffs, differences(d, out.Many, b.changes))
	}
	out.Earlier = max(len(j.Runs)-b.runs, 0)
	for i, r := range j.Runs {
		if began(r) {
			out.Attempts++
		}
		if i < out.Earlier {
			continue
		}
		run := b.run(r, i == len(j.Runs)-1)
		run.Words = fmt.Sprintf("Attempt %d", max(r.Attempt, int64(i+1)))
		out.Runs = append(out.Runs, run)
	}
	if len(j.Runs) > 0 {
		last := j.Runs[len(j.Runs)-1]
		out.Duration, out.Marks = b.took(last), marks(last)
		for _, a := range last.Answers {
			switch a.Question {
			case "who":
				out.Who = short(a.Text)
			case "why":
				out.Why = short(a.Text)
			}
		}
	}
	before := b.left
	out.Children = b.all(j.Children)
	out.Left = b.left - before + j.ChildrenLeft
	return out
}

func (b *storyBuilder) run(r story.JSONRun, last bool) runView {
	out := runView{State: string(r.State), Tone: toneOfState(r.State), Last: last, Snapshots: b.entries(r.Snapshots), Claims: b.entries(r.Claims),
		Corrections: b.entries(r.Corrections), Pulses: len(r.Heartbeats)}
	for _, a := range r.Answers {
		a.Text = cut(a.Text, b.text)
		out.Answers = append(out.Answers, a)
	}
	for _, p := range []struct {
		name, icon, question, what string
		of                         story.JSONPhase
		later                      bool // a later phase was reported
	}{
		{"Submission", "inbox", "who asked, and why", "request", r.Submission, true},
		{"Authorization", "key", "who allowed it", "authorization", r.Authorization, r.Execution.Event != nil || r.Outcome.Event != nil},
		{"Execution", "play", "what ran, and where", "start", r.Execution, r.Outcome.Event != nil},
		{"Outcome", "flag", "how it ended", "outcome", r.Outcome, false},
	} {
		view := phaseView{Name: p.name, Icon: p.icon, Question: p.question, Open: p.of.Missing == story.NotYet, More: b.entries(p.of.More)}
		switch p.of.Missing {
		case story.EarlierAttempt, story.NotAllowed, story.WasDuplicate:
			view.Fine = true
		}
		if p.of.Event != nil {
			e := b.entry(*p.of.Event)
			view.Event = &e
		} else {
			view.Missing = b.missing(p.of, p.what, p.later)
		}
		out.Phases = append(out.Phases, view)
	}
	if n := len(r.Heartbeats); n > 0 {
		out.Heartbeats = b.entries(r.Heartbeats[max(0, n-storyPulses):])
	}
	if r.Lost != nil {
		e := b.entry(*r.Lost)
		out.Lost = &e
	}
	return out
}

// missing says of an empty slot that it is empty, and for how long, where that means something: a request that was skipped is not
// late once the job has run.
func (b *storyBuilder) missing(p story.JSONPhase, what string, later bool) string {
	words := p.MissingText
	t, err := parseTime(p.Since)
	if later || p.Since == "" || err != nil {
		return words
	}
	since := "no " + what + " after " + story.Age(max(b.v.now.Sub(t), 0))
	if p.Missing == story.NotYet {
		return since
	}
	return words + ": " + since
}

// began reports whether a run is more than the wish for one.
func began(r story.JSONRun) bool {
	return r.Execution.Event != nil || r.Outcome.Event != nil || r.Lost != nil || len(r.Heartbeats)+len(r.Snapshots) > 0
}

// marks are what the word for the outcome of a run does not say.
func marks(r story.JSONRun) (out []string) {
	for _, e := range r.Outcome.More {
		if e.EventType == "job_late_outcome" && e.Standing != story.Foreign {
			out = append(out, "came late")
			break
		}
	}
	if r.Outcome.Event == nil {
		return out
	}
	for _, e := range r.Outcome.Event.Corrections {
		if e.Standing != story.Foreign {
			return append(out, "corrected")
		}
	}
	return out
}

func (b *storyBuilder) entries(all []story.JSONEntry) (out []entryView) {
	for _, e := range all {
		if b.events == 0 {
			b.hidden++
			continue
		}
		b.events--
		out = append(out, b.entry(e))
	}
	return out
}

// standings are what an event counts for, where that must be said.
func standing(s story.Standing) string {
	switch s {
	case story.Again:
		return "reported again: the first report stands"
	case story.Foreign:
		return "a foreign claim, which counts for nothing"
	case story.Copy:
		return "the same event once more"
	case story.Overtaken:
		return "overtaken by what came after all"
	}
	return ""
}

func (b *storyBuilder) entry(e story.JSONEntry) entryView {
	at := b.v.atText(e.Time)
	if b.day == "" {
		b.day = at.Day
	}
	out := entryView{At: at, SameDay: at.Day == b.day, Type: e.EventType, Sentence: cut(e.Sentence, b.text), Standing: standing(e.Standing),
		Corrections: b.entries(e.Corrections), Copies: b.entries(e.Copies)}
	out.Foreign = e.Standing == story.Foreign
	b.origin(&out, e)
	if e.Seq != nil {
		out.Seq, out.Href = strconv.FormatUint(*e.Seq, 10), eventLink(*e.Seq)
	}
	var indented bytes.Buffer
	if len(e.Event) > 0 && json.Indent(&indented, e.Event, "", "  ") == nil && indented.Len() <= b.raw {
		b.raw -= indented.Len()
		out.Raw = indented.String()
	}
	return out
}

// origin says how an event came that its sender did not seal: what it says, its time too, is then no more than what somebody sent.
func (b *storyBuilder) origin(out *entryView, e story.JSONEntry) {
	var of struct {
		App        string `json:"app_id"`
		Timestamp  string
		EventTime  string `json:"event_time"`
		References []struct{ Kind string }
	}
	var via struct{ Kind string }
	if json.Unmarshal(e.Event, &of) != nil || len(e.Via) > 0 && json.Unmarshal(e.Via, &via) != nil {
		return
	}
	if out.Foreign && of.App != "" {
		out.Standing = "a foreign claim of application " + cut(of.App, 80) + ", which counts for nothing"
	}
	for _, r := range of.References {
		if r.Kind == "imported" {
			if out.Came = "imported, not sealed by its sender"; via.Kind == "http" {
				out.Came = "sent over HTTP, not sealed by its sender"
			}
			break
		}
	}
	if of.EventTime != "" && of.EventTime != of.Timestamp {
		out.Logged = b.v.atText(of.Timestamp)
	}
}

func toneOfState(s story.State) string {
	switch s {
	case story.StateSucceeded:
		return "good"
	case story.StateFailed, story.StateLost, story.StateSilent:
		return "bad"
	case story.StateAborted, story.StateDenied, story.StateUnstarted, story.StateUnclear:
		return "warn"
	case story.StateRunning, story.StateWaiting:
		return "live"
	}
	return ""
}

// took is how long a run took, as it says itself; else what lies between the times that its start and its end claim, or until
// now where it is under way. It is "" where nobody knows.
func (b *storyBuilder) took(r story.JSONRun) string {
	if r.Execution.Event == nil && r.Outcome.Event == nil {
		return ""
	}
	if r.Outcome.Event != nil {
		var e struct {
			Timing struct {
				Duration *int64 `json:"duration_us"`
			}
		}
		if json.Unmarshal(r.Outcome.Event.Event, &e) == nil && e.Timing.Duration != nil {
			return micros(*e.Timing.Duration)
		}
	}
	if r.Execution.Event == nil {
		return ""
	}
	start, err := parseTime(r.Execution.Event.Time)
	if err != nil {
		return ""
	}
	switch {
	case r.Outcome.Event != nil:
		if end, err := parseTime(r.Outcome.Event.Time); err == nil && !end.Before(start) {
			return story.Age(end.Sub(start)) + " between the two times"
		}
	case r.State == story.StateRunning && b.v.now.After(start):
		return story.Age(b.v.now.Sub(start)) + " so far"
	}
	return ""
}

// differences is what differs, at most so much of each kind.
func differences(d story.JSONDifference, many bool, most int) diffView {
	out := diffView{Words: "Data before and after", Columns: [2]string{"Before", "After"}, Note: d.NotRecorded, Left: d.Left}
	switch {
	case d.Of == story.OfAttempts:
		out.Words = fmt.Sprintf("Attempt %d, compared with attempt %d", d.Attempts[1], d.Attempts[0])
		out.Columns = [2]string{fmt.Sprintf("Attempt %d", d.Attempts[0]), fmt.Sprintf("Attempt %d", d.Attempts[1])}
	case many:
		out.Words += fmt.Sprintf(" attempt %d", d.Attempts[1])
	}
	for _, c := range d.Changes { // changed ones come first
		if c.How == story.Same && c.Note == "" {
			if len(out.Same) < most {
				out.Same = append(out.Same, c.Path)
			}
			continue
		}
		if len(out.Changes) == most {
			out.Left++
			continue
		}
		if d.NotRecorded != "" { // the API has the one state on both sides
			if c.How, c.From = "recorded", ""; d.To == "" {
				c.From, c.To = c.To, ""
			}
		}
		out.Changes = append(out.Changes, c)
	}
	return out
}

// is is the query for one value of a field.
func is(field search.Field, value string) string {
	return search.Query{}.With(search.Term{Field: field, Any: []search.Value{{Op: search.Equal, Text: value}}}).String()
}
