package store

import (
	"bytes"
	"context"
	"errors"
	"sort"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// earlier is by how much the outcome of a run may have reached the ledger before the time that its start claims: the two
// may come from different spools, and a clock may have been set back in between.
const earlier = time.Hour

// outcomes are the types that end a run, as an event has them.
var outcomes = [][]byte{[]byte("job_succeeded"), []byte("job_failed"), []byte("job_aborted")}

// endedElsewhere looks in the log, before entry end, for outcomes of runs that a dead stream left open, in other streams of
// the same key, application and environment: a process whose spool failed goes on in another one. It reads from the time
// of the earliest start on, and decides nothing: the items go to the same fold as the stream's own.
func (r *desk) endedElsewhere(ctx context.Context, by proof.Seal, items []story.Item, end uint64) ([]story.Item, error) {
	open := map[string]bool{}
	var from uint64
	var since time.Time
	for _, it := range items {
		if it.Event.EventType != "job_started" {
			continue
		}
		if len(open) == 0 || it.Seq < from {
			from = it.Seq
		}
		if at := it.Event.Timestamp; since.IsZero() || at.Before(since) {
			since = at
		}
		open[it.Event.Job.RunID] = true
	}
	if len(open) == 0 {
		return nil, nil
	}
	from, err := r.receivedSince(ctx, min(from, end), since.Add(-earlier))
	if err != nil {
		return nil, err
	}
	var found, batch []story.Item // batch: their seal has not come yet
	size, _ := r.l.Head()
	err = logread.Entries(ctx, r.s.Source(), from, size, func(seq uint64, raw []byte) error {
		if seq >= end || len(open) == 0 && len(batch) == 0 {
			return errEnough
		}
		damaged := func(err error) error {
			return &ledger.IntegrityError{Seq: seq, HasSeq: true, File: logread.StoreLog, Reason: "the entry cannot be read", Err: err}
		}
		e, err := proof.ParseEntry(raw)
		switch {
		case err != nil:
			return damaged(err)
		case e.Seal != nil && len(batch) > 0:
			seal, err := proof.ParseSeal(e.Seal.Note)
			if err != nil {
				return damaged(err)
			}
			if seal.Key == by.Key && seal.App == by.App && seal.Environment == by.Environment {
				for _, it := range batch {
					it.KeyID = proof.KeyID(seal.Key)
					found = append(found, it)
					delete(open, it.Event.Job.RunID) // one is enough
				}
			}
			batch = nil
		case e.Event != nil && mayEnd(e.Event):
			ref, err := r.s.codec.Check(e.Event)
			if err != nil {
				return damaged(err)
			}
			if !open[string(ref.RunID)] || !isOutcome(string(ref.EventType)) {
				return nil
			}
			ev, err := event.Parse(e.Event)
			if err != nil {
				return damaged(err)
			}
			batch = append(batch, story.Item{Seq: seq, HasSeq: true, Event: ev})
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return found, err
}

// errEnough ends a reading early.
var errEnough = errors.New("enough was read")

// mayEnd is a quick look at an event's bytes.
func mayEnd(raw []byte) bool {
	for _, t := range outcomes {
		if bytes.Contains(raw, t) {
			return true
		}
	}
	return false
}

func isOutcome(eventType string) bool {
	for _, t := range outcomes {
		if string(t) == eventType {
			return true
		}
	}
	return false
}

// receivedSince is the first entry, at most most, that the ledger took in at t or later: received_at never decreases.
func (r *desk) receivedSince(ctx context.Context, most uint64, t time.Time) (uint64, error) {
	size, _ := r.l.Head()
	log := &bundles{src: r.s.Source(), size: size}
	var failed error
	n := sort.Search(int(most), func(i int) bool {
		if failed != nil {
			return true
		}
		e, err := log.entry(ctx, uint64(i))
		if err != nil {
			failed = err
			return true
		}
		at, err := event.ParseTime(e.ReceivedAt)
		if err != nil {
			failed = log.damaged(uint64(i), "its received_at cannot be read", err)
		}
		return !at.Before(t)
	})
	return uint64(n), failed
}
