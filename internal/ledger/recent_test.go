package ledger_test

import (
	"bytes"
	"testing"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// What was published last is at hand as it is on the disk: within bounds, the newest, and each bundle as it is now.
func TestRecent(t *testing.T) {
	fsys := fsxtest.New()
	o := options(fsys)
	o.Recent = 1 << 20
	l := open(t, o)
	defer mustClose(t, l)
	disk, s := logread.Store(fsys), newStream("a", 1)
	check := func(size uint64, at uint64) (there bool) {
		t.Helper()
		tile, _ := logread.Bundle(at, size)
		got, width, there := l.Recent(tile, nil)
		if !there {
			return false
		}
		want, err := disk.Fetch(t.Context(), tile.Path())
		if err == nil && width > tile.Width {
			wide := tile
			wide.Width = width
			got, err = logread.Cut(got, wide, tile.Width)
		}
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("the bundle of entry %d in a log of %d is not the one on the disk (%v)", at, size, err)
		}
		return true
	}
	for _, n := range []int{3, 10, 300, 1000} {
		before, _ := l.Head()
		mustAppend(t, l, s.next(n, 1000))
		mustPublish(t, l)
		size, _ := l.Head()
		if !check(size, size-1) {
			t.Errorf("the last bundle of a log of %d is not at hand", size)
		}
		if before > 0 && n < 300 && !check(before, before-1) {
			t.Errorf("as it was when the log had %d entries it is not, either", before)
		}
	}
	if size, _ := l.Head(); check(size, 0) {
		t.Error("the first bundle is kept beyond the bound")
	}
	if _, _, ok := l.Recent(proof.Tile{Index: 5, Width: 1}, nil); ok {
		t.Error("a tile of hashes is taken for a bundle")
	}
}

// By default nothing is kept.
func TestNothingRecent(t *testing.T) {
	l := open(t, options(fsxtest.New()))
	defer mustClose(t, l)
	mustAppend(t, l, newStream("a", 1).next(3, 10))
	mustPublish(t, l)
	if _, _, ok := l.Recent(proof.Tile{Entries: true, Width: 3}, nil); ok {
		t.Error("a bundle is kept that nobody asked for")
	}
}
