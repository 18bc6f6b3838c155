package policy

import (
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/story"
)

// MaxStoryEvents is how many events of jobs a fold is given at a time, some 100 MB of them.
const MaxStoryEvents = 50_000

// goesOn is how long a log must go on without a word of a run for it to count as gone, and how long a run may say nothing: the
// 108 document speaks of days.
const goesOn = 24 * time.Hour

// lineShift leaves room for the records of one OTLP line in the order of items.
const lineShift = 12

// items makes the items of a fold of records that are about jobs.
func items(records []Record) (all []story.Item) {
	for i := range records {
		r := &records[i]
		if !r.job() {
			continue
		}
		e := storyEvent(r)
		if e == nil {
			continue
		}
		// A file says who raised an event, and nobody vouches for it: one sender, who is believed.
		it := story.Item{Seq: uint64(r.place.Line)<<lineShift | uint64(min(i, 1<<lineShift-1)), HasSeq: true, KeyID: "file", Event: e}
		t, _ := event.Builtin().Lookup(e.EventType)
		it.StoreKey = t.Reserved
		all = append(all, it)
	}
	return all
}

// storyEvent is the event of a record; nil where it has no time.
func storyEvent(r *Record) *event.Event {
	if r.native() {
		e, err := event.Parse(r.raw)
		if err != nil {
			return nil
		}
		return e
	}
	e := r.fields.Draft(r.Record)
	if e.Timestamp.IsZero() {
		e.Timestamp = e.EventTime
	}
	if e.Timestamp.IsZero() || e.Job == nil {
		return nil
	}
	e.Job.Phase = strings.ToLower(e.Job.Phase)
	e.EventType = convert.JobType(convert.TypeName(e.EventType), e.Job.Phase, strings.ToLower(e.Status))
	return e
}

// at is where an item of a fold stands.
func (l *Linter) at(e *story.Entry) Place {
	switch {
	case e == nil:
		return Place{}
	case l.o.Ledger:
		return Place{Seq: e.Seq, HasSeq: true}
	}
	return Place{Line: int(e.Seq >> lineShift)}
}

// StoriesNotChecked counts n events of jobs whose stories were not folded.
func (l *Linter) StoriesNotChecked(n uint64, why string) {
	for _, id := range []string{"submission", "authorization", "execution", "outcome", "ghost", "phase-order", "lineage", "heartbeat", "before-after", "clock-order"} {
		l.result(id).addTally(NotChecked, why, 0, tally{Count: n})
	}
}

// Story judges one interaction.
func (l *Linter) Story(s *story.Story) {
	if len(s.Jobs)+len(s.Orphans) == 0 {
		return
	}
	if len(s.Clocks) == 0 {
		l.count("clock-order", Place{}, pass)
	}
	for i, n := range s.Clocks {
		if i > 0 {
			break // one verdict an interaction, at the worst of them
		}
		what := "an event claims a time before one that came first"
		if n.Earlier == nil {
			what = "an event claims a time after the ledger had it"
		}
		l.count("clock-order", l.at(n.Later), fails(what))
	}
	for _, j := range s.Jobs {
		l.job(j, j, false)
	}
	for _, j := range s.Orphans {
		l.job(j, j, true)
	}
}

func (l *Linter) job(j, root *story.Job, orphan bool) {
	first := firstOf(j)
	switch {
	case orphan:
		l.count("lineage", l.at(first), fails("the job's parent is not in its interaction"))
	case j.ParentID == "":
	case j.RootID == "":
		l.count("lineage", l.at(first), fails("a child that names no root"))
	case j.RootID != root.ID:
		l.count("lineage", l.at(first), fails("a child that names another root than the topmost job"))
	default:
		l.count("lineage", l.at(first), pass)
	}
	for _, r := range j.Runs {
		if firstOfRun(r) != nil {
			l.run(r)
		}
	}
	for _, c := range j.Children {
		l.job(c, root, false)
	}
}

// firstOf is the first entry of a job.
func firstOf(j *story.Job) (first *story.Entry) {
	for _, e := range j.Own() {
		if first == nil || e.Seq < first.Seq {
			first = e
		}
	}
	return first
}

