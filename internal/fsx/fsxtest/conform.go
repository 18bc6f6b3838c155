package fsxtest

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
)

// Conform checks that a file system behaves as fsx.FS says, as far as one can see without a crash. open returns a new
// empty one for each part.
func Conform(t *testing.T, open func(t *testing.T) fsx.FS) {
	t.Helper()
	for _, part := range []struct {
		name string
		run  func(t *testing.T, fsys fsx.FS)
	}{
		{"Create makes a new file only", conformCreate},
		{"Open reads and does not write", conformOpen},
		{"ReadAt and WriteAt", conformReadWrite},
		{"Truncate", conformTruncate},
		{"Preallocate", conformPreallocate},
		{"Rename", conformRename},
		{"Remove", conformRemove},
		{"directories", conformDirectories},
		{"an open file outlives its name", conformUnlinked},
		{"an open file knows its name from others", conformSame},
		{"names do not leave the root", conformNames},
		{"locks", conformLocks},
		{"closed files", conformClosed},
		{"Space", conformSpace},
		{"Replace", conformReplace},
		{"MkdirAll", conformMkdirAll},
		{"ReadFile", conformReadFile},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, open(t)) })
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func mustBe(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got error %v, want %v", err, want)
	}
}

func mustFail(t *testing.T, err error, what string) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s: no error", what)
	}
}

func create(t *testing.T, fsys fsx.FS, name, data string) fsx.File {
	t.Helper()
	f, err := fsys.Create(name, 0o600)
	must(t, err)
	t.Cleanup(func() { _ = f.Close() })
	if data != "" {
		n, err := f.WriteAt([]byte(data), 0)
		must(t, err)
		if n != len(data) {
			t.Fatalf("wrote %d bytes of %d", n, len(data))
		}
	}
	must(t, f.Sync())
	return f
}

func read(t *testing.T, fsys fsx.FS, name string) string {
	t.Helper()
	b, err := fsx.ReadFile(fsys, name, 1<<20)
	must(t, err)
	return string(b)
}

func sizeIs(t *testing.T, f fsx.File, want int64) {
	t.Helper()
	got, err := f.Size()
	must(t, err)
	if got != want {
		t.Fatalf("size %d, want %d", got, want)
	}
}

func list(t *testing.T, fsys fsx.FS, name string) []string {
	t.Helper()
	entries, err := fsys.ReadDir(name)
	must(t, err)
	var names []string
	for _, e := range entries {
		n := e.Name()
		if e.IsDir() {
			n += "/"
		}
		names = append(names, n)
	}
	return names
}

func conformCreate(t *testing.T, fsys fsx.FS) {
	create(t, fsys, "a", "one")
	_, err := fsys.Create("a", 0o600)
	mustBe(t, err, fs.ErrExist)
	if got := read(t, fsys, "a"); got != "one" {
		t.Errorf("the refused Create changed the file to %q", got)
	}
	_, err = fsys.Create("none/a", 0o600)
	mustBe(t, err, fs.ErrNotExist)
	_, err = fsys.Create("a/b", 0o600)
	mustFail(t, err, "create below a file")
}

func conformOpen(t *testing.T, fsys fsx.FS) {
	create(t, fsys, "a", "one")
	_, err := fsys.Open("b")
	mustBe(t, err, fs.ErrNotExist)
	f, err := fsys.Open("a")
	must(t, err)
	_, err = f.WriteAt([]byte("x"), 0)
	mustFail(t, err, "write to a file opened for reading")
	mustFail(t, f.Truncate(0), "truncate a file opened for reading")
	mustFail(t, f.Preallocate(100), "preallocate in a file opened for reading")
	sizeIs(t, f, 3)
	must(t, f.Close())
	must(t, fsys.Mkdir("d", 0o700))
	if f, err = fsys.Open("d"); err == nil {
		_, err = f.ReadAt(make([]byte, 1), 0)
		_ = f.Close() // read only
	}
	if err == nil || errors.Is(err, io.EOF) {
		t.Errorf("reading a directory as a file: %v", err)
	}
}

