package ledger_test

import (
	"testing"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

// What waits to be published is bounded by the memory that it holds, so that must be about as much as what waits is long,
// also where the buffers of larger groups lie ready.
func TestMemoryOfWhatWaits(t *testing.T) {
	l := open(t, options(fsxtest.New()))
	defer mustClose(t, l)
	large, small := newStream("a", 1), newStream("b", 2)
	for range 5 {
		mustAppend(t, l, large.next(1000, 1000))
		mustPublish(t, l)
	}
	if n := l.State().Backlog; n != 0 {
		t.Fatalf("%d bytes wait after a publish", n)
	}
	for range 20 {
		mustAppend(t, l, small.next(1, 1000))
	}
	if n := l.State().Backlog; n < 20*1000 || n > 20*10_000 {
		t.Errorf("20 events of 1,000 bytes hold %d bytes until they are published", n)
	}
	mustPublish(t, l)
	mustAppend(t, l, large.next(1000, 1000))
	if n := l.State().Backlog; n < 1000*1000 || n > 3*1000*1000 {
		t.Errorf("1,000 events of 1,000 bytes hold %d bytes until they are published", n)
	}
}

// What waits and what is kept for later have one bound: neither grows beside the other, whatever sizes come one after the
// other, and what is not kept is not held by anything else.
func TestMemoryOfBuffers(t *testing.T) {
	const most = 1 << 20
	o := options(fsxtest.New())
	o.MaxUnpublished = most
	l := open(t, o)
	defer mustClose(t, l)
	s := newStream("a", 1)
	for round := range 4 {
		for i := 1; ; i++ {
			mustAppend(t, l, s.next(1+(i*7+round)%20, 1000))
			wait, free := l.Kept()
			if wait+free > most {
				t.Fatalf("%d bytes wait and %d are kept, at most %d are allowed", wait, free, most)
			}
			if wait > most/2 {
				break
			}
		}
		groups, left := l.Waiting()
		mustPublish(t, l)
		if wait, free := l.Kept(); wait != 0 || free < most/4 {
			t.Errorf("after a publish %d bytes wait and %d are kept", wait, free)
		}
		mustAppend(t, l, s.next(500, 1000)) // for which most of those that are kept must go
		if n := left(); n > 2 {             // what the goroutines had last
			t.Errorf("of %d groups that were published %d are in memory, and will not be used again", groups, n)
		}
		mustPublish(t, l)
	}
}
