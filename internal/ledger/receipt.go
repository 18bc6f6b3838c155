package ledger

import (
	"context"
	"fmt"
	"sync"

	"github.com/stetlog/stet/proof"
)

// Receipt proves to an emitter that its batch is in the ledger: with its own events it rebuilds the entries, which Placed,
// Via, Stubs and the batch determine, and checks their leaf hashes with proof.VerifyRange.
type Receipt struct {
	Placed
	Via        []byte
	Stubs      []proof.Stub // what stands in place of events that were refused, in stream order
	Proof      []proof.Hash // range proof of the entries in the checkpoint's tree
	Checkpoint []byte
}

// Receipt returns the receipt of the batch of a stream that starts with number first. It publishes, and waits for it, where
// the batch is not yet under a checkpoint. It verifies the proof before it hands it out. ErrUnknown where there is no such
// batch.
//
// It walks back from the stream's last seal, so an old batch of a long stream costs a read for each batch after it.
func (l *Ledger) Receipt(ctx context.Context, stream string, first uint64) (Receipt, error) {
	rec, leaves, err := l.locate(ctx, stream, first)
	var proofs [][]proof.Hash
	if err == nil {
		proofs, rec.Checkpoint, err = l.prove(ctx, []Placed{rec.Placed}, leaves)
	}
	if err != nil {
		return Receipt{}, fmt.Errorf("receipt for number %d of stream %s: %w", first, stream, err)
	}
	rec.Proof = proofs[0]
	return rec, nil
}

// Find is Receipt without proof and checkpoint, which Prove makes for many batches at once.
func (l *Ledger) Find(ctx context.Context, stream string, first uint64) (Receipt, error) {
	rec, _, err := l.locate(ctx, stream, first)
	if err != nil {
		return Receipt{}, fmt.Errorf("receipt for number %d of stream %s: %w", first, stream, err)
	}
	return rec, nil
}

// locate finds a batch by what its stream's seals say, and reads its entries.
func (l *Ledger) locate(ctx context.Context, stream string, first uint64) (rec Receipt, leaves []proof.Hash, err error) {
	state, known, err := l.Stream(ctx, stream)
	if err != nil {
		return rec, nil, err
	}
	if !known {
		return rec, nil, ErrUnknown
	}
	at, err := l.find(ctx, stream, state, first)
	if err != nil {
		return rec, nil, err
	}
	if at == nil {
		return rec, nil, ErrUnknown
	}
	rec = Receipt{Placed: at.placed(), Via: at.via}
	for i := range uint64(rec.Count) {
		b, err := l.entry(rec.First + i)
		if err != nil {
			return rec, nil, err
		}
		leaves = append(leaves, proof.LeafHash(b))
		e, err := proof.ParseEntry(b)
		if err != nil {
			return rec, nil, &IntegrityError{Seq: rec.First + i, HasSeq: true, File: logDir, Reason: "the entry cannot be read", Err: err}
		}
		if e.Stub != nil {
			rec.Stubs = append(rec.Stubs, *e.Stub)
		}
	}
	return rec, leaves, nil
}

// Prove returns range proofs for what was placed, in order, all in the tree of one checkpoint, the newest; it publishes,
// and waits for it, where that does not hold all of them yet. It verifies each proof, from the leaves that are in the
// tiles, before it hands it out.
func (l *Ledger) Prove(ctx context.Context, placed []Placed) (proofs [][]proof.Hash, checkpoint []byte, err error) {
	if proofs, checkpoint, err = l.prove(ctx, placed, nil); err != nil {
		return nil, nil, fmt.Errorf("prove: %w", err)
	}
	return proofs, checkpoint, nil
}

