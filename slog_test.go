package stet_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// Attributes are fields where an event has such a field, and labels where it has not.
func TestSlog(t *testing.T) {
	w := open(t, stet.Options{})
	log := slog.New(stet.NewSlogHandler(w.Recorder, stet.SlogOptions{}))
	ctx := stet.WithInteraction(stet.WithSourceIP(stet.WithUser(t.Context(), "alice"), "192.0.2.7"), "request-17")
	log.With("tenant", "acme").WarnContext(ctx, "not her customer", "event_type", "authz_fail", "action", "read",
		slog.Group("object", "type", "invoice", "id", 17), "status", "denied", "status_code", 403, "attempt", 3,
		slog.Group("references", "ticket", "OPS-7"), slog.Group("principal", "type", "user", "id", "alice", "roles", []string{"clerk", "auditor"}, "team", "billing"),
		slog.Group("labels", "queue", "mail"), "took", time.Second, "cause", errors.New("no such contract"),
		"filter", map[string]any{"year": 2026, "tags": []string{"a", "b"}}, "ratio", 0.5, "cached", true,
		"nothing", nil, "secret_key", "hunter2hunter2", "shape", struct{ A int }{1},
		"source_ip", 7, "app_id", "another", "stream_seq", 9)
	e := w.only("authz_fail")
	got := event.Event{UserID: e.UserID, SourceIP: e.SourceIP, InteractionID: e.InteractionID, Description: e.Description, Action: e.Action, Object: e.Object,
		Status: e.Status, StatusCode: e.StatusCode, References: e.References, Principal: e.Principal, Labels: e.Labels, Severity: e.Severity, AppID: e.AppID, StreamSeq: e.StreamSeq}
	want := event.Event{UserID: "alice", SourceIP: "192.0.2.7", InteractionID: "request-17", Description: "not her customer", Action: "read",
		Object: &event.Object{Type: "invoice", ID: "17"}, Status: "denied", StatusCode: "403", References: []event.Reference{{Kind: "ticket", Value: "OPS-7"}},
		Principal: &event.Principal{Type: "user", ID: "alice", Roles: []string{"clerk", "auditor"}}, Severity: new(event.SeverityCritical), AppID: "billing", StreamSeq: 1,
		Labels: map[string]string{"tenant": "acme", "attempt": "3", "principal.team": "billing", "queue": "mail", "took": "1s", "cause": "no such contract",
			"filter.year": "2026", "filter.tags.0": "a", "filter.tags.1": "b", "ratio": "0.5", "cached": "true", "nothing": "null", "secret_key": e.Labels["secret_key"],
			"shape": "[not recorded: a struct { A int }]", "source_ip": "7", "app_id": "another", "stream_seq": "9"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if strings.Contains(fmt.Sprint(e.Labels), "hunter2") {
		t.Error("a secret is in the labels")
	}
	if !strings.Contains(e.CodeLocation, "slog_test.go:") || e.Derived["code_location"] != "caller" {
		t.Errorf("code location %q (%q)", e.CodeLocation, e.Derived["code_location"])
	}
	if !e.EventTime.IsZero() {
		t.Errorf("event time %v", e.EventTime)
	}
}

// Only what names a type of the catalogue is an audit event; all else goes to the log, and nothing to both.
func TestSlogLeaksNothing(t *testing.T) {
	w := open(t, stet.Options{})
	var text bytes.Buffer
	next := slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelInfo})
	h := stet.NewSlogHandler(w.Recorder, stet.SlogOptions{Next: next, TypeKey: "audit", Types: map[string]string{"user logged in": "authn_login_success"}})
	log := slog.New(h)
	for _, tc := range []struct {
		name          string
		write         func()
		event, logged string // what is in each; "": nothing
		loss          string
	}{
		{"a debug log", func() { log.Debug("SELECT 1", "rows", 1) }, "", "", ""},
		{"a log", func() { log.Info("started", "event_type", "sys_startup") }, "", "msg=started event_type=sys_startup", ""},
		{"by attribute", func() { log.Info("started", "audit", "sys_startup") }, "sys_startup", "", ""},
		{"by attribute, at debug", func() { log.Debug("started", "audit", "sys_startup") }, "sys_startup", "", ""},
		{"by message", func() { log.Info("user logged in", "user_id", "alice") }, "authn_login_success", "", ""},
		{"the attribute before the message", func() { log.Info("user logged in", "audit", "authn_login_fail") }, "authn_login_fail", "", ""},
		{"by With", func() { log.With("audit", "sys_crash").Info("x") }, "sys_crash", "", ""},
		{"the record before With", func() { log.With("audit", "sys_crash").Info("x", "audit", "sys_restart") }, "sys_restart", "", ""},
		{"With before a group", func() { log.With("audit", "sys_crash").WithGroup("g").Info("x", "a", 1) }, "sys_crash", "", ""},
		{"in a group without a name", func() { log.Info("x", slog.Group("", slog.String("audit", "sys_crash"))) }, "sys_crash", "", ""},
		{"in a group", func() { log.WithGroup("g").Info("x", "audit", "sys_crash") }, "", "msg=x g.audit=sys_crash", ""},
		{"no text", func() { log.Info("x", "audit", 7) }, "", "msg=x audit=7", ""},
		{"an unknown type", func() { log.Info("x", "audit", "sys_chrash") }, "", "msg=x audit=sys_chrash", "event: event_type: unknown_type"},
		{"the store's own type", func() { log.Info("x", "audit", "job_lost") }, "", "", "only a store's or server's own key"},
		{"what the schema refuses", func() { log.Info("x", "audit", "sys_crash", "status", "maybe") }, "", "", "event: status: not_in_list"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			events, losses := len(w.events()), len(w.lost())
			text.Reset()
			tc.write()
			var got string
			if new := w.types()[events:]; len(new) > 0 {
				got = strings.Join(new, " ")
			}
			if got != tc.event {
				t.Errorf("recorded is %q, want %q", got, tc.event)
			}
			if l := text.String(); !strings.Contains(l, tc.logged) || (l == "") != (tc.logged == "") {
				t.Errorf("logged is %q, want %q", l, tc.logged)
			}
			if l := w.lost()[losses:]; len(l) > 1 || (len(l) == 1) != (tc.loss != "") || !has(append(l, tc.loss), tc.loss) {
				t.Errorf("OnLoss was told %q, want %q", l, tc.loss)
			}
		})
	}
}

