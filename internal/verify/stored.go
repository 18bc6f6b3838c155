package verify

import (
	"bytes"
	"context"
	"errors"
	"io/fs"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// Lister is a Source that can say which files it holds, as a directory can. Partial tiles and bundles of earlier sizes
// may lie there long after a wider one came: each of them was handed out once, so each must still be right.
type Lister interface {
	logread.Source
	// Stored returns the very file at path, without looking for a wider one.
	Stored(ctx context.Context, path string) ([]byte, error)
	// List calls fn for every file; ok is false for what no log has.
	List(ctx context.Context, fn func(path string, ok bool, err error) error) error
}

// beyond knows the hashes of entries that are in a journal and not yet under the checkpoint. nil knows none.
type beyond interface {
	// hash returns hash index of a tile level; ok is false where it is not known.
	hash(level uint8, index uint64) (h proof.Hash, ok bool)
}

// maxStored bounds the files that List found and the main pass will not read.
const maxStored = 1 << 16

// list notes every file that the main pass, which reads up to size, has no reason to look at. It is called before a
// journal is read: what a writer adds to the log is in its journal first, so whatever is found now is explained then.
func (s *scan) list(ctx context.Context, l Lister, size uint64) error {
	return l.List(ctx, func(path string, ok bool, err error) error {
		file := s.check.dir + path
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed by its owner since it was listed
			return nil
		case err != nil:
			s.rep.skip(file, "this directory could not be listed: %v.", err)
			return nil
		case !ok && fsx.IsTemp(path):
			s.rep.note(file, "a crash left this unfinished file; nothing refers to it.")
			return nil
		case !ok:
			s.rep.add(unexpected(file))
			return nil
		case path == logread.CheckpointPath, path == proof.KeyChainPath:
			return nil
		}
		t, err := proof.ParseTilePath(path)
		if err != nil {
			return nil //nolint:nilerr // List has said that it is one
		}
		if full, _ := proof.TilesFor(size, t.Level); t.Index < full && t.Width == proof.TileWidth {
			return nil
		}
		if len(s.files) == maxStored {
			s.rep.skip(file, "there are more than %d files besides those that the log needs; this and later ones were not looked at.", maxStored)
		}
		if len(s.files) <= maxStored {
			s.files = append(s.files, t)
		}
		return nil
	})
}

// stored checks the files that list found. It is called after the main pass has found what is true; pending may be nil.
func (s *scan) stored(ctx context.Context, l Lister, pending beyond) error {
	for _, t := range s.files {
		if err := ctx.Err(); err != nil {
			return err
		}
		full, width := proof.TilesFor(s.tree.size, t.Level)
		if t.Index < full && t.Width == proof.TileWidth || t.Index == full && t.Width == width {
			continue // the main pass has read this one
		}
		path := t.Path()
		got, err := l.Stored(ctx, path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed by its owner since it was listed
		}
		start, end := t.Index*proof.TileWidth, t.Index*proof.TileWidth+uint64(t.Width)
		if err != nil {
			shift := uint(t.Level) * proof.TileHeight
			s.rep.add(lack(err, s.check.dir+path, min(start<<shift, max(s.tree.size, 1)-1), "this file"))
			continue
		}
		s.rep.Tiles++
		known := full*proof.TileWidth + uint64(width)
		if have := min(end, known); have > start {
			s.prefix(ctx, l, t, got, int(have-start))
		}
		if end > known {
			s.further(t, got, known, pending)
		}
	}
	return ctx.Err()
}

// unexpected is the finding for a file that no store or log has. It is no part of anything that was signed, so it
// cannot make the log wrong; but nobody can say that it was looked at either.
func unexpected(file string) Finding {
	return Finding{State: NotChecked, File: file, What: "this does not belong here, and was not looked at.", Next: "Find out where it comes from, and move it away."}
}

// prefix compares the first n hashes or entries of a stored partial (or of a tile ahead of the checkpoint) with the
// tile of the checkpoint's own size, which was checked.
func (s *scan) prefix(ctx context.Context, l Lister, t proof.Tile, got []byte, n int) {
	full, width := proof.TilesFor(s.tree.size, t.Level)
	own := t
	if own.Width = proof.TileWidth; t.Index == full {
		own.Width = width
	}
	want, err := l.Fetch(ctx, own.Path())
	if err == nil {
		want, err = logread.Cut(want, own, n)
	}
	if err != nil {
		return // reported by the main pass
	}
	if have, err := logread.Cut(got, t, n); err != nil || !bytes.Equal(have, want) || t.Entries && n == t.Width && len(have) < len(got) {
		i := 0
		if !t.Entries {
			i = firstDifference(got[:min(len(got), len(want))], want)
		} else {
			i = firstEntryDifference(got, want)
		}
		s.rep.failSeq((t.Index*proof.TileWidth+uint64(i))<<(uint(t.Level)*proof.TileHeight), s.check.dir+t.Path(),
			"this file does not agree with %s, of which it is an earlier or later version.", s.check.dir+own.Path())
	}
}

func firstEntryDifference(got, want []byte) (i int) {
	for ; ; i++ {
		a, restA, errA := proof.NextBundleEntry(got)
		b, restB, errB := proof.NextBundleEntry(want)
		if errA != nil || errB != nil || !bytes.Equal(a, b) {
			return i
		}
		got, want = restA, restB
	}
}

// further checks what a tile or bundle holds beyond the checkpoint, from hash index from on: a crash leaves such files,
// and a writer at work makes them; they must be what the journal gives.
func (s *scan) further(t proof.Tile, got []byte, from uint64, pending beyond) {
	start := t.Index * proof.TileWidth
	for i := range uint64(t.Width) {
		var h proof.Hash
		if t.Entries {
			entry, rest, err := proof.NextBundleEntry(got)
			if err != nil {
				s.rep.failSeq(start+i, s.check.dir+t.Path(), "the bundle breaks off: %v.", err)
				return
			}
			h, got = proof.LeafHash(entry), rest
		} else {
			h = proof.Hash(got[i*proof.HashSize:])
		}
		if start+i < from {
			continue
		}
		if pending == nil {
			s.rep.note(s.check.dir+t.Path(), "this file goes beyond what is signed; that part of it is not under any signature here, and was not looked at.")
			return
		}
		want, ok := pending.hash(t.Level, start+i)
		if !ok {
			s.rep.fail(s.check.dir+t.Path(), "this file holds more than the checkpoint and the journal account for, from entry %d on.", (start+i)<<(uint(t.Level)*proof.TileHeight))
			return
		}
		if want != h {
			s.rep.failSeq((start+i)<<(uint(t.Level)*proof.TileHeight), s.check.dir+t.Path(), "this file goes beyond the checkpoint, and is not what the journal gives.")
			return
		}
	}
	if len(got) > 0 && t.Entries {
		s.rep.failSeq(start, s.check.dir+t.Path(), "bytes follow the bundle's last entry.")
	}
}
