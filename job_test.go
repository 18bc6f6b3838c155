package stet_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

var fourPhases = []string{"job_submitted", "job_authorization_unchecked", "job_started"}

func phases(last string) []string { return append(slices.Clone(fourPhases), last) }

// A job is recorded in four phases, all of one run, each naming its cause.
func TestDo(t *testing.T) {
	w := open(t, stet.Options{Environment: "test", AppVersion: "1.2.3"})
	ctx := stet.WithSourceIP(stet.WithUser(context.Background(), "alice"), "192.0.2.7:5678")
	j := stet.Job{Name: "purge", Reason: "retention", Reference: "TICKET-1", Trigger: "manual", Params: map[string]any{"days": 30, "password": "hunter2"},
		Labels: map[string]string{"region": "eu"}, Target: &event.Target{System: "db1", Environment: "production"}}
	err := w.Do(ctx, j, func(_ context.Context, run *stet.Run) error {
		run.Impact("1,000 records deleted", map[string]int64{"rows": 1000})
		run.Reference("txid", "4711")
		count := int64(1)
		run.Snapshot(&event.Snapshot{Count: &count}, nil)
		run.Snapshot(nil, &event.Snapshot{Summary: "empty"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wantTypes(phases("job_succeeded")...)
	all := w.events()
	for i, e := range all {
		if e.Job.ID != all[0].Job.ID || e.InteractionID != all[0].InteractionID || e.Job.Name != "purge" || e.UserID != "alice" ||
			e.SourceIP != "192.0.2.7" || e.Why.Reason != "retention" || e.Why.Reference != "TICKET-1" || e.Environment != "test" ||
			e.Labels["region"] != "eu" || e.Target.System != "db1" {
			t.Errorf("event %d does not say whose it is: %+v", i, e)
		}
		if !strings.Contains(e.CodeLocation, "job_test.go:") || e.Derived["code_location"] != "caller" {
			t.Errorf("event %d: code_location is %q, derived %q", i, e.CodeLocation, e.Derived["code_location"])
		}
	}
	submitted, authorized, started, ended := all[0], all[1], all[2], all[3]
	if !submitted.CausationID.IsZero() || authorized.CausationID != submitted.EventID || started.CausationID != authorized.EventID || ended.CausationID != started.EventID {
		t.Error("causes are not chained")
	}
	if started.Job.RunID == "" || ended.Job.RunID != started.Job.RunID || started.Job.Attempt != 1 {
		t.Errorf("runs are %q and %q, attempt %d", started.Job.RunID, ended.Job.RunID, started.Job.Attempt)
	}
	if submitted.Job.Params["days"] != int64(30) || submitted.Job.Params["password"] == "hunter2" {
		t.Errorf("params are %v", submitted.Job.Params)
	}
	if ended.Status != event.StatusSuccess || ended.Impact.Counts["rows"] != 1000 || *ended.Before.Count != 1 || ended.After.Summary != "empty" ||
		ended.References[0] != (event.Reference{Kind: "txid", Value: "4711"}) {
		t.Errorf("the outcome is %+v", ended)
	}
	if ended.Timing.DurationUS == nil || ended.Timing.EndedAt.Before(ended.Timing.StartedAt) {
		t.Errorf("timing is %+v", ended.Timing)
	}
}

// Submission, authorization and start share one flush; so does what many jobs record at once.
func TestFlushes(t *testing.T) {
	w := open(t, stet.Options{})
	before := w.disk.flushes()
	inside := 0
	if err := w.Do(context.Background(), job("a"), func(context.Context, *stet.Run) error {
		inside = w.disk.flushes()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if inside-before != 1 || w.disk.flushes()-inside != 1 {
		t.Errorf("%d flushes before the job ran and %d after, want one each", inside-before, w.disk.flushes()-inside)
	}
}

func TestDoResults(t *testing.T) {
	boom := errors.New("boom")
	var typedNil *nilError
	for _, tc := range []struct {
		name   string
		fn     func(cancel context.CancelCauseFunc) error
		want   error
		typ    string
		reason string
		code   string
	}{
		{"success", func(context.CancelCauseFunc) error { return nil }, nil, "job_succeeded", "", ""},
		{"an error comes back as it is", func(context.CancelCauseFunc) error { return boom }, boom, "job_failed", "boom", ""},
		{"an error that cannot say anything", func(context.CancelCauseFunc) error { return typedNil }, typedNil, "job_failed", "<nil>", ""},
		{"cancelled, and says so", func(c context.CancelCauseFunc) error { c(boom); return context.Canceled }, context.Canceled, "job_aborted", "context canceled (cancelled: boom)", ""},
		{"cancelled, and done all the same", func(c context.CancelCauseFunc) error { c(nil); return nil }, nil, "job_succeeded", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			ctx, cancel := context.WithCancelCause(context.Background())
			defer cancel(nil)
			if err := w.Do(ctx, job("a"), func(context.Context, *stet.Run) error { return tc.fn(cancel) }); err != tc.want { //nolint:errorlint // the very same
				t.Errorf("Do returned %v, want %v", err, tc.want)
			}
			w.wantTypes(phases(tc.typ)...)
			if got := w.only(tc.typ); got.StatusReason != tc.reason || got.StatusCode != tc.code {
				t.Errorf("reason %q, code %q", got.StatusReason, got.StatusCode)
			}
		})
	}
}

type nilError struct{ text string }

func (e *nilError) Error() string { return e.text }

// A panic is a failure, and goes on; also one that cannot be printed.
func TestPanic(t *testing.T) {
	for _, tc := range []struct {
		name   string
		value  any
		reason string
	}{
		{"a text", "boom", "panic: boom"},
		{"an error that panics itself", (*nilError)(nil), "panic: <nil>"},
		{"nil", nil, "panic: panic called with nil argument"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			raised := func() (p any) {
				defer func() { p = recover() }()
				_ = w.Do(context.Background(), job("a"), func(context.Context, *stet.Run) error { panic(tc.value) })
				return "Do returned"
			}()
			if tc.value != nil && raised != tc.value {
				t.Errorf("raised again was %v", raised)
			}
			if _, ok := raised.(*runtime.PanicNilError); tc.value == nil && !ok {
				t.Errorf("raised again was %v", raised)
			}
			w.wantTypes(phases("job_failed")...)
			if e := w.only("job_failed"); !strings.HasPrefix(e.StatusReason, tc.reason) || e.StatusCode != "panic" {
				t.Errorf("reason %q, code %q", e.StatusReason, e.StatusCode)
			}
		})
	}
}

// Where panic(nil) is still allowed it cannot be told from Goexit, but does not pass for success.
func TestOldNilPanic(t *testing.T) {
	t.Setenv("GODEBUG", "panicnil=1")
	w := open(t, stet.Options{})
	if err := w.Do(context.Background(), job("a"), func(context.Context, *stet.Run) error { panic(nil) }); err == nil {
		t.Error("Do reports success")
	}
	w.wantTypes(phases("job_aborted")...)
}

func TestGoexit(t *testing.T) {
	w := open(t, stet.Options{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = w.Do(context.Background(), job("a"), func(context.Context, *stet.Run) error { runtime.Goexit(); return nil })
		t.Error("Do returned")
	}()
	<-done
	w.wantTypes(phases("job_aborted")...)
}

// Work that is over is recorded whatever has become of its context; work is not begun for a dead one.
func TestDeadContext(t *testing.T) {
	w := open(t, stet.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	run, err := w.Begin(ctx, job("a"))
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := w.Record(ctx, event.Event{EventType: "authn_login_fail"}); err != nil {
		t.Errorf("an event of an application: %v", err)
	}
	if err := run.Succeed(ctx); err != nil {
		t.Errorf("an outcome: %v", err)
	}
	err = w.Do(ctx, job("b"), func(context.Context, *stet.Run) error { t.Error("it ran"); return nil })
	if !errors.Is(err, stet.ErrNotRecorded) || !errors.Is(err, context.Canceled) {
		t.Errorf("Do: %v", err)
	}
	w.wantTypes(append(slices.Clone(fourPhases), "authn_login_fail", "job_succeeded")...)
}

// Children are recorded under their parent, through the context.
func TestChildren(t *testing.T) {
	w := open(t, stet.Options{})
	p := &event.Principal{Type: "user", ID: "alice"}
	ctx := stet.WithInteraction(stet.WithUser(context.Background(), "alice"), "request-17")
	var parent, child, grandchild *stet.Run
	err := w.Do(ctx, stet.Job{Name: "parent", Principal: p}, func(ctx context.Context, run *stet.Run) error {
		parent = run
		if got, ok := stet.FromContext(ctx); !ok || got != run {
			t.Error("the context does not carry the run")
		}
		return w.Do(ctx, job("child"), func(ctx context.Context, run *stet.Run) error {
			child = run
			grandchild = begin(t, w, ctx, job("grandchild"))
			if err := w.Record(ctx, event.Event{EventType: "sensitive_read"}); err != nil {
				t.Error(err)
			}
			return grandchild.Succeed(ctx)
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range w.events() {
		if e.InteractionID != "request-17" || e.UserID != "alice" || e.Principal.ID != "alice" {
			t.Errorf("%s: interaction %q, user %q, principal %q", e.EventType, e.InteractionID, e.UserID, e.Principal.ID)
		}
		if e.Job == nil {
			if start := w.of("job_started")[1]; e.CausationID != start.EventID {
				t.Errorf("%s is caused by %v, want the start of the job that it happened in", e.EventType, e.CausationID)
			}
			continue
		}
		want := map[string][2]string{"parent": {"", ""}, "child": {parent.JobID(), parent.JobID()}, "grandchild": {child.JobID(), parent.JobID()}}[e.Job.Name]
		if e.Job.ParentID != want[0] || e.Job.RootID != want[1] {
			t.Errorf("%s of %s: parent %q, root %q", e.EventType, e.Job.Name, e.Job.ParentID, e.Job.RootID)
		}
		if e.EventType == "job_submitted" && e.Job.Name == "child" && (e.Why.Trigger != "parent" || e.Derived["why.trigger"] != "context") {
			t.Errorf("a child's trigger is %q, derived %q", e.Why.Trigger, e.Derived["why.trigger"])
		}
	}
	if grandchild.RootID() != parent.JobID() || grandchild.InteractionID() != "request-17" {
		t.Errorf("root %q, interaction %q", grandchild.RootID(), grandchild.InteractionID())
	}
}

func begin(t testing.TB, w *world, ctx context.Context, j stet.Job) *stet.Run {
	t.Helper()
	run, err := w.Begin(ctx, j)
	if err != nil {
		t.Fatal(err)
	}
	return run
}

// What the environment says of the parent is a claim: used where it holds, named where it does not, never in the way.
func TestEnvironment(t *testing.T) {
	const parent, root = "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b", "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5c"
	for _, tc := range []struct {
		name                      string
		interaction, parent, root string
		wantID                    string // "": another than was given
		wantParent, wantRoot      string
	}{
		{"whole", "request-17", parent, root, "request-17", parent, root},
		{"without a root", "request-17", parent, "", "request-17", parent, parent},
		{"a damaged root", "request-17", parent, "x", "request-17", parent, parent},
		{"a damaged parent", "request-17", "1; rm -rf /", root, "request-17", "", ""},
		{"a long interaction", strings.Repeat("x", 5000), "", "", "", "", ""},
		{"a forged line", "a\nb\x1b[2J", "", "", "", "", ""},
		{"not UTF-8", "\xff\xfe", "", "", "", "", ""},
		{"a secret", "AKIAIOSFODNN7EXAMPLE", "", "", "", "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			t.Setenv(stet.EnvInteractionID, tc.interaction)
			t.Setenv(stet.EnvParentJobID, tc.parent)
			t.Setenv(stet.EnvRootJobID, tc.root)
			run := begin(t, w, context.Background(), job("a"))
			if err := w.Record(context.Background(), event.Event{EventType: "sys_startup"}); err != nil {
				t.Error(err)
			}
			if err := run.Succeed(context.Background()); err != nil {
				t.Error(err)
			}
			e := w.only("job_submitted")
			if tc.wantID != "" && e.InteractionID != tc.wantID || e.InteractionID != run.InteractionID() {
				t.Errorf("interaction is %q, the run says %q", e.InteractionID, run.InteractionID())
			}
			if strings.Contains(e.InteractionID, "AKIA") || e.Derived["interaction_id"] == "" {
				t.Errorf("interaction is %q, derived %q", e.InteractionID, e.Derived["interaction_id"])
			}
			if e.Job.ParentID != tc.wantParent || e.Job.RootID != tc.wantRoot {
				t.Errorf("parent %q, root %q", e.Job.ParentID, e.Job.RootID)
			}
			if tc.parent != "" && tc.wantParent == "" && e.Absent["job.parent_id"] != event.AbsentUnavailable {
				t.Error("that there is a parent is not said")
			}
			if other := w.only("sys_startup"); tc.wantID != "" && other.InteractionID != tc.wantID {
				t.Errorf("an application's event has interaction %q", other.InteractionID)
			}
			if len(w.lost()) > 0 {
				t.Errorf("losses: %v", w.lost())
			}
		})
	}
}

// The same odd interaction id is the same wherever it is given.
func TestOddInteractions(t *testing.T) {
	w := open(t, stet.Options{})
	odd := strings.Repeat("request\n", 100)
	ctx := stet.WithInteraction(context.Background(), odd)
	run := begin(t, w, ctx, job("a"))
	if err := w.Record(context.Background(), event.Event{EventType: "sys_startup", InteractionID: odd}); err != nil {
		t.Fatal(err)
	}
	t.Setenv(stet.EnvInteractionID, run.InteractionID())
	again := begin(t, w, context.Background(), job("b"))
	for _, e := range w.events() {
		if e.InteractionID != run.InteractionID() || again.InteractionID() != run.InteractionID() {
			t.Errorf("%s has interaction %q, want %q", e.EventType, e.InteractionID, run.InteractionID())
		}
	}
}

type authorizer func(stet.Job) (stet.Decision, error)

func (a authorizer) Authorize(_ context.Context, j stet.Job) (stet.Decision, error) { return a(j) }

// An authoriser's answer is recorded, whatever it is; only a clear yes lets the job run.
func TestAuthorizer(t *testing.T) {
	boom := errors.New("boom")
	many := make([]string, 100)
	for i := range many {
		many[i] = fmt.Sprint("role", i)
	}
	for _, tc := range []struct {
		name   string
		answer authorizer
		typ    string
		basis  string
		reason string
	}{
		{"yes", func(stet.Job) (stet.Decision, error) {
			return stet.Decision{Allowed: true, Basis: "approval", DecidedBy: "carol", PolicyID: "p1", Granted: many}, nil
		}, "job_authorized", "approval", ""},
		{"no", func(stet.Job) (stet.Decision, error) { return stet.Decision{Reason: "not at night"}, nil }, "job_denied", "policy", "not at night"},
		{"an error", func(stet.Job) (stet.Decision, error) { return stet.Decision{Allowed: true}, boom }, "job_denied", "policy", "the authoriser failed: boom"},
		{"a panic", func(stet.Job) (stet.Decision, error) { panic("boom") }, "job_denied", "policy", "the authoriser panicked: boom"},
		{"an unknown basis", func(stet.Job) (stet.Decision, error) { return stet.Decision{Allowed: true, Basis: "gut"}, nil }, "job_denied", "none",
			`the authoriser's answer cannot be recorded: its basis is "gut", known are policy, approval, os_permission, inherited, none`},
	} {
		for _, apart := range []bool{false, true} {
			t.Run(fmt.Sprint(tc.name, ", phases apart: ", apart), func(t *testing.T) {
				w := open(t, stet.Options{Authorizer: tc.answer})
				ran := false
				err := error(nil)
				if apart {
					err = inPhases(w, job("a"), func() { ran = true })
				} else {
					err = w.Do(context.Background(), job("a"), func(context.Context, *stet.Run) error { ran = true; return nil })
				}
				allowed := tc.typ == "job_authorized"
				if ran != allowed || errors.Is(err, stet.ErrDenied) == allowed || errors.Is(err, stet.ErrNotRecorded) {
					t.Errorf("ran %v, error %v", ran, err)
				}
				if tc.name == "an error" && !errors.Is(err, boom) {
					t.Errorf("the authoriser's own error is not in %v", err)
				}
				want := []string{"job_submitted", tc.typ}
				if allowed {
					want = append(want, "job_started", "job_succeeded")
				}
				w.wantTypes(want...)
				e := w.only(tc.typ)
				if e.Authorization.Basis != tc.basis || e.StatusReason != tc.reason {
					t.Errorf("basis %q, reason %q", e.Authorization.Basis, e.StatusReason)
				}
				if allowed && (len(e.Authorization.Granted) != 32 || e.Authorization.Granted[31] != "and 69 more") {
					t.Errorf("granted is %q", e.Authorization.Granted)
				}
			})
		}
	}
}

func inPhases(w *world, j stet.Job, fn func()) error {
	ctx := context.Background()
	s, err := w.Submit(ctx, j)
	if err != nil {
		return err
	}
	a, err := s.Authorize(ctx)
	if err != nil {
		return err
	}
	run, err := a.Start(ctx)
	if err != nil {
		return err
	}
	fn()
	return run.Succeed(ctx)
}

// Values that nobody made return errors, and do nothing else.
func TestZeroValues(t *testing.T) {
	ctx := context.Background()
	var rec *stet.Recorder
	var run *stet.Run
	fail := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, stet.ErrInvalid) {
			t.Errorf("%s: %v", what, err)
		}
	}
	fail("nil.Do", rec.Do(ctx, job("a"), nothing))
	fail("nil.Record", rec.Record(ctx, event.Event{EventType: "sys_startup"}))
	fail("nil.Close", rec.Close())
	_, err := rec.Submit(ctx, job("a"))
	fail("nil.Submit", err)
	_, err = rec.Begin(ctx, job("a"))
	fail("nil.Begin", err)
	_, err = rec.Resume(ctx, "")
	fail("nil.Resume", err)
	_, err = stet.Submitted{}.Authorize(ctx)
	fail("Submitted.Authorize", err)
	_, err = stet.Submitted{}.WithAttempt(2).Authorize(ctx)
	fail("Submitted.WithAttempt.Authorize", err)
	_, err = stet.Authorized{}.Start(ctx)
	fail("Authorized.Start", err)
	for _, r := range []*stet.Run{run, {}} {
		r.Impact("", nil)
		r.Snapshot(nil, nil)
		r.Reference("", "")
		fail("Run.Succeed", r.Succeed(ctx))
		fail("Run.Fail", r.Fail(ctx, errors.New("boom")))
		fail("Run.Abort", r.Abort(ctx, ""))
		fail("Run.Heartbeat", r.Heartbeat(ctx, "", time.Time{}))
		if r.ID()+r.JobID()+r.RootID()+r.InteractionID() != "" || r.Environ() != nil {
			t.Error("a zero Run has ids")
		}
	}
	w := open(t, stet.Options{})
	fail("Do without a function", w.Do(ctx, job("a"), nil))
	fail("Do without a name", w.Do(ctx, stet.Job{}, nothing))
	if err := w.Do(stet.WithRun(stet.WithRun(ctx, &stet.Run{}), nil), job("a"), nothing); err != nil {
		t.Errorf("a nil run in the context: %v", err)
	}
	fail("Fail without a cause", begin(t, w, ctx, job("b")).Fail(ctx, nil))
}

// A run has one outcome.
func TestSecondOutcome(t *testing.T) {
	w := open(t, stet.Options{})
	ctx := context.Background()
	err := w.Do(ctx, job("a"), func(ctx context.Context, run *stet.Run) error {
		if err := run.End(ctx, stet.Outcome{Status: "great"}); !errors.Is(err, stet.ErrInvalid) {
			t.Errorf("a status that does not exist: %v", err)
		}
		if err := run.Abort(ctx, "enough"); err != nil {
			t.Error(err)
		}
		if err := run.Succeed(ctx); !errors.Is(err, stet.ErrEnded) {
			t.Errorf("a second outcome: %v", err)
		}
		if err := run.Heartbeat(ctx, "", time.Time{}); !errors.Is(err, stet.ErrEnded) {
			t.Errorf("a heartbeat after the end: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	w.wantTypes(phases("job_aborted")...)
}

func TestHeartbeats(t *testing.T) {
	w := open(t, stet.Options{})
	run := begin(t, w, context.Background(), job("a"))
	due := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for _, next := range []time.Time{{}, due} {
		if err := run.Heartbeat(context.Background(), "half", next); err != nil {
			t.Fatal(err)
		}
	}
	beats := w.of("job_heartbeat")
	if len(beats) != 2 || beats[0].Heartbeat.N != 1 || beats[1].Heartbeat.N != 2 || !beats[1].Heartbeat.NextDue.Equal(due) || beats[1].Heartbeat.Progress != "half" {
		t.Errorf("heartbeats are %+v", beats)
	}
}

// Close ends what is open and seals the stream; nothing works after it.
func TestClose(t *testing.T) {
	w := open(t, stet.Options{})
	ctx := context.Background()
	done := begin(t, w, ctx, job("done"))
	if err := done.Succeed(ctx); err != nil {
		t.Fatal(err)
	}
	s, err := w.Submit(ctx, job("waiting"))
	if err != nil {
		t.Fatal(err)
	}
	run := begin(t, w, ctx, job("open"))
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if e := w.only("job_aborted"); e.Job.Name != "open" || e.Status != event.StatusAborted {
		t.Errorf("aborted is %s", e.Job.Name)
	}
	if err := run.Succeed(ctx); !errors.Is(err, stet.ErrEnded) {
		t.Errorf("an outcome after Close: %v", err)
	}
	_, aerr := s.Authorize(ctx)
	for what, err := range map[string]error{"Close": w.Close(), "Do": w.Do(ctx, job("a"), nothing),
		"Record": w.Record(ctx, event.Event{EventType: "sys_startup"}), "Authorize": aerr} {
		if !errors.Is(err, stet.ErrClosed) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	// The lock is free: whoever drains the spool sees that the process is done with it.
	dirs, err := w.disk.ReadDir("spool")
	if err != nil || len(dirs) != 1 {
		t.Fatalf("%v, %v", dirs, err)
	}
	lock, err := w.disk.TryLock("spool/" + dirs[0].Name() + "/lock")
	if err != nil {
		t.Fatal(err)
	}
	_ = lock.Close()
}

// Runs that begin and end while the Recorder is closed have an outcome or never began: never one without the other.
func TestCloseWhileJobsRun(t *testing.T) {
	for range 20 {
		w := open(t, stet.Options{})
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for i := range 20 {
					err := w.Do(context.Background(), job("a"), func(ctx context.Context, run *stet.Run) error {
						if i%3 == 0 {
							_ = w.Record(ctx, event.Event{EventType: "sensitive_read"})
						}
						return nil
					})
					if errors.Is(err, stet.ErrClosed) {
						return
					}
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Go(func() {
			if err := w.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		})
		wg.Wait()
		open := map[string]int{}
		for _, e := range w.events() {
			switch e.EventType {
			case "job_started":
				open[e.Job.RunID]++
			case "job_succeeded", "job_aborted":
				open[e.Job.RunID]--
			}
		}
		for run, n := range open {
			if n != 0 {
				t.Errorf("run %s: %d starts without outcome", run, n)
			}
		}
		if len(w.lost()) > 0 {
			t.Errorf("losses: %v", w.lost())
		}
	}
}

// What a caller hands in may be changed as soon as the call returns, and while it runs in another goroutine's job.
func TestInputsAreCopied(t *testing.T) {
	w := open(t, stet.Options{})
	j := stet.Job{Name: "a", Params: map[string]any{"k": []any{"v"}}, Labels: map[string]string{"k": "v"}, Target: &event.Target{System: "db"},
		Principal: &event.Principal{Type: "user", ID: "alice", Roles: []string{"admin"}}, CausedBy: &event.Upstream{System: "orders", EventRef: "17"}}
	run := begin(t, w, context.Background(), j)
	j.Labels["k"], j.Target.System, j.Principal.ID, j.Principal.Roles[0], j.CausedBy.System = "w", "other", "bob", "none", "other"
	if err := run.Succeed(context.Background()); err != nil {
		t.Fatal(err)
	}
	e := w.only("job_succeeded")
	if e.Labels["k"] != "v" || e.Target.System != "db" || e.Principal.ID != "alice" || e.Principal.Roles[0] != "admin" ||
		e.Principal.Upstream.System != "orders" || e.Why.Trigger != "event" {
		t.Errorf("the outcome says %+v, %+v", e.Labels, e.Principal)
	}
}
