package stet_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

func many(n int) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprintf("key%03d", i)] = "v"
	}
	return m
}

// Whatever a job or its outcome carries, all four phases are recorded; what had to be left out is named in the event and
// told to OnLoss.
func TestNothingGivenCostsTheRecord(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	hostile := "a\r\nb\x00\x1b[2J\u202e\xff\\\"<"
	far := time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)
	negative := int64(-1)
	for _, tc := range []struct {
		name string
		job  func(*stet.Job)
		end  func(*stet.Run)
		ctx  func(context.Context) context.Context
		left string // what is left out; "": nothing
	}{
		{name: "overlong texts", job: func(j *stet.Job) {
			j.Name, j.Reason, j.Reference = long, long, long
			j.Target = &event.Target{System: long, Environment: long}
			j.Principal = &event.Principal{Type: "user", ID: long, AuthMethod: long}
			j.Code.Location = long
			j.CausedBy = &event.Upstream{System: long, EventRef: long, EventType: long}
		}},
		{name: "hostile texts", job: func(j *stet.Job) {
			j.Name, j.Reason, j.Reference = hostile, hostile, hostile
			j.Principal = &event.Principal{Type: "user", ID: hostile, Roles: []string{hostile}}
			j.Labels = map[string]string{hostile: hostile}
			j.Params = map[string]any{hostile: hostile}
		}},
		{name: "hostile texts and a malformed digest", job: func(j *stet.Job) { j.Name, j.Code.Digest = hostile, hostile }, left: "job.code_digest"},
		{name: "hostile context", ctx: func(ctx context.Context) context.Context {
			return stet.WithInteraction(stet.WithSourceIP(stet.WithUser(ctx, hostile), hostile), hostile)
		}},
		{name: "too many labels", job: func(j *stet.Job) { j.Labels = many(1000) }, left: "labels"},
		{name: "as many labels as allowed", job: func(j *stet.Job) { j.Labels = many(64) }},
		{name: "too large labels", job: func(j *stet.Job) { j.Labels = map[string]string{"a": strings.Repeat("\n", 5000), "b": "v"} }, left: "labels"},
		{name: "a label under no key", job: func(j *stet.Job) { j.Labels = map[string]string{"": "v"} }},
		{name: "a malformed digest", job: func(j *stet.Job) { j.Code.Digest, j.Code.EnvDigest = "sha1:00", "?" }, left: "job.code_digest"},
		{name: "a malformed trace", job: func(j *stet.Job) { j.Trace = stet.Trace{ID: "zz", Span: strings.Repeat("0", 16), Flags: "1"} }, left: "trace_id"},
		{name: "a span without a trace", job: func(j *stet.Job) { j.Trace = stet.Trace{Span: "00f067aa0ba902b7"} }, left: "trace_id"},
		{name: "a slot in another age", job: func(j *stet.Job) { j.ScheduledFor = far }, left: "job.scheduled_for"},
		{name: "too many roles", job: func(j *stet.Job) {
			j.Principal = &event.Principal{Type: "user", ID: "alice", Roles: make([]string, 100)}
		}, left: "principal.roles"},
		{name: "on behalf of nobody", job: func(j *stet.Job) {
			j.Principal = &event.Principal{Type: "user", ID: "alice", OnBehalfOf: &event.OnBehalfOf{Type: "user"}}
		}, left: "principal.on_behalf_of"},
		{name: "a principal without id", job: func(j *stet.Job) { j.Principal = &event.Principal{Type: "user"} }},
		{name: "half an upstream event", job: func(j *stet.Job) { j.CausedBy = &event.Upstream{System: "orders"} }},
		{name: "too many files", job: func(j *stet.Job) { j.Code.Files = make([]event.Reference, 100) }},
		{name: "too many derived", job: func(j *stet.Job) { j.Derived = many(100) }, left: "derived"},
		{name: "an attempt beyond numbers", job: func(j *stet.Job) { j.Attempt = math.MaxInt64 }, left: "job.attempt"},
		{name: "a negative attempt", job: func(j *stet.Job) { j.Attempt = -1 }},
		{name: "params that have no form", job: func(j *stet.Job) {
			j.Params = map[string]any{"c": make(chan int), "nan": math.NaN(), "f": func() {}, "deep": deep(50), "wide": wide(1000)}
		}},
		{name: "params without end", job: func(j *stet.Job) { j.Params = wideTree(6, 64) }, left: "job.params"},
		{name: "too many counts", end: func(r *stet.Run) {
			counts := map[string]int64{}
			for k := range many(100) {
				counts[k] = 1
			}
			r.Impact("done", counts)
		}, left: "impact.counts"},
		{name: "a count beyond numbers", end: func(r *stet.Run) { r.Impact("done", map[string]int64{"n": math.MaxInt64}) }, left: "impact.counts"},
		{name: "a malformed snapshot", end: func(r *stet.Run) {
			r.Snapshot(&event.Snapshot{Digest: "md5:0", Summary: "kept"}, &event.Snapshot{Count: &negative})
		}, left: "before.digest"},
		{name: "too many references", end: func(r *stet.Run) {
			for range 100 {
				r.Reference("ticket", "T-1")
			}
		}},
		{name: "empty references", end: func(r *stet.Run) { r.Reference("", ""); r.Reference("", "v"); r.Reference("k", "") }},
		{name: "everything at once", job: func(j *stet.Job) {
			j.Labels, j.Derived, j.Params, j.ScheduledFor, j.Code.Digest, j.Trace.ID = many(1000), many(100), wideTree(6, 64), far, "?", "?"
		}, end: func(r *stet.Run) {
			r.Snapshot(&event.Snapshot{Digest: "?"}, &event.Snapshot{Digest: "?"})
			r.Impact(long, map[string]int64{"n": math.MinInt64})
		}, left: "labels"},
		{name: "a large event", job: func(j *stet.Job) {
			j.Params, j.Labels = map[string]any{}, map[string]string{}
			for i := range 60 {
				j.Params[fmt.Sprint(i)] = strings.Repeat("\x01", 100)
				j.Labels[fmt.Sprintf("%s%d", strings.Repeat("\x02", 20), i)] = "\x03"
			}
		}, left: "labels"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			j := stet.Job{Name: "a", Reason: "r"}
			if tc.job != nil {
				tc.job(&j)
			}
			ctx := context.Background()
			if tc.ctx != nil {
				ctx = tc.ctx(ctx)
			}
			err := w.Do(ctx, j, func(_ context.Context, run *stet.Run) error {
				if tc.end != nil {
					tc.end(run)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			w.wantTypes(phases("job_succeeded")...)
			for _, l := range w.lost() {
				if strings.IndexFunc(l, event.Hidden) >= 0 || !utf8.ValidString(l) {
					t.Errorf("OnLoss is told %q, which is no line for a terminal", l)
				}
			}
			said := ""
			for _, e := range w.events() {
				said += e.Labels["not_recorded"]
			}
			if tc.left == "" && (said != "" || len(w.lost()) > 0) {
				t.Errorf("left out is %q, told %q", said, w.lost())
			}
			if tc.left != "" && (!strings.Contains(said, tc.left) || !has(w.lost(), tc.left)) {
				t.Errorf("left out is %q, told %.300q; want %s", said, w.lost(), tc.left)
			}
		})
	}
}

func deep(n int) any {
	if n == 0 {
		return "bottom"
	}
	return map[string]any{"d": deep(n - 1)}
}

func wide(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = i
	}
	return list
}

