package story

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// MaxDifferences bounds what Differences returns, and maxChanges what one of them holds.
const (
	MaxDifferences = 200
	maxChanges     = 200
)

// What a Difference is between.
const (
	OfStates   = "states"   // of the data that a run was about, before it and after
	OfAttempts = "attempts" // of a job, two that follow each other
)

// Difference says what differs between two states of data, or two attempts of a job, as far as events say.
type Difference struct {
	Of          string // OfStates or OfAttempts
	Job         *Job
	Earlier     *Run   // OfStates both are the run
	Later       *Run   //
	From, To    *Entry // what says so; nil where one of two states was not recorded
	Changes     []Change
	Left        int    // changes beyond those
	NotRecorded string // why there is one state alone; "" where there are two
}

// How a value differs.
type How string

// What can be said of two values, in the order in which they are told.
const (
	Changed How = "changed"
	Added   How = "added"
	Removed How = "removed"
	Unknown How = "unknown" // both are there, and whether they differ cannot be said
	Same    How = "same"
)

// Change is one value by its path. Texts are printable; a value that is redacted is shown as it is recorded.
type Change struct {
	How      How
	Path     string
	From, To string // "" where there is none
	Note     string // what else there is to know, or ""
}

// Differences compares, for each run, the states of data that it recorded before and after, and for each job with several
// attempts, every attempt with the one before it: in the order of the jobs, parents first; of one job alone where its id is
// given. left is how many differences there are beyond MaxDifferences.
func (s *Story) Differences(jobID string) (out []Difference, left int) {
	add := func(d Difference) {
		if len(out) == MaxDifferences {
			left++
			return
		}
		out = append(out, d)
	}
	for _, j := range s.all() {
		if jobID != "" && j.ID != jobID {
			continue
		}
		for i, r := range j.Runs {
			if i > 0 {
				add(attempts(j, j.Runs[i-1], r))
			}
			for _, d := range states(j, r) {
				add(d)
			}
		}
	}
	return out, left
}

// state is data at one time.
type state struct {
	s  *event.Snapshot
	by *Entry
}

// states pairs what a run recorded of data before and after: what one event says of both, and else what is about the same
// object, the first before with the last after.
func states(j *Job, r *Run) (out []Difference) {
	entries := slices.Clone(r.Snapshots)
	if r.Outcome.Event != nil {
		entries = append(entries, r.Outcome.Event)
	}
	paired := make(map[event.Snapshot]bool) // without Count, which is a pointer
	plainly := func(s *event.Snapshot) event.Snapshot {
		return event.Snapshot{Digest: s.Digest, Summary: s.Summary, Object: s.Object}
	}
	for _, e := range entries {
		if b, a := e.Event.Before, e.Event.After; b != nil && a != nil {
			out = append(out, compareStates(j, r, state{b, e}, state{a, e}))
			paired[plainly(b)], paired[plainly(a)] = true, true
		}
	}
	var objects []string
	before, after := make(map[string]state), make(map[string]state)
	for _, e := range entries {
		if e.Event.Before != nil && e.Event.After != nil {
			continue
		}
		if b := e.Event.Before; b != nil && !paired[plainly(b)] {
			objects = append(objects, b.Object)
			if before[b.Object].s == nil {
				before[b.Object] = state{b, e}
			}
		}
		if a := e.Event.After; a != nil && !paired[plainly(a)] {
			objects = append(objects, a.Object)
			after[a.Object] = state{a, e}
		}
	}
	told := make(map[string]bool)
	for _, o := range objects {
		if !told[o] {
			told[o] = true
			out = append(out, compareStates(j, r, before[o], after[o]))
		}
	}
	return out
}

func compareStates(j *Job, r *Run, from, to state) Difference {
	d := Difference{Of: OfStates, Job: j, Earlier: r, Later: r, From: from.by, To: to.by}
	var c comparison
	switch {
	case from.s == nil:
		d.NotRecorded = "no state before it was recorded" + because(to.by, "before")
		c.alone(to)
	case to.s == nil:
		d.NotRecorded = "no state after it was recorded" + because(from.by, "after")
		if r.Outcome.Event != nil {
			d.NotRecorded = "no state after it was recorded" + because(r.Outcome.Event, "after")
		}
		c.alone(from)
	default:
		c.states(from, to)
	}
	d.Changes, d.Left = c.sorted()
	return d
}

func because(e *Entry, path string) string {
	if why := excuse(e.Event, path); why != "" {
		return " (" + why + ")"
	}
	return ""
}

// comparison collects changes.
type comparison struct{ changes []Change }

// sorted puts what differs first, each kind by path.
func (c *comparison) sorted() (out []Change, left int) {
	rank := []How{Changed, Added, Removed, Unknown, Same}
	slices.SortStableFunc(c.changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(slices.Index(rank, a.How), slices.Index(rank, b.How)), strings.Compare(a.Path, b.Path))
	})
	n := min(len(c.changes), maxChanges)
	return c.changes[:n], len(c.changes) - n
}

