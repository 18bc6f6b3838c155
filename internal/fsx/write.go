package fsx

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// tempSuffix marks a file that Replace has not renamed yet; a crash can leave it behind, and the next Replace of the
// same name removes it.
const tempSuffix = ".tmp"

// Replace puts data at name, whole or not at all: temporary file in the same directory, write, sync, rename, sync the
// directory. When it returns nil the new bytes are durable. After an error either the old or the new bytes are there.
// One writer a name; the caller holds the lock that ensures it.
func Replace(fsys FS, name string, data []byte, perm fs.FileMode) error {
	if err := replace(fsys, name, data, perm); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return fsys.SyncDir(path.Dir(name))
}

func replace(fsys FS, name string, data []byte, perm fs.FileMode) error {
	tmp := name + tempSuffix
	f, err := fsys.Create(tmp, perm)
	if errors.Is(err, fs.ErrExist) { // left by a crash
		if err := fsys.Remove(tmp); err != nil {
			return err
		}
		f, err = fsys.Create(tmp, perm)
	}
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return errors.Join(err, fsys.Remove(tmp))
	}
	return fsys.Rename(tmp, name)
}

// IsTemp says whether name is a leftover of an interrupted Replace.
func IsTemp(name string) bool { return path.Ext(name) == tempSuffix }

// MkdirAll makes a directory and its parents, and syncs the parent of each: also of those that it finds, because
// whoever made them may have died before its own sync, and what is put below would be lost with the name. A directory
// whose name could not be synced is removed again, because no later sync can be trusted to keep that name.
func MkdirAll(fsys FS, name string, perm fs.FileMode) error {
	if name == "." || name == "" {
		return nil
	}
	parent := path.Dir(name)
	if err := MkdirAll(fsys, parent, perm); err != nil {
		return err
	}
	made := fsys.Mkdir(name, perm)
	if made != nil {
		if !errors.Is(made, fs.ErrExist) {
			return made
		}
		if fi, err := fsys.Stat(name); err != nil {
			return err
		} else if !fi.IsDir() {
			return &fs.PathError{Op: "mkdir", Path: name, Err: errors.New("is there and is not a directory")}
		}
	}
	err := fsys.SyncDir(parent)
	if err != nil && made == nil {
		err = errors.Join(err, fsys.Remove(name))
	}
	return err
}

// ErrTooLarge says that a file exceeds the limit that its reader set.
var ErrTooLarge = errors.New("file is larger than allowed")

// ReadFile reads a whole file of at most limit bytes; a larger one is ErrTooLarge, before anything is allocated for it.
func ReadFile(fsys FS, name string, limit int64) ([]byte, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only: nothing to lose
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size > limit {
		return nil, fmt.Errorf("read %s: %w: %d bytes, limit %d", name, ErrTooLarge, size, limit)
	}
	b := make([]byte, size)
	if n, err := f.ReadAt(b, 0); err != nil && (!errors.Is(err, io.EOF) || int64(n) < size) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	return b, nil
}
