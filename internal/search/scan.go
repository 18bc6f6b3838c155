package search

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// A Hit is an entry that a query finds, proven to be under the checkpoint.
type Hit struct {
	*Record
	Raw []byte // the entry's exact bytes
}

// A Scanner finds entries by looking at all of them: what can be had without an index, and what an index is held against.
// It reads a bundle at a time, proves it to be under the checkpoint, and keeps at most the events of one batch in memory.
// A bundle that is missing, is not what the checkpoint says, or holds no entries, is a *logread.UnreadError; other errors of its
// source are passed on. An event that the query cannot find is not parsed. It is for one goroutine at a time.
type Scanner struct {
	src    logread.Source
	match  *Matcher
	sieve  sieve
	bounds Bounds
	tiles  map[string][]byte // tiles of hashes by path, for the proofs
}

// NewScanner scans a log for a query, which is resolved at now.
func NewScanner(src logread.Source, q Query, now time.Time) *Scanner {
	m := NewMatcher(q, now)
	return &Scanner{src: src, match: m, sieve: newSieve(m.root), bounds: Query{m.root}.Bounds(), tiles: make(map[string][]byte)}
}

// ErrStop is returned by a function that has seen enough.
var ErrStop = errors.New("stop")

// Back calls found for every entry under the checkpoint that the query finds, from the newest to the oldest. It returns
// the seq of the oldest entry that was looked at: 0, if neither the query's own bounds nor found, by ErrStop, ended it
// before; the log's size, if nothing was looked at. It goes on behind entries that cannot be read, and returns at the end a
// *logread.UnreadError that names them. Entries whose seal cannot be read are found as if none was over them, and it says how many.
func (s *Scanner) Back(ctx context.Context, cp proof.Checkpoint, found func(Hit) error) (from uint64, err error) {
	from = cp.Size
	top := cp.Size
	if s.bounds.Last < top {
		top = min(top, s.bounds.Last+1+proof.MaxBatch) // the seal of the last entry is behind it
	}
	var gone gaps
	defer func() { err = gone.end(s.bounds, err) }()
	b := batch{}
	for top > s.bounds.First && s.bounds.First <= s.bounds.Last {
		entries, first, err := s.bundle(ctx, cp, top-1)
		if err = gone.skip(err); err != nil {
			return from, err
		}
		if entries == nil {
			from, b = min(from, max(first, s.bounds.First)), batch{unknown: true}
		}
		for i := len(entries) - 1; i >= 0; i-- {
			seq := first + uint64(i)
			if seq >= top {
				continue
			}
			if seq < s.bounds.First {
				return from, nil
			}
			e, received, err := parse(entries[i], seq)
			if err != nil {
				if err = gone.skip(err); err != nil {
					return from, err
				}
				b = batch{unknown: true}
				continue
			}
			if received.Before(s.bounds.From) {
				return from, nil
			}
			if seq <= s.bounds.Last {
				from = seq
			}
			key, err := b.above(e)
			if err = gone.skip(err); err != nil {
				return from, err
			}
			gone.behind(s.bounds, e, received, b.unknown)
			err = s.try(entries[i], e, received, key, found)
			if errors.Is(err, ErrStop) {
				return from, nil
			}
			if err = gone.skip(err); err != nil {
				return from, err
			}
		}
		top = first
	}
	return from, nil
}

// batch is the seal last seen on the way back, and how many entries of its batch are still to come.
type batch struct {
	key     string
	left    int
	unknown bool // whether a seal is over what comes cannot be read
}

// above returns the key of the seal over an entry.
func (b *batch) above(e proof.Entry) (key string, err error) {
	if e.Seal != nil {
		seal, err := proof.ParseSeal(e.Seal.Note)
		if err != nil {
			*b = batch{unknown: true}
			return "", unreadable(e.Seq, err)
		}
		*b = batch{key: seal.Key, left: seal.Count}
		return "", nil
	}
	if b.left == 0 {
		return "", nil
	}
	b.left--
	return b.key, nil
}

// gaps are the entries that could not be read on the way back.
type gaps struct {
	all  *logread.UnreadError // those within the query's own limits, or with the seal of what is
	last *logread.UnreadError // the last ones, of which that is not known yet
}

// skip notes entries that cannot be read; another error is returned.
func (g *gaps) skip(err error) error {
	var u *logread.UnreadError
	if !errors.As(err, &u) {
		return err
	}
	if g.last != nil {
		u = g.last.Add(u)
	}
	g.last = u
	return nil
}

// behind is told of the next entry that can be read, and whether its seal cannot. Entries come and seals stand in the order of
// time: what stands before an entry that is too new for the query is too new as well.
func (g *gaps) behind(b Bounds, e proof.Entry, received time.Time, unknown bool) {
	within := e.Seq <= b.Last && (b.Until.IsZero() || received.Before(b.Until))
	unsealed := unknown && e.Seal == nil
	switch {
	case within && (unsealed || g.last != nil && g.last.Ranges[len(g.last.Ranges)-1].From <= b.Last):
		g.keep()
	case !unknown:
		g.last = nil
	}
	if within && unsealed {
		g.all.Ranges[len(g.all.Ranges)-1].Unsealed++
	}
}

func (g *gaps) keep() {
	if g.last != nil {
		g.all, g.last = g.all.Add(g.last), nil
	}
}

// end is what Back returns.
func (g *gaps) end(b Bounds, err error) error {
	if g.last != nil && g.last.Ranges[len(g.last.Ranges)-1].From <= b.Last {
		g.keep()
	}
	if err == nil && g.all != nil {
		return g.all
	}
	return err
}

