package story

import (
	"errors"
	"slices"

	"github.com/stetlog/stet/event"
)

// Bounds of what a Tree goes back to.
const (
	maxAscents = 8      // of one tree
	maxSteps   = 10_000 // of one ascent
	maxFinds   = 32     // causes that are looked for outside of the story
)

// How one thing names what it goes back to.
const (
	ByParent    = "parent"    // job.parent_id: the job that started it
	ByCausation = "causation" // causation_id: the event that caused it
	ByUpstream  = "upstream"  // principal.upstream: what caused it in another system
)

// Cause is what a job, or an event of no job, says that it goes back to. It is a claim, as all that an event says.
type Cause struct {
	How    string     // ByParent, ByCausation or ByUpstream
	JobID  string     // ByParent: of the job
	Event  event.UUID // of the event; zero ByParent, and where an upstream reference is none
	System string     // ByUpstream: the system; Ref and Type are what it calls the event
	Ref    string
	Type   string
	By     *Entry // the event that says so
}

// Step is one cause, and what it was found to be.
type Step struct {
	Cause
	Story *Story // nil: neither the story nor Finder has it
	Job   *Job   // nil: it is an event of no job, or was not found
	Entry *Entry // the event: of a job what it began with
	// Unsought says that it was not looked for outside of the story: too much else was, or there was no Finder.
	Unsought bool
	// Circle says that the line has come back to a job that it has passed, and ends here.
	Circle bool
}

// Ascent is the line of causes from a job upwards, the nearest first. The last step that was found leads to the principal
// that all below goes back to, as far as events say; one that was not found is the last.
type Ascent struct {
	Of    *Job
	Steps []Step
	More  bool // it goes on, and was followed no further
}

// Finder gives the story that has what a cause names, the job or the event, among other interactions; nil where the log has
// none, and ErrUnsought where it cannot look for that.
type Finder func(Cause) (*Story, error)

// ErrUnsought is the answer of a Finder that cannot look for a cause.
var ErrUnsought = errors.New("the cause was not looked for")

// Ascend follows what the heads and orphans of the tree go back to, up to the first cause that names no other, into other
// interactions as far as find leads; nil: not beyond the story. What leads to the same cause is followed once. The tree has a
// bounded number of ascents, and asks find a bounded number of times.
func (t *Tree) Ascend(find Finder) error {
	c := climber{story: t.Story, find: find, finds: maxFinds}
	told := make(map[string]bool)
	for _, b := range slices.Concat(t.Branches, t.Orphans) {
		if b.Depth > 0 || len(t.Ascents) == maxAscents {
			continue
		}
		a, err := c.climb(b.Job)
		if err != nil {
			return err
		}
		if len(a.Steps) == 0 || told[a.Steps[0].name()] {
			continue
		}
		told[a.Steps[0].name()] = true
		t.Ascents = append(t.Ascents, a)
	}
	return nil
}

// name tells causes apart.
func (c Cause) name() string {
	return c.How + "\x00" + c.JobID + "\x00" + c.Event.String() + "\x00" + c.System + "\x00" + c.Ref
}

// climber follows causes through stories.
type climber struct {
	story *Story
	find  Finder
	finds int // how often it may still be asked
	known map[*Story]*register
}

// register finds what a story has by its ids.
type register struct {
	jobs   map[string]*Job
	events map[event.UUID]*Entry
	owner  map[*Entry]*Job
}

func (c *climber) register(s *Story) *register {
	if r := c.known[s]; r != nil {
		return r
	}
	r := &register{make(map[string]*Job), make(map[event.UUID]*Entry), make(map[*Entry]*Job)}
	for _, j := range s.all() {
		r.jobs[j.ID] = j
		for _, e := range j.Own() {
			r.owner[e] = j
		}
	}
	for _, e := range slices.Backward(s.Events) { // of several that claim an id the first is what is left
		r.events[e.Event.EventID] = e
	}
	if c.known == nil {
		c.known = make(map[*Story]*register)
	}
	c.known[s] = r
	return r
}

