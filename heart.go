package stet

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
)

// heart makes what open runs report by themselves. It is one goroutine for all of a Recorder's runs, there only while
// there are some: it looks at them when something is due, asks the authoriser through a few others, so that one that does
// not answer delays nobody's deadline, and records together what has come up together. Guarded by Recorder.mu.
type heart struct {
	beats   bool          // the goroutine is there
	next    time.Time     // when it looks by itself
	wake    chan struct{} // of one place: next has become earlier, answers are there, or the last run has gone
	queue   []*Run        // whom the authoriser is still to be asked for
	askers  int           // goroutines that ask, or wait for an answer
	answers []answer
}

// pulse is when a run is next to be heard of. The zero value: not again.
type pulse struct {
	beat     time.Time // when its heartbeat is due
	ask      time.Time // when the authoriser is asked though no heartbeat is due
	until    time.Time // when the authoriser's last answer runs out
	asking   bool      // it is in the queue, or being asked for
	over     bool      // it was cancelled: nobody is asked any more
	patience time.Time // how long a due heartbeat waits for the answer; zero: none waits
}

// answer is what the authoriser said of a run.
type answer struct {
	run *Run
	d   Decision
	err error
}

const (
	// maxAskers bounds how many questions to the authoriser are open at once.
	maxAskers = 64
	// leastPause is the least time between two questions about one run. An answer that is valid for less runs out.
	leastPause = 10 * time.Millisecond
	// lapseWait is how long the end of a run's context waits for the record of it.
	lapseWait = time.Second
	// tellAtOnce is how many events are handed to the emitter in one piece: as many of the largest as fit a batch. tellers is
	// how many pieces wait for it side by side, and share their flushes.
	tellAtOnce, tellers = 16, 64
)

// slack is by how much heartbeats come early, so that those which are due together share a flush, and what delays one (a
// slow authoriser, a slow disk) does not make it late: a tenth of the interval.
func (r *Recorder) slack() time.Duration { return max(r.o.Heartbeat/10, 0) }

// nextBeat is when the heartbeat after one at now is due.
func (r *Recorder) nextBeat(now time.Time) time.Time {
	if r.o.Heartbeat < 0 {
		return time.Time{}
	}
	return now.Add(r.o.Heartbeat - r.slack())
}

// nextAsk is when the authoriser is asked before its answer runs out.
func nextAsk(now, until time.Time, part time.Duration) time.Time {
	if until.IsZero() {
		return time.Time{}
	}
	return now.Add(max(until.Sub(now)/3*part, leastPause))
}

// due is the earliest of a pulse's times; zero: none.
func (p pulse) due() (first time.Time) {
	for _, t := range []time.Time{p.beat, p.until, p.patience, p.ask} {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// nudge has the goroutine look.
func (h *heart) nudge() {
	if h.wake == nil {
		return
	}
	select {
	case h.wake <- struct{}{}:
	default: // it has been told
	}
}

// expect has the goroutine look at t at the latest. The caller holds Recorder.mu.
func (r *Recorder) expect(t time.Time) {
	h := &r.heart
	switch {
	case t.IsZero():
	case !h.beats:
		if h.wake == nil {
			h.wake = make(chan struct{}, 1)
		}
		h.beats, h.next = true, t
		go r.beat()
	case t.Before(h.next):
		h.next = t
		h.nudge()
	}
}

// watch begins to report a run that has started. A detached one is none of ours: its work is done elsewhere.
func (r *Recorder) watch(run *Run) {
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, open := r.runs[run]; !open {
		return
	}
	p := &run.pulse
	p.beat = r.nextBeat(now)
	p.ask = nextAsk(now, p.until, 2)
	r.expect(p.due())
}

// beaten puts off the next heartbeat of a run that has just made one.
func (r *Recorder) beaten(run *Run) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if p := &run.pulse; !p.beat.IsZero() {
		p.beat = r.nextBeat(time.Now())
	}
}

// beat is the goroutine. It ends when no run is open.
func (r *Recorder) beat() {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		r.mu.Lock()
		h := &r.heart
		if len(r.runs) == 0 {
			h.beats, h.queue, h.answers = false, nil, nil
			r.mu.Unlock()
			return
		}
		next, some := h.next, len(h.answers) > 0
		r.mu.Unlock()
		if !some {
			timer.Reset(time.Until(next))
			select {
			case <-timer.C:
			case <-h.wake:
			}
		}
		r.attend()
	}
}

// word is what a heartbeat of a run is made of.
type word struct {
	run   *Run
	until time.Time // of the authorization
	note  string    // why nobody could be asked
}