func wideTree(depth, keys int) map[string]any {
	m := map[string]any{}
	for i := range keys {
		if depth > 1 && i < 2 {
			m[fmt.Sprint("tree", i)] = wideTree(depth-1, keys)
		} else {
			m[fmt.Sprint("leaf", i)] = i
		}
	}
	return m
}

// A mistake in the program is told before the job runs, with the field's path, under both policies.
func TestMistakesAreTold(t *testing.T) {
	for _, policy := range []stet.Policy{stet.RequireRecord, stet.BestEffort} {
		for _, tc := range []struct {
			path string
			job  stet.Job
		}{
			{"why.trigger", stet.Job{Name: "a", Trigger: "cron"}},
			{"principal.type", stet.Job{Name: "a", Principal: &event.Principal{Type: "robot"}}},
		} {
			w := open(t, stet.Options{Policy: policy})
			err := w.Do(context.Background(), tc.job, func(context.Context, *stet.Run) error { t.Error("it ran"); return nil })
			var refused *event.Error
			if !errors.Is(err, stet.ErrNotRecorded) || !errors.As(err, &refused) || refused.Path != tc.path {
				t.Errorf("policy %d: %v, want a refusal of %s", policy, err, tc.path)
			}
			if len(w.events()) != 0 {
				t.Errorf("recorded is %v", w.types())
			}
		}
	}
}

