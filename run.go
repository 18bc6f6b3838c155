package stet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
)

// Run is one execution of a job, from its start to its outcome. The zero value returns ErrInvalid from every method.
type Run struct {
	t       *task
	id      event.UUID
	startID event.UUID // event_id of job_started
	started time.Time  // with its monotonic reading

	mu      sync.Mutex // guards what follows
	ended   bool
	beats   uint64
	outcome Outcome // what was said before the end: impact, snapshots, references
}

// Outcome is how a run ended. Status is required; what else is empty is left out, or taken from what the run was told
// before.
type Outcome struct {
	Status     string // event.StatusSuccess, StatusFailure or StatusAborted
	Reason     string // at most 512 bytes
	Code       string // an exit code, a signal, an error class, at most 64 bytes
	Impact     *event.Impact
	Before     *event.Snapshot
	After      *event.Snapshot
	References []event.Reference
	Labels     map[string]string
}

// ID is the run_id; "" for the zero Run.
func (r *Run) ID() string {
	if r == nil || r.t == nil {
		return ""
	}
	return r.id.String()
}

// JobID is the job's id; "" for the zero Run.
func (r *Run) JobID() string {
	if r == nil || r.t == nil {
		return ""
	}
	return r.t.id.String()
}

// RootID is the id of the job at the top of this one's tree; "" for the zero Run.
func (r *Run) RootID() string {
	if r == nil || r.t == nil {
		return ""
	}
	return r.t.root.String()
}

// InteractionID is the id that the whole tree of jobs shares; "" for the zero Run.
func (r *Run) InteractionID() string {
	if r == nil || r.t == nil {
		return ""
	}
	return r.t.interaction
}

// Impact says what the run changed, in words ("1,000 records updated", at most 512 bytes) and in at most 32 counts. The
// outcome records it; the last call wins.
func (r *Run) Impact(summary string, counts map[string]int64) {
	r.note(func(o *Outcome) { o.Impact = &event.Impact{Summary: summary, Counts: maps.Clone(counts)} })
}

// Snapshot says what the data was before and after; nil leaves what was said. The outcome records it.
func (r *Run) Snapshot(before, after *event.Snapshot) {
	r.note(func(o *Outcome) {
		if before != nil {
			o.Before = before
		}
		if after != nil {
			o.After = after
		}
	})
}

// Reference adds a cross-reference to another record of the same work: a transaction id, a log, a ticket. At most 16;
// more are refused by the outcome.
func (r *Run) Reference(kind, value string) {
	r.note(func(o *Outcome) { o.References = append(o.References, event.Reference{Kind: kind, Value: value}) })
}

func (r *Run) note(f func(*Outcome)) {
	if r == nil || r.t == nil {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.outcome)
}

// Heartbeat records that the run is still active, with its progress in words and, where next is not zero, until when
// the next heartbeat is due.
func (r *Run) Heartbeat(ctx context.Context, progress string, next time.Time) error {
	if r == nil || r.t == nil {
		return fmt.Errorf("heartbeat: %w: the Run is zero", ErrInvalid)
	}
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return fmt.Errorf("heartbeat: %w", ErrEnded)
	}
	r.beats++
	n := r.beats
	r.mu.Unlock()
	ev := r.event(typeHeartbeat, phaseExecution)
	ev.Heartbeat = &event.Heartbeat{N: n, Progress: progress, NextDue: next}
	return r.t.rec.lost("a heartbeat of "+r.t.job.Name, r.t.rec.emit(ctx, ev))
}

// Succeed records success.
func (r *Run) Succeed(ctx context.Context) error {
	return r.End(ctx, Outcome{Status: event.StatusSuccess})
}

// Fail records failure with its cause.
func (r *Run) Fail(ctx context.Context, cause error) error {
	if cause == nil {
		return fmt.Errorf("fail: %w: the cause is nil", ErrInvalid)
	}
	return r.End(ctx, Outcome{Status: event.StatusFailure, Reason: cause.Error()})
}