func conformReadWrite(t *testing.T, fsys fsx.FS) {
	f := create(t, fsys, "a", "")
	if n, err := f.ReadAt(make([]byte, 1), 0); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("empty file: %d, %v", n, err)
	}
	_, err := f.WriteAt([]byte("abc"), 1000)
	must(t, err)
	_, err = f.WriteAt([]byte("xy"), 999)
	must(t, err)
	sizeIs(t, f, 1003)
	b := make([]byte, 6)
	n, err := f.ReadAt(b, 998)
	if n != 5 || !errors.Is(err, io.EOF) || string(b[:n]) != "\x00xybc" {
		t.Errorf("read %d bytes %q, %v", n, b[:n], err)
	}
	if n, err := f.ReadAt(b[:4], 999); n != 4 || err != nil {
		t.Errorf("read up to the end: %d, %v", n, err)
	}
	if n, err := f.ReadAt(b, 1003); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read at the end: %d, %v", n, err)
	}
	_, err = f.ReadAt(b, -1)
	mustFail(t, err, "negative offset")
	_, err = f.WriteAt(b, -1)
	mustFail(t, err, "negative offset")
	other, err := fsys.Open("a")
	must(t, err)
	if _, err := other.ReadAt(b[:2], 999); err != nil || string(b[:2]) != "xy" {
		t.Errorf("another descriptor reads %q, %v", b[:2], err)
	}
	must(t, other.Sync())
	must(t, other.Close())
}

func conformTruncate(t *testing.T, fsys fsx.FS) {
	f := create(t, fsys, "a", "abcdef")
	must(t, f.Truncate(2))
	must(t, f.Truncate(5))
	if got := read(t, fsys, "a"); got != "ab\x00\x00\x00" {
		t.Errorf("after shrinking and growing: %q", got)
	}
	must(t, f.Sync())
	mustFail(t, f.Truncate(-1), "negative length")
}

func conformPreallocate(t *testing.T, fsys fsx.FS) {
	f := create(t, fsys, "a", "abc")
	must(t, f.Preallocate(5000))
	sizeIs(t, f, 5000)
	if got := read(t, fsys, "a"); got[:3] != "abc" || len(bytes.Trim([]byte(got[3:]), "\x00")) > 0 {
		t.Error("the reserved part is not zeros, or the rest is gone")
	}
	must(t, f.Preallocate(10))
	sizeIs(t, f, 5000)
}

func conformRename(t *testing.T, fsys fsx.FS) {
	f := create(t, fsys, "a", "one")
	create(t, fsys, "b", "two")
	must(t, fsys.Rename("a", "b"))
	if got := read(t, fsys, "b"); got != "one" {
		t.Errorf("b holds %q", got)
	}
	_, err := fsys.Open("a")
	mustBe(t, err, fs.ErrNotExist)
	_, err = f.WriteAt([]byte("ONE"), 0)
	must(t, err)
	if got := read(t, fsys, "b"); got != "ONE" {
		t.Errorf("the open file no longer is b: %q", got)
	}
	mustBe(t, fsys.Rename("a", "c"), fs.ErrNotExist)
	must(t, fsys.Mkdir("d", 0o700))
	must(t, fsys.Rename("b", "d/b"))
	must(t, fsys.Rename("d", "e"))
	if got := read(t, fsys, "e/b"); got != "ONE" {
		t.Errorf("e/b holds %q", got)
	}
	create(t, fsys, "f", "")
	mustFail(t, fsys.Rename("f", "e"), "rename a file over a directory")
	mustFail(t, fsys.Rename("e", "f"), "rename a directory over a file")
	mustFail(t, fsys.Rename("e", "e/e"), "rename a directory into itself")
	mustBe(t, fsys.Rename("f", "none/f"), fs.ErrNotExist)
}

func conformRemove(t *testing.T, fsys fsx.FS) {
	create(t, fsys, "a", "one")
	must(t, fsys.Remove("a"))
	mustBe(t, fsys.Remove("a"), fs.ErrNotExist)
	must(t, fsys.Mkdir("d", 0o700))
	create(t, fsys, "d/a", "one")
	mustFail(t, fsys.Remove("d"), "remove a directory that is not empty")
	must(t, fsys.Remove("d/a"))
	must(t, fsys.Remove("d"))
	create(t, fsys, "d", "a file now")
}

