package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/segment"
)

// Trim removes the segments whose every batch is below stream_seq next, oldest first, each removal durable before the
// following one. It never removes the last segment, so it may run while the owner lives; and never a damaged one, which
// it returns as a *segment.CorruptError: Quarantine it. next is what a ledger has proven to hold.
func Trim(fsys fsx.FS, dir, stream string, next uint64) error {
	if err := checkStream(stream); err != nil {
		return err
	}
	spool := path.Join(dir, stream)
	numbers, err := segments(fsys, spool)
	if err != nil {
		return fmt.Errorf("trim the spool of stream %s: %w", stream, err)
	}
	for i, n := range numbers {
		if i == len(numbers)-1 {
			break
		}
		end, err := sound(fsys, spool, n, false)
		if err == nil && end > next {
			break
		}
		if err == nil {
			err = fsys.Remove(path.Join(spool, segmentName(n)))
		}
		if err == nil {
			err = fsys.SyncDir(spool)
		}
		if err != nil {
			return fmt.Errorf("trim the spool of stream %s: %w", stream, err)
		}
	}
	return nil
}

// sound reads a segment to its end and returns the stream_seq behind its last batch; a batch without events counts as
// one number, because next cannot tell whether it was received. Damage is a *segment.CorruptError, and where the segment
// is not the last, a torn tail is damage too.
func sound(fsys fsx.FS, spool string, n uint64, last bool) (end uint64, err error) {
	name := path.Join(spool, segmentName(n))
	f, err := fsys.Open(name)
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Close() }() // read only: nothing to lose
	r, err := segment.NewReader(f, name, Kind)
	if errors.Is(err, segment.ErrNoHeader) && last {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	var events [][]byte
	for {
		fr, err := r.Next()
		if errors.Is(err, io.EOF) {
			if r.Torn() && !last {
				return 0, &segment.CorruptError{File: name, Offset: r.Offset(), Key: end, Reason: "it ends in an unfinished batch, though it is not the last segment"}
			}
			return end, nil
		}
		if err != nil {
			return 0, err
		}
		b, err := parseBatch(fr.Key, fr.Payload, events)
		if err != nil {
			return 0, &segment.CorruptError{File: name, Offset: fr.Offset, Key: fr.Key, Reason: "the batch is malformed: " + err.Error()}
		}
		events = b.Events
		end = max(end, b.Next(), b.First+1)
	}
}

// maxRemovals bounds how often a spool's directory is removed: whoever looks for waiting spools at the same time may put
// a lock file into it again.
const maxRemovals = 8

// Remove removes the spool of a dead stream that is drained to its end: segments from the oldest on, the lock, the
// directory. The caller holds the lock (Own), and knows that a ledger has everything. Removing what is not there, or was
// removed half by somebody who crashed, is no error. A damaged segment stops it, as with Trim.
func Remove(fsys fsx.FS, dir, stream string) (err error) {
	if err := checkStream(stream); err != nil {
		return err
	}
	for range maxRemovals {
		if err = remove(fsys, dir, path.Join(dir, stream)); !errors.Is(err, syscall.ENOTEMPTY) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("remove the spool of stream %s: %w", stream, err)
	}
	return nil
}

func remove(fsys fsx.FS, dir, spool string) error {
	numbers, err := segments(fsys, spool)
	if errors.Is(err, fs.ErrNotExist) {
		return fsys.SyncDir(dir) // whoever removed it may not have come to this
	}
	if err != nil {
		return err
	}
	for i, n := range numbers { // first look at all, so that a damaged spool stays as it is
		if _, err := sound(fsys, spool, n, i == len(numbers)-1); err != nil {
			return err
		}
	}
	for _, n := range numbers {
		if err := fsys.Remove(path.Join(spool, segmentName(n))); err != nil {
			return err
		}
		if err := fsys.SyncDir(spool); err != nil {
			return err
		}
	}
	if err := fsys.Remove(path.Join(spool, lockName)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fsys.Remove(spool); err != nil {
		return err
	}
	return fsys.SyncDir(dir)
}

// QuarantineDir is where Quarantine puts segments, next to the spools' own directory.
const QuarantineDir = "quarantine"

// Quarantine moves a damaged segment out of a spool, to quarantine/<stream_id>-<segment> beside dir, durably; nothing is
// ever deleted there, and where it is full the segment stays (ErrQuarantineFull). Call it when the loss is declared durably, not before: afterwards the spool shows a missing segment
// only where another one follows. The last segment of a spool may be moved only by the holder of its lock. Doing it again
// after a crash is no error.
func Quarantine(fsys fsx.FS, dir, stream, segment string) error {
	if err := checkStream(stream); err != nil {
		return err
	}
	if segmentNumber(segment) == 0 {
		return fmt.Errorf("quarantine: %q is no name of a segment", segment)
	}
	if err := quarantine(fsys, dir, path.Join(dir, stream), stream+"-"+segment, segment); err != nil {
		return fmt.Errorf("quarantine %s of stream %s: %w", segment, stream, err)
	}
	return nil
}

func quarantine(fsys fsx.FS, dir, spool, as, segment string) error {
	to := path.Join(path.Dir(dir), QuarantineDir)
	if err := fsx.MkdirAll(fsys, to, 0o700); err != nil {
		return err
	}
	from, as := path.Join(spool, segment), path.Join(to, as)
	_, there := fsys.Stat(as)
	switch fi, err := fsys.Stat(from); {
	case err != nil && (!errors.Is(err, fs.ErrNotExist) || there != nil):
		return err
	case err == nil && there == nil:
		return fmt.Errorf("%s is there already: %w", as, fs.ErrExist)
	case err == nil:
		if !errors.Is(there, fs.ErrNotExist) {
			return there
		}
		if err := quarantineTakes(fsys, dir, fi.Size()); err != nil {
			return err
		}
		if err := fsys.Rename(from, as); err != nil {
			return err
		}
	}
	if err := fsys.SyncDir(to); err != nil {
		return err
	}
	if err := fsys.SyncDir(spool); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Clean removes what crashes during Create left in dir. It may run while others create spools: it leaves alone what is
// locked, and a Create that it hits between its first two steps starts again.
func Clean(fsys fsx.FS, dir string) error {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("clean %s: %w", dir, err)
	}
	for _, e := range entries {
		if rest, ok := strings.CutPrefix(e.Name(), tempPrefix); !ok || len(rest) < 36 || !isStream(rest[:36]) {
			continue
		}
		if err := clean(fsys, path.Join(dir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("clean %s: %w", dir, err)
		}
	}
	return nil
}

func clean(fsys fsx.FS, temp string) (err error) {
	lock, err := fsys.TryLock(path.Join(temp, lockName))
	if errors.Is(err, fsx.ErrLocked) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }() // last: so that nobody locks a file that is about to go
	for _, name := range []string{segmentName(1), lockName} {
		if err := fsys.Remove(path.Join(temp, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return fsys.Remove(temp)
}