// The refusal is the one of Record.
func TestSlogRefusesAsRecord(t *testing.T) {
	w := open(t, stet.Options{})
	h := stet.NewSlogHandler(w.Recorder, stet.SlogOptions{})
	r := slog.NewRecord(time.Now(), slog.LevelInfo, "x", 0)
	r.AddAttrs(slog.String("event_type", "authz_fail"), slog.String("status", "maybe"))
	var by, direct *event.Error
	if err := h.Handle(t.Context(), r); !errors.As(err, &by) || !errors.Is(err, stet.ErrNotRecorded) {
		t.Fatal(err)
	}
	if err := w.Record(t.Context(), event.Event{EventType: "authz_fail", Status: "maybe"}); !errors.As(err, &direct) || direct.Error() != by.Error() {
		t.Errorf("%v, by slog %v", err, by)
	}
	if err := stet.NewSlogHandler(nil, stet.SlogOptions{}).Handle(t.Context(), r); !errors.Is(err, stet.ErrInvalid) {
		t.Error(err)
	}
}

// A level makes an event more severe than its type, never less; a severity of its own is the schema's to judge.
func TestSlogSeverity(t *testing.T) {
	for _, tc := range []struct {
		typ   string
		level slog.Level
		attr  any
		want  event.Severity
		fails bool
	}{
		{"session_created", slog.LevelDebug, nil, event.SeverityInfo, false},
		{"session_created", slog.LevelInfo, nil, event.SeverityInfo, false},
		{"session_created", slog.LevelInfo + 2, nil, event.SeverityNotice, false},
		{"session_created", slog.LevelWarn, nil, event.SeverityWarning, false},
		{"session_created", slog.LevelError, nil, event.SeverityError, false},
		{"session_created", slog.LevelError + 4, nil, event.SeverityCritical, false},
		{"authz_fail", slog.LevelInfo, nil, event.SeverityCritical, false},
		{"session_created", slog.LevelError, 1, event.SeverityAlert, false},
		{"session_created", slog.LevelError, 7, 0, true},
	} {
		w := open(t, stet.Options{})
		args := []any{"event_type", tc.typ}
		if tc.attr != nil {
			args = append(args, "severity", tc.attr)
		}
		slog.New(stet.NewSlogHandler(w.Recorder, stet.SlogOptions{})).Log(t.Context(), tc.level, "x", args...)
		events := w.of(tc.typ)
		if tc.fails != (len(events) == 0) || !tc.fails && *events[0].Severity != tc.want {
			t.Errorf("%s at %v with %v: %d events", tc.typ, tc.level, tc.attr, len(events))
		}
	}
}

