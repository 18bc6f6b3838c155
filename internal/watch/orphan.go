package watch

import (
	"slices"
	"time"

	"github.com/stetlog/stet/event"
)

// orphan is a child that may turn out to be one: it waits for its parent to appear, or for its own end.
type orphan struct {
	job    job        // as it was when its first event came; without runs
	app    string     //
	stream event.UUID //
	begin  mark       // its first event
	left   *job       // the child, where its parent was given up; nil: the parent is not known
	look   deadline
}

func (o *orphan) deadline() *deadline {
	o.look.order = o.begin.seq
	return &o.look
}

// appeared begins to wait for a new job's parent, where it is not known. The job is in jobs already.
func (w *Watch) appeared(e Entry, j *job) {
	if j.parentID == "" || w.past.has(pastJob(j.key)) {
		return
	}
	parent := w.jobs[j.parent]
	if parent != nil && parent != j {
		w.children[j.parent] = append(w.children[j.parent], j)
		return
	}
	w.children[j.parent] = append(w.children[j.parent], j)
	if parent == nil && w.past.has(pastJob(j.parent)) {
		return
	}
	if w.orphaned >= w.p.MaxRuns {
		if !w.full {
			w.full = true
			w.raise(w.noRoom(e))
		}
		return
	}
	o := &orphan{job: *j, app: w.word(e.Event.AppID), stream: e.Event.StreamID, begin: mark{e.Seq, e.ReceivedAt}}
	o.job.runs = nil
	w.orphans[j.parent] = append(w.orphans[j.parent], o)
	w.orphaned++
	w.due.set(o, w.silence(e.ReceivedAt.Add(w.p.OrphanAfter)))
}

// parentAppeared ends the waiting of those whose parent a job is.
func (w *Watch) parentAppeared(key hash) {
	if len(w.orphans) == 0 {
		return
	}
	for _, o := range w.orphans[key] {
		if o.job.key != key { // nobody is his own parent
			w.forgetOrphan(o)
		}
	}
}

func (w *Watch) forgetOrphan(o *orphan) {
	w.due.set(o, time.Time{})
	rest := slices.DeleteFunc(slices.Clone(w.orphans[o.job.parent]), func(x *orphan) bool { return x == o })
	w.orphaned--
	if len(rest) == 0 {
		delete(w.orphans, o.job.parent)
		return
	}
	w.orphans[o.job.parent] = rest
}

// fire finds an orphan.
func (o *orphan) fire(w *Watch, _ time.Time) {
	if o.left == nil {
		w.forgetOrphan(o)
		w.raise(w.orphanOf(o, "parent_unknown"))
		return
	}
	parent := w.jobs[o.job.parent]
	if o.left.waiting == o {
		o.left.waiting = nil
	}
	if parent != nil && parent.left() && w.jobs[o.left.key] == o.left && !o.left.left() && !o.left.orphaned {
		o.left.orphaned = true
		w.raise(w.orphanOf(o, "parent_lost"))
	}
}

// left says whether all of a job's runs are given up for good: recorded as lost, or without an outcome.
func (j *job) left() bool {
	for _, r := range j.runs {
		if r.gave.typ != "job_lost" && r.gave.typ != "job_no_outcome" {
			return false
		}
	}
	return len(j.runs) > 0
}

// leftBehind looks at the children of a job that was given up, when they have had time to end, too.
func (w *Watch) leftBehind(j *job, at time.Time) {
	if !j.left() {
		return
	}
	for _, child := range w.children[j.key] {
		w.leave(child, at)
	}
}

func (w *Watch) leave(child *job, at time.Time) {
	if child.orphaned || len(child.runs) == 0 {
		return
	}
	if child.waiting != nil {
		w.due.set(child.waiting, w.silence(at.Add(w.p.EndGrace)))
		return
	}
	r := child.runs[0]
	o := &orphan{job: *child, app: r.app, stream: r.stream, begin: mark{child.first, r.begin.at}, left: child}
	o.job.runs = nil
	child.waiting = o
	w.due.set(o, w.silence(at.Add(w.p.EndGrace)))
}

// disappeared forgets a job that is not watched any more.
func (w *Watch) disappeared(j *job) {
	if j.parentID == "" {
		return
	}
	if j.waiting != nil {
		w.due.set(j.waiting, time.Time{})
	}
	rest := slices.DeleteFunc(w.children[j.parent], func(x *job) bool { return x == j })
	if len(rest) == 0 {
		delete(w.children, j.parent)
		return
	}
	w.children[j.parent] = rest
}
