package story

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
)

// Fold collects items and folds them into stories. Its zero value is ready. It keeps every item it is given: a caller
// that reads a whole ledger adds only what it wants told. Not safe for concurrent use.
type Fold struct {
	items map[string][]Item   // by interaction_id
	ended map[event.UUID]bool // streams that nothing more will come from
}

// Add takes in one item, in any order. One without an event (a seal, a stub) belongs to no interaction and is ignored,
// so that a caller can pass on whatever it reads.
func (f *Fold) Add(it Item) {
	if it.Event == nil {
		return
	}
	if f.items == nil {
		f.items = make(map[string][]Item)
	}
	id := it.Event.InteractionID
	f.items[id] = append(f.items[id], it)
}

// Ended says that nothing more will come from a stream: its last seal is final, or its process is known to be gone.
// What its runs have not reported is then "never reported" rather than "not yet".
func (f *Fold) Ended(stream event.UUID) {
	if f.ended == nil {
		f.ended = make(map[event.UUID]bool)
	}
	f.ended[stream] = true
}

// Story folds one interaction. It returns false if no event of it was added.
func (f *Fold) Story(interactionID string) (Story, bool) {
	items, ok := f.items[interactionID]
	if !ok {
		return Story{}, false
	}
	return f.build(interactionID, items), true
}

// Stories folds every interaction, in the order of their first events.
func (f *Fold) Stories() []Story {
	type start struct {
		id    string
		first Item
	}
	var starts []start
	var firsts []Item
	for id, items := range f.items {
		first := order(items)[0]
		starts = append(starts, start{id, first})
		firsts = append(firsts, first)
	}
	rank := make(map[identity]int, len(firsts))
	for i, it := range order(firsts) {
		rank[it.identity()] = i
	}
	slices.SortFunc(starts, func(a, b start) int {
		return cmp.Or(cmp.Compare(rank[a.first.identity()], rank[b.first.identity()]), cmp.Compare(a.id, b.id))
	})
	out := make([]Story, len(starts))
	for i, s := range starts {
		out[i] = f.build(s.id, f.items[s.id])
	}
	return out
}

// build folds one interaction's items, in passes that each depend on nothing but the order the items now stand in.
func (f *Fold) build(id string, items []Item) Story {
	s := Story{InteractionID: id}
	for i, it := range order(items) {
		s.Events = append(s.Events, &Entry{Item: it, Standing: Counts, at: i})
	}
	copied := attachCopies(s.Events)
	corrected := attachCorrections(s.Events)
	jobs := make(map[string][]*Entry)
	var ids []string
	for _, e := range s.Events {
		switch {
		case copied[e], corrected[e]:
		case e.Event.Job == nil || e.Event.Job.ID == "":
			if reserved(e.Event.EventType) && !e.StoreKey {
				e.Standing = Foreign
			}
			s.Loose = append(s.Loose, e)
		default:
			job := e.Event.Job.ID
			if jobs[job] == nil {
				ids = append(ids, job)
			}
			jobs[job] = append(jobs[job], e)
		}
	}
	all := make([]*Job, len(ids))
	for i, job := range ids {
		all[i] = f.buildJob(job, jobs[job])
	}
	s.Jobs, s.Orphans = plant(all)
	// Whether a correction counts depends on whose word counted for what it corrects.
	for _, e := range s.Events {
		for _, c := range e.Corrections {
			if !ownerOf(e.Item).owns(c.Item) {
				c.Standing = Foreign
			}
		}
	}
	s.Clocks = compareClocks(s.Events, all)
	return s
}

