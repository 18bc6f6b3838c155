package index

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// A reader reads entries for one query, in the order of their numbers or against it, and holds each against the log's hashes.
type reader struct {
	src logread.Source
	cp  proof.Checkpoint

	bundles []bundle // the last ones
	tiles   map[proof.Tile][]byte
	nodes   map[proof.NodeID]proof.Hash // of the tree, computed from tiles
	sound   tile                        // the last one that a proof has shown to be the log's
	heads   proof.EnvelopeParser
	sealed  sealed
}

// tile is the hashes of some entries that follow each other.
type tile struct {
	proof.Tile
	hashes []byte
}

// sealed says that the entries from ≤ seq < seal are under the seal of this key, which is entry seal.
type sealed struct {
	from, seal uint64
	key        string
}

type bundle struct {
	index   uint64
	entries [][]byte // all, or the first ones
}

func newReader(src logread.Source, cp proof.Checkpoint) *reader {
	return &reader{src: src, cp: cp, tiles: map[proof.Tile][]byte{}, nodes: map[proof.NodeID]proof.Hash{}}
}

// row reads an entry. Record is nil where the bytes cannot be what a query finds, or are not there; then Doubt says so. An error
// says that the log could not be asked, and nothing of what is stored.
func (r *reader) row(ctx context.Context, seq uint64) (Row, error) {
	row := Row{Seq: seq}
	raw, err := r.entry(ctx, seq)
	if why := logread.Wrong(err); why != "" {
		row.Doubt = "the entry cannot be read: " + why
		return row, nil
	}
	if err != nil {
		return row, err
	}
	row.Entry = raw
	if row.Doubt, err = r.unproven(ctx, seq, proof.LeafHash(raw)); err != nil {
		return row, err
	}
	e, err := proof.ParseEntry(raw)
	if err != nil {
		row.Doubt = fmt.Sprintf("the entry cannot be read: %v", err)
		return row, nil
	}
	key := ""
	if e.Seal == nil {
		key, err = r.key(ctx, e)
		why := logread.Wrong(err)
		if err != nil && why == "" {
			return row, err
		}
		if err != nil && row.Doubt == "" {
			row.Doubt = "the seal over the entry cannot be read: " + why
		}
	}
	rec, ok, err := search.NewRecord(e, key)
	switch {
	case err != nil:
		row.Doubt = fmt.Sprintf("the entry cannot be read: %v", err)
	case e.Seq != seq:
		row.Doubt = fmt.Sprintf("the entry says that it is entry %d", e.Seq)
	case !ok:
		row.Doubt = "the index says that the query finds this entry, and it is a seal"
	}
	if ok && err == nil {
		row.Record = rec
	}
	return row, nil
}

// unproven says why an entry is not what the log's hashes say; "" where it is. The path from an entry to the root is made of all
// other hashes of its tile: where it leads there, all of them are the log's, and the tile's other entries need no path.
func (r *reader) unproven(ctx context.Context, seq uint64, leaf proof.Hash) (why string, err error) {
	t := proof.Tile{Index: seq / proof.TileWidth, Width: proof.TileWidth}
	if full, rest := proof.TilesFor(r.cp.Size, 0); t.Index == full {
		t.Width = rest
	}
	if at := int(seq % proof.TileWidth * proof.HashSize); r.sound.Tile == t && r.sound.hashes != nil && proof.Hash(r.sound.hashes[at:at+proof.HashSize]) == leaf {
		return "", nil
	}
	path, err := proof.ProveInclusion(seq, r.cp.Size, r.hashes(ctx))
	if err == nil {
		err = proof.VerifyInclusion(seq, r.cp.Size, leaf, r.cp.Root, path)
	}
	switch why := logread.Wrong(err); {
	case errors.Is(err, proof.ErrProof):
		return fmt.Sprintf("the entry is not what the log's hash says: %v", err), nil
	case why != "":
		return "the entry cannot be proven: " + why, nil
	case err != nil:
		return "", err
	}
	r.sound = tile{t, r.tiles[t]}
	return "", nil
}

// key is that of the seal over an entry: the next seal.
func (r *reader) key(ctx context.Context, e proof.Entry) (string, error) {
	if e.Stub != nil && e.Stub.Code == proof.StubLost {
		return "", nil
	}
	for seq := e.Seq; seq < min(e.Seq+proof.MaxBatch+1, r.cp.Size); seq++ {
		if seq >= r.sealed.from && seq < r.sealed.seal {
			r.sealed.from = e.Seq
			return r.sealed.key, nil
		}
		raw, err := r.entry(ctx, seq)
		if err != nil {
			return "", err
		}
		if note := r.seal(raw); note != nil {
			s, err := proof.ParseSeal(note)
			if err != nil {
				return "", &logread.DamageError{File: fmt.Sprintf("entry %d", seq), Reason: err.Error()}
			}
			r.sealed = sealed{e.Seq, seq, s.Key}
			return s.Key, nil
		}
	}
	return "", &logread.DamageError{File: fmt.Sprintf("entry %d", e.Seq), Reason: "no seal follows"}
}

