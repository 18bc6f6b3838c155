package store

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
)

// ErrFull says that the disk is nearly full: nothing more is taken, so that what was taken can still be published. What can
// be read stays readable, and what is refused can come again when there is room.
var ErrFull = errors.New("the disk is nearly full")

const (
	// slack is what a publish may need beside the entries themselves, in bytes: tiles, head, directories.
	slack = 32 << 20
	// roundUp is how many bytes of the disk a byte that was taken may cost before the disk is asked again: it is in the journal
	// and in a bundle.
	roundUp = 2
	// lookAfter is how many bytes are taken before the disk is asked again.
	lookAfter = 16 << 20
	// reserved is the part of the room, one in so many, that is kept for what the server itself must say.
	reserved = 4
	// smallDisk is the size below which a server's segments and memory are small, in bytes.
	smallDisk = 4 << 30
)

// retryFull is how often a write that found the disk full is tried again.
const retryFull = 250 * time.Millisecond

// room says whether there is room on the disk for more. It is asked in memory; the disk is looked at by itself, because a
// look can hang.
type room struct {
	fsys fsx.FS
	keep int64           // bytes of the disk that stay free; below 0: no bound
	wake chan struct{}   // one waiting token: look
	over <-chan struct{} // closed when nothing waits any more for room

	mu     sync.Mutex
	opened bool  // the ledger is open
	stuck  int   // writes of the ledger that wait for room
	free   int64 // at the last look
	told   bool  // free is known
	since  int64 // bytes taken since
	shut   bool  // something was refused, and there is not much more room since
}

// bounds are a ledger's sizes that fit a disk, and how much of it must stay free for them: the segment that is made next,
// and what waits to be published.
func bounds(fsys fsx.FS, o HoldOptions) (lo ledger.Options, keep int64) {
	segment, unpublished := int64(64<<20), int64(maxUnpublished)
	if space, err := fsys.Space(); err == nil && space.Size < smallDisk {
		segment, unpublished = 4<<20, 8<<20
	}
	lo = ledger.Options{PublishBusy: o.PublishBusy, PublishIdle: o.PublishIdle, SegmentBytes: o.SegmentBytes, Preallocate: o.Preallocate, MaxUnpublished: o.MaxUnpublished,
		Recent: maxRecent}
	if lo.SegmentBytes <= 0 {
		lo.SegmentBytes = segment
	}
	if lo.Preallocate == 0 {
		lo.Preallocate = lo.SegmentBytes
	}
	if lo.MaxUnpublished <= 0 {
		lo.MaxUnpublished = unpublished
	}
	if keep = o.Keep; keep == 0 {
		keep = lo.SegmentBytes + lo.MaxUnpublished + slack
	}
	return lo, keep
}

func newRoom(fsys fsx.FS, keep int64, over <-chan struct{}) *room {
	r := &room{fsys: fsys, keep: keep, wake: make(chan struct{}, 1), over: over}
	r.look()
	return r
}

// look asks the disk. What it does not tell bounds nothing.
func (r *room) look() {
	if r.keep < 0 {
		return
	}
	r.mu.Lock()
	before := r.since
	r.mu.Unlock()
	space, err := r.fsys.Space()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.since -= before // what was taken during the look may be in it or not
	if r.told = err == nil; r.told {
		r.free = space.Free
	}
	r.shut = r.shut && r.told && r.free-r.since < r.keep+lookAfter
}

// open says that from now on the ledger's writes wait for room.
func (r *room) open() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.opened = true
}

// wait is what a write of the ledger does that finds the disk full, because others have filled it faster than it was looked
// at: it tries again until there is room or the store closes, and meanwhile nothing is taken (ErrFull). What waits behind the
// write was not acknowledged. While the ledger opens it does not wait: whoever starts a server wants to know.
func (r *room) wait(try func() (full bool)) {
	r.mu.Lock()
	if !r.opened {
		r.mu.Unlock()
		return
	}
	r.stuck++
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.stuck--
	}()
	again := time.NewTicker(retryFull)
	defer again.Stop()
	for {
		select {
		case <-again.C:
			if !try() {
				return
			}
		case <-r.over:
			return
		}
	}
}

// take asks for n bytes more; ErrFull where they do not fit, and from then on for everything, until there is clearly more
// room: what is small must not take the last of it while what is large is refused.
func (r *room) take(n int) error { return r.ask(int64(n)*roundUp, false) }

// takeReserved is take for what must be said.
func (r *room) takeReserved(n int) error { return r.ask(int64(n)*roundUp, true) }

// full says whether there is room.
func (r *room) full() error { return r.ask(0, false) }

func (r *room) ask(n int64, must bool) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stuck > 0 {
		return fmt.Errorf("%w: a write waits for room; free some space", ErrFull)
	}
	if !r.told || r.keep < 0 {
		return nil
	}
	keep := r.keep
	if must {
		keep -= keep / reserved
	}
	if r.free-r.since-n < keep || r.shut && !must {
		r.shut = true
		return fmt.Errorf("%w: %d MiB are free and %d MiB must stay so; free some space", ErrFull, max(0, r.free-r.since)>>20, keep>>20)
	}
	if r.since += n; r.since > lookAfter {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}
	return nil
}
