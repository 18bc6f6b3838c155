package verify

import (
	"context"

	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

const journalDir = "journal"

// pending is the tree above the head, as the journal will make it.
type pending struct {
	tree  *proof.Tree
	nodes map[proof.NodeID]proof.Hash
}

func (p *pending) hash(level uint8, index uint64) (proof.Hash, bool) {
	h, ok := p.nodes[proof.NodeID{Level: level * proof.TileHeight, Index: index}]
	return h, ok
}

func (p *pending) append(leaf proof.Hash) {
	p.tree.AppendAll([]proof.Hash{leaf}, func(id proof.NodeID, h proof.Hash) {
		if id.Level%proof.TileHeight == 0 {
			p.nodes[id] = h
		}
	})
}

// journal checks the journal: what the head covers must be in the log, byte for byte; what lies above it is checked like
// the entries of the log. rep takes what may be wrong only because the head has moved on.
func (v *store) journal(ctx context.Context, h ledger.Head, rep *Report) (beyond, error) {
	s := v.scan
	var p *pending
	if !s.tree.lost {
		var low proof.Tree
		low.AppendAll(s.tree.tail, nil)
		t, err := proof.NewTreeFrom(s.tree.size, append(s.tree.upper.Edge(), low.Edge()...))
		if err != nil {
			return nil, err
		}
		p = &pending{tree: t, nodes: map[proof.NodeID]proof.Hash{}}
	}
	leaves := leafCache{src: v.src, size: s.tree.size}
	s.aheadFrom, s.ahead = s.tree.size, s.ahead[:0]
	took, err := ledger.ScanJournal(v.fsys, h, func(seq uint64, entries [][]byte) error {
		for i, entry := range entries {
			n := seq + uint64(i)
			leaf := proof.LeafHash(entry)
			if n < s.tree.size {
				if stored, ok := leaves.at(ctx, n); ok && stored != leaf {
					rep.failSeq(n, journalDir, "the journal has another entry here than the log.")
				}
				continue
			}
			s.ahead = append(s.ahead, leaf)
			if p != nil {
				p.append(leaf)
			}
			if n < s.chain.next {
				continue
			}
			r := record{seq: n}
			if why := s.check.entry(&r, entry); why != "" {
				v.rep.failSeq(n, journalDir, "%s", why)
				s.chain.gap(n+1, false)
				continue
			}
			s.chain.add(&r)
		}
		return ctx.Err()
	})
	if cerr := ctx.Err(); cerr != nil {
		return nil, cerr
	}
	if err != nil {
		integrity(rep, journalDir, err)
	}
	if took.Torn {
		rep.note(took.File, "it ends in an unfinished write (at byte %d), as a crash leaves it; nothing in it was acknowledged.", took.Offset)
	}
	v.rep.Pending = uint64(len(s.ahead))
	if n := v.rep.Pending; n > 0 {
		rep.note(journalDir, "%d entries from seq %d on are in the journal and not yet under a checkpoint; they are checked like the others.", n, s.tree.size)
	}
	if p == nil {
		return nil, nil
	}
	return p, nil
}

// leafCache reads leaf hashes in order, a tile at a time.
type leafCache struct {
	src   logread.Source
	size  uint64
	index uint64
	tile  []byte
	ok    bool
}

func (c *leafCache) at(ctx context.Context, seq uint64) (h proof.Hash, ok bool) {
	if index := seq / proof.TileWidth; !c.ok || index != c.index {
		full, width := proof.TilesFor(c.size, 0)
		if index < full {
			width = proof.TileWidth
		}
		tile, err := c.src.Fetch(ctx, proof.TilePath(0, index, width))
		if err != nil { // reported where the log was read
			return h, false
		}
		c.index, c.tile, c.ok = index, tile, true
	}
	at := seq % proof.TileWidth * proof.HashSize
	return proof.Hash(c.tile[at : at+proof.HashSize]), true
}
