package stet_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

const (
	traceID = "4bf92f3577b34da6a3ce929d0e0e4736"
	spanID  = "00f067aa0ba902b7"
	parent  = "00-" + traceID + "-" + spanID + "-01"
)

// The rules of Trace Context, Level 2: 3.2.2 for version 00, chapter 4 for those to come.
func TestTraceparent(t *testing.T) {
	sampled := stet.Trace{ID: traceID, Span: spanID, Flags: "01"}
	flags := func(f string) stet.Trace { return stet.Trace{ID: traceID, Span: spanID, Flags: f} }
	for _, tc := range []struct {
		header string
		want   stet.Trace // zero: refused
	}{
		{parent, sampled},
		{"00-" + traceID + "-" + spanID + "-00", flags("00")},
		{"00-" + traceID + "-" + spanID + "-03", flags("03")}, // sampled and random
		{"00-" + traceID + "-" + spanID + "-ff", flags("03")}, // what is not defined is not passed on
		{"01-" + traceID + "-" + spanID + "-01", sampled},     // a newer version
		{"01-" + traceID + "-" + spanID + "-01-what comes then", sampled},
		{"fe-" + traceID + "-" + spanID + "-01-", sampled},
		{"01-" + traceID + "-" + spanID + "-01what comes then", stet.Trace{}},
		{parent + "-", stet.Trace{}},
		{parent + " ", stet.Trace{}},
		{" " + parent, stet.Trace{}},
		{"ff-" + traceID + "-" + spanID + "-01", stet.Trace{}},
		{"FE-" + traceID + "-" + spanID + "-01", stet.Trace{}},
		{"0-" + traceID + "-" + spanID + "-01", stet.Trace{}},
		{"00-" + strings.ToUpper(traceID) + "-" + spanID + "-01", stet.Trace{}},
		{"00-" + traceID + "-" + strings.ToUpper(spanID) + "-01", stet.Trace{}},
		{"00-" + traceID + "-" + spanID + "-0A", stet.Trace{}},
		{"00-" + strings.Repeat("0", 32) + "-" + spanID + "-01", stet.Trace{}},
		{"00-" + traceID + "-" + strings.Repeat("0", 16) + "-01", stet.Trace{}},
		{"00-" + traceID + "_" + spanID + "-01", stet.Trace{}},
		{"00-" + traceID + "-" + spanID + "-1", stet.Trace{}},
		{"00-" + traceID[1:] + "-" + spanID + "-010", stet.Trace{}},
		{"00-" + traceID[1:] + "\x00-" + spanID + "-01", stet.Trace{}},
		{"", stet.Trace{}},
	} {
		got, ok := stet.ParseTraceparent(tc.header)
		if got != tc.want || ok != (tc.want != stet.Trace{}) {
			t.Errorf("%q: %+v, %v", tc.header, got, ok)
		}
	}
}

func TestTracestate(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat("a=1,", 33), ",")
	for _, tc := range []struct {
		lines []string
		want  string
	}{
		{nil, ""},
		{[]string{"rojo=00f067aa0ba902b7"}, "rojo=00f067aa0ba902b7"},
		{[]string{"rojo=1, congo=t61 x ,,", "t-1@sys/a*=!~"}, "rojo=1,congo=t61 x,t-1@sys/a*=!~"},
		{[]string{"a="}, "a="},
		{[]string{many[4:]}, many[4:]},
		{[]string{many}, ""},
		{[]string{"A=1"}, ""},
		{[]string{"a=1", "nothing"}, ""},
		{[]string{"=1"}, ""},
		{[]string{"a=b=c"}, ""},
		{[]string{"a=\x7f"}, ""},
		{[]string{"a=\r\nSet-Cookie: b"}, ""},
		{[]string{strings.Repeat("a", 257) + "=1"}, ""},
		{[]string{"a=" + strings.Repeat("1", 257)}, ""},
		{[]string{strings.Repeat(" ", 9000) + "a=1"}, ""},
	} {
		if got := stet.ParseTracestate(tc.lines); got != tc.want {
			t.Errorf("%.100q: %q, want %q", tc.lines, got, tc.want)
		}
	}
}

