package published

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// Log is a log that grows. It must be safe for concurrent use.
type Log interface {
	// Published waits until more than seen entries are under a checkpoint, and returns how many are.
	Published(ctx context.Context, seen uint64) (uint64, error)
	// Checkpoint is the newest signed one.
	Checkpoint() []byte
}

// A Feed gives what a log publishes to those who follow it. It is safe for concurrent use.
type Feed struct {
	log Log
	src logread.Source

	mu     sync.Mutex // held while entries are given to all
	all    []*follower
	near   uint64           // how many entries the others wait for somebody who comes to read with them
	shared *Reader          // of all; nil while there are none
	at     proof.Checkpoint // what all were given
}

// New makes a Feed of a log, whose files src reads.
func New(log Log, src logread.Source) *Feed { return &Feed{log: log, src: src, near: near} }

// follower is one of those who read together.
type follower struct {
	to   Taker
	fail context.CancelCauseFunc
}

// near is half a second's work.
const near = 1 << 15

// Follow gives a Taker the entries from from on, in order, until ctx ends or something fails, and returns why. to is called by
// this goroutine or another, never by two at once, and not after Follow has returned.
func (f *Feed) Follow(ctx context.Context, from uint64, to Taker) error {
	cp, err := f.head()
	if err != nil {
		return err
	}
	own, err := NewReader(ctx, f.src, from, cp.Size)
	if err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	me := &follower{to, fail}
	for joined := false; !joined; {
		if err = own.Read(ctx, cp, to); err == nil {
			joined, err = f.join(ctx, me, own, cp)
		}
		if err == nil {
			cp, err = f.head()
		}
		if err != nil {
			f.leave(me)
			return err
		}
	}
	defer f.leave(me)
	for seen := own.at; ; {
		if seen, err = f.log.Published(ctx, seen); err == nil {
			err = f.read(ctx)
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
	}
}

func (f *Feed) head() (proof.Checkpoint, error) { return proof.ParseCheckpointText(f.log.Checkpoint()) }

// join has somebody who was given everything under cp read with the others, unless they are far ahead.
func (f *Feed) join(ctx context.Context, me *follower, own *Reader, cp proof.Checkpoint) (bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.share(ctx, cp)
	switch {
	case f.shared == nil:
		f.shared, f.at = own, cp
	case f.at.Size-cp.Size > f.near:
		return false, nil
	default:
		if err := own.Read(ctx, f.at, me.to); err != nil {
			return false, err
		}
	}
	f.all = append(f.all, me)
	return true, nil
}

func (f *Feed) leave(me *follower) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.drop(me)
}

func (f *Feed) drop(who *follower) {
	if f.all = slices.DeleteFunc(f.all, func(x *follower) bool { return x == who }); len(f.all) == 0 {
		f.shared = nil
	}
}

// read gives all what is published: whoever comes first does it for the others.
func (f *Feed) read(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	cp, err := f.head()
	if err == nil {
		f.share(ctx, cp)
	}
	return err
}

// share gives all what is under a checkpoint, whatever becomes of the one who calls. What goes wrong ends those whom it
// concerns. The caller holds mu.
func (f *Feed) share(ctx context.Context, cp proof.Checkpoint) {
	if f.shared == nil || cp.Size <= f.at.Size {
		return
	}
	err := f.shared.Read(context.WithoutCancel(ctx), cp, (*everybody)(f))
	if err == nil {
		f.at = cp
		return
	}
	for _, x := range f.all {
		x.fail(err)
	}
	f.all, f.shared = nil, nil
}

// everybody is the Taker of those who read together.
type everybody Feed

// errNobody ends the reading of those who have all failed.
var errNobody = errors.New("nobody reads any more")

// Take implements Taker.
func (f *everybody) Take(e *Entry) error {
	return f.each(func(to Taker) error { return to.Take(e) })
}

// Caught implements Taker.
func (f *everybody) Caught(cp proof.Checkpoint) error {
	return f.each(func(to Taker) error { return to.Caught(cp) })
}

func (f *everybody) each(fn func(Taker) error) error {
	for i := 0; i < len(f.all); {
		if err := fn(f.all[i].to); err != nil {
			f.all[i].fail(err)
			f.all = slices.Delete(f.all, i, i+1)
			continue
		}
		i++
	}
	if len(f.all) == 0 {
		return errNobody
	}
	return nil
}