// What happened earlier than it is logged says when (policy: Event Time).
func TestSlogTime(t *testing.T) {
	for _, tc := range []struct {
		name string
		time time.Time
		attr any
		want time.Time
	}{
		{"now", time.Now(), nil, time.Time{}},
		{"none", time.Time{}, nil, time.Time{}},
		{"long ago", time.Unix(1e9, 7), nil, time.Unix(1e9, 7)},
		{"long hence", time.Unix(1e11, 0), nil, time.Unix(1e11, 0)},
		{"beyond what an event can say", time.Unix(1e15, 0), nil, time.Time{}},
		{"said otherwise", time.Unix(1e9, 7), time.Unix(2e9, 0), time.Unix(2e9, 0)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			r := slog.NewRecord(tc.time, slog.LevelInfo, "x", 0)
			r.AddAttrs(slog.String("event_type", "sys_startup"))
			if tc.attr != nil {
				r.AddAttrs(slog.Any("event_time", tc.attr))
			}
			must(t, stet.NewSlogHandler(w.Recorder, stet.SlogOptions{}).Handle(t.Context(), r))
			e := w.only("sys_startup")
			if !e.EventTime.Equal(tc.want) || e.EventTime.IsZero() != tc.want.IsZero() {
				t.Errorf("%v, want %v", e.EventTime, tc.want)
			}
			if e.CodeLocation != "" || e.Absent["code_location"] != event.AbsentUnavailable {
				t.Errorf("code location %q of a record without one, absent %q", e.CodeLocation, e.Absent["code_location"])
			}
		})
	}
}

// valuer resolves to whatever it likes.
type valuer func() slog.Value

func (v valuer) LogValue() slog.Value { return v() }

// No attribute, however made, costs a log record its event.
func TestSlogHostileAttributes(t *testing.T) {
	var deep, wide valuer
	deep = func() slog.Value { return slog.GroupValue(slog.Any("a", deep)) }
	wide = func() slog.Value {
		return slog.GroupValue(slog.Any("a", wide), slog.Any("b", wide), slog.Any("c", wide), slog.Any("d", wide), slog.Any("e", wide), slog.Any("f", wide))
	}
	var many []slog.Attr
	for i := range 5000 {
		many = append(many, slog.Int(fmt.Sprint("k", i), i))
	}
	var typed *time.Location
	for _, tc := range []struct {
		name  string
		attrs []slog.Attr
		label string // that must be there
	}{
		{"endless groups", []slog.Attr{slog.Any("g", deep)}, "g.a.a.a.a.a.a.a.a"},
		{"a tree of groups", []slog.Attr{slog.Any("g", wide)}, "attributes_left_out"},
		{"many", many, "labels_left_out"},
		{"long", []slog.Attr{slog.String("l", strings.Repeat("x", 1<<20))}, "l"},
		{"all long", []slog.Attr{slog.String("l", strings.Repeat("x", 5000)), slog.String("m", strings.Repeat("y", 5000))}, "m"},
		{"a long key", []slog.Attr{slog.String(strings.Repeat("k", 1000), "x"), slog.Int("n", 1)}, "n"},
		{"no key", []slog.Attr{slog.String("", "x"), slog.Int("n", 1)}, "n"},
		{"keys of dots", []slog.Attr{slog.String("..", "x"), slog.String("object.", "y"), slog.String("labels.", "z"), slog.Int("n", 1)}, "n"},
		{"a panic", []slog.Attr{slog.Any("p", valuer(func() slog.Value { panic("x") }))}, "p"},
		{"a circle", []slog.Attr{slog.Any("p", valuer(func() slog.Value {
			var v valuer
			v = func() slog.Value { return slog.AnyValue(v) }
			return slog.AnyValue(v)
		}))}, "p"},
		{"hidden characters", []slog.Attr{slog.String("a\x1b[31m", "b\r\nc\xff")}, `a\u001b[31m`},
		{"no text", []slog.Attr{slog.Any("c", make(chan int)), slog.Any("f", func() {}), slog.Any("t", typed)}, "c"},
		{"many references", []slog.Attr{slog.Any("references", make([]event.Reference, 100)), slog.Any("references", strings.Split(strings.Repeat("x", 100), "")), slog.Int("n", 1)}, "n"},
		{"a large number", []slog.Attr{slog.Uint64("n", 1<<64-1), slog.Int64("m", -1<<63)}, "n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			h := stet.NewSlogHandler(w.Recorder, stet.SlogOptions{Types: map[string]string{"x": "sys_startup"}})
			r := slog.NewRecord(time.Now(), slog.LevelInfo, "x", 0)
			r.AddAttrs(tc.attrs...)
			if err := h.Handle(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			if e := w.only("sys_startup"); e.Labels[tc.label] == "" {
				t.Errorf("the labels are %.1000q", e.Labels)
			}
		})
	}
}