// attachCopies hangs every event that its sender recorded again on the first of them, and returns those it hung. A sender
// does so where a flush has failed and nobody knows what the disk holds: the same event under the same id, in a stream of
// its own. The same id from another sender is another event.
func attachCopies(entries []*Entry) map[*Entry]bool {
	// What is no copy of the first of its kind comes from the same stream as that: so of each kind the first is enough to
	// look at, however many events bear one id.
	type kind struct {
		id                         event.UUID
		typ, key, app, environment string
	}
	first := make(map[kind]*Entry)
	hung := make(map[*Entry]bool)
	for _, e := range entries {
		k := kind{e.Event.EventID, e.Event.EventType, e.KeyID, e.Event.AppID, e.Event.Environment}
		original := first[k]
		switch {
		case original == nil:
			first[k] = e
		case original.Event.StreamID != e.Event.StreamID && ownerOf(original.Item).owns(e.Item):
			e.Standing = Copy
			original.Copies = append(original.Copies, e)
			hung[e] = true
		}
	}
	return hung
}

// maxCorrections is how deep corrections of corrections hang on each other. What goes deeper hangs beside what it names: a
// chain of any length must not make a story of any depth.
const maxCorrections = 16

// maxNamesakes is how many events that bear one id, or copies of one event, a correction is held against: whoever gives more
// events one id must not make every correction of it dear.
const maxNamesakes = 64

// attachCorrections hangs every correction on the event it names, where this story has it, and returns those it hung.
// A correction can only be hung on another one that stands before it: two that name each other hang on nothing.
func attachCorrections(entries []*Entry) map[*Entry]bool {
	byID := make(map[event.UUID][]*Entry)
	bySeq := make(map[uint64]*Entry)
	byHash := make(map[string]*Entry)
	for _, e := range entries {
		if e.Standing == Copy {
			continue
		}
		if same := byID[e.Event.EventID]; len(same) < maxNamesakes {
			byID[e.Event.EventID] = append(same, e)
		}
		for _, same := range append([]*Entry{e}, e.Copies...) {
			if same.HasSeq {
				bySeq[same.Seq] = e
			}
			if hash := hashText(same.EntryHash); hash != "" {
				byHash["sha256:"+hash] = e
			}
		}
	}
	hung, above, depth := make(map[*Entry]bool), make(map[*Entry]*Entry), make(map[*Entry]int)
	for _, e := range entries {
		c := e.Event.Corrects
		if c == nil || e.Standing == Copy {
			continue
		}
		candidates := byID[c.EventID]
		switch {
		case !c.EventID.IsZero():
		case c.Seq != nil && bySeq[*c.Seq] != nil:
			candidates = []*Entry{bySeq[*c.Seq]}
		case c.Seq == nil && byHash[c.EntryHash] != nil:
			candidates = []*Entry{byHash[c.EntryHash]}
		}
		if target := chooseTarget(e, candidates); target != nil {
			if depth[target] == maxCorrections {
				target = above[target]
			}
			target.Corrections = append(target.Corrections, e)
			hung[e], above[e], depth[e] = true, target, depth[target]+1
		}
	}
	return hung
}

// chooseTarget picks the event that a correction means. Event ids are their sender's claim, so two events can bear the
// same one: the sender's own comes first.
func chooseTarget(correction *Entry, candidates []*Entry) *Entry {
	var found *Entry
	for _, t := range candidates {
		switch {
		case t == correction, t.Event.Corrects != nil && t.at > correction.at:
		case !names(correction.Event.Corrects, t): // its names do not agree
		case ownerOf(t.Item).owns(correction.Item):
			return t
		case found == nil:
			found = t
		}
	}
	return found
}

// names reports whether what a correction says of its target's place fits the target, or a copy of it.
func names(c *event.Corrects, target *Entry) bool {
	for _, t := range append([]*Entry{target}, target.Copies[:min(len(target.Copies), maxNamesakes)]...) {
		seq := c.Seq == nil || !t.HasSeq || t.Seq == *c.Seq
		hash := c.EntryHash == "" || hashText(t.EntryHash) == "" || "sha256:"+hashText(t.EntryHash) == c.EntryHash
		if seq && hash {
			return true
		}
	}
	return false
}

