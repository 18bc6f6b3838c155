// Package logread is the one seam through which a log in C2SP tlog-tiles layout is read, wherever it lies.
//
// Whoever reads a log — the verifier, an export, a command that shows one entry — asks a Source for a path of that
// layout (checkpoint, tile/<L>/<N>[.p/<W>], tile/entries/<N>[.p/<W>]; and logkeys, which is stet's own: how the log's key
// changed) and gets the bytes as C2SP defines them: what a
// place does for its own sake, such as keeping bundles compressed, stays behind the seam. Today there is one
// implementation, Dir.
//
// A Source tells three kinds of failure apart, because they are three different answers to an auditor: a file that is
// missing (fs.ErrNotExist) or that cannot be what its name says (*DamageError) is an integrity failure; one that could
// not be read (any other error) was not checked. Who reads entries learns which they are: *UnreadError.
//
// Nothing here is trusted: what a Source hands out is bytes that somebody claims, to be held against a checkpoint.
package logread

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/stetlog/stet/proof"
)

// CheckpointPath is where a log keeps its signed checkpoint.
const CheckpointPath = "checkpoint"

// A Source gives the files of one log. It must be safe for concurrent use.
//
// Fetch returns what stands at a path of the C2SP tlog-tiles layout, bundles in plain form. A partial tile or bundle
// can be asked for at any width up to what is stored: it is answered from a wider one where its own file is gone.
// The caller may change the returned bytes. Errors wrap fs.ErrNotExist where nothing stands there, are a *DamageError
// where what stands there cannot be right, wrap proof.ErrMalformed where path is not of the layout, and are anything
// else where it could not be read. Nothing is retried.
type Source interface {
	Fetch(ctx context.Context, path string) ([]byte, error)
}

// DamageError says that a file is there, was read, and cannot be what its name says.
type DamageError struct {
	File   string // path below the log's directory
	Reason string
}

func (e *DamageError) Error() string { return e.File + " is damaged: " + e.Reason }

// Wrong says what an error says of the log: a file of it is damaged or missing (below a checkpoint all are there), or what it says
// is not what was signed. "" is an error that says nothing of it, such as one of a disk, or none.
func Wrong(err error) string {
	var damage *DamageError
	switch {
	case errors.As(err, &damage):
		return damage.Error()
	case errors.Is(err, fs.ErrNotExist):
		return missing(err)
	case errors.Is(err, proof.ErrProof):
		return "what is stored is not what the checkpoint was signed over: the entry's bytes, or the hashes above it, have been changed"
	}
	return ""
}

func damaged(file, format string, args ...any) error {
	return &DamageError{File: file, Reason: fmt.Sprintf(format, args...)}
}

// Keys reads the chain of the log's keys, which is empty where its key has never changed. Whose the first key is, it does
// not say: follow it from one that is trusted. What stands there and is no such chain is a *DamageError.
func Keys(ctx context.Context, src Source) (proof.KeyChain, error) {
	b, err := src.Fetch(ctx, proof.KeyChainPath)
	if errors.Is(err, fs.ErrNotExist) {
		return proof.KeyChain{}, nil
	}
	if err != nil {
		return proof.KeyChain{}, fmt.Errorf("read the log's keys: %w", err)
	}
	c, err := proof.ParseKeyChain(b)
	if err != nil {
		return proof.KeyChain{}, damaged(proof.KeyChainPath, "%v", err)
	}
	return c, nil
}

// Signed is a log's present checkpoint, and the keys by which it is known to be that log's.
type Signed struct {
	proof.Checkpoint
	Note  []byte         // the signed note
	VKey  string         // the newest key that the trusted one leads to, which has signed it
	Chain proof.KeyChain // of the log's keys
}

// Checkpoint reads a log's present checkpoint, which must be signed by the newest key to which handovers lead from the
// trusted one. Errors that are about what it says wrap proof.ErrSignature or proof.ErrMalformed, or are a *DamageError.
func Checkpoint(ctx context.Context, src Source, trusted string) (Signed, error) {
	s, err := checkpoint(ctx, src, trusted)
	if errors.Is(err, proof.ErrSignature) {
		// The chain may have grown since it was read, and an older key sign no more.
		if again, aerr := checkpoint(ctx, src, trusted); aerr == nil {
			return again, nil
		}
	}
	return s, err
}

