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
