package expect

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/watch"
	"github.com/stetlog/stet/internal/watch/watchtest"
)

// tape is a log as a Watch reads it.
type tape struct {
	t       rapid.TB
	entries []watch.Entry
}

func (p *tape) put(received time.Time, store bool, e *event.Event) watch.Entry {
	if e.EventID.IsZero() {
		e.EventID = event.NewUUIDv7(received, [10]byte{byte(len(p.entries) >> 8), byte(len(p.entries))})
	}
	if e.Timestamp.IsZero() {
		e.Timestamp = received
	}
	entry := watch.Entry{Seq: uint64(len(p.entries)), ReceivedAt: received, StoreKey: store, Event: e}
	p.entries = append(p.entries, entry)
	return entry
}

// define is a definition of nightly: schedule, zone, grace.
func define(t rapid.TB, schedule, zone, grace string) Definition {
	t.Helper()
	s, err := Parse(schedule)
	if err != nil {
		t.Fatal(err)
	}
	g, err := time.ParseDuration(grace)
	if err != nil {
		t.Fatal(err)
	}
	d := Definition{Job: "nightly", Schedule: s, Zone: zone, Grace: g}
	if err := d.Check(); err != nil {
		t.Fatal(err)
	}
	return d
}

func (p *tape) add(received time.Time, d Definition) watch.Entry {
	return p.put(received, true, &event.Event{EventType: Added, Labels: d.Labels()})
}

func (p *tape) remove(received time.Time, d Definition) watch.Entry {
	return p.put(received, true, &event.Event{EventType: Removed, Labels: d.Labels()})
}

func (p *tape) start(received time.Time) watch.Entry {
	return p.put(received, true, &event.Event{EventType: startup})
}

// run is a start of nightly, in its own words at a time, that was received at another.
func (p *tape) run(start, received time.Time, change ...func(*event.Event)) watch.Entry {
	id := fmt.Sprint("run ", len(p.entries))
	e := &event.Event{EventType: "job_started", AppID: "app", Environment: "production", Timestamp: start,
		Job: &event.Job{ID: "job of " + id, RunID: id, Name: "nightly", Phase: "execution"}}
	for _, f := range change {
		f(e)
	}
	return p.put(received, false, e)
}

// found puts a finding into the log.
func (p *tape) found(received time.Time, f Finding) watch.Entry {
	return p.put(received, true, f.Event())
}

// watch is a Watch that has read the tape.
func (p *tape) watch() *Watch {
	w := &Watch{}
	for _, e := range p.entries {
		var spoil func()
		e.Event, spoil = watchtest.Lent(e.Event)
		w.Add(e)
		spoil()
	}
	return w
}

// texts are findings in short.
func texts(all []Finding) []string {
	out := []string{}
	for _, f := range all {
		s := slotText(f.First)
		if f.Count > 1 {
			s += fmt.Sprintf("..%s ×%d", slotText(f.Last), f.Count)
		}
		out = append(out, s)
	}
	return out
}
