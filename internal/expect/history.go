package expect

import (
	"cmp"
	"errors"
	"slices"
	"time"

	"github.com/stetlog/stet/internal/watch"
)

// State is how it went with a slot.
type State string

// The states.
const (
	StateRan     State = "ran"     // a run came for it, and the log had it in time
	StateMissed  State = "missed"  // none did
	StateWaiting State = "waiting" // its grace, or that of a server that was down, is not over
	StateEnded   State = "ended"   // it was no longer expected before its grace was over
)

// Slot is how it went with one slot.
type Slot struct {
	Active            // what expects it
	At      time.Time // of Every: by when the run was due
	State   State
	Run     *watch.Entry // what came for it; where it is missed, what came late, or was told late; or nil
	Missing *watch.Entry // the job_missed that tells of it, perhaps with others; or nil
	Due     time.Time    // when it is judged: its grace is over, and that of a server that was down
}

// ErrSlots says that a history is too long.
var ErrSlots = errors.New("more slots than a report can have")

// MaxSlots is how many slots a History can have.
const MaxSlots = 100_000

// History tells how it went with the slots of a period: a Watch that remembers. What a Watch finds and what a History tells
// is one judgement. It is for one goroutine.
type History struct {
	Which    string    // a job, or the id of a definition
	From, To time.Time // slots from the one on and before the other

	watch   Watch
	all     []*past
	missing []*watch.Entry
	count   int
}

// past is what is remembered of a definition.
type past struct {
	h *History
	Active
	slots []Slot
	spare []arrival // what came for no slot
}

// of is the past of a definition, or nil where nobody asked for it.
func (h *History) of(a Active) *past {
	if h == nil || a.Job != h.Which && a.ID() != h.Which {
		return nil
	}
	p := &past{h: h, Active: a}
	h.all = append(h.all, p)
	return p
}

// slot takes in how it went with a slot.
func (p *past) slot(s slot, state State) {
	if p == nil || s.at.Before(p.h.From) || !s.at.Before(p.h.To) {
		return
	}
	if p.h.count++; p.h.count > MaxSlots {
		return
	}
	p.slots = append(p.slots, Slot{Active: p.Active, At: s.at, State: state, Run: s.by, Due: p.h.watch.hold.due(s.at.Add(p.Grace))})
}

// more takes in what came for no slot.
func (p *past) more(a arrival) {
	if p != nil && p.h.Near(a.start) && len(p.spare) < MaxSlots {
		p.spare = append(p.spare, a)
	}
}

// Near says whether a run that began then can have to do with the period.
func (h *History) Near(start time.Time) bool {
	return !start.Before(h.From.Add(-MaxGrace)) && start.Before(h.To.Add(MaxGrace))
}

// Add takes in the next entry of the log, and keeps it: its event must stay as it is.
func (h *History) Add(e watch.Entry) {
	h.watch.history = h
	h.watch.Add(e)
	if e.Event == nil || !e.StoreKey || e.Event.EventType != missed {
		return
	}
	if m, ok := MissedOf(e.Event); ok && !m.Last.Before(h.From) && m.First.Before(h.To) && len(h.missing) < MaxSlots {
		h.missing = append(h.missing, &e)
	}
}

// Slots says how it went by now, the oldest slot first, once. ErrSlots: the period is too long.
func (h *History) Slots(now time.Time) ([]Slot, error) {
	h.watch.Due(now)
	for _, x := range h.watch.all {
		for _, s := range x.open {
			if !s.at.After(now) {
				x.over(s, StateWaiting)
			}
		}
		if x.Schedule.Kind == Every && !x.ended {
			x.over(slot{at: x.ahead}, StateWaiting)
		}
	}
	if h.count > MaxSlots {
		return nil, ErrSlots
	}
	var all []Slot
	for _, p := range h.all {
		p.late()
		all = append(all, p.slots...)
	}
	byID := map[string][]*watch.Entry{}
	for _, e := range h.missing {
		m, _ := MissedOf(e.Event)
		byID[m.ID] = append(byID[m.ID], e)
	}
	for i := range all {
		if s := &all[i]; s.State == StateMissed {
			for _, e := range byID[s.ID()] {
				if m, _ := MissedOf(e.Event); !s.At.Before(m.First) && !s.At.After(m.Last) {
					s.Missing = e
				}
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Slot) int { return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.Place.Seq, b.Place.Seq)) })
	return all, nil
}

// late gives slots that were missed what began behind them, and before the next one, and had none.
func (p *past) late() {
	slices.SortStableFunc(p.slots, func(a, b Slot) int { return a.At.Compare(b.At) }) // one that the log has as missed is over before older ones that wait
	slices.SortStableFunc(p.spare, func(a, b arrival) int { return a.start.Compare(b.start) })
	before := early
	if p.Schedule.Kind == Every {
		before = p.Schedule.every
	}
	for i := range p.slots {
		s := &p.slots[i]
		if s.State != StateMissed {
			continue
		}
		end := p.h.To.Add(MaxGrace)
		if i+1 < len(p.slots) {
			end = p.slots[i+1].At.Add(-before)
		}
		from, _ := slices.BinarySearchFunc(p.spare, s.At.Add(-before), func(a arrival, at time.Time) int { return a.start.Compare(at) })
		if from < len(p.spare) && p.spare[from].start.Before(end) {
			s.Run = p.spare[from].by
			p.spare = slices.Delete(p.spare, from, from+1)
		}
	}
}

// Start is when a run began, as its emitter says; never later than the log had it.
func Start(e watch.Entry) time.Time { return arrivalOf(e).start }
