// Package spool holds an emitter's durable queue: the sealed batches of one stream, on the way from the process that
// made them to a ledger. It is where an event first survives a power cut (L0).
//
// A spool is a directory named by its stream:
//
//	spool/<stream_id>/lock          held (flock) by the owner while it lives
//	spool/<stream_id>/000001.seg    segments of sealed batches, one frame a batch; see docs/spec/spool.md
//
// One process writes, holding the lock; anybody may read at any time; whoever takes the lock of a dead owner may remove.
// A spool becomes visible already locked and with a durable first segment: it is prepared under a temporary name and
// renamed. So a spool whose lock can be taken has a dead owner, always.
//
// The spool checks structure, not signatures: that is for those who know the keys.
package spool

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/segment"
)

// Dir is where a store keeps its spools, and where emitters put them.
const Dir = "spool"

// Kind is the magic of a spool's segments.
const Kind segment.Kind = "stet/spool/v1"

// SegmentSize is how full a segment may be, in bytes, before the next batch starts another one. A segment can be larger
// by what one Commit writes.
const SegmentSize = 8 << 20

const (
	lockName = "lock"
	suffix   = ".seg"
	// tempPrefix marks a spool that is not ready yet. A stream id cannot begin so.
	tempPrefix = "new-"
)

// List returns the ids of the streams that have a spool in dir, sorted; none where dir does not exist. What is not named
// like a stream is none of ours, or not ready yet.
func List(fsys fsx.FS, dir string) ([]string, error) {
	entries, err := fsys.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the spools in %s: %w", dir, err)
	}
	var streams []string
	for _, e := range entries {
		if e.IsDir() && isStream(e.Name()) {
			streams = append(streams, e.Name())
		}
	}
	return streams, nil // ReadDir sorts
}

// Own takes a spool's lock. fsx.ErrLocked says that its owner lives (or somebody else drains it), fs.ErrNotExist that the
// spool is gone. Close gives the lock back.
func Own(fsys fsx.FS, dir, stream string) (io.Closer, error) {
	if err := checkStream(stream); err != nil {
		return nil, err
	}
	l, err := fsys.TryLock(path.Join(dir, stream, lockName))
	if err != nil {
		return nil, fmt.Errorf("own the spool of stream %s: %w", stream, err)
	}
	return l, nil
}

// Dead asks a spool's lock whether its owner is gone: whoever is dead stays dead, and no second process ever writes to a
// spool. One that is not there any more counts as alive: nobody need do anything about it. Who asks meanwhile may take the
// asker for a living owner.
func Dead(fsys fsx.FS, dir, stream string) (bool, error) {
	own, err := Own(fsys, dir, stream)
	switch {
	case err == nil:
		return true, own.Close()
	case errors.Is(err, fsx.ErrLocked), errors.Is(err, fs.ErrNotExist):
		return false, nil
	}
	return false, err
}

// AnyDead says whether a dead process's spool is in dir, but for those that were left on purpose. Whoever brings spools in,
// or sends them, asks it after unlocking: a process that was turned away by that lock had closed its spool before.
func AnyDead(fsys fsx.FS, dir string, left func(stream string) bool) (bool, error) {
	streams, err := List(fsys, dir)
	if err != nil {
		return false, err
	}
	for _, stream := range streams {
		if left(stream) {
			continue
		}
		if dead, err := Dead(fsys, dir, stream); dead || err != nil {
			return dead && err == nil, err
		}
	}
	return false, nil
}

// ErrStream says that something is no stream id: a UUID in lower case.
var ErrStream = errors.New("not a stream id")

func checkStream(s string) error {
	if !isStream(s) {
		return fmt.Errorf("%w: %q; a lower-case UUID is expected", ErrStream, s)
	}
	return nil
}

// isStream keeps paths inside the spool: names come from directories and, through drainers, from others.
func isStream(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i, c := range []byte(s) {
		switch {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

// segmentName names the segment with a number, from 1. Six digits hold 8 TB of a stream; after that names get longer.
func segmentName(n uint64) string { return fmt.Sprintf("%06d%s", n, suffix) }

// segmentNumber is the inverse of segmentName; 0 where name is not exactly what that returns.
func segmentNumber(name string) uint64 {
	digits, ok := strings.CutSuffix(name, suffix)
	if !ok {
		return 0
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil || segmentName(n) != name {
		return 0
	}
	return n
}

// segments lists the numbers of a spool's segments, ascending.
func segments(fsys fsx.FS, spool string) ([]uint64, error) {
	entries, err := fsys.ReadDir(spool)
	if err != nil {
		return nil, err
	}
	var numbers []uint64
	for _, e := range entries {
		if n := segmentNumber(e.Name()); n > 0 && !e.IsDir() {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}
