package snapshot_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/snapshot"
)

func tree(t *testing.T, root string, o snapshot.TreeOptions) *snapshot.Files {
	t.Helper()
	f, err := snapshot.Tree(t.Context(), root, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTree(t *testing.T) {
	root := makeTree(t, "small")
	s := tree(t, root, snapshot.TreeOptions{}).Snapshot()
	if s.Object != root || *s.Count != 2 || s.Summary != "2 files, 6 B" {
		t.Errorf("%+v, count %d", s, *s.Count)
	}
	if s := tree(t, filepath.Join(root, "none"), snapshot.TreeOptions{}).Snapshot(); s.Summary != "does not exist" || *s.Count != 0 || s.Digest == "" {
		t.Errorf("of nothing: %+v", s)
	}
	keyed := tree(t, root, snapshot.TreeOptions{Options: snapshot.Options{Key: []byte("0123456789abcdef")}}).Snapshot()
	if !strings.HasPrefix(keyed.Digest, "hmac-sha256:") {
		t.Errorf("under a key: %s", keyed.Digest)
	}
	// The root may be reached through a link: it is what stands there.
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(root, link); err != nil {
		t.Fatal(err)
	}
	if got := tree(t, link, snapshot.TreeOptions{}).Snapshot().Digest; got != s.Digest {
		t.Error("through a link it is another tree")
	}
}

// Every change that the digest is meant to show changes it, and is listed; taken back, the digest is the first again.
func TestChangesShow(t *testing.T) {
	root := makeTree(t, "small")
	at := func(name string) string { return filepath.Join(root, name) }
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	first := tree(t, root, snapshot.TreeOptions{})
	for _, x := range []struct {
		name                    string
		do, undo                func()
		added, removed, changed []string
		impact                  string
	}{
		{"content", func() { write(t, at("a.txt"), "hellO\n", 0o644) }, func() { write(t, at("a.txt"), "hello\n", 0o644) },
			nil, nil, []string{"a.txt"}, "1 file changed"},
		{"mode", func() { fail(os.Chmod(at("b/c"), 0o640)) }, func() { fail(os.Chmod(at("b/c"), 0o600)) }, nil, nil, []string{"b/c"}, "1 file changed"},
		{"setuid", func() { fail(os.Chmod(at("b/c"), 0o600|os.ModeSetuid)) }, func() { fail(os.Chmod(at("b/c"), 0o600)) }, nil, nil, []string{"b/c"}, "1 file changed"},
		{"directory's mode", func() { fail(os.Chmod(at("b"), 0o700)) }, func() { fail(os.Chmod(at("b"), 0o750)) },
			nil, nil, []string{"b"}, "1 directories, links or others differ"},
		{"name", func() { fail(os.Rename(at("a.txt"), at("a2"))) }, func() { fail(os.Rename(at("a2"), at("a.txt"))) },
			[]string{"a2"}, []string{"a.txt"}, nil, "1 file added, 1 removed"},
		{"link's target", func() { fail(os.Remove(at("d"))); fail(os.Symlink("a.txt", at("d"))) }, func() { fail(os.Remove(at("d"))); fail(os.Symlink("b/c", at("d"))) },
			nil, nil, []string{"d"}, "1 directories, links or others differ"},
		{"link made a file", func() { fail(os.Remove(at("d"))); write(t, at("d"), "", 0o777) }, func() { fail(os.Remove(at("d"))); fail(os.Symlink("b/c", at("d"))) },
			nil, nil, []string{"d"}, "1 file changed"},
		{"empty directory", func() { mkdir(t, at("e"), 0o755) }, func() { fail(os.Remove(at("e"))) }, []string{"e"}, nil, nil, "1 directories, links or others differ"},
		{"fifo", func() { fail(syscall.Mkfifo(at("p"), 0o600)) }, func() { fail(os.Remove(at("p"))) }, []string{"p"}, nil, nil, "1 directories, links or others differ"},
		{"file moved up", func() { fail(os.Rename(at("b/c"), at("c"))) }, func() { fail(os.Rename(at("c"), at("b/c"))) }, []string{"c"}, []string{"b/c"}, nil, "1 file added, 1 removed"},
		{"name with a line end", func() { write(t, at("x\ny"), "", 0o600) }, func() { fail(os.Remove(at("x\ny"))) }, []string{"x\ny"}, nil, nil, "1 file added"},
	} {
		x.do()
		now := tree(t, root, snapshot.TreeOptions{})
		if now.Snapshot().Digest == first.Snapshot().Digest {
			t.Errorf("%s: the digest is the same", x.name)
		}
		c, ok := snapshot.Diff(first, now)
		if !ok || cmp.Diff(x.added, c.Added)+cmp.Diff(x.removed, c.Removed)+cmp.Diff(x.changed, c.Changed) != "" || c.Impact().Summary != x.impact {
			t.Errorf("%s: %v %+v %q", x.name, ok, c, c.Impact().Summary)
		}
		x.undo()
		if tree(t, root, snapshot.TreeOptions{}).Snapshot().Digest != first.Snapshot().Digest {
			t.Errorf("%s: taken back, the digest is another one", x.name)
		}
	}
	if c, ok := snapshot.Diff(first, first); !ok || c.Impact().Summary != "no file changed" {
		t.Errorf("nothing: %v, %q", ok, c.Impact().Summary)
	}
	if _, ok := snapshot.Diff(first, tree(t, root, snapshot.TreeOptions{Keep: 2})); ok {
		t.Error("compared with what was not kept")
	}
	write(t, at("new1"), "", 0o600)
	write(t, at("new2"), "", 0o600)
	write(t, at("a.txt"), "", 0o600)
	fail(os.Remove(at("b/c")))
	c, _ := snapshot.Diff(first, tree(t, root, snapshot.TreeOptions{}))
	if got := c.Impact(); got.Summary != "2 files added, 1 changed, 1 removed" ||
		cmp.Diff(map[string]int64{"files_added": 2, "files_changed": 1, "files_removed": 1, "others_changed": 0}, got.Counts) != "" {
		t.Errorf("%q, %v", got.Summary, got.Counts)
	}
}

func TestTreeBounds(t *testing.T) {
	root := makeTree(t, "small")
	for name, o := range map[string]snapshot.TreeOptions{"files": {MaxFiles: 3}, "bytes": {MaxBytes: 5}, "depth": {MaxDepth: 1}} {
		f, err := snapshot.Tree(t.Context(), root, o)
		if !errors.Is(err, snapshot.ErrTooLarge) || f != nil {
			t.Errorf("%s: %v, want ErrTooLarge", name, err)
		}
	}
	if _, err := snapshot.Tree(t.Context(), root, snapshot.TreeOptions{MaxFiles: 5, MaxBytes: 6, MaxDepth: 2}); err != nil {
		t.Errorf("at the bounds: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := snapshot.Tree(ctx, root, snapshot.TreeOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want Canceled", err)
	}
}

// Kinds that are no files are named and not opened.
func TestSpecialFiles(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(root, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Chdir(root) // a socket's name is short
	l, err := net.Listen("unix", "sock")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }() // it was only to be there
	if s := tree(t, root, snapshot.TreeOptions{}).Snapshot(); *s.Count != 0 || s.Summary != "0 files, 0 B" {
		t.Errorf("%+v", s)
	}
	if s := tree(t, filepath.Join(root, "pipe"), snapshot.TreeOptions{}).Snapshot(); *s.Count != 0 {
		t.Errorf("%+v", s)
	}
}

// meddler changes the tree at the n-th time that the walk looks whether it may go on.
type meddler struct {
	context.Context
	n  int
	do func()
}

func (m *meddler) Err() error {
	if m.n--; m.n == 0 {
		m.do()
	}
	return nil
}

// age gives everything in a tree an old time, so that a change shows however coarse the clock of the file system is.
func age(t *testing.T, root string) {
	t.Helper()
	old := time.Now().Add(-time.Hour)
	err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.Type() == os.ModeSymlink {
			return err
		}
		return os.Chtimes(path, old, old)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A file that is written to while it is read has the digest of no state that it ever had: that is said.
func TestChangingFile(t *testing.T) {
	root := makeTree(t, "empty")
	path := filepath.Join(root, "f")
	write(t, path, strings.Repeat("a", 300<<10), 0o600)
	age(t, root)
	m := &meddler{Context: t.Context(), n: 4, do: func() { // after the root, the file, and its first read
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, at := range []int64{0, 299 << 10} {
			if _, err := f.WriteAt([]byte("b"), at); err != nil {
				t.Error(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}}
	f, err := snapshot.Tree(m, root, snapshot.TreeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "1 file, 307.2 kB; 1 changed while being read: f"; f.Snapshot().Summary != want {
		t.Errorf("%q, want %q", f.Snapshot().Summary, want)
	}
}

// At whatever moment the tree changes, the walk ends, waits for nobody, follows no link out, and either shows one of the two
// states or says that something changed or could not be read.
func TestChangingTree(t *testing.T) {
	outside := filepath.Join(t.TempDir(), "outside")
	mkdir(t, outside, 0o755)
	write(t, filepath.Join(outside, "c"), "stolen", 0o644)
	said := 0
	for _, change := range []struct {
		name string
		do   func(root string) error
	}{
		{"grow", func(root string) error {
			return os.WriteFile(filepath.Join(root, "a.txt"), []byte("hello, hello\n"), 0o600)
		}},
		{"fifo", func(root string) error {
			return errors.Join(os.Remove(filepath.Join(root, "a.txt")), syscall.Mkfifo(filepath.Join(root, "a.txt"), 0o600))
		}},
		{"link", func(root string) error {
			return errors.Join(os.Remove(filepath.Join(root, "a.txt")), os.Symlink(filepath.Join(outside, "c"), filepath.Join(root, "a.txt")))
		}},
		{"directory away", func(root string) error {
			return errors.Join(os.Rename(filepath.Join(root, "b"), filepath.Join(filepath.Dir(root), "away")), os.Symlink(outside, filepath.Join(root, "b")))
		}},
		{"new file", func(root string) error { return os.WriteFile(filepath.Join(root, "b", "new"), nil, 0o600) }},
		{"all gone", os.RemoveAll},
	} {
		for n := 1; n < 20; n++ {
			root := makeTree(t, "small")
			age(t, root)
			before := tree(t, root, snapshot.TreeOptions{}).Snapshot()
			m := &meddler{Context: t.Context(), n: n, do: func() {
				if err := change.do(root); err != nil {
					t.Error(err)
				}
			}}
			f, err := snapshot.Tree(m, root, snapshot.TreeOptions{})
			if err != nil {
				t.Fatalf("%s at %d: %v", change.name, n, err)
			}
			after := tree(t, root, snapshot.TreeOptions{}).Snapshot()
			got := f.Snapshot()
			whole := got.Digest == before.Digest || got.Digest == after.Digest
			told := strings.Contains(got.Summary, "changed while") || strings.Contains(got.Summary, "could not be read")
			if !whole && !told {
				t.Errorf("%s at %d: neither state, and nothing said: %q", change.name, n, got.Summary)
			}
			if told {
				said++
			}
			if strings.Contains(fmt.Sprint(got.Summary), "12 B") {
				t.Errorf("%s at %d: it read what a link leads to: %q", change.name, n, got.Summary)
			}
			if m.n > 0 {
				break // the walk has no more moments
			}
		}
	}
	if said == 0 {
		t.Error("no change was ever noticed")
	}
}
