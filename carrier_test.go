package stet_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

const (
	claimedParent = "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b"
	claimedRoot   = "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5c"
)

// What one process injects the next one extracts: the same interaction, parent, root, trace and baggage, by headers as by
// the metadata of a message, and also where only W3C's own headers get through.
func TestInjectExtract(t *testing.T) {
	w := open(t, stet.Options{})
	rapid.Check(t, func(rt *rapid.T) {
		interaction := rapid.StringN(1, 40, 128).Filter(func(s string) bool {
			return utf8.ValidString(s) && event.Sanitize(s) == s // others are replaced before they travel
		}).Draw(rt, "interaction")
		ctx := stet.WithInteraction(context.Background(), interaction)
		if rapid.Bool().Draw(rt, "traced") {
			ctx = stet.WithTrace(ctx, stet.Trace{ID: traceID, Span: spanID, Flags: "01", State: "a=1"})
		}
		ctx = stet.Extract(ctx, stet.MapCarrier{"baggage": "tenant=7;x"}, "message")
		ctx = stet.WithInteraction(ctx, interaction)
		run, err := w.Begin(ctx, job("sender"))
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = run.Succeed(ctx) }()
		want := map[string]string{}
		stet.Inject(stet.WithRun(ctx, run), stet.MapCarrier(want))
		if want[stet.HeaderParentJobID] != run.JobID() || want[stet.HeaderRootJobID] != run.RootID() || !strings.Contains(want["baggage"], "tenant=7;x") {
			rt.Fatalf("injected is %v", want)
		}
		h := http.Header{}
		stet.Inject(stet.WithRun(ctx, run), h)
		only := stet.MapCarrier{"Traceparent": want["traceparent"], "TraceState": want["tracestate"], "BAGGAGE": want["baggage"]}
		for name, c := range map[string]stet.Carrier{"map": stet.MapCarrier(want), "headers": h, "W3C": only} {
			got := map[string]string{}
			stet.Inject(stet.Extract(context.Background(), c, "message"), stet.MapCarrier(got))
			if d := cmp.Diff(want, got); d != "" {
				rt.Errorf("by %s: %s", name, d)
			}
		}
	})
}

// A job that a consumer begins under a message is a child of the job that sent it, by the sender's word.
func TestJobUnderAMessage(t *testing.T) {
	w := open(t, stet.Options{})
	setenv(t, []string{stet.EnvInteractionID + "=of-the-process", stet.EnvParentJobID + "=" + claimedRoot, "TRACEPARENT=" + "01" + parent[2:]})
	sender := begin(t, w, stet.Extract(t.Context(), stet.MapCarrier{}, "message"), job("sender"))
	metadata := stet.MapCarrier{}
	stet.Inject(stet.WithRun(t.Context(), sender), metadata)
	// The consumer runs as a job itself, which is not what the message is about.
	consumer := begin(t, w, t.Context(), job("consumer"))
	begin(t, w, stet.Extract(stet.WithRun(t.Context(), consumer), metadata, "amqp header"), job("work"))
	for _, e := range w.events() {
		if e.Job.Name != "work" {
			continue
		}
		if e.InteractionID != sender.InteractionID() || e.Job.ParentID != sender.JobID() || e.Job.RootID != sender.JobID() || e.Why.Trigger != "parent" ||
			e.TraceID != strings.ReplaceAll(sender.JobID(), "-", "") {
			t.Errorf("%s: interaction %q, job %+v, trigger %q, trace %s", e.EventType, e.InteractionID, e.Job, e.Why.Trigger, e.TraceID)
		}
		for path, name := range map[string]string{"interaction_id": stet.HeaderInteractionID, "job.parent_id": stet.HeaderParentJobID,
			"job.root_id": stet.HeaderRootJobID, "why.trigger": stet.HeaderParentJobID, "trace_id": "traceparent"} {
			if want := "amqp header: " + name + " (claimed by the peer)"; e.Derived[path] != want {
				t.Errorf("%s: derived says of %s: %q, want %q", e.EventType, path, e.Derived[path], want)
			}
		}
	}
}

