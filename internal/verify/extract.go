package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"strconv"
	"sync"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// AuthorUnknown is what is said of evidence that agrees with itself where nobody outside it vouches for the log's key.
const AuthorUnknown = "consistent, author unknown"

// KeyClaimed is who vouches for the log's key where nobody but the evidence does.
const KeyClaimed = "the file's own word"

// Extracted is some of a log's entries, and what ties them to its checkpoint, as docs/spec/evidence.md has it.
//
// Its functions hand out streams. Errors that are a *logread.DamageError, or wrap fs.ErrNotExist, proof.ErrMalformed or
// proof.ErrProof, are failures of the extract; others say that it could not be read.
type Extracted struct {
	// File returns the log's checkpoint or the chain of its keys, by their paths; false, where there is none.
	File func(path string) (b []byte, ok bool, err error)
	// Next returns the next entries in the order of the ledger, a few hundred at most, in their exact bytes, which nobody
	// changes later; none, when there are no more. It is called from one goroutine.
	Next func() ([][]byte, error)
	// Total is how many entries there are said to be, for whoever watches.
	Total uint64
	// Tree and Batches return the next hash of the two proofs; false, when there are no more.
	Tree, Batches func() (proof.Hash, bool, error)
	// Whole is the part of the ledger of which each entry is accounted for; nil where none is.
	Whole *Whole
	// Context are the numbers of events and stubs that are here only to check others.
	Context []uint64
	// Keys are those that the extract lists: each must be what its entries say.
	Keys []ExtractKey
	// LogKey is the log's verifier key, as the extract says itself.
	LogKey string
	// TreeFile, BatchesFile and ListFile name what a finding is about.
	EntriesFile, TreeFile, BatchesFile, ListFile string
}

// Whole is a part of the ledger, and what was searched in it.
type Whole struct {
	First, Last            uint64 // both included
	SearchFirst            uint64 // nothing below it was asked for
	SearchLast             uint64 // nor above this
	SearchFrom, SearchTill string // nor received before the one, nor at the other or later; "": no limit. As entries write times
}

// ExtractKey is a sealing key and which entries enrolled and revoked it.
type ExtractKey struct {
	VKey     string
	Enrolled uint64
	Revoked  *uint64
}

// ExtractReport is the outcome of Extract.
type ExtractReport struct {
	Report
	Found  uint64 // events and stubs, those that are only context not counted
	Hidden uint64 // entries that are accounted for, and shown by their hash alone
	From   string // received_at of the first entry shown that is not context only; "" where there is none
	Till   string // and of the last one
	// AuthorUnknown: everything agrees, and nobody outside vouches for the log's key.
	AuthorUnknown bool
}

// besides is what an extract has of its log beside the entries.
type besides func(path string) (b []byte, ok bool, err error)

// Fetch is that of a logread.Source.
func (f besides) Fetch(_ context.Context, path string) ([]byte, error) {
	b, ok, err := f(path)
	if err == nil && !ok {
		err = fs.ErrNotExist
	}
	return b, err
}

// Extract verifies some of a log's entries. Without o.LogKey the extract's own word is taken for the key, and the best that can be found is AuthorUnknown. The error is only
// ever that ctx ended or that o makes no sense.
func Extract(ctx context.Context, in Extracted, o Options) (ExtractReport, error) {
	x := &extract{in: in, sealing: map[string]bool{}}
	x.s = newScan(besides(in.File), &x.rep.Report, o)
	x.s.chain.part = true
	trusted, from := o.LogKey, KeyPinned
	if trusted == "" {
		trusted, from = in.LogKey, KeyClaimed
	}
	if err := proof.CheckVKey(trusted); err != nil && o.LogKey != "" {
		return x.rep, fmt.Errorf("the pinned log key: %w", err)
	}
	x.s.followKeys(ctx, trusted, from)
	if x.rep.LogKey != in.LogKey && x.rep.State() == Verified {
		x.rep.fail(in.ListFile, "it says that the log's key is %s, which is not %s (%s).", in.LogKey, x.rep.LogKey, from)
	}
	cp, ok := x.s.checkpoint(ctx)
	if !ok {
		return x.rep, ctx.Err()
	}
	x.remembered(cp, o.Known)
	if err := x.read(ctx, cp); err != nil {
		return x.rep, err
	}
	if !x.cut {
		x.ended(cp)
	}
	if o.LogKey == "" && x.rep.State() == Verified {
		x.rep.AuthorUnknown = true
		x.rep.add(Finding{State: NotChecked, What: AuthorUnknown + ": nobody outside this file vouches for the log's key " + x.rep.LogKey + ".",
			Next: "Give the log's verifier key, from whoever you trust to know it."})
	}
	return x.rep, nil
}

