package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
)

// Dir is the operating system's file system below one directory, which names cannot leave (os.Root).
type Dir struct{ root *os.Root }

// OpenDir opens an existing directory. Close it when done.
func OpenDir(path string) (*Dir, error) {
	root, err := os.OpenRoot(path)
	if err != nil {
		return nil, err
	}
	return &Dir{root}, nil
}

// Close releases the directory. Files opened through it stay open.
func (d *Dir) Close() error { return d.root.Close() }

// Create implements FS.
func (d *Dir) Create(name string, perm fs.FileMode) (File, error) {
	return file(d.root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, perm))
}

// Open implements FS. It does not wait for a pipe's other end, and what is neither a file nor a directory is an error: a
// store may have been tampered with.
func (d *Dir) Open(name string) (File, error) {
	f, err := d.root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() && !fi.IsDir() {
		err = &fs.PathError{Op: "open", Path: name, Err: errors.New("it is not a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return osFile{f}, nil
}

// Rename implements FS.
func (d *Dir) Rename(oldname, newname string) error { return d.root.Rename(oldname, newname) }

// Remove implements FS.
func (d *Dir) Remove(name string) error { return d.root.Remove(name) }

// Mkdir implements FS.
func (d *Dir) Mkdir(name string, perm fs.FileMode) error { return d.root.Mkdir(name, perm) }

// Stat implements FS.
func (d *Dir) Stat(name string) (fs.FileInfo, error) { return d.root.Stat(name) }

// ReadDir implements FS.
func (d *Dir) ReadDir(name string) ([]fs.DirEntry, error) {
	f, err := d.root.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only: nothing to lose
	entries, err := f.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// SyncDir implements FS.
func (d *Dir) SyncDir(name string) error {
	f, err := d.root.Open(name)
	if err != nil {
		return err
	}
	err = f.Sync()
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// TryLock implements FS with flock, which belongs to the open file: it ends with this process however it dies, and a
// child does not inherit it, because Go opens files with O_CLOEXEC.
func (d *Dir) TryLock(name string) (io.Closer, error) {
	f, err := d.root.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		_ = f.Close() // the lock's own error says more
		return nil, fmt.Errorf("lock %s: %w", name, err)
	}
	return f, nil
}

// Space implements FS.
func (d *Dir) Space() (Space, error) {
	f, err := d.root.Open(".")
	if err != nil {
		return Space{}, err
	}
	defer func() { _ = f.Close() }() // read only: nothing to lose
	return space(f)
}

// osFile adds to os.File what File asks for beyond it.
type osFile struct{ *os.File }

func file(f *os.File, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (f osFile) Size() (int64, error) {
	fi, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return fi.Size(), nil
}

func (f osFile) Sync() error { return datasync(f.File) }

func (f osFile) Preallocate(size int64) error { return preallocate(f.File, size) }
