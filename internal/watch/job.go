package watch

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// jobKey is a job in its interaction.
func jobKey(interaction, id string) hash { return hashOf('j', interaction, id) }

// senderOf is whose word an event is (SCHEMA "Only its own"): all streams of one key, application and environment.
func senderOf(e Entry) hash { return hashOf('w', e.KeyID, e.Event.AppID, e.Event.Environment) }

// What is remembered of runs that are not watched, or not yet. Where it matters whose word it was, that is part of it.
func pastJob(job hash) hash { return hashOf('k', string(job[:])) }
func pastStart(job hash, attempt int64) hash {
	return hashOf('s', string(job[:]), strconv.FormatInt(attempt, 10))
}
func pastAnyStart(job hash) hash { return hashOf('S', string(job[:])) }
func pastDenial(job, by hash, attempt int64) hash {
	return hashOf('d', string(job[:]), string(by[:]), strconv.FormatInt(attempt, 10))
}
func pastNoMore(job, by hash, attempt int64) hash { // denied, a duplicate, or ended
	return hashOf('n', string(job[:]), string(by[:]), strconv.FormatInt(attempt, 10))
}
func pastSettled(job hash, attempt int64) hash { // a request that was answered without a start, by a word that counts
	return hashOf('q', string(job[:]), strconv.FormatInt(attempt, 10))
}
func pastSpoken(job hash, attempt int64) hash { // somebody spoke before there was a request
	return hashOf('f', string(job[:]), strconv.FormatInt(attempt, 10))
}
func pastOutcome(job, by hash, run string) hash {
	return hashOf('o', string(job[:]), string(by[:]), run)
}
func pastEnd(job hash, run string) hash { return hashOf('e', string(job[:]), run) } // one that counted
func pastStream(job hash, stream event.UUID, run string) hash {
	return hashOf('t', string(job[:]), string(stream[:]), run)
}

// nobody stands for whoever is denied by a word that counts for everybody.
var nobody hash

// jobEvent takes in what somebody says of a job. What the store found out itself is not among it.
func (w *Watch) jobEvent(e Entry) {
	key := jobKey(e.Event.InteractionID, e.Event.Job.ID)
	w.parentAppeared(key)
	switch t := e.Event.EventType; t {
	case "job_cancel_requested", "job_corrected", "job_retry_scheduled", "job_lost", "job_never_started", "job_no_outcome", "job_missed",
		"job_stalled", "job_recovered", "job_late_outcome", "job_authorization_lapsed", "job_phase_disorder", "job_orphaned":
		// A wish, a correction, what is said with an outcome; and what counts from the store's key alone.
	case "job_submitted":
		w.submitted(e, key)
	case "job_deduplicated", "job_denied":
		w.refused(e, key, t == "job_denied")
	case "job_authorized", "job_authorization_unchecked":
		w.authorized(e, key)
	case "job_started":
		w.starts(e, key)
	case "job_succeeded", "job_failed", "job_aborted":
		w.ends(e, key)
	default:
		if e.Event.Corrects == nil {
			w.signs(e, key)
		}
	}
}

// find is the run that an event is about, as package story gives it its place: by its id, or else by its attempt, the first
// attempt standing in for what names none.
func (w *Watch) find(key hash, runID string, attempt int64) *run {
	j := w.jobs[key]
	if j == nil {
		return nil
	}
	attempt = max(attempt, 1)
	var same, first *run
	for _, r := range j.runs {
		if runID != "" && r.id == runID {
			return r
		}
		if runID != "" && r.id != "" {
			continue
		}
		if r.attempt == attempt && (same == nil || same.id == "") {
			same = r
		}
		if r.id != "" && (first == nil || r.attempt < first.attempt) {
			first = r
		}
	}
	if same == nil && attempt == 1 && runID == "" && !w.past.has(pastStart(key, 1)) {
		return first
	}
	return same
}

// begun says whether what a request asks for was started, or will not be, as far as is remembered.
func (w *Watch) begun(key, by hash, run string, attempt int64) bool {
	if w.past.has(pastNoMore(key, by, attempt)) || w.past.has(pastStart(key, attempt)) || w.past.has(pastSettled(key, attempt)) {
		return true
	}
	if run != "" && w.past.has(pastOutcome(key, by, run)) {
		return true
	}
	return attempt == 1 && w.past.has(pastAnyStart(key))
}

