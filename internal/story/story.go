package story

import (
	"time"

	"github.com/stetlog/stet/event"
)

// Story is every event of one interaction, folded. Everything in it points at the same Entries: each Entry of Events
// has exactly one other place, in a job, in Loose, or among the Corrections of another.
type Story struct {
	InteractionID string
	Jobs          []*Job   // jobs that name no parent, in the order they appeared; children hang below them
	Orphans       []*Job   // jobs whose parent is not in this story, or whose line of parents goes round in a circle
	Loose         []*Entry // events of no job: the application's, and stet's own
	Events        []*Entry // all of them, in order
	Clocks        []ClockNote
}

// Entry is one event in its place.
type Entry struct {
	Item
	Standing    Standing
	Corrections []*Entry // what corrects or reverses this event, in order; the event itself stays as it was
	Copies      []*Entry // the same event, recorded again by its own sender because he could not know that it was durable

	at int // place in Story.Events
}

// Standing says what an event counts for.
type Standing string

// The standings.
const (
	Counts  Standing = "counts"  // it fills a phase, or belongs to one
	Again   Standing = "again"   // a phase reported a second time: kept, and the first report stands
	Foreign Standing = "foreign" // said by somebody who had no say in it: kept, and counts for nothing
	Copy    Standing = "copy"    // the same event as another of its sender's, by its id: they count once
	// Overtaken is a job_lost whose run reported its outcome after all: the outcome counts.
	Overtaken Standing = "overtaken"
)

// Job is one unit of work and the runs it took.
type Job struct {
	ID       string
	Name     string
	ParentID string // "" for a job that nothing started
	RootID   string
	// OtherParents are jobs that events of the job name as its parent beside ParentID, which is the first that was named: at
	// most MaxOtherParents.
	OtherParents []string
	Runs         []*Run   // by attempt; never empty
	Notes        []*Entry // about the job rather than a run of it: a missed slot, an unknown parent
	Children     []*Job   // in the order they appeared

	// ChildrenLeft is how many more children there are than Children holds. The fold leaves it 0; whoever pages through
	// a wide tree cuts Children and says here how many it cut.
	ChildrenLeft int

	first int // place of the job's first event in Story.Events
}

// MaxOtherParents bounds Job.OtherParents. Who names more contradicts himself enough.
const MaxOtherParents = 8

// Run is one execution of a job, or the intent of one.
type Run struct {
	JobID       string
	ID          string // "" until something that names a run was reported
	Attempt     int64  // 0 where nobody said
	Stream      event.UUID
	KeyID       string // Stream, KeyID, AppID and Environment are those of the start: whose word counts for this run
	AppID       string
	Environment string

	Submission    Phase
	Authorization Phase
	Execution     Phase
	Outcome       Phase

	Heartbeats  []*Entry
	Snapshots   []*Entry
	Lost        *Entry   // the store's job_lost, also when an outcome came after all
	Corrections []*Entry // corrections from the run's own application whose target is not in this story
	Claims      []*Entry // foreign claims about this run
}

// Phase is one of the four slots of a run.
type Phase struct {
	Event   *Entry    // what fills the slot, or nil
	Missing Missing   // why the slot is empty; NotMissing where Event is there
	Since   time.Time // since when NotYet or NeverReported: when the phase before it arrived; zero where there is none
	More    []*Entry  // what else was reported of this phase, in order
}

// Missing says why a phase has no event.
type Missing string

// Why a phase is missing.
const (
	NotMissing     Missing = ""
	NotYet         Missing = "not_yet"         // it may still come
	NeverReported  Missing = "never_reported"  // what came later shows that it is not to be expected any more
	ClosedByStore  Missing = "closed_by_store" // the store recorded the run as lost
	EarlierAttempt Missing = "earlier_attempt" // it was reported once, with an earlier attempt of the job
	NotAllowed     Missing = "not_allowed"     // the run was denied, so there was nothing to report
	WasDuplicate   Missing = "was_duplicate"   // the request was dropped as a duplicate, so there was nothing to report
)

// String says why in words.
func (m Missing) String() string {
	switch m {
	case NotMissing:
		return ""
	case NotYet:
		return "not yet"
	case NeverReported:
		return "never reported"
	case ClosedByStore:
		return "closed by the store: its process is gone"
	case EarlierAttempt:
		return "reported once, with an earlier attempt"
	case NotAllowed:
		return "none: it was not allowed to run"
	case WasDuplicate:
		return "none: the request was a duplicate"
	}
	return "for an unknown reason"
}

// State is where a run stands, in one word.
type State string

// The states of a run.
const (
	StateWaiting   State = "waiting"   // asked for, not started yet
	StateUnstarted State = "unstarted" // asked for, and never started as far as was reported
	StateRunning   State = "running"   // started, no outcome yet
	StateSilent    State = "silent"    // started, and never reported an outcome
	StateLost      State = "lost"      // closed by the store
	StateDenied    State = "denied"
	StateDuplicate State = "duplicate"
	StateSucceeded State = "succeeded"
	StateFailed    State = "failed"
	StateAborted   State = "aborted"
	StateUnclear   State = "unclear" // nothing that counts says anything
)

// State tells where the run stands by what counts.
func (r *Run) State() State {
	if o := r.Outcome.Event; o != nil {
		switch o.Event.EventType {
		case "job_succeeded":
			return StateSucceeded
		case "job_aborted":
			return StateAborted
		}
		return StateFailed
	}
	switch {
	case r.Lost != nil:
		return StateLost
	case r.Outcome.Missing == NotAllowed:
		return StateDenied
	case r.Outcome.Missing == WasDuplicate:
		return StateDuplicate
	case r.Execution.Event != nil && r.Outcome.Missing == NotYet:
		return StateRunning
	case r.Execution.Event != nil:
		return StateSilent
	case r.Submission.Event == nil && r.Authorization.Event == nil:
		return StateUnclear
	case r.Execution.Missing == NotYet:
		return StateWaiting
	}
	return StateUnstarted
}

// LastSeen is the last event that counts as a sign of life of the run: the last of its own that the fold put into one
// of its phases, or nil.
func (r *Run) LastSeen() *Entry {
	var last *Entry
	for _, e := range r.own() {
		if last == nil || e.at > last.at {
			last = e
		}
	}
	return last
}

// own lists the events of the run's phases that its own sender made.
func (r *Run) own() []*Entry {
	var out []*Entry
	for _, p := range []*Phase{&r.Submission, &r.Authorization, &r.Execution, &r.Outcome} {
		if p.Event != nil {
			out = append(out, p.Event)
		}
		for _, e := range p.More {
			if !reserved(e.Event.EventType) {
				out = append(out, e)
			}
		}
	}
	out = append(out, r.Heartbeats...)
	return append(out, r.Snapshots...)
}

// Own lists, for each job, the entries that hang on it directly, in no order that means anything: its notes, and all
// that its runs hold. Corrections hang on what they correct.
func (j *Job) Own() []*Entry {
	out := append([]*Entry(nil), j.Notes...)
	for _, r := range j.Runs {
		for _, p := range []*Phase{&r.Submission, &r.Authorization, &r.Execution, &r.Outcome} {
			if p.Event != nil {
				out = append(out, p.Event)
			}
			out = append(out, p.More...)
		}
		if r.Lost != nil {
			out = append(out, r.Lost)
		}
		out = append(out, r.Heartbeats...)
		out = append(out, r.Snapshots...)
		out = append(out, r.Corrections...)
		out = append(out, r.Claims...)
	}
	return out
}