// A job belongs to the trace that it begins under, with a span of its own; where there is none it begins one, named as
// the tree of jobs is. What the Job says itself is recorded as it is.
func TestTraceOfJobs(t *testing.T) {
	given := stet.Trace{ID: traceID, Span: spanID, Flags: "01"}
	for _, tc := range []struct {
		name    string
		env     string
		ctx     stet.Trace
		job     stet.Trace
		id      string // "": that of the root job
		span    string // "": its own
		flags   string
		derived string
	}{
		{name: "none", flags: "00"},
		{name: "environment", env: parent, id: traceID, flags: "01", derived: "environment: TRACEPARENT"},
		{name: "damaged environment", env: parent[1:], flags: "00"},
		{name: "context", ctx: given, env: "00-" + spanID + spanID + "-" + spanID + "-00", id: traceID, flags: "01"},
		{name: "unusable context", ctx: stet.Trace{ID: "x"}, env: parent, id: traceID, flags: "01", derived: "environment: TRACEPARENT"},
		{name: "job", job: given, env: parent, id: traceID, span: spanID, flags: "01"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			t.Setenv("TRACEPARENT", tc.env)
			ctx := t.Context()
			if tc.ctx != (stet.Trace{}) {
				ctx = stet.WithTrace(ctx, tc.ctx)
			}
			var child *stet.Run
			top := begin(t, w, ctx, stet.Job{Name: "top", Reason: "a test", Trace: tc.job})
			child = begin(t, w, stet.WithRun(ctx, top), job("child"))
			id := tc.id
			if id == "" {
				id = strings.ReplaceAll(top.JobID(), "-", "")
			}
			own := func(r *stet.Run) string { return strings.ReplaceAll(r.JobID(), "-", "")[16:] }
			for _, e := range w.events() {
				span, derived := tc.span, tc.derived
				if e.Job.Name == "child" {
					span, derived = own(child), ""
				} else if span == "" {
					span = own(top)
				}
				got := []string{e.TraceID, e.SpanID, e.TraceFlags, e.Derived["trace_id"]}
				if d := cmp.Diff([]string{id, span, tc.flags, derived}, got); d != "" {
					t.Errorf("%s of %s: %s", e.EventType, e.Job.Name, d)
				}
			}
		})
	}
}

// An application's event belongs to the innermost trace: that of a tracer within a job, else the job's.
func TestTraceOfEvents(t *testing.T) {
	w := open(t, stet.Options{})
	outer := stet.WithTrace(t.Context(), stet.Trace{ID: traceID, Span: spanID, Flags: "01"})
	run := begin(t, w, outer, job("a"))
	inner := stet.Trace{ID: traceID, Span: strings.Repeat("1", 16), Flags: "00"}
	for typ, ctx := range map[string]context.Context{
		"sensitive_create": outer,
		"sensitive_read":   stet.WithRun(outer, run),
		"sensitive_update": stet.WithTrace(stet.WithRun(outer, run), inner),
	} {
		if err := w.Record(ctx, event.Event{EventType: typ}); err != nil {
			t.Fatal(err)
		}
	}
	own := strings.ReplaceAll(run.JobID(), "-", "")[16:]
	for typ, span := range map[string]string{"sensitive_create": spanID, "sensitive_read": own, "sensitive_update": inner.Span} {
		if e := w.only(typ); e.TraceID != traceID || e.SpanID != span {
			t.Errorf("%s: trace %s, span %s, want %s", typ, e.TraceID, e.SpanID, span)
		}
	}
	if err := w.Record(stet.WithRun(outer, run), event.Event{EventType: "sensitive_delete", TraceID: strings.Repeat("2", 32)}); err != nil {
		t.Fatal(err)
	}
	if e := w.only("sensitive_delete"); e.TraceID != strings.Repeat("2", 32) || e.SpanID != "" {
		t.Errorf("its own trace has become %s, %s", e.TraceID, e.SpanID)
	}
}

// What a job's Trace cannot be costs neither the job nor an event in it its record.
func TestUnusableTraceInAJob(t *testing.T) {
	w := open(t, stet.Options{})
	run := begin(t, w, t.Context(), stet.Job{Name: "a", Trace: stet.Trace{ID: "no trace"}})
	if err := w.Record(stet.WithRun(t.Context(), run), event.Event{EventType: "sensitive_read"}); err != nil {
		t.Fatal(err)
	}
	if e := w.only("sensitive_read"); e.TraceID != "" {
		t.Errorf("trace %q", e.TraceID)
	}
	for _, kv := range run.Environ() {
		if strings.HasPrefix(kv, "TRACEPARENT") {
			t.Error(kv)
		}
	}
}

// A worker continues the trace of the submission, under the same span.
func TestTraceOfResumedJobs(t *testing.T) {
	w := open(t, stet.Options{})
	s, err := w.Submit(stet.WithTrace(t.Context(), stet.Trace{ID: traceID, Span: spanID, Flags: "01"}), job("a"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := w.Resume(t.Context(), s.Ref())
	if err != nil {
		t.Fatal(err)
	}
	a, err := again.Authorize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	asked, started := w.only("job_submitted"), w.only("job_started")
	if started.TraceID != traceID || started.SpanID != asked.SpanID || started.TraceFlags != "01" {
		t.Errorf("trace %s, span %s, flags %s; submitted in %s, %s", started.TraceID, started.SpanID, started.TraceFlags, asked.TraceID, asked.SpanID)
	}
}
