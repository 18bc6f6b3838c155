package verify

import (
	"bytes"

	"github.com/stetlog/stet/proof"
)

// A chain follows what the entries say, one after the other: batches and their seals, streams, keys, time. It is
// sequential and cheap; whatever can be checked of an entry by itself was done before it gets here.
//
// When entries are missing (damaged, or not readable; that has been reported) it goes on behind them and accepts what
// they might have explained, so that one cause is one finding and nothing unread is called a failure.
type chain struct {
	rep    *Report
	intern map[string]string

	next   uint64 // seq of the next entry
	lastAt string // received_at of the one before

	batch   batch
	streams map[streamID]*stream
	keys    map[string]*key // by proof.KeyID
	gaps    int             // how often entries were missing
	part    bool            // what is read is an extract: entries are left out on purpose
	unread  bool            // one of these gaps was for want of reading, not for damage

	foreignAt uint64 // seq of the first foreign claim

	// Batches that are in spools, too: their seals are noted here as they come by.
	watch map[streamID]map[numbers]proof.Hash
}

type streamID [16]byte

// key is an emitter's key from its enrolment on.
type key struct {
	enrolled  uint64 // seq of its enrolment
	revoked   bool
	revokedAt uint64
}

// stream is what must be known of a stream to judge its next batch.
type stream struct {
	key      string // owner: verifier key, "" while only a loss was declared
	app      string
	env      string
	next     uint64     // stream_seq that must come next
	seal     proof.Hash // SealHash of the last seal
	sealSeq  uint64     // its ledger seq
	firstSeq uint64     // ledger seq of the stream's first entry
	gaps     int        // chain.gaps when the stream was last seen
	sealGaps int        // chain.gaps when its last seal was seen
	sealed   bool       // there is a last seal
	final    bool
	lossy    bool   // a loss was declared since the last seal
	lost     bool   // a loss was ever declared
	lostSeq  uint64 // ledger seq of the last one
}

// batch is the batch that is being read: entries since the last seal.
type batch struct {
	open    bool
	partial bool // its beginning is missing: nothing about its whole can be checked
	broken  bool // something in it has been reported: its root cannot match
	over    bool // too large, reported
	seq     uint64
	at      string
	via     []byte
	stream  streamID
	named   bool // app and env are known: there was an event, not only stubs
	app     []byte
	env     []byte
	first   uint64
	next    uint64
	leaves  []proof.Hash
	root    *proof.Hash // over the events, computed from a proof because leaves of some are not known; or nil
	bytes   int
	acts    []act
}

// act is something that an event does to the keys, once its batch's seal has proven to be the store's.
type act struct {
	seq    uint64
	enrol  string // id of the key to enrol
	revoke string // or of the one to revoke

	hands    bool   // it hands the log over to another key
	handover string // the signed handover, in base64
	retire   string // id of an old key of the log that signs no more
}

func newChain(rep *Report) *chain {
	return &chain{rep: rep, streams: make(map[streamID]*stream), keys: make(map[string]*key), intern: make(map[string]string), watch: make(map[streamID]map[numbers]proof.Hash)}
}

// gap says that the entries up to next cannot be had. unread tells why: not readable, rather than damaged.
func (c *chain) gap(next uint64, unread bool) {
	if next <= c.next {
		return
	}
	c.next = next
	c.gaps++
	c.unread = c.unread || unread
	c.batch.reset()
	c.batch.partial = true
}

func (b *batch) reset() {
	*b = batch{via: b.via[:0], app: b.app[:0], env: b.env[:0], leaves: b.leaves[:0], acts: b.acts[:0]}
}

