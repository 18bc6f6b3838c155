package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/spool"
)

// Drained is what one call of Drain did.
type Drained struct {
	Busy       bool // somebody else holds the lock and does it
	Batches    int
	Events     int
	Refused    int    // events that stand as stubs in the ledger, their bytes in quarantine
	Lost       int    // runs of dead processes, recorded as job_lost
	Left       []Left // spools that are not drained to their end, or not removed
	Damaged    []Left // spools of which something could not be taken in; it is recorded, and kept in quarantine
	Size       uint64
	Checkpoint []byte // the log's latest; nil when Busy
}

// Left is a spool, and why it is named.
type Left struct {
	Stream string
	Why    string
}

// maxRounds bounds how often Drain looks again; each look that finds something makes progress.
const maxRounds = 64

// Drain brings every spool's sealed batches into the ledger, closes the streams of dead processes, publishes, and
// removes what is drained. Whoever calls it while another process does gets Busy at once. When it returns nil, everything
// that was spooled before the call is durable under a signed checkpoint that this computer remembers, or named in Left
// or Damaged.
//
// What is wrong with one spool never keeps it from the others, and never fails Drain: a spool is its emitter's word, and
// what it cannot tell any more is declared lost, recorded by an event of the store's own, and kept in quarantine. Damage
// of what the store itself is responsible for (marker, keys, ledger) is a *ledger.IntegrityError, and so is a log that
// contradicts a checkpoint that this computer has seen; then nothing is added or removed. After any error the next call
// goes on where this one stopped.
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

// waiting says whether a dead process's spool is there that was not left on purpose.
func (s *Store) waiting(d Drained) (bool, error) {
	return spool.AnyDead(s.FS, spool.Dir, func(stream string) bool {
		return slices.ContainsFunc(d.Left, func(l Left) bool { return l.Stream == stream })
	})
}

// drain is one round under the lock.
type drain struct {
	*desk
	d *Drained

	dead  []drained // in the order of their ids
	alive []drained

	rejected map[string]bool // streams of which this round has given up a batch
}

// drained is a spool that was read to its end.
type drained struct {
	stream   string
	meta     spool.Meta
	segments []string // file names, oldest first
	damaged  []string // those of segments that go to quarantine
	next     uint64   // the stream_seq behind what the ledger has
}

// forOneRound is how a drain's ledger works: it publishes when it needs to and when it is done; whatever else would be done
// by the clock is done twice.
func forOneRound() ledger.Options {
	return ledger.Options{MaxUnpublished: maxUnpublished, PublishBusy: time.Nanosecond, PublishIdle: time.Hour}
}

func (s *Store) drainLocked(ctx context.Context, d *Drained) error {
	desk, err := s.open(ctx, forOneRound())
	if err != nil {
		return err
	}
	l := desk.l
	r := &drain{desk: desk, d: d, rejected: map[string]bool{}}
	// Closing the ledger publishes what was appended and empties the journal, both under one head; so nothing is
	// published before, unless the dead must be closed.
	if err := errors.Join(r.append(ctx), l.Close()); err != nil {
		return err
	}
	msg := l.Checkpoint()
	cp, err := s.remember(ctx, r.log.Load(), msg, len(r.dead)+len(r.alive) > 0)
	if err != nil {
		return err
	}
	d.Size, d.Checkpoint = cp.Size, msg
	r.tidy()
	return nil
}

// tidy lets go of the spools of which everything is under a checkpoint that this computer remembers.
func (r *drain) tidy() {
	for _, x := range r.dead {
		if err := r.remove(x); err != nil {
			r.left(x.stream, "it is in the log, but could not be removed: "+err.Error())
		}
	}
	for _, x := range r.alive {
		if err := r.trim(x); err != nil {
			r.left(x.stream, "what the log has of it could not be trimmed: "+err.Error())
		}
	}
}

