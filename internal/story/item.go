package story

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// Item is one event with what its entry, or its spool, knows of it. The caller has checked the seal.
type Item struct {
	Seq        uint64     // place in the ledger, from 0; means nothing without HasSeq
	HasSeq     bool       // false: the event is still in a spool
	ReceivedAt time.Time  // when the ledger took it in; zero in a spool
	Via        proof.Via  // what the ledger knows of the sender by itself; zero in a spool
	KeyID      string     // which key sealed it (proof.KeyID); "" for an event that came unsealed
	StoreKey   bool       // sealed by the store's or server's own key
	EventHash  proof.Hash // RFC 6962 leaf hash of the event's bytes; zero where the caller has none
	EntryHash  proof.Hash // RFC 6962 leaf hash of the entry; zero in a spool
	Raw        []byte     // the event's exact bytes, passed on by JSON; nil is allowed
	Event      *event.Event
}

// When is when the event happened, as its sender claims: its event_time, or else when it was logged.
func (it Item) When() time.Time {
	if !it.Event.EventTime.IsZero() {
		return it.Event.EventTime
	}
	return it.Event.Timestamp
}

// identity tells a copy of an event in a spool from another event: a drained spool may be read before it is trimmed.
type identity struct {
	stream event.UUID
	seq    uint64
	id     event.UUID
	key    string
}

func (it Item) identity() identity {
	return identity{it.Event.StreamID, it.Event.StreamSeq, it.Event.EventID, it.KeyID}
}

func (a identity) compare(b identity) int {
	return cmp.Or(
		slices.Compare(a.stream[:], b.stream[:]),
		cmp.Compare(a.seq, b.seq),
		slices.Compare(a.id[:], b.id[:]),
		strings.Compare(a.key, b.key),
	)
}

// order puts items in the one order of a story and drops second copies: an event that is in the ledger and still in
// its spool, or that was added twice. It does not depend on the order of its input.
func order(items []Item) []Item {
	var ledger, spool []Item
	for _, it := range items {
		if it.HasSeq {
			ledger = append(ledger, it)
		} else {
			spool = append(spool, it)
		}
	}
	slices.SortStableFunc(ledger, func(a, b Item) int {
		return cmp.Or(cmp.Compare(a.Seq, b.Seq), a.identity().compare(b.identity()))
	})
	seen := make(map[identity]bool, len(items))
	out := make([]Item, 0, len(items))
	for i, it := range ledger {
		if i > 0 && it.Seq == ledger[i-1].Seq && it.identity() == ledger[i-1].identity() {
			continue
		}
		seen[it.identity()] = true
		out = append(out, it)
	}
	for _, it := range merge(spool) {
		if !seen[it.identity()] {
			seen[it.identity()] = true
			out = append(out, it)
		}
	}
	return out
}

// merge orders what has no place in a ledger yet: each stream strictly by its own numbers, and between streams, where
// nothing better is known, the one whose next event claims the earlier time.
func merge(spool []Item) []Item {
	slices.SortStableFunc(spool, func(a, b Item) int { return a.identity().compare(b.identity()) })
	// A stream's next event is due at the latest time the stream has claimed so far: sorting by that running maximum
	// keeps every stream in order even when its clock was set back.
	due := make([]time.Time, len(spool))
	for i, it := range spool {
		due[i] = it.Event.Timestamp
		if i > 0 && spool[i-1].Event.StreamID == it.Event.StreamID && due[i-1].After(due[i]) {
			due[i] = due[i-1]
		}
	}
	index := make([]int, len(spool))
	for i := range index {
		index[i] = i
	}
	slices.SortFunc(index, func(a, b int) int { return cmp.Or(due[a].Compare(due[b]), cmp.Compare(a, b)) })
	out := make([]Item, len(spool))
	for i, j := range index {
		out[i] = spool[j]
	}
	return out
}
