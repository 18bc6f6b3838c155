package stet

import (
	"context"
	"fmt"
	"strings"

	"github.com/stetlog/stet/event"
)

// Correction says what an earlier event got wrong, or that what it tells was undone. The earlier event stays as it is;
// stories show the correction beside it. It counts only from the application that made the earlier event, in the same
// environment and under the same key: from others it is kept, and shown as a claim.
//
// At least one of EventID, Seq and EntryHash names the event. InteractionID brings the two into one story. JobID, RunID and
// JobName are those of the corrected event where it is a job's, and the correction is a job_corrected; an application's
// own event is corrected by one of the same EventType.
type Correction struct {
	EventID   event.UUID
	Seq       *uint64 // its number in the ledger
	EntryHash string  // of its entry there, sha256:hex
	Kind      string  // correction or reversal; "" means correction
	Reason    string  // at most 512 bytes

	InteractionID string // "": that of ctx
	JobID         string
	RunID         string
	JobName       string
	EventType     string // of the corrected event, where it is of no job

	// What is right instead. All of it may be left out.
	Status     string // event.StatusSuccess, …
	Code       string // at most 64 bytes
	Impact     *event.Impact
	Before     *event.Snapshot
	After      *event.Snapshot
	References []event.Reference // at most 16
	Labels     map[string]string
}

var kinds = []string{"correction", "reversal"}

func (c Correction) check() error {
	switch {
	case c.EventID.IsZero() && c.Seq == nil && c.EntryHash == "":
		return fmt.Errorf("%w: it names no event: say its EventID, Seq or EntryHash", ErrInvalid)
	case !c.EventID.IsZero() && !c.EventID.IsV7():
		return fmt.Errorf("%w: its EventID is no UUIDv7", ErrInvalid)
	case c.Seq != nil && *c.Seq > event.MaxInt:
		return fmt.Errorf("%w: its Seq is beyond 2^53", ErrInvalid)
	case c.EntryHash != "" && !isDigest(c.EntryHash):
		return fmt.Errorf("%w: its EntryHash is %.80q, not sha256: and 64 hexadecimal digits", ErrInvalid, c.EntryHash)
	case (c.JobID == "") == (c.EventType == ""):
		return fmt.Errorf("%w: it must say either JobID, or the EventType of an event of no job", ErrInvalid)
	case c.Kind != "" && !isOneOf(c.Kind, kinds):
		return fmt.Errorf("%w: its kind is %.40q, known are correction and reversal", ErrInvalid, c.Kind)
	}
	return nil
}

func isDigest(s string) bool {
	digits, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(digits) == 64 && strings.Trim(digits, "0123456789abcdef") == ""
}

// Correct records a correction or a reversal as an event of its own, job_corrected. Who corrects is the user of ctx where
// it has one; where ctx carries a run, the event names it. The error is that of Record.
func (r *Recorder) Correct(ctx context.Context, c Correction) error {
	if r == nil {
		return fmt.Errorf("correct: %w: the Recorder is nil", ErrInvalid)
	}
	if err := c.check(); err != nil {
		return fmt.Errorf("correct: %w", err)
	}
	e := c.event()
	if run, ok := FromContext(ctx); ok && !run.zero() {
		run.corrects(&e)
	}
	ev, _, err := r.fill(ctx, e, r.caller(1))
	if err != nil {
		return err
	}
	return r.lost("the "+e.Corrects.Kind+" of an event", 1, r.record(nil, ev))
}

// event is what the correction says.
func (c Correction) event() event.Event {
	own(&c.Before)
	own(&c.After)
	e := event.Event{EventType: c.EventType, InteractionID: c.InteractionID, Absent: map[string]string{},
		Corrects: &event.Corrects{EventID: c.EventID, Seq: c.Seq, EntryHash: c.EntryHash, Kind: first(c.Kind, "correction"), Reason: c.Reason},
		Status:   c.Status, StatusCode: c.Code, Impact: c.Impact, Before: c.Before, After: c.After,
		References: c.References, Labels: c.Labels}
	if c.JobID != "" {
		e.EventType = typeCorrected
		e.Job = &event.Job{ID: c.JobID, RunID: c.RunID, Name: c.JobName}
		e.Absent["why"] = event.AbsentNotApplicable // corrects says why
		if c.JobName == "" {
			e.Absent["job.name"] = event.AbsentNotProvided
		}
	}
	return e
}

// corrects names the run, its job and its interaction in a correction that it makes.
func (r *Run) corrects(e *event.Event) {
	e.CausationID = r.startID
	mine := []event.Reference{{Kind: "by_job", Value: r.JobID()}, {Kind: "by_run", Value: r.ID()}}
	if e.InteractionID != "" && e.InteractionID != r.InteractionID() {
		mine = append(mine, event.Reference{Kind: "by_interaction", Value: r.InteractionID()})
	}
	e.References = fitReferences(append(mine, e.References...), 0)
}

// reversal is the event of what the run has undone. outcome is the run's own.
func (r *Run) reversal(c Correction, outcome *event.Event) *event.Event {
	c.Kind = first(c.Kind, "reversal")
	e := c.event()
	r.corrects(&e)
	ev := r.event(typeCorrected, "")
	ev.CausationID = outcome.EventID
	ev.InteractionID = first(c.InteractionID, ev.InteractionID)
	ev.Corrects, ev.Job, ev.References = e.Corrects, e.Job, e.References
	ev.Why = nil
	for path, why := range e.Absent {
		ev.Absent[path] = why
	}
	return ev
}

// NewEventID returns a fresh id for an event that is yet to be recorded, so that others can name it: put it into the
// event's EventID before Record.
func (r *Recorder) NewEventID() event.UUID { return r.newID() }

// Upstream names an event of this application as the cause of a job: see Job.CausedBy. e needs the EventID and the type
// that it is recorded with.
func (r *Recorder) Upstream(e event.Event) *event.Upstream {
	return &event.Upstream{System: r.base.AppID, EventRef: e.EventID.String(), EventType: e.EventType}
}
