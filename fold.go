package stet

import (
	"context"
	"crypto/sha256"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
)

// A flood of identical events of little weight buries what matters (the policy calls it alarm fog) and fills spools. Of
// such events Record passes the first FoldAfter in each window on, and folds the rest of the window into one event that
// counts them ("repeat"). Its callers return when that event is durable, at the end of the window: so a flood is slowed
// to where it no longer is one.
//
// Folded are events of an application that are no security events, of severity notice, info or debug, and equal in
// everything but event_id, times, and an interaction_id that nobody gave; never what a job records of itself, and never
// events that came with an event_id or a repeat of their own. See Options.NoFold.
const (
	// FoldAfter is how many identical events pass in a window. To find out costs something, so events are compared only
	// once so many of their type came from one place of the program: up to twice as many can pass.
	FoldAfter = 10
	// FoldWindow is how long events are folded into one; half of Options.Deadline where that is less.
	FoldWindow = time.Second

	maxFolds     = 1024     // kinds of events, and different events, that one window tells apart; what is beyond passes
	maxFoldBytes = 16 << 10 // larger events pass: what waits is bounded in memory too
)

// folds are the floods of one window.
type folds struct {
	hurry chan struct{} // closed when the Recorder closes: nobody waits for the end of a window any more
	once  sync.Once     // closes it

	mu    sync.Mutex
	until time.Time // the end of the window, with its monotonic reading
	kinds map[kind]int
	same  map[[sha256.Size]byte]*flood
}

func (f *folds) hurryUp() { f.once.Do(func() { close(f.hurry) }) }

// kind is what is cheap to compare.
type kind struct{ typ, location string }

// flood is one event, as often as it came in a window.
type flood struct {
	passed int
	fold   *fold // nil: none of them is folded yet
}

// fold is an event that stands for others. The one who called first makes it durable, for all.
type fold struct {
	until       time.Time
	count       uint64 // guarded by folds.mu until ended, like the next three
	first, last time.Time
	ended       bool
	done        chan struct{} // closed when err is set
	err         error
}

// recordOne records an application's event, folded where it is part of a flood. fresh says that nobody gave its
// interaction id.
func (r *Recorder) recordOne(ev *event.Event, fresh bool) error {
	return r.beforeClose(func(ctx context.Context) error { return r.recordOrFold(ctx, ev, fresh) })
}

func (r *Recorder) recordOrFold(ctx context.Context, ev *event.Event, fresh bool) error {
	f, leads := r.fold(ev, fresh)
	switch {
	case f == nil:
		return r.emit(ctx, nil, ev)
	case !leads:
		<-f.done // by the deadline of the one who leads, who came earlier
		return f.err
	}
	defer close(f.done)
	window := time.NewTimer(time.Until(f.until))
	defer window.Stop()
	select {
	case <-window.C:
	case <-r.folds.hurry:
	}
	r.folds.end(f)
	if f.count > 1 {
		ev.Repeat = &event.Repeat{Count: f.count, First: f.first, Last: f.last}
	}
	f.err = r.emit(ctx, nil, ev)
	return f.err
}

// fold finds the fold that counts the event; nil where it passes as it is. leads says that the caller makes it durable.
func (r *Recorder) fold(ev *event.Event, fresh bool) (f *fold, leads bool) {
	if r.o.NoFold || !r.foldable(ev) {
		return nil, false
	}
	k := kind{ev.EventType, ev.CodeLocation}
	if !r.folds.crowded(k, r.o.Deadline) {
		return nil, false
	}
	id, ok := r.likeness(ev, fresh)
	if !ok {
		return nil, false
	}
	at := ev.EventTime
	if at.IsZero() {
		at = r.clock.Now().Wall
	}
	return r.folds.join(id, at)
}

func (r *Recorder) foldable(ev *event.Event) bool {
	t, known := r.catalogue().Lookup(ev.EventType)
	severity := event.SeverityInfo
	if known {
		severity = t.Severity
	}
	if ev.Severity != nil {
		severity = *ev.Severity
	}
	return severity >= event.SeverityNotice && !ev.Security && !t.Security && ev.Job == nil && ev.Repeat == nil && ev.EventID.IsZero()
}

// likeness is the same for events that are identical: a digest of the bytes they would have without ids and times. It
// is not ok for an event that is too large, or that the schema refuses.
func (r *Recorder) likeness(ev *event.Event, fresh bool) (id [sha256.Size]byte, ok bool) {
	same := *ev
	same.EventID, same.StreamID, same.StreamSeq = event.UUID{6: 0x70, 8: 0x80}, event.UUID{6: 0x70, 8: 0x80}, 1
	same.Timestamp, same.EventTime = time.Unix(0, 0), time.Time{}
	same.Clock = &event.Clock{Confidence: "unknown"}
	if fresh {
		same.InteractionID = "-"
	}
	b, err := r.codec.Append(nil, &same)
	if err != nil || len(b) > maxFoldBytes {
		return id, false
	}
	return sha256.Sum256(b), true
}

// crowded counts an event of a kind, and says whether so many came in this window that they are worth comparing.
func (f *folds) crowded(k kind, deadline time.Duration) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now := time.Now(); !now.Before(f.until) {
		f.until = now.Add(min(FoldWindow, deadline/2))
		f.kinds, f.same = map[kind]int{}, map[[sha256.Size]byte]*flood{} // who leads in the old window has its fold
	}
	if n, ok := f.kinds[k]; ok || len(f.kinds) < maxFolds {
		f.kinds[k] = n + 1
	}
	return f.kinds[k] > FoldAfter
}

func (f *folds) join(id [sha256.Size]byte, at time.Time) (_ *fold, leads bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.same[id]
	if s == nil {
		if len(f.same) == maxFolds {
			return nil, false
		}
		s = &flood{}
		f.same[id] = s
	}
	if s.passed < FoldAfter {
		s.passed++
		return nil, false
	}
	if s.fold == nil || s.fold.ended {
		s.fold, leads = &fold{until: f.until, first: at, last: at, done: make(chan struct{})}, true
	}
	s.fold.count++
	if at.Before(s.fold.first) {
		s.fold.first = at
	}
	if at.After(s.fold.last) {
		s.fold.last = at
	}
	return s.fold, leads
}

// end closes a fold: nobody joins it any more.
func (f *folds) end(done *fold) {
	f.mu.Lock()
	defer f.mu.Unlock()
	done.ended = true
}
