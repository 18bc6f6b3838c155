package ledger

import (
	"fmt"
	"sync"
	"time"

	"github.com/stetlog/stet/internal/segment"
	"github.com/stetlog/stet/proof"
)

// Batch is a sealed batch as its sender made it, each event checked by the caller. The ledger reads its bytes until Append
// returns and keeps none of them.
type Batch struct {
	Via   []byte // canonical, see proof.Via.Append
	Items []Item // in stream order; as many as the seal counts
	Seal  []byte // the signed note
}

// Item is one event of a batch: exactly one of the two is set.
type Item struct {
	Event []byte // the emitter's exact bytes
	Stub  *Stub  // stands for an event that can never be accepted
}

// Stub is what is kept of a refused event: it consumes the event's number, and its leaf lets the seal be checked.
type Stub struct {
	Leaf   proof.Hash // RFC 6962 leaf hash of the refused event's exact bytes
	Reason string     // for people: plain text of at most proof.MaxReason bytes
}

// Loss declares that numbers of a stream will never come.
type Loss struct {
	Stream      string
	First, Last uint64 // stream_seq, both lost
	Reason      string // for people: plain text of at most proof.MaxReason bytes
	// Owner is whose stream the caller takes it to be (see OwnerOf), or zero. A stream of another owner is ErrNotOwner.
	Owner proof.Hash
}

// Placed is where a batch or a loss stands in the ledger.
type Placed struct {
	First      uint64    // seq of its first entry
	Count      int       // entries, the seal included
	ReceivedAt time.Time // shared by all of them
	Again      bool      // it was there already, from an earlier call
	PrevSeq    uint64    // ledger seq of the stream's previous seal, where HasPrev; both are zero for a loss
	HasPrev    bool
}

// Prev is the ledger seq of the stream's previous seal, as the batch's seal entry states it; nil for the first, and for a
// loss.
func (p Placed) Prev() *uint64 {
	if !p.HasPrev {
		return nil
	}
	return &p.PrevSeq
}

// A request is one Append under way. mu guards the bytes, which belong to Append's caller: the sequencer reads them while
// holding it, and not at all once they are taken back.
type request struct {
	mu    sync.Mutex
	taken bool // the bytes are not needed any more, or must not be read any more

	batch  Batch
	id     streamID
	seal   proof.Seal
	hash   proof.Hash // of the seal
	loss   *Loss
	bytes  int // upper bound of its entries' bytes in the journal
	result chan result
}

type result struct {
	placed Placed
	older  *StreamState // the numbers are used up: look for the batch in the ledger
	err    error
}

// release takes the bytes back.
func (r *request) release() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken = true
	r.batch = Batch{}
}

const (
	maxSeq = proof.MaxSize - 1
	// anyTime has the length of every received_at.
	anyTime = "2026-01-02T15:04:05.000000000Z"
)

// scratch is what checking a batch needs; reused through Ledger.scratch.
type scratch struct {
	entry  []byte
	leaves []proof.Hash
}

// check opens a batch's seal and recomputes its root from the bytes, in the caller's goroutine. What it accepts can be
// written and read back: an entry that recovery could not parse would take the whole store with it.
func (l *Ledger) check(b Batch) (*request, error) {
	invalid := func(format string, args ...any) (*request, error) {
		return nil, fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
	}
	if _, err := proof.ParseVia(b.Via); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	seal, err := l.seals.Open(b.Seal)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(b.Items) != seal.Count {
		return invalid("%d events under a seal over %d", len(b.Items), seal.Count)
	}
	r := &request{batch: b, seal: seal, hash: proof.SealHash(b.Seal), result: make(chan result, 1)}
	if r.id, err = parseStreamID(seal.Stream); err != nil {
		return nil, err
	}
	s, ok := l.scratch.Get().(*scratch)
	if !ok {
		s = new(scratch)
	}
	defer l.scratch.Put(s)
	s.leaves = s.leaves[:0]
	events, around := 0, len(proof.AppendEventEntry(s.entry[:0], maxSeq, anyTime, b.Via, nil))
	for i, item := range b.Items {
		if (item.Event != nil) == (item.Stub != nil) {
			return invalid("item %d has both or neither of event and stub", i)
		}
		size := around + len(item.Event)
		if item.Stub != nil {
			stub := refused(seal, i, item.Stub)
			s.entry = proof.AppendStubEntry(s.entry[:0], maxSeq, anyTime, b.Via, stub)
			s.leaves = append(s.leaves, stub.Leaf)
			size = len(s.entry)
			_, err = proof.ParseEntry(s.entry)
		} else {
			// Of an event's entry all but the event is known to be sound: it need not be built twice.
			events += len(item.Event)
			s.leaves = append(s.leaves, proof.LeafHash(item.Event))
			err = proof.CheckEvent(item.Event)
		}
		if err == nil && size > proof.MaxEntry {
			err = fmt.Errorf("it would have %d bytes, at most %d are allowed", size, proof.MaxEntry)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: item %d cannot become an entry: %w", ErrInvalid, i, err)
		}
		r.bytes += 2 + size
	}
	prev := uint64(maxSeq - 1)
	s.entry = proof.AppendSealEntry(s.entry[:0], maxSeq, anyTime, b.Via, proof.SealEntry{PrevSeq: &prev, Note: b.Seal})
	r.bytes += 2 + len(s.entry)
	switch {
	case events > proof.MaxBatchBytes:
		return invalid("%d bytes of events, at most %d are allowed", events, proof.MaxBatchBytes)
	case r.bytes > segment.MaxPayload:
		return invalid("%d bytes of entries, at most %d are allowed", r.bytes, segment.MaxPayload)
	case proof.RootOf(s.leaves) != seal.Root:
		return invalid("the events do not have the Merkle root that their seal states")
	}
	return r, nil
}

