package spool

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx"
)

// A drainer reads and trims while the owner writes and goes from segment to segment: nothing is damage, nothing is missed,
// nothing comes twice.
func TestDrainWhileTheOwnerWrites(t *testing.T) {
	disk, err := fsx.OpenDir(t.TempDir())
	must(t, err)
	t.Cleanup(func() { must(t, disk.Close()) })
	batches := continued(60, 3, 1, 9, 2, 5, 1, 1, 30, 2, 4, 8, 1, 6, 2, 2, 7, 1, 3, 3, 12, 1, 1, 5, 40)
	w := open(t, disk)
	written := make(chan error, 1)
	go func() {
		for i, b := range batches {
			if i%4 == 3 {
				if err := w.rotate(); err != nil {
					written <- err
					return
				}
			}
			if err := w.Add(b); err != nil {
				written <- err
				return
			}
			if err := w.Commit(); err != nil {
				written <- err
				return
			}
		}
		written <- w.Close()
	}()
	var got []Batch
	next := uint64(1)
	for done := false; !done; {
		select {
		case err := <-written:
			must(t, err)
			done = true
		default:
		}
		r, err := Read(disk, Dir, stream, next, func(b Batch) error {
			got = append(got, clone(b))
			next = b.Next()
			return nil
		})
		must(t, err)
		if len(r.Damaged) > 0 {
			t.Fatalf("behind event %d: %+v", next-1, r.Damaged)
		}
		must(t, Trim(disk, Dir, stream, next))
	}
	if d := cmp.Diff(batches, got, byBytes); d != "" {
		t.Error(d)
	}
	must(t, Remove(disk, Dir, stream))
}