// seal is the seal that an entry is, or nil.
func (r *reader) seal(raw []byte) []byte {
	e, err := r.heads.Parse(raw)
	if err != nil || e.Seal == nil {
		return nil
	}
	return e.Seal.Note
}

// maxBundles bounds the bundles that a reader keeps: entries come in order, and a batch may begin in one and end in the next.
const maxBundles = 4

// A fronter gives the first n entries of a bundle, and others while more says so of the last, for less than the whole costs;
// fs.ErrNotExist where it cannot.
type fronter interface {
	Front(ctx context.Context, t proof.Tile, n int, more func(entry []byte) bool) ([]byte, error)
}

func (r *reader) entry(ctx context.Context, seq uint64) ([]byte, error) {
	t, first := logread.Bundle(seq, r.cp.Size)
	at := int(seq - first)
	i := slices.IndexFunc(r.bundles, func(b bundle) bool { return b.index == t.Index })
	if i >= 0 && at < len(r.bundles[i].entries) {
		return r.bundles[i].entries[at], nil
	}
	b, err := r.bundle(ctx, t, at+1, i >= 0)
	all := bundle{index: t.Index}
	for err == nil && len(b) > 0 {
		var e []byte
		if e, b, err = proof.NextBundleEntry(b); err == nil {
			all.entries = append(all.entries, e)
		}
	}
	switch {
	case at < len(all.entries): // what is wrong behind it is said of what stands there
		err = nil
	case err == nil:
		err = &logread.DamageError{File: t.Path(), Reason: fmt.Sprintf("it ends after %d entries", len(all.entries))}
	case errors.Is(err, proof.ErrMalformed):
		err = &logread.DamageError{File: t.Path(), Reason: err.Error()}
	}
	if err != nil {
		return nil, fmt.Errorf("read entry %d: %w", seq, err)
	}
	switch {
	case i >= 0:
		r.bundles[i] = all
	case len(r.bundles) == maxBundles:
		r.bundles = append(slices.Delete(r.bundles, 0, 1), all)
	default:
		r.bundles = append(r.bundles, all)
	}
	return all.entries[at], nil
}

// bundle reads the first n entries of a bundle, and as many more as it costs little to have. Where it is damaged it reads as far as
// it can.
func (r *reader) bundle(ctx context.Context, t proof.Tile, n int, again bool) (b []byte, err error) {
	f, ok := r.src.(fronter)
	err = fs.ErrNotExist
	if ok && !again {
		b, err = f.Front(ctx, t, n, func(last []byte) bool { return r.seal(last) == nil }) // as far as it is needed for the key
	}
	if errors.Is(err, fs.ErrNotExist) { // or more of the same bundle is asked for, and most of it will be
		b, err = r.src.Fetch(ctx, t.Path())
	}
	var damage *logread.DamageError
	if ok && errors.As(err, &damage) {
		if front, ferr := f.Front(ctx, t, n, nil); ferr == nil {
			return front, nil
		}
	}
	return b, err
}

// maxTiles bounds the hashes that a reader keeps: 8 KiB each.
const maxTiles = 256

// maxNodes bounds what it keeps of what is computed from them: rows far from each other have the upper half of their proofs in
// common, and a node there takes up to 128 hashes.
const maxNodes = 4096

func (r *reader) hashes(ctx context.Context) proof.HashReader {
	tiles := proof.TileHashes{Size: r.cp.Size, Tiles: proof.TileReaderFunc(func(t proof.Tile) ([]byte, error) {
		if b, ok := r.tiles[t]; ok {
			return b, nil
		}
		b, err := r.src.Fetch(ctx, t.Path())
		if err != nil {
			return nil, err
		}
		if len(r.tiles) == maxTiles {
			clear(r.tiles)
		}
		r.tiles[t] = b
		return b, nil
	})}
	return proof.HashReaderFunc(func(ids []proof.NodeID) ([]proof.Hash, error) {
		out := make([]proof.Hash, len(ids))
		var at []int
		var missing []proof.NodeID
		for i, id := range ids {
			var there bool
			if out[i], there = r.nodes[id]; !there {
				at, missing = append(at, i), append(missing, id)
			}
		}
		found, err := tiles.ReadHashes(missing)
		if err != nil {
			return nil, err
		}
		if len(r.nodes) > maxNodes {
			clear(r.nodes)
		}
		for i, h := range found {
			out[at[i]] = h
			if id := missing[i]; id.Level >= proof.TileHeight { // below, nobody asks again
				r.nodes[id] = h
			}
		}
		return out, nil
	})
}
