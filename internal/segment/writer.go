package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/stetlog/stet/internal/fsx"
)

// Writer appends frames to one new segment. It is not safe for concurrent use; its owner holds the lock on the
// directory. Frames gather in memory with Add and reach the file in one write and one fdatasync with Commit.
type Writer struct {
	fsys    fsx.FS
	f       fsx.File
	name    string
	header  Header
	off     int64 // where the next write goes
	pending []byte
	err     error // the first failure; terminal
}

// Create makes the segment durable before its first frame: exclusive create, space for prealloc bytes (0: none),
// header, sync of the file, sync of the directory. h.Kind is at most 16 bytes, h.Meta at most MaxMeta.
func Create(fsys fsx.FS, name string, h Header, prealloc int64) (*Writer, error) {
	if len(h.Kind) > 16 || len(h.Meta) > MaxMeta {
		return nil, fmt.Errorf("create %s: kind of %d bytes (limit 16) or meta of %d (limit %d)", name, len(h.Kind), len(h.Meta), MaxMeta)
	}
	f, err := fsys.Create(name, 0o600)
	if err != nil {
		return nil, err
	}
	w := &Writer{fsys: fsys, f: f, name: name, header: h, off: h.Size()}
	if err := w.init(fsys, prealloc); err != nil {
		return nil, errors.Join(fmt.Errorf("create %s: %w", name, err), f.Close(), fsys.Remove(name))
	}
	return w, nil
}

func (w *Writer) init(fsys fsx.FS, prealloc int64) error {
	if prealloc > 0 {
		if err := w.f.Preallocate(prealloc); err != nil {
			return err
		}
	}
	if _, err := w.f.WriteAt(w.header.append(nil), 0); err != nil {
		return err
	}
	if err := w.f.Sync(); err != nil {
		return err
	}
	return fsys.SyncDir(path.Dir(w.name))
}

// Add puts a frame behind those not committed yet, which together are a group. The payload is copied; parts are joined
// without anything between. It fails, and changes nothing, where the payload is empty or larger than MaxPayload, or where
// more than MaxGroup bytes wait already.
func (w *Writer) Add(key uint64, parts ...[]byte) error {
	if w.err != nil {
		return w.err
	}
	n := 0
	for _, p := range parts {
		n += len(p)
	}
	if len(w.pending) > MaxGroup {
		return fmt.Errorf("frame %d for %s: %d bytes wait already, limit %d: commit them first", key, w.name, len(w.pending), MaxGroup)
	}
	if n == 0 || n > MaxPayload {
		return fmt.Errorf("frame %d for %s: payload of %d bytes, allowed are 1 to %d", key, w.name, n, MaxPayload)
	}
	start := len(w.pending)
	w.pending = append(w.pending, marker[:]...)
	w.pending = binary.BigEndian.AppendUint32(w.pending, uint32(n))
	w.pending = binary.BigEndian.AppendUint64(w.pending, key)
	w.pending = binary.BigEndian.AppendUint32(w.pending, uint32(start)) // the group starts where pending does
	w.pending = append(w.pending, 0, 0, 0, 0)
	for _, p := range parts {
		w.pending = append(w.pending, p...)
	}
	frame := w.pending[start:]
	binary.BigEndian.PutUint32(frame[frameCRC:], checksum(w.header.Salt, frame[:frameCRC], frame[frameSize:]))
	return nil
}

// Commit writes what was added and makes it durable. On an error none of it counts, and the writer is dead: it is not
// known what the disk holds, and trying again could make a lost write look durable (THREATS 2). Where the file has been
// removed or replaced under the writer, what it writes goes with it: that is an error too, ErrGone (THREATS 15).
func (w *Writer) Commit() error {
	if w.err != nil {
		return w.err
	}
	if len(w.pending) == 0 {
		return nil
	}
	if _, err := w.f.WriteAt(w.pending, w.off); err != nil {
		w.err = fmt.Errorf("write %s at byte %d: %w", w.name, w.off, err)
		return w.err
	}
	if err := w.f.Sync(); err != nil {
		w.err = fmt.Errorf("sync %s: %w", w.name, err)
		return w.err
	}
	if w.err = w.InPlace(); w.err != nil {
		return w.err
	}
	w.off += int64(len(w.pending))
	w.pending = w.pending[:0]
	return nil
}

// ErrGone says that a segment in use is not under its name any more.
var ErrGone = errors.New("the file was removed or replaced while it was written to")

// InPlace says why the file cannot be found by those who will look for it (ErrGone where it was removed or replaced); nil
// where it can. Commit asks it after each sync and before anybody is told: a sync of a file that has lost its name
// succeeds. Others may ask it at any time, from any goroutine, as long as the writer is not renamed.
func (w *Writer) InPlace() error {
	mine, err := w.f.Stat()
	if err != nil {
		return fmt.Errorf("look at %s: %w", w.name, err)
	}
	named, err := w.fsys.Stat(w.name)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && !fsx.SameFile(mine, named):
		return fmt.Errorf("%s: %w; look for it and put it back before anything else is done here", w.name, ErrGone)
	case err != nil:
		return fmt.Errorf("look at %s: %w", w.name, err)
	}
	return nil
}

// Renamed tells the writer the file's new name, for its messages, after the directory above was renamed.
func (w *Writer) Renamed(name string) { w.name = name }

// Pending is how many bytes wait for Commit.
func (w *Writer) Pending() int { return len(w.pending) }

// Name is the file's name as given to Create or Renamed.
func (w *Writer) Name() string { return w.name }

// Number is the segment's number.
func (w *Writer) Number() uint64 { return w.header.Number }

// Size is how far the segment is written and durable, in bytes.
func (w *Writer) Size() int64 { return w.off }

// Inherit takes over the memory in which a writer that was closed gathered its frames.
func (w *Writer) Inherit(from *Writer) {
	w.pending, from.pending = from.pending[:0], nil
}

// Close closes the file. What was added and not committed is dropped.
func (w *Writer) Close() error { return w.f.Close() }
