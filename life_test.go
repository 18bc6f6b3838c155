package stet_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// Whoever asks for a job to stop is not who asked for it to run; the run's context ends, and its outcome says why.
func TestRequestCancel(t *testing.T) {
	w := open(t, stet.Options{})
	ctx := stet.WithUser(context.Background(), "alice")
	err := w.Do(ctx, job("a"), func(ctx context.Context, run *stet.Run) error {
		if err := run.RequestCancel(stet.WithUser(context.Background(), "carol"), "wrong day"); err != nil {
			t.Error(err)
		}
		<-ctx.Done()
		if !errors.Is(context.Cause(ctx), stet.ErrCancelled) {
			t.Errorf("the context ended with %v", context.Cause(ctx))
		}
		return ctx.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Do returned %v", err)
	}
	w.wantTypes(append(append([]string{}, fourPhases...), "job_cancel_requested", "job_aborted")...)
	if e := w.only("job_cancel_requested"); e.UserID != "carol" || e.StatusReason != "wrong day" || e.Job.RunID == "" {
		t.Errorf("the request is %+v", e)
	}
	if e := w.only("job_aborted"); e.UserID != "alice" || !strings.Contains(e.StatusReason, "wrong day") {
		t.Errorf("the outcome is %q of %s", e.StatusReason, e.UserID)
	}
}

// A job that is done when it should have stopped was done.
func TestDoneAlthoughCancelled(t *testing.T) {
	w := open(t, stet.Options{})
	if err := w.Do(context.Background(), job("a"), func(ctx context.Context, run *stet.Run) error { return run.RequestCancel(ctx, "late") }); err != nil {
		t.Fatal(err)
	}
	if e := w.only("job_succeeded"); !strings.Contains(e.StatusReason, "although it had been cancelled") || !strings.Contains(e.StatusReason, "late") {
		t.Errorf("the outcome says %q", e.StatusReason)
	}
	run := begin(t, w, context.Background(), job("b"))
	ctx := run.Context(context.Background())
	if err := errors.Join(run.RequestCancel(ctx, "stop"), run.Fail(ctx, ctx.Err())); err != nil {
		t.Fatal(err)
	}
	if e := w.only("job_aborted"); !strings.Contains(e.StatusReason, "stop") {
		t.Errorf("the outcome says %q", e.StatusReason)
	}
}

// Another process asks for a job to be cancelled, naming nobody whom it does not know.
func TestCancelFromElsewhere(t *testing.T) {
	w := open(t, stet.Options{})
	s, err := w.Submit(stet.WithUser(context.Background(), "alice"), job("a"))
	if err != nil {
		t.Fatal(err)
	}
	there, err := w.Resume(context.Background(), s.Ref())
	if err != nil {
		t.Fatal(err)
	}
	if err := there.RequestCancel(context.Background(), "not needed"); err != nil {
		t.Fatal(err)
	}
	e := w.only("job_cancel_requested")
	if e.Job.ID != w.only("job_submitted").Job.ID || e.UserID != "" || e.Absent["user_id"] == "" || e.Principal.Type != "service_account" {
		t.Errorf("the request is by %q, %+v, absent %v", e.UserID, e.Principal, e.Absent)
	}
}

// A run's own context ends with the run.
func TestContextEndsWithTheRun(t *testing.T) {
	w := open(t, stet.Options{})
	run := begin(t, w, context.Background(), job("a"))
	ctx := run.Context(context.Background())
	if got, _ := stet.FromContext(ctx); got != run || ctx.Err() != nil {
		t.Errorf("the context carries %v and ended with %v", got, ctx.Err())
	}
	if err := run.Succeed(ctx); err != nil {
		t.Fatal(err)
	}
	late := run.Context(context.Background())
	for _, ctx := range []context.Context{ctx, late} {
		if !errors.Is(context.Cause(ctx), stet.ErrEnded) {
			t.Errorf("it ended with %v", context.Cause(ctx))
		}
	}
}

// Outcome and retry are one flush; the next attempt is the same job, wherever it runs.
func TestRetry(t *testing.T) {
	w := open(t, stet.Options{})
	run := begin(t, w, context.Background(), job("a"))
	before := w.disk.flushes()
	at := time.Date(2026, 5, 1, 2, 3, 4, 0, time.UTC)
	next, err := run.RetryAt(context.Background(), errors.New("no route"), at)
	if err != nil || w.disk.flushes()-before != 1 {
		t.Fatalf("%d flushes, %v", w.disk.flushes()-before, err)
	}
	if next, err = w.Resume(context.Background(), next.Ref()); err != nil {
		t.Fatal(err)
	}
	a, err := next.Authorize(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	second, err := a.Start(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Succeed(context.Background()); err != nil {
		t.Fatal(err)
	}
	w.wantTypes(append(append([]string{}, fourPhases...), "job_failed", "job_retry_scheduled", "job_authorization_unchecked", "job_started", "job_succeeded")...)
	all := w.events()
	if e := all[4]; !e.Job.ScheduledFor.Equal(at) || e.Job.Attempt != 1 {
		t.Errorf("the retry is %+v", e.Job)
	}
	for _, e := range all[5:] {
		if e.Job.ID != run.JobID() || e.Job.Attempt != 2 || !e.Job.ScheduledFor.Equal(at) || e.Job.RunID == run.ID() {
			t.Errorf("%s of the second attempt is of %+v", e.EventType, e.Job)
		}
	}
	if _, err := run.RetryAt(context.Background(), errors.New("again"), at); !errors.Is(err, stet.ErrEnded) {
		t.Errorf("a second outcome: %v", err)
	}
}

// A duplicate names what it repeats.
func TestDeduplicated(t *testing.T) {
	w := open(t, stet.Options{})
	submit := func() stet.Submitted {
		s, err := w.Submit(context.Background(), job("a"))
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	earlier, later := submit(), submit()
	if err := later.Deduplicated(context.Background(), earlier); err != nil {
		t.Fatal(err)
	}
	first, second, e := w.events()[0], w.events()[1], w.only("job_deduplicated")
	if e.Job.ID != second.Job.ID || e.CausationID != first.EventID || e.References[0] != (event.Reference{Kind: "job", Value: first.Job.ID}) {
		t.Errorf("the duplicate is %+v, caused by %v, refers to %v", e.Job, e.CausationID, e.References)
	}
}

// What cannot be is refused, and a run that is over says nothing more.
func TestMisuseOfALife(t *testing.T) {
	w := open(t, stet.Options{})
	ctx := context.Background()
	var zero stet.Run
	run := begin(t, w, ctx, job("a"))
	over := begin(t, w, ctx, job("b"))
	if err := over.Succeed(ctx); err != nil {
		t.Fatal(err)
	}
	before := len(w.events())
	_, zeroRetry := zero.RetryAt(ctx, errors.New("x"), time.Time{})
	_, noCause := run.RetryAt(ctx, nil, time.Time{})
	for name, tc := range map[string]struct{ got, want error }{
		"pause of a zero run":       {zero.Pause(ctx, ""), stet.ErrInvalid},
		"cancel of a zero run":      {zero.RequestCancel(ctx, ""), stet.ErrInvalid},
		"retry of a zero run":       {zeroRetry, stet.ErrInvalid},
		"retry without a cause":     {noCause, stet.ErrInvalid},
		"resumption without pause":  {run.Resume(ctx, ""), stet.ErrInvalid},
		"pause of what is over":     {over.Pause(ctx, ""), stet.ErrEnded},
		"heartbeat of what's over":  {over.Heartbeat(ctx, "", time.Time{}), stet.ErrEnded},
		"cancel of what is over":    {over.RequestCancel(ctx, ""), stet.ErrEnded},
		"cancel of nothing":         {stet.Submitted{}.RequestCancel(ctx, ""), stet.ErrInvalid},
		"duplicate of nothing":      {stet.Submitted{}.Deduplicated(ctx, stet.Submitted{}), stet.ErrInvalid},
		"correction of nothing":     {w.Correct(ctx, stet.Correction{}), stet.ErrInvalid},
		"another kind":              {w.Correct(ctx, stet.Correction{EventID: w.NewEventID(), JobID: "j", Kind: "denial"}), stet.ErrInvalid},
		"a damaged hash":            {w.Correct(ctx, stet.Correction{EntryHash: "sha256:1", JobID: "j"}), stet.ErrInvalid},
		"a job that undoes nothing": {w.Do(ctx, stet.Job{Name: "x", Reverses: &stet.Correction{}}, nothing), stet.ErrInvalid},
	} {
		if !errors.Is(tc.got, tc.want) {
			t.Errorf("%s: %v, want %v", name, tc.got, tc.want)
		}
	}
	if n := len(w.events()); n != before {
		t.Errorf("%d events were recorded", n-before)
	}
	if err := errors.Join(run.Pause(ctx, "x")); err != nil {
		t.Error(err)
	}
	if err := run.Pause(ctx, "y"); !errors.Is(err, stet.ErrInvalid) {
		t.Errorf("pause of a paused run: %v", err)
	}
}

// An application's event can be named as a job's cause, by an id that its recorder chose before.
func TestCausedByAnEvent(t *testing.T) {
	w := open(t, stet.Options{})
	e := event.Event{EventID: w.NewEventID(), EventType: "user_deleted"}
	if err := w.Record(context.Background(), e); err != nil {
		t.Fatal(err)
	}
	if err := w.Do(context.Background(), stet.Job{Name: "erase", CausedBy: w.Upstream(e)}, nothing); err != nil {
		t.Fatal(err)
	}
	cause, s := w.only("user_deleted"), w.only("job_submitted")
	want := event.Upstream{System: "billing", EventRef: cause.EventID.String(), EventType: "user_deleted"}
	if cause.EventID != e.EventID || s.CausationID != e.EventID || *s.Principal.Upstream != want || s.Why.Trigger != "event" {
		t.Errorf("%v caused the submission, which names %v and %+v", cause.EventID, s.CausationID, s.Principal.Upstream)
	}
	if err := w.Do(context.Background(), stet.Job{Name: "mail", CausedBy: &event.Upstream{System: "orders", EventRef: "17"}}, nothing); err != nil {
		t.Fatal(err)
	}
	if s := w.of("job_submitted")[1]; !s.CausationID.IsZero() || s.Principal.Upstream.EventRef != "17" {
		t.Errorf("a foreign event's submission is caused by %v", s.CausationID)
	}
}

// A correction is an event of its own, in the story of what it corrects.
func TestCorrect(t *testing.T) {
	w := open(t, stet.Options{})
	run := begin(t, w, stet.WithInteraction(context.Background(), "order-17"), job("a"))
	if err := run.Succeed(context.Background()); err != nil {
		t.Fatal(err)
	}
	wrong, seq := w.only("job_succeeded"), uint64(12)
	c := stet.Correction{EventID: wrong.EventID, Seq: &seq, Reason: "only 900", InteractionID: wrong.InteractionID, JobID: wrong.Job.ID,
		RunID: wrong.Job.RunID, JobName: "a", Impact: &event.Impact{Summary: "900 rows"}}
	if err := w.Correct(stet.WithUser(context.Background(), "dora"), c); err != nil {
		t.Fatal(err)
	}
	e := w.only("job_corrected")
	if e.UserID != "dora" || e.InteractionID != "order-17" || e.Corrects.Kind != "correction" || e.Corrects.EventID != wrong.EventID || *e.Corrects.Seq != 12 ||
		e.Corrects.Reason != "only 900" || e.Job.ID != wrong.Job.ID || e.Impact.Summary != "900 rows" {
		t.Errorf("the correction is %+v of %+v", e.Corrects, e.Job)
	}
	if err := w.Correct(context.Background(), stet.Correction{EntryHash: "sha256:" + strings.Repeat("ab", 32), EventType: "user_deleted"}); err != nil {
		t.Errorf("of an event of no job: %v", err)
	}
	if e := w.only("user_deleted"); e.Corrects == nil || e.Job != nil {
		t.Errorf("of an event of no job: %+v", e)
	}
}

// A job that undoes another says so once it has succeeded, and only then.
func TestReversal(t *testing.T) {
	w := open(t, stet.Options{})
	paid := begin(t, w, stet.WithInteraction(context.Background(), "order-17"), job("pay"))
	if err := paid.Succeed(context.Background()); err != nil {
		t.Fatal(err)
	}
	done := w.only("job_succeeded")
	undo := stet.Job{Name: "refund", Reverses: &stet.Correction{EventID: done.EventID, Reason: "paid twice", InteractionID: "order-17", JobID: paid.JobID(), JobName: "pay"}}
	if err := w.Do(context.Background(), undo, func(context.Context, *stet.Run) error { return errors.New("no money") }); err == nil {
		t.Fatal("no error")
	}
	if n := len(w.of("job_corrected")); n > 0 {
		t.Fatal("a job that failed has undone something")
	}
	before := 0
	if err := w.Do(context.Background(), undo, func(context.Context, *stet.Run) error { before = w.disk.flushes(); return nil }); err != nil {
		t.Fatal(err)
	}
	e, refund := w.only("job_corrected"), w.of("job_succeeded")[1]
	if e.Corrects.Kind != "reversal" || e.Corrects.EventID != done.EventID || e.InteractionID != "order-17" || e.Job.ID != paid.JobID() || e.CausationID != refund.EventID ||
		e.References[0] != (event.Reference{Kind: "by_job", Value: refund.Job.ID}) || w.disk.flushes()-before != 1 {
		t.Errorf("the reversal is %+v of %+v in %s, by %v, with %d flushes", e.Corrects, e.Job, e.InteractionID, e.References, w.disk.flushes()-before)
	}
}