// refused is the stub of the i-th event of a batch.
func refused(seal proof.Seal, i int, s *Stub) proof.Stub {
	n := seal.First + uint64(i)
	return proof.Stub{Stream: seal.Stream, First: n, Last: n, Code: proof.StubRefused, Leaf: s.Leaf, Reason: s.Reason}
}

func (s Loss) stub() proof.Stub {
	return proof.Stub{Stream: s.Stream, First: s.First, Last: s.Last, Code: proof.StubLost, Reason: s.Reason}
}

func checkLoss(via []byte, loss Loss) (*request, error) {
	if _, err := proof.ParseVia(via); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	id, err := parseStreamID(loss.Stream)
	if err != nil {
		return nil, err
	}
	stub := loss.stub()
	e := proof.Entry{Seq: maxSeq, ReceivedAt: anyTime, Via: via, Stub: &stub}
	if err := e.Check(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	return &request{
		batch: Batch{Via: via}, id: id, loss: &loss, bytes: 2 + len(e.Append(nil)), result: make(chan result, 1),
	}, nil
}

// A parsedBatch is a journal frame or a run of bundle entries read back: a sealed batch, or a declared loss.
type parsedBatch struct {
	receivedAt string
	via        []byte
	note       []byte      // the seal, or nil for a loss
	prevSeq    *uint64     // of the seal
	seal       proof.Seal  // when note is set
	loss       *proof.Stub // or nil
}

// parseBatch reads the entries of one frame, whose first has number seq, and holds them to every rule that Append holds
// a batch to.
func parseBatch(seals *proof.SealVerifier, seq uint64, entries [][]byte) (parsedBatch, error) {
	var p parsedBatch
	bad := func(i int, format string, args ...any) (parsedBatch, error) {
		return p, fmt.Errorf("entry %d: %s", seq+uint64(i), fmt.Sprintf(format, args...))
	}
	stubs := make(map[int]*proof.Stub)
	leaves := make([]proof.Hash, 0, len(entries))
	for i, b := range entries {
		e, err := proof.ParseEntry(b)
		if err != nil {
			return p, fmt.Errorf("entry %d: %w", seq+uint64(i), err)
		}
		if i == 0 {
			p.receivedAt, p.via = e.ReceivedAt, e.Via
		}
		last := i == len(entries)-1
		switch {
		case e.Seq != seq+uint64(i):
			return bad(i, "it says that it is entry %d", e.Seq)
		case e.ReceivedAt != p.receivedAt || string(e.Via) != string(p.via):
			return bad(i, "received_at and via differ within a batch")
		case e.Event != nil && !last:
			leaves = append(leaves, proof.LeafHash(e.Event))
		case e.Stub != nil && e.Stub.Code == proof.StubRefused && !last:
			leaves = append(leaves, e.Stub.Leaf)
			stubs[i] = e.Stub
		case e.Stub != nil && e.Stub.Code == proof.StubLost && last && i == 0:
			p.loss = e.Stub
			return p, nil
		case e.Seal != nil && last:
			p.note, p.prevSeq = e.Seal.Note, e.Seal.PrevSeq
		default:
			return bad(i, "a batch is events or stubs and then a seal")
		}
	}
	if p.note == nil {
		return bad(0, "no entries")
	}
	var err error
	if p.seal, err = seals.Open(p.note); err != nil {
		return bad(len(entries)-1, "%v", err)
	}
	if len(leaves) != p.seal.Count || proof.RootOf(leaves) != p.seal.Root {
		return bad(0, "the events are not those under their seal")
	}
	for i, s := range stubs {
		if s.Stream != p.seal.Stream || s.First != p.seal.First+uint64(i) {
			return bad(i, "a stub of stream %s, number %d, where number %d of stream %s belongs", s.Stream, s.First, p.seal.First+uint64(i), p.seal.Stream)
		}
	}
	return p, nil
}
