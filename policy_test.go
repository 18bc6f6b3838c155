package stet_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

var errDisk = errors.New("the disk is broken")

// mem is the disk under the world's own.
func (w *world) mem() *fsxtest.Mem { return w.disk.FS.(*fsxtest.Mem) }

// durable says whether an event of this type would survive a crash now, whatever the disk keeps of what was not synced.
func (w *world) durable(typ string) bool {
	w.t.Helper()
	for disk := range w.mem().States(64, 1) {
		events, err := readSpools(disk)
		if err != nil {
			return false
		}
		if !slices.ContainsFunc(events, func(e *event.Event) bool { return e.EventType == typ }) {
			return false
		}
	}
	return true
}

// faultsOfAStart calls test once for every operation of the disk that the start of a job makes, and for both ways in
// which it can fail: with and without its effect. fail makes it fail in a world that is at rest.
func faultsOfAStart(t *testing.T, o stet.Options, test func(t *testing.T, w *world)) {
	t.Helper()
	dry := open(t, o)
	before := len(dry.mem().Ops())
	inside := before
	if err := dry.Do(t.Context(), job("a"), func(context.Context, *stet.Run) error { inside = len(dry.mem().Ops()); return nil }); err != nil {
		t.Fatal(err)
	}
	if inside == before {
		t.Fatal("a job started without touching the disk")
	}
	for n, op := range dry.mem().Ops()[before:inside] {
		for name, effect := range map[string]bool{"": false, " with its effect": true} {
			t.Run("the "+string(op.Kind)+name+" fails", func(t *testing.T) {
				w := open(t, o)
				w.mem().FailAt(len(w.mem().Ops())+n+1, errDisk, effect)
				test(t, w)
			})
		}
	}
}

// RequireRecord: a job whose start is not durable does not run. Where it may be durable all the same, the record says
// that the job did not run.
func TestRequireRecord(t *testing.T) {
	faultsOfAStart(t, stet.Options{}, func(t *testing.T, w *world) {
		ran := false
		err := w.Do(t.Context(), job("a"), func(context.Context, *stet.Run) error { ran = true; return nil })
		if ran || !errors.Is(err, stet.ErrNotRecorded) || !errors.Is(err, errDisk) {
			t.Errorf("ran %v, error %v", ran, err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		started, aborted := w.of("job_started"), w.of("job_aborted")
		if len(aborted) != 1 || len(started) > 1 || len(started) == 1 && started[0].Job.RunID != aborted[0].Job.RunID {
			t.Errorf("recorded is %v", w.types())
		}
		if got := aborted[0].StatusReason; !strings.Contains(got, "the job did not run") {
			t.Errorf("it was aborted because %q", got)
		}
	})
}

// The same holds for each phase by itself, and for an application's event: the caller is told that it is not recorded.
func TestRequireRecordInPhases(t *testing.T) {
	ctx := context.Background()
	for name, call := range map[string]func(*world, stet.Submitted, stet.Authorized) error{
		"Submit": func(w *world, _ stet.Submitted, _ stet.Authorized) error {
			_, err := w.Submit(ctx, job("b"))
			return err
		},
		"Authorize": func(_ *world, s stet.Submitted, _ stet.Authorized) error { _, err := s.Authorize(ctx); return err },
		"Start":     func(_ *world, _ stet.Submitted, a stet.Authorized) error { _, err := a.Start(ctx); return err },
		"Begin": func(w *world, _ stet.Submitted, _ stet.Authorized) error {
			_, err := w.Begin(ctx, job("b"))
			return err
		},
		"Record": func(w *world, _ stet.Submitted, _ stet.Authorized) error {
			return w.Record(ctx, event.Event{EventType: "sys_startup"})
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, stet.Options{})
			s, err := w.Submit(ctx, job("a"))
			if err != nil {
				t.Fatal(err)
			}
			a, err := s.Authorize(ctx)
			if err != nil {
				t.Fatal(err)
			}
			w.mem().FailAt(len(w.mem().Ops())+1, errDisk, false)
			if err := call(w, s, a); !errors.Is(err, stet.ErrNotRecorded) || !errors.Is(err, errDisk) {
				t.Errorf("error %v", err)
			}
		})
	}
}

