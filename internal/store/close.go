package store

import (
	"context"
	"slices"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// close records, for each run that a dead process left open, that it was lost: once, because the act's stream is derived
// from the dead stream. The stream must be drained and published.
func (r *drain) close(ctx context.Context, d dead) error {
	state, ok, err := r.l.Stream(d.stream)
	if err != nil || !ok || state.Final {
		return err // nothing was ever recorded, or the process said itself that it was done
	}
	items, err := r.unended(ctx, state.LastSealSeq)
	if err != nil || len(items) == 0 {
		return err
	}
	id, err := event.ParseUUID(d.stream)
	if err != nil {
		return err
	}
	var lost []*event.Event
	for _, run := range story.OpenRuns(id, items) {
		if run.Execution.Event != nil {
			lost = append(lost, r.s.sign(story.Lost(run, story.Evidence{PID: int64(d.meta.PID)})))
		}
	}
	if err := r.act(ctx, actClose, d.stream, time48(d.stream), lost); err != nil {
		return err
	}
	r.d.Lost += len(lost)
	return nil
}

// unended reads a stream backwards, seal by seal from the one at sealSeq, and returns the start of each run that has no
// outcome in it. Backwards, because then only what is open has to be kept: a worker may have run a million jobs. A run
// is ended by the process that started it, so its own stream decides.
func (r *drain) unended(ctx context.Context, sealSeq uint64) ([]story.Item, error) {
	size, _ := r.l.Head()
	log := &bundles{src: r.s.Source(), size: size}
	ended := map[string]bool{}
	var open []story.Item
	for at := &sealSeq; at != nil; {
		e, err := log.entry(ctx, *at)
		if err != nil {
			return nil, err
		}
		if e.Seal == nil {
			return nil, &ledger.IntegrityError{Seq: *at, HasSeq: true, File: "log", Reason: "a seal was expected here"}
		}
		seal, err := proof.ParseSeal(e.Seal.Note)
		if err != nil {
			return nil, err
		}
		for i := range uint64(seal.Count) {
			item, err := log.entry(ctx, *at-1-i)
			if err != nil {
				return nil, err
			}
			if item.Event == nil {
				continue // a stub
			}
			ref, err := r.s.codec.Check(item.Event)
			if err != nil {
				return nil, err
			}
			switch string(ref.EventType) {
			case "job_succeeded", "job_failed", "job_aborted":
				ended[string(ref.RunID)] = true
			case "job_started":
				if ended[string(ref.RunID)] {
					continue
				}
				started, err := event.Parse(item.Event)
				if err != nil {
					return nil, err
				}
				received, err := event.ParseTime(item.ReceivedAt)
				if err != nil {
					return nil, err
				}
				open = append(open, story.Item{Seq: item.Seq, HasSeq: true, ReceivedAt: received, KeyID: proof.KeyID(seal.Key), Event: started})
			}
		}
		at = e.Seal.PrevSeq
	}
	slices.Reverse(open)
	return open, nil
}

// bundles reads entries of a log of size entries, and keeps the last bundle: walking backwards asks for the same one
// again and again.
type bundles struct {
	src     logread.Source
	size    uint64
	first   uint64
	entries [][]byte
}

func (b *bundles) entry(ctx context.Context, seq uint64) (proof.Entry, error) {
	t, first := logread.Bundle(seq, b.size)
	if b.entries == nil || first != b.first {
		data, err := b.src.Fetch(ctx, t.Path())
		if err != nil {
			return proof.Entry{}, err
		}
		b.first, b.entries = first, b.entries[:0]
		for len(data) > 0 {
			var e []byte
			if e, data, err = proof.NextBundleEntry(data); err != nil {
				return proof.Entry{}, &ledger.IntegrityError{Seq: seq, HasSeq: true, File: t.Path(), Reason: "the bundle is damaged", Err: err}
			}
			b.entries = append(b.entries, e)
		}
	}
	if seq-first >= uint64(len(b.entries)) {
		return proof.Entry{}, &ledger.IntegrityError{Seq: seq, HasSeq: true, File: t.Path(), Reason: "the bundle ends before it"}
	}
	return proof.ParseEntry(b.entries[seq-first])
}
