package story

import (
	"fmt"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
)

// detached says whether the run's start says that it outlives the process that recorded it.
func (r *Run) detached() bool {
	if r.Execution.Event == nil {
		return false
	}
	return slices.ContainsFunc(r.Execution.Event.Event.References, func(f event.Reference) bool { return f.Kind == event.ReferenceDetached })
}

// OpenRuns finds the runs that a stream started, or only asked for, and that have no outcome, were not recorded as lost,
// were neither denied nor dropped as duplicates, and are not detached: what to look at when the stream's process is gone. items are the
// stream's; those of other streams may be among them, so that an outcome which another process of the same application
// reported is found. A run whose Execution.Event is nil was only asked for: a queue may still hold it, so Lost is not for
// it. The order is that of the runs' jobs.
func OpenRuns(stream event.UUID, items []Item) []*Run {
	var f Fold
	for _, it := range items {
		f.Add(it)
	}
	var open []*Run
	for _, s := range f.Stories() {
		for _, j := range s.all() {
			for _, r := range j.Runs {
				begin := r.Execution.Event
				if begin == nil {
					begin = r.Submission.Event
				}
				if begin == nil || begin.Event.StreamID != stream {
					continue
				}
				if r.detached() {
					continue // that its process is gone says nothing of it
				}
				switch r.State() {
				case StateWaiting, StateUnstarted, StateRunning, StateSilent:
					open = append(open, r)
				}
			}
		}
	}
	return open
}

// all lists every job of a story, parents before their children.
func (s Story) all() []*Job {
	var out []*Job
	next := append(append([]*Job(nil), s.Jobs...), s.Orphans...)
	for len(next) > 0 {
		out = append(out, next[0])
		next = append(next[1:], next[0].Children...)
	}
	return out
}

// Evidence is why the store believes that a process is gone. The lock on its spool is what decides; this is what to tell.
type Evidence struct {
	PID    int64  // 0: not known
	Reason string // "" for the usual one, which names PID
}

// Lost makes the job_lost of a run that started and whose process is gone. Its id is derived from the run, so that
// closing it twice makes the same event. What is not the run's stays for the emitter to fill in: time, application,
// host, environment, principal, stream. Its references name the dead stream, the application and when the run was last
// seen alive, as far as the items went that r was made of. r must have an Execution.Event.
func Lost(r *Run, why Evidence) *event.Event {
	started := r.Execution.Event.Event
	reason := why.Reason
	switch {
	case reason != "":
	case why.PID > 0:
		reason = fmt.Sprintf("process %d is gone and never reported an outcome", why.PID)
	default:
		reason = "its process is gone and never reported an outcome"
	}
	job := *started.Job
	job.Phase, job.Params = "outcome", nil
	e := &event.Event{
		EventID:       event.DeriveUUID("job_lost", r.Stream.String()+"\n"+r.JobID+"\n"+r.ID, r.Stream.Time48()),
		InteractionID: started.InteractionID,
		CausationID:   started.EventID,
		Target:        started.Target,
		EventType:     "job_lost",
		Absent:        map[string]string{"why": event.AbsentNotApplicable}, // nobody asked for a loss
		Status:        event.StatusUnknown,
		StatusReason:  reason,
		Job:           &job,
		Timing:        &event.Timing{SubmittedAt: submittedAt(r), StartedAt: r.Execution.Event.When()},
		References: []event.Reference{
			{Kind: "stream", Value: r.Stream.String()},
			{Kind: "app", Value: r.AppID},
		},
		Escaped: started.Escaped,
	}
	if seen := r.LastSeen(); seen != nil {
		e.References = append(e.References, event.Reference{Kind: "last_seen", Value: event.FormatTime(seen.Event.Timestamp)})
	}
	return e
}

func submittedAt(r *Run) time.Time {
	if r.Submission.Event == nil {
		return time.Time{}
	}
	return r.Submission.Event.When()
}