func conformDirectories(t *testing.T, fsys fsx.FS) {
	must(t, fsys.Mkdir("d", 0o700))
	mustBe(t, fsys.Mkdir("d", 0o700), fs.ErrExist)
	mustBe(t, fsys.Mkdir("none/d", 0o700), fs.ErrNotExist)
	create(t, fsys, "d/b", "two")
	create(t, fsys, "d/a", "")
	must(t, fsys.Mkdir("d/B", 0o700))
	if got, want := list(t, fsys, "d"), []string{"B/", "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("listed %q, want %q", got, want)
	}
	if got := list(t, fsys, "."); !slices.Equal(got, []string{"d/"}) {
		t.Errorf("the root lists %q", got)
	}
	_, err := fsys.ReadDir("none")
	mustBe(t, err, fs.ErrNotExist)
	_, err = fsys.ReadDir("d/a")
	mustFail(t, err, "list a file")
	must(t, fsys.SyncDir("d"))
	must(t, fsys.SyncDir("."))
	mustBe(t, fsys.SyncDir("none"), fs.ErrNotExist)
	fi, err := fsys.Stat("d/b")
	must(t, err)
	if fi.Name() != "b" || fi.Size() != 3 || fi.IsDir() || fi.Mode().Perm() != 0o600 {
		t.Errorf("d/b is %v, %d bytes, mode %v", fi.Name(), fi.Size(), fi.Mode())
	}
	if fi, err = fsys.Stat("d"); err != nil || !fi.IsDir() {
		t.Errorf("d: %v, %v", fi, err)
	}
	_, err = fsys.Stat("none")
	mustBe(t, err, fs.ErrNotExist)
}

func conformUnlinked(t *testing.T, fsys fsx.FS) {
	f := create(t, fsys, "a", "one")
	must(t, fsys.Remove("a"))
	create(t, fsys, "a", "two")
	b := make([]byte, 3)
	if _, err := f.ReadAt(b, 0); err != nil || string(b) != "one" {
		t.Errorf("the unlinked file holds %q, %v", b, err)
	}
	_, err := f.WriteAt([]byte("xxx"), 0)
	must(t, err)
	must(t, f.Sync())
	if got := read(t, fsys, "a"); got != "two" {
		t.Errorf("writing to the unlinked file changed its successor to %q", got)
	}
}

func conformNames(t *testing.T, fsys fsx.FS) {
	for _, name := range []string{"../a", "/a", "", "a/../../b"} {
		_, err := fsys.Create(name, 0o600)
		mustFail(t, err, "create "+name)
		_, err = fsys.Open(name)
		mustFail(t, err, "open "+name)
		mustFail(t, fsys.Mkdir(name, 0o700), "mkdir "+name)
		mustFail(t, fsys.Remove(name), "remove "+name)
		_, err = fsys.TryLock(name)
		mustFail(t, err, "lock "+name)
	}
}

func conformLocks(t *testing.T, fsys fsx.FS) {
	l, err := fsys.TryLock("lock")
	must(t, err)
	_, err = fsys.TryLock("lock")
	mustBe(t, err, fsx.ErrLocked)
	_, err = fsys.Stat("lock")
	must(t, err)
	must(t, l.Close())
	l, err = fsys.TryLock("lock")
	must(t, err)
	must(t, fsys.Mkdir("d", 0o700))
	must(t, fsys.Rename("lock", "d/lock"))
	_, err = fsys.TryLock("d/lock")
	mustBe(t, err, fsx.ErrLocked)
	must(t, fsys.Rename("d", "e"))
	_, err = fsys.TryLock("e/lock")
	mustBe(t, err, fsx.ErrLocked)
	must(t, l.Close())
	_, err = fsys.TryLock("none/lock")
	mustBe(t, err, fs.ErrNotExist)
}

