package watch

import (
	"container/heap"
	"time"
)

// subject is what a deadline is of. When it is reached, fire looks at what became of the subject, raises what is true by
// now, and sets the next deadline where there is one.
type subject interface {
	fire(w *Watch, now time.Time)
	deadline() *deadline
}

// deadline is when a subject is to be looked at; it stands in the heap at most once.
type deadline struct {
	at    time.Time
	order uint64 // of equal times, the entry it began with
	place int    // in the heap, from 1; 0: not in it
	of    subject
}

// deadlines is a heap, the earliest first.
type deadlines []*deadline

func (d deadlines) Len() int { return len(d) }
func (d deadlines) Less(i, j int) bool {
	return d[i].at.Before(d[j].at) || d[i].at.Equal(d[j].at) && d[i].order < d[j].order
}

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i+1, j+1
}

func (d *deadlines) Push(x any) {
	one := x.(*deadline)
	*d = append(*d, one)
	one.place = len(*d)
}

func (d *deadlines) Pop() any {
	old := *d
	one := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	one.place = 0
	return one
}

func (d *deadlines) pop() *deadline { return heap.Pop(d).(*deadline) }

// set looks at a subject at a time; zero: not any more.
func (d *deadlines) set(s subject, at time.Time) {
	one := s.deadline()
	switch {
	case at.IsZero() && one.place == 0:
	case at.IsZero():
		heap.Remove(d, one.place-1)
	case one.place == 0:
		one.at, one.of = at, s
		heap.Push(d, one)
	case !one.at.Equal(at):
		one.at = at
		heap.Fix(d, one.place-1)
	}
}
