package search

import (
	"math"
	"time"
)

// Bounds are what a query says of seq and received_at of everything that it finds, for whoever would otherwise look at a
// whole log. Entries within them may still not match.
type Bounds struct {
	First, Last uint64 // seq, both included; First > Last: nothing is found
	// From and Until limit received_at, From ≤ received_at < Until; a zero one is no limit. Times of a log never decrease.
	From, Until time.Time
}

// Bounds returns the bounds of a query, which must be resolved.
func (q Query) Bounds() Bounds {
	b := Bounds{Last: math.MaxUint64}
	all, ok := q.Root.(And)
	if !ok {
		all = And{q.Root}
	}
	for _, n := range all {
		if t, ok := n.(Term); ok && t.Any[0].Op != Present {
			b.meet(t)
		}
	}
	return b
}

// meet narrows the bounds by one term, which may be any of several ranges.
func (b *Bounds) meet(t Term) {
	switch t.Field {
	case FieldSeq:
		lo, hi := t.Any[0].Min, t.Any[0].Max
		for _, v := range t.Any {
			lo, hi = min(lo, v.Min), max(hi, v.Max)
		}
		b.First, b.Last = max(b.First, uint64(lo)), min(b.Last, uint64(hi)) // neither is below 0
	case FieldReceived:
		from, until := t.Any[0].From, t.Any[0].Until
		for _, v := range t.Any {
			if v.From.Before(from) {
				from = v.From // the zero time, no limit, is before all others
			}
			if v.Until.IsZero() || !until.IsZero() && v.Until.After(until) {
				until = v.Until
			}
		}
		if from.After(b.From) {
			b.From = from
		}
		if !until.IsZero() && (b.Until.IsZero() || until.Before(b.Until)) {
			b.Until = until
		}
	}
}

// holds says whether an entry lies within the bounds.
func (b Bounds) holds(seq uint64, received time.Time) bool {
	return seq >= b.First && seq <= b.Last && !received.Before(b.From) && (b.Until.IsZero() || received.Before(b.Until))
}
