package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// closeDead closes the streams of the dead that did not close them themselves.
func (r *drain) closeDead(ctx context.Context) error {
	published := false
	once := func(ctx context.Context) error {
		if published {
			return nil
		}
		published = true
		_, err := r.l.Publish(ctx)
		return err
	}
	for _, d := range r.dead {
		n, err := r.bury(ctx, d.stream, story.Evidence{PID: int64(d.meta.PID)}, once)
		r.d.Lost += n
		if err != nil {
			return err
		}
	}
	return nil
}

// bury closes the stream of a dead process that did not close it itself, once. It reads from the log what the process did,
// which publish must have published. It returns how many runs it recorded as lost now.
func (r *desk) bury(ctx context.Context, stream string, why story.Evidence, publish func(context.Context) error) (int, error) {
	state, ok, err := r.l.Stream(ctx, stream)
	if err != nil || !ok || !state.Sealed || state.Final {
		return 0, err // nothing was ever recorded, or the process said itself that it was done
	}
	_, act, there, err := r.actStream(ctx, actClose, stream, time48(stream))
	if err != nil || there && act.Final {
		return 0, err // by a round that ended before the spool was gone
	}
	if err := publish(ctx); err != nil {
		return 0, err
	}
	// A round that a crash cut short has judged by what was there before its act: so does this one, or the two would not
	// record the same events.
	size, _ := r.l.Head()
	if there && act.Sealed {
		if size, err = r.begun(ctx, act.LastSealSeq); err != nil {
			return 0, fmt.Errorf("close stream %s: %w", stream, err)
		}
	}
	n, err := r.close(ctx, stream, why, state.LastSealSeq, size)
	if err != nil {
		return n, fmt.Errorf("close stream %s: %w", stream, err)
	}
	return n, nil
}

// close records, for each run that a dead process left open, that it was lost: once, because the act's stream is derived
// from the dead stream. sealSeq is where the stream's last seal stands; what counts stands before end. It returns how many
// runs it recorded now.
func (r *desk) close(ctx context.Context, stream string, why story.Evidence, sealSeq, end uint64) (int, error) {
	items, by, err := r.unended(ctx, stream, sealSeq)
	if err != nil || len(items) == 0 {
		return 0, err
	}
	elsewhere, err := r.endedElsewhere(ctx, by, items, end)
	if err != nil {
		return 0, err
	}
	items = append(items, elsewhere...)
	id, err := event.ParseUUID(stream)
	if err != nil {
		return 0, err
	}
	var lost []*event.Event
	for _, run := range story.OpenRuns(id, items) {
		if run.Execution.Event != nil {
			lost = append(lost, r.s.sign(story.Lost(run, why)))
		}
	}
	if len(lost) == 0 {
		return 0, nil
	}
	return r.act(ctx, actClose, stream, time48(stream), lost)
}

// unended reads a stream backwards, seal by seal from the one at sealSeq, and returns what says most of each run that has
// no outcome in it: how it was asked for, its start, and its last sign of life. Backwards, because then only what is open
// has to be kept: a worker may have run a million jobs. by is the stream's last seal: whose it is.
func (r *desk) unended(ctx context.Context, stream string, sealSeq uint64) (_ []story.Item, by proof.Seal, _ error) {
	size, _ := r.l.Head()
	log := &bundles{src: r.s.Source(), size: size}
	w := walk{ended: map[string]bool{}, alive: map[string]bool{}, started: map[string]bool{}}
	for at := &sealSeq; at != nil; {
		seal, prev, err := log.seal(ctx, *at)
		if err != nil {
			return nil, by, err
		}
		if seal.Stream != stream {
			return nil, by, log.damaged(*at, "the seal is not the one of stream "+stream+" that belongs here", nil)
		}
		if *at == sealSeq {
			by = seal
		}
		for i := range uint64(seal.Count) {
			seq := *at - 1 - i
			entry, err := log.entry(ctx, seq)
			if err != nil {
				return nil, by, err
			}
			if entry.Event == nil {
				continue // a stub
			}
			if err := w.event(r.s.codec, entry, seal.Key); err != nil {
				return nil, by, log.damaged(seq, "the event cannot be read", err)
			}
		}
		at = prev
	}
	slices.Reverse(w.items)
	return w.items, by, nil
}