func firstOfRun(r *story.Run) (first *story.Entry) {
	for _, p := range []*story.Phase{&r.Submission, &r.Authorization, &r.Execution, &r.Outcome} {
		for _, e := range append([]*story.Entry{p.Event}, p.More...) {
			if e != nil && (first == nil || e.Seq < first.Seq) {
				first = e
			}
		}
	}
	for _, e := range append(r.Heartbeats, r.Snapshots...) {
		if first == nil || e.Seq < first.Seq {
			first = e
		}
	}
	return first
}

// run judges one run's phases and its end.
func (l *Linter) run(r *story.Run) {
	at := l.at(firstOfRun(r))
	phase := func(id string, p *story.Phase, whole func(*event.Event) string) {
		where, v := at, pass
		switch {
		case p.Event != nil:
			if what := whole(p.Event.Event); what != "" {
				where, v = l.at(p.Event), fails(what)
			}
		case p.Missing == story.NotYet && l.open(r):
			v = notChecked("not reported yet: the run is open at the end of the log")
		case p.Missing == story.EarlierAttempt:
		case p.Missing == story.NotAllowed, p.Missing == story.WasDuplicate:
			v = verdict{}
		default:
			v = fails("never reported")
		}
		l.count(id, where, v)
	}
	phase("submission", &r.Submission, wholeSubmission)
	phase("authorization", &r.Authorization, wholeAuthorization)
	phase("execution", &r.Execution, wholeExecution)
	phase("outcome", &r.Outcome, wholeOutcome)
	l.ghost(r, at)
	l.order(r)
	l.alive(r)
	if e := r.Outcome.Event; e != nil {
		l.count("before-after", l.at(e), l.snapshots(e.Event))
	}
	for _, c := range r.Corrections {
		l.count("correction", l.at(c), fails("a correction whose event is not in its interaction"))
	}
}

// open tells whether a run without its end may still be running: the log does not go on long behind its last sign of life.
func (l *Linter) open(r *story.Run) bool {
	seen := r.LastSeen()
	switch r.State() {
	case story.StateWaiting, story.StateRunning, story.StateUnclear:
	default:
		return false
	}
	if seen == nil {
		return true
	}
	when := seen.Event.Timestamp
	if !seen.ReceivedAt.IsZero() {
		when = seen.ReceivedAt
	}
	return l.last.Sub(when) <= goesOn
}

func (l *Linter) ghost(r *story.Run, at Place) {
	switch s := r.State(); s {
	case story.StateLost:
		l.count("ghost", at, fails("its process was gone before it reported an end"))
	case story.StateSilent:
		l.count("ghost", at, fails("started, and never ended"))
	case story.StateUnstarted:
		l.count("ghost", at, fails("asked for, and never started"))
	case story.StateWaiting, story.StateRunning, story.StateUnclear:
		switch {
		case l.open(r):
			l.count("ghost", at, notChecked("open at the end of the log"))
		case s == story.StateWaiting:
			l.count("ghost", at, fails("asked for and never started, and the log goes on for more than a day"))
		default:
			l.count("ghost", at, fails("started and never ended, and the log goes on for more than a day"))
		}
	default:
		l.count("ghost", at, pass)
	}
}

func (l *Linter) order(r *story.Run) {
	var last *story.Entry
	several := false
	for _, p := range []story.Phase{r.Submission, r.Authorization, r.Execution, r.Outcome} {
		switch {
		case p.Event == nil:
			continue
		case last != nil && p.Event.Seq < last.Seq:
			l.count("phase-order", l.at(p.Event), fails("a phase that stands before the one that it follows"))
			return
		}
		several = several || last != nil
		last = p.Event
	}
	if several {
		l.count("phase-order", l.at(last), pass)
	}
}

// alive looks for days without a word in a run of more than a day.
func (l *Linter) alive(r *story.Run) {
	start := r.Execution.Event
	if start == nil {
		return
	}
	end, last := start.When(), start
	gap := false
	words := append(append([]*story.Entry{}, r.Heartbeats...), r.Snapshots...)
	words = append(append(words, r.Execution.More...), r.Outcome.More...)
	if r.Outcome.Event != nil {
		words = append(words, r.Outcome.Event)
	}
	sortByTime(words)
	for _, e := range words {
		if e.When().Sub(end) > goesOn {
			gap = true
		}
		if e.When().After(end) {
			end, last = e.When(), e
		}
	}
	switch {
	case end.Sub(start.When()) <= goesOn:
	case gap:
		l.count("heartbeat", l.at(last), fails("more than a day of the run without a sign of life"))
	default:
		l.count("heartbeat", l.at(last), pass)
	}
}