// A job runs only when its start would survive a crash, and Do returns only when its outcome would.
func TestDurableWhenItSaysSo(t *testing.T) {
	w := open(t, stet.Options{})
	err := w.Do(t.Context(), job("a"), func(context.Context, *stet.Run) error {
		if !w.durable("job_started") {
			t.Error("the job runs, and its start is not durable")
		}
		return nil
	})
	if err != nil || !w.durable("job_succeeded") {
		t.Errorf("error %v; the outcome is not durable", err)
	}
}

// Nothing opens without a spool that can be written; under BestEffort it opens, and says so.
func TestOpenWithoutSpool(t *testing.T) {
	file := func(t *testing.T, elem ...string) string {
		t.Helper()
		name := filepath.Join(elem...)
		if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte("a file"), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	for _, tc := range []struct {
		name  string
		setup func(t *testing.T, dir string) (store, state string)
		is    error
		says  string
	}{
		{"a file in the store's place", func(t *testing.T, dir string) (string, string) { return file(t, dir, "s"), filepath.Join(dir, "k") }, nil, "not a directory"},
		{"a file in the spool's place", func(t *testing.T, dir string) (string, string) {
			file(t, dir, "s", "spool")
			return filepath.Join(dir, "s"), filepath.Join(dir, "k")
		}, nil, "spool"},
		{"a file in the place of the state", func(t *testing.T, dir string) (string, string) { return filepath.Join(dir, "s"), file(t, dir, "k") }, nil, "not a directory"},
		{"a damaged key", func(t *testing.T, dir string) (string, string) {
			file(t, dir, "k", "emitter.key")
			return filepath.Join(dir, "s"), filepath.Join(dir, "k")
		}, nil, "emitter.key"},
		{"a store of somebody else", func(t *testing.T, dir string) (string, string) {
			if os.Geteuid() != 0 {
				return "/", filepath.Join(dir, "k")
			}
			store := filepath.Join(dir, "s")
			if err := errors.Join(os.Mkdir(store, 0o700), os.Chown(store, 1, 1)); err != nil {
				t.Fatal(err)
			}
			return store, filepath.Join(dir, "k")
		}, stet.ErrNotAllowed, "belongs to uid"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			store, state := tc.setup(t, t.TempDir())
			rec, err := stet.Open(t.Context(), store, stet.Options{App: "billing", StateDir: state})
			if rec != nil || err == nil || !strings.Contains(err.Error(), store) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("RequireRecord: %v; it does not name the store and %q", err, tc.says)
			}
			if tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("RequireRecord: %v is not %v", err, tc.is)
			}
			var losses []string
			rec, err = stet.Open(t.Context(), store, stet.Options{App: "billing", StateDir: state, Policy: stet.BestEffort,
				OnLoss: func(err error) { losses = append(losses, err.Error()) }})
			if err != nil {
				t.Fatalf("BestEffort: %v", err)
			}
			if len(losses) != 1 || !strings.Contains(losses[0], tc.says) {
				t.Errorf("BestEffort: told was %q", losses)
			}
			if err := rec.Close(); err != nil {
				t.Errorf("closing what recorded nothing: %v", err)
			}
		})
	}
}