// Abort records that the run was stopped before it was done.
func (r *Run) Abort(ctx context.Context, reason string) error {
	return r.End(ctx, Outcome{Status: event.StatusAborted, Reason: reason})
}

// End records the outcome, once; a second one is ErrEnded. It is recorded even where ctx is dead: the work is over, and
// that is exactly what must be known. A refusal by the schema leaves the run open, so that a better outcome can follow.
func (r *Run) End(ctx context.Context, o Outcome) error {
	if r == nil || r.t == nil {
		return fmt.Errorf("end: %w: the Run is zero", ErrInvalid)
	}
	ended := time.Now()
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return fmt.Errorf("end of %s: %w", r.t.job.Name, ErrEnded)
	}
	r.ended = true
	o = o.over(r.outcome)
	r.mu.Unlock()

	typ, ok := outcomeType(o.Status)
	if !ok {
		r.reopen()
		return fmt.Errorf("end of %s: %w: status %q is none of success, failure, aborted", r.t.job.Name, ErrInvalid, o.Status)
	}
	ev := r.event(typ, phaseOutcome)
	o.into(ev)
	duration := ended.Sub(r.started).Microseconds()
	ev.Timing = &event.Timing{SubmittedAt: r.t.submittedAt, StartedAt: r.started, EndedAt: ended, DurationUS: &duration}
	err := r.t.rec.emit(context.WithoutCancel(ctx), ev)
	var refused *event.Error
	if errors.As(err, &refused) {
		r.reopen()
	} else {
		r.forget()
	}
	return r.t.rec.lost("the outcome of "+r.t.job.Name, err)
}

// finish is End for callers whose own result must not change.
func (r *Run) finish(ctx context.Context, o Outcome) {
	err := r.End(ctx, o)
	var refused *event.Error
	if errors.As(err, &refused) {
		// Something that the job said of itself does not fit the schema. How it ended matters more.
		r.mu.Lock()
		r.outcome = Outcome{}
		r.mu.Unlock()
		reason := "the outcome as reported was refused: " + refused.Error()
		err = r.End(ctx, Outcome{Status: o.Status, Reason: o.Reason, Code: o.Code, Labels: map[string]string{"refused": reason}})
	}
	if err != nil && !errors.Is(err, ErrEnded) {
		r.t.rec.o.OnLoss(err)
	}
}

// over returns o with what it leaves empty taken from what was said before.
func (o Outcome) over(said Outcome) Outcome {
	if o.Impact == nil {
		o.Impact = said.Impact
	}
	if o.Before == nil {
		o.Before = said.Before
	}
	if o.After == nil {
		o.After = said.After
	}
	o.References = append(append([]event.Reference(nil), said.References...), o.References...)
	return o
}

func (o Outcome) into(ev *event.Event) {
	ev.Status, ev.StatusReason, ev.StatusCode = o.Status, o.Reason, o.Code
	ev.Impact, ev.Before, ev.After, ev.References = o.Impact, o.Before, o.After, o.References
	if len(o.Labels) > 0 {
		labels := maps.Clone(ev.Labels)
		if labels == nil {
			labels = map[string]string{}
		}
		maps.Copy(labels, o.Labels)
		ev.Labels = labels
	}
}

func outcomeType(status string) (string, bool) {
	switch status {
	case event.StatusSuccess:
		return "job_succeeded", true
	case event.StatusFailure:
		return "job_failed", true
	case event.StatusAborted:
		return "job_aborted", true
	}
	return "", false
}

// register makes the run one that Close ends.
func (r *Run) register() error {
	rec := r.t.rec
	rec.mu.Lock()
	defer rec.mu.Unlock()
	if rec.closed {
		return ErrClosed
	}
	rec.runs[r] = struct{}{}
	return nil
}

func (r *Run) forget() {
	rec := r.t.rec
	rec.mu.Lock()
	delete(rec.runs, r)
	rec.mu.Unlock()
}

func (r *Run) reopen() {
	r.mu.Lock()
	r.ended = false
	r.mu.Unlock()
}