type extract struct {
	in  Extracted
	s   *scan
	rep ExtractReport

	order chan *block // blocks in their order, each sent when its reading has begun
	now   *block
	at    int    // next entry of now
	last  uint64 // seq of the entry before
	some  bool   // there was one

	pending []*record       // members of a batch whose seal has not come yet
	context int             // of in.Context that have come
	sealing map[string]bool // IDs of the keys whose seals are here
	whole   uint64          // next entry of the whole part to be shown or hidden
	covered uint64          // next entry of it to be under a seal or a loss
	firstAt string          // received_at of the first batch in it
	lastAt  string          // and of the last
	cut     bool            // the entries could not be read to their end
	unsure  bool            // the proofs of batches cannot be told apart any more
}

// block is some entries, taken apart by one worker.
type block struct {
	entries [][]byte
	records []record
	leaves  []proof.Hash
	why     []string // what is wrong with an entry; "" is nothing
	placed  []bool   // it says at which seq it is
	done    chan struct{}
}

// remembered holds the checkpoint against those of the same size that others kept: of others nothing here tells whether
// they are of the same history.
func (x *extract) remembered(cp proof.Checkpoint, all []Known) {
	for _, k := range all {
		old, _, err := x.s.keys.OpenOlder(k.Checkpoint, x.s.trusted)
		if err != nil || old.Origin != cp.Origin || old.Size != cp.Size {
			continue
		}
		if old.Root != cp.Root {
			x.rep.fail(x.s.checkpointFile(), "%s saw another root signed for %d entries: two histories of one log.", k.From, cp.Size)
			continue
		}
		x.rep.Known++
	}
}

