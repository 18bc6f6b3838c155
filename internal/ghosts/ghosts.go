// Package ghosts lists the jobs that a log misses something of: that never started, never ended, fell silent, were lost or
// did not come, and those whose word came after all, but late.
//
// What a store or server has found stands in its log, as events under its own key. Where no server watches a log, nobody
// finds anything: then a [List] is given the very machines that a server's watch runs (package watch), has them read the log,
// and asks them what they would find now. It records nothing.
//
// Pure: no clock, no files, no goroutines.
package ghosts

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/watch"
)

// Max is how many ghosts a List keeps: the newest.
const Max = 100_000

// Ghost is a job that something is missing of.
type Ghost struct {
	What     string       // in two words: "never started"
	Type     string       // of the finding's event
	Rule     string       // that found it
	Since    time.Time    // when it was found to be so: when its entry was received, or when it became true
	Recorded bool         // there is such an event in the log, in entry Seq; else it was found by reading the log
	Seq      uint64       //
	Event    *event.Event // the finding
	Evidence []uint64     // the entries that it rests on
	Answer   *Answer      // what came after all, or nil: it is still so
}

// Answer is a word that came late.
type Answer struct {
	Type     string // job_recovered or job_late_outcome
	At       time.Time
	Recorded bool
	Seq      uint64
	Event    *event.Event
	Evidence []uint64
}

// types are the findings that make a ghost, and what they say of it.
var types = [...]struct{ event, what string }{
	{"job_never_started", "never started"},
	{"job_no_outcome", "never ended"},
	{"job_lost", "lost"},
	{"job_stalled", "stalled"},
	{"job_missed", "missed"},
}

// Types lists the types of events that make a ghost.
func Types() []string {
	var out []string
	for _, t := range types {
		out = append(out, t.event)
	}
	return out
}

// AnswerTypes lists the types of events that say of a ghost that its word came after all.
func AnswerTypes() []string { return []string{"job_recovered", "job_late_outcome"} }

// What says of a type of event what is missing, or "" where it makes no ghost.
func What(eventType string) string {
	for _, t := range types {
		if t.event == eventType {
			return t.what
		}
	}
	return ""
}

// List is a watch.Taker that keeps what is missing.
type List struct {
	// Machines are asked what else is missing. They must be given the same entries.
	Machines []watch.Machine

	all     []*Ghost
	bySeq   map[uint64]*Ghost
	dropped int
}

// Add takes in the next entry of the log.
func (l *List) Add(e watch.Entry) {
	if e.Event == nil || !e.StoreKey || What(e.Event.EventType) == "" && !slices.Contains(AnswerTypes(), e.Event.EventType) {
		return
	}
	e = e.Own()
	l.found(Of(e.Event, e.ReceivedAt, true, e.Seq), e.Event, e.ReceivedAt, true, e.Seq)
}

// Of makes a ghost of a finding's event; nil where that makes none. The event must be the store's own.
func Of(e *event.Event, at time.Time, recorded bool, seq uint64) *Ghost {
	what := What(e.EventType)
	if what == "" {
		return nil
	}
	return &Ghost{What: what, Type: e.EventType, Rule: e.StatusCode, Since: at, Recorded: recorded, Seq: seq, Event: e, Evidence: evidence(e)}
}

// found takes in a ghost, or else what may be an answer to one.
func (l *List) found(g *Ghost, e *event.Event, at time.Time, recorded bool, seq uint64) {
	if g == nil {
		answer(e, at, recorded, seq, l.bySeq)
		return
	}
	if len(l.all) == Max {
		delete(l.bySeq, l.all[0].Seq)
		l.all, l.dropped = l.all[1:], l.dropped+1
	}
	l.all = append(l.all, g)
	if recorded {
		if l.bySeq == nil {
			l.bySeq = make(map[uint64]*Ghost)
		}
		l.bySeq[seq] = g
	}
}

// Answers takes an event of the log, the store's own, for the answer to the ghost that it names first, if it is one.
func Answers(e *event.Event, at time.Time, seq uint64, bySeq map[uint64]*Ghost) {
	answer(e, at, true, seq, bySeq)
}

// About is the entry of the ghost that an answer names first.
func About(e *event.Event) (seq uint64, ok bool) {
	refs := evidence(e)
	if len(refs) == 0 || !slices.Contains(AnswerTypes(), e.EventType) {
		return 0, false
	}
	return refs[0], true
}

func answer(e *event.Event, at time.Time, recorded bool, seq uint64, bySeq map[uint64]*Ghost) {
	about, ok := About(e)
	if !ok {
		return
	}
	if of := bySeq[about]; of != nil && of.Answer == nil {
		of.Answer = &Answer{Type: e.EventType, At: at, Recorded: recorded, Seq: seq, Event: e, Evidence: evidence(e)[1:]}
	}
}

// Ghosts returns what is missing now, the newest first, and how many older ones were let go of. It asks the machines, whose
// findings they then do not give again: call it once.
func (l *List) Ghosts(now time.Time) (all []*Ghost, dropped int) {
	for _, m := range l.Machines {
		for _, f := range m.Due(now) {
			l.found(Of(f.Event, f.Due, false, 0), f.Event, f.Due, false, 0)
		}
	}
	all = slices.Clone(l.all)
	slices.SortStableFunc(all, func(a, b *Ghost) int {
		return cmp.Or(b.Since.Compare(a.Since), cmp.Compare(b.Seq, a.Seq))
	})
	return all, l.dropped
}

// evidence are the entries that a finding names.
func evidence(e *event.Event) []uint64 {
	out := []uint64{}
	for _, r := range e.References {
		if r.Kind != "seq" {
			continue
		}
		if n, err := strconv.ParseUint(r.Value, 10, 64); err == nil && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
