package verify

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"strconv"
	"strings"

	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/segment"
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
	v.trimmed(ctx, h, &leaves, rep)
	took, err := ledger.ScanJournal(v.fsys, h, func(seq uint64, entries [][]byte) error {
		var envelope proof.EnvelopeParser
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
			if why := s.check.entry(&r, entry, &envelope); why != "" {
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

// trimmed checks segments that the head needs no more and that a crash kept from being removed. The next writer removes
// them unread; but as long as they lie there they must not say something else than the log does.
func (v *store) trimmed(ctx context.Context, h ledger.Head, leaves *leafCache, rep *Report) {
	entries, err := v.fsys.ReadDir(journalDir)
	if err != nil {
		return // ScanJournal says it
	}
	for _, e := range entries {
		digits, ok := strings.CutSuffix(e.Name(), ".j")
		number, err := strconv.ParseUint(digits, 10, 64)
		if !ok || err != nil || number >= h.JournalFirst || ctx.Err() != nil {
			continue
		}
		name := journalDir + "/" + e.Name()
		err = v.trimmedSegment(ctx, name, leaves, rep)
		var damage *segment.CorruptError
		switch {
		case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, segment.ErrNoHeader):
		case errors.As(err, &damage), errors.Is(err, proof.ErrMalformed):
			rep.fail(name, "this part of the journal, which the log has taken in, is damaged: %v.", err)
		default:
			rep.skip(name, "it could not be read: %v.", err)
		}
	}
}

func (v *store) trimmedSegment(ctx context.Context, name string, leaves *leafCache, rep *Report) (err error) {
	f, err := v.fsys.Open(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	r, err := segment.NewReader(f, name, ledger.JournalKind)
	if err != nil {
		return err
	}
	for {
		fr, err := r.Next()
		if errors.Is(err, io.EOF) {
			if r.Torn() {
				rep.note(name, "it ends in an unfinished write (at byte %d), as a crash leaves it; nothing in it was acknowledged.", r.Offset())
			}
			return nil
		}
		if err != nil {
			return err
		}
		n := fr.Key
		for rest := fr.Payload; len(rest) > 0; n++ {
			entry, more, err := proof.NextBundleEntry(rest)
			if err != nil {
				return err
			}
			rest = more
			if n >= leaves.size {
				rep.failSeq(n, name, "a part of the journal that the head says is taken in holds an entry beyond the head.")
				return nil
			}
			if stored, ok := leaves.at(ctx, n); ok && stored != proof.LeafHash(entry) {
				rep.failSeq(n, name, "the journal has another entry here than the log.")
				return nil
			}
		}
	}
}
