package stet_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// flood records n events at once and waits for all. It returns how many were acknowledged.
func flood(w *world, n int, next func(i int) event.Event) int {
	var ok atomic.Int64
	done := make(chan struct{}, n)
	for i := range n {
		go func() {
			defer func() { done <- struct{}{} }()
			if w.Record(w.t.Context(), next(i)) == nil {
				ok.Add(1)
			}
		}()
	}
	for range n {
		<-done
	}
	return int(ok.Load())
}

// told is for how many calls the events stand, and how many of them are folds.
func told(events []*event.Event) (calls, folds int) {
	for _, e := range events {
		if e.Repeat == nil {
			calls++
			continue
		}
		calls += int(e.Repeat.Count)
		folds++
	}
	return calls, folds
}

// Of a flood the first events pass, and one stands for the others of its second.
func TestFlood(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, stet.Options{})
		from := time.Now()
		if ok := flood(w, 1000, func(int) event.Event { return event.Event{EventType: "page_viewed"} }); ok != 1000 {
			t.Errorf("%d of 1000 calls were acknowledged", ok)
		}
		if d := time.Since(from); d != stet.FoldWindow {
			t.Errorf("it took %v", d)
		}
		all := w.of("page_viewed")
		calls, folds := told(all)
		if calls != 1000 || folds != 1 || len(all) > 2*stet.FoldAfter+1 {
			t.Errorf("%d events, %d of them folded, stand for %d calls", len(all), folds, calls)
		}
		last := all[len(all)-1].Repeat
		if last == nil || !last.First.Equal(from.UTC()) || !last.Last.Equal(from.UTC()) {
			t.Errorf("the last event says %+v, all happened at %v", last, from)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if len(w.of("page_viewed")) != len(all) {
			t.Error("Close recorded something")
		}
	})
}

// A caller who records one event after the other is slowed, not refused; each window passes its first events on.
func TestFloodOfOneCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, stet.Options{})
		from := time.Now()
		for range 100 {
			if err := w.Record(t.Context(), event.Event{EventType: "page_viewed"}); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(from); d < 3*time.Second || d > 10*time.Second {
			t.Errorf("a hundred events took %v", d)
		}
		if calls, folds := told(w.of("page_viewed")); calls != 100 || folds != 0 {
			t.Errorf("%d calls, %d folds: one event is no flood", calls, folds)
		}
	})
}

// What is worth its own record, or differs, is never folded, and never waits.
func TestNotFolded(t *testing.T) {
	severity := func(s event.Severity) *event.Severity { return &s }
	for name, c := range map[string]struct {
		o    stet.Options
		make func(i int) event.Event
	}{
		"a security event by its type": {make: func(int) event.Event { return event.Event{EventType: "authn_login_success", UserID: "bob"} }},
		"a security event by its flag": {make: func(int) event.Event { return event.Event{EventType: "page_viewed", Security: true} }},
		"a warning":                    {make: func(int) event.Event { return event.Event{EventType: "page_viewed", Severity: severity(4)} }},
		"another label": {make: func(i int) event.Event {
			return event.Event{EventType: "page_viewed", Labels: map[string]string{"n": fmt.Sprint(i)}}
		}},
		"another user": {make: func(i int) event.Event { return event.Event{EventType: "page_viewed", UserID: fmt.Sprint("u", i)} }},
		"another interaction": {make: func(i int) event.Event {
			return event.Event{EventType: "page_viewed", InteractionID: fmt.Sprint("order-", i)}
		}},
		"an event with an id of its own": {make: func(i int) event.Event {
			return event.Event{EventType: "page_viewed", EventID: event.DeriveUUID("test", fmt.Sprint(i), [6]byte{})}
		}},
		"a part of a job": {make: func(int) event.Event { return event.Event{EventType: "page_viewed", Job: &event.Job{Name: "a"}} }},
		"switched off":    {o: stet.Options{NoFold: true}, make: func(int) event.Event { return event.Event{EventType: "page_viewed"} }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, c.o)
				from := time.Now()
				if ok := flood(w, 200, c.make); ok != 200 {
					t.Errorf("%d of 200 calls were acknowledged: %q", ok, w.lost())
				}
				if all := w.events(); len(all) != 200 || all[199].Repeat != nil {
					t.Errorf("%d events", len(all))
				}
				if d := time.Since(from); d != 0 {
					t.Errorf("it took %v", d)
				}
			})
		})
	}
}

