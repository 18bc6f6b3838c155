package intake

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"sync"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// seenMax is how many events, of all senders together, are known again when they come a second time: the last that came
// with an event_id. It is the stated window of docs/spec/http.md, and costs about 100 bytes an event.
const seenMax = 1 << 18

// rememberEntries is how far a server that starts looks back in the log for events that may come again.
const rememberEntries = 1 << 16

// seen is what makes a repeated request harmless: it knows the last events by (sender, application, event_id) and by the
// digest of the bytes that came.
type seen struct {
	mu      sync.Mutex
	max     int
	there   map[Key]seenEvent
	order   []Key // a ring, once it is full
	oldest  int
	pending map[Key]*pendingEvent // on their way into the journal
}

// Key names an event of a sender.
type Key [16]byte

// seenEvent is where an event stands, and the beginning of the digest that it came with.
type seenEvent struct {
	sum [16]byte
	seq uint64
}

// pendingEvent is one that somebody records just now.
type pendingEvent struct {
	sum  [16]byte
	done chan struct{} // closed when it is there, or will not be
}

func newSeen(limit int) *seen {
	return &seen{max: limit, there: map[Key]seenEvent{}, pending: map[Key]*pendingEvent{}}
}

// KeyOf names an event of a sender. The three are kept apart, so that no sender can take another's place.
func KeyOf(sender, app string, id event.UUID) Key {
	h := sha256.New()
	for _, s := range []string{sender, app} {
		sum := sha256.Sum256([]byte(s))
		h.Write(sum[:])
	}
	h.Write(id[:])
	return Key(h.Sum(nil)[:16])
}

// claim is what is known of an event that came.
type claim int

const (
	claimNew      claim = iota // it is the caller's to record: settle must follow
	claimAgain                 // it is there
	claimConflict              // another event is there, or on its way, under the same id
	claimPending               // somebody records it: wait, and claim again
)

// claim asks for an event, and takes it where it is new.
func (s *seen) claim(key Key, sum foreign.Sum) (c claim, seq uint64, wait <-chan struct{}) {
	short := [16]byte(sum[:16])
	s.mu.Lock()
	defer s.mu.Unlock()
	if e, ok := s.there[key]; ok {
		if e.sum != short {
			return claimConflict, e.seq, nil
		}
		return claimAgain, e.seq, nil
	}
	if p, ok := s.pending[key]; ok {
		if p.sum != short {
			return claimConflict, 0, nil
		}
		return claimPending, 0, p.done
	}
	s.pending[key] = &pendingEvent{sum: short, done: make(chan struct{})}
	return claimNew, 0, nil
}

// settle ends a claim: the event is there, or, with ok false, it is not, and the next one who has it may record it.
func (s *seen) settle(key Key, seq uint64, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := s.pending[key]
	if p == nil {
		return
	}
	delete(s.pending, key)
	if ok {
		s.add(key, seenEvent{p.sum, seq})
	}
	close(p.done)
}

// know notes an event that is in the log already.
func (s *seen) know(key Key, sum foreign.Sum, seq uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.there[key]; !ok {
		s.add(key, seenEvent{[16]byte(sum[:16]), seq})
	}
}

func (s *seen) add(key Key, e seenEvent) {
	if len(s.order) < s.max {
		s.order = append(s.order, key)
	} else {
		delete(s.there, s.order[s.oldest])
		s.order[s.oldest] = key
		s.oldest = (s.oldest + 1) % s.max
	}
	s.there[key] = e
}

// Remember reads the end of the log, of size entries, for events that came unsealed, so that one whose answer got lost with the
// last process is known when it comes again.
func (d *Door) Remember(ctx context.Context, log logread.Source, size uint64) error {
	return logread.Entries(ctx, log, size-min(size, rememberEntries), size, func(seq uint64, raw []byte) error {
		entry, err := proof.ParseEntry(raw)
		if err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		if !bytes.Contains(entry.Event, []byte(`"`+foreign.Kind+`"`)) {
			return nil
		}
		via, err := proof.ParseVia(entry.Via)
		if err != nil || via.Kind != proof.ViaHTTP && via.Kind != proof.ViaUnix {
			return err
		}
		if e, err := event.Parse(entry.Event); err == nil { // else it is of another catalogue than the built-in one, and may come twice
			if sum, ok := foreign.Last(e); ok {
				d.seen.know(KeyOf(via.Sender(), e.AppID, e.EventID), sum, seq)
			}
		}
		return nil
	})
}