// add takes the next entry. r.seq is c.next.
func (c *chain) add(r *record) {
	c.rep.Entries++
	c.next = r.seq + 1
	if r.at < c.lastAt {
		c.rep.failSeq(r.seq, "", "received_at is %s, before the %s of the entry before it: time in a ledger never runs backwards.", r.at, c.lastAt)
	}
	c.lastAt = r.at
	switch r.kind {
	case kindEvent:
		c.event(r)
	case kindStub:
		if r.stub.Code == proof.StubLost {
			c.loss(r)
			return
		}
		c.rep.Refused++
		c.member(r, r.stream, r.stub.First, r.stub.Leaf)
	case kindSeal:
		c.seal(r)
	}
}

func (c *chain) event(r *record) {
	c.rep.Events++
	if r.bad != "" {
		c.rep.failSeq(r.seq, "", "this event is not a valid %s: %s.", "stet.event/1", r.bad)
	}
	if !r.ref.ok { // nothing is known of it but that it is there
		c.member(r, c.batch.stream, c.batch.next, r.eventLeaf)
		c.batch.broken = true
		return
	}
	c.member(r, r.stream, r.ref.num, r.eventLeaf)
	b := &c.batch
	b.bytes += len(r.event)
	switch {
	case !b.named:
		b.named = true
		b.app, b.env = append(b.app, r.ref.app...), append(b.env, r.ref.env...)
	case string(b.app) != string(r.ref.app) || string(b.env) != string(r.ref.env):
		b.broken = true
		c.rep.failSeq(r.seq, "", "this event is of app %q in %q, the batch that it stands in is of app %q in %q.", r.ref.app, r.ref.env, b.app, b.env)
	}
	if r.ref.reserved {
		c.reserved(r)
	}
}

// member takes one numbered entry of a batch: an event, or the stub of a refused one.
func (c *chain) member(r *record, id streamID, num uint64, leaf proof.Hash) {
	b := &c.batch
	if b.open && !b.broken && (id != b.stream || num != b.next || r.at != b.at || !bytes.Equal(r.via, b.via)) {
		switch {
		case id != b.stream:
			c.rep.failSeq(r.seq, "", "this entry is of stream %s and stands inside a batch of stream %s, which began at seq %d and has no seal yet.", id, b.stream, b.seq)
		case num != b.next:
			c.rep.failSeq(r.seq, "", "this entry has number %d of stream %s, number %d must come next.", num, id, b.next)
		default:
			c.rep.failSeq(r.seq, "", "this entry has another received_at or via than the batch that it stands in, which began at seq %d.", b.seq)
		}
		b.broken = true
	}
	if !b.open {
		partial := b.partial
		b.reset()
		b.open, b.partial, b.seq, b.at, b.stream, b.first = true, partial, r.seq, r.at, id, num
		b.via = append(b.via, r.via...)
		b.next = num
	}
	b.next++
	if len(b.leaves) < proof.MaxBatch {
		b.leaves = append(b.leaves, leaf)
	} else if !b.over {
		b.over, b.broken = true, true
		c.rep.failSeq(r.seq, "", "the batch that began at seq %d has more than %d events.", b.seq, proof.MaxBatch)
	}
}

// loss takes a declared loss: numbers of a stream that will never come.
func (c *chain) loss(r *record) {
	c.closeUnsealed(r.seq, "a declared loss")
	c.rep.Losses++
	c.rep.Lost += r.stub.Last - r.stub.First + 1
	st := c.stream(r.stream, r.seq)
	c.continues(r.seq, r.stream, st, r.stub.First)
	st.next, st.lossy, st.gaps = r.stub.Last+1, true, c.gaps
	st.lost, st.lostSeq = true, r.seq
}

// closeUnsealed reports a batch that ends without its seal.
func (c *chain) closeUnsealed(seq uint64, by string) {
	if c.batch.open && !c.batch.broken {
		c.rep.failSeq(c.batch.seq, "", "the batch of stream %s that begins here has no seal: %s follows it at seq %d.", c.batch.stream, by, seq)
	}
	c.batch.reset()
}

