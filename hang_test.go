package stet_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// stage is a Recorder on the way through a job, for tests that stop the disk somewhere in it.
type stage struct {
	w   *world
	o   stet.Options
	s   stet.Submitted
	a   stet.Authorized
	run *stet.Run
}

// step is one public call. It may need those before it.
type step struct {
	name  string
	waits int // at most so many deadlines
	call  func(*stage) error
}

// steps is the life of a Recorder, in order.
var steps = []step{
	{"Open", 1, func(s *stage) (err error) {
		s.w.Recorder, err = stet.OpenOn(s.w.mem(), s.o, func() error { return nil })
		return err
	}},
	{"Record", 1, func(s *stage) error { return s.w.Record(s.w.t.Context(), event.Event{EventType: "sys_startup"}) }},
	{"Submit", 1, func(s *stage) (err error) { s.s, err = s.w.Submit(s.w.t.Context(), job("a")); return err }},
	{"Authorize", 1, func(s *stage) (err error) { s.a, err = s.s.Authorize(s.w.t.Context()); return err }},
	{"Start", 1, func(s *stage) (err error) { s.run, err = s.a.Start(s.w.t.Context()); return err }},
	{"Heartbeat", 1, func(s *stage) error { return s.run.Heartbeat(s.w.t.Context(), "half", time.Time{}) }},
	{"End", 1, func(s *stage) error { return s.run.Succeed(s.w.t.Context()) }},
	{"Do", 2, func(s *stage) error { // its start and its outcome
		ran := false
		err := s.w.Do(s.w.t.Context(), job("b"), func(context.Context, *stet.Run) error { ran = true; return nil })
		if s.o.Policy == stet.BestEffort && (!ran || err != nil) {
			return fmt.Errorf("ran %v, error %w", ran, err)
		}
		return err
	}},
	{"Begin", 1, func(s *stage) error { _, err := s.w.Begin(s.w.t.Context(), job("c")); return err }},
	{"Close", 2, func(s *stage) error { return s.w.Close() }}, // runs that are open, then the stream
}

// hangs runs the steps on a disk that stops answering at operation op, until a call fails. It returns how many operations
// there were.
func hangs(t *testing.T, o stet.Options, op int) (ops int) {
	t.Helper()
	w := prepare(t, &o)
	release := func() {}
	if op > 0 {
		release = w.mem().HangAt(op)
	}
	s := &stage{w: w, o: o}
	for _, st := range steps {
		from := time.Now()
		err := st.call(s)
		if d := time.Since(from); d > time.Duration(st.waits)*o.Deadline {
			t.Errorf("%s took %v, its deadline is %v", st.name, d, o.Deadline)
		}
		if err == nil {
			continue
		}
		if op == 0 || o.Policy == stet.BestEffort && st.name != "Close" {
			t.Errorf("%s: %v", st.name, err)
		}
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s does not say that the disk hangs: %v", st.name, err)
		}
		break
	}
	ops = len(w.mem().Ops())
	release()
	if w.Recorder != nil {
		if err := w.Close(); err != nil && !errors.Is(err, stet.ErrClosed) {
			t.Errorf("Close on a disk that answers again: %v", err)
		}
	}
	return ops
}

// A disk that stops answering, whatever it is asked for, holds no call beyond its deadline. Under BestEffort each call but
// Close succeeds, so that the job goes on; under RequireRecord it says what it waited for.
func TestEveryWaitHasADeadline(t *testing.T) {
	for _, p := range []stet.Policy{stet.RequireRecord, stet.BestEffort} {
		o := stet.Options{Policy: p, Deadline: 3 * time.Second}
		ops := 0
		synctest.Test(t, func(t *testing.T) { ops = hangs(t, o, 0) })
		if ops < 30 {
			t.Fatalf("the steps make %d operations only", ops)
		}
		for op := 1; op <= ops; op++ {
			t.Run(fmt.Sprintf("policy %d, operation %d", p, op), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { hangs(t, o, op) })
			})
		}
	}
}

