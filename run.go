package stet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/emitter"
)

// Run is one execution of a job, from its start to its outcome. The zero value returns ErrInvalid from every method that
// returns an error.
type Run struct {
	t       *task
	id      event.UUID
	startID event.UUID       // event_id of job_started
	started time.Time        // with its monotonic reading
	em      *emitter.Emitter // the stream that it was started in, guarded by Recorder.mu; nil where in none
	pulse   pulse            // guarded by Recorder.mu, from the start on

	saying sync.RWMutex // held for reading while a word about the open run is recorded, so that none comes after its outcome

	mu       sync.Mutex // guards what follows
	ended    bool
	unrun    string // why it did not run though its start may be durable; "" where it runs
	beats    uint64
	progress string // what the next automatic heartbeat says
	paused   bool
	cause    error                     // why it was cancelled; nil: it was not
	cancels  []context.CancelCauseFunc // of the contexts that it handed out
	outcome  Outcome                   // what was said before the end: impact, snapshots, references
	more     int                       // references beyond what the outcome can hold
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
	References []event.Reference // at most 16, with those of Run.Reference
	Labels     map[string]string // in addition to the job's
}

// ID is the run_id; "" for the zero Run.
func (r *Run) ID() string {
	if r.zero() {
		return ""
	}
	return r.id.String()
}

// JobID is the job's id; "" for the zero Run.
func (r *Run) JobID() string {
	if r.zero() {
		return ""
	}
	return r.t.id.String()
}

// RootID is the id of the job at the top of this one's tree; "" for the zero Run.
func (r *Run) RootID() string {
	if r.zero() {
		return ""
	}
	return r.t.root.String()
}

// InteractionID is the id that the whole tree of jobs shares; "" for the zero Run.
func (r *Run) InteractionID() string {
	if r.zero() {
		return ""
	}
	return r.t.interaction
}

func (r *Run) zero() bool { return r == nil || r.t == nil }

// Environ returns, as NAME=value, what a process that this run starts must have in its environment for its jobs to become
// children of this one, whether it uses this package or stet run, for its tracer, if any, to continue the trace, and for what speaks
// OpenLineage to name this run as its parent.
func (r *Run) Environ() []string {
	if r.zero() {
		return nil
	}
	of := r.t
	env := []string{EnvInteractionID + "=" + of.interaction, EnvParentJobID + "=" + of.id.String(), EnvRootJobID + "=" + of.root.String()}
	if t := of.job.Trace; t.valid() {
		// Always both: a state of another trace, which this process may have, must not go with ours.
		env = append(env, envTraceparent+"="+t.parent(), envTracestate+"="+t.State)
	}
	return append(env, r.lineage()...)
}

// Impact says what the run changed, in words ("1,000 records updated", at most 512 bytes) and in at most 32 counts. The
// outcome records it; the last call wins.
func (r *Run) Impact(summary string, counts map[string]int64) {
	r.note(func(o *Outcome) { o.Impact = &event.Impact{Summary: summary, Counts: maps.Clone(counts)} })
}

// Snapshot says what the data was before and after; nil leaves what was said. The outcome records it.
func (r *Run) Snapshot(before, after *event.Snapshot) {
	own(&before)
	own(&after)
	r.note(func(o *Outcome) {
		if before != nil {
			o.Before = before
		}
		if after != nil {
			o.After = after
		}
	})
}

// Reference adds a cross-reference to another record of the same work: a transaction id, a log, a ticket. The outcome
// records the first 16; of more it says how many.
func (r *Run) Reference(kind, value string) {
	r.note(func(o *Outcome) {
		if len(o.References) == maxReferences {
			r.more++
			return
		}
		o.References = append(o.References, event.Reference{Kind: kind, Value: value})
	})
}

