package stet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stetlog/stet/event"
)

// Context returns a context under which new jobs are children of the run, and which ends with it: with the cause ErrEnded
// when the outcome is recorded, and before that with ErrLapsed where the job's authorization lapses, or ErrCancelled where
// somebody asks for it to be cancelled. The rest is parent's. Do has done it for its function; it is for those who start
// runs themselves, once a run. A zero Run returns parent.
func (r *Run) Context(parent context.Context) context.Context {
	if r.zero() {
		return parent
	}
	ctx, cancel := context.WithCancelCause(WithRun(parent, r))
	r.onStop(cancel)
	return ctx
}

// onStop has cancel called when the run is cancelled or over.
func (r *Run) onStop(cancel context.CancelCauseFunc) {
	r.mu.Lock()
	cause := r.cause
	if cause == nil && r.ended {
		cause = ErrEnded
	}
	if cause == nil {
		r.cancels = append(r.cancels, cancel)
	}
	r.mu.Unlock()
	if cause != nil {
		cancel(cause)
	}
}

// stop ends the contexts of the run. The first cause stays.
func (r *Run) stop(cause error) {
	r.mu.Lock()
	if r.cause == nil && !errors.Is(cause, ErrEnded) {
		r.cause = cause
	}
	cancels := r.cancels
	r.cancels = nil
	r.mu.Unlock()
	for _, cancel := range cancels {
		cancel(cause)
	}
}