// value compares two texts; "" is none.
func (c *comparison) value(path, from, to, note string) {
	how := Changed
	switch {
	case from == "" && to == "":
		return
	case from == "":
		how = Added
	case to == "":
		how = Removed
	case from == to && isRedacted(from):
		how, note = Unknown, "redacted in both: whether it changed cannot be said"
	case from == to:
		how = Same
	}
	c.changes = append(c.changes, Change{how, path, from, to, note})
}

// isRedacted reports whether something of a value was masked: what stands in its place is the same for every value.
func isRedacted(s string) bool { return strings.Contains(s, "[redacted:") }

// digest compares two digests, which say that what they are of agrees or differs, but only if they were made in one way.
func (c *comparison) digest(path, from, to string, w, v words) {
	a, b := w.text(from), v.text(to)
	i, k := strings.LastIndexByte(a, ':'), strings.LastIndexByte(b, ':')
	if a != "" && b != "" && (i < 0 || k < 0 || a[:i] != b[:k]) {
		c.changes = append(c.changes, Change{Unknown, path, a, b, "made in two ways, or with two keys: they cannot be compared"})
		return
	}
	note := ""
	if a != "" && b != "" {
		note = "digests differ"
		if a == b {
			note = "digests agree"
		}
	}
	c.value(path, a, b, note)
}

func (c *comparison) states(from, to state) {
	w, v := wordsOf(from.by.Event), wordsOf(to.by.Event)
	c.value("object", w.text(from.s.Object), v.text(to.s.Object), "")
	if from.s.Object != to.s.Object {
		c.changes[len(c.changes)-1].Note = "two different things were looked at"
	}
	c.digest("digest", from.s.Digest, to.s.Digest, w, v)
	c.counts(map[string]*int64{"count": from.s.Count}, map[string]*int64{"count": to.s.Count}, words{true}, words{true})
	a, aKeys := keysOf(from.s.Summary, w)
	b, bKeys := keysOf(to.s.Summary, v)
	if !aKeys || !bKeys {
		c.value("summary", w.text(from.s.Summary), v.text(to.s.Summary), "")
		return
	}
	c.keys("summary", a, b)
}

// alone tells one state that there is no other of.
func (c *comparison) alone(of state) {
	w := wordsOf(of.by.Event)
	for _, x := range [][2]string{{"object", of.s.Object}, {"digest", of.s.Digest}, {"summary", of.s.Summary}} {
		if x[1] != "" {
			c.changes = append(c.changes, Change{Unknown, x[0], w.text(x[1]), w.text(x[1]), ""})
		}
	}
	if of.s.Count != nil {
		c.changes = append(c.changes, Change{Unknown, "count", number(*of.s.Count), number(*of.s.Count), ""})
	}
}

func (c *comparison) keys(path string, from, to map[string]string) {
	all := make(map[string]bool)
	for k := range from {
		all[k] = true
	}
	for k := range to {
		all[k] = true
	}
	for _, k := range slices.Sorted(maps.Keys(all)) {
		c.value(path+"."+k, from[k], to[k], "")
	}
}

func (c *comparison) counts(from, to map[string]*int64, w, v words) {
	a, b := make(map[string]string), make(map[string]string)
	notes := make(map[string]string)
	for k, n := range from {
		if n != nil {
			a[w.text(k)] = number(*n)
		}
	}
	for k, n := range to {
		if n == nil {
			continue
		}
		b[v.text(k)] = number(*n)
		if m := from[k]; m != nil && *m != *n {
			notes[v.text(k)] = plus(*n - *m)
		}
	}
	all := maps.Clone(a)
	maps.Copy(all, b)
	for _, k := range slices.Sorted(maps.Keys(all)) {
		c.value(k, a[k], b[k], notes[k])
	}
}

// plus writes a difference with its sign. Numbers of an event are so small that it cannot overflow.
func plus(n int64) string {
	if n > 0 {
		return "+" + number(n)
	}
	return number(n)
}