// append brings everything that is to be added into the journal.
func (r *drain) append(ctx context.Context) error {
	if err := r.enrol(ctx, r.keys.Store.VKey, ""); err != nil {
		return fmt.Errorf("first entry: %w", err)
	}
	if err := spool.Clean(r.s.FS, spool.Dir); err != nil {
		return err
	}
	// Who is dead is found out first, and what is spooled is read after that: where a process has closed a spool, it has
	// recorded elsewhere before how the runs in it ended, and that must be here when they are judged.
	gone, err := r.gone()
	if err != nil {
		return err
	}
	streams, err := spool.List(r.s.FS, spool.Dir)
	if err != nil {
		return err
	}
	for _, stream := range streams {
		if err := r.stream(ctx, stream, gone[stream]); err != nil {
			return fmt.Errorf("spool %s: %w", stream, err)
		}
	}
	return r.closeDead(ctx)
}

// owned says what the lock of a spool tells of its owner.
type owned struct {
	dead    bool   // the lock could be taken
	unknown string // why nothing can be said; "" where it can
}

// gone asks the locks of all spools.
func (r *drain) gone() (map[string]owned, error) {
	streams, err := spool.List(r.s.FS, spool.Dir)
	if err != nil {
		return nil, err
	}
	all := map[string]owned{}
	for _, stream := range streams {
		own, err := spool.Own(r.s.FS, spool.Dir, stream)
		switch {
		case err == nil:
			// Once is enough: whoever is dead stays dead, and no second process ever writes to a spool.
			if err := own.Close(); err != nil {
				return nil, err
			}
			all[stream] = owned{dead: true}
		case errors.Is(err, fsx.ErrLocked), errors.Is(err, fs.ErrNotExist):
		default:
			all[stream] = owned{unknown: err.Error()}
		}
	}
	return all, nil
}

// stream drains one spool. A stream whose owner lives is drained as far as it goes. An error is the ledger's, the
// store's or the context's, never the spool's.
func (r *drain) stream(ctx context.Context, stream string, owner owned) error {
	if owner.unknown != "" {
		r.left(stream, owner.unknown)
		return nil
	}
	gone := owner.dead
	meta, err := spool.ReadMeta(r.s.FS, spool.Dir, stream)
	if err == nil && meta.MachineID != "" && meta.MachineID != r.s.where.Machine.Text {
		// Its lock says nothing here, and its boot and process ids mean others.
		r.left(stream, fmt.Sprintf("it belongs to another machine, %s: drain it there", meta.Host))
		return nil
	}
	state, _, err := r.l.Stream(ctx, stream)
	if err != nil {
		return err
	}
	in := r.intake(stream, max(state.Next, 1))
	report, err := in.read(ctx, gone)
	switch {
	case in.fatal != nil:
		return in.fatal
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case errors.Is(err, spool.ErrTooDamaged) && gone:
		if err := r.reject(ctx, stream, "spool_quarantined", err.Error()); err != nil {
			return err
		}
	case err != nil: // about reading, not about the data: it may be better tomorrow
		r.left(stream, err.Error())
		return nil
	}
	x := drained{stream: stream, meta: report.Meta, segments: report.Segments, next: in.next}
	if x.damaged, err = r.damaged(ctx, stream, report, gone); err != nil {
		return err
	}
	// A spool with a batch that was not taken, now or by a round that a crash cut short, is evidence as a whole.
	rejected, err := r.acted(ctx, actReject, stream)
	if err != nil {
		return err
	}
	if rejected {
		x.damaged = x.segments
	}
	if gone {
		r.dead = append(r.dead, x)
	} else if !rejected {
		r.alive = append(r.alive, x)
	}
	return nil
}

func (r *drain) left(stream, why string) { r.d.Left = append(r.d.Left, Left{stream, why}) }

// remove removes a dead stream's spool, and keeps what is evidence.
func (r *drain) remove(x drained) error {
	if err := r.quarantineSegments(x); err != nil {
		return err
	}
	return spool.Remove(r.s.FS, spool.Dir, x.stream)
}

// trim removes what the ledger has of a living stream, and quarantines what is damaged of it, its last segment excepted.
func (r *drain) trim(x drained) error {
	if err := r.quarantineSegments(x); err != nil || len(x.segments) < 2 {
		return err
	}
	return spool.Trim(r.s.FS, spool.Dir, x.stream, x.next)
}

func (r *drain) quarantineSegments(x drained) error {
	for _, segment := range x.damaged {
		if err := spool.Quarantine(r.s.FS, spool.Dir, x.stream, segment); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
