package story

import (
	"fmt"
	"time"

	"github.com/stetlog/stet/event"
)

// ClockNote says that clocks contradict an order that is certain, by more than the uncertainty they state themselves.
type ClockNote struct {
	Earlier *Entry        // came first for certain; nil where the ledger's own clock is what contradicts
	Later   *Entry        // came after it, and says that it did not
	By      time.Duration // by how much more than the stated uncertainty, at least
	Count   int           // how many events of the same two senders say so; this is the worst of them
	Text    string        // one plain sentence
}

// allowance is how far an event's clock may be off by its own word. stated is false where it says nothing: then every
// contradiction is shown.
func allowance(e *event.Event) (d time.Duration, stated bool) {
	if e.Clock == nil || e.Clock.MaxErrorUS == nil {
		return 0, false
	}
	return microseconds(*e.Clock.MaxErrorUS), true
}

// compareClocks looks at every pair of events whose order does not rest on a clock: consecutive ones of a stream, those
// of consecutive phases, a cause and its effect, a parent's start and its child's request, and an event and its arrival.
func compareClocks(events []*Entry, jobs []*Job) []ClockNote {
	var c clockNotes
	last := make(map[event.UUID]*Entry)
	byID := make(map[event.UUID]*Entry, len(events))
	for _, e := range events {
		byID[e.Event.EventID] = e
	}
	for _, e := range events {
		c.arrival(e)
		if before := last[e.Event.StreamID]; before != nil && before.Event.StreamSeq < e.Event.StreamSeq && before.KeyID == e.KeyID {
			c.pair(before, e)
		}
		last[e.Event.StreamID] = e
		if cause := byID[e.Event.CausationID]; cause != nil && !e.Event.CausationID.IsZero() {
			c.pair(cause, e)
		}
	}
	byJob := make(map[string]*Job, len(jobs))
	for _, j := range jobs {
		byJob[j.ID] = j
	}
	for _, j := range jobs {
		for _, r := range j.Runs {
			var before *Entry
			for p := submission; p <= outcome; p++ {
				if e := r.slot(p).Event; e != nil {
					c.pair(before, e)
					before = e
				}
			}
		}
		if parent := byJob[j.ParentID]; parent != nil && len(parent.Runs) > 0 && len(j.Runs) > 0 {
			c.pair(parent.Runs[0].Execution.Event, j.Runs[0].Submission.Event)
		}
	}
	return c.notes
}

// clockNotes keeps the worst contradiction of each pair of senders: a clock that is off is off in every event, and once
// is enough to know it.
type clockNotes struct {
	notes []ClockNote
	index map[[2]event.UUID]int
	pairs map[[2]*Entry]bool
}

// pair notes it if later claims a time before earlier. An event found to be first by two rules counts once.
func (c *clockNotes) pair(earlier, later *Entry) {
	if earlier == nil || later == nil || earlier == later || c.pairs[[2]*Entry{earlier, later}] {
		return
	}
	if earlier.Event.StreamID == later.Event.StreamID && earlier.Event.StreamSeq > later.Event.StreamSeq {
		return // the stream's own numbers say the opposite, and they are certain
	}
	a, aStated := allowance(earlier.Event)
	b, bStated := allowance(later.Event)
	by := earlier.Event.Timestamp.Sub(later.Event.Timestamp) - a - b
	if by <= 0 {
		return
	}
	if c.pairs == nil {
		c.pairs = make(map[[2]*Entry]bool)
	}
	c.pairs[[2]*Entry{earlier, later}] = true
	text := fmt.Sprintf("The clock of %s is behind that of %s", clockOf(later), clockOf(earlier))
	if earlier.Event.StreamID == later.Event.StreamID {
		text = fmt.Sprintf("The clock of %s went back", clockOf(later))
	}
	text += fmt.Sprintf(" by at least %s%s: %s came after %s and claims an earlier time.",
		duration(by), beyond(aStated && bStated), reference(later), reference(earlier))
	c.add(ClockNote{Earlier: earlier, Later: later, By: by, Text: text}, earlier.Event.StreamID, later.Event.StreamID)
}

// arrival notes it if an event claims a time after the ledger already had it, which the other way round would only mean
// that it lay in a spool.
func (c *clockNotes) arrival(e *Entry) {
	if e.ReceivedAt.IsZero() {
		return
	}
	a, stated := allowance(e.Event)
	by := e.Event.Timestamp.Sub(e.ReceivedAt) - a
	if by <= 0 {
		return
	}
	text := fmt.Sprintf("The clock of %s is ahead of the ledger's by at least %s%s: %s claims a time after it had arrived.",
		clockOf(e), duration(by), beyond(stated), reference(e))
	c.add(ClockNote{Later: e, By: by, Text: text}, event.UUID{}, e.Event.StreamID)
}

func (c *clockNotes) add(n ClockNote, a, b event.UUID) {
	if c.index == nil {
		c.index = make(map[[2]event.UUID]int)
	}
	i, ok := c.index[[2]event.UUID{a, b}]
	switch {
	case !ok:
		n.Count = 1
		c.index[[2]event.UUID{a, b}] = len(c.notes)
		c.notes = append(c.notes, n)
	case n.By > c.notes[i].By:
		n.Count = c.notes[i].Count + 1
		c.notes[i] = n
	default:
		c.notes[i].Count++
	}
}

func beyond(stated bool) string {
	if stated {
		return " beyond the stated uncertainty"
	}
	return " (no uncertainty is stated)"
}

func clockOf(e *Entry) string {
	w := wordsOf(e.Event)
	if e.Event.Host != nil && e.Event.Host.Name != "" {
		return w.name(e.Event.Host.Name)
	}
	return w.name(e.Event.AppID)
}

// reference names an event for people: by its place in the ledger, else in its stream.
func reference(e *Entry) string {
	if e.HasSeq {
		return fmt.Sprintf("#%d", e.Seq)
	}
	return fmt.Sprintf("event %d of stream %s", e.Event.StreamSeq, e.Event.StreamID)
}