// begun is where the act began whose last seal stands at sealSeq.
func (r *desk) begun(ctx context.Context, sealSeq uint64) (uint64, error) {
	size, _ := r.l.Head()
	log := &bundles{src: r.s.Source(), size: size}
	for {
		seal, prev, err := log.seal(ctx, sealSeq)
		if err != nil {
			return 0, err
		}
		if prev == nil {
			return sealSeq - uint64(seal.Count), nil
		}
		sealSeq = *prev
	}
}

// walk collects, from a stream's last event to its first, what is kept of its open runs.
type walk struct {
	items   []story.Item
	ended   map[string]bool // runs
	alive   map[string]bool // runs whose last sign of life is kept
	started map[string]bool // jobs with a run that is open
}

// maxAlive bounds the signs of life that are kept, because they need not be of runs that the stream started.
const maxAlive = 10_000

func (w *walk) event(codec *event.Codec, e proof.Entry, vkey string) error {
	ref, err := codec.Check(e.Event)
	if err != nil {
		return err
	}
	run, job := string(ref.RunID), string(ref.JobID)
	if isOutcome(string(ref.EventType)) {
		w.ended[run] = true
		return nil
	}
	switch string(ref.EventType) {
	case "job_heartbeat":
		if w.ended[run] || w.alive[run] || len(w.alive) >= maxAlive {
			return nil
		}
		w.alive[run] = true
	case "job_started":
		if w.ended[run] {
			return nil
		}
		w.started[job] = true
	case "job_submitted":
		if !w.started[job] {
			return nil
		}
	default:
		return nil
	}
	item := story.Item{Seq: e.Seq, HasSeq: true, KeyID: proof.KeyID(vkey)}
	if item.Event, err = event.Parse(e.Event); err != nil {
		return err
	}
	if item.ReceivedAt, err = event.ParseTime(e.ReceivedAt); err != nil {
		return err
	}
	w.items = append(w.items, item)
	return nil
}

// bundles reads entries of a log of size entries, and keeps the last bundle: walking backwards asks for the same one
// again and again.
type bundles struct {
	src     logread.Source
	size    uint64
	path    string
	first   uint64
	entries [][]byte
}

func (b *bundles) damaged(seq uint64, reason string, err error) error {
	return &ledger.IntegrityError{Seq: seq, HasSeq: true, File: logread.StoreLog + "/" + b.path, Reason: reason, Err: err}
}

// seal reads the seal at seq, and where the one before it in its stream is; nil for the first.
func (b *bundles) seal(ctx context.Context, seq uint64) (seal proof.Seal, prev *uint64, err error) {
	e, err := b.entry(ctx, seq)
	if err != nil {
		return seal, nil, err
	}
	if e.Seal == nil {
		return seal, nil, b.damaged(seq, "a seal was expected here", nil)
	}
	if seal, err = proof.ParseSeal(e.Seal.Note); err != nil {
		return seal, nil, b.damaged(seq, "the seal cannot be read", err)
	}
	if uint64(seal.Count) > seq || e.Seal.PrevSeq != nil && *e.Seal.PrevSeq >= seq {
		return seal, nil, b.damaged(seq, "the seal cannot be one that belongs here", nil)
	}
	return seal, e.Seal.PrevSeq, nil
}

func (b *bundles) entry(ctx context.Context, seq uint64) (proof.Entry, error) {
	if seq >= b.size {
		return proof.Entry{}, b.damaged(seq, "the log ends before it", nil)
	}
	if t, first := logread.Bundle(seq, b.size); b.entries == nil || first != b.first {
		b.path, b.first, b.entries = t.Path(), first, nil
		data, err := b.src.Fetch(ctx, b.path)
		var damage *logread.DamageError
		if errors.As(err, &damage) || errors.Is(err, fs.ErrNotExist) {
			return proof.Entry{}, b.damaged(seq, "the bundle cannot be right", err)
		}
		if err != nil {
			return proof.Entry{}, err
		}
		for len(data) > 0 {
			var e []byte
			if e, data, err = proof.NextBundleEntry(data); err != nil {
				return proof.Entry{}, b.damaged(seq, "the bundle is damaged", err)
			}
			b.entries = append(b.entries, e)
		}
	}
	if seq-b.first >= uint64(len(b.entries)) {
		return proof.Entry{}, b.damaged(seq, "the bundle ends before it", nil)
	}
	e, err := proof.ParseEntry(b.entries[seq-b.first])
	if err == nil && e.Seq != seq {
		err = fmt.Errorf("it says that it is entry %d", e.Seq)
	}
	if err != nil {
		return proof.Entry{}, b.damaged(seq, "the entry cannot be read", err)
	}
	return e, nil
}