// note is nothing on a zero Run, whose end is an error.
func (r *Run) note(f func(*Outcome)) {
	if r.zero() {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	f(&r.outcome)
}

// start records the events that begin the run, of which the last is its start. An error means that it must not run.
func (r *Run) start(events ...*event.Event) (*Run, error) {
	rec := r.t.rec
	what := "the start of " + r.t.title()
	err := rec.recordJob(r, events...)
	rec.done(events...)
	if err == nil {
		rec.watch(r)
		return r, nil
	}
	doubt := inDoubt(err)
	if err := rec.lost(what, len(events), err); err != nil {
		if doubt {
			// It may be in the log after all, and then must not look like a run that was lost. Where this cannot be
			// recorded either, Close tries again.
			go r.finish(r.left())
		} else {
			ctx, cancel := rec.deadline(context.Background())
			defer cancel()
			rec.forget(ctx, r)
		}
		return nil, err
	}
	rec.watch(r)
	return r, nil
}

// Succeed records success.
func (r *Run) Succeed(ctx context.Context) error {
	return r.End(ctx, Outcome{Status: event.StatusSuccess})
}

// Fail records failure with its cause, or that the run was aborted where the cause is that it was cancelled.
func (r *Run) Fail(ctx context.Context, cause error) error {
	if cause == nil {
		return fmt.Errorf("fail: %w: the cause is nil", ErrInvalid)
	}
	if stopped := r.stopped(); stopped != nil && (errors.Is(cause, context.Canceled) || errors.Is(cause, ErrLapsed) || errors.Is(cause, ErrCancelled)) {
		return r.End(ctx, Outcome{Status: event.StatusAborted, Reason: fmt.Sprintf("%s (cancelled: %v)", say(cause), stopped)})
	}
	return r.End(ctx, Outcome{Status: event.StatusFailure, Reason: say(cause)})
}

// Abort records that the run was stopped before it was done.
func (r *Run) Abort(ctx context.Context, reason string) error {
	return r.End(ctx, Outcome{Status: event.StatusAborted, Reason: reason})
}

// End records the outcome, once; a second one is ErrEnded. It is recorded even where ctx is dead: the work is over, and
// that is exactly what must be known. For the same reason what the schema does not take of it is left out, as package
// stet's comment says, and a stream that fails is replaced and tried once more. A Status that does not exist is
// ErrInvalid and leaves the run open.
func (r *Run) End(_ context.Context, o Outcome) error {
	if r.zero() {
		return fmt.Errorf("end: %w: the Run is zero", ErrInvalid)
	}
	return r.end(o)
}

// end records the outcome, and with the same flush what follows from it.
func (r *Run) end(o Outcome, more ...*event.Event) error {
	ended := time.Now()
	typ, ok := outcomeType(o.Status)
	if !ok {
		return fmt.Errorf("end of %s: %w: status %.40q is none of success, failure, aborted", r.t.title(), ErrInvalid, o.Status)
	}
	rec := r.t.rec
	rec.ending.RLock()
	defer rec.ending.RUnlock()
	r.saying.Lock() // waits for a heartbeat that is being recorded
	r.mu.Lock()
	was := r.ended
	r.ended = true
	o = o.over(r.outcome, r.more)
	r.mu.Unlock()
	r.saying.Unlock()
	if was {
		return fmt.Errorf("end of %s: %w", r.t.title(), ErrEnded)
	}

	ev := r.event(typ, phaseOutcome)
	o.into(ev)
	ev.Timing = r.timing(ended)
	ev.EventID = rec.newID()
	events := append([]*event.Event{ev}, more...)
	if c := r.t.job.Reverses; c != nil && o.Status == event.StatusSuccess {
		events = append(events, r.reversal(*c, ev))
	}
	ctx := rec.wait()
	err := rec.emitJob(ctx, nil, events...)
	if errors.Is(err, emitter.ErrFailed) {
		err = rec.emitJob(ctx, nil, events...) // under the same event_ids, in case that both are durable
	}
	rec.done(events...)
	rec.forget(ctx, r)
	r.stop(ErrEnded)
	return rec.lost("the outcome of "+r.t.title(), len(events), err)
}

// timing is what this process knows of when the run began and ended.
func (r *Run) timing(ended time.Time) *event.Timing {
	t := &event.Timing{SubmittedAt: r.t.submittedAt, StartedAt: r.started, EndedAt: ended}
	if !r.started.IsZero() { // else another process started it: see Attach
		duration := ended.Sub(r.started).Microseconds()
		t.DurationUS = &duration
	}
	return t
}

// left is the outcome of a run that nobody ends.
func (r *Run) left() Outcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	return Outcome{Status: event.StatusAborted, Reason: first(r.unrun, "the recorder was closed while the run was open")}
}

// finish is End for callers whose own result must not change.
func (r *Run) finish(o Outcome) {
	if err := r.End(context.Background(), o); err != nil && !errors.Is(err, ErrEnded) {
		r.t.rec.o.OnLoss(err)
	}
}

// over returns o with what it leaves empty taken from what was said before, and nothing in it that others could change.
func (o Outcome) over(said Outcome, more int) Outcome {
	if o.Impact == nil {
		o.Impact = said.Impact
	} else {
		o.Impact = &event.Impact{Summary: o.Impact.Summary, Counts: maps.Clone(o.Impact.Counts)}
	}
	if o.Before == nil {
		o.Before = said.Before
	}
	if o.After == nil {
		o.After = said.After
	}
	own(&o.Before)
	own(&o.After)
	all := append(append([]event.Reference(nil), said.References...), o.References...)
	o.References = fitReferences(all, more)
	return o
}

func (o Outcome) into(ev *event.Event) {
	ev.Status, ev.StatusReason, ev.StatusCode = o.Status, o.Reason, o.Code
	ev.Impact, ev.Before, ev.After, ev.References = o.Impact, o.Before, o.After, o.References
	if len(o.Labels) > 0 {
		labels := maps.Clone(o.Labels)
		for k, v := range ev.Labels {
			if _, ok := labels[k]; !ok {
				labels[k] = v
			}
		}
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
