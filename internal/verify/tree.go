package verify

import (
	"bytes"
	"context"

	"github.com/stetlog/stet/proof"
)

// levels is how many tile levels above the leaves a tree of proof.MaxSize can have.
const levels = 6

// tree recomputes the log's tree from its leaves. Full bundles arrive as one hash each, computed by whoever read them,
// so that the sequential part costs one hash for 256 entries.
type tree struct {
	size  uint64       // leaves taken
	upper proof.Tree   // over the roots of full bundles
	tail  []proof.Hash // leaves behind the last full bundle, fewer than 256
	lost  bool         // leaves are missing: no root can be computed any more
	rows  [levels]row  // tile levels 1 to 6
}

// row collects the hashes of one tile level.
type row struct {
	index  uint64 // of the tile that is being filled
	hashes []byte // its hashes, one after the other
}

// rootAt returns the root at a size between the last full bundle (or one before) and the tail: leaves are those behind
// the full bundles in upper.
func rootAt(upper *proof.Tree, leaves []proof.Hash) (proof.Hash, error) {
	var low proof.Tree
	low.AppendAll(leaves, nil)
	t, err := proof.NewTreeFrom(upper.Size()*proof.TileWidth+uint64(len(leaves)), append(upper.Edge(), low.Edge()...))
	if err != nil {
		return proof.Hash{}, err
	}
	return t.Root(), nil
}

// full takes the root of the next full bundle; done is called for every tile of a level above 0 that becomes full.
func (t *tree) full(root proof.Hash, done func(proof.Tile, []byte)) {
	t.tail = t.tail[:0]
	t.size = (t.upper.Size() + 1) * proof.TileWidth
	t.upper.AppendAll([]proof.Hash{root}, func(id proof.NodeID, h proof.Hash) {
		if id.Level%proof.TileHeight != 0 {
			return
		}
		level := id.Level/proof.TileHeight + 1
		r := &t.rows[level-1]
		r.hashes = append(r.hashes, h[:]...)
		if len(r.hashes) == proof.TileBytes {
			done(proof.Tile{Level: level, Index: r.index, Width: proof.TileWidth}, r.hashes)
			r.index, r.hashes = r.index+1, r.hashes[:0]
		}
	})
}

// compareTile holds a stored tile of a level above 0 against the hashes that it must have.
func (s *scan) compareTile(ctx context.Context, t proof.Tile, want []byte) {
	rep, path := s.rep, s.check.dir+t.Path()
	shift := uint(t.Level) * proof.TileHeight
	first := t.Index * proof.TileWidth
	got, err := s.src.Fetch(ctx, t.Path())
	if err != nil {
		rep.add(lack(err, path, first<<shift, rangeOf("the tile over the hashes", first<<shift, (first+uint64(t.Width))<<shift-1)))
		return
	}
	rep.Tiles++
	if i := firstDifference(got, want); i >= 0 {
		at := (first + uint64(i)) << shift
		rep.failSeq(at, path, "hash %d of this tile is not that of entries %d to %d.", i, at, at+1<<shift-1)
	}
}

// firstDifference returns which hash differs first, or −1. A shorter got differs where it ends.
func firstDifference(got, want []byte) int {
	if bytes.Equal(got, want) {
		return -1
	}
	for i := 0; i < len(want); i += proof.HashSize {
		if i+proof.HashSize > len(got) || !bytes.Equal(got[i:i+proof.HashSize], want[i:i+proof.HashSize]) {
			return i / proof.HashSize
		}
	}
	return len(want) / proof.HashSize
}
