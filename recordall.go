package stet

import (
	"context"
	"fmt"
	"slices"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// A RecordError says why one event of RecordAll is not recorded.
type RecordError struct {
	Index int   // of the event, from 0
	Err   error // what Record would have returned for it
}

// RecordErrors are what RecordAll could not record, in the order of their events.
type RecordErrors []RecordError

func (e RecordErrors) Error() string {
	if len(e) == 0 {
		return "no event was refused"
	}
	return fmt.Sprintf("%d events were not recorded, the first is number %d: %v", len(e), e[0].Index, e[0].Err)
}

// Unwrap returns the error of each event, for errors.Is and errors.As.
func (e RecordErrors) Unwrap() []error {
	all := make([]error, len(e))
	for i := range e {
		all[i] = e[i].Err
	}
	return all
}

// RecordAll is Record for many events of the application, in their order and with as few flushes as their size allows.
// It returns nil where all of them are durable, else RecordErrors that name those which are not: each is judged by
// itself, so that one which the schema refuses costs no other its record. Floods are not folded.
func (r *Recorder) RecordAll(ctx context.Context, events []event.Event) error {
	if r == nil {
		return fmt.Errorf("record: %w: the Recorder is nil", ErrInvalid)
	}
	location := r.caller(1)
	var failed RecordErrors
	var batch pending
	for i, e := range events {
		ev, size, err := r.prepare(ctx, e, location)
		if err != nil {
			failed = append(failed, RecordError{i, err})
			continue
		}
		if !batch.fits(size) {
			failed = append(failed, r.flush(&batch)...)
		}
		batch.add(i, ev, size)
	}
	failed = append(failed, r.flush(&batch)...)
	if len(failed) == 0 {
		return nil
	}
	slices.SortFunc(failed, func(a, b RecordError) int { return a.Index - b.Index })
	return failed
}

// Check says what Record would say of e, and records nothing.
func (r *Recorder) Check(ctx context.Context, e event.Event) error {
	if r == nil {
		return fmt.Errorf("check: %w: the Recorder is nil", ErrInvalid)
	}
	_, _, err := r.prepare(ctx, e, r.caller(1))
	return err
}

// prepare completes an event and has the schema judge it. size bounds its bytes.
func (r *Recorder) prepare(ctx context.Context, e event.Event, location string) (ev *event.Event, size int, err error) {
	if ev, _, err = r.fill(ctx, e, location); err != nil {
		return nil, 0, err
	}
	// What the emitter will fill in, at its longest.
	judged := *ev
	judged.Timestamp, judged.StreamID, judged.StreamSeq = r.clock.Now().Wall, r.newID(), event.MaxInt
	if judged.EventID.IsZero() {
		judged.EventID = judged.StreamID
	}
	longest := int64(event.MaxInt)
	judged.Clock = &event.Clock{Confidence: "unknown", MaxErrorUS: &longest}
	b, err := r.codec.Append(nil, &judged)
	if err != nil {
		return nil, 0, r.lost(nameOf(e), 1, err)
	}
	return ev, len(b), nil
}

// nameOf names an application's event in errors, where its type may be anything.
func nameOf(e event.Event) string { return "event " + event.Sanitize(clip(e.EventType, 64)) }

// pending are events that will be made durable together.
type pending struct {
	events []*event.Event
	index  []int
	size   int
}

func (p *pending) fits(size int) bool {
	return len(p.events) < proof.MaxBatch-1 && p.size+size <= proof.MaxBatchBytes-event.MaxBytes // room for a declared loss in front
}

func (p *pending) add(index int, ev *event.Event, size int) {
	p.events, p.index, p.size = append(p.events, ev), append(p.index, index), p.size+size
}

// flush records what is pending; one that fails fails for all of it.
func (r *Recorder) flush(p *pending) RecordErrors {
	if len(p.events) == 0 {
		return nil
	}
	var failed RecordErrors
	if err := r.lost(fmt.Sprintf("%d events", len(p.events)), len(p.events), r.record(nil, p.events...)); err != nil {
		for _, i := range p.index {
			failed = append(failed, RecordError{i, err})
		}
	}
	*p = pending{}
	return failed
}