// Whatever floods come, and wherever the disk fails: as many calls are counted as were acknowledged, and not more than
// were made.
func TestCountsAreExact(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		n := rapid.IntRange(1, 120).Draw(rt, "calls")
		kinds := rapid.IntRange(1, 4).Draw(rt, "different events")
		pause := time.Duration(rapid.IntRange(0, 30).Draw(rt, "ms between calls")) * time.Millisecond
		deadline := time.Duration(rapid.IntRange(1, 4000).Draw(rt, "deadline in ms")) * time.Millisecond
		fault := rapid.IntRange(0, 60).Draw(rt, "failing operation")
		persisted := rapid.Bool().Draw(rt, "with its effect")
		closes := rapid.Bool().Draw(rt, "closed in the middle")
		synctest.Test(t, func(t *testing.T) {
			w := open(t, stet.Options{Deadline: deadline})
			base := len(w.mem().Ops())
			if fault > 0 {
				w.mem().FailAt(base+fault, errDisk, persisted)
			}
			closed := make(chan struct{})
			go func() {
				defer close(closed)
				if closes {
					time.Sleep(time.Duration(n) * pause / 2) // of the bubble's clock
					_ = w.Close()
				}
			}()
			ok := flood(w, n, func(i int) event.Event {
				time.Sleep(time.Duration(i) * pause)
				return event.Event{EventType: "page_viewed", Labels: map[string]string{"kind": fmt.Sprint(i % kinds)}}
			})
			<-closed
			for len(w.mem().Ops()) < base+fault {
				_, _ = w.mem().Stat(".") // a fault that was not met must not meet the reader
			}
			calls, _ := told(w.of("page_viewed"))
			if calls < ok || calls > n || fault == 0 && calls != ok {
				rt.Errorf("%d calls are recorded, %d of %d were acknowledged", calls, ok, n)
			}
		})
	})
}

// Nobody is told that his event is recorded before the one that counts it is durable.
func TestFoldThatFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, stet.Options{})
		go func() {
			time.Sleep(stet.FoldWindow / 2) // of the bubble's clock: the first have passed, the others wait
			w.disk.set(func(f *flaky) { f.broken = errDisk })
		}()
		if ok := flood(w, 1000, func(int) event.Event { return event.Event{EventType: "page_viewed"} }); ok > 2*stet.FoldAfter {
			t.Errorf("%d of 1000 calls were acknowledged", ok)
		}
		if err := w.Record(t.Context(), event.Event{EventType: "sys_startup"}); !errors.Is(err, stet.ErrNotRecorded) {
			t.Errorf("error %v", err)
		}
	})
}

// Close does not wait for the end of a window, and loses nothing that waits for it.
func TestCloseEndsFolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, stet.Options{})
		from := time.Now()
		go func() {
			time.Sleep(time.Millisecond) // of the bubble's clock
			if err := w.Close(); err != nil {
				t.Error(err)
			}
		}()
		ok := flood(w, 1000, func(int) event.Event { return event.Event{EventType: "page_viewed"} })
		if calls, _ := told(w.of("page_viewed")); ok != 1000 || calls != ok || time.Since(from) != time.Millisecond {
			t.Errorf("%d calls are recorded, %d were acknowledged, after %v", calls, ok, time.Since(from))
		}
	})
}

// What a Recorder remembers of floods is bounded; what is beyond passes.
func TestFoldsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, stet.Options{})
		for i := range 3000 {
			for _, e := range []event.Event{
				{EventType: "page_viewed", Labels: map[string]string{"n": fmt.Sprint(i)}},
				{EventType: fmt.Sprint("page_", i)},
			} {
				if err := w.Record(t.Context(), e); err != nil {
					t.Fatal(err)
				}
			}
		}
		if n := w.Floods(); n > 2048 {
			t.Errorf("%d are remembered", n)
		}
	})
}
