package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
)

var (
	// ErrBusy says that another process holds the store.
	ErrBusy = errors.New("another process holds the store")
	// ErrClosed says that the store is not held any more.
	ErrClosed = errors.New("the store was closed")
)

// HoldOptions are what a server sets. The zero value is good.
type HoldOptions struct {
	// PublishBusy and PublishIdle are the ledger's: how soon after one publish the next may begin, and how long an event
	// waits for one that nobody asks for. 0 stands for 100 ms and 1 s.
	PublishBusy, PublishIdle time.Duration
	// SegmentBytes and Preallocate are the journal's: 0 stands for 64 MiB, or 4 MiB on a disk of less than 4 GiB, and for
	// segments that are reserved whole; a Preallocate below 0 lets them grow.
	SegmentBytes, Preallocate int64
	// MaxUnpublished bounds the bytes of entries in memory that wait for a publish; 0 for 64 MiB, or 8 MiB on a small
	// disk.
	MaxUnpublished int64
	// Keep is how many bytes of the disk stay free: below that, nothing more is taken (ErrFull). 0 stands for what publishing
	// needs at most; below 0 there is no bound.
	Keep int64
	// LookEvery is how often the files in use are looked at while nothing is written; 0 for a second.
	LookEvery time.Duration
}

// Held is a store that one process holds open, and the only way into it while it does. All methods are safe for
// concurrent use.
//
// Where the disk is nearly full it takes nothing (ErrFull) and goes on when there is room; where others fill it before that
// is seen, the ledger's writes wait for room. A failed flush, or a file that was taken away under it, ends it for good
// (ledger.ErrFailed): what can be read stays readable, Ready says why, and the process must end and begin anew.
type Held struct {
	*desk
	lock      interface{ Close() error }
	line      line
	room      *room
	look      time.Duration
	own       voices
	draining  sync.Mutex // one round at a time
	closing   chan struct{}
	closeOnce sync.Once
	watched   sync.WaitGroup
}

// Hold takes the store's lock and opens its ledger until Close. ErrBusy: another process holds it. A new store gets its
// keys and its first entry. Streams of its own that a process before this one left open are closed, and that is recorded.
// Everything durable is published when it returns; spools that wait are for Drain.
func (s *Store) Hold(ctx context.Context, o HoldOptions) (*Held, error) {
	lock, err := s.FS.TryLock(lockFile)
	if errors.Is(err, fsx.ErrLocked) {
		return nil, fmt.Errorf("%w; a store has one server at a time", ErrBusy)
	}
	if err != nil {
		return nil, err
	}
	h, err := s.hold(ctx, o)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	h.lock = lock
	return h, nil
}

func (s *Store) hold(ctx context.Context, o HoldOptions) (*Held, error) {
	lo, keep := bounds(s.FS, o)
	closing := make(chan struct{})
	room := newRoom(s.FS, keep, closing)
	lo.FS = fsx.Patient(s.FS, room.wait)
	desk, err := s.open(ctx, lo)
	if err != nil {
		return nil, err
	}
	l := desk.l
	h := &Held{desk: desk, line: newLine(), room: room, look: o.LookEvery, closing: closing}
	h.own.open, h.own.most = map[speaker]*voice{}, maxVoices
	if h.look <= 0 {
		h.look = time.Second
	}
	if err := h.enrol(ctx, h.keys.Store.VKey, ""); err != nil {
		return nil, errors.Join(fmt.Errorf("first entry: %w", err), l.Close())
	}
	if err := h.closeLeft(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if _, err := l.Publish(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	room.open()
	h.watched.Go(h.watch)
	return h, nil
}

// watch looks at the files in use until the store is closed, or has failed.
func (h *Held) watch() {
	t := time.NewTicker(h.look)
	defer t.Stop()
	for {
		select {
		case <-t.C:
			if h.l.Look() != nil {
				return
			}
			h.room.look()
		case <-h.room.wake:
			h.room.look()
		case <-h.l.Failed():
			return
		case <-h.closing:
			return
		}
	}
}

// Ready says why the store takes nothing; nil while it does. ErrFull passes when there is room; any other error stays.
func (h *Held) Ready() error {
	select {
	case <-h.closing:
		return ErrClosed
	default:
	}
	if err := h.l.Err(); err != nil {
		return err
	}
	return h.room.full()
}

// Failed is closed when the store has failed: Ready says why, and nothing but a new process helps.
func (h *Held) Failed() <-chan struct{} { return h.l.Failed() }

// State says how busy the ledger is.
func (h *Held) State() ledger.State { return h.l.State() }

// Source reads the store's log, also when the store has failed.
func (h *Held) Source() *logread.Dir { return h.s.Source() }

// Checkpoint is the newest signed checkpoint. It is never nil.
func (h *Held) Checkpoint() []byte { return h.l.Checkpoint() }

// Marker says which log this is, and which keys it began with.
func (h *Held) Marker() Marker {
	log := h.log.Load()
	return Marker{Origin: log.now.Name, LogKey: log.first, StoreKey: h.keys.Store.VKey}
}

// Close ends the server's own streams, publishes what is not yet published, remembers the checkpoint, and gives the store
// up. Then it looks for spools of whoever found the store taken, as every holder does. Later calls return ErrClosed.
func (h *Held) Close(ctx context.Context) error {
	err := ErrClosed
	h.closeOnce.Do(func() { err = h.close(ctx) })
	return err
}

func (h *Held) close(ctx context.Context) error {
	close(h.closing)
	h.watched.Wait()
	h.draining.Lock() // a round that is under way needs the ledger
	defer h.draining.Unlock()
	err := h.own.end(ctx)
	if cerr := h.l.Close(); cerr != nil {
		err = errors.Join(err, cerr)
	} else {
		_, rerr := h.s.remember(ctx, h.log.Load(), h.l.Checkpoint(), false)
		if err = errors.Join(err, rerr); err == nil {
			err = h.s.removeVoices()
		}
	}
	if err := errors.Join(err, h.lock.Close()); err != nil {
		return err
	}
	again, err := h.s.waiting(Drained{})
	if err == nil && again {
		_, err = h.s.Drain(ctx)
	}
	return err
}

// Drain brings the spools in the store's own directory into the log, as Store.Drain does, through the open ledger. A
// server calls it when it starts, and then now and again: whoever records beside it finds the store taken and relies on
// that.
func (h *Held) Drain(ctx context.Context) (d Drained, err error) {
	h.draining.Lock()
	defer h.draining.Unlock()
	if err := h.Ready(); err != nil {
		return d, err
	}
	r := &drain{desk: h.desk, d: &d, rejected: map[string]bool{}}
	if err := r.append(ctx); err != nil {
		return d, err
	}
	msg := h.l.Checkpoint()
	if len(r.dead)+len(r.alive) > 0 {
		if msg, err = h.l.Publish(ctx); err != nil {
			return d, err
		}
	}
	cp, err := h.s.remember(ctx, h.log.Load(), msg, len(r.dead)+len(r.alive) > 0)
	if err != nil {
		return d, err
	}
	d.Size, d.Checkpoint = cp.Size, msg
	r.tidy()
	return d, nil
}