// A place that nobody could ever mean is refused under either policy.
func TestOpenRefuses(t *testing.T) {
	dead, cancel := context.WithCancel(context.Background())
	cancel()
	if rec, err := stet.Open(dead, t.TempDir(), stet.Options{StateDir: t.TempDir(), Policy: stet.BestEffort}); rec != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("a dead context: %v", err)
	}
	for _, store := range []string{"https://user:pass@logs.example", "http://logs.example", "unix:run/stet.sock"} {
		if rec, err := stet.Open(t.Context(), store, stet.Options{StateDir: t.TempDir(), Policy: stet.BestEffort}); rec != nil || err == nil || !strings.Contains(err.Error(), "not the address of a server") {
			t.Errorf("store %s: %v", store, err)
		}
	}
	for field, o := range map[string]stet.Options{
		"App":         {App: "my app"},
		"Environment": {Environment: "-"},
		"Policy":      {Policy: 2},
		"Deadline":    {Deadline: -1},
		"IdentityKey": {IdentityKey: []byte("short")},
		"EntryPoint":  {EntryPoint: &event.EntryPoint{Kind: "window"}},
		"Derived":     {Derived: map[string]string{"app_id": strings.Repeat("x", 257)}},
	} {
		o.StateDir = t.TempDir()
		if rec, err := stet.Open(t.Context(), t.TempDir(), o); rec != nil || !errors.Is(err, stet.ErrInvalid) || !strings.Contains(err.Error(), "Options."+field) {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// BestEffort: the job runs, OnLoss is told, the function's error stays as it is, and what was lost stands in front of the
// next record, in a stream of its own: the one that failed is not written again.
func TestBestEffort(t *testing.T) {
	boom := errors.New("boom")
	faultsOfAStart(t, stet.Options{Policy: stet.BestEffort}, func(t *testing.T, w *world) {
		ran := false
		err := w.Do(t.Context(), job("a"), func(context.Context, *stet.Run) error {
			ran = true
			if lost := w.lost(); len(lost) != 1 || !strings.Contains(lost[0], "the start of a was not recorded") || !strings.Contains(lost[0], errDisk.Error()) {
				t.Errorf("told was %q", lost)
			}
			return boom
		})
		if !ran || err != boom { //nolint:errorlint // the very same
			t.Errorf("ran %v, error %v", ran, err)
		}
		if len(w.lost()) != 1 {
			t.Errorf("told was %q", w.lost())
		}
		declared, failed := w.only("sys_monitor_disabled"), w.only("job_failed")
		if declared.StreamID != failed.StreamID || declared.StreamSeq != 1 || failed.StreamSeq != 2 {
			t.Errorf("recorded is %v, the loss as number %d, the outcome as %d", w.types(), declared.StreamSeq, failed.StreamSeq)
		}
		if declared.Impact.Counts["in_doubt"] != 3 || declared.Impact.Counts["lost"] != 0 || !strings.Contains(declared.StatusReason, errDisk.Error()) {
			t.Errorf("declared is %q, %v", declared.StatusReason, declared.Impact.Counts)
		}
		for _, e := range w.of("job_started") { // it may be there, or not
			if e.StreamID == declared.StreamID {
				t.Error("the stream that failed was written again")
			}
		}
		if !w.durable("sys_monitor_disabled") {
			t.Error("the declaration is not durable")
		}
		if err := w.Record(t.Context(), event.Event{EventType: "sys_startup"}); err != nil {
			t.Error(err)
		}
		if n := len(w.of("sys_monitor_disabled")); n != 1 {
			t.Errorf("one loss was declared %d times", n)
		}
	})
}

// An outcome is too dear to be lost with its stream: it is tried again in another at once, under the same id. Nobody need
// be told.
func TestOutcomeOutlivesItsStream(t *testing.T) {
	for _, p := range []stet.Policy{stet.RequireRecord, stet.BestEffort} {
		w := open(t, stet.Options{Policy: p})
		err := w.Do(t.Context(), job("a"), func(context.Context, *stet.Run) error {
			w.mem().FailAt(len(w.mem().Ops())+1, errDisk, false)
			return nil
		})
		if err != nil || len(w.lost()) > 0 || !w.durable("job_succeeded") {
			t.Errorf("policy %d: error %v, told %q, recorded %v", p, err, w.lost(), w.types())
		}
		ids := map[event.UUID]bool{}
		for _, e := range w.of("job_succeeded") {
			ids[e.EventID] = true
		}
		if len(ids) != 1 {
			t.Errorf("policy %d: one outcome has %d ids", p, len(ids))
		}
	}
}

// Where the outcome cannot be recorded at all, the job's own result is still its own.
func TestLostOutcome(t *testing.T) {
	boom := errors.New("boom")
	for _, p := range []stet.Policy{stet.RequireRecord, stet.BestEffort} {
		for _, want := range []error{nil, boom} {
			w := open(t, stet.Options{Policy: p})
			err := w.Do(t.Context(), job("a"), func(context.Context, *stet.Run) error {
				w.disk.set(func(f *flaky) { f.broken = errDisk })
				return want
			})
			if err != want { //nolint:errorlint // the very same
				t.Errorf("policy %d: Do returned %v, want %v", p, err, want)
			}
			if lost := w.lost(); len(lost) != 1 || !strings.Contains(lost[0], "the outcome of a") {
				t.Errorf("policy %d: told was %q", p, lost)
			}
		}
	}
}

// A stream that failed while a run of it is open keeps its lock until the run has ended. Whoever finds the lock free would
// close the run as one of a dead process.
func TestFailedStreamKeepsItsLock(t *testing.T) {
	w := open(t, stet.Options{})
	run := begin(t, w, t.Context(), job("a"))
	lock := "spool/" + w.only("job_started").StreamID.String() + "/lock"
	w.mem().FailAt(len(w.mem().Ops())+1, errDisk, false)
	if err := w.Record(t.Context(), event.Event{EventType: "sys_startup"}); !errors.Is(err, stet.ErrNotRecorded) {
		t.Fatalf("error %v", err)
	}
	other := w.mem().Process()
	if l, err := other.TryLock(lock); err == nil {
		_ = l.Close()
		t.Error("the lock is free while the run is open")
	}
	if err := run.Succeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := other.TryLock(lock)
	if err != nil {
		t.Fatalf("the run has ended: %v", err)
	}
	_ = l.Close()
}

// Close declares what no record came after.
func TestCloseDeclaresLosses(t *testing.T) {
	w := open(t, stet.Options{Policy: stet.BestEffort})
	w.mem().FailAt(len(w.mem().Ops())+1, errDisk, false)
	if err := w.Record(t.Context(), event.Event{EventType: "sys_startup"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := w.only("sys_monitor_disabled").Impact.Counts["in_doubt"]; got != 1 {
		t.Errorf("%d records are in doubt, want 1", got)
	}
}

// Attempts on a place that is missing pause, so a broken disk is not filled with empty spools; once it is back, all that
// was lost meanwhile is declared at once.
func TestLossesAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := stet.Options{Policy: stet.BestEffort}
		w := prepare(t, &o)
		w.disk.gone = errDisk
		w.start(o)
		if lost := w.lost(); len(lost) != 1 || !strings.Contains(lost[0], "nothing can be recorded for now") {
			t.Fatalf("told was %q", lost)
		}
		from := time.Now()
		for range 3 {
			if err := w.Do(t.Context(), job("a"), nothing); err != nil {
				t.Fatal(err)
			}
		}
		w.disk.set(func(f *flaky) { f.gone = nil })
		if err := w.Record(t.Context(), event.Event{EventType: "sys_startup"}); err != nil || !has(w.lost(), "the spool is tried again in 1s") {
			t.Errorf("error %v, told %q", err, w.lost())
		}
		time.Sleep(time.Second) // of the bubble's clock
		if err := w.Record(t.Context(), event.Event{EventType: "sys_restart"}); err != nil {
			t.Fatal(err)
		}
		w.wantTypes("sys_monitor_disabled", "sys_restart")
		// Each job loses three events with its start and one with its outcome.
		e := w.only("sys_monitor_disabled")
		if e.Impact.Counts["lost"] != 13 || e.Impact.Counts["in_doubt"] != 0 || e.Status != event.StatusFailure || e.Timing.StartedAt.Before(from.Add(-time.Second)) {
			t.Errorf("declared is %+v, %+v", e.Impact, e.Timing)
		}
	})
}

// A disk that does not answer holds nobody beyond the deadline. What it was asked for may happen later: then it must not
// look like a job that ran and was lost.
func TestDeadline(t *testing.T) {
	for _, p := range []stet.Policy{stet.RequireRecord, stet.BestEffort} {
		synctest.Test(t, func(t *testing.T) {
			w := open(t, stet.Options{Policy: p, Deadline: 3 * time.Second})
			hang := make(chan struct{})
			w.disk.set(func(f *flaky) { f.hang = hang })
			from, ran := time.Now(), time.Duration(-1)
			err := w.Do(t.Context(), job("a"), func(context.Context, *stet.Run) error {
				ran = time.Since(from)
				w.disk.set(func(f *flaky) { f.hang = nil })
				close(hang)
				return nil
			})
			if p == stet.BestEffort {
				if err != nil || ran != 3*time.Second || !has(w.lost(), "did not answer within 3s") {
					t.Errorf("BestEffort: error %v after %v, told %q", err, ran, w.lost())
				}
				w.wantTypes("job_submitted", "job_authorization_unchecked", "job_started", "sys_monitor_disabled", "job_succeeded")
				return
			}
			if ran >= 0 || !errors.Is(err, stet.ErrNotRecorded) || !errors.Is(err, context.DeadlineExceeded) || time.Since(from) != 3*time.Second {
				t.Errorf("RequireRecord: error %v after %v", err, time.Since(from))
			}
			w.disk.set(func(f *flaky) { f.hang = nil })
			close(hang)
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			started, aborted := w.only("job_started"), w.only("job_aborted")
			if started.Job.RunID != aborted.Job.RunID || !strings.Contains(aborted.StatusReason, "the job did not run") {
				t.Errorf("run %s was started, run %s aborted: %s", started.Job.RunID, aborted.Job.RunID, aborted.StatusReason)
			}
		})
	}
}

// A place that stays missing is looked for every 30 seconds, after some quicker attempts.
func TestAttemptsPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := stet.Options{Policy: stet.BestEffort}
		w := prepare(t, &o)
		tries := 0
		var err error
		if w.Recorder, err = stet.OpenOn(w.disk, o, func() error { tries++; return errDisk }); err != nil {
			t.Fatal(err)
		}
		for range 3600 {
			if err := w.Record(t.Context(), event.Event{EventType: "sys_startup"}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // of the bubble's clock
		}
		if tries < 100 || tries > 140 {
			t.Errorf("%d attempts in an hour", tries)
		}
		if err := w.Close(); err == nil || !strings.Contains(err.Error(), "could not be declared") {
			t.Errorf("Close says nothing of 3600 losses: %v", err)
		}
	})
}

// Open and Close end too while the disk hangs.
func TestHangingOpenAndClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := open(t, stet.Options{Deadline: time.Second})
		begin(t, w, t.Context(), job("a"))
		hang := make(chan struct{})
		w.disk.set(func(f *flaky) { f.hang = hang })
		from := time.Now()
		if err := w.Close(); !errors.Is(err, context.DeadlineExceeded) || time.Since(from) > 3*time.Second {
			t.Errorf("Close: %v after %v", err, time.Since(from))
		}
		from = time.Now()
		rec, err := stet.OpenOn(w.disk, stet.Options{App: "a", Deadline: time.Second, OnLoss: w.loss}, w.disk.find)
		if rec != nil || !errors.Is(err, context.DeadlineExceeded) || time.Since(from) > 3*time.Second {
			t.Errorf("Open: %v after %v", err, time.Since(from))
		}
		close(hang)
		synctest.Wait()
	})
}
