package ledger

import (
	"errors"
	"fmt"
	"runtime"

	"github.com/stetlog/stet/proof"
)

// maxRecovered is how many bytes of entries recovery reads before it publishes them: a publish that is large is cheap for
// each entry. It holds twice as much in memory, because it reads on meanwhile.
const maxRecovered = 32 << 20

// A replayer publishes the journal's batches again. Seals and hashes are checked on all processors; which stream and number
// a batch may have is decided in the journal's order; and while one lot is published the next is read. One goroutine uses
// it. It must be ended, also after an error.
type replayer struct {
	l      *Ledger
	lot    []*replayed
	bytes  int           // of the lot's entries
	slots  chan struct{} // one for each batch that is being checked
	commit chan error    // of the lot before; nil when none is under way
}

// replayed is one batch of the journal. What is checked is set when its group is hashed.
type replayed struct {
	group *group
	batch parsedBatch
	err   error
}

func newReplayer(l *Ledger) *replayer {
	return &replayer{l: l, slots: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// add takes a copy of one batch of the journal and begins to check it. An error may be that of a batch before.
func (r *replayer) add(seq uint64, entries [][]byte) error {
	size := 0
	for _, e := range entries {
		size += 2 + len(e)
	}
	b := &replayed{group: &group{buf: make([]byte, 0, size), ends: make([]uint32, 0, len(entries)), leaves: make([]proof.Hash, 0, len(entries))}}
	b.group.reset(seq)
	for _, e := range entries {
		if err := b.group.add(func(dst []byte, _ uint64) []byte { return append(dst, e...) }); err != nil {
			return refuseReplay(seq, err)
		}
	}
	r.slots <- struct{}{}
	go func() {
		defer func() { <-r.slots }()
		defer b.group.hash()
		own := make([][]byte, b.group.size())
		for i := range own {
			own[i] = b.group.entry(seq + uint64(i))
		}
		b.batch, b.err = parseBatch(&r.l.seals, seq, own)
	}()
	r.lot = append(r.lot, b)
	if r.bytes += size; r.bytes < r.l.lot {
		return nil
	}
	groups, err := r.settle()
	if err == nil {
		err = r.wait()
	}
	if err != nil {
		return err
	}
	done, p := make(chan error, 1), &r.l.publisher
	r.commit = done
	go func() {
		done <- p.commit(groups, p.head) // whose journal range stands until the journal is read to its end
	}()
	return nil
}

// end waits for everything under way and returns the groups that are not published yet. Its error is the first one in the
// journal's order.
func (r *replayer) end() ([]*group, error) {
	groups, err := r.settle()
	if werr := r.wait(); werr != nil {
		err = werr
	}
	return groups, err
}

// wait ends the publish that is under way.
func (r *replayer) wait() error {
	if r.commit == nil {
		return nil
	}
	err := <-r.commit
	r.commit = nil
	return err
}

// settle waits until the whole lot is checked, admits it batch after batch, and begins a new one. After an error nothing
// more can be settled.
func (r *replayer) settle() (groups []*group, err error) {
	for _, b := range r.lot {
		<-b.group.hashed
		if err == nil {
			err = r.l.readmit(b)
		}
		groups = append(groups, b.group)
	}
	r.lot, r.bytes = nil, 0
	return groups, err
}

// readmit holds a batch of the journal to what the sequencer would have done, and notes what it did.
func (l *Ledger) readmit(r *replayed) error {
	g, b := r.group, r.batch
	refuse := func(err error) error { return refuseReplay(g.first, err) }
	if r.err != nil {
		return refuse(r.err)
	}
	s := &l.sequencer
	if b.receivedAt < s.received {
		return refuse(fmt.Errorf("received_at %s is before %s, which came earlier", b.receivedAt, s.received))
	}
	stream := b.seal.Stream
	if b.loss != nil {
		stream = b.loss.Stream
	}
	id, err := parseStreamID(stream)
	if err != nil {
		return refuse(err)
	}
	state, known, err := l.streams.get(id)
	if err != nil {
		return err
	}
	last := g.end() - 1
	var older bool
	if b.loss != nil {
		older, err = state.admitLoss(known, stream, b.loss.First, b.loss.Last, proof.Hash{})
		state = state.lose(b.loss.Last, last)
	} else {
		hash := proof.SealHash(b.note)
		older, err = state.admit(known, b.seal, hash)
		if state.Sealed != (b.prevSeq != nil) || state.Sealed && *b.prevSeq != state.LastSealSeq {
			err = errors.Join(err, errors.New("prev_seq is not where the stream's last seal stands"))
		}
		state = state.seal(b.seal, hash, last)
	}
	if err != nil {
		return refuse(err)
	}
	if older {
		return refuse(fmt.Errorf("stream %s has these numbers already", stream))
	}
	g.received = b.receivedAt
	g.changes = append(g.changes, record{id, state})
	l.streams.put(id, state)
	s.next, s.received = g.end(), b.receivedAt
	return nil
}

func refuseReplay(seq uint64, err error) error {
	return &IntegrityError{Seq: seq, HasSeq: true, File: journalDir, Reason: "a batch that no ledger would have taken", Err: err}
}