// read computes the root from the entries, which are judged as they come by.
func (x *extract) read(ctx context.Context, cp proof.Checkpoint) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	x.order = make(chan *block, x.s.workers)
	todo := make(chan *block, x.s.workers)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	for range x.s.workers {
		wg.Go(func() {
			for b := range todo {
				x.s.check.block(b)
				close(b.done)
			}
		})
	}
	var readErr error // published by closing order
	wg.Go(func() {
		defer close(todo)
		defer close(x.order)
		for {
			entries, err := x.in.Next()
			if err != nil || len(entries) == 0 {
				readErr = err
				return
			}
			b := &block{entries: entries, done: make(chan struct{})}
			for _, to := range []chan *block{x.order, todo} {
				select {
				case to <- b:
				case <-ctx.Done():
					return
				}
			}
		}
	})
	if w := x.in.Whole; w != nil {
		x.whole, x.covered = w.First, w.First
	}
	root, err := proof.SetRoot(max(cp.Size, 1), func() (proof.Leaf, bool, error) { return x.leaf(ctx) }, x.in.Tree)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	x.whole = math.MaxUint64                        // none is hidden any more
	for err != nil && !errors.Is(err, errExtract) { // what can be said of single entries is said first
		if _, more, lerr := x.leaf(ctx); lerr != nil || !more {
			break
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if x.cut = errors.Is(err, errExtract); x.cut { // what is behind it is not known
		return nil
	}
	if x.now == nil && readErr != nil {
		x.rep.Refuse(x.in.EntriesFile, readErr)
		x.cut = true
		return nil
	}
	x.unsealed(x.rep.Size, "the file ends")
	if err == nil {
		if _, more, terr := x.in.Tree(); terr != nil {
			err = terr
		} else if more {
			err = fmt.Errorf("%w: more hashes than these entries need", proof.ErrProof)
		}
	}
	switch {
	case err != nil:
		x.rep.Refuse(x.in.TreeFile, err)
	case root != cp.Root:
		x.rep.fail(x.in.TreeFile, "these entries lead to root %s, the checkpoint states %s for %d entries: some of them are not what was signed, or not in their places.", root, cp.Root, cp.Size)
	}
	return nil
}

// errExtract ends the reading where a finding was added that says why.
var errExtract = errors.New("stop")

// Refuse adds an error of reading a file to the report: a failure where it says that the file is not what it must be, else
// that it was not checked.
func (r *Report) Refuse(file string, err error) {
	var damage *logread.DamageError
	switch {
	case errors.As(err, &damage):
		r.fail(damage.File, "%s.", damage.Reason)
	case classify(err) == Failed, errors.Is(err, proof.ErrMalformed), errors.Is(err, proof.ErrProof), errors.Is(err, proof.ErrSignature):
		r.fail(file, "%v.", err)
	default:
		r.skip(file, "it could not be read: %v.", err)
	}
}

// block takes entries apart.
func (k *checker) block(b *block) {
	n := len(b.entries)
	b.records, b.leaves, b.why, b.placed = make([]record, n), make([]proof.Hash, n), make([]string, n), make([]bool, n)
	var envelope proof.EnvelopeParser
	for i, entry := range b.entries {
		b.leaves[i] = proof.LeafHash(entry)
		b.records[i].seq, b.placed[i] = statedSeq(entry)
		if b.placed[i] {
			b.why[i] = k.entry(&b.records[i], entry, &envelope)
		}
	}
}

// statedSeq is the number that an entry gives itself, before anything else of it is looked at.
func statedSeq(entry []byte) (seq uint64, ok bool) {
	rest, ok := bytes.CutPrefix(entry, []byte(`{"v":1,"seq":`))
	digits, _, found := bytes.Cut(rest[:min(len(rest), 20)], []byte(","))
	seq, err := strconv.ParseUint(string(digits), 10, 64)
	return seq, ok && found && err == nil && seq < proof.MaxSize
}

// leaf returns the next leaf that is accounted for, and judges the entry if it is shown.
func (x *extract) leaf(ctx context.Context) (proof.Leaf, bool, error) {
	for x.now == nil || x.at == len(x.now.records) {
		b, more := x.block(ctx)
		if ctx.Err() != nil {
			return proof.Leaf{}, false, ctx.Err()
		}
		if x.now, x.at = b, 0; !more {
			return x.hidden(proof.MaxSize)
		}
	}
	b, i := x.now, x.at
	r := &b.records[i]
	if !b.placed[i] {
		x.rep.fail("", "behind entry %d stands something that is no entry.", x.last)
		return proof.Leaf{}, false, errExtract
	}
	if x.some && r.seq <= x.last {
		x.rep.failSeq(r.seq, "", "this entry stands behind entry %d: entries rise, and each is here once.", x.last)
		return proof.Leaf{}, false, errExtract
	}
	if r.seq >= x.rep.Size {
		x.rep.failSeq(r.seq, "", "this entry is not under the checkpoint, which is over %d.", x.rep.Size)
		return proof.Leaf{}, false, errExtract
	}
	if l, is, err := x.hidden(r.seq); is || err != nil {
		return l, is, err
	}
	x.at++
	x.last, x.some = r.seq, true
	if x.in.Whole != nil && r.seq == x.whole && r.seq <= x.in.Whole.Last {
		x.whole++
	}
	if b.why[i] != "" {
		x.rep.failSeq(r.seq, "", "%s", b.why[i])
	} else {
		x.judge(r)
	}
	if x.s.report != nil && (x.at == len(b.records)) {
		x.s.report(x.rep.Entries, max(x.in.Total, x.rep.Entries))
	}
	return proof.Leaf{Index: r.seq, Hash: b.leaves[i]}, true, nil
}

func (x *extract) block(ctx context.Context) (b *block, more bool) {
	select {
	case b, more = <-x.order:
	case <-ctx.Done():
		return nil, false
	}
	if more {
		select {
		case <-b.done:
		case <-ctx.Done():
		}
	}
	return b, more
}

// hidden returns the next entry of the whole part that is not shown, if there is one below seq.
func (x *extract) hidden(seq uint64) (proof.Leaf, bool, error) {
	if w := x.in.Whole; w == nil || x.whole > w.Last || x.whole >= seq {
		return proof.Leaf{}, false, nil
	}
	x.rep.Hidden++
	x.whole++
	return proof.Leaf{Index: x.whole - 1, Hidden: true}, true, nil
}

// judge takes the next entry that is shown.
func (x *extract) judge(r *record) {
	if r.kind != kindSeal {
		if x.context < len(x.in.Context) && x.in.Context[x.context] == r.seq {
			x.context++
		} else {
			x.rep.Found++
			if x.rep.Till = r.at; x.rep.From == "" {
				x.rep.From = r.at
			}
		}
	}
	switch {
	case r.kind == kindSeal:
		x.seal(r)
	case r.kind == kindStub && r.stub.Code == proof.StubLost:
		x.unsealed(r.seq, "a declared loss")
		x.from(r.seq, r)
		x.s.chain.add(r)
	case len(x.pending) == proof.MaxBatch:
		x.unsealed(r.seq, "another batch")
		fallthrough
	default:
		x.pending = append(x.pending, r)
	}
}

// listed demands each key of a seal that is here among those that the extract lists, and names the first one enrolled that is not.
func (x *extract) listed() {
	for _, k := range x.in.Keys {
		delete(x.sealing, proof.KeyID(k.VKey))
	}
	first := uint64(proof.MaxSize)
	for id := range x.sealing {
		first = min(first, x.s.chain.keys[id].enrolled)
	}
	if len(x.sealing) > 0 {
		x.rep.failSeq(first, x.in.ListFile, "it does not list the key that this entry enrols, of which a seal is here.")
	}
}

// unsealed reports members for which no seal has come.
func (x *extract) unsealed(seq uint64, by string) {
	for _, r := range x.pending {
		x.rep.failSeq(r.seq, "", "the seal over this entry is not here: %s at seq %d.", by, seq)
	}
	x.pending = x.pending[:0]
}

// from is called where a batch or a loss begins that ends with r: what lies before it and behind the last one is left out,
// and must not be where the whole is promised.
func (x *extract) from(start uint64, r *record) {
	c := x.s.chain
	if start > c.next {
		c.gap(start, false)
		c.batch.partial = false // its beginning is known
	}
	w := x.in.Whole
	if w == nil || r.seq < w.First || start > w.Last {
		return
	}
	switch {
	case start > x.covered:
		x.rep.failSeq(x.covered, "", "the entries from here to %d are said to be accounted for, and no seal or loss that is here says what they are.", start-1)
	case start < w.First, r.seq > w.Last:
		x.rep.failSeq(start, "", "the batch from here to %d is only partly in the range that is said to be whole.", r.seq)
	}
	x.covered = r.seq + 1
	if x.lastAt = r.at; x.firstAt == "" {
		x.firstAt = r.at
	}
}

// seal takes a seal, and with it the members of its batch that are shown.
func (x *extract) seal(r *record) {
	c, members := x.s.chain, x.pending
	x.pending = nil
	if r.bad != "" {
		if r.seq > c.next {
			c.gap(r.seq, false)
		}
		c.add(r)
		return
	}
	n := uint64(r.seal.Count)
	start := r.seq - min(n, r.seq)
	if n > r.seq || start < c.next {
		x.rep.failSeq(r.seq, "", "the seal is over %d events, which should stand before it, where there is no room for them.", n)
		return
	}
	for len(members) > 0 && members[0].seq < start {
		x.rep.failSeq(members[0].seq, "", "the seal over this entry is not here: the next one, at seq %d, is over %d events.", r.seq, n)
		members = members[1:]
	}
	x.from(start, r)
	x.sealing[proof.KeyID(r.seal.Key)] = true
	root, shown := x.root(r, start, members), members
	for i := range n {
		if len(members) > 0 && members[0].seq == start+i {
			c.add(members[0])
			members = members[1:]
			continue
		}
		c.hide(&record{seq: start + i, at: r.at, via: r.via, stream: r.stream}, r.seal.First+i)
	}
	c.batch.root = &root
	if len(shown) > 0 {
		c.batch.seq = shown[0].seq // what is wrong is wrong with what is shown
	}
	c.add(r)
}

// hide takes a numbered entry of a batch of which nothing is known but that its seal says so.
func (c *chain) hide(r *record, num uint64) {
	c.next = r.seq + 1
	c.member(r, r.stream, num, proof.Hash{})
}

// root computes the root over a batch's events from those that are shown and the proof. Of a batch of which nothing is shown
// there is nothing to prove.
func (x *extract) root(r *record, start uint64, shown []*record) proof.Hash {
	if len(shown) == 0 || x.unsure {
		return r.seal.Root
	}
	i := 0
	root, err := proof.SetRoot(uint64(r.seal.Count), func() (proof.Leaf, bool, error) {
		if i == len(shown) {
			return proof.Leaf{}, false, nil
		}
		m := shown[i]
		i++
		l := proof.Leaf{Index: m.seq - start, Hash: m.eventLeaf}
		if m.kind == kindStub {
			l.Hash = m.stub.Leaf
		}
		return l, true, nil
	}, x.in.Batches)
	if err != nil {
		x.unsure = true
		if !errors.Is(err, proof.ErrProof) && !errors.Is(err, proof.ErrMalformed) {
			x.rep.Refuse(x.in.BatchesFile, err)
			return r.seal.Root
		}
		x.rep.failSeq(shown[0].seq, x.in.BatchesFile, "that this entry stands under the seal at seq %d is not shown: %v.", r.seq, err)
		return r.seal.Root
	}
	return root
}

// ended says what is only known at the end.
func (x *extract) ended(cp proof.Checkpoint) {
	c := x.s.chain
	if !x.unsure {
		if _, more, err := x.in.Batches(); err != nil {
			x.rep.Refuse(x.in.BatchesFile, err)
		} else if more {
			x.rep.fail(x.in.BatchesFile, "it has more hashes than these batches need.")
		}
	}
	if x.context < len(x.in.Context) {
		x.rep.failSeq(x.in.Context[x.context], x.in.ListFile, "it names this entry, which is not here as an event or a stub, or not in its place.")
	}
	for _, k := range x.in.Keys {
		got := c.keys[proof.KeyID(k.VKey)]
		switch {
		case got == nil:
			x.rep.failSeq(k.Enrolled, x.in.ListFile, "no entry that is here enrols the key %s, as it says.", k.VKey)
		case got.enrolled != k.Enrolled, got.revoked != (k.Revoked != nil), got.revoked && got.revokedAt != *k.Revoked:
			x.rep.failSeq(k.Enrolled, x.in.ListFile, "what it says of the enrolment and revocation of the key %s is not what the entries say.", k.VKey)
		}
	}
	if x.rep.State() != Failed {
		x.listed()
	}
	if w := x.in.Whole; w != nil {
		switch {
		case x.rep.State() == Failed:
		case x.covered != w.Last+1:
			x.rep.failSeq(x.covered, "", "the entries from here to %d are said to be accounted for, and no seal or loss that is here says what they are.", w.Last)
		case w.First > w.SearchFirst && (w.SearchFrom == "" || x.firstAt >= w.SearchFrom):
			x.rep.failSeq(w.First, "", "what is accounted for begins here, and nothing shows that no entry before it was asked for.")
		case w.Last < min(w.SearchLast, cp.Size-1) && (w.SearchTill == "" || x.lastAt < w.SearchTill):
			x.rep.failSeq(w.Last, "", "what is accounted for ends here, and nothing shows that no entry behind it was asked for.")
		}
	}
	c.end()
	x.s.compareKeysTold(false)
}