// A disk that fails, and then hangs while what failed is being put away, holds nobody either: not the call that failed, and
// not the outcome after which the failed stream lets its lock go.
func TestHangBehindAFailure(t *testing.T) {
	const deadline = 3 * time.Second
	record := func(w *world) { _ = w.Record(context.Background(), event.Event{EventType: "sys_startup"}) }
	for _, p := range []stet.Policy{stet.RequireRecord, stet.BestEffort} {
		for op := 2; op < 30; op++ {
			synctest.Test(t, func(t *testing.T) {
				for name, end := range map[string]bool{"Record": false, "End": true} {
					w := open(t, stet.Options{Policy: p, Deadline: deadline})
					call := record
					if end {
						run := begin(t, w, t.Context(), job("a"))
						call = func(*world) { _ = run.Succeed(context.Background()) }
					}
					n := len(w.mem().Ops())
					w.mem().FailAt(n+1, errDisk, false)
					if end {
						record(w)
						n = len(w.mem().Ops())
					}
					release := w.mem().HangAt(n + op)
					from := time.Now()
					call(w)
					if d := time.Since(from); d > deadline {
						t.Errorf("policy %d, operation %d hangs: %s took %v", p, op, name, d)
					}
					release()
					if err := w.Close(); err != nil {
						t.Error(err)
					}
				}
			})
		}
	}
}

// Under BestEffort only the first calls wait for a disk that hangs: a job that records a thousand times is not held a
// thousand deadlines. Its outcome is worth a wait of its own. When the disk answers again, so does the record, and it says
// what is missing.
func TestAHangingDiskIsWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, stet.Options{Policy: stet.BestEffort, Deadline: 3 * time.Second})
		run := begin(t, w, t.Context(), job("a"))
		release := w.mem().HangAt(len(w.mem().Ops()) + 1)
		from := time.Now()
		for range 1000 {
			if err := w.Record(t.Context(), event.Event{EventType: "sys_startup"}); err != nil {
				t.Fatal(err)
			}
		}
		if d := time.Since(from); d != 3*time.Second || !has(w.lost(), "nothing waits for it until it does") {
			t.Errorf("a thousand events took %v", d)
		}
		go func() {
			time.Sleep(time.Second) // of the bubble's clock
			release()
		}()
		if err := run.Succeed(t.Context()); err != nil || !w.durable("job_succeeded") {
			t.Errorf("the outcome: %v", err)
		}
		declared := w.only("sys_monitor_disabled").Impact.Counts
		if declared["lost"] != 999 || declared["in_doubt"] != 1 {
			t.Errorf("declared is %v", declared)
		}
	})
}

// TestWaitsThatBeginTogetherEndTogether: whenever a record begins, it waits its deadline out, but for a hundredth, and not
// longer; one that begins after many others waits as long as the first. Under BestEffort nobody waits a second time.
func TestWaitsThatBeginTogetherEndTogether(t *testing.T) {
	const deadline = 3 * time.Second
	for _, p := range []stet.Policy{stet.RequireRecord, stet.BestEffort} {
		for _, after := range []time.Duration{0, deadline / 200, deadline / 100, deadline / 50, deadline, 2 * deadline} {
			synctest.Test(t, func(t *testing.T) {
				w := open(t, stet.Options{Policy: p, Deadline: deadline})
				startup := event.Event{EventType: "sys_startup"}
				if err := w.Record(t.Context(), startup); err != nil {
					t.Fatal(err)
				}
				time.Sleep(after)
				release := w.mem().HangAt(len(w.mem().Ops()) + 1)
				defer release()
				from := time.Now()
				err := w.Record(t.Context(), startup)
				if d := time.Since(from); d > deadline || d < deadline-deadline/100 || (err == nil) != (p == stet.BestEffort) {
					t.Errorf("policy %d, %v after another: %v after %v", p, after, err, d)
				}
				if p != stet.BestEffort {
					return
				}
				from = time.Now()
				if err := w.Record(t.Context(), startup); err != nil || time.Since(from) > 0 {
					t.Errorf("%v after another: the next one waited %v: %v", after, time.Since(from), err)
				}
			})
		}
	}
}
