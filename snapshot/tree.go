package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/stetlog/stet/event"
)

// Bounds of a tree where TreeOptions gives none.
const (
	DefaultMaxFiles = 1_000_000
	DefaultMaxBytes = 1 << 40 // content read
	DefaultMaxDepth = 255     // directories within each other; each costs an open descriptor
	DefaultKeep     = 100_000
)

// TreeOptions bound a walk. Zero values are the defaults.
type TreeOptions struct {
	Options           // Object is the root where it is empty; Public means nothing, see the package comment
	MaxFiles int      // entries of every kind, directories included
	MaxBytes int64    // content of all files together
	MaxDepth int      // directories below the root within each other
	Keep     int      // entries kept in memory for Diff, about 150 bytes each; negative: none
	Skip     []string // paths below the root, with slashes, that are left out with all below them; they are part of the digest
}

// Files is the state of a file tree at one time. It is not changed after Tree has returned it.
type Files struct {
	snap *event.Snapshot
	kept map[string][sha256.Size]byte // by path; nil where there were more than Keep
	kind map[string]byte              // 'f' for files, 0 for everything else
}

// Snapshot is what an event records of it: the number of regular files as count, and a summary such as "12 files, 3.4 MB".
// The pointer is a new one each time.
func (f *Files) Snapshot() *event.Snapshot {
	s := *f.snap
	return &s
}

// Tree takes a snapshot of the file tree at root: of every entry the path relative to root, the kind, the permission bits,
// of a regular file its content, of a symbolic link its target. Links are not followed, except for root itself; other file
// systems below root are entered. Owners, times and attributes are not part of it. A root that is no directory is a tree of
// that one entry, and one that does not exist is a state too, of no files.
//
// What cannot be read, or changes while it is read, is counted in the summary, with the first names. Either is seen where
// the file system shows it by size and time of change. An entry that cannot be read is in the digest as such: it does not
// become the digest of the tree without it.
//
// More entries, bytes or depth than allowed are ErrTooLarge, and the end of ctx is its error: there is no digest of a part.
// ctx is looked at between entries and between reads of 128 KiB; a file system that hangs is not interrupted.
func Tree(ctx context.Context, root string, o TreeOptions) (*Files, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	o.defaults(root)
	w := walker{ctx: ctx, o: o, buf: make([]byte, 128<<10)}
	h := begin("tree")
	w.encoder = encoder{w: h}
	if o.Keep > 0 {
		w.kept, w.kind = map[string][sha256.Size]byte{}, map[string]byte{}
	}
	w.open(tagList, len(o.Skip))
	for _, s := range o.Skip {
		w.text(s)
	}
	missing, err := w.root(root)
	if err != nil {
		return nil, fmt.Errorf("snapshot of %s: %w", root, err)
	}
	summary := w.summary()
	if missing {
		summary = "does not exist"
	}
	return &Files{snap: o.snapshot(h, summary, &w.files), kept: w.kept, kind: w.kind}, nil
}

func (o *TreeOptions) defaults(root string) {
	if o.Object == "" {
		o.Object = root
	}
	if o.MaxFiles == 0 {
		o.MaxFiles = DefaultMaxFiles
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes
	}
	if o.MaxDepth == 0 {
		o.MaxDepth = DefaultMaxDepth
	}
	if o.Keep == 0 {
		o.Keep = DefaultKeep
	}
}

// root walks from the root down. missing says that there is none.
func (w *walker) root(root string) (missing bool, err error) {
	fi, err := os.Stat(root)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Lstat(root); err == nil {
			w.null() // a link to nothing is not the same as nothing
		}
		return true, nil
	case err != nil:
		return false, err
	case fi.IsDir():
		dir, err := os.OpenRoot(root)
		if err != nil {
			return false, err
		}
		defer func() { _ = dir.Close() }() // read only
		return false, w.entry(dir, ".", ".", fi, 0)
	}
	real, err := filepath.EvalSymlinks(root)
	if err != nil {
		return false, err
	}
	dir, err := os.OpenRoot(filepath.Dir(real))
	if err != nil {
		return false, err
	}
	defer func() { _ = dir.Close() }() // read only
	return false, w.entry(dir, filepath.Base(real), ".", fi, 0)
}

// summary is "12 files, 3.4 MB; 1 could not be read: a/b".
func (w *walker) summary() string {
	s := many(w.files, "file", "files") + ", " + size(w.bytesRead)
	for _, n := range []struct {
		named
		what string
	}{{w.unread, "could not be read"}, {w.moving, "changed while being read"}} {
		if n.n == 0 {
			continue
		}
		s += fmt.Sprintf("; %d %s: %s", n.n, n.what, strings.Join(n.names, ", "))
		if n.n > len(n.names) {
			s += ", …"
		}
	}
	return s
}

// named counts entries and keeps the first names.
type named struct {
	n     int
	names []string
}

// maxNamed and maxName bound the names in a summary, in names and in bytes each.
const (
	maxNamed = 3
	maxName  = 120
)

func (n *named) add(path string) {
	n.n++
	if len(n.names) < maxNamed {
		n.names = append(n.names, clip(path, maxName))
	}
}
