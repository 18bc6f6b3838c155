package watch

import (
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/proof"
)

// Taker takes the entries of a log in their order. Each Machine is one.
type Taker interface{ Add(Entry) }

// Listener gives takers the entries of a log, in their order and from the first one, as a Runner gives them to its machines:
// for whoever wants to know what would be found, and records nothing.
type Listener struct {
	StoreKey string // verifier key of the log's store
	To       []Taker
}

// Take implements published.Taker. Its error is about the entry, which then nobody was given.
func (l Listener) Take(f *published.Entry) error {
	e, err := entryOf(f, l.StoreKey)
	if err != nil {
		return err
	}
	for _, t := range l.To {
		t.Add(e)
	}
	return nil
}

// Caught implements published.Taker.
func (Listener) Caught(proof.Checkpoint) error { return nil }

// entryOf is an entry as machines see it.
func entryOf(f *published.Entry, storeKey string) (Entry, error) {
	e := Entry{Seq: f.Seq, ReceivedAt: f.Received, KeyID: f.KeyID, StoreKey: f.Key == storeKey, Seal: f.Seal}
	r, err := f.Record()
	if r != nil {
		e.Event, e.Stub, e.raw = r.Event, r.Stub, f.Event
	}
	return e, err
}