// prove is Prove. Where leaves is not nil it is what the entries of the one batch hash to.
func (l *Ledger) prove(ctx context.Context, placed []Placed, leaves []proof.Hash) (proofs [][]proof.Hash, checkpoint []byte, err error) {
	end := uint64(0)
	for _, p := range placed {
		end = max(end, p.First+uint64(p.Count))
	}
	if size, _ := l.Head(); end > size {
		if _, err := l.Publish(ctx); err != nil {
			return nil, nil, err
		}
	}
	l.mu.Lock()
	size, root := l.published, l.root
	checkpoint = append([]byte(nil), l.signed...)
	if l.tiles == nil || l.tiles.size != size {
		l.tiles = &treeTiles{l: l, size: size, read: map[proof.Tile][]byte{}, nodes: map[proof.NodeID]proof.Hash{}}
	}
	tiles := l.tiles
	l.mu.Unlock()
	if end > size {
		return nil, nil, fmt.Errorf("%w: the ledger has %d entries, entry %d was asked for", ErrUnknown, size, end-1)
	}
	stored := leaves == nil
	for _, p := range placed {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		path, err := proof.ProveRange(p.First, uint64(p.Count), size, tiles)
		if err != nil {
			return nil, nil, asIntegrity(logDir, err)
		}
		if stored {
			if leaves, err = leavesIn(leaves[:0], tiles, size, p); err != nil {
				return nil, nil, err
			}
		}
		if err := proof.VerifyRange(p.First, leaves, size, root, path); err != nil {
			return nil, nil, &IntegrityError{Seq: p.First, HasSeq: true, File: logDir, Reason: "tiles and bundles do not lead to the head's root", Err: err}
		}
		proofs = append(proofs, path)
	}
	return proofs, checkpoint, nil
}

// leavesIn appends the leaf hashes of a batch's entries, from the tiles of a tree of size leaves.
func leavesIn(dst []proof.Hash, tiles proof.TileReader, size uint64, p Placed) ([]proof.Hash, error) {
	for seq, end := p.First, p.First+uint64(p.Count); seq < end; {
		t := tileAt(proof.Tile{Index: seq / proof.TileWidth}, size)
		b, err := tiles.ReadTile(t)
		if err != nil {
			return nil, err
		}
		last := min(end, t.Index*proof.TileWidth+uint64(t.Width))
		for ; seq < last; seq++ {
			at := int(seq%proof.TileWidth) * proof.HashSize
			dst = append(dst, proof.Hash(b[at:at+proof.HashSize]))
		}
	}
	return dst, nil
}

// The bounds of what treeTiles keeps: tiles of at most 8 KiB, and hashes of 32 bytes.
const (
	maxTreeTiles = 256
	maxTreeNodes = 1 << 14
)

// treeTiles reads one committed tree for all proofs in it, each tile once, and computes what it is asked for once: those who
// wait for the same publish ask for the same few. It is safe for concurrent use.
type treeTiles struct {
	l    *Ledger
	size uint64

	mu    sync.Mutex // before Ledger.mu
	read  map[proof.Tile][]byte
	nodes map[proof.NodeID]proof.Hash
}

// ReadHashes implements proof.HashReader.
func (t *treeTiles) ReadHashes(ids []proof.NodeID) ([]proof.Hash, error) {
	out := make([]proof.Hash, len(ids))
	var missing []proof.NodeID
	var at []int
	t.mu.Lock()
	for i, id := range ids {
		h, ok := t.nodes[id]
		if out[i] = h; !ok {
			missing, at = append(missing, id), append(at, i)
		}
	}
	t.mu.Unlock()
	found, err := proof.TileHashes{Size: t.size, Tiles: t}.ReadHashes(missing)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.nodes)+len(found) > maxTreeNodes {
		clear(t.nodes)
	}
	for n, h := range found {
		out[at[n]], t.nodes[missing[n]] = h, h
	}
	return out, nil
}

// ReadTile implements proof.TileReader.
func (t *treeTiles) ReadTile(tile proof.Tile) ([]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if b, ok := t.read[tile]; ok {
		return b, nil
	}
	b, stored, err := t.l.readCommitted(tile)
	if err != nil {
		return nil, err
	}
	if stored.Width > tile.Width {
		b = b[:tile.Width*proof.HashSize]
	}
	if len(t.read) >= maxTreeTiles {
		clear(t.read)
	}
	t.read[tile] = b
	return b, nil
}