// checkpoint reads the chain first: whoever changes a log's key has both keys sign before the chain says so.
func checkpoint(ctx context.Context, src Source, trusted string) (s Signed, err error) {
	if s.Chain, err = Keys(ctx, src); err != nil {
		return s, err
	}
	if s.Note, err = src.Fetch(ctx, CheckpointPath); err != nil {
		return s, err
	}
	s.Checkpoint, s.VKey, err = s.Chain.OpenCheckpoint(s.Note, trusted)
	return s, err
}

// Bundle names the entry bundle that holds entry seq of a log of size entries, and the seq of its first entry.
func Bundle(seq, size uint64) (t proof.Tile, first uint64) {
	t = proof.Tile{Entries: true, Index: seq / proof.TileWidth, Width: proof.TileWidth}
	first = t.Index * proof.TileWidth
	if size-first < proof.TileWidth {
		t.Width = int(size - first)
	}
	return t, first
}

// Entries calls fn for the entries from ≤ seq < to, in order, a bundle at a time. entry is a part of its bundle's bytes, which
// nobody else has: fn may keep it. It stops at fn's error, and returns it as it is. At a bundle that is missing or damaged it
// stops with an *UnreadError.
func Entries(ctx context.Context, src Source, from, to uint64, fn func(seq uint64, entry []byte) error) error {
	return Readable(ctx, src, from, to, fn, func(u *UnreadError) error { return u })
}

// Readable is Entries for whoever goes on where entries cannot be read: gone is told which, and may end it by an error.
func Readable(ctx context.Context, src Source, from, to uint64, fn func(seq uint64, entry []byte) error, gone func(*UnreadError) error) error {
	for from < to {
		if err := ctx.Err(); err != nil {
			return err
		}
		t, first := Bundle(from, to)
		next := first + uint64(t.Width)
		entries, err := BundleEntries(ctx, src, t)
		var u *UnreadError
		switch {
		case errors.As(err, &u):
			u.Ranges[0].From = from
			if err := gone(u); err != nil {
				return err
			}
		case err != nil:
			return err
		default:
			for ; from < next; from++ {
				if err := fn(from, entries[from-first]); err != nil {
					return err
				}
			}
		}
		from = next
	}
	return nil
}

// BundleEntries returns the entries of a bundle. One that is missing or damaged is an *UnreadError.
func BundleEntries(ctx context.Context, src Source, t proof.Tile) ([][]byte, error) {
	first, path := t.Index*proof.TileWidth, t.Path()
	last := first + uint64(t.Width)
	b, err := src.Fetch(ctx, path)
	if err != nil {
		return nil, Unreadable(first, last, err)
	}
	entries := make([][]byte, t.Width)
	for i := range entries {
		if entries[i], b, err = proof.NextBundleEntry(b); err != nil {
			return nil, Unreadable(first, last, damaged(path, "entry %d: %v", first+uint64(i), err))
		}
	}
	if len(b) > 0 {
		return nil, Unreadable(first, last, damaged(path, "%d bytes follow its %d entries", len(b), t.Width))
	}
	return entries, nil
}

// Entry returns the bytes of one entry.
func Entry(ctx context.Context, src Source, seq uint64) ([]byte, error) {
	var out []byte
	err := Entries(ctx, src, seq, seq+1, func(_ uint64, entry []byte) error {
		out = entry // the bundle is ours and nothing else will use it
		return nil
	})
	return out, err
}

// Hashes reads the inner hashes of the tree of size leaves from the log's tiles, for proofs. It is for use within one
// call, as ctx is; what it reads is as trustworthy as the tiles are, so a proof made of it must be verified.
func Hashes(ctx context.Context, src Source, size uint64) proof.HashReader {
	return proof.TileHashes{Size: size, Tiles: proof.TileReaderFunc(func(t proof.Tile) ([]byte, error) {
		return src.Fetch(ctx, t.Path())
	})}
}

// Continues proves that a checkpoint continues an earlier one of the same log. Where it does not, it is a *DamageError.
func Continues(ctx context.Context, src Source, old, next proof.Checkpoint) error {
	p, err := proof.ProveConsistency(old.Size, next.Size, Hashes(ctx, src, next.Size))
	if err == nil {
		err = proof.VerifyConsistency(old.Size, next.Size, old.Root, next.Root, p)
	}
	if errors.Is(err, proof.ErrProof) || errors.Is(err, proof.ErrMalformed) {
		return damaged(CheckpointPath, "size %d does not continue size %d: %v", next.Size, old.Size, err)
	}
	return err
}
