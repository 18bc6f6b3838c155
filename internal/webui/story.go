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
	Duration         string
	Who, Why         string
	Attempts         int
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
	Missing              string // why there is none
	Open                 bool   // it may come yet
	Since                string // how long it has been missing
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
	Href        string
	Raw         string // "" where it is on its own page alone
	Corrections []entryView
	Copies      []entryView
}

// diffView is what differs between two states, or two attempts.
type diffView struct {
	Words   string
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
	b := &storyBuilder{v: v, jobs: max(storyJobs/share, 1), events: storyEvents / share, runs: max(storyRuns/share, 1), raw: storyRaw / share, text: storyText / share,
		diffs: map[string][]diffView{}}
	for _, d := range found.Differences {
		b.diffs[d.JobID] = append(b.diffs[d.JobID], differences(d, storyEvents/share))
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
	v                             *visit
	jobs, events, runs, raw, text int // that there is room for
	left, hidden                  int // jobs and events that there was none for
	count                         int
	day                           string
	diffs                         map[string][]diffView
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
	out := &jobView{ID: j.ID, Name: j.Name, Anchor: "job-" + strconv.Itoa(b.count), State: string(j.State), Tone: toneOfState(j.State), Attempts: len(j.Runs),
		Lineage: link("lineage", "job", j.ID), Notes: b.entries(j.Notes), Diffs: b.diffs[j.ID]}
	if out.Name == "" {
		out.Name = "job " + j.ID
	}
	out.Earlier = max(len(j.Runs)-b.runs, 0)
	for i, r := range j.Runs {
		if i < out.Earlier {
			continue
		}
		run := b.run(r, i == len(j.Runs)-1)
		run.Words = fmt.Sprintf("Attempt %d", max(r.Attempt, int64(i+1)))
		out.Runs = append(out.Runs, run)
	}
	if len(j.Runs) > 0 {
		last := j.Runs[len(j.Runs)-1]
		out.Duration = duration(last)
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
		name, icon, question string
		of                   story.JSONPhase
	}{
		{"Submission", "inbox", "who asked, and why", r.Submission}, {"Authorization", "key", "who allowed it", r.Authorization},
		{"Execution", "play", "what ran, and where", r.Execution}, {"Outcome", "flag", "how it ended", r.Outcome},
	} {
		view := phaseView{Name: p.name, Icon: p.icon, Question: p.question, Missing: p.of.MissingText, Open: p.of.Missing == story.NotYet, More: b.entries(p.of.More)}
		if p.of.Event != nil {
			e := b.entry(*p.of.Event)
			view.Event = &e
		}
		if since := b.v.atText(p.of.Since); p.of.Since != "" && view.Event == nil {
			view.Since = since.Words
			if t, err := parseTime(p.of.Since); err == nil {
				view.Since = story.Age(b.v.now.Sub(t))
			}
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
		return "a foreign claim: whoever says this had no say in it"
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

// duration is how long a run took, as it says itself; "" where it does not.
func duration(r story.JSONRun) string {
	if r.Outcome.Event == nil {
		return ""
	}
	var e struct {
		Timing struct {
			Duration *int64 `json:"duration_us"`
		}
	}
	if json.Unmarshal(r.Outcome.Event.Event, &e) != nil || e.Timing.Duration == nil {
		return ""
	}
	return micros(*e.Timing.Duration)
}

// differences is what differs, at most so much of each kind.
func differences(d story.JSONDifference, most int) diffView {
	out := diffView{Note: d.NotRecorded, Left: d.Left}
	switch {
	case d.Of == story.OfAttempts:
		out.Words = fmt.Sprintf("Attempt %d, compared with attempt %d", d.Attempts[1], d.Attempts[0])
	case d.NotRecorded != "":
		out.Words = "Data before and after"
	default:
		out.Words = "Data before and after"
		if d.Attempts[1] > 1 {
			out.Words += fmt.Sprintf(" attempt %d", d.Attempts[1])
		}
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
		out.Changes = append(out.Changes, c)
	}
	return out
}

// is is the query for one value of a field.
func is(field search.Field, value string) string {
	return search.Query{}.With(search.Term{Field: field, Any: []search.Value{{Op: search.Equal, Text: value}}}).String()
}
