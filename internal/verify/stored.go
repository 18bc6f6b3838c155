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

// stored checks every file that the main pass had no reason to read. It is called after that pass has found what is
// true; pending may be nil.
func (s *scan) stored(ctx context.Context, l Lister, pending beyond) error {
	size := s.tree.size
	return l.List(ctx, func(path string, ok bool, err error) error {
		switch {
		case err != nil && errors.Is(err, fs.ErrNotExist): // removed by its owner since it was listed
			return nil
		case err != nil:
			s.rep.skip(s.check.dir+path, "this directory could not be listed: %v.", err)
			return nil
		case !ok && fsx.IsTemp(path):
			s.rep.note(s.check.dir+path, "a crash left this unfinished file; nothing refers to it.")
			return nil
		case !ok:
			s.rep.add(unexpected(s.check.dir + path))
			return nil
		case path == logread.CheckpointPath:
			return nil
		}
		t, err := proof.ParseTilePath(path)
		if err != nil {
			return nil // List has said that it is one
		}
		full, width := proof.TilesFor(size, t.Level)
		end := t.Index*proof.TileWidth + uint64(t.Width)
		if t.Index < full && t.Width == proof.TileWidth || t.Index == full && t.Width == width {
			return ctx.Err() // the main pass has read this one
		}
		got, err := l.Stored(ctx, path)
		if errors.Is(err, fs.ErrNotExist) {
			return ctx.Err() // removed by its owner since it was listed
		}
		shift := uint(t.Level) * proof.TileHeight
		if err != nil {
			s.rep.add(lack(err, s.check.dir+path, min(t.Index*proof.TileWidth<<shift, max(size, 1)-1), "this file"))
			return ctx.Err()
		}
		s.rep.Tiles++
		if have := min(end, full*proof.TileWidth+uint64(width)); have > t.Index*proof.TileWidth {
			s.prefix(ctx, l, t, got, int(have-t.Index*proof.TileWidth))
		}
		if end > full*proof.TileWidth+uint64(width) {
			s.further(t, got, full*proof.TileWidth+uint64(width), pending)
		}
		return ctx.Err()
	})
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