// What the disk does not take is told to OnLoss, once, and declared later; the log call returns.
func TestSlogLoss(t *testing.T) {
	for _, policy := range []stet.Policy{stet.RequireRecord, stet.BestEffort} {
		w := open(t, stet.Options{Policy: policy})
		log := slog.New(stet.NewSlogHandler(w.Recorder, stet.SlogOptions{}))
		w.disk.set(func(f *flaky) { f.broken = errors.New("no disk") })
		log.Info("x", "event_type", "sys_startup")
		w.disk.set(func(f *flaky) { f.broken = nil })
		log.Info("x", "event_type", "sys_shutdown")
		if l := w.lost(); len(l) != 1 || !has(l, "no disk") {
			t.Errorf("policy %d: OnLoss was told %q", policy, l)
		}
		if n := len(w.of("sys_monitor_disabled")); n != 1 {
			t.Errorf("policy %d: recorded is %v", policy, w.types())
		}
	}
}

// Handlers made of one do not share attributes.
func TestSlogHandlersAreApart(t *testing.T) {
	w := open(t, stet.Options{})
	base := slog.New(stet.NewSlogHandler(w.Recorder, stet.SlogOptions{})).With("event_type", "sys_startup", "a", 1, "b", 2)
	x, y := base.With("x", 1), base.With("y", 1)
	y.Info("y")
	x.Info("x")
	for _, e := range w.of("sys_startup") {
		if d := cmp.Diff(map[string]string{"a": "1", "b": "2", e.Description: "1"}, e.Labels); d != "" {
			t.Error(d)
		}
	}
}

// The handler keeps slog's own rules, as far as an event can show: it is rendered back to what slogtest wants to see.
func TestSlogConformance(t *testing.T) {
	var w *world
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		w = open(t, stet.Options{})
		return stet.NewSlogHandler(w.Recorder, stet.SlogOptions{Types: map[string]string{"message": "sys_startup", "msg": "sys_startup", "": "sys_startup"}})
	}, func(t *testing.T) map[string]any {
		e := w.only("sys_startup")
		m := map[string]any{slog.LevelKey: e.Severity.String(), slog.MessageKey: e.Description}
		if !strings.HasSuffix(t.Name(), "/zero-time") { // an event always says when it was logged
			m[slog.TimeKey] = e.Timestamp
		} else if !e.EventTime.IsZero() {
			m[slog.TimeKey] = e.EventTime
		}
		for path, v := range e.Labels {
			in := m
			keys := strings.Split(path, ".")
			for _, k := range keys[:len(keys)-1] {
				if _, ok := in[k]; !ok {
					in[k] = map[string]any{}
				}
				in = in[k].(map[string]any)
			}
			in[keys[len(keys)-1]] = v
		}
		return m
	})
}
