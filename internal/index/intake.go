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
	entries proof.EnvelopeParser
	events  event.Reader
	seals   proof.SealVerifier
	terms   termList

	last     *search.Record // the one before, with what it was made of
	received string
	via      string

	key, keyID string // of the last seal
}

type waiting struct {
	entry proof.Entry
	leaf  proof.Hash
}

// maxBatch bounds how many entries can wait for a seal: more cannot be under one.
const maxBatch = 1 << 16

// An entry's place in the index is given by the order of add.
type adder func(received time.Time, terms *termList, leaf proof.Hash) error

// take reads the next entry, and gives what is complete with it to add. The bytes must stay as they are until the entry's seal
// has come.
func (in *intake) take(entry []byte, add adder) error {
	e, err := in.entries.Parse(entry)
	if err != nil {
		return err
	}
	leaf := proof.LeafHash(entry)
	switch {
	case e.Seal != nil:
		return in.sealed(e, leaf, add)
	case e.Stub != nil && e.Stub.Code == proof.StubLost:
		if len(in.waiting) > 0 {
			return fmt.Errorf("entry %d: a declared loss stands within a batch", e.Seq)
		}
		return in.index(e, leaf, "", "", add)
	case len(in.waiting) == maxBatch:
		return fmt.Errorf("entry %d: no seal follows", e.Seq)
	}
	in.waiting = append(in.waiting, waiting{e, leaf})
	return nil
}

// sealed indexes the entries of a batch, and its seal, which no query finds.
func (in *intake) sealed(e proof.Entry, leaf proof.Hash, add adder) error {
	seal, err := in.seals.Parse(e.Seal.Note)
	if err != nil {
		return fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	if in.key != seal.Key {
		in.key, in.keyID = seal.Key, proof.KeyID(seal.Key)
	}
	for _, w := range in.waiting {
		if err := in.index(w.entry, w.leaf, in.key, in.keyID, add); err != nil {
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

func (in *intake) index(e proof.Entry, leaf proof.Hash, key, keyID string, add adder) error {
	r, err := in.record(e)
	if err != nil {
		return err
	}
	r.Key, r.KeyID = key, keyID
	in.terms.of(r)
	return add(r.Received, &in.terms, leaf)
}

// record is search.NewRecord of what is no seal, which it spares most of the work: the entries of a batch share received_at
// and via, and an event is parsed into the memory of the one before.
func (in *intake) record(e proof.Entry) (*search.Record, error) {
	raw := e.Event
	if in.last == nil || e.ReceivedAt != in.received || string(e.Via) != in.via {
		e.Event = nil
		r, _, err := search.NewRecord(e, "")
		if err != nil {
			return nil, err
		}
		in.last, in.received, in.via = r, e.ReceivedAt, string(e.Via)
	}
	r := in.last
	r.Seq, r.Stub, r.Event = e.Seq, e.Stub, nil
	if raw != nil {
		var err error
		if r.Event, err = in.events.Parse(raw); err != nil {
			return nil, fmt.Errorf("entry %d: %w", e.Seq, err)
		}
	}
	return r, nil
}
