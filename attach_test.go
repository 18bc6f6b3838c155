package stet_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// Work that begins in one process and ends in another is one run of one job, though nothing is handed over but its Key.
func TestDetachedRun(t *testing.T) {
	w := open(t, stet.Options{})
	j := stet.Job{Name: "backup", Key: "message 17"}
	began, err := w.Begin(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	w.wantTypes(fourPhases...) // Close leaves it open

	w.start(stet.Options{App: "billing"})
	run, err := w.Attach(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	if run.ID() != began.ID() || run.JobID() != began.JobID() || run.InteractionID() != began.InteractionID() {
		t.Errorf("attached to run %s of job %s, begun was %s of %s", run.ID(), run.JobID(), began.ID(), began.JobID())
	}
	if err := run.Succeed(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.wantTypes(phases("job_succeeded")...)
	start, end := w.only("job_started"), w.only("job_succeeded")
	if !slices.ContainsFunc(start.References, func(r event.Reference) bool { return r.Kind == event.ReferenceDetached && r.Value != "" }) {
		t.Errorf("the start does not say that the run outlives its process: %v", start.References)
	}
	if end.CausationID != start.EventID || end.Job.RunID != start.Job.RunID {
		t.Errorf("the outcome is of run %s, caused by %s", end.Job.RunID, end.CausationID)
	}
	// When it started is not known to who ends it, and is not made up.
	if end.Timing == nil || !end.Timing.StartedAt.IsZero() || !end.Timing.SubmittedAt.IsZero() || end.Timing.DurationUS != nil || end.Timing.EndedAt.IsZero() {
		t.Errorf("timing %+v", end.Timing)
	}
}

// A detached run whose start may be durable or not does not run, and the record says so, as of any other.
func TestDetachedStartInDoubt(t *testing.T) {
	faultsOfAStart(t, stet.Options{}, func(t *testing.T, w *world) {
		run, err := w.Begin(t.Context(), stet.Job{Name: "a", Key: "k"})
		if run != nil || !errors.Is(err, stet.ErrNotRecorded) {
			t.Errorf("run %v, error %v", run, err)
		}
		if err := w.Close(); err != nil {
			t.Error(err)
		}
		if aborted := w.of("job_aborted"); len(aborted) != 1 || !strings.Contains(aborted[0].StatusReason, "the job did not run") {
			t.Errorf("recorded is %v", w.types())
		}
	})
}

// A Key names one piece of work of one application in one environment; each attempt at it is a run of its own.
func TestRunKeys(t *testing.T) {
	ids := func(o stet.Options, j stet.Job) []string {
		w := open(t, o)
		run, err := w.Attach(t.Context(), j)
		if err != nil {
			t.Fatal(err)
		}
		return []string{run.JobID(), run.ID()}
	}
	one := ids(stet.Options{}, stet.Job{Name: "a", Key: "k"})
	if d := cmp.Diff(one, ids(stet.Options{}, stet.Job{Name: "a", Key: "k", Attempt: 1, Reason: "other"})); d != "" {
		t.Errorf("the same work has other ids:\n%s", d)
	}
	again := ids(stet.Options{}, stet.Job{Name: "a", Key: "k", Attempt: 2})
	if again[0] != one[0] || again[1] == one[1] {
		t.Errorf("a second attempt is %v, the first %v", again, one)
	}
	for name, other := range map[string][]string{
		"another key":         ids(stet.Options{}, stet.Job{Name: "a", Key: "l"}),
		"another application": ids(stet.Options{App: "mail"}, stet.Job{Name: "a", Key: "k"}),
		"another environment": ids(stet.Options{Environment: "test"}, stet.Job{Name: "a", Key: "k"}),
	} {
		if other[0] == one[0] || other[1] == one[1] {
			t.Errorf("%s has the same ids", name)
		}
	}
}

func TestAttachRefuses(t *testing.T) {
	w := open(t, stet.Options{})
	for name, j := range map[string]stet.Job{
		"no key":       {Name: "a"},
		"no name":      {Key: "k"},
		"too long key": {Name: "a", Key: strings.Repeat("k", 257)},
	} {
		if run, err := w.Attach(t.Context(), j); !errors.Is(err, stet.ErrInvalid) || run != nil {
			t.Errorf("%s: %v, %v", name, run, err)
		}
	}
	if _, err := (*stet.Recorder)(nil).Attach(t.Context(), stet.Job{Name: "a", Key: "k"}); !errors.Is(err, stet.ErrInvalid) {
		t.Errorf("nil Recorder: %v", err)
	}
}
