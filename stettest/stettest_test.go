package stettest_test

import (
	"context"
	"errors"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/stettest"
)

// work is a handler as a user would write it.
func work(ctx context.Context, rec *stet.Recorder, text string, result error) error {
	return rec.Do(ctx, stet.Job{Name: "purge", Reason: text, Params: map[string]any{"given": text}},
		func(context.Context, *stet.Run) error { return result })
}

func TestRecorder(t *testing.T) {
	rec := stettest.New(t, stet.Options{})
	if err := work(t.Context(), rec.Recorder, "month end", nil); err != nil {
		t.Fatal(err)
	}
	rec.WantTypes("purge", "job_submitted", "job_authorization_unchecked", "job_started", "job_succeeded")
	rec.WantOutcome("purge", event.StatusSuccess)
	failure := errors.New("card api_key=sk_live_0123456789abcdefghij declined")
	if err := work(t.Context(), rec.Recorder, "again", failure); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	rec.WantOutcome("purge", event.StatusFailure)
	rec.WantNoSecret("sk_live_0123456789abcdefghij")
	if got := len(rec.Of("job_started")); got != 2 {
		t.Errorf("%d starts, want 2", got)
	}
}

// The assertions must fail where they should.
func TestAssertionsBite(t *testing.T) {
	for name, assert := range map[string]func(*stettest.Recorder){
		"types":   func(r *stettest.Recorder) { r.WantTypes("purge", "job_submitted") },
		"outcome": func(r *stettest.Recorder) { r.WantOutcome("purge", event.StatusFailure) },
		"no run":  func(r *stettest.Recorder) { r.WantOutcome("other", event.StatusSuccess) },
		"secret":  func(r *stettest.Recorder) { r.WantNoSecret("month end") },
		"nothing": func(r *stettest.Recorder) { r.WantNoSecret("") },
	} {
		t.Run(name, func(t *testing.T) {
			deaf := &deaf{TB: t}
			rec := stettest.New(deaf, stet.Options{})
			if err := work(t.Context(), rec.Recorder, "month end", nil); err != nil {
				t.Fatal(err)
			}
			assert(rec)
			if !deaf.failed {
				t.Error("the assertion passed")
			}
		})
	}
}

// deaf notes a failure instead of failing.
type deaf struct {
	testing.TB
	failed bool
}

func (d *deaf) Error(...any)          { d.failed = true }
func (d *deaf) Errorf(string, ...any) { d.failed = true }

func TestHostile(t *testing.T) {
	rec := stettest.New(t, stet.Options{})
	for _, in := range stettest.Hostile() {
		if err := work(t.Context(), rec.Recorder, in.Text, errors.New(in.Text)); err == nil || errors.Is(err, stet.ErrNotRecorded) {
			t.Errorf("%s: %v", in.Name, err)
		}
		if in.Secret != "" {
			rec.WantNoSecret(in.Secret)
		}
	}
	if got, want := len(rec.Of("job_failed")), len(stettest.Hostile()); got != want {
		t.Errorf("%d outcomes, want %d", got, want)
	}
	for i, raw := range rec.Raw() {
		if !utf8.Valid(raw) {
			t.Errorf("event %d is not UTF-8", i)
		}
		for _, r := range string(raw) {
			if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp) {
				t.Errorf("event %d holds %U", i, r)
			}
		}
	}
}

func Example() {
	// In a test, t is the *testing.T that it was given.
	test := func(t *testing.T) {
		rec := stettest.New(t, stet.Options{App: "billing"})
		err := rec.Do(t.Context(), stet.Job{Name: "invoice"}, func(context.Context, *stet.Run) error { return nil })
		if err != nil {
			t.Fatal(err)
		}
		rec.WantOutcome("invoice", event.StatusSuccess)
	}
	_ = test
}
