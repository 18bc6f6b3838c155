package published

import (
	"fmt"
	"time"

	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// Entry is one entry of a log. It and all that it leads to are good until the Taker that was given it returns; then their
// memory is used for the next one.
type Entry struct {
	Seq      uint64
	Received time.Time // received_at
	Raw      []byte    // the entry's exact bytes
	Event    []byte    // the event's, or nil
	Leaf     proof.Hash
	Seal     *proof.Seal // of a seal; else nil. It may be kept
	Key      string      // verifier key of the seal over it, or of itself; "" where none is
	KeyID    string      // proof.KeyID of it
	Of       uint64      // how many entries are being read, this one among them

	r      *Reader
	entry  proof.Entry
	asked  bool
	record *search.Record
	err    error
}

// Record is the entry as a query sees it; nil for a seal. It is parsed when the first Taker asks for it. Its error says that
// the entry cannot be read, by anybody.
func (e *Entry) Record() (*search.Record, error) {
	if !e.asked {
		e.asked = true
		if e.err == nil && e.Seal == nil {
			e.record, e.err = e.r.record(e)
		}
		if e.err != nil {
			e.err = fmt.Errorf("entry %d cannot be read: %w", e.Seq, e.err)
		}
	}
	return e.record, e.err
}

// record is search.NewRecord, which it spares most of the work: the entries of a batch share received_at and via, and an
// event is parsed into the memory of the one before.
func (r *Reader) record(e *Entry) (*search.Record, error) {
	if r.last == nil || e.entry.ReceivedAt != r.lastReceived || string(e.entry.Via) != r.lastVia {
		head := e.entry
		head.Event = nil
		record, _, err := search.NewRecord(head, "")
		if err != nil {
			return nil, err
		}
		r.last, r.lastReceived, r.lastVia = record, e.entry.ReceivedAt, string(e.entry.Via)
	}
	to := r.last
	to.Seq, to.Key, to.KeyID, to.Stub, to.Event = e.Seq, e.Key, e.KeyID, e.entry.Stub, nil
	if e.entry.Event != nil {
		var err error
		if to.Event, err = r.events.Parse(e.entry.Event); err != nil {
			return nil, err
		}
	}
	return to, nil
}
