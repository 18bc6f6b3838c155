package watch

import (
	"slices"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// job is one job of one interaction, as long as one of its runs is watched.
type job struct {
	key         hash
	interaction string
	id, name    string
	parent      hash // key of the parent; zero: none is named
	parentID    string
	rootID      string
	first       uint64 // the entry of its first event
	runs        []*run // watched ones; never empty

	waiting  *orphan // it is looked at again, because its parent was given up
	orphaned bool    // which was found, or is in the log
}

// jobOf is the job that an event is about, with texts of its own.
func jobOf(e *event.Event) *job {
	j := e.Job
	return &job{interaction: strings.Clone(e.InteractionID), id: strings.Clone(j.ID), name: strings.Clone(j.Name), parentID: strings.Clone(j.ParentID),
		rootID: strings.Clone(j.RootID)}
}

// run is one execution of a job, or the request for one.
type run struct {
	job     *job
	id      string // "" where nothing with an id was reported
	attempt int64
	by      hash // whose word counts: who started it, or else who asked for it
	asker   hash // who asked for it; he may decide about it, too
	asked   bool // by a submission; else by an authorization alone
	started bool
	stream  event.UUID // of the start, or of the request
	app     string

	begin mark // the start, or the request
	sign  mark // the last sign of life; the start is one
	order order

	wait     time.Duration // how long a request may take to start
	next     time.Duration // from sign to the next heartbeat, as stated and capped; 0: not stated
	said     time.Time     // authorization ends, as the emitter's clock has it; zero: not stated
	until    time.Time     // the same by the log's clock, capped
	stated   mark          // the heartbeat that says so
	ended    time.Time     // its stream's final seal came; zero: not yet
	allowed  bool          // an authorization that counts came
	detached bool          // that its process is gone says nothing of it

	// What was found, by this watch or in the log.
	unstarted, stalled, silent, lapsed, disordered bool

	lost bool   // by the store's word
	gave gaveUp // the last finding that gave it up and has not been answered; zero: none
	over bool

	look deadline
}

// decides says whether somebody has a say in whether the run may be.
func (r *run) decides(by hash) bool { return r.by == by || r.asked && r.asker == by }

// mark is an entry, and when the log took it in.
type mark struct {
	seq uint64
	at  time.Time
}

// gaveUp is a finding in the log.
type gaveUp struct {
	typ string
	seq uint64
}

// order is how far a run's phases are in one stream, where the numbers say what came first for certain.
type order struct {
	stream event.UUID
	at     phase
	seen   [4]bool // phases that were reported, in any stream
}

// phase is one of the four of the 108 document.
type phase int

const (
	submission phase = iota
	authorization
	execution
	outcome
)

var phaseNames = [...]string{"submission", "authorization", "execution", "outcome"}

// step takes in a phase that was reported, and says which later one came before it in the same stream, if any did that
// must not: a phase may be reported again at any time.
func (o *order) step(stream event.UUID, p phase) (later phase, wrong bool) {
	if o.stream == stream {
		wrong, later = p < o.at && !o.seen[p], o.at
		o.at = max(o.at, p)
	} else {
		o.stream, o.at = stream, p
	}
	o.seen[p] = true
	return later, wrong
}

func (r *run) deadline() *deadline {
	r.look.order = r.begin.seq
	return &r.look
}

// A run is looked at when the earliest of what it may be found to be becomes true.
func (w *Watch) reschedule(r *run) {
	var first time.Time
	for _, f := range w.prospects(r) {
		if at := f.Due; first.IsZero() || at.Before(first) {
			first = at
		}
	}
	w.due.set(r, first)
}

// prospect is what a run will be found to be at a time, if nothing more is heard of it.
type prospect struct {
	Due  time.Time
	find func(w *Watch, r *run, due time.Time)
	weak bool // it says nothing more once the run has no outcome
}

// prospects lists them.
func (w *Watch) prospects(r *run) []prospect {
	if r.over || r.gave.typ == "job_lost" || r.gave.typ == "job_no_outcome" || r.gave.typ == "job_never_started" {
		return nil
	}
	var all [4]prospect
	out := all[:0]
	if !r.started {
		if !r.unstarted {
			out = append(out, prospect{w.silence(r.begin.at.Add(r.wait + w.p.StartWithin)), (*Watch).neverStarted, false})
		}
		return out
	}
	if !r.silent {
		at, find := r.sign.at.Add(w.p.SilentAfter), (*Watch).noOutcome
		if !r.ended.IsZero() && !r.detached {
			if end := r.ended.Add(w.p.EndGrace); end.Before(at) {
				at, find = end, (*Watch).noOutcomeAtEnd
			}
		}
		out = append(out, prospect{w.silence(at), find, false})
	}
	if r.next > 0 && !r.stalled && !r.silent {
		out = append(out, prospect{w.silence(r.sign.at.Add(r.next + w.p.HeartbeatGrace)), (*Watch).stalledAt, true})
	}
	if !r.until.IsZero() && !r.lapsed {
		out = append(out, prospect{w.silence(r.until.Add(w.p.HeartbeatGrace)), (*Watch).lapsedAt, false})
	}
	return out
}

func (r *run) fire(w *Watch, now time.Time) {
	for _, p := range w.prospects(r) {
		if !p.Due.After(now) && !(p.weak && r.silent) {
			p.find(w, r, p.Due)
		}
	}
	w.reschedule(r)
}

// open begins to watch a run; false where there is no room.
func (w *Watch) open(e Entry, key hash) *run {
	if !w.room(e) {
		return nil
	}
	ev := e.Event
	j := w.jobs[key]
	if j == nil {
		j = jobOf(ev)
		j.key, j.first, j.name, j.rootID = key, e.Seq, w.word(j.name), w.word(j.rootID)
		if j.parentID != "" {
			j.parent = jobKey(ev.InteractionID, j.parentID)
		}
		w.jobs[key] = j
		w.appeared(e, j)
	}
	r := &run{job: j, id: strings.Clone(ev.Job.RunID), attempt: max(ev.Job.Attempt, 1), by: senderOf(e), stream: ev.StreamID, app: w.word(ev.AppID),
		begin: mark{e.Seq, e.ReceivedAt}}
	r.sign = r.begin
	j.runs = append(j.runs, r)
	w.count++
	if parent := w.jobs[j.parent]; parent != nil && parent != j && parent.left() {
		w.leave(j, e.ReceivedAt)
	}
	return r
}

// room sees to it that there is room for one more run.
func (w *Watch) room(e Entry) bool {
	for w.count >= w.p.MaxRuns && len(w.gone) > 0 {
		r := w.gone[0]
		w.gone = w.gone[1:]
		if !r.over && r.gave.seq != 0 {
			w.close(r)
		}
	}
	if w.count < w.p.MaxRuns {
		w.full = w.full && w.count >= w.p.MaxRuns-w.p.MaxRuns/10
		return true
	}
	if !w.full {
		w.full = true
		w.raise(w.noRoom(e))
	}
	return false
}

// close ends the watch of a run, and of its job with its last one.
func (w *Watch) close(r *run) {
	r.over = true
	w.due.set(r, time.Time{})
	w.leaveStream(r)
	j := r.job
	if r.started {
		w.past.add(pastEnd(j.key, r.id))
		w.past.add(pastStart(j.key, r.attempt))
		w.past.add(pastAnyStart(j.key))
	}
	j.runs = slices.DeleteFunc(j.runs, func(x *run) bool { return x == r })
	w.count--
	if len(j.runs) == 0 {
		delete(w.jobs, j.key)
		w.disappeared(j)
		w.past.add(pastJob(j.key))
	}
}

func (w *Watch) leaveStream(r *run) {
	if !r.started {
		return
	}
	rest := slices.DeleteFunc(w.streams[r.stream], func(x *run) bool { return x == r })
	if len(rest) == 0 {
		delete(w.streams, r.stream)
		return
	}
	w.streams[r.stream] = rest
}

func (w *Watch) joinStream(r *run, stream event.UUID) {
	r.stream, r.ended = stream, time.Time{}
	w.streams[stream] = append(w.streams[stream], r)
}

// mayRun takes in until when a run says that it is allowed to run. Saying the same again gives it no more time, and what
// has lapsed has lapsed once.
func (r *run) mayRun(e Entry, said time.Time, most time.Duration) {
	until := e.ReceivedAt.Add(stated(e.Event.Timestamp, said, most))
	switch {
	case said.After(r.said):
		r.said, r.until, r.stated, r.lapsed = said, until, mark{e.Seq, e.ReceivedAt}, false
	case said.Equal(r.said) && until.Before(r.until):
		r.until = until
	}
}

// alive takes in a sign of life of a started run, and answers what gave it up.
func (w *Watch) alive(e Entry, r *run) {
	r.sign = mark{e.Seq, e.ReceivedAt}
	r.stalled, r.silent = false, false
	if e.Event.StreamID != r.stream { // another process goes on with it
		w.leaveStream(r)
		w.joinStream(r, e.Event.StreamID)
	}
	r.ended = time.Time{}
	r.next = 0
	if h := e.Event.Heartbeat; h != nil {
		if !h.NextDue.IsZero() {
			r.next = stated(e.Event.Timestamp, h.NextDue, w.p.SilentAfter)
		}
		if !h.AuthorizationValidUntil.IsZero() {
			r.mayRun(e, h.AuthorizationValidUntil, w.p.SilentAfter)
		}
	}
	if r.gave.typ != "" {
		w.answer(e, r, "job_recovered")
		if parent := w.jobs[r.job.parent]; parent != nil && parent.left() {
			w.leave(r.job, e.ReceivedAt)
		}
	}
}
