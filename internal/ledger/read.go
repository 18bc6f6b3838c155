package ledger

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/stetlog/stet/proof"
)

// A sealAt is a seal found in the ledger.
type sealAt struct {
	seq        uint64 // of its entry
	hash       proof.Hash
	seal       proof.Seal
	receivedAt time.Time
	via        []byte
	prevSeq    *uint64
}

func (s *sealAt) placed() Placed {
	n := uint64(s.seal.Count)
	p := Placed{First: s.seq - n, Count: s.seal.Count + 1, ReceivedAt: s.receivedAt}
	if s.prevSeq != nil {
		p.PrevSeq, p.HasPrev = *s.prevSeq, true
	}
	return p
}

// find looks for the batch of a stream that starts with number first; nil where no batch starts there.
func (l *Ledger) find(ctx context.Context, stream string, state StreamState, first uint64) (*sealAt, error) {
	found, _, err := l.around(ctx, stream, state, first)
	if err != nil || found == nil || found.seal.First != first {
		return nil, err
	}
	return found, nil
}

// around returns a stream's newest seal that starts with number first or before, and the seal after that; nil where there
// is none.
func (l *Ledger) around(ctx context.Context, stream string, state StreamState, first uint64) (at, after *sealAt, err error) {
	if !state.Sealed {
		return nil, nil, nil
	}
	t, err := l.walk(ctx, stream, state.LastSealSeq, first)
	if err != nil {
		return nil, nil, err
	}
	i := t.reaches(first)
	if i > 0 {
		if after, err = l.sealAt(t[i-1].seq, stream); err != nil {
			return nil, nil, err
		}
	}
	if i < len(t) {
		at, err = l.sealAt(t[i].seq, stream)
	}
	return at, after, err
}

// sealAt reads the entry of a seal, which must be of the given stream.
func (l *Ledger) sealAt(seq uint64, stream string) (*sealAt, error) {
	e, err := l.parsed(seq)
	if err != nil {
		return nil, err
	}
	if e.Seal == nil {
		return nil, damagedAt(seq, logDir, "the entry is no seal, yet stream %s has one there", stream)
	}
	s := &sealAt{seq: seq, hash: proof.SealHash(e.Seal.Note), via: append([]byte(nil), e.Via...), prevSeq: e.Seal.PrevSeq}
	if s.seal, err = l.seals.Parse(e.Seal.Note); err != nil {
		return nil, damagedAt(seq, logDir, "%v", err)
	}
	if s.receivedAt, err = proof.ParseTime(e.ReceivedAt); err != nil {
		return nil, damagedAt(seq, logDir, "%v", err)
	}
	if s.seal.Stream != stream || uint64(s.seal.Count) > seq {
		return nil, damagedAt(seq, logDir, "the seal is of stream %s, yet stream %s has one there", s.seal.Stream, stream)
	}
	return s, nil
}

// again answers a batch or loss whose numbers are used up: with where it stands if it is the same one, with ErrConflict
// if it is another.
func (l *Ledger) again(ctx context.Context, r *request, state StreamState) (Placed, error) {
	if err := l.waitDurable(ctx, state.last()); err != nil {
		return Placed{}, fmt.Errorf("append: %w", err)
	}
	if r.loss != nil {
		return l.lossAgain(ctx, *r.loss, state)
	}
	at, err := l.find(ctx, r.seal.Stream, state, r.seal.First)
	if err != nil {
		return Placed{}, fmt.Errorf("append: look for the batch in the ledger: %w", err)
	}
	if at == nil || at.hash != r.hash {
		return Placed{}, fmt.Errorf("append: stream %s: %w: number %d is there with other content, or under another seal", r.seal.Stream, ErrConflict, r.seal.First)
	}
	placed := at.placed()
	placed.Again = true
	return placed, nil
}

// lossAgain looks for a declared loss. The last one of a stream is at hand; an earlier one stands somewhere between the
// seals on either side of its numbers, and is searched for entry by entry: rare, and bounded by ctx.
func (l *Ledger) lossAgain(ctx context.Context, loss Loss, state StreamState) (Placed, error) {
	conflict := fmt.Errorf("append: stream %s: %w: numbers %d to %d are not one declared loss", loss.Stream, ErrConflict, loss.First, loss.Last)
	if !state.Lossy {
		return Placed{}, conflict
	}
	before, after, err := l.around(ctx, loss.Stream, state, loss.First)
	if err != nil {
		return Placed{}, fmt.Errorf("append: look for the loss in the ledger: %w", err)
	}
	from, to := uint64(0), state.LastLossSeq
	if before != nil {
		if before.seal.Next() > loss.First {
			return Placed{}, conflict
		}
		from = before.seq + 1
	}
	if after != nil {
		to = min(to, after.seq-1)
	}
	for seq := to; seq >= from && seq <= to; seq-- {
		if err := ctx.Err(); err != nil {
			return Placed{}, err
		}
		e, err := l.parsed(seq)
		if err != nil {
			return Placed{}, err
		}
		if e.Stub == nil || *e.Stub != loss.stub() {
			continue
		}
		at, err := proof.ParseTime(e.ReceivedAt)
		return Placed{First: seq, Count: 1, ReceivedAt: at, Again: true}, err
	}
	return Placed{}, conflict
}

