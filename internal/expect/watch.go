package expect

import (
	"cmp"
	"slices"
	"time"

	"github.com/stetlog/stet/internal/watch"
)

// The bounds of a Watch, and when it waits.
const (
	// DefaultRestartGrace is twice the longest pause of an emitter between two attempts.
	DefaultRestartGrace = 10 * time.Minute
	// MaxSingle is how many slots of a definition are told one by one when they are found at once, as when a server was
	// down for long; those behind them are told in one event, which says how many they are.
	MaxSingle = 100
	// maxOpen is how many slots of a definition wait for a run at once. Where a server was down over more, the oldest are
	// missed at once, whatever is still on its way.
	maxOpen = 10_000
	// maxOwed is how many missed slots of a definition are kept until they are told: two years of minutes. Beyond that
	// the older half is let go of; a report still finds them.
	maxOwed = 1 << 20
)

// Watch finds slots that were missed. It is a machine over the log's entries, which must be added in their order: the same
// entries give the same findings, whenever it is asked for them. It is for one goroutine. Its zero value is that of an empty
// log. Memory: some hundred bytes for each slot whose grace is not over.
type Watch struct {
	// RestartGrace is how long after a server's start nothing is called missed, because what was recorded while it was down
	// is still on its way; 0 for DefaultRestartGrace.
	RestartGrace time.Duration
	// Began is when the server began that asks, for where its log could not be told; zero: the log says it.
	Began time.Time

	defined Defined
	all     []*expected            // what counts, or owes; in the order of the log
	jobs    map[string][]*expected // those that have not ended, by their job
	last    time.Time              // received_at of the last entry
	begun   time.Time              // the last start of a server
	hold    hold

	history *History // is told how it went; nil: nobody is
}

// hold says which slots are judged later than they are due, because a server was down.
type hold struct {
	from  time.Time // the last sign of the server before it was down
	until time.Time // when it has had RestartGrace since it came back
}

// due is when a slot is judged, whose grace is over at end.
func (h hold) due(end time.Time) time.Time {
	if end.After(h.from) && end.Before(h.until) {
		return h.until
	}
	return end
}

// expected is a definition that the log has, and what is known of its slots.
type expected struct {
	Active
	id    string
	ended bool        // removed: what it still owes is told, nothing more is found
	owed  []time.Time // missed slots that the log does not have

	past  *past     // nil: nobody wants to know
	table Timetable // of a calendar
	open  line      // its slots that have come, or nearly, and are not judged
	// ahead is a calendar's first slot that is not in open, zero where there is none; of Every it is by when the next run is
	// due.
	ahead time.Time
}

// Active lists the definitions that count, in the order of the log.
func (w *Watch) Active() []Active { return w.defined.All() }

// Add takes in the next entry of the log. Only the store's own word on definitions and on what was missed counts. Entries
// whose type nobody Wants change nothing.
func (w *Watch) Add(e watch.Entry) {
	if e.Event == nil || !Wants(e.Event.EventType) {
		return
	}
	switch t := e.Event.EventType; {
	case comes(t):
		w.arrived(e)
	case !e.StoreKey:
	case t == startup:
		w.started(e.ReceivedAt)
	case t == Added:
		if a, ok := w.defined.Apply(e); ok {
			w.added(a)
		}
	case t == Removed:
		if a, ok := w.defined.Apply(e); ok {
			w.removed(a, e.ReceivedAt)
		}
	case t == missed:
		if m, ok := MissedOf(e.Event); ok {
			w.told(m, e.ReceivedAt)
		}
	}
	if e.ReceivedAt.After(w.last) {
		w.last = e.ReceivedAt
	}
}

func (w *Watch) added(a Active) {
	x := &expected{Active: a, id: a.ID(), past: w.history.of(a)}
	if a.Schedule.Kind == Every {
		x.ahead = a.after(a.Since)
	} else if table, err := a.Timetable(); err == nil {
		x.table, x.ahead = table, table.Next(a.Since)
	} else {
		return // never: Apply has looked
	}
	w.all = append(w.all, x)
	w.index()
}

func (w *Watch) removed(a Active, now time.Time) {
	for _, x := range w.all {
		if x.Place == a.Place {
			x.judge(now, w.hold)
			for _, s := range x.open {
				x.over(s, StateEnded)
			}
			x.ended, x.open = true, nil
		}
	}
	w.index()
	w.tidy()
}

// after is by when a run is due behind another one's start.
func (d Definition) after(start time.Time) time.Time {
	return start.UTC().Truncate(time.Second).Add(d.Schedule.every)
}

// index finds definitions by their job.
func (w *Watch) index() {
	w.jobs = make(map[string][]*expected)
	for _, x := range w.all {
		if !x.ended {
			w.jobs[x.Job] = append(w.jobs[x.Job], x)
		}
	}
}

// started takes in that a server started: what came due since the last sign of it is judged when emitters have had time to
// come back. One that starts again and again within that time gets no more of it.
func (w *Watch) started(now time.Time) {
	w.begun = now
	if now.Before(w.hold.until) {
		return
	}
	alive := w.last
	if w.hold.until.After(alive) { // it had its time, though nothing was recorded at its end
		alive = w.hold.until
	}
	if w.last.IsZero() {
		alive = now
	}
	for _, x := range w.all {
		x.judge(alive, w.hold)
	}
	w.hold = hold{from: alive, until: now.Add(cmp.Or(w.RestartGrace, DefaultRestartGrace))}
}

