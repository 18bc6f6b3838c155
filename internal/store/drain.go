package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// Drained is what one call of Drain did.
type Drained struct {
	Busy       bool // somebody else holds the lock and does it
	Batches    int
	Events     int
	Refused    int // events that stand as stubs in the ledger, their bytes in quarantine
	Lost       int // runs of dead processes, recorded as job_lost
	Left       []Left
	Size       uint64
	Checkpoint []byte // the log's latest; nil when Busy
}

// Left is a spool that was not drained, and why.
type Left struct {
	Stream string
	Why    string
}

// maxRounds bounds how often Drain looks again; each look that finds something makes progress.
const maxRounds = 64

// Drain brings every spool's sealed batches into the ledger, publishes, closes the streams of dead processes, and
// removes their spools. Whoever calls it while another process does gets Busy at once. When it returns nil, everything
// that was spooled before the call is durable under a signed checkpoint, or named in Left.
func (s *Store) Drain(ctx context.Context) (d Drained, err error) {
	for range maxRounds {
		lock, err := s.FS.TryLock(lockFile)
		if errors.Is(err, fsx.ErrLocked) {
			d.Busy = d.Checkpoint == nil
			return d, nil
		}
		if err != nil {
			return d, err
		}
		d.Left = nil
		err = s.drainLocked(ctx, &d)
		if cerr := lock.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return d, err
		}
		again, err := s.waiting(d)
		if err != nil || !again {
			return d, err
		}
	}
	return d, nil
}

// waiting says whether a dead process's spool is there that was not left on purpose. It is asked after unlocking: a
// process that was turned away by the lock had closed its spool before.
func (s *Store) waiting(d Drained) (bool, error) {
	streams, err := spool.List(s.FS, spool.Dir)
	if err != nil {
		return false, err
	}
	left := map[string]bool{}
	for _, l := range d.Left {
		left[l.Stream] = true
	}
	for _, stream := range streams {
		if left[stream] {
			continue
		}
		switch own, err := spool.Own(s.FS, spool.Dir, stream); {
		case err == nil:
			return true, own.Close()
		case errors.Is(err, fsx.ErrLocked), errors.Is(err, fs.ErrNotExist):
		default:
			return false, err
		}
	}
	return false, nil
}

// drain is one round under the lock.
type drain struct {
	s     *Store
	l     *ledger.Ledger
	keys  Keys
	seals proof.SealVerifier
	d     *Drained
	dead  []dead // streams whose owner is gone, drained

	enrolled map[string]bool // keys that this round has found enrolled
}

// dead is a stream whose owner is gone.
type dead struct {
	stream string
	meta   spool.Meta
}

func (s *Store) drainLocked(ctx context.Context, d *Drained) (err error) {
	l, keys, err := s.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	r := &drain{s: s, l: l, keys: keys, d: d, enrolled: map[string]bool{}}
	if err := r.enrol(ctx, keys.Store.VKey); err != nil {
		return fmt.Errorf("first entry: %w", err)
	}
	if err := spool.Clean(s.FS, spool.Dir); err != nil {
		return err
	}
	streams, err := spool.List(s.FS, spool.Dir)
	if err != nil {
		return err
	}
	for _, stream := range streams {
		if err := r.stream(ctx, stream); err != nil {
			return fmt.Errorf("spool %s: %w", stream, err)
		}
	}
	if err := r.publish(ctx); err != nil {
		return err
	}
	if len(r.dead) == 0 {
		return nil
	}
	for _, dead := range r.dead {
		if err := r.close(ctx, dead); err != nil {
			return fmt.Errorf("close stream %s: %w", dead.stream, err)
		}
	}
	if err := r.publish(ctx); err != nil {
		return err
	}
	// Only now is everything under a checkpoint that this computer will remember: the spools may go.
	for _, dead := range r.dead {
		if err := spool.Remove(s.FS, spool.Dir, dead.stream); err != nil {
			return fmt.Errorf("remove spool %s: %w", dead.stream, err)
		}
	}
	return nil
}

func (r *drain) publish(ctx context.Context) error {
	msg, err := r.l.Publish(ctx)
	if err != nil {
		return err
	}
	cp, err := proof.ParseCheckpointText(msg)
	if err != nil {
		return err
	}
	now := known.Checkpoint{Checkpoint: cp, VKey: r.keys.Log.VKey, Note: msg}
	if err := r.s.Known.Agrees(now, logread.Hashes(ctx, r.s.Source(), cp.Size)); err != nil {
		return err
	}
	r.d.Size, r.d.Checkpoint = cp.Size, msg
	return r.s.Known.Remember(now)
}

