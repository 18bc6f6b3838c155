package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

const (
	// lookEvery is how often it is looked whether the index's files are there, and the disk has room for more.
	lookEvery = 100 * time.Millisecond
	// keepAgain is how long the index is left alone after an error, at first and at most.
	keepAgain, keepAgainMost = time.Second, time.Minute
	// freshFor is how long a question waits for what was published before it was asked to be indexed.
	freshFor = 100 * time.Millisecond
)

// A keeper has the index of the log follow it. One goroutine adds to the index, any may ask it meanwhile. Nothing that is
// acknowledged waits for it.
type keeper struct {
	open   func() (*index.Index, error)
	log    indexedLog
	feed   *published.Feed // of the log
	ready  func() error    // of the store: nothing is indexed while its disk is full
	logger *slog.Logger

	x       atomic.Pointer[index.Index] // nil while it is not open
	wake    chan struct{}
	anew    atomic.Bool            // much of the log is being indexed
	most    atomic.Uint64          // how many entries were indexed when the index last had all of the log
	unread  atomic.Pointer[string] // why the index cannot go on, where that is the log's fault; nil since it has had all of it again
	mu      sync.Mutex
	further chan struct{} // closed when more is indexed
}

// indexedLog is the server's log as the index reads it.
type indexedLog struct{ Log }

// Head implements index.Log.
func (l indexedLog) Head(context.Context) (proof.Checkpoint, error) {
	return proof.ParseCheckpointText(l.Checkpoint())
}

// Source implements index.Log.
func (l indexedLog) Source() logread.Source { return l.Log.Source() }

func newKeeper(open func() (*index.Index, error), log Log, feed *published.Feed, logger *slog.Logger) *keeper {
	return &keeper{open: open, log: indexedLog{log}, feed: feed, ready: log.Ready, logger: logger, wake: make(chan struct{}, 1), further: make(chan struct{})}
}

// run opens the index and has it follow the log until ctx ends; then it saves and closes it.
func (k *keeper) run(ctx context.Context) {
	trouble, pause := "", keepAgain
	for {
		err := k.follow(ctx)
		wait := lookEvery
		switch {
		case ctx.Err() != nil:
			k.end()
			return
		case errors.Is(err, errLost):
			trouble, pause, wait = "", keepAgain, 0
		case errors.Is(err, store.ErrFull):
			trouble, pause = "", keepAgain
		default:
			if why := unread(err); why != "" {
				k.unread.Store(&why)
			}
			if now := err.Error(); now != trouble {
				trouble = now
				k.logger.Error("the index does not follow the log; it is tried again", slog.Any("error", err))
			}
			if wait, pause = pause, min(2*pause, keepAgainMost); errors.Is(err, index.ErrBusy) {
				pause = keepAgain
			} else if err := k.drop(); err != nil {
				k.logger.Warn("the index could not be closed", slog.Any("error", err))
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
	}
}

// unread is why the log cannot be read to its end; "" where that is not what went wrong.
func unread(err error) string {
	var u *logread.UnreadError
	switch {
	case errors.As(err, &u):
		return u.Error()
	case errors.Is(err, published.ErrOther):
		return published.ErrOther.Error()
	}
	return logread.Wrong(err)
}

// errLost says that the files of the index are not what they were, so that it is to be made anew.
var errLost = errors.New("the index is damaged or gone")

// follow has the index follow the log until ctx ends or something is wrong.
func (k *keeper) follow(ctx context.Context) error {
	x := k.x.Load()
	if x == nil {
		var err error
		if x, err = k.open(); err != nil {
			return fmt.Errorf("open it: %w", err)
		}
		for _, fault := range x.Faults {
			k.logger.Warn("part of the index is made anew", slog.String("because", fault))
		}
		k.x.Store(x)
	}
	if err := k.ready(); errors.Is(err, store.ErrFull) {
		return err // what room is left is the log's
	}
	defer k.anew.Store(false)
	following, stop := context.WithCancelCause(ctx)
	var looking sync.WaitGroup
	looking.Go(func() { stop(k.look(following, x)) })
	defer looking.Wait()
	defer stop(nil)
	return x.Follow(following, k.feed, func(done, size uint64) {
		switch {
		case done == size:
			k.most.Store(size)
			k.anew.Store(false)
			k.unread.Store(nil)
		case size-done > rebuildFrom || done == 0:
			k.anew.Store(true)
		}
		k.advanced()
	})
}

// look says why the index cannot follow the log any more, when that is so.
func (k *keeper) look(ctx context.Context, x *index.Index) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		case <-k.wake:
		}
		if err := k.ready(); errors.Is(err, store.ErrFull) {
			return err
		}
		if err := x.Whole(); err != nil {
			return fmt.Errorf("%w: %w", errLost, err)
		}
	}
}

// rebuildFrom is how many entries an index may be behind that is just following.
const rebuildFrom = 1 << 16

// advanced wakes who waits for more to be indexed.
func (k *keeper) advanced() {
	k.mu.Lock()
	defer k.mu.Unlock()
	close(k.further)
	k.further = make(chan struct{})
}

// next is closed when more is indexed than when it was called.
func (k *keeper) next() <-chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.further
}

// drop gives up the index in use, of which only the files are kept.
func (k *keeper) drop() error {
	if x := k.x.Swap(nil); x != nil {
		return x.Close()
	}
	return nil
}

// end saves and closes the index.
func (k *keeper) end() {
	var err error
	if x := k.x.Load(); x != nil {
		err = x.Save()
	}
	if err = errors.Join(err, k.drop()); err != nil {
		k.logger.Warn("the index could not be saved; what is missing is indexed again with the next start", slog.Any("error", err))
	}
}

// indexed is how many entries can be found.
func (k *keeper) indexed() uint64 {
	if x := k.x.Load(); x != nil {
		return x.Indexed()
	}
	return 0
}

// rebuilding says whether the index is being made anew, or has so much to catch up with that it is as good as that.
func (k *keeper) rebuilding() bool {
	return k.x.Load() == nil || k.anew.Load() || k.indexed() < k.most.Load()
}

// poke has it looked now whether the index is whole.
func (k *keeper) poke() {
	select {
	case k.wake <- struct{}{}:
	default: // it is about to
	}
}

// fresh waits a moment for the first size entries to be indexed, so that who has recorded something finds it. It does not
// wait for an index that is made anew.
func (k *keeper) fresh(ctx context.Context, size uint64) {
	if k.indexed() >= size {
		return
	}
	wait := time.NewTimer(freshFor)
	defer wait.Stop()
	for {
		next := k.next()
		if k.indexed() >= size || k.rebuilding() {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-wait.C:
			return
		case <-next:
		}
	}
}

// behind says how many published entries are not indexed, and how long ago the oldest of them was received.
func (k *keeper) behind(now time.Time) (entries uint64, age time.Duration, err error) {
	cp, err := k.log.Head(context.Background())
	if err != nil {
		return 0, 0, err
	}
	first := k.indexed()
	if first >= cp.Size {
		return 0, 0, nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	raw, err := logread.Entry(ctx, k.log.Source(), first)
	if err != nil {
		return 0, 0, fmt.Errorf("read entry %d: %w", first, err)
	}
	e, err := proof.ParseEntry(raw)
	if err != nil {
		return 0, 0, err
	}
	received, err := proof.ParseTime(e.ReceivedAt)
	return cp.Size - first, max(0, now.Sub(received)), err
}
