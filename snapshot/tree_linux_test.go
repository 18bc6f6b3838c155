package snapshot_test

import (
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/stetlog/stet/snapshot"
)

// What cannot be read is in the digest and in the summary: it is not the tree without it, nor the tree with it.
func TestUnreadable(t *testing.T) {
	root, err := os.MkdirTemp("", "stet-snapshot-") // unlike t.TempDir's, no directory above it keeps others out
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(root); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(root, 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, "open"), "open", 0o644)
	without := tree(t, root, snapshot.TreeOptions{}).Snapshot()
	write(t, filepath.Join(root, "closed"), "closed", 0)
	mkdir(t, filepath.Join(root, "shut"), 0)
	asRoot := os.Geteuid() == 0
	whole := tree(t, root, snapshot.TreeOptions{}).Snapshot()
	if asRoot {
		// Root reads everything: look with the eyes of nobody. This goroutine's thread is thrown away with them.
		runtime.LockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() {
			if err := syscall.Setfsuid(0); err != nil {
				t.Error(err)
			}
			runtime.UnlockOSThread()
		}()
	}
	partly := tree(t, root, snapshot.TreeOptions{}).Snapshot()
	if want := "2 files, 4 B; 2 could not be read: closed, shut"; partly.Summary != want || *partly.Count != 2 {
		t.Errorf("%q, %d, want %q", partly.Summary, *partly.Count, want)
	}
	if partly.Digest == without.Digest || asRoot && partly.Digest == whole.Digest {
		t.Error("what could not be read does not show in the digest")
	}
}