// stream drains one spool. A stream whose owner lives is drained as far as it goes.
func (r *drain) stream(ctx context.Context, stream string) error {
	own, err := spool.Own(r.s.FS, spool.Dir, stream)
	gone := err == nil
	switch {
	case gone:
		defer func() { _ = own.Close() }() // released with the process anyway
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case !errors.Is(err, fsx.ErrLocked):
		return err
	}
	meta, err := spool.ReadMeta(r.s.FS, spool.Dir, stream)
	if err == nil && meta.MachineID != "" && meta.MachineID != r.s.where.Machine.Text {
		// Its lock says nothing here, and its boot and process ids mean others.
		r.d.Left = append(r.d.Left, Left{stream, fmt.Sprintf("it belongs to another machine, %s: drain it there", meta.Host)})
		return nil
	}
	state, _, err := r.l.Stream(stream)
	if err != nil {
		return err
	}
	report, err := spool.Read(r.s.FS, spool.Dir, stream, max(state.Next, 1), func(b spool.Batch) error { return r.batch(ctx, stream, b) })
	if err != nil {
		return err
	}
	if !gone {
		return nil
	}
	if err := r.damaged(ctx, stream, report); err != nil {
		return err
	}
	r.dead = append(r.dead, dead{stream, report.Meta})
	return nil
}

// owner is the user that a spool belongs to, which the kernel says; nil where it does not.
func (s *Store) owner(stream string) *uint32 {
	fi, err := s.FS.Stat(spool.Dir + "/" + stream)
	if err != nil {
		return nil
	}
	uid, ok := fsx.Owner(fi)
	if !ok {
		return nil
	}
	n := uint32(uid)
	return &n
}

// batch checks one sealed batch and brings it into the journal. What the batch itself is must hold: seal, numbers,
// stream. An event in it that can never be accepted becomes a stub, so that it does not block its stream.
func (r *drain) batch(ctx context.Context, stream string, b spool.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	seal, err := r.seals.Open(b.Seal)
	if err != nil {
		return err
	}
	if seal.Stream != stream {
		return fmt.Errorf("its seal is for stream %s", seal.Stream)
	}
	state, _, err := r.l.Stream(stream)
	if err != nil {
		return err
	}
	if next := max(state.Next, 1); seal.First > next {
		if err := r.lose(ctx, stream, seal, next); err != nil {
			return err
		}
	}
	if err := r.enrol(ctx, seal.Key); err != nil {
		return fmt.Errorf("enrol %s: %w", seal.Key, err)
	}
	items := make([]ledger.Item, len(b.Events))
	for i, raw := range b.Events {
		items[i].Event = raw
		if err := r.check(raw, seal, b.First+uint64(i)); err != nil {
			stub, err := r.refuse(ctx, stream, b.First+uint64(i), raw, err)
			if err != nil {
				return err
			}
			items[i] = ledger.Item{Stub: stub}
		}
	}
	via := proof.Via{Kind: proof.ViaSpool, UID: r.s.owner(stream)}
	placed, err := r.l.Append(ctx, ledger.Batch{Via: via.Append(nil), Items: items, Seal: b.Seal})
	if err != nil {
		return err
	}
	if !placed.Again {
		r.d.Batches++
		r.d.Events += len(b.Events)
	}
	return nil
}

// check is the door: the schema, and that the event is what its seal says it is.
func (r *drain) check(raw []byte, seal proof.Seal, seq uint64) error {
	ref, err := r.s.codec.Check(raw)
	if err != nil {
		return err
	}
	refuse := func(path, detail string) error {
		return &event.Error{Code: string(event.ErrContradicts), Path: path, Detail: detail}
	}
	switch {
	case ref.StreamID.String() != seal.Stream:
		return refuse("stream_id", "is not the stream of its seal")
	case ref.StreamSeq != seq:
		return refuse("stream_seq", "is not the number under its seal")
	case string(ref.AppID) != seal.App:
		return refuse("app_id", "is not the application of its seal")
	case string(ref.Environment) != seal.Environment:
		return refuse("environment", "is not the environment of its seal")
	}
	if ref.Reserved && seal.Key != r.keys.Store.VKey {
		return refuse("event_type", "may be raised only by the store itself")
	}
	return nil
}
