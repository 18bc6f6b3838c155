package event

import (
	"math/bits"
	"strings"
)

// facts is what a whole event says, as far as the rules between its fields go.
// The scanner fills it from bytes, the encoder from an Event.
type facts struct {
	seen, null  [objectCount]uint64 // by object: members with a value, members that are null
	slots       [slotCount]text
	eventID     UUID
	streamID    UUID
	severity    int64
	security    bool
	seq         int64
	excuses     [fewKeys]text // paths in absent
	excuseCount int           // of these
	excusesMore []text        // paths in absent that are behind them
	labels      []byte        // as JSON
	params      []byte        // as JSON
	event       *Event        // in the encoder, which has no JSON yet
}

// objectCount is the number of objects in the table; init would be too late for
// an array's length, so a test compares it.
const objectCount = 23

func (fa *facts) number(s slot, n int64) {
	switch s {
	case slotSeverity:
		fa.severity = n
	case slotSecurity:
		fa.security = n == 1
	case slotSeq:
		fa.seq = n
	}
}

func (fa *facts) has(f *field) bool { return fa.seen[f.object]>>f.bit&1 == 1 }

// excused tells whether absent names path, or an object that path is in.
func (fa *facts) excused(path string) bool {
	for i := range fa.excuses[:fa.excuseCount] {
		if fa.excuses[i].covers(path) {
			return true
		}
	}
	for i := range fa.excusesMore {
		if fa.excusesMore[i].covers(path) {
			return true
		}
	}
	return false
}

// covers tells whether e is path, or an object that path is in.
func (e *text) covers(path string) bool {
	return e.n <= len(path) && (e.n == len(path) || path[e.n] == '.') && e.is(path[:e.n])
}

func (fa *facts) excuse(path text) {
	if fa.excuseCount == len(fa.excuses) {
		fa.excusesMore = append(fa.excusesMore, path)
		return
	}
	fa.excuses[fa.excuseCount] = path
	fa.excuseCount++
}

// demand is one conditional requirement of the table.
type demand struct {
	class  class     // of the type; 0: any
	when   condition // beside the class
	fields []*field
	// hard: there is no excuse.
	hard bool
	// soft: the encoder excuses what is missing, the scanner does not ask.
	soft bool
}

// condition is a fact that a demand hangs on. It is a number and not a function,
// because facts handed to a function value would move to the heap.
type condition uint8

const (
	whenever condition = iota
	whenModifies
	whenSecurity
	whenKnownPrincipal
	whenTriggeredByEvent
	whenChild
	whenSpan
)

func (fa *facts) holds(d *demand, t *Type) bool {
	if d.class != 0 && t.class&d.class == 0 {
		return false
	}
	switch d.when {
	case whenModifies:
		return t.Modifies
	case whenSecurity:
		return fa.security
	case whenKnownPrincipal:
		return fa.has(principalRow) && !fa.slots[slotPrincipalType].is("unauthenticated")
	case whenTriggeredByEvent:
		return fa.slots[slotTrigger].is("event")
	case whenChild:
		return fa.has(parentRow)
	case whenSpan:
		return fa.has(spanRow)
	}
	return true
}

var principalRow, parentRow, spanRow = lookup("principal"), lookup("job.parent_id"), lookup("span_id")

// demands are the conditions of the table's column "required".
var demands = []demand{
	{class: classJob, fields: paths("job"), hard: true},
	{class: classJob, fields: paths("why", "job.id", "job.name")},
	{class: classJob, fields: paths("why.reason"), soft: true},
	{class: classSubmission, fields: paths("job.params")},
	{class: classRun, fields: paths("job.run_id")},
	{class: classStart, fields: paths("job.code_digest", "job.env_digest")},
	{class: classAuthorization, fields: paths("authorization")},
	{class: classStatus, fields: paths("status"), hard: true},
	{class: classHeartbeat, fields: paths("heartbeat")},
	{class: classOutcome, fields: paths("timing", "impact")},
	{class: classOutcome, fields: paths("before", "after"), soft: true},
	{class: classCorrection, fields: paths("corrects"), hard: true},
	{class: classSession, fields: paths("session_hash")},
	{when: whenModifies, fields: paths("before", "after")},
	{when: whenSecurity, fields: paths("action", "object")},
	{when: whenKnownPrincipal, fields: paths("principal.id")},
	{when: whenTriggeredByEvent, fields: paths("principal.upstream.system", "principal.upstream.event_ref")},
	{when: whenChild, fields: paths("job.root_id")},
	{when: whenSpan, fields: paths("trace_id"), hard: true},
}

// paths finds rows by their dotted path.
func paths(names ...string) (out []*field) {
	for _, n := range names {
		f := lookup(n)
		if f == nil {
			panic("event: the table has no " + n)
		}
		out = append(out, f)
	}
	return out
}

var byPath = func() map[string]*field {
	m := make(map[string]*field)
	for _, o := range objects {
		for _, f := range o.fields {
			m[f.path] = f
		}
	}
	return m
}()

func lookup(path string) *field { return byPath[path] }

// missing calls miss for every field that should be there and is not, until it
// returns an error.
func (fa *facts) missing(t *Type, miss func(f *field, path string, hard, soft bool) *Error) *Error {
	for gone := root.demanded &^ fa.seen[root.id]; gone != 0; gone &= gone - 1 {
		f := root.fields[bits.TrailingZeros64(gone)]
		if err := miss(f, f.path, f.need == core, false); err != nil {
			return err
		}
	}
	for i := range demands {
		d := &demands[i]
		if !fa.holds(d, t) {
			continue
		}
		for _, f := range d.fields {
			if !fa.has(f) {
				if err := miss(f, f.path, d.hard, d.soft); err != nil {
					return err
				}
			}
		}
	}
	for _, p := range t.Required {
		f := lookup(p)
		switch {
		case f != nil && fa.has(f):
			continue
		case strings.HasPrefix(p, "labels.") && fa.label(p[len("labels."):]):
			continue
		case strings.HasPrefix(p, "job.params.") && fa.param(p[len("job.params."):]):
			continue
		}
		if err := miss(f, p, false, false); err != nil {
			return err
		}
	}
	return nil
}

func (fa *facts) label(key string) bool {
	if fa.event != nil {
		return fa.event.Labels[key] != ""
	}
	return hasKey(fa.labels, key)
}

func (fa *facts) param(key string) bool {
	if fa.event != nil {
		return fa.event.Job != nil && fa.event.Job.Params[key] != nil
	}
	return hasKey(fa.params, key)
}

// hasKey looks for a key of the outermost object of scanned JSON.
func hasKey(b []byte, key string) bool {
	if len(b) == 0 {
		return false
	}
	s := scanner{b: b, i: 1}
	for s.i < len(b) && b[s.i] != '}' {
		s.eat(',')
		k, err := s.text()
		if err != nil || !s.eat(':') {
			return false
		}
		if k.is(key) {
			return !s.literal("null")
		}
		if err := s.any(MaxParamsDepth, false, nil); err != nil {
			return false
		}
	}
	return false
}