// climb follows the causes of a job.
func (c *climber) climb(of *Job) (Ascent, error) {
	a := Ascent{Of: of}
	at := Step{Story: c.story, Job: of}
	passed := map[*Job]bool{of: true}
	seen := make(map[*Entry]bool)
	for {
		causes := c.causes(at)
		if len(causes) == 0 {
			return a, nil
		}
		if a.More = len(a.Steps) == maxSteps; a.More {
			return a, nil
		}
		next, err := c.resolve(at.Story, causes)
		if err != nil {
			return a, err
		}
		next.Circle = next.Job != nil && passed[next.Job] || next.Job == nil && next.Entry != nil && seen[next.Entry]
		a.Steps = append(a.Steps, next)
		if next.Story == nil || next.Circle {
			return a, nil
		}
		passed[next.Job], seen[next.Entry] = next.Job != nil, true
		at = next
	}
}

// causes are what a step says that it goes back to, the best first: a job's parent, then what its request or start names.
func (c *climber) causes(at Step) (out []Cause) {
	entries := []*Entry{at.Entry}
	if at.Job != nil {
		entries = at.Job.beginnings()
		if id := at.Job.ParentID; id != "" {
			cause := Cause{How: ByParent, JobID: id}
			if len(entries) > 0 {
				cause.By = entries[0]
			}
			out = append(out, cause)
		}
	}
	r := c.register(at.Story)
	for _, e := range entries {
		own := r.events[e.Event.CausationID]
		if e.Event.CausationID.IsZero() || own == e || own != nil && at.Job != nil && r.owner[own] == at.Job {
			continue // or it is caused by itself: a start by its request
		}
		out = append(out, Cause{How: ByCausation, Event: e.Event.CausationID, By: e})
		break
	}
	for _, e := range entries {
		if p := e.Event.Principal; p != nil && p.Upstream != nil {
			u := p.Upstream
			cause := Cause{How: ByUpstream, System: u.System, Ref: u.EventRef, Type: u.EventType, By: e}
			if id, err := event.ParseUUID(u.EventRef); err == nil {
				cause.Event = id
			}
			return append(out, cause)
		}
	}
	return out
}

// beginnings are the events that say where a job came from, the request first. One that was dropped as a duplicate names
// the job that it repeats, and no cause.
func (j *Job) beginnings() (out []*Entry) {
	for _, p := range []phase{submission, execution, authorization, outcome} {
		for _, r := range j.Runs {
			if e := r.slot(p).Event; e != nil && e.Event.EventType != "job_deduplicated" {
				out = append(out, e)
			}
		}
	}
	return out
}

// resolve finds the first of the causes that is there: in the story, else elsewhere. Where none is, the first is what there is
// to say.
func (c *climber) resolve(s *Story, causes []Cause) (Step, error) {
	for _, cause := range causes {
		if step, ok := c.in(s, cause); ok {
			return step, nil
		}
	}
	unsought := false
	for _, cause := range causes {
		if cause.How == ByUpstream && cause.Event.IsZero() {
			continue
		}
		if c.find == nil || c.finds == 0 {
			unsought = true
			break
		}
		c.finds--
		other, err := c.find(cause)
		if errors.Is(err, ErrUnsought) {
			unsought = true
			continue
		}
		if err != nil {
			return Step{}, err
		}
		if other == nil {
			continue
		}
		if step, ok := c.in(other, cause); ok {
			return step, nil
		}
	}
	return Step{Cause: causes[0], Unsought: unsought}, nil
}

// in looks for a cause in one story.
func (c *climber) in(s *Story, cause Cause) (Step, bool) {
	r := c.register(s)
	step := Step{Cause: cause}
	if cause.How == ByParent {
		step.Job = r.jobs[cause.JobID]
	} else if step.Entry = r.events[cause.Event]; step.Entry != nil {
		step.Job = r.owner[step.Entry]
	}
	if step.Job == nil && step.Entry == nil || cause.How != ByParent && cause.Event.IsZero() {
		return Step{Cause: cause}, false
	}
	if step.Entry == nil {
		if b := step.Job.beginnings(); len(b) > 0 {
			step.Entry = b[0]
		}
	}
	step.Story = s
	return step, true
}
