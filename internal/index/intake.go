package index

import (
	"fmt"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// intake makes entries of a log into what is indexed. Which key sealed an entry is said by the seal of its batch, which comes
// behind it: so entries wait for their seal, and are indexed with it or not at all.
type intake struct {
	waiting []waiting
	terms   termList
	seals   proof.SealVerifier

	last     *search.Record // the one before, with what it was made of
	received string
	via      string
}

type waiting struct {
	record *search.Record
	leaf   proof.Hash
}

// maxBatch bounds how many entries can wait for a seal: more cannot be under one.
const maxBatch = 1 << 16

// An entry's place in the index is given by the order of add.
type adder func(received time.Time, terms *termList, leaf proof.Hash) error

// take reads the next entry, and gives what is complete with it to add.
func (in *intake) take(entry []byte, add adder) error {
	e, err := proof.ParseEntry(entry)
	if err != nil {
		return err
	}
	leaf := proof.LeafHash(entry)
	r, answer, err := in.record(e)
	if err != nil {
		return err
	}
	if answer && (r.Stub == nil || r.Stub.Code != proof.StubLost) {
		if len(in.waiting) == maxBatch {
			return fmt.Errorf("entry %d: no seal follows", e.Seq)
		}
		in.waiting = append(in.waiting, waiting{r, leaf})
		return nil
	}
	if answer && len(in.waiting) > 0 {
		return fmt.Errorf("entry %d: a declared loss stands within a batch", e.Seq)
	}
	if answer {
		in.terms.of(r)
		return add(r.Received, &in.terms, leaf)
	}
	seal, err := in.seals.Parse(e.Seal.Note)
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	for _, w := range in.waiting {
		w.record.Key = seal.Key
		in.terms.of(w.record)
		if err := add(w.record.Received, &in.terms, w.leaf); err != nil {
			return err
		}
	}
	clear(in.waiting)
	in.waiting = in.waiting[:0]
	received, err := proof.ParseTime(e.ReceivedAt)
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	in.terms.none()
	return add(received, &in.terms, leaf)
}

// record is search.NewRecord, which it spares most of the work for the entries of a batch: they share received_at and via.
func (in *intake) record(e proof.Entry) (*search.Record, bool, error) {
	if in.last == nil || e.Event == nil || e.ReceivedAt != in.received || string(e.Via) != in.via {
		r, ok, err := search.NewRecord(e, "")
		if err == nil && ok {
			in.last, in.received, in.via = r, e.ReceivedAt, string(e.Via)
		}
		return r, ok, err
	}
	r := &search.Record{Seq: e.Seq, Received: in.last.Received, Via: in.last.Via}
	var err error
	if r.Event, err = event.Parse(e.Event); err != nil {
		return nil, false, fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	return r, true, nil
}