func (w *Watch) arrived(e watch.Entry) {
	if e.Event.Job == nil {
		return
	}
	for _, x := range w.jobs[e.Event.Job.Name] {
		if !x.meets(e.Event) {
			continue
		}
		x.judge(e.ReceivedAt, w.hold)
		a := arrivalOf(e)
		if x.past == nil {
			a.by = &watch.Entry{Seq: e.Seq} // who only watches need not hold the event
		}
		if x.Schedule.Kind != Every {
			if x.open.take(a, x.table, x.Grace) < 0 {
				x.past.more(a)
			}
		} else if next := x.after(a.start); next.After(x.ahead) {
			x.over(slot{at: x.ahead, by: a.by}, StateRan)
			x.ahead = next
		} else {
			x.past.more(a)
		}
	}
}

// told takes in that the log has slots as missed: they are, also where the server that found it waits less long after a start
// than this Watch does, and nothing that comes later fills them.
func (w *Watch) told(m Missed, now time.Time) {
	among := func(at time.Time) bool { return !at.Before(m.First) && !at.After(m.Last) }
	for _, x := range w.all {
		if x.id != m.ID {
			continue
		}
		x.judge(now, w.hold)
		x.owed = slices.DeleteFunc(x.owed, among)
		x.open = slices.DeleteFunc(x.open, func(s slot) bool {
			if s.by != nil || !among(s.at) {
				return false
			}
			x.over(s, StateMissed)
			return true
		})
		for x.Schedule.Kind == Every && among(x.ahead) {
			x.over(slot{at: x.ahead}, StateMissed)
			x.ahead = x.ahead.Add(x.Schedule.every)
		}
	}
	w.tidy()
}

// tidy forgets definitions that were removed and owe nothing.
func (w *Watch) tidy() {
	over := func(x *expected) bool { return x.ended && len(x.owed) == 0 }
	if slices.ContainsFunc(w.all, over) {
		w.all = slices.DeleteFunc(w.all, over)
		w.index()
	}
}

// judge opens the slots that have come by now, and closes those whose time is over.
func (x *expected) judge(now time.Time, h hold) {
	if x.ended {
		return
	}
	if x.Schedule.Kind == Every {
		for ; !h.due(x.ahead.Add(x.Grace)).After(now); x.ahead = x.ahead.Add(x.Schedule.every) {
			x.over(slot{at: x.ahead}, StateMissed)
			x.owe(x.ahead)
		}
		return
	}
	if until := now.Add(early); !x.ahead.IsZero() && !x.ahead.After(until) {
		x.open = append(x.open, slot{at: x.ahead})
		for at := range x.table.Slots(x.ahead, until) {
			x.open = append(x.open, slot{at: at})
			if len(x.open) >= 2*maxOpen {
				x.close(len(x.open) - maxOpen)
			}
		}
		x.ahead = x.table.Next(until)
	}
	over := 0
	for over < len(x.open) && !h.due(x.open[over].at.Add(x.Grace)).After(now) {
		over++
	}
	x.close(max(over, len(x.open)-maxOpen))
}

// close closes the n oldest slots.
func (x *expected) close(n int) {
	for _, s := range x.open[:n] {
		x.over(s, StateMissed)
		if s.by == nil {
			x.owe(s.at)
		}
	}
	x.open = slices.Delete(x.open, 0, n)
}

// over tells the history of a slot: for what it is where nobody came.
func (x *expected) over(s slot, nobody State) {
	if s.by != nil {
		nobody = StateRan
	}
	x.past.slot(s, nobody)
}

// owe remembers a slot that was missed.
func (x *expected) owe(at time.Time) {
	if len(x.owed) == maxOwed {
		x.owed = slices.Delete(x.owed, 0, maxOwed/2)
	}
	x.owed = append(x.owed, at)
}

// Due returns what was missed by now and is not in the log: the oldest first, of equal ones that which was expected first.
// Each is returned once; who asks sees to it that the log gets it.
func (w *Watch) Due(now time.Time) []Finding {
	if w.Began.After(w.begun) {
		w.started(w.Began)
	}
	var all []Finding
	for _, x := range w.all {
		x.judge(now, w.hold)
		for i, at := range x.owed {
			f := Finding{Definition: x.Definition, Since: x.Place, First: at, Last: at, Count: 1, Due: at.Add(x.Grace)}
			if rest := len(x.owed) - i; i == MaxSingle && rest > 1 {
				f.Last, f.Count = x.owed[len(x.owed)-1], rest
			}
			all = append(all, f)
			if f.Count > 1 {
				break
			}
		}
		x.owed = nil
	}
	w.tidy()
	slices.SortStableFunc(all, func(a, b Finding) int { return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(a.Since.Seq, b.Since.Seq)) })
	return all
}

// Next is when something may be missed next; zero: nothing is expected. It may be in the past.
func (w *Watch) Next() (next time.Time) {
	for _, x := range w.all {
		at := x.next(w.hold)
		if !at.IsZero() && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next
}

func (x *expected) next(h hold) time.Time {
	if len(x.owed) > 0 {
		return x.owed[0].Add(x.Grace)
	}
	for _, s := range x.open {
		if s.by == nil {
			return h.due(s.at.Add(x.Grace))
		}
	}
	if x.ended || x.ahead.IsZero() {
		return time.Time{}
	}
	return h.due(x.ahead.Add(x.Grace))
}