func (w *Watch) submitted(e Entry, key hash) {
	by, attempt := senderOf(e), max(e.Event.Job.Attempt, 1)
	r := w.find(key, e.Event.Job.RunID, attempt)
	if r != nil && (r.started || r.asked) {
		if r.by == by || r.started {
			w.inOrder(e, r, submission)
		}
		if !r.asked && r.attempt == attempt && !w.past.has(pastSettled(key, attempt)) {
			r.asked, r.asker = true, by
			if !r.allowed && !r.lost && w.past.has(pastDenial(key, by, attempt)) {
				w.close(r)
			}
		}
		return
	}
	w.afterEnd(e, key)
	switch denied := w.past.has(pastDenial(key, by, attempt)); {
	case w.past.has(pastSettled(key, attempt)): // who asked first has been answered
		return
	case denied, w.begun(key, by, e.Event.Job.RunID, attempt):
		if denied {
			w.past.add(pastDenial(key, nobody, attempt))
		}
		w.past.add(pastSettled(key, attempt))
		if r != nil {
			w.close(r)
		}
		return
	case r == nil:
		if r = w.open(e, key); r == nil {
			return
		}
	}
	// Who asks for a run has the say over it until it starts, whoever said before that it may.
	r.allowed = r.allowed && r.by == by
	r.asked, r.asker, r.by, r.begin, r.sign = true, by, by, mark{e.Seq, e.ReceivedAt}, mark{e.Seq, e.ReceivedAt}
	r.waits(e, w.p.ScheduleCap)
	w.inOrder(e, r, submission)
	w.reschedule(r)
}

// waits takes in for when a run is scheduled.
func (r *run) waits(e Entry, most time.Duration) {
	if at := e.Event.Job.ScheduledFor; !at.IsZero() {
		r.wait = max(r.wait, stated(e.Event.Timestamp, at, most))
	}
}

// refused takes in that a run is not to be: it was denied, or its request was a duplicate.
func (w *Watch) refused(e Entry, key hash, denied bool) {
	by, attempt := senderOf(e), max(e.Event.Job.Attempt, 1)
	r := w.find(key, e.Event.Job.RunID, attempt)
	if denied && r != nil && r.decides(by) {
		w.inOrder(e, r, authorization)
		if r.allowed {
			return // the first decision stands
		}
	}
	if denied {
		w.past.add(pastDenial(key, by, attempt))
	}
	w.past.add(pastNoMore(key, by, attempt))
	if r == nil {
		w.past.add(pastSpoken(key, attempt))
	}
	if r == nil || !r.decides(by) || r.lost || r.started && !denied {
		return
	}
	if r.asked {
		w.past.add(pastSettled(key, attempt))
		if denied {
			w.past.add(pastDenial(key, nobody, attempt))
		}
	}
	w.close(r)
}

// authorized takes in that a run may be.
func (w *Watch) authorized(e Entry, key hash) {
	by, attempt := senderOf(e), max(e.Event.Job.Attempt, 1)
	r := w.find(key, e.Event.Job.RunID, attempt)
	if r == nil {
		w.afterEnd(e, key)
		if w.begun(key, by, e.Event.Job.RunID, attempt) || w.past.has(pastSpoken(key, attempt)) {
			return
		}
		if r = w.open(e, key); r == nil {
			return
		}
	} else if !r.decides(by) {
		return
	}
	r.allowed = true
	if !r.started {
		r.waits(e, w.p.ScheduleCap)
	}
	w.inOrder(e, r, authorization)
	w.reschedule(r)
}

