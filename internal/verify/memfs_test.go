package verify_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/fsx"
)

// memFS is a tree of files that can be read. Any attempt to change it fails the test: a verifier only looks.
type memFS struct {
	t     testing.TB
	files map[string][]byte
	bad   map[string]bool // these cannot be read
	modes map[string]fs.FileMode
}

func newMemFS(t testing.TB, files map[string][]byte) *memFS {
	return &memFS{t: t, files: maps.Clone(files), bad: map[string]bool{}, modes: map[string]fs.FileMode{}}
}

// keep is the name of a file that only stands for its directory.
const keep = ".keep"

var errUnreadable = errors.New("input/output error")

func (m *memFS) Stat(name string) (fs.FileInfo, error) {
	name = path.Clean(name)
	if b, ok := m.files[name]; ok {
		mode := fs.FileMode(0o600)
		if special, ok := m.modes[name]; ok {
			mode = special
		}
		return info{path.Base(name), int64(len(b)), mode}, nil
	}
	for n := range m.files {
		if strings.HasPrefix(n, name+"/") || name == "." {
			return info{path.Base(name), 0, fs.ModeDir | 0o700}, nil
		}
	}
	return nil, &fs.PathError{Op: "stat", Path: name, Err: fs.ErrNotExist}
}

func (m *memFS) Open(name string) (fsx.File, error) {
	name = path.Clean(name)
	b, ok := m.files[name]
	switch {
	case m.bad[name]:
		return nil, &fs.PathError{Op: "open", Path: name, Err: errUnreadable}
	case !ok:
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return &memFile{m: m, name: name, r: bytes.NewReader(b)}, nil
}

func (m *memFS) ReadDir(name string) ([]fs.DirEntry, error) {
	name = path.Clean(name)
	if m.bad[name] {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errUnreadable}
	}
	prefix := name + "/"
	if name == "." {
		prefix = ""
	}
	children := map[string]bool{}
	for n := range m.files {
		if rest, ok := strings.CutPrefix(n, prefix); ok {
			first, _, _ := strings.Cut(rest, "/")
			children[first] = true
		}
	}
	if len(children) == 0 {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrNotExist}
	}
	var out []fs.DirEntry
	for _, child := range slices.Sorted(maps.Keys(children)) {
		if child == keep {
			continue
		}
		fi, err := m.Stat(prefix + child)
		if err != nil {
			return nil, err
		}
		out = append(out, fs.FileInfoToDirEntry(fi))
	}
	return out, nil
}

func (m *memFS) wrote(what, name string) error {
	m.t.Errorf("verify tried to %s %s", what, name)
	return fs.ErrPermission
}

func (m *memFS) Create(name string, _ fs.FileMode) (fsx.File, error) {
	return nil, m.wrote("create", name)
}
func (m *memFS) Rename(name, _ string) error            { return m.wrote("rename", name) }
func (m *memFS) Remove(name string) error               { return m.wrote("remove", name) }
func (m *memFS) Mkdir(name string, _ fs.FileMode) error { return m.wrote("make", name) }
func (m *memFS) SyncDir(name string) error              { return m.wrote("sync", name) }
func (m *memFS) Space() (fsx.Space, error)              { return fsx.Space{}, errors.ErrUnsupported }

func (m *memFS) TryLock(name string) (io.Closer, error) { return nil, m.wrote("lock", name) }

type memFile struct {
	m    *memFS
	name string
	r    *bytes.Reader
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) { return f.r.ReadAt(b, off) }
func (f *memFile) WriteAt(_ []byte, _ int64) (int, error)  { return 0, f.m.wrote("write", "a file") }
func (f *memFile) Close() error                            { return nil }
func (f *memFile) Size() (int64, error)                    { return f.r.Size(), nil }
func (f *memFile) Stat() (fs.FileInfo, error)              { return f.m.Stat(f.name) }
func (f *memFile) Truncate(int64) error                    { return f.m.wrote("truncate", "a file") }
func (f *memFile) Preallocate(int64) error                 { return f.m.wrote("grow", "a file") }
func (f *memFile) Sync() error                             { return f.m.wrote("sync", "a file") }

type info struct {
	name string
	size int64
	mode fs.FileMode
}

func (i info) Name() string       { return i.name }
func (i info) Size() int64        { return i.size }
func (i info) Mode() fs.FileMode  { return i.mode }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return i.mode.IsDir() }
func (i info) Sys() any           { return nil }
