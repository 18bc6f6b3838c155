package index

import (
	"context"
	"errors"
	"fmt"

	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/proof"
)

// Progress is told now and then how many entries of how many are indexed.
type Progress func(done, size uint64)

// Catch indexes what the log has and the index has not. progress may be nil. What is found to be of another log, or not what
// the log's checkpoint says, is thrown away, and the whole log is indexed again: once, then it is an error.
func (x *Index) Catch(ctx context.Context, log Log, progress Progress) error {
	return x.whatever(func(from uint64) error {
		cp, err := log.Head(ctx)
		if err != nil {
			return err
		}
		r, err := published.NewReader(ctx, log.Source(), from, cp.Size)
		if err != nil {
			return err
		}
		return r.Read(ctx, cp, taker{x, progress})
	})
}

// Follow is Catch for a log that grows: it ends with ctx, or when something is wrong, and returns why. While it runs, Whole
// says whether it works on files that are there.
func (x *Index) Follow(ctx context.Context, feed *published.Feed, progress Progress) error {
	return x.whatever(func(from uint64) error { return feed.Follow(ctx, from, taker{x, progress}) })
}

// whatever has entries read and indexed from where the index ends, whatever became of it.
func (x *Index) whatever(read func(from uint64) error) error {
	err := x.Whole()
	if err == nil {
		if err = x.read(read); !errors.Is(err, ErrOther) {
			return err
		}
	}
	if err := x.clear(); err != nil {
		return err
	}
	return x.read(read)
}

func (x *Index) read(read func(from uint64) error) error {
	if err := x.failure(); err != nil {
		return err
	}
	if x.open == nil {
		if err := x.begin(); err != nil {
			return err
		}
	}
	err := read(x.tree.Size())
	if errors.Is(err, published.ErrOther) {
		err = fmt.Errorf("%w: %w", ErrOther, err)
	}
	return err
}

// taker indexes what it is given.
type taker struct {
	*Index
	progress Progress
}

// Take implements published.Taker. A seal, which no query finds, has its place and no term.
func (t taker) Take(e *published.Entry) error {
	if e.Seq%proof.TileWidth == 0 {
		t.tell(e.Seq, e.Of)
	}
	r, err := e.Record()
	if err != nil {
		return err
	}
	t.terms.none()
	if r != nil {
		t.terms.of(r)
	}
	return t.add(e.Received, &t.terms, e.Leaf)
}

// Caught implements published.Taker.
func (t taker) Caught(cp proof.Checkpoint) error {
	if t.tree.Size() != cp.Size || t.tree.Root() != cp.Root {
		return fmt.Errorf("%w: its entries are not those under its checkpoint of size %d", ErrOther, cp.Size)
	}
	t.tell(cp.Size, cp.Size)
	return t.failure()
}

func (t taker) tell(done, size uint64) {
	if t.progress != nil {
		t.progress(done, size)
	}
}