// keysOf takes a summary apart that is a JSON object: its scalars by their paths. One with an escape in it is a text: what was
// escaped is not what its JSON said.
func keysOf(summary string, w words) (map[string]string, bool) {
	text := w.text(summary)
	if !strings.HasPrefix(text, "{") || strings.ContainsRune(text, '\\') {
		return nil, false
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var object map[string]any
	if err := d.Decode(&object); err != nil || d.More() {
		return nil, false
	}
	out := make(map[string]string)
	flatten(out, "", object, words{escaped: true}, 0)
	return out, true
}

// flatten writes the scalars of a value by their paths. Lists are one value; so is what lies too deep.
func flatten(out map[string]string, path string, v any, w words, depth int) {
	if m, ok := v.(map[string]any); ok && len(m) > 0 && depth < event.MaxParamsDepth {
		for k, in := range m {
			flatten(out, strings.TrimPrefix(path+"."+w.text(k), "."), in, w, depth+1)
		}
		return
	}
	var b strings.Builder
	switch v := v.(type) {
	case json.Number:
		b.WriteString(w.text(v.String()))
	case string:
		b.WriteString(w.text(v))
	default:
		writeValue(&b, v, w, 0)
	}
	out[path] = cmp.Or(b.String(), emptyText)
}

// emptyText stands for a text that is there and has nothing in it.
const emptyText = `""`

// attempts compares an attempt with the one before it.
func attempts(j *Job, from, to *Run) Difference {
	d := Difference{Of: OfAttempts, Job: j, Earlier: from, Later: to, From: from.LastSeen(), To: to.LastSeen()}
	var c comparison
	p := new(paper)
	c.value("state", p.shortState(from), p.shortState(to), "")
	a, b := factsOf(from), factsOf(to)
	for _, k := range slices.Sorted(maps.Keys(a.texts)) {
		c.value(k, a.texts[k], b.texts[k], "")
	}
	for _, k := range slices.Sorted(maps.Keys(b.texts)) {
		if _, both := a.texts[k]; !both {
			c.value(k, "", b.texts[k], "")
		}
	}
	c.digest("code_digest", a.code, b.code, words{true}, words{true})
	c.digest("env_digest", a.env, b.env, words{true}, words{true})
	if a.params != nil && b.params != nil { // else they were recorded once, with the first attempt
		c.keys("params", a.params, b.params)
	}
	c.counts(prefixed("impact.", a.counts), prefixed("impact.", b.counts), words{true}, words{true})
	d.Changes, d.Left = c.sorted()
	return d
}

func prefixed(prefix string, m map[string]*int64) map[string]*int64 {
	out := make(map[string]*int64, len(m))
	for k, n := range m {
		out[prefix+k] = n
	}
	return out
}

// facts are what may differ between attempts: printable, without what is no value.
type facts struct {
	texts     map[string]string
	code, env string
	params    map[string]string // nil: none were recorded with this attempt
	counts    map[string]*int64
}

// factsOf asks the start first, which is about the run itself, and then the other phases in their order.
func factsOf(r *Run) facts {
	f := facts{texts: make(map[string]string), counts: make(map[string]*int64)}
	set := func(k, v string) {
		if v != "" && f.texts[k] == "" {
			f.texts[k] = v
		}
	}
	for _, p := range []phase{execution, submission, authorization, outcome} {
		e := r.slot(p).Event
		if e == nil {
			continue
		}
		ev, w := e.Event, wordsOf(e.Event)
		set("app_id", w.text(ev.AppID))
		set("app_version", w.text(ev.AppVersion))
		set("code_location", w.text(ev.CodeLocation))
		set("environment", w.text(ev.Environment))
		set("who", who(ev))
		if ev.Host != nil {
			set("host", w.text(ev.Host.Name))
		}
		if a := ev.Authorization; a != nil {
			set("authorization", strings.TrimSpace(w.text(a.Decision)+" by "+w.text(a.Basis)+" "+w.text(a.PolicyID)+" "+w.text(a.PolicyVersion)))
		}
		f.code = cmp.Or(f.code, w.text(ev.Job.CodeDigest))
		f.env = cmp.Or(f.env, w.text(ev.Job.EnvDigest))
		if f.params == nil && len(ev.Job.Params) > 0 {
			f.params = make(map[string]string)
			flatten(f.params, "", ev.Job.Params, w, 0)
		}
		if p != outcome {
			continue
		}
		set("status_code", w.text(ev.StatusCode))
		set("status_reason", w.text(ev.StatusReason))
		if t := ev.Timing; t != nil && t.DurationUS != nil {
			set("duration", duration(microseconds(*t.DurationUS)))
		}
		if ev.Impact != nil {
			set("impact", w.text(ev.Impact.Summary))
			for k, n := range ev.Impact.Counts {
				f.counts[w.text(k)] = &n
			}
		}
	}
	return f
}

// name says what is compared.
func (d Difference) name() string {
	switch {
	case d.Of == OfAttempts:
		return fmt.Sprintf("%s: %s and %s", jobTitle(d.Job), lower(attempt(d.Earlier, slices.Index(d.Job.Runs, d.Earlier))),
			lower(attempt(d.Later, slices.Index(d.Job.Runs, d.Later))))
	case len(d.Job.Runs) > 1:
		return jobTitle(d.Job) + ", " + lower(attempt(d.Later, slices.Index(d.Job.Runs, d.Later))) + ": before and after"
	}
	return jobTitle(d.Job) + ": before and after"
}

func lower(s string) string { return strings.ToLower(s[:1]) + s[1:] }

// when is when a side of a difference was recorded, for a column.
func (d Difference) when(times func(time.Time) string) string {
	if d.From == d.To && d.From != nil {
		return "both in " + reference(d.From) + " of " + times(d.From.When())
	}
	side := func(e *Entry) string {
		if e == nil {
			return "not recorded"
		}
		return reference(e) + " of " + times(e.When())
	}
	return side(d.From) + ", " + side(d.To)
}