// buildJob folds the events of one job.
func (f *Fold) buildJob(id string, entries []*Entry) *Job {
	j := &Job{ID: id, first: entries[0].at}
	groups := make(map[string][]*Entry)
	var runIDs []string
	for _, e := range entries {
		if _, r := placeOf(e.Event.EventType, ""); r == roleNote {
			if reserved(e.Event.EventType) && !e.StoreKey {
				e.Standing = Foreign
			}
			j.Notes = append(j.Notes, e)
			continue
		}
		run := e.Event.Job.RunID
		if groups[run] == nil {
			runIDs = append(runIDs, run)
		}
		groups[run] = append(groups[run], e)
	}
	adoptRunless(groups, &runIDs)
	for _, run := range runIDs {
		r := buildRun(id, run, groups[run])
		if strings.HasPrefix(run, runless) {
			r.ID = ""
		}
		j.Runs = append(j.Runs, r)
	}
	if len(j.Runs) == 0 { // notes only
		j.Runs = []*Run{buildRun(id, "", nil)}
	}
	slices.SortStableFunc(j.Runs, func(a, b *Run) int { return cmp.Compare(max(a.Attempt, 1), max(b.Attempt, 1)) })
	f.explainMissing(j)
	j.describe(entries)
	return j
}

// runless stands in front of the group of an attempt that has no run: no id of a run begins so.
const runless = "\x00"

// adoptRunless gives the events that name a job but no run, as a request may that was made before there was a run, to
// the run of the same attempt. What names a later attempt that never ran, because it was not allowed to, stands by
// itself; the rest goes to the first run.
func adoptRunless(groups map[string][]*Entry, runIDs *[]string) {
	orphans := groups[""]
	if len(orphans) == 0 || len(groups) == 1 {
		return
	}
	*runIDs = slices.DeleteFunc(*runIDs, func(id string) bool { return id == "" })
	delete(groups, "")
	attempts := make(map[int64]string)
	first, lowest := (*runIDs)[0], int64(0)
	for _, id := range *runIDs {
		n := attemptOf(groups[id])
		if _, ok := attempts[n]; !ok {
			attempts[n] = id
		}
		if lowest == 0 || n < lowest {
			first, lowest = id, n
		}
	}
	for _, e := range orphans {
		n := max(e.Event.Job.Attempt, 1)
		run, ok := attempts[n]
		switch {
		case ok:
		case n > 1:
			run = runless + strconv.FormatInt(n, 10)
			attempts[n] = run
			*runIDs = append(*runIDs, run)
		default:
			run = first
		}
		groups[run] = append(groups[run], e)
	}
	for _, id := range *runIDs {
		slices.SortStableFunc(groups[id], func(a, b *Entry) int { return cmp.Compare(a.at, b.at) })
	}
}

func attemptOf(entries []*Entry) int64 {
	for _, e := range entries {
		if n := e.Event.Job.Attempt; n > 0 {
			return n
		}
	}
	return 1
}

// describe fills in what the job's events say of it. What counts is asked before what does not, and of equals the
// earliest.
func (j *Job) describe(entries []*Entry) {
	for _, foreign := range []bool{false, true} {
		for _, e := range entries {
			if (e.Standing == Foreign) != foreign {
				continue
			}
			if j.Name == "" {
				j.Name = e.Event.Job.Name
			}
			if !foreign {
				j.parent(e.Event.Job.ParentID)
			}
			if j.RootID == "" && !foreign {
				j.RootID = e.Event.Job.RootID
			}
		}
	}
}

// parent takes in that an event names a parent: the first counts, others are remembered.
func (j *Job) parent(id string) {
	switch {
	case id == "" || id == j.ParentID:
	case j.ParentID == "":
		j.ParentID = id
	case len(j.OtherParents) < MaxOtherParents && !slices.Contains(j.OtherParents, id):
		j.OtherParents = append(j.OtherParents, id)
	}
}