// Claims that are damaged, doubled or dangerous are not used, and the record says what it can of that.
func TestHostileClaims(t *testing.T) {
	const secret = "ghp_0123456789abcdefghijABCDEFGHIJ012345"
	for _, tc := range []struct {
		name   string
		header http.Header
		check  func(t *testing.T, e *event.Event)
	}{
		{"nothing", nil, func(t *testing.T, e *event.Event) {
			if e.Job.ParentID != "" || e.InteractionID != e.Job.ID || e.Derived["interaction_id"] != "" {
				t.Errorf("interaction %q, job %+v", e.InteractionID, e.Job)
			}
		}},
		{"no id", http.Header{stet.HeaderParentJobID: {"1; DROP TABLE jobs"}}, damagedParent},
		{"zero id", http.Header{stet.HeaderParentJobID: {"00000000-0000-0000-0000-000000000000"}}, damagedParent},
		{"two parents", http.Header{stet.HeaderParentJobID: {claimedParent, claimedRoot}}, damagedParent},
		{"two parents in the baggage", http.Header{"Baggage": {"stet.parent_job_id=" + claimedParent + ",stet.parent_job_id=" + claimedRoot}}, damagedParent},
		{"a root without a parent", http.Header{stet.HeaderRootJobID: {claimedRoot}}, func(t *testing.T, e *event.Event) {
			if e.Job.RootID != "" || e.Job.ParentID != "" {
				t.Errorf("job %+v", e.Job)
			}
		}},
		{"two roots", http.Header{stet.HeaderParentJobID: {claimedParent}, stet.HeaderRootJobID: {claimedRoot, claimedParent}}, func(t *testing.T, e *event.Event) {
			if e.Job.RootID != claimedParent || e.Job.ParentID != claimedParent || !strings.HasPrefix(e.Derived["job.root_id"], "the parent") {
				t.Errorf("job %+v, derived %q", e.Job, e.Derived["job.root_id"])
			}
		}},
		{"two interactions", http.Header{stet.HeaderInteractionID: {"a", "b"}}, func(t *testing.T, e *event.Event) {
			if e.InteractionID != e.Job.ID || !strings.HasPrefix(e.Derived["interaction_id"], "new: there was more than one") {
				t.Errorf("interaction %q, derived %q", e.InteractionID, e.Derived["interaction_id"])
			}
		}},
		{"a secret as interaction", http.Header{stet.HeaderInteractionID: {secret}}, func(t *testing.T, e *event.Event) {
			if e.InteractionID != e.Job.ID || e.Derived["interaction_id"] != "new: the id given looks like a secret" {
				t.Errorf("interaction %q, derived %q", e.InteractionID, e.Derived["interaction_id"])
			}
		}},
		{"line breaks in an interaction", http.Header{stet.HeaderInteractionID: {"a%0d%0ab"}}, func(t *testing.T, e *event.Event) {
			if !isUUID(e.InteractionID) || !strings.HasPrefix(e.Derived["interaction_id"], "digest: ") {
				t.Errorf("interaction %q, derived %q", e.InteractionID, e.Derived["interaction_id"])
			}
		}},
		{"a huge interaction", http.Header{stet.HeaderInteractionID: {strings.Repeat("x", 1<<20)}}, func(t *testing.T, e *event.Event) {
			if !isUUID(e.InteractionID) {
				t.Errorf("interaction %.40q", e.InteractionID)
			}
		}},
		{"a broken escape", http.Header{stet.HeaderInteractionID: {"50%off"}}, func(t *testing.T, e *event.Event) {
			if e.InteractionID != "50%off" {
				t.Errorf("interaction %q", e.InteractionID)
			}
		}},
		{"two traceparents", http.Header{"Traceparent": {parent, parent}}, newTrace},
		{"a traceparent of version ff", http.Header{"Traceparent": {"ff" + parent[2:]}}, newTrace},
		{"own headers before baggage", http.Header{stet.HeaderParentJobID: {claimedParent}, "Baggage": {"stet.parent_job_id=" + claimedRoot}}, func(t *testing.T, e *event.Event) {
			if e.Job.ParentID != claimedParent {
				t.Errorf("job %+v", e.Job)
			}
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			begin(t, w, stet.Extract(t.Context(), tc.header, "http header"), job("a"))
			tc.check(t, w.only("job_started"))
		})
	}
}

func damagedParent(t *testing.T, e *event.Event) {
	if e.Job.ParentID != "" || e.Absent["job.parent_id"] != event.AbsentUnavailable || e.Why.Trigger == "parent" {
		t.Errorf("job %+v, absent %v", e.Job, e.Absent)
	}
}

func newTrace(t *testing.T, e *event.Event) {
	if e.TraceID != strings.ReplaceAll(e.Job.ID, "-", "") || e.Derived["trace_id"] != "" {
		t.Errorf("trace %q (%q)", e.TraceID, e.Derived["trace_id"])
	}
}

func isUUID(s string) bool {
	_, err := event.ParseUUID(s)
	return err == nil
}

// A message's metadata may be in any case, and is not doubled.
func TestMapCarrier(t *testing.T) {
	m := stet.MapCarrier{"Traceparent": "00-" + traceID + "-" + spanID + "-00", "BAGGAGE": "a=1,stet.parent_job_id=" + claimedParent}
	ctx := stet.WithInteraction(stet.WithTrace(t.Context(), stet.Trace{ID: strings.Repeat("1", 32), Span: spanID, Flags: "00"}), "r 17")
	stet.Inject(ctx, m)
	want := stet.MapCarrier{"Traceparent": "00-" + traceID + "-" + spanID + "-00", "baggage": "a=1,stet.interaction_id=r%2017", stet.HeaderInteractionID: "r%2017"}
	if d := cmp.Diff(want, m); d != "" {
		t.Error(d)
	}
}

// The environment of a child has the whole place: a tracestate of another trace, which this process may have, does not
// go with ours.
func TestEnvironOfATrace(t *testing.T) {
	w := open(t, stet.Options{})
	setenv(t, []string{"TRACEPARENT=" + parent, "TRACESTATE=rojo=1"})
	inherits, other := begin(t, w, t.Context(), job("a")), begin(t, w, stet.Extract(t.Context(), stet.MapCarrier{}, "message"), job("b"))
	span := func(r *stet.Run) string { return strings.ReplaceAll(r.JobID(), "-", "")[16:] }
	if d := cmp.Diff([]string{"TRACEPARENT=00-" + traceID + "-" + span(inherits) + "-01", "TRACESTATE=rojo=1"}, inherits.Environ()[3:5]); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff([]string{"TRACEPARENT=00-" + strings.ReplaceAll(other.JobID(), "-", "") + "-" + span(other) + "-00", "TRACESTATE="}, other.Environ()[3:5]); d != "" {
		t.Error(d)
	}
}
