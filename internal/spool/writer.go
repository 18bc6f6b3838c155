package spool

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/segment"
)

// Writer appends batches to a spool that it owns. It is not safe for concurrent use. Its first failure is terminal,
// because what reached the disk is not known then: open a new stream with a new spool; the old one is drained as far as
// it is whole.
type Writer struct {
	fsys    fsx.FS
	spool   string // spool/<stream_id>
	meta    []byte
	salt    func() ([8]byte, error)
	lock    io.Closer
	seg     *segment.Writer
	next    uint64 // first of the next batch
	batches int    // added, not committed
	final   bool   // a batch without events was added: nothing may follow
	buf     []byte
	err     error
}

// Create makes the spool of a new stream in dir, durable and locked, with an empty first segment. The stream's numbers
// begin at 1. salt gives each segment's salt; nil means random ones. fs.ErrExist says that the stream has a spool already.
//
// The spool is prepared as new-<stream_id>.<n> and renamed, so that nobody ever finds it without its lock held. What a
// crash leaves of that is for Clean.
func Create(fsys fsx.FS, dir string, m Meta, salt func() ([8]byte, error)) (*Writer, error) {
	meta, err := m.encode()
	if err != nil {
		return nil, err
	}
	if salt == nil {
		salt = randomSalt
	}
	w := &Writer{fsys: fsys, spool: path.Join(dir, m.StreamID), meta: meta, salt: salt, next: 1}
	if err := w.create(dir, m.StreamID); err != nil {
		return nil, fmt.Errorf("create the spool of stream %s: %w", m.StreamID, err)
	}
	return w, nil
}

func randomSalt() (salt [8]byte, err error) {
	_, err = rand.Read(salt[:])
	return salt, err
}

// attempts is how often Create starts again when a Clean at the same moment took its directory for a leftover.
const attempts = 4

func (w *Writer) create(dir, stream string) error {
	if err := fsx.MkdirAll(w.fsys, dir, 0o700); err != nil {
		return err
	}
	if _, err := w.fsys.Stat(w.spool); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var err error
	for i := range attempts {
		temp := fmt.Sprintf("%s/%s%s.%d", dir, tempPrefix, stream, i)
		if err = w.prepare(temp); err == nil {
			if err = w.publish(dir, temp); err == nil {
				return nil
			}
		}
		err = errors.Join(err, w.abandon(temp))
		taken := errors.Is(err, fsx.ErrLocked) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrExist)
		if !taken {
			return err
		}
	}
	return err
}

// prepare makes the spool under a temporary name.
func (w *Writer) prepare(temp string) error {
	if err := w.fsys.Mkdir(temp, 0o700); err != nil {
		return err
	}
	lock, err := w.fsys.TryLock(path.Join(temp, lockName))
	if err != nil {
		return err
	}
	w.lock = lock
	w.seg, err = w.segment(temp, 1)
	return err
}

// publish gives the prepared spool its name.
func (w *Writer) publish(dir, temp string) error {
	// A Clean that died half-way may have unlinked the very file that is locked here: then the name is free.
	if probe, err := w.fsys.TryLock(path.Join(temp, lockName)); err == nil {
		return errors.Join(fs.ErrNotExist, probe.Close())
	} else if !errors.Is(err, fsx.ErrLocked) {
		return err
	}
	if err := w.fsys.Rename(temp, w.spool); err != nil {
		return err
	}
	w.seg.Renamed(path.Join(w.spool, segmentName(1)))
	return w.fsys.SyncDir(dir)
}

// abandon removes, as far as it can, what a failed attempt left. Nothing was acknowledged in it. It touches only what it
// made: a spool of the same name may be somebody else's.
func (w *Writer) abandon(temp string) error {
	if w.lock == nil { // not made, or taken for a leftover by a Clean, which removes it
		return nil
	}
	var err error
	where := temp
	if w.seg != nil {
		err = w.seg.Close()
		if path.Dir(w.seg.Name()) == w.spool { // renamed
			where = w.spool
		}
	}
	for _, name := range []string{segmentName(1), lockName, ""} {
		if rerr := w.fsys.Remove(path.Join(where, name)); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	err = errors.Join(err, w.lock.Close())
	w.seg, w.lock = nil, nil
	return err
}

// segment makes segment n durable, below the directory given.
func (w *Writer) segment(dir string, n uint64) (*segment.Writer, error) {
	salt, err := w.salt()
	if err != nil {
		return nil, fmt.Errorf("salt of a segment: %w", err)
	}
	h := segment.Header{Kind: Kind, Salt: salt, Number: n, Meta: w.meta}
	return segment.Create(w.fsys, path.Join(dir, segmentName(n)), h, 0)
}

// Next is the stream_seq that the next batch must begin with.
func (w *Writer) Next() uint64 { return w.next }

// Add puts a batch behind those not committed yet, and copies it. It must continue the stream. A batch that is refused
// for what it is changes nothing; where the segment is full and its successor cannot be made, the writer is dead.
func (w *Writer) Add(b Batch) error {
	if w.err != nil {
		return w.err
	}
	if err := b.check(); err != nil {
		return fmt.Errorf("batch for %s: %w", w.spool, err)
	}
	if b.First != w.next {
		return fmt.Errorf("batch for %s begins with event %d, expected is %d", w.spool, b.First, w.next)
	}
	if w.final {
		return fmt.Errorf("batch for %s: the stream ended with event %d", w.spool, w.next-1)
	}
	if w.seg.Size() >= SegmentSize && w.batches == 0 {
		if err := w.rotate(); err != nil {
			w.err = fmt.Errorf("start another segment in %s: %w", w.spool, err)
			return w.err
		}
	}
	w.buf = appendBatch(w.buf[:0], b)
	if err := w.seg.Add(b.First, w.buf); err != nil {
		return err
	}
	w.batches++
	w.next = b.Next()
	w.final = len(b.Events) == 0
	return nil
}

func (w *Writer) rotate() error {
	next, err := w.segment(w.spool, w.seg.Number()+1)
	if err != nil {
		return err
	}
	old := w.seg
	w.seg = next
	return old.Close() // all of it is synced; but an error here is a sign of trouble
}

// Commit makes every batch added so far durable, with one write and one fdatasync. When it returns nil they survive a
// power cut; when not, they may be there or not, and the writer is dead.
func (w *Writer) Commit() error {
	if w.err != nil {
		return w.err
	}
	if w.err = w.seg.Commit(); w.err != nil {
		return w.err
	}
	w.batches = 0
	return nil
}

// Close ends the ownership; the spool stays for whoever drains it. Batches that were added and not committed are not
// kept, which is an error.
func (w *Writer) Close() error {
	var err error
	if w.batches > 0 && w.err == nil {
		err = fmt.Errorf("close the spool %s: %d batches were never committed", w.spool, w.batches)
	}
	if w.err == nil {
		w.err = fmt.Errorf("spool %s: %w", w.spool, fs.ErrClosed)
	}
	return errors.Join(err, w.seg.Close(), w.lock.Close())
}
