package segment_test

import (
	"errors"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/segment"
)

// TestALiveSegmentIsTakenAway: THREATS 15. Somebody removes, moves or replaces the file under its writer. What is written
// from then on would go nowhere, although every write and sync succeeds: nobody is told that it is durable, and the writer
// is dead, also when the file comes back.
func TestALiveSegmentIsTakenAway(t *testing.T) {
	for name, take := range map[string]func(fsx.FS) error{
		"removed":  func(fsys fsx.FS) error { return fsys.Remove("s") },
		"moved":    func(fsys fsx.FS) error { return fsys.Rename("s", "elsewhere") },
		"replaced": func(fsys fsx.FS) error { return fsx.Replace(fsys, "s", []byte("mine"), 0o600) },
	} {
		for on, fsys := range map[string]fsx.FS{"Dir": dir(t), "Mem": fsxtest.New()} {
			t.Run(name+" on "+on, func(t *testing.T) {
				w, err := segment.Create(fsys, "s", header, 0)
				if err != nil {
					t.Fatal(err)
				}
				if err := errors.Join(w.Add(1, []byte("a")), w.Commit()); err != nil {
					t.Fatal(err)
				}
				if err := take(fsys); err != nil {
					t.Fatal(err)
				}
				for range 2 {
					if err := errors.Join(w.Add(2, []byte("b")), w.Commit()); !errors.Is(err, segment.ErrGone) {
						t.Errorf("a commit to a file that is %s: %v", name, err)
					}
				}
				if name == "moved" {
					if err := fsys.Rename("elsewhere", "s"); err != nil {
						t.Fatal(err)
					}
					if err := w.Commit(); !errors.Is(err, segment.ErrGone) {
						t.Errorf("a dead writer goes on: %v", err)
					}
				}
				if err := w.Close(); err != nil {
					t.Error(err)
				}
			})
		}
	}
}