func conformClosed(t *testing.T, fsys fsx.FS) {
	f, err := fsys.Create("a", 0o600)
	must(t, err)
	must(t, f.Close())
	_, err = f.WriteAt([]byte("x"), 0)
	mustBe(t, err, fs.ErrClosed)
	_, err = f.ReadAt(make([]byte, 1), 0)
	mustBe(t, err, fs.ErrClosed)
	mustBe(t, f.Close(), fs.ErrClosed)
	mustFail(t, f.Sync(), "sync a closed file")
}

func conformReplace(t *testing.T, fsys fsx.FS) {
	must(t, fsys.Mkdir("d", 0o700))
	for _, want := range []string{"one", "", "three"} {
		must(t, fsx.Replace(fsys, "d/a", []byte(want), 0o600))
		if got := read(t, fsys, "d/a"); got != want {
			t.Errorf("holds %q, want %q", got, want)
		}
	}
	create(t, fsys, "d/a.tmp", "left by a crash")
	must(t, fsx.Replace(fsys, "d/a", []byte("four"), 0o600))
	if got := list(t, fsys, "d"); !slices.Equal(got, []string{"a"}) {
		t.Errorf("left behind: %q", got)
	}
	if !fsx.IsTemp("d/a.tmp") || fsx.IsTemp("d/a") {
		t.Error("IsTemp does not tell a leftover from a file")
	}
	mustBe(t, fsx.Replace(fsys, "none/a", nil, 0o600), fs.ErrNotExist)
}

func conformMkdirAll(t *testing.T, fsys fsx.FS) {
	must(t, fsx.MkdirAll(fsys, ".", 0o700))
	must(t, fsx.MkdirAll(fsys, "a/b/c", 0o700))
	must(t, fsx.MkdirAll(fsys, "a/b/c", 0o700))
	create(t, fsys, "a/b/c/f", "")
	mustFail(t, fsx.MkdirAll(fsys, "a/b/c/f", 0o700), "a file is in the way")
	mustFail(t, fsx.MkdirAll(fsys, "a/b/c/f/g", 0o700), "a file is in the way above")
}

func conformReadFile(t *testing.T, fsys fsx.FS) {
	create(t, fsys, "a", "12345")
	if b, err := fsx.ReadFile(fsys, "a", 5); err != nil || string(b) != "12345" {
		t.Errorf("read %q, %v", b, err)
	}
	_, err := fsx.ReadFile(fsys, "a", 4)
	mustBe(t, err, fsx.ErrTooLarge)
	_, err = fsx.ReadFile(fsys, "b", 4)
	mustBe(t, err, fs.ErrNotExist)
	create(t, fsys, "empty", "")
	if b, err := fsx.ReadFile(fsys, "empty", 0); err != nil || len(b) != 0 {
		t.Errorf("read %q, %v", b, err)
	}
}

func conformSpace(t *testing.T, fsys fsx.FS) {
	s, err := fsys.Space()
	if errors.Is(err, errors.ErrUnsupported) {
		return // the system does not tell, and says so
	}
	must(t, err)
	if s.Free <= 0 || s.Size < s.Free {
		t.Errorf("%d of %d bytes are free", s.Free, s.Size)
	}
}

func conformSame(t *testing.T, fsys fsx.FS) {
	same := func(f fsx.File, name string) bool {
		t.Helper()
		a, err := f.Stat()
		must(t, err)
		b, err := fsys.Stat(name)
		must(t, err)
		return fsx.SameFile(a, b)
	}
	f := create(t, fsys, "a", "text")
	other := create(t, fsys, "b", "text")
	if !same(f, "a") || !same(other, "b") || same(f, "b") {
		t.Error("files with other names are taken for each other")
	}
	fi, err := f.Stat()
	must(t, err)
	if fi.Size() != 4 || fi.IsDir() {
		t.Errorf("an open file is described as %v", fi)
	}
	must(t, fsys.Rename("b", "a"))
	if same(f, "a") || !same(other, "a") {
		t.Error("a file is taken for the one that replaced it")
	}
}
