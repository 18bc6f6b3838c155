package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// settled verifies the store that the server has left, and counts: every batch and every event that was acknowledged must
// stand where the answer said, once, and nothing else but what was refused when the server had no time left for it.
func (l *serverLoad) settled(ctx context.Context, s *service) (err error) {
	fsys, err := fsx.OpenDir(s.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	start := time.Now()
	r, err := verify.Store(ctx, fsys, verify.Options{LogKey: s.key})
	if err != nil {
		return err
	}
	if r.State() != verify.Verified {
		return fmt.Errorf("%v: %v", r.State(), r.Findings)
	}
	took := time.Since(start)
	c := l.expect()
	batches, events := len(c.batches), len(c.events)
	if err := logread.Entries(ctx, logread.Store(fsys), 0, r.Size, c.look); err != nil {
		return err
	}
	if err := c.left(); err != nil {
		return err
	}
	l.row("afterwards verified", fmt.Sprintf("%d events", r.Events), "in %v; %d batches and %d single events that were acknowledged, each once and where its answer said",
		took.Round(time.Millisecond), batches, events)
	return nil
}

// ledgerCheck holds what was acknowledged against a log's entries.
type ledgerCheck struct {
	unknown map[batchName]bool    // refused last, perhaps too late
	streams map[string]bool       // of the load's own batches
	batches map[batchName]acked   // acknowledged, and not yet seen
	events  map[event.UUID]uint64 // the same of single events: where they stand
	seals   proof.SealVerifier
}

type batchName struct {
	stream string
	first  uint64
}

// expect is what was acknowledged.
func (l *serverLoad) expect() *ledgerCheck {
	c := &ledgerCheck{unknown: map[batchName]bool{}, streams: map[string]bool{}, batches: map[batchName]acked{}, events: map[event.UUID]uint64{}}
	for _, e := range l.sent {
		c.streams[e.stream] = true
		for k, a := range e.acked {
			c.batches[batchName{e.stream, uint64(k*e.size + 1)}] = a
		}
		c.unknown[batchName{e.stream, uint64(len(e.acked)*e.size + 1)}] = e.refused
	}
	for _, p := range l.posted {
		for _, a := range p.acked {
			c.events[a.id] = a.seq
		}
	}
	return c
}

// look is called with each entry. That a batch's events are those under its seal is the verifier's word.
func (c *ledgerCheck) look(seq uint64, raw []byte) error {
	entry, err := proof.ParseEntry(raw)
	if err != nil {
		return err
	}
	switch {
	case entry.Stub != nil:
		return fmt.Errorf("entry %d is a stub: %s", seq, entry.Stub.Reason)
	case entry.Seal != nil:
		seal, err := c.seals.Parse(entry.Seal.Note)
		if err != nil || !c.streams[seal.Stream] {
			return err
		}
		name := batchName{seal.Stream, seal.First}
		a, ok := c.batches[name]
		if c.unknown[name] {
			delete(c.unknown, name)
			return nil
		}
		if !ok {
			return fmt.Errorf("entry %d seals number %d of stream %s, which was not acknowledged, or is here twice", seq, seal.First, seal.Stream)
		}
		if a.first+a.count-1 != seq {
			return fmt.Errorf("entry %d seals what was acknowledged at %d", seq, a.first)
		}
		delete(c.batches, name)
	case bytes.Contains(entry.Event, []byte(`"`+foreign.Kind+`"`)): // it came unsealed
		return c.single(seq, entry.Event)
	}
	return nil
}

// single strikes off an event that was posted.
func (c *ledgerCheck) single(seq uint64, raw []byte) error {
	e, err := event.Parse(raw)
	if err != nil {
		return err
	}
	at, ok := c.events[e.EventID]
	if !ok {
		return fmt.Errorf("entry %d is event %s, which was not acknowledged, or is here twice", seq, e.EventID)
	}
	if at != seq {
		return fmt.Errorf("event %s was acknowledged at %d and stands at %d", e.EventID, at, seq)
	}
	delete(c.events, e.EventID)
	return nil
}

// left demands that nothing is missing.
func (c *ledgerCheck) left() error {
	for name, a := range c.batches {
		return fmt.Errorf("number %d of stream %s was acknowledged at %d and is missing, with %d others", name.first, name.stream, a.first, len(c.batches)-1)
	}
	for id, at := range c.events {
		return fmt.Errorf("event %s was acknowledged at %d and is missing, with %d others", id, at, len(c.events)-1)
	}
	return nil
}