// stream returns the state of a stream, new where it was not seen before.
func (c *chain) stream(id streamID, seq uint64) *stream {
	st := c.streams[id]
	if st == nil {
		// Its gaps are 0, before any gap: a stream that is new behind one may have begun in it.
		st = &stream{next: 1, firstSeq: seq}
		c.streams[id] = st
	}
	return st
}

// continues checks that number first of a stream may come now.
func (c *chain) continues(seq uint64, id streamID, st *stream, first uint64) {
	switch {
	case st.final:
		c.rep.failSeq(seq, "", "stream %s was closed by its final seal at seq %d, nothing may follow.", id, st.sealSeq)
	case first < st.next:
		c.rep.failSeq(seq, "", "stream %s goes back to number %d, where %d must come next: these numbers were used before.", id, first, st.next)
	case first > st.next && st.gaps == c.gaps:
		c.rep.failSeq(seq, "", "stream %s has a hole: numbers %d to %d are missing before seq %d.", id, st.next, first-1, seq)
	}
}

// seal takes the seal that ends a batch.
func (c *chain) seal(r *record) {
	c.rep.Seals++
	b := &c.batch
	defer func() { b.reset() }()
	if r.bad != "" {
		c.rep.failSeq(r.seq, "", "the seal is not good: %s.", r.bad)
		if b.open { // its stream's state is not known from here on
			st := c.stream(b.stream, b.seq)
			st.gaps, st.sealGaps = -1, -1
		}
		return
	}
	s := r.seal
	c.checkBatch(r, s)
	st := c.stream(r.stream, r.seq-uint64(min(len(b.leaves), int(r.seq))))
	c.continues(r.seq, r.stream, st, s.First)
	c.owner(r, s, st)
	c.checkPrev(r, s, st)
	c.checkKey(r, s)
	at := numbers{s.First, s.Next()}
	if _, ok := c.watch[r.stream][at]; ok {
		c.watch[r.stream][at] = r.sealHash
	}
	st.next, st.seal, st.sealSeq, st.sealed = s.Next(), r.sealHash, r.seq, true
	st.final, st.lossy, st.gaps, st.sealGaps = s.Final, false, c.gaps, c.gaps
}

// checkBatch holds a seal against the entries under it.
func (c *chain) checkBatch(r *record, s *proof.Seal) {
	b := &c.batch
	n := len(b.leaves)
	switch {
	case b.broken:
		return
	case b.partial: // as far as it can be seen
		if b.open && (r.stream != b.stream || b.next != s.Next()) {
			c.rep.failSeq(r.seq, "", "the seal is of stream %s up to number %d, the entries before it are of stream %s up to number %d.", r.stream, s.Next()-1, b.stream, b.next-1)
		}
		return
	case !b.open && s.Count == 0:
		return
	case !b.open:
		c.rep.failSeq(r.seq, "", "the seal is over %d events of stream %s from number %d, and none of them stand before it.", s.Count, r.stream, s.First)
		return
	case r.stream != b.stream:
		c.rep.failSeq(r.seq, "", "the seal is of stream %s, the entries from seq %d before it are of stream %s.", r.stream, b.seq, b.stream)
		return
	case s.First != b.first || s.Count != n:
		c.rep.failSeq(r.seq, "", "the seal is over %d events from number %d, %d from number %d stand before it.", s.Count, s.First, n, b.first)
		return
	case r.at != b.at || !bytes.Equal(r.via, b.via):
		c.rep.failSeq(r.seq, "", "the seal has another received_at or via than its batch, which began at seq %d.", b.seq)
	case b.named && (s.App != string(b.app) || s.Environment != string(b.env)):
		c.rep.failSeq(r.seq, "", "the seal is of app %q in %q, its events are of app %q in %q.", s.App, s.Environment, b.app, b.env)
	}
	if b.bytes > proof.MaxBatchBytes {
		c.rep.failSeq(r.seq, "", "the batch has %d bytes of events, at most %d are allowed.", b.bytes, proof.MaxBatchBytes)
	}
	if root := b.eventRoot(); root != s.Root {
		c.rep.failSeq(b.seq, "", "the events from here to seq %d are not those that were sealed: they have root %s, the seal at seq %d says %s.", r.seq-1, root, r.seq, s.Root)
	}
}