type status string
type code int
type secret struct{ text string }

func (secret) String() string { return "***" }

type angry struct{}

func (*angry) String() string { panic("no") }

// Parameters keep what they mean; what has no form is named by its type.
func TestRecordable(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	seven := 7
	var none *int
	loop := &[]any{nil}
	(*loop)[0] = loop
	for _, tc := range []struct{ in, want any }{
		{nil, nil}, {true, true}, {7, 7}, {uint8(7), uint8(7)}, {1.5, 1.5}, {float32(1.5), float32(1.5)}, {"x", "x"}, {at, at},
		{status("open"), "open"}, {code(3), int64(3)}, {&seven, 7}, {none, nil}, {secret{"s3"}, "***"}, {errors.New("boom"), "boom"},
		{time.Minute, "1m0s"}, {(*angry)(nil), "<nil>"},
		{[]int{1, 2}, []any{1, 2}}, {[2]status{"a", "b"}, []any{"a", "b"}}, {map[status]int{"a": 1}, map[string]any{"a": 1}},
		{[]byte("secret"), "[not recorded: 6 bytes]"}, {make(chan int), "[not recorded: a chan int]"}, {struct{ A int }{1}, "[not recorded: a struct { A int }]"},
		{map[int]int{1: 1}, "[not recorded: a map[int]int]"}, {math.Inf(1), "[not recorded: +Inf]"}, {float32(math.Inf(-1)), "[not recorded: -Inf]"},
		{complex(1, 2), "[not recorded: a complex128]"}, {time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC), "[not recorded: a time in the year 20000]"},
	} {
		got := stet.Recordable(map[string]any{"k": tc.in})["k"]
		if fmt.Sprintf("%T %v", got, got) != fmt.Sprintf("%T %v", tc.want, tc.want) {
			t.Errorf("%T %v becomes %T %v, want %T %v", tc.in, tc.in, got, got, tc.want, tc.want)
		}
	}
	if got := fmt.Sprint(stet.Recordable(map[string]any{"k": loop})); !strings.Contains(got, "nested more than 6 deep") {
		t.Errorf("a loop becomes %s", got)
	}
	if got := fmt.Sprint(stet.Recordable(map[string]any{"k": &angry{}})); !strings.Contains(got, "PANIC") {
		t.Errorf("a Stringer that panics becomes %s", got)
	}
}

// Property: every tree of values is recorded.
func TestAnyParams(t *testing.T) {
	w := open(t, stet.Options{})
	var value func(depth int) *rapid.Generator[any]
	value = func(depth int) *rapid.Generator[any] {
		leaf := rapid.OneOf(rapid.String().AsAny(), rapid.Int64().AsAny(), rapid.Uint64().AsAny(), rapid.Float64().AsAny(), rapid.Bool().AsAny(),
			rapid.SliceOf(rapid.Byte()).AsAny(), rapid.SliceOf(rapid.String()).AsAny(), rapid.Just[any](nil), rapid.Just[any](make(chan int)),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }).AsAny())
		if depth == 0 {
			return leaf
		}
		return rapid.OneOf(leaf, rapid.SliceOfN(rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) }), 0, 5).AsAny(),
			rapid.MapOfN(rapid.String(), rapid.Deferred(func() *rapid.Generator[any] { return value(depth - 1) }), 0, 5).AsAny())
	}
	rapid.Check(t, func(rt *rapid.T) {
		params := rapid.MapOfN(rapid.String(), value(8), 0, 5).Draw(rt, "params")
		if err := w.Do(context.Background(), stet.Job{Name: "a", Params: params}, nothing); err != nil {
			rt.Fatal(err)
		}
	})
	if _, err := readSpools(w.disk.FS); err != nil {
		t.Fatal(err)
	}
}
