package verify

import (
	"context"
	"runtime"
	"sort"
	"sync"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// A scan reads a log from the start, as far as it is told, and can go on from there when the log has grown.
type scan struct {
	src     logread.Source
	rep     *Report
	check   *checker
	chain   *chain
	tree    tree
	known   []knownRoot // by size, those not yet passed
	workers int
	report  func(done, total uint64)
	total   uint64

	trusted string         // the log's key that somebody vouches for; "" where nobody does
	keys    proof.KeyChain // how others took its place

	files []proof.Tile // stored, and nothing that the main pass reads

	// Entries that were read from a journal before they were under a head: their hashes, from entry aheadFrom on.
	aheadFrom uint64
	ahead     []proof.Hash
}

// knownRoot is a root that the tree must have at a size, because somebody saw it signed or because one of the store's
// own files says so.
type knownRoot struct {
	proof.Checkpoint
	from string // who kept it; "" for the store itself
	file string // which of the store's files says it
}

func newScan(src logread.Source, rep *Report, o Options) *scan {
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	return &scan{src: src, rep: rep, check: &checker{src: src, event: newEventCheck(o.Codec)}, chain: newChain(rep), workers: workers, report: o.Progress}
}

// addKnown puts a root to check in its place. Sizes already passed are not accepted.
func (s *scan) addKnown(k knownRoot) {
	at := sort.Search(len(s.known), func(i int) bool { return s.known[i].Size > k.Size })
	s.known = append(s.known, knownRoot{})
	copy(s.known[at+1:], s.known[at:])
	s.known[at] = k
}

// to reads entries up to size. The bundle that was cut by an earlier size is read again, and what was seen of it must
// still be the same.
func (s *scan) to(ctx context.Context, size uint64) error {
	if size <= s.tree.size {
		return ctx.Err()
	}
	s.total = size
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type job struct {
		b    *bundle
		done chan struct{}
	}
	// At most two bundles a worker exist at a time: todo feeds the workers, order hands out results by position.
	todo, order := make(chan job, s.workers), make(chan job, s.workers)
	free := make(chan *bundle, 2*s.workers+2)
	var wg sync.WaitGroup
	for range s.workers {
		wg.Go(func() {
			for j := range todo {
				s.check.run(ctx, j.b)
				close(j.done)
			}
		})
	}
	wg.Go(func() {
		defer close(todo)
		defer close(order)
		for first := s.tree.size / proof.TileWidth * proof.TileWidth; first < size; first += proof.TileWidth {
			var b *bundle
			select {
			case b = <-free:
			default:
				b = new(bundle)
			}
			*b = bundle{first: first, n: int(min(proof.TileWidth, size-first)), data: b.data, records: b.records[:0], leaves: b.leaves[:0], finds: b.finds[:0]}
			j := job{b, make(chan struct{})}
			select {
			case order <- j:
			case <-ctx.Done():
				return
			}
			select {
			case todo <- j:
			case <-ctx.Done():
				return
			}
		}
	})
	var err error
	for j := range order {
		select {
		case <-j.done:
		case <-ctx.Done():
		}
		if err = ctx.Err(); err != nil {
			break
		}
		s.take(ctx, j.b)
		clear(j.b.records) // nothing may refer to the bundle's bytes when the next is read over them
		select {
		case free <- j.b:
		default:
		}
	}
	cancel()
	wg.Wait()
	return err
}

// take is the sequential part: findings in order, tree, tiles above, chain.
func (s *scan) take(ctx context.Context, b *bundle) {
	for _, f := range b.finds {
		s.rep.add(f)
	}
	s.rep.Tiles += b.tiles
	s.leaves(ctx, b)
	for i := range b.records {
		r := &b.records[i]
		if at := r.seq - s.aheadFrom; r.seq >= s.aheadFrom && at < uint64(len(s.ahead)) && s.ahead[at] != b.leaves[i] {
			s.rep.failSeq(r.seq, "", "the entry in the log is not the one that stood in the journal a moment ago.")
		}
		if r.seq < s.chain.next { // read before, at a smaller size or in the journal
			continue
		}
		if r.kind == kindBad {
			s.chain.gap(r.seq+1, false)
			continue
		}
		s.chain.add(r)
	}
	s.chain.gap(b.first+uint64(b.n), b.unread)
	if s.report != nil {
		s.report(b.first+uint64(b.n), s.total)
	}
}

func (s *scan) leaves(ctx context.Context, b *bundle) {
	t := &s.tree
	if b.treeless || t.lost {
		if !t.lost {
			s.rep.add(Finding{State: NotChecked, Seq: b.first, HasSeq: true, What: "from here on the tree could not be recomputed, because neither the entries nor their hashes could be read.", Next: nextSkipped})
		}
		t.lost, t.size = true, b.first+uint64(b.n)
		return
	}
	for i, leaf := range t.tail {
		if i < len(b.leaves) && b.leaves[i] != leaf {
			s.rep.failSeq(b.first+uint64(i), "", "the entry changed while the log was being read.")
		}
	}
	for len(s.known) > 0 && s.known[0].Size < b.first+uint64(b.n) || len(s.known) > 0 && b.n < proof.TileWidth && s.known[0].Size == b.first+uint64(b.n) {
		k := s.known[0]
		s.known = s.known[1:]
		root, err := rootAt(&t.upper, b.leaves[:k.Size-b.first])
		s.compareKnown(k, root, err)
	}
	if b.n < proof.TileWidth {
		t.tail, t.size = append(t.tail[:0], b.leaves...), b.first+uint64(b.n)
		return
	}
	t.full(b.root, func(tile proof.Tile, want []byte) { s.compareTile(ctx, tile, want) })
	for len(s.known) > 0 && s.known[0].Size == t.size {
		s.compareKnown(s.known[0], t.upper.Root(), nil)
		s.known = s.known[1:]
	}
}

func (s *scan) compareKnown(k knownRoot, root proof.Hash, err error) {
	switch {
	case err != nil:
		s.rep.skip("", "the root at size %d could not be computed: %v.", k.Size, err)
	case root != k.Root && k.from == "":
		s.rep.fail(k.file, "the tree of the first %d entries has root %s, this file says %s: some entry is not the one that was there when it was written.", k.Size, root, k.Root)
	case root != k.Root:
		s.rep.fail("", "%s saw the first %d entries of this log signed with root %s, here they have root %s: the log was rewritten or forked.", k.from, k.Size, k.Root, root)
	case k.from != "":
		s.rep.Known++
	}
}

// root returns the root of what was read so far.
func (s *scan) root() (proof.Hash, error) { return rootAt(&s.tree.upper, s.tree.tail) }

// finish checks what is only there at the end: the unfinished tiles of the levels above the leaves.
func (s *scan) finish(ctx context.Context) {
	if s.tree.lost {
		return
	}
	for i := range s.tree.rows {
		r := &s.tree.rows[i]
		if n := len(r.hashes) / proof.HashSize; n > 0 {
			s.compareTile(ctx, proof.Tile{Level: uint8(i + 1), Index: r.index, Width: n}, r.hashes)
		}
	}
}
