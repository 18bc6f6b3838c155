package story

import (
	"slices"
	"time"

	"github.com/stetlog/stet/event"
)

// buildRun folds the events of one run, which stand in order.
func buildRun(jobID, id string, entries []*Entry) *Run {
	r := &Run{JobID: jobID, ID: id}
	starter, asker := founders(entries)
	if starter != nil {
		o := ownerOf(*starter)
		r.Stream, r.KeyID, r.AppID, r.Environment = o.stream, o.key, o.app, o.environment
	}
	for _, e := range entries {
		if r.Attempt == 0 {
			r.Attempt = e.Event.Job.Attempt
		}
		r.place(e, starter, asker)
	}
	if r.Lost != nil && r.Outcome.Event != nil {
		r.Lost.Standing = Overtaken
	}
	return r
}

// founders finds whose word counts for a run: the sender of its first start, and that of its first request. Where a run
// has no start its request stands in, and where it has neither, whatever of it was reported first.
func founders(entries []*Entry) (starter, asker *Item) {
	var first *Item
	for _, e := range entries {
		t := e.Event.EventType
		if reserved(t) || anybody(t) {
			continue
		}
		p, r := placeOf(t, e.Event.Job.Phase)
		switch {
		case starter == nil && p == execution && r == roleFill:
			starter = &e.Item
		case asker == nil && p == submission && r == roleFill:
			asker = &e.Item
		case first == nil:
			first = &e.Item
		}
	}
	if starter == nil {
		starter = asker
	}
	if starter == nil {
		starter = first
	}
	if asker == nil {
		asker = starter
	}
	return starter, asker
}

// place puts one event where it belongs in the run.
func (r *Run) place(e *Entry, starter, asker *Item) {
	t := e.Event.EventType
	p, what := placeOf(t, e.Event.Job.Phase)
	if !maySpeak(e.Item, p, starter, asker) {
		e.Standing = Foreign
		r.Claims = append(r.Claims, e)
		return
	}
	slot := r.slot(p)
	switch {
	case e.Event.Corrects != nil || t == "job_corrected":
		r.Corrections = append(r.Corrections, e)
	case what == roleHeartbeat:
		r.Heartbeats = append(r.Heartbeats, e)
	case what == roleSnapshot:
		r.Snapshots = append(r.Snapshots, e)
	case what == roleLost && r.Lost == nil:
		r.Lost = e
	case what == roleFill && slot.Event == nil:
		slot.Event = e
	case t == "job_deduplicated" && !is(*slot, t):
		slot.More = append(slot.More, e) // what became of the request, rather than a second one
	default:
		if what == roleFill || what == roleLost {
			e.Standing = Again
		}
		slot.More = append(slot.More, e)
	}
}

// maySpeak decides whether an event counts for a run. The store's own findings count from its key alone. Who asked for
// a run, and who started it, may both report what led up to it; from then on only who started it may speak.
func maySpeak(it Item, p phase, starter, asker *Item) bool {
	t := it.Event.EventType
	switch {
	case reserved(t):
		return it.StoreKey
	case anybody(t):
		return true
	case starter != nil && ownerOf(*starter).owns(it):
		return true
	}
	return (p == submission || p == authorization) && asker != nil && ownerOf(*asker).owns(it)
}

func (r *Run) slot(p phase) *Phase {
	switch p {
	case submission:
		return &r.Submission
	case authorization:
		return &r.Authorization
	case execution:
		return &r.Execution
	}
	return &r.Outcome
}

// explainMissing gives every empty slot of a job's runs its reason.
func (f *Fold) explainMissing(j *Job) {
	for i, r := range j.Runs {
		last := -1 // the last phase that was reported
		for p := submission; p <= outcome; p++ {
			if r.slot(p).Event != nil || p == outcome && r.Lost != nil || p == execution && len(r.Heartbeats)+len(r.Snapshots) > 0 {
				last = int(p)
			}
		}
		gone := i+1 < len(j.Runs) || f.ended[r.Stream] && !(r.Stream == event.UUID{}) && !r.detached() || last < 0 && j.missed()
		for p := submission; p <= outcome; p++ {
			slot := r.slot(p)
			if slot.Event != nil {
				continue
			}
			switch {
			case p <= authorization && earlierHas(j.Runs[:i], p):
				slot.Missing = EarlierAttempt
			case is(r.Authorization, "job_denied") && p > authorization:
				slot.Missing = NotAllowed
			case is(r.Submission, "job_deduplicated"), r.Execution.Event == nil && hasMore(r.Submission, "job_deduplicated"):
				slot.Missing = WasDuplicate
			case p == outcome && r.Lost != nil:
				slot.Missing = ClosedByStore
			case int(p) < last, gone, hasMore(*slot, "job_no_outcome", "job_never_started"):
				slot.Missing = NeverReported
			default:
				slot.Missing = NotYet
			}
			if slot.Missing == NotYet || slot.Missing == NeverReported {
				slot.Since = r.since(p)
			}
		}
	}
}

// missed says that the job stands for a slot that nothing came for: what comes later is a job of its own, and nothing of this one.
func (j *Job) missed() bool {
	return slices.ContainsFunc(j.Notes, func(e *Entry) bool { return e.Event.EventType == "job_missed" && e.Standing != Foreign })
}

// since is when the phase before p arrived, which p has been awaited from: by the ledger's clock, as deadlines are, and for
// what is still in a spool by its sender's.
func (r *Run) since(p phase) time.Time {
	for before := p - 1; before >= submission; before-- {
		if e := r.slot(before).Event; e != nil {
			return arrived(e.Item)
		}
	}
	return time.Time{}
}

func arrived(it Item) time.Time {
	if it.ReceivedAt.IsZero() {
		return it.When()
	}
	return it.ReceivedAt
}

func earlierHas(runs []*Run, p phase) bool {
	for _, r := range runs {
		if r.slot(p).Event != nil {
			return true
		}
	}
	return false
}

func is(p Phase, eventType string) bool {
	return p.Event != nil && p.Event.Event.EventType == eventType
}

func hasMore(p Phase, eventTypes ...string) bool {
	for _, e := range p.More {
		for _, t := range eventTypes {
			if e.Event.EventType == t {
				return true
			}
		}
	}
	return false
}
