package expect

import (
	"slices"
	"time"

	"github.com/stetlog/stet/internal/watch"
)

// slot is one time at which a job is due.
type slot struct {
	at       time.Time
	job, run string       // which came for it
	by       *watch.Entry // that says so; nil: none came
}

// line are slots, the oldest first, for which jobs may come.
type line []slot

// find is where a slot stands, or would.
func (l line) find(at time.Time) (int, bool) {
	return slices.BinarySearchFunc(l, at, func(s slot, at time.Time) int { return s.at.Compare(at) })
}

// early is how long before its slot a run may begin and still be the slot's: clocks differ.
const early = time.Minute

// take gives a job that came the slot that it came for, and returns where that stands, or -1 where there is none. Of slots
// that are free and near enough, that is the one that it is planned for, and no other; else the newest that was due when it
// began; else the next one, for which it began early; else the newest older one. So where a slot was missed, the run of the
// next one does not pass for it. A run, and a job whose attempt is repeated, has one slot at most.
func (l line) take(a arrival, table Timetable, grace time.Duration) int {
	next, _ := l.find(a.start.Add(1)) // the first slot behind the start
	from, _ := l.find(a.start.Add(-grace))
	near := func(i int) bool { return i >= from && i < len(l) && !a.start.Before(l[i].at.Add(-early)) }
	for _, s := range l[from:min(next+1, len(l))] {
		if s.by != nil && (s.run == a.run && a.run != "" || a.again && s.job == a.job) {
			return -1
		}
	}
	take := func(i int) int {
		l[i].by, l[i].job, l[i].run = a.by, a.job, a.run
		return i
	}
	if table.has(a.planned) {
		if i, there := l.find(a.planned); there && l[i].by == nil && near(i) {
			return take(i)
		}
		return -1
	}
	first := next - 1
	if first >= from && l[first].by == nil {
		return take(first)
	}
	if near(next) && l[next].by == nil {
		return take(next)
	}
	for i := first - 1; i >= from; i-- {
		if l[i].by == nil {
			return take(i)
		}
	}
	return -1
}
