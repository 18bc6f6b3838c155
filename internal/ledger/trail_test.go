package ledger_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
)

// looks counts how often a context is asked whether it has ended, which is what every step of a walk begins with.
type looks struct {
	context.Context
	n int
}

func (c *looks) Err() error { c.n++; return c.Context.Err() }

// TestManyAgain: batches that come again, because the answer to the first time was lost, are found in any order, while
// the stream grows and after a start, with each of the stream's seals walked over once. From its end for each of them the
// time would grow with the square of the stream's length.
func TestManyAgain(t *testing.T) {
	const n = 100
	o := options(fsxtest.New())
	l := open(t, o)
	s := newStream("emitter", 1)
	var batches []ledger.Batch
	var placed []ledger.Placed
	grow := func() {
		for range n {
			b := s.next(2, 0)
			batches, placed = append(batches, b), append(placed, mustAppend(t, l, b))
		}
		mustPublish(t, l)
	}
	again := func(order func(i int) int) {
		t.Helper()
		ctx := &looks{Context: t.Context()}
		for i := range batches {
			i = order(i)
			want := placed[i]
			want.Again = true
			p, err := l.Append(ctx, batches[i])
			if err != nil || !cmp.Equal(want, p) {
				t.Errorf("batch %d: %v %s", i, err, cmp.Diff(want, p))
			}
			if rec, err := l.Find(ctx, s.id, uint64(1+2*i)); err != nil || rec.First != want.First {
				t.Errorf("batch %d is found at %d (%v), was placed at %d", i, rec.First, err, want.First)
			}
		}
		if ctx.n > 8*len(batches) {
			t.Errorf("%d batches were found in %d steps", len(batches), ctx.n)
		}
		if _, err := l.Find(ctx, s.id, 2); !errors.Is(err, ledger.ErrUnknown) {
			t.Errorf("a batch is found where none starts: %v", err)
		}
	}
	oldestFirst := func(i int) int { return i }
	newestFirst := func(i int) int { return len(batches) - 1 - i }
	grow()
	again(oldestFirst)
	grow()
	again(newestFirst)
	mustClose(t, l)
	l = open(t, o)
	again(newestFirst)
	grow()
	again(oldestFirst)
	mustClose(t, l)
}