// stopped is why the run was cancelled; nil where it was not.
func (r *Run) stopped() error {
	if r.zero() {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause
}

// stopError says who stopped a run and why.
type stopError struct {
	kind   error // ErrLapsed or ErrCancelled
	reason string
}

func (e stopError) Error() string {
	if e.reason == "" {
		return e.kind.Error()
	}
	return e.kind.Error() + ": " + e.reason
}

func (e stopError) Unwrap() error { return e.kind }

// tell records one event about the open run. It is in front of the outcome, or not at all. change sees the run locked, and
// its error is the caller's.
func (r *Run) tell(what, typ string, change func(*event.Event) error) error {
	if r.zero() {
		return fmt.Errorf("%s: %w: the Run is zero", what, ErrInvalid)
	}
	r.saying.RLock()
	defer r.saying.RUnlock()
	ev := r.event(typ, phaseExecution)
	r.mu.Lock()
	err := error(ErrEnded)
	if !r.ended {
		err = change(ev)
	}
	r.mu.Unlock()
	if err != nil {
		return fmt.Errorf("%s of %s: %w", what, r.t.title(), err)
	}
	return r.t.rec.lost("the "+what+" of "+r.t.title(), 1, r.t.rec.recordJob(nil, ev))
}

// Heartbeat records that the run is still active, with its progress in words (at most 256 bytes) and, where next is not
// zero, until when the next heartbeat is due. Open runs do the same by themselves every Options.Heartbeat, counted from the
// last.
func (r *Run) Heartbeat(_ context.Context, progress string, next time.Time) error {
	err := r.tell("heartbeat", typeHeartbeat, func(ev *event.Event) error {
		r.beats++
		r.progress = progress
		ev.Heartbeat = &event.Heartbeat{N: r.beats, Progress: progress, NextDue: next}
		return nil
	})
	if !errors.Is(err, ErrInvalid) {
		r.t.rec.beaten(r)
	}
	return err
}

// Progress says in words, at most 256 bytes, how far the run is. The next automatic heartbeats repeat it; the last call
// wins.
func (r *Run) Progress(text string) {
	if r.zero() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.progress = text
}

// Pause records that the run does nothing for now. It goes on reporting that it is alive. Pausing a paused run is
// ErrInvalid.
func (r *Run) Pause(_ context.Context, reason string) error {
	return r.tell("pause", typePaused, func(ev *event.Event) error {
		if r.paused {
			return fmt.Errorf("%w: it is paused already", ErrInvalid)
		}
		r.paused = true
		ev.StatusReason = reason
		return nil
	})
}

// Resume records that the run goes on after a Pause; without one it is ErrInvalid.
func (r *Run) Resume(_ context.Context, reason string) error {
	return r.tell("resumption", typeResumed, func(ev *event.Event) error {
		if !r.paused {
			return fmt.Errorf("%w: it is not paused", ErrInvalid)
		}
		r.paused = false
		ev.StatusReason = reason
		return nil
	})
}

// RequestCancel records that somebody, the user of ctx where it has one, asks for the run to stop, and then ends its
// contexts with ErrCancelled, also where that could not be recorded. How the run ends is still its own to say.
func (r *Run) RequestCancel(ctx context.Context, reason string) error {
	err := r.tell("cancel request", typeCancel, func(ev *event.Event) error {
		r.t.asks(ctx, ev, reason)
		return nil
	})
	if !errors.Is(err, ErrInvalid) {
		r.stop(stopError{ErrCancelled, reason})
	}
	return err
}

// RequestCancel records that somebody, the user of ctx where it has one, asks for the job to stop. It may be recorded by
// any process and application; whoever runs the job must be told by other means.
func (s Submitted) RequestCancel(ctx context.Context, reason string) error {
	if s.t == nil {
		return fmt.Errorf("cancel request: %w: the Submitted is zero", ErrInvalid)
	}
	ev := s.t.event(typeCancel, "")
	ev.Job.Attempt = s.t.job.Attempt
	s.t.asks(ctx, ev, reason)
	return s.t.rec.lost("the cancel request of "+s.t.title(), 1, s.t.rec.recordJob(nil, ev))
}

// asks says who asks for a job to be cancelled, and why. That is not who asked for the job.
func (t *task) asks(ctx context.Context, ev *event.Event, reason string) {
	base := t.rec.based()
	ev.UserID, ev.SourceIP, ev.Source, ev.Principal, ev.Why = base.UserID, base.SourceIP, base.Source, base.Principal, nil
	ev.EntryPoint, ev.Host = base.EntryPoint, base.Host
	for _, path := range []string{"user_id", "source_ip", "source.forwarded_for", "principal", "entry_point", "entry_point.name", "why", "why.trigger", "why.reason", "why.reference"} {
		given(ev, path)
		if how, ok := base.Derived[path]; ok {
			ev.Derived[path] = how
		}
		if why, ok := base.Absent[path]; ok {
			ev.Absent[path] = why
		}
	}
	ev.Absent["why"] = event.AbsentNotApplicable // the status says why
	ev.Status, ev.StatusReason = event.StatusPending, reason
	requestOf(ctx).into(ev, t.rec)
	user, nobody := userOf(ctx)
	setUser(ev, user, nobody)
	setAddress(ev, value(ctx, sourceIPKey{}))
}

// Deduplicated records that the job asks for what earlier asks for already, so that it will not run. It names the earlier
// submission.
func (s Submitted) Deduplicated(ctx context.Context, earlier Submitted) error {
	if s.t == nil || earlier.t == nil {
		return fmt.Errorf("deduplicate: %w: the Submitted is zero", ErrInvalid)
	}
	if err := alive(ctx, "the duplicate "+s.t.title()); err != nil {
		return err
	}
	ev := s.t.event(typeDuplicate, phaseSubmission)
	ev.CausationID = earlier.t.submission
	ev.References = []event.Reference{{Kind: "job", Value: earlier.t.id.String()}, {Kind: "submission", Value: earlier.t.submission.String()}}
	if earlier.t.interaction != s.t.interaction {
		ev.References = append(ev.References, event.Reference{Kind: "interaction", Value: earlier.t.interaction})
	}
	return s.t.rec.lost("the duplicate "+s.t.title(), 1, s.t.rec.recordJob(nil, ev))
}

// RetryAt records, with one flush, that this attempt failed and that the job will be tried again at a time; zero means as
// soon as possible. It returns the job for that next attempt: for Submitted.Authorize here, or its Ref for another
// process. The error is that of Fail; the next attempt may be made all the same.
func (r *Run) RetryAt(_ context.Context, cause error, at time.Time) (Submitted, error) {
	if r.zero() {
		return Submitted{}, fmt.Errorf("retry: %w: the Run is zero", ErrInvalid)
	}
	if cause == nil {
		return Submitted{}, fmt.Errorf("retry of %s: %w: the cause is nil", r.t.title(), ErrInvalid)
	}
	next := *r.t
	next.job.Attempt = max(r.t.job.Attempt, 1) + 1
	next.job.ScheduledFor = at
	ev := r.event(typeRetry, phaseOutcome)
	ev.Status = event.StatusPending
	ev.Job.ScheduledFor = at
	err := r.end(Outcome{Status: event.StatusFailure, Reason: say(cause)}, ev)
	return Submitted{&next}, err
}
