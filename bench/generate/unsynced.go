package generate

import (
	"io/fs"

	"github.com/stetlog/stet/internal/fsx"
)

// Unsynced is a file system for making ready what will be measured: it does not wait for the disk.
type Unsynced struct{ fsx.FS }

// Create implements fsx.FS.
func (u Unsynced) Create(name string, perm fs.FileMode) (fsx.File, error) {
	f, err := u.FS.Create(name, perm)
	return unsyncedFile{f}, err
}

// SyncDir implements fsx.FS.
func (u Unsynced) SyncDir(string) error { return nil }

type unsyncedFile struct{ fsx.File }

// Sync implements fsx.File.
func (unsyncedFile) Sync() error { return nil }
