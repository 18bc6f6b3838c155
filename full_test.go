package stet_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/spool"
)

// fillUp records events of no great importance until one is not recorded, and returns why.
func fillUp(t *testing.T, w *world) error {
	t.Helper()
	for n := range 10_000 {
		before := len(w.lost())
		err := w.Record(t.Context(), event.Event{EventType: "page_viewed", Labels: map[string]string{"n": fmt.Sprint(n)}})
		if err != nil {
			return err
		}
		if told := w.lost(); len(told) > before {
			return errors.New(told[before])
		}
	}
	t.Fatal("ten thousand events were recorded")
	return nil
}

// Where the spools have reached their limit a job that is still to start does not run under RequireRecord, and one that
// runs can say how it ended: the last tenth is kept for that, and for security events. Once the spools are drained all
// goes on.
func TestSpoolLimit(t *testing.T) {
	for name, o := range map[string]stet.Options{
		"the limit of spools": {SpoolBytes: 200 << 10},
		"a disk nearly full":  {KeepFree: 100 << 10},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := prepare(t, &o)
				if o.KeepFree > 0 {
					w.mem().Limit(300 << 10)
				}
				w.start(o)
				run := begin(t, w, t.Context(), job("a"))
				if err := fillUp(t, w); !errors.Is(err, stet.ErrNotRecorded) || !errors.Is(err, stet.ErrSpoolFull) || !strings.Contains(err.Error(), "stet doctor") {
					t.Fatalf("error %v", err)
				}
				ran := false
				err := w.Do(t.Context(), job("b"), func(context.Context, *stet.Run) error { ran = true; return nil })
				if ran || !errors.Is(err, stet.ErrSpoolFull) {
					t.Errorf("ran %v, error %v", ran, err)
				}
				if err := w.Record(t.Context(), event.Event{EventType: "authn_login_fail"}); err != nil {
					t.Errorf("a security event: %v", err)
				}
				if err := run.Succeed(t.Context()); err != nil || !w.durable("job_succeeded") {
					t.Errorf("the outcome: %v", err)
				}
				stream := w.only("job_started").StreamID.String()
				if w.mem().Limit(0); o.SpoolBytes > 0 {
					return // the only spool is our own; that of others is the next test's
				}
				time.Sleep(time.Second) // of the bubble's clock
				if err := w.Do(t.Context(), job("c"), nothing); err != nil {
					t.Error(err)
				}
				if w.only("sys_monitor_disabled").StreamID.String() != stream {
					t.Error("the stream that was full was given up")
				}
			})
		})
	}
}

// Under BestEffort the job runs, and what it lost is declared as soon as there is room again: here another process's spool
// is drained.
func TestSpoolLimitUnderBestEffort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := stet.Options{Policy: stet.BestEffort, SpoolBytes: 200 << 10}
		other := open(t, stet.Options{SpoolBytes: -1})
		for range 500 {
			if err := other.Record(t.Context(), event.Event{EventType: "authn_login_fail"}); err != nil {
				t.Fatal(err)
			}
		}
		if err := other.Close(); err != nil {
			t.Fatal(err)
		}
		full := other.events()[0].StreamID.String()
		w := prepare(t, &o)
		w.disk = other.disk
		w.start(o)
		if lost := w.lost(); len(lost) != 1 || !strings.Contains(lost[0], "the spool is full") {
			t.Fatalf("told was %q", lost)
		}
		ran := false
		if err := w.Do(t.Context(), job("a"), func(context.Context, *stet.Run) error { ran = true; return nil }); err != nil || !ran {
			t.Fatalf("ran %v, error %v", ran, err)
		}
		lock, err := spool.Own(w.mem(), spool.Dir, full)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(spool.Remove(w.mem(), spool.Dir, full), lock.Close()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute) // of the bubble's clock
		if err := w.Do(t.Context(), job("b"), nothing); err != nil {
			t.Fatal(err)
		}
		if n := w.only("sys_monitor_disabled").Impact.Counts["lost"]; n != 4 {
			t.Errorf("%d records are declared as lost, want 4", n)
		}
	})
}
