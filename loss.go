package stet

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
)

// typeLoss declares records that were lost: the recorder's watch over the job was off for a while.
const typeLoss = "sys_monitor_disabled"

// loss is what could not be recorded and has not been declared yet.
type loss struct {
	lost    int64 // certainly not recorded
	doubt   int64 // may be durable in a spool that failed
	first   time.Time
	last    time.Time
	because error // the last failure
	notes   []*lossNote
}

func (l loss) none() bool { return l.lost == 0 && l.doubt == 0 }

// plus adds two accounts.
func (l loss) plus(m loss) loss {
	if l.none() {
		return m
	}
	if m.none() {
		return l
	}
	l.lost, l.doubt = l.lost+m.lost, l.doubt+m.doubt
	l.notes = slices.Concat(l.notes, m.notes)
	if m.first.Before(l.first) {
		l.first = m.first
	}
	if m.last.After(l.last) {
		l.last, l.because = m.last, m.because
	}
	return l
}

// count notes n records that were not acknowledged.
func (r *Recorder) count(n int, err error) {
	now := r.clock.Now().Wall
	l := loss{first: now, last: now, because: err}
	if inDoubt(err) {
		l.doubt = int64(n)
	} else {
		l.lost = int64(n)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.loss = r.loss.plus(l)
	r.noteLoss()
}

// owe puts a loss back onto what must be declared.
func (r *Recorder) owe(l loss) {
	if l.none() {
		return
	}
	r.mu.Lock()
	r.loss = r.loss.plus(l)
	r.mu.Unlock()
}

// owes says whether there is a loss to be declared.
func (r *Recorder) owes() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.loss.none()
}

// declare puts an event about all that was lost in front of events, in the same batch, so that nothing is recorded after
// a loss without saying so. Who cannot record the batch owes it again.
func (r *Recorder) declare(events []*event.Event) ([]*event.Event, loss) {
	r.mu.Lock()
	l := r.loss
	r.loss = loss{}
	r.mu.Unlock()
	if l.none() {
		return events, l
	}
	ev := r.lossEvent(l.first, l.last, l.lost, l.doubt)
	if len(l.notes) > 0 {
		ev.EventID = lossID(l.notes[0].id)
	}
	ev.StatusReason = fmt.Sprintf("%d records were lost and %d are in doubt, the first at %s, the last at %s: %v",
		l.lost, l.doubt, event.FormatTime(l.first), event.FormatTime(l.last), l.because)
	return append([]*event.Event{ev}, events...), l
}

// lossEvent declares that so many records are missing; why is left to the caller.
func (r *Recorder) lossEvent(from, to time.Time, lost, doubt int64) *event.Event {
	ev := r.based()
	ev.EventType = typeLoss
	ev.EventTime = from
	ev.InteractionID = r.newID().String()
	ev.CodeLocation = "stet.Recorder"
	ev.Action, ev.Object = "record", &event.Object{Type: "recorder"}
	ev.Status = event.StatusFailure
	ev.Impact = &event.Impact{Summary: "records are missing", Counts: map[string]int64{"lost": lost, "in_doubt": doubt}}
	ev.Timing = &event.Timing{StartedAt: from, EndedAt: to}
	return ev
}

// declareRest declares what no record came after, or leaves it to the next recorder. It waits until ctx ends.
func (r *Recorder) declareRest(ctx context.Context) error {
	if !r.owes() {
		return nil
	}
	noted := r.leaveNote() // at the same time: the spool may take all the time there is
	err := r.emit(ctx, nil)
	if err == nil {
		return nil
	}
	var nerr error
	select {
	case nerr = <-noted:
	case <-ctx.Done():
		nerr = context.Cause(ctx)
	}
	if nerr == nil {
		r.abandonNotes(ctx)
		return nil
	}
	return fmt.Errorf("what was lost could not be declared: %w; and not be noted for later: %w", err, nerr)
}