// verdict is why a run is cancelled.
type verdict struct {
	run      *Run
	reason   string
	decision *Decision // that refuses it; nil where the last one has run out
}

// attend does what is due: it takes the answers that have come, looks at the runs where something is due, and records what
// comes of both.
func (r *Recorder) attend() {
	now := time.Now()
	r.mu.Lock()
	words, verdicts := r.heard(now)
	if !now.Before(r.heart.next) {
		w, v := r.look(now)
		words, verdicts = append(words, w...), append(verdicts, v...)
	}
	r.mu.Unlock()
	r.withdraw(verdicts)
	r.report(words, now)
}

// heard takes the answers that have come. The caller holds Recorder.mu.
func (r *Recorder) heard(now time.Time) (words []word, verdicts []verdict) {
	for _, a := range r.heart.answers {
		run, p := a.run, &a.run.pulse
		if _, open := r.runs[run]; !open || !p.asking {
			continue
		}
		p.asking = false
		waited := !p.patience.IsZero()
		switch {
		case a.err != nil: // and until its last answer runs out, ever more often
			if !p.until.IsZero() {
				p.ask = now.Add(max(p.until.Sub(now)/2, leastPause))
			}
			if waited {
				words = append(words, word{run, p.until, say(a.err)})
			}
		case !a.d.Allowed:
			verdicts = append(verdicts, verdict{run, first(a.d.Reason, "no reason was given"), &a.d})
			*p = pulse{beat: r.nextBeat(now), over: true}
		default:
			renewed := !a.d.ValidUntil.Equal(p.until)
			p.until = a.d.ValidUntil
			p.ask = nextAsk(now, p.until, 2)
			if waited || renewed {
				words = append(words, word{run, p.until, ""})
			}
		}
		p.patience = time.Time{}
		r.expect(p.due())
	}
	r.heart.answers = nil
	return words, verdicts
}

// look finds the runs where something is due. The caller holds Recorder.mu.
func (r *Recorder) look(now time.Time) (words []word, verdicts []verdict) {
	early := now.Add(r.slack() / 2)
	r.heart.next = now.Add(time.Hour)
	for run := range r.runs {
		p := &run.pulse
		if !p.until.IsZero() && !now.Before(p.until) {
			verdicts = append(verdicts, verdict{run, "it was valid until " + event.FormatTime(p.until) + ", and nobody has renewed it", nil})
			*p = pulse{beat: r.nextBeat(now), over: true}
		}
		if !p.beat.IsZero() && !early.Before(p.beat) {
			p.beat = time.Time{} // until it is recorded
			if r.o.Authorizer == nil || p.over {
				words = append(words, word{run, time.Time{}, ""})
			} else {
				p.patience = now.Add(min(r.o.Deadline, r.slack()))
				r.askFor(run)
			}
		}
		if !p.patience.IsZero() && !now.Before(p.patience) {
			words = append(words, word{run, p.until, "the authoriser has not answered"})
			p.patience = time.Time{}
		}
		if !p.ask.IsZero() && !now.Before(p.ask) {
			p.ask = time.Time{}
			r.askFor(run)
		}
		r.expect(p.due())
	}
	return words, verdicts
}

// askFor puts a run into the queue, once. The caller holds Recorder.mu.
func (r *Recorder) askFor(run *Run) {
	h := &r.heart
	if run.pulse.asking {
		return
	}
	run.pulse.asking = true
	h.queue = append(h.queue, run)
	if h.askers < maxAskers {
		h.askers++
		go r.askQueued()
	}
}

// askQueued asks for one run of the queue after the other.
func (r *Recorder) askQueued() {
	for {
		r.mu.Lock()
		h := &r.heart
		if len(h.queue) == 0 {
			h.askers--
			r.mu.Unlock()
			return
		}
		run := h.queue[0]
		h.queue = h.queue[1:]
		_, open := r.runs[run]
		r.mu.Unlock()
		if !open {
			continue
		}
		d, err := run.askAgain()
		r.mu.Lock()
		h.answers = append(h.answers, answer{run, d, err})
		h.nudge()
		r.mu.Unlock()
	}
}

// askAgain asks whether the run may go on.
func (r *Run) askAgain() (Decision, error) {
	t := r.t
	ctx, cancel := t.rec.deadline(WithRun(context.Background(), r))
	defer cancel()
	if t.user != "" {
		ctx = WithUser(ctx, t.user)
	}
	if t.source.text != "" {
		ctx = context.WithValue(ctx, sourceIPKey{}, t.source)
	}
	d, err := t.ask(ctx)
	if err == nil && d.outdated() {
		d.Allowed, d.Reason = false, "the answer was valid only until "+event.FormatTime(d.ValidUntil)
	}
	return d, err
}

