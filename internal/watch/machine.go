package watch

import (
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// Entry is one entry of the log, with what its batch's seal says of it: exactly one of Event, Seal and Stub is set. The event
// and its texts are whoever gives it to somebody: he may use their memory again, so who keeps some of it copies that.
type Entry struct {
	Seq        uint64
	ReceivedAt time.Time
	KeyID      string // of the seal over it (proof.KeyID); "" of a stub that no seal covers
	StoreKey   bool   // sealed by the store's own key
	Event      *event.Event
	Seal       *proof.Seal
	Stub       *proof.Stub

	raw []byte // of the event, where its memory is used again
}

// Own is the entry with an event of its own, for whoever keeps that.
func (e Entry) Own() Entry {
	if e.raw != nil {
		if own, err := event.Parse(e.raw); err == nil { // as before
			e.Event, e.raw = own, nil
		}
	}
	return e
}

// Finding is something that is missing, or that was and came. Type and About say what it is: the log takes it once.
type Finding struct {
	Type  string
	Rule  string     // which rule found it, for people and programs: lower case and _
	About string     // the entry, or the numbers, that it is about
	Due   time.Time  // when it became true
	Near  event.UUID // a stream it has to do with, or zero: what its own id is sorted beside
	// Event is the finding as an event: all but what is the store's to fill in (place, time, stream).
	Event *event.Event
}

// A Machine is a state machine over the log, driven by a Runner: the Watch is one. It is for one goroutine.
type Machine interface {
	// Add takes in the next entry of the log. Its event is good until Add returns.
	Add(Entry)
	// Due returns what is to be found by now, in an order that depends on nothing but the entries. Each finding is returned
	// once; whoever asked sees to it that it gets into the log.
	Due(now time.Time) []Finding
	// Next is when to ask again; zero: nothing waits. It may be in the past.
	Next() time.Time
}