// waiting is an entry whose seal has not come yet.
type waiting struct {
	raw      []byte
	entry    proof.Entry
	received time.Time
}

// Forward calls found for every entry at from and behind it under the checkpoint that the query finds, from the oldest to
// the newest. from must be 0 or the size of an earlier checkpoint, where no batch is cut. Errors of found end it.
func (s *Scanner) Forward(ctx context.Context, cp proof.Checkpoint, from uint64, found func(Hit) error) error {
	return s.forward(ctx, cp, from, func(w waiting, key string) error { return s.try(w.raw, w.entry, w.received, key, found) })
}

// All is Forward for whoever wants every entry, whatever the query finds, seals among them: their exact bytes, and the key of the
// seal over them, which a seal has itself.
func (s *Scanner) All(ctx context.Context, cp proof.Checkpoint, from uint64, each func(raw []byte, key string) error) error {
	return s.forward(ctx, cp, from, func(w waiting, key string) error { return each(w.raw, key) })
}

func (s *Scanner) forward(ctx context.Context, cp proof.Checkpoint, from uint64, each func(waiting, string) error) error {
	var line []waiting
	flush := func(n int, key string) error { // the first n
		for _, w := range line[:n] {
			if err := each(w, key); err != nil {
				return err
			}
		}
		line = append(line[:0], line[n:]...)
		return nil
	}
	for from < cp.Size {
		entries, first, err := s.bundle(ctx, cp, from)
		if err != nil {
			return err
		}
		for _, raw := range entries[from-first:] {
			e, received, err := parse(raw, from)
			if err != nil {
				return err
			}
			from++
			if e.Seal == nil {
				line = append(line, waiting{raw, e, received})
				if len(line) > 2*proof.MaxBatch { // no batch is as long: it has no seal
					if err := flush(len(line)-proof.MaxBatch, ""); err != nil {
						return err
					}
				}
				continue
			}
			seal, err := proof.ParseSeal(e.Seal.Note)
			if err != nil {
				return unreadable(e.Seq, err)
			}
			// Before the batch may stand losses, which no seal covers.
			if err := flush(max(len(line)-seal.Count, 0), ""); err != nil {
				return err
			}
			if err := flush(len(line), seal.Key); err != nil {
				return err
			}
			if err := each(waiting{raw, e, received}, seal.Key); err != nil {
				return err
			}
		}
	}
	return flush(len(line), "")
}

// try hands an entry on if the query finds it.
func (s *Scanner) try(raw []byte, e proof.Entry, received time.Time, key string, found func(Hit) error) error {
	if e.Seal != nil || !s.bounds.holds(e.Seq, received) || !s.sieve.may(raw) {
		return nil
	}
	r, _, err := NewRecord(e, key)
	if err != nil {
		return unreadable(e.Seq, err)
	}
	if !s.match.Match(r) {
		return nil
	}
	return found(Hit{r, raw})
}

func parse(raw []byte, seq uint64) (e proof.Entry, received time.Time, err error) {
	if e, err = proof.ParseEntry(raw); err == nil && e.Seq != seq {
		err = fmt.Errorf("it says that it is entry %d", e.Seq)
	}
	if err == nil {
		received, err = proof.ParseTime(e.ReceivedAt)
	}
	if err != nil {
		return e, received, unreadable(seq, err)
	}
	return e, received, nil
}

func unreadable(seq uint64, err error) error {
	return logread.Unreadable(seq, seq+1, &logread.DamageError{File: fmt.Sprintf("entry %d", seq), Reason: err.Error()})
}

// bundle returns the entries of the bundle that seq lies in, as far as the checkpoint goes, and proves them.
func (s *Scanner) bundle(ctx context.Context, cp proof.Checkpoint, seq uint64) (entries [][]byte, first uint64, err error) {
	t, first := logread.Bundle(seq, cp.Size)
	if entries, err = logread.BundleEntries(ctx, s.src, t); err != nil {
		return nil, first, err
	}
	leaves := make([]proof.Hash, t.Width)
	for i, e := range entries {
		leaves[i] = proof.LeafHash(e)
	}
	p, err := proof.ProveRange(first, uint64(t.Width), cp.Size, s.hashes(ctx, cp.Size))
	if err == nil && proof.VerifyRange(first, leaves, cp.Size, cp.Root, p) != nil {
		err = &logread.DamageError{File: t.Path(), Reason: fmt.Sprintf("its entries, or the hashes above them, are not those under the checkpoint of size %d", cp.Size)}
	}
	if err != nil {
		return nil, first, logread.Unreadable(first, first+uint64(t.Width), err)
	}
	return entries, first, nil
}

// maxTiles is more than the proofs of neighbouring bundles need: a tile on each level, on each edge.
const maxTiles = 32

// hashes reads tiles of hashes once, for the proofs of neighbouring bundles are made of the same ones.
func (s *Scanner) hashes(ctx context.Context, size uint64) proof.HashReader {
	return proof.TileHashes{Size: size, Tiles: proof.TileReaderFunc(func(t proof.Tile) ([]byte, error) {
		path := t.Path()
		b, ok := s.tiles[path]
		if ok {
			return b, nil
		}
		b, err := s.src.Fetch(ctx, path)
		if err == nil {
			if len(s.tiles) >= maxTiles {
				clear(s.tiles)
			}
			s.tiles[path] = b
		}
		return b, err
	})}
}