// report records heartbeats, and says when the next ones are due.
func (r *Recorder) report(words []word, now time.Time) {
	var events []*event.Event
	var open []*Run
	defer func() {
		for _, run := range open {
			run.saying.RUnlock()
		}
	}()
	for _, w := range words {
		if !w.run.saying.TryRLock() {
			continue // it is ending
		}
		open = append(open, w.run)
		if ev := w.run.heartbeat(w, now, r.o.Heartbeat); ev != nil {
			events = append(events, ev)
		}
	}
	r.recordMany("heartbeats", events)
	now = time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, run := range open {
		if _, there := r.runs[run]; there && r.o.Heartbeat > 0 {
			run.pulse.beat = r.nextBeat(now)
			r.expect(run.pulse.beat)
		}
	}
}

// heartbeat makes an automatic heartbeat; nil where the run has ended.
func (r *Run) heartbeat(w word, now time.Time, every time.Duration) *event.Event {
	ev := r.event(typeHeartbeat, phaseExecution)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended {
		return nil
	}
	r.beats++
	ev.Heartbeat = &event.Heartbeat{N: r.beats, Progress: r.progress, AuthorizationValidUntil: w.until}
	if every > 0 {
		ev.Heartbeat.NextDue = now.Add(every)
	}
	if r.paused {
		ev.Heartbeat.Progress = "paused"
		if r.progress != "" {
			ev.Heartbeat.Progress += "; " + r.progress
		}
	}
	switch {
	case r.cause != nil:
		ev.StatusReason = "it has been told to stop: " + say(r.cause)
	case w.note != "":
		ev.StatusReason = "nobody could be asked whether it may go on: " + w.note
	}
	return ev
}

// withdraw cancels runs that may not go on. The record of it comes first, unless it takes too long.
func (r *Recorder) withdraw(verdicts []verdict) {
	if len(verdicts) == 0 {
		return
	}
	var events []*event.Event
	var open []*Run
	for _, v := range verdicts {
		if !v.run.saying.TryRLock() {
			continue // it is ending
		}
		open = append(open, v.run)
		if ev := v.run.withdrawn(v); ev != nil {
			events = append(events, ev)
		}
	}
	recorded := make(chan struct{})
	go func() {
		defer close(recorded)
		r.recordMany("cancel requests", events)
		for _, run := range open {
			run.saying.RUnlock()
		}
	}()
	wait := time.NewTimer(lapseWait)
	defer wait.Stop()
	select {
	case <-recorded:
	case <-wait.C:
	}
	for _, v := range verdicts {
		v.run.stop(stopError{ErrLapsed, v.reason})
	}
	<-recorded
}

// withdrawn makes the event that tells a run to stop; nil where it has ended.
func (r *Run) withdrawn(v verdict) *event.Event {
	r.mu.Lock()
	ended := r.ended
	r.mu.Unlock()
	if ended {
		return nil
	}
	ev := r.event(typeCancel, phaseExecution)
	r.t.asks(context.Background(), ev, v.reason)
	ev.Security = true
	ev.Action, ev.Object = "cancel", &event.Object{Type: "job", ID: r.JobID()}
	if v.decision == nil {
		ev.Authorization = &event.Authorization{Basis: "none", Decision: "unchecked"}
		return ev
	}
	v.decision.into(ev, "denied")
	return ev
}

// recordMany records events of several jobs, each by itself where the schema refuses one of them. What fails is told to
// OnLoss: nobody is there to be told otherwise.
func (r *Recorder) recordMany(what string, events []*event.Event) {
	var wg sync.WaitGroup
	free := make(chan struct{}, tellers)
	for len(events) > 0 {
		n := min(len(events), tellAtOnce)
		part := events[:n]
		events = events[n:]
		free <- struct{}{}
		wg.Go(func() {
			defer func() { <-free }()
			r.recordPart(what, part)
		})
	}
	wg.Wait()
}

func (r *Recorder) recordPart(what string, events []*event.Event) {
	err := r.recordJob(nil, events...)
	var refused *event.Error
	if errors.As(err, &refused) && len(events) > 1 {
		for _, ev := range events {
			r.recordPart(what, []*event.Event{ev})
		}
		return
	}
	if errors.Is(err, ErrClosed) {
		return // Close ends the runs, and their outcomes say all
	}
	if err := r.lost(fmt.Sprintf("%d %s", len(events), what), len(events), err); err != nil {
		r.o.OnLoss(err)
	}
}