// parsed reads and parses an entry.
func (l *Ledger) parsed(seq uint64) (proof.Entry, error) {
	b, err := l.entry(seq)
	if err != nil {
		return proof.Entry{}, err
	}
	e, err := proof.ParseEntry(b)
	if err == nil && e.Seq != seq {
		return proof.Entry{}, damagedAt(seq, logDir, "the entry says that it is entry %d", e.Seq)
	}
	if err != nil {
		return proof.Entry{}, &IntegrityError{Seq: seq, HasSeq: true, File: logDir, Reason: "the entry cannot be read", Err: err}
	}
	return e, nil
}

// entry returns the bytes of a durable entry, from memory where it is not yet published, else from its bundle. The caller
// must not change them.
func (l *Ledger) entry(seq uint64) ([]byte, error) {
	l.mu.Lock()
	if seq >= l.published {
		defer l.mu.Unlock()
		i := sort.Search(len(l.pending), func(i int) bool { return seq < l.pending[i].end() })
		if i == len(l.pending) || seq < l.pending[i].first {
			return nil, damagedAt(seq, HeadFile, "a stream has an entry there, yet the ledger ends before it")
		}
		return append([]byte(nil), l.pending[i].entry(seq)...), nil
	}
	l.mu.Unlock()
	i := int(seq % proof.TileWidth)
	b, err := l.bundle(seq/proof.TileWidth, i)
	if err != nil {
		return nil, err
	}
	return b.entry(i)
}

// An openBundle is a bundle in memory.
type openBundle struct {
	index uint64
	name  string
	data  []byte
	ends  []int
}

func (b *openBundle) entry(i int) ([]byte, error) {
	if i >= len(b.ends) {
		return nil, damagedAt(b.index*proof.TileWidth+uint64(i), b.name, "the bundle ends before it")
	}
	from := 0
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.data[from+2 : b.ends[i]], nil
}

// A bundleCache keeps the bundles read last, because receipts and repeated batches come in runs. What a partial one holds
// stays right when it grows. The zero value is ready; it is safe for concurrent use.
type bundleCache struct {
	mu    sync.Mutex
	order []*openBundle // most recently used last
	bytes int
}

// maxCached bounds the cache in bytes.
const maxCached = 16 << 20

// get returns a bundle that holds its i-th entry, or nil.
func (c *bundleCache) get(index uint64, i int) *openBundle {
	c.mu.Lock()
	defer c.mu.Unlock()
	for at, b := range c.order {
		if b.index == index && i < len(b.ends) {
			c.order = append(slices.Delete(c.order, at, at+1), b)
			return b
		}
	}
	return nil
}

func (c *bundleCache) put(b *openBundle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, old := range c.order {
		if old.index == b.index {
			c.order = slices.Delete(c.order, i, i+1)
			c.bytes -= len(old.data)
			break
		}
	}
	c.order = append(c.order, b)
	c.bytes += len(b.data)
	for c.bytes > maxCached && len(c.order) > 1 {
		c.bytes -= len(c.order[0].data)
		c.order[0] = nil
		c.order = c.order[1:]
	}
}

// bundle reads the bundle of this index, which must hold its i-th entry, as wide as it is committed.
func (l *Ledger) bundle(index uint64, i int) (*openBundle, error) {
	if b := l.bundles.get(index, i); b != nil {
		return b, nil
	}
	data, t, err := l.readCommitted(proof.Tile{Entries: true, Index: index})
	if err != nil {
		return nil, err
	}
	b := &openBundle{index: index, name: inLog(t.Path()), data: data, ends: make([]int, 0, t.Width)}
	for off := 0; off < len(data); {
		if len(data)-off < 2 || len(data)-off-2 < int(binary.BigEndian.Uint16(data[off:])) {
			return nil, damagedAt(index*proof.TileWidth+uint64(len(b.ends)), b.name, "the bundle ends inside an entry")
		}
		off += 2 + int(binary.BigEndian.Uint16(data[off:]))
		b.ends = append(b.ends, off)
	}
	if len(b.ends) != t.Width {
		return nil, damaged(b.name, "it has %d entries", len(b.ends))
	}
	l.bundles.put(b)
	return b, nil
}

// readCommitted reads a tile or bundle as wide as it was committed last, and says how wide that is. A partial one can be
// replaced by a wider one between the look at the size and the read; then the size has changed too.
func (l *Ledger) readCommitted(t proof.Tile) ([]byte, proof.Tile, error) {
	size, _ := l.Head()
	for {
		t = tileAt(t, size)
		var b bytes.Buffer
		err := readTile(l.fsys, &l.zip, t, &b)
		if !errors.Is(err, fs.ErrNotExist) {
			return b.Bytes(), t, err
		}
		now, _ := l.Head()
		if now == size {
			return nil, t, missing(inLog(t.Path()), err)
		}
		size = now
	}
}

// tileAt sets the width that a tile has in a tree of size leaves.
func tileAt(t proof.Tile, size uint64) proof.Tile {
	t.Width = proof.TileWidth
	if full, width := proof.TilesFor(size, t.Level); t.Index == full {
		t.Width = width
	}
	return t
}

// hashes reads tree hashes from the tiles of a tree of size leaves, which is committed.
func (l *Ledger) hashes(size uint64) proof.HashReader {
	return proof.TileHashes{Size: size, Tiles: proof.TileReaderFunc(func(t proof.Tile) ([]byte, error) {
		b, stored, err := l.readCommitted(t)
		if err == nil && stored.Width > t.Width {
			b = b[:t.Width*proof.HashSize]
		}
		return b, err
	})}
}