// eventRoot is the root over the batch's events.
func (b *batch) eventRoot() proof.Hash {
	if b.root != nil {
		return *b.root
	}
	return proof.RootOf(b.leaves)
}

// owner checks that a stream stays in one hand: one key, one application, one environment.
func (c *chain) owner(r *record, s *proof.Seal, st *stream) {
	switch {
	case st.key == "":
		st.key, st.app, st.env = c.same(s.Key), c.same(s.App), c.same(s.Environment)
	case st.key != s.Key:
		c.rep.failSeq(r.seq, "", "stream %s belongs to key %s, this batch is sealed by %s.", r.stream, shortKey(st.key), shortKey(s.Key))
	case st.app != s.App || st.env != s.Environment:
		c.rep.failSeq(r.seq, "", "stream %s is of app %q in %q, this batch is of app %q in %q.", r.stream, st.app, st.env, s.App, s.Environment)
	}
}

// same returns one copy of equal strings, so that a million streams do not hold a million keys.
func (c *chain) same(s string) string {
	if t, ok := c.intern[s]; ok {
		return t
	}
	c.intern[s] = s
	return s
}

// checkPrev checks the chain of seals, which a reader of the journal follows by prev_seq and nobody can forge by prev.
func (c *chain) checkPrev(r *record, s *proof.Seal, st *stream) {
	if st.sealGaps != c.gaps { // the last seal may be among the missing entries
		return
	}
	switch {
	case st.sealed && (r.prevSeq == nil || *r.prevSeq != st.sealSeq):
		c.rep.failSeq(r.seq, "", "prev_seq does not say that the stream's last seal is at seq %d.", st.sealSeq)
	case !st.sealed && r.prevSeq != nil:
		c.rep.failSeq(r.seq, "", "prev_seq says that stream %s had a seal at seq %d, it had none.", r.stream, *r.prevSeq)
	}
	if st.lossy { // the seal that prev names may be among what was lost
		return
	}
	switch {
	case s.HasPrev != st.sealed:
		c.rep.failSeq(r.seq, "", "the seal chain of stream %s is broken: this seal must name the one before it, and only the first names none.", r.stream)
	case st.sealed && s.Prev != st.seal:
		c.rep.failSeq(r.seq, "", "the seal chain of stream %s is broken: the seal names a predecessor that is not the one at seq %d.", r.stream, st.sealSeq)
	}
}

func shortKey(vkey string) string { return proof.KeyID(vkey)[:16] }

// boundary is called at every size that a head or checkpoint states: a ledger only ever grows by whole batches.
func (c *chain) boundary(size uint64) {
	if c.next == size && c.batch.open && !c.batch.broken {
		c.rep.failSeq(c.batch.seq, "", "the batch of stream %s that begins here is cut: the log ends at entry %d, before its seal.", c.batch.stream, size)
		c.batch.broken = true
	}
}

// end counts what there was.
func (c *chain) end() {
	if c.batch.open && !c.batch.broken {
		c.rep.failSeq(c.batch.seq, "", "the batch of stream %s that begins here is cut: no seal follows it.", c.batch.stream)
	}
	if c.rep.Foreign > 0 {
		c.rep.add(Finding{State: Verified, Seq: c.foreignAt, HasSeq: true, What: "this and maybe further events claim what only the store itself may say; they count for nothing and are shown as foreign claims."})
	}
	c.rep.Streams, c.rep.Open = uint64(len(c.streams)), 0
	for _, st := range c.streams {
		if !st.final {
			c.rep.Open++
		}
	}
	c.rep.Keys = uint64(len(c.keys))
}
