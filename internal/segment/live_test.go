package segment_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/segment"
)

// A segment can be read while it is written: what comes is a prefix of what is committed, never damage, and never less
// than before.
func TestReadWhileWriting(t *testing.T) {
	for name, fsys := range map[string]fsx.FS{"Dir": dir(t), "Mem": fsxtest.New()} {
		for _, prealloc := range []int64{0, 1 << 20} {
			t.Run(fmt.Sprintf("%s, %d bytes reserved", name, prealloc), func(t *testing.T) {
				file := fmt.Sprint("s", prealloc)
				var gs groups
				for i := range 150 {
					g := []string{text(10+i*13%900, "ab ")}
					for len(g) < i%4 {
						g = append(g, text(1+i*57%2000, "cde "))
					}
					gs = append(gs, g)
				}
				w, err := segment.Create(fsys, file, header, prealloc)
				if err != nil {
					t.Fatal(err)
				}
				written := make(chan error, 1)
				go func() {
					key := uint64(0)
					for _, g := range gs {
						for _, p := range g {
							key++
							if err := w.Add(key, []byte(p)); err != nil {
								written <- err
								return
							}
						}
						if err := w.Commit(); err != nil {
							written <- err
							return
						}
					}
					written <- w.Close()
				}()
				all, before := gs.frames(), 0
				for done := false; !done; {
					select {
					case err := <-written:
						if err != nil {
							t.Fatal(err)
						}
						done = true
					default:
					}
					got, _, err := scan(fsys, file)
					if err != nil {
						t.Fatalf("after %d frames: %v", len(got), err)
					}
					if len(got) < before {
						t.Fatalf("%d frames, and %d before", len(got), before)
					}
					before = len(got)
					if d := cmp.Diff(all[:before], got, equateEmpty); d != "" {
						t.Fatal(d)
					}
				}
				if before != len(all) {
					t.Errorf("%d frames after the last commit, want %d", before, len(all))
				}
			})
		}
	}
}

func dir(t *testing.T) *fsx.Dir {
	t.Helper()
	d, err := fsx.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
