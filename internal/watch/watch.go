package watch

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// Watch is the Machine of the rules about jobs, streams and clocks.
type Watch struct {
	p     Policy
	since time.Time // until then nobody is called silent: the server had just begun

	jobs    map[hash]*job // with an open run, or one that was given up
	count   int           // runs in them
	streams map[event.UUID][]*run
	gone    []*run // given up, the first one first; some are over by now
	past    past
	full    bool // no room since; the log was told

	orphans  map[hash][]*orphan // by the parent that is not known
	orphaned int                // in orphans
	children map[hash][]*job    // watched ones, by their parent
	gaps     map[event.UUID]*gap
	clocks   clocks

	due   deadlines
	ready map[identity]*Finding // what is true already
	words map[string]string     // texts that many runs share
}

// identity is what makes two findings one.
type identity struct{ typ, about string }

// New makes a watch of an empty log.
func New(p Policy) *Watch {
	return &Watch{p: p.withDefaults(), jobs: make(map[hash]*job), streams: make(map[event.UUID][]*run), past: newPast(maxPast),
		orphans: make(map[hash][]*orphan), children: make(map[hash][]*job), gaps: make(map[event.UUID]*gap),
		clocks: clocks{told: make(map[hash]struct{})}, ready: make(map[identity]*Finding), words: make(map[string]string)}
}

// Add takes in the next entry of the log.
func (w *Watch) Add(e Entry) {
	switch {
	case e.Seal != nil:
		w.sealed(e)
	case e.Stub != nil:
		w.stub(e)
	case e.Event == nil:
	case e.StoreKey:
		w.found(e)
	default:
		w.clock(e)
		if e.Event.Job != nil && e.Event.Job.ID != "" {
			w.jobEvent(e)
		}
	}
}

// entry is how a finding names the entry it is about.
func entry(seq uint64) string { return strconv.FormatUint(seq, 10) }

// raise says that a finding is true now.
func (w *Watch) raise(f Finding) {
	w.ready[identity{f.Type, f.About}] = &f
}

// settled forgets a finding that is in the log.
func (w *Watch) settled(typ, about string) {
	delete(w.ready, identity{typ, about})
}

// Due returns what is to be found by now: first by when it became true, then by what it is about.
func (w *Watch) Due(now time.Time) []Finding {
	for len(w.due) > 0 && !w.due[0].at.After(now) {
		d := w.due.pop()
		d.of.fire(w, now)
	}
	out := make([]Finding, 0, len(w.ready))
	for _, f := range w.ready {
		out = append(out, *f)
	}
	clear(w.ready)
	slices.SortFunc(out, func(a, b Finding) int {
		return cmp.Or(a.Due.Compare(b.Due), cmp.Compare(len(a.About), len(b.About)), cmp.Compare(a.About, b.About), cmp.Compare(a.Type, b.Type))
	})
	return out
}

// Next is when to ask again.
func (w *Watch) Next() time.Time {
	var next time.Time
	if len(w.due) > 0 {
		next = w.due[0].at
	}
	for _, f := range w.ready {
		if next.IsZero() || f.Due.Before(next) {
			next = f.Due
		}
	}
	return next
}

// silence is when something that depends on nobody having spoken may be found.
func (w *Watch) silence(at time.Time) time.Time {
	if at.Before(w.since) {
		return w.since
	}
	return at
}

// maxWords bounds the texts that are kept once.
const maxWords = 4096

// word is s, in the one copy that runs share, which is no part of an event.
func (w *Watch) word(s string) string {
	if known, ok := w.words[s]; ok {
		return known
	}
	if len(w.words) >= maxWords {
		clear(w.words)
	}
	s = strings.Clone(s)
	w.words[s] = s
	return s
}
