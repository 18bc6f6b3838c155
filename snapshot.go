package stet

import (
	"context"
	"fmt"

	"github.com/stetlog/stet/event"
)

const typeSnapshot = "job_snapshot"

// RecordBefore records at once, as job_snapshot, what the data was before the run touched it, so that this is known also of a
// run that is killed. The outcome repeats it, as after Run.Snapshot. Under RequireRecord an error means that it may not be
// durable: the data should be left alone.
func (r *Run) RecordBefore(_ context.Context, before *event.Snapshot) error {
	if r.zero() {
		return fmt.Errorf("snapshot: %w: the Run is zero", ErrInvalid)
	}
	if before == nil {
		return fmt.Errorf("snapshot of %s: %w: it is nil", r.t.title(), ErrInvalid)
	}
	own(&before)
	r.mu.Lock()
	if r.ended {
		r.mu.Unlock()
		return fmt.Errorf("snapshot of %s: %w", r.t.title(), ErrEnded)
	}
	r.outcome.Before = before
	r.mu.Unlock()
	ev := r.event(typeSnapshot, phaseExecution)
	ev.Before = before
	own(&ev.Before) // what the schema refuses of this event is not given up in the outcome's
	return r.t.rec.lost("the snapshot of "+r.t.title(), 1, r.t.rec.recordJob(nil, ev))
}
