// Package fsx is the seam between stet and the file system.
//
// Everything that stet must not lose goes through FS and File, which offer only what a durable log needs: whole writes
// at an offset, an explicit flush of data, an explicit flush of a directory. There is no buffered Write and no
// convenience that hides a missing sync, so that the order of operations stands in the caller's code, where a reader
// can check it against the invariants in ARCHITECTURE.md.
//
// Three implementations exist: Dir is the real thing, confined to one directory by os.Root. Mem (in package fsxtest)
// keeps apart what was written and what was synced, can crash at any operation with any subset of the unsynced writes
// kept, and can fail any call, before or after its effect.
package fsx

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// FS is one directory tree. Names are slash-separated, relative, without "..".
//
// All methods are safe for concurrent use. Nothing is durable until File.Sync and FS.SyncDir say so: a created, renamed
// or removed name needs SyncDir of its directory, a file's bytes need Sync of the file. Errors wrap fs.ErrNotExist and
// fs.ErrExist where these apply.
type FS interface {
	// Create makes a new file for reading and writing; it fails with fs.ErrExist where the name is taken.
	Create(name string, perm fs.FileMode) (File, error)
	// Open opens an existing file for reading; writing to it fails.
	Open(name string) (File, error)
	// Rename replaces newname by oldname, atomically for readers.
	Rename(oldname, newname string) error
	// Remove deletes a file or an empty directory.
	Remove(name string) error
	// Mkdir makes one directory.
	Mkdir(name string, perm fs.FileMode) error
	// ReadDir lists a directory, sorted by name.
	ReadDir(name string) ([]fs.DirEntry, error)
	// Stat describes a file or directory.
	Stat(name string) (fs.FileInfo, error)
	// SyncDir makes the names in a directory durable: creations, renames and removals.
	SyncDir(name string) error
	// TryLock takes the exclusive advisory lock on name, creating the file where it is missing. It never waits: a lock held
	// elsewhere is ErrLocked. The lock ends with Close, or with the process.
	TryLock(name string) (io.Closer, error)
	// Space says how much room is left; errors.ErrUnsupported where the system does not tell.
	Space() (Space, error)
}

// File is one open file. Methods may be called from several goroutines as far as their ranges do not overlap.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	// Size is the file's length in bytes.
	Size() (int64, error)
	// Stat describes the file, whatever name it has by now: see SameFile.
	Stat() (fs.FileInfo, error)
	// Truncate sets the file's length.
	Truncate(size int64) error
	// Preallocate reserves space up to size, so that later writes cannot fail for want of it; the new part reads as zeros.
	// A file system that cannot do it grows the file instead.
	Preallocate(size int64) error
	// Sync makes the file's bytes and length durable (fdatasync). After an error the state on disk is unknown, and a later
	// Sync that succeeds proves nothing: the caller must stop using the file.
	Sync() error
}

// SameFile says whether two descriptions, of FS.Stat or File.Stat, are of one file.
func SameFile(a, b fs.FileInfo) bool {
	return os.SameFile(a, b) || a.Sys() != nil && a.Sys() == b.Sys() // the second is for file systems in memory
}

// ErrLocked says that somebody else holds a lock.
var ErrLocked = errors.New("locked by another process")
