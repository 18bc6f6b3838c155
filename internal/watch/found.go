package watch

import (
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// found takes in what the store said: among it, what was found before.
func (w *Watch) found(e Entry) {
	about := aboutOf(e.Event)
	w.settled(e.Event.EventType, about)
	switch e.Event.EventType {
	case "job_lost", "job_never_started", "job_stalled", "job_no_outcome":
		w.givenUp(e, about)
	case "job_authorization_lapsed":
		if r := w.runOf(e); r != nil && entry(r.stated.seq) == about {
			r.lapsed = true
			w.reschedule(r)
		}
	case "job_phase_disorder":
		if r := w.runOf(e); r != nil {
			r.disordered = true
		}
	case "job_orphaned":
		w.foundOrphan(e, about)
	case "stream_gap":
		w.foundGap(e)
	case "sys_startup":
		w.since = e.ReceivedAt.Add(w.p.RestartGrace)
	}
}

// aboutOf is the identity that a finding's event names.
func aboutOf(e *event.Event) string {
	stream, first := "", ""
	for _, r := range e.References {
		switch r.Kind {
		case "seq":
			return r.Value
		case "stream":
			stream = r.Value
		case "first":
			first = r.Value
		}
	}
	if first == "" {
		return ""
	}
	return stream + "/" + first
}

func (w *Watch) runOf(e Entry) *run {
	if e.Event.Job == nil {
		return nil
	}
	return w.find(jobKey(e.Event.InteractionID, e.Event.Job.ID), e.Event.Job.RunID, e.Event.Job.Attempt)
}

// givenUp takes in that a run was given up. What came in front of the finding, though behind what it is about, answers it.
func (w *Watch) givenUp(e Entry, about string) {
	if e.Event.Job == nil {
		return
	}
	typ := strings.Clone(e.Event.EventType)
	r := w.runOf(e)
	if r == nil {
		key := jobKey(e.Event.InteractionID, e.Event.Job.ID)
		if w.past.has(pastEnd(key, e.Event.Job.RunID)) || typ == "job_never_started" && w.past.has(pastStart(key, max(e.Event.Job.Attempt, 1))) {
			w.raise(overtaken(e))
		}
		return
	}
	switch typ {
	case "job_lost":
		r.lost = true
	case "job_never_started":
		if r.started {
			w.raise(r.answerTo(Entry{Seq: r.begin.seq, ReceivedAt: r.begin.at}, "job_recovered", gaveUp{typ, e.Seq}))
			return
		}
		r.unstarted = true
	default:
		if entry(r.sign.seq) != about {
			w.raise(r.answerTo(Entry{Seq: r.sign.seq, ReceivedAt: r.sign.at}, "job_recovered", gaveUp{typ, e.Seq}))
			return
		}
		r.stalled = true
		r.silent = r.silent || typ == "job_no_outcome"
		if typ == "job_stalled" && r.gave.typ != "" { // the run was given up for more than that
			return
		}
	}
	r.gave = gaveUp{typ, e.Seq}
	w.reschedule(r)
	w.remember(r)
	w.leftBehind(r.job, e.ReceivedAt)
}

// overtaken says that the outcome of a run had come when it was given up.
func overtaken(e Entry) Finding {
	r := &run{job: jobOf(e.Event), id: strings.Clone(e.Event.Job.RunID), attempt: max(e.Event.Job.Attempt, 1), stream: e.Event.StreamID}
	return r.of("job_late_outcome", phaseNames[outcome], "outcome_after_all", e.Seq, e.ReceivedAt,
		"its outcome came when "+e.Event.EventType+" in entry "+entry(e.Seq)+" was on its way")
}

// remember puts a run in line to be let go of when there is no room.
func (w *Watch) remember(r *run) {
	w.gone = append(w.gone, r)
	if len(w.gone) <= 2*w.count+1024 {
		return
	}
	kept := w.gone[:0]
	for _, x := range w.gone {
		if !x.over && x.gave.typ != "" && (len(kept) == 0 || kept[len(kept)-1] != x) {
			kept = append(kept, x)
		}
	}
	clear(w.gone[len(kept):])
	w.gone = kept
}

func (w *Watch) foundOrphan(e Entry, about string) {
	if e.Event.Job == nil {
		return
	}
	if j := w.jobs[jobKey(e.Event.InteractionID, e.Event.Job.ID)]; j != nil {
		j.orphaned = true
		if j.waiting != nil {
			w.due.set(j.waiting, time.Time{})
			j.waiting = nil
		}
	}
	for _, o := range w.orphans[jobKey(e.Event.InteractionID, e.Event.Job.ParentID)] {
		if entry(o.begin.seq) == about {
			w.forgetOrphan(o)
		}
	}
}

// foundGap takes in that numbers are missing: until they come, also in the life of another server.
func (w *Watch) foundGap(e Entry) {
	if e.Event.StatusCode != "hole" || e.Event.Object == nil {
		return
	}
	id, err := event.ParseUUID(e.Event.Object.ID)
	if err != nil {
		return
	}
	g := w.gaps[id]
	if g == nil || g.about() != aboutOf(e.Event) {
		if len(w.gaps) >= maxGaps {
			return
		}
		if g != nil {
			w.due.set(g, time.Time{})
		}
		g = &gap{stream: id, first: number(e.Event, "first"), last: number(e.Event, "last"), since: e.ReceivedAt}
		w.gaps[id] = g
	}
	w.due.set(g, time.Time{})
	g.inLog, g.seq = true, e.Seq
	if g.filledBy != nil {
		w.fill(g, *g.filledBy)
	}
}

func number(e *event.Event, kind string) uint64 {
	for _, r := range e.References {
		if r.Kind == kind {
			n, _ := strconv.ParseUint(r.Value, 10, 64) // 0 where the store did not say it
			return n
		}
	}
	return 0
}