// starts takes in the start of a run, whoever reports it: from now on only he has the say over it.
func (w *Watch) starts(e Entry, key hash) {
	by, id, attempt := senderOf(e), e.Event.Job.RunID, max(e.Event.Job.Attempt, 1)
	r := w.find(key, id, attempt)
	if r != nil && r.started && r.id == id {
		if r.by == by {
			w.inOrder(e, r, execution)
			w.alive(e, r)
			w.reschedule(r)
		}
		return
	}
	w.afterEnd(e, key)
	if w.past.has(pastEnd(key, id)) {
		return // again
	}
	denied := w.past.has(pastDenial(key, by, attempt)) || w.past.has(pastDenial(key, nobody, attempt))
	over := denied || w.past.has(pastOutcome(key, by, id))
	if denied && !w.past.has(pastDisorder(key, id)) {
		w.past.add(pastDisorder(key, id))
		w.raise(w.disorder(e, phaseNames[execution], "denial"))
	}
	waiting := w.waiting(key, id, attempt)
	if r = nil; len(waiting) > 0 && !over {
		r = waiting[0]
		waiting = waiting[1:]
	}
	for _, x := range waiting {
		w.close(x)
	}
	if over {
		w.past.add(pastEnd(key, id))
		w.past.add(pastStart(key, attempt))
		w.past.add(pastAnyStart(key))
		return
	}
	if r == nil {
		if r = w.open(e, key); r == nil {
			return
		}
	}
	if r.by != by {
		r.order.seen[authorization] = r.order.seen[authorization] && r.asked
	}
	r.id, r.attempt, r.by, r.started, r.app = strings.Clone(id), attempt, by, true, w.word(e.Event.AppID)
	r.begin = mark{e.Seq, e.ReceivedAt}
	r.detached = slices.ContainsFunc(e.Event.References, func(f event.Reference) bool { return f.Kind == event.ReferenceDetached })
	w.joinStream(r, e.Event.StreamID)
	w.inOrder(e, r, execution)
	w.alive(e, r)
	w.reschedule(r)
}

// waiting lists the requests that a start answers.
func (w *Watch) waiting(key hash, id string, attempt int64) (all []*run) {
	j := w.jobs[key]
	if j == nil {
		return nil
	}
	for _, r := range j.runs {
		if !r.started && (r.id == id || r.id == "" && (r.attempt == attempt || r.attempt == 1)) {
			all = append(all, r)
		}
	}
	return all
}

// signs takes in a sign of life.
func (w *Watch) signs(e Entry, key hash) {
	r := w.find(key, e.Event.Job.RunID, e.Event.Job.Attempt)
	switch {
	case r == nil:
		w.afterEnd(e, key)
	case r.started && r.by == senderOf(e):
		w.alive(e, r)
		w.reschedule(r)
	}
}

// ends takes in an outcome.
func (w *Watch) ends(e Entry, key hash) {
	by, id, attempt := senderOf(e), e.Event.Job.RunID, max(e.Event.Job.Attempt, 1)
	w.past.add(pastStream(key, e.Event.StreamID, id))
	r := w.find(key, id, attempt)
	if r == nil || !r.started || r.by != by { // it counts if its sender turns out to have the say
		w.past.add(pastOutcome(key, by, id))
		w.past.add(pastNoMore(key, by, attempt))
		if r == nil {
			w.past.add(pastSpoken(key, attempt))
		}
	}
	if r == nil || r.by != by {
		return
	}
	if r.asked && !r.started {
		w.past.add(pastSettled(key, attempt))
	}
	w.inOrder(e, r, outcome)
	w.answer(e, r, "job_late_outcome")
	w.close(r)
}

// inOrder finds a phase that was reported behind a later one.
func (w *Watch) inOrder(e Entry, r *run, p phase) {
	if later, wrong := r.order.step(e.Event.StreamID, p); wrong && !r.disordered {
		r.disordered = true
		w.raise(w.disorder(e, phaseNames[p], phaseNames[later]))
	}
}

// afterEnd finds what is said of a run in the stream that has said already how it ended.
func (w *Watch) afterEnd(e Entry, key hash) {
	id := e.Event.Job.RunID
	if id != "" && w.past.has(pastStream(key, e.Event.StreamID, id)) && !w.past.has(pastDisorder(key, id)) {
		w.past.add(pastDisorder(key, id))
		w.raise(w.disorder(e, said(e.Event.EventType), phaseNames[outcome]))
	}
}

func pastDisorder(job hash, run string) hash { return hashOf('x', string(job[:]), run) }

// said is what a type reports, in a word.
func said(eventType string) string {
	switch eventType {
	case "job_submitted":
		return phaseNames[submission]
	case "job_authorized", "job_authorization_unchecked":
		return phaseNames[authorization]
	case "job_started":
		return phaseNames[execution]
	}
	return "a sign of life"
}
