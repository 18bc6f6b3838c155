package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	diff "github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/proof"
)

// A doorCase is one event as a Go program has it and as JSON has it.
type doorCase struct {
	name    string
	event   event.Event
	draft   string // without interaction_id
	want    string // code of the refusal, or "invalid use"; "" where it is taken
	notSlog string // why slog cannot say it
}

func many(n int, f func(i int) string) string {
	all := make([]string, n)
	for i := range all {
		all[i] = f(i)
	}
	return strings.Join(all, ",")
}

func labels(n int, value string) map[string]string {
	m := map[string]string{}
	for i := range n {
		m[fmt.Sprintf("k%03d", i)] = value
	}
	return m
}

func labelsJSON(n int, value string) string {
	return "{" + many(n, func(i int) string { return fmt.Sprintf(`"k%03d":%q`, i, value) }) + "}"
}

const (
	inLabels = "a log record's attribute that fits no field is a label"
	cutsIt   = "slog keeps of labels and references what there is room for"
)

func doorCases() []doorCase {
	long := strings.Repeat("long ", 1000)
	severity := func(n event.Severity) *event.Severity { return &n }
	happened := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	typ := func(e event.Event) event.Event { e.EventType = "sys_startup"; return e }
	with := func(more string) string { return `{"event_type":"sys_startup",` + more + `}` }
	refs := make([]event.Reference, 17)
	for i := range refs {
		refs[i] = event.Reference{Kind: "txid", Value: "1"}
	}
	deep := func(n int) (v any) {
		v = "x"
		for range n {
			v = map[string]any{"a": v}
		}
		return v
	}
	deepJSON := func(n int) string { return strings.Repeat(`{"a":`, n) + `"x"` + strings.Repeat("}", n) }
	return []doorCase{
		{"plain", typ(event.Event{}), `{"event_type":"sys_startup"}`, "", ""},
		{"no type", event.Event{}, `{}`, "missing", "a log record without a type is none of the audit's"},
		{"a type of one's own", event.Event{EventType: "invoice_sent"}, `{"event_type":"invoice_sent"}`, "", "slog takes types of the catalogue only"},
		{"no type's name", event.Event{EventType: "Invoice Sent"}, `{"event_type":"Invoice Sent"}`, "format", "slog takes types of the catalogue only"},
		{"a long type", event.Event{EventType: strings.Repeat("a", 65)}, `{"event_type":"` + strings.Repeat("a", 65) + `"}`, "too_long", "slog takes types of the catalogue only"},
		{"reserved, of the store", event.Event{EventType: "emitter_enrolled"}, `{"event_type":"emitter_enrolled"}`, "invalid use", ""},
		{"reserved, of the watch", event.Event{EventType: "job_lost"}, `{"event_type":"job_lost"}`, "invalid use", ""},
		{"another application's", typ(event.Event{AppID: "a b"}), with(`"app_id":"a b"`), "invalid use", inLabels},
		{"another environment's", typ(event.Event{Environment: "a b"}), with(`"environment":"a b"`), "invalid use", inLabels},
		{"severity raised", typ(event.Event{Severity: severity(1)}), with(`"severity":1`), "", ""},
		{"severity lowered", typ(event.Event{Severity: severity(7)}), with(`"severity":7`), "severity_lowered", ""},
		{"severity 8", typ(event.Event{Severity: severity(8)}), with(`"severity":8`), "out_of_range", inLabels},
		{"severity -1", typ(event.Event{Severity: severity(-1)}), with(`"severity":-1`), "out_of_range", inLabels},
		{"security event", event.Event{EventType: "authz_fail", UserID: "alice", Action: "read", Object: &event.Object{Type: "file", ID: "/etc/shadow"}},
			`{"event_type":"authz_fail","user_id":"alice","action":"read","object":{"type":"file","id":"/etc/shadow"}}`, "", ""},
		{"a security event without what it must say", event.Event{EventType: "authz_fail"}, `{"event_type":"authz_fail"}`, "", ""},
		{"an object without a type", typ(event.Event{Object: &event.Object{ID: "x"}}), with(`"object":{"id":"x"}`), "missing", ""},
		{"no such status", typ(event.Event{Status: "great"}), with(`"status":"great"`), "not_in_list", ""},
		{"no such principal", typ(event.Event{Principal: &event.Principal{Type: "ghost", ID: "x"}}), with(`"principal":{"type":"ghost","id":"x"}`), "not_in_list", ""},
		{"no address", typ(event.Event{SourceIP: "localhost"}), with(`"source_ip":"localhost"`), "format", ""},
		{"an address in other words", typ(event.Event{SourceIP: "2001:DB8:0:0::1"}), with(`"source_ip":"2001:DB8:0:0::1"`), "", ""},
		{"no host's address", typ(event.Event{Host: &event.Host{Name: "h", IP: "1.2.3"}}), with(`"host":{"name":"h","ip":"1.2.3"}`), "format", ""},
		{"no trace", typ(event.Event{TraceID: "xyz"}), with(`"trace_id":"xyz"`), "format", ""},
		{"a trace of zeros", typ(event.Event{TraceID: strings.Repeat("0", 32)}), with(`"trace_id":"` + strings.Repeat("0", 32) + `"`), "format", ""},
		{"a span without a trace", typ(event.Event{SpanID: "00000000000000aa"}), with(`"span_id":"00000000000000aa"`), "missing", ""},
		{"no digest", typ(event.Event{Before: &event.Snapshot{Digest: "md5:x"}}), with(`"before":{"digest":"md5:x"}`), "format", ""},
		{"no reason to excuse", typ(event.Event{Absent: map[string]string{"object": "forgot"}}), with(`"absent":{"object":"forgot"}`), "not_in_list", ""},
		{"long text", typ(event.Event{Description: long, StatusReason: long}), with(fmt.Sprintf(`"description":%q,"status_reason":%q`, long, long)), "", ""},
		{"a long id", typ(event.Event{UserID: long}), with(fmt.Sprintf(`"user_id":%q`, long)), "", ""},
		{"control characters", typ(event.Event{Description: "a\nb\r\x00\x1b[31m\u202e\u2028\ufeff\u0085"}), with(`"description":"a\nb\r\u0000\u001b[31m\u202e\u2028\ufeff\u0085"`), "", ""},
		{"a backslash", typ(event.Event{Description: `C:\new\x1b`}), with(`"description":"C:\\new\\x1b"`), "", ""},
		{"control characters in keys", typ(event.Event{Labels: map[string]string{"a\nb": "c"}}), with(`"labels":{"a\nb":"c"}`), "", ""},
		{"a secret by its key", typ(event.Event{Labels: map[string]string{"password": "hunter2", "dbPassword": "hunter2"}}), with(`"labels":{"password":"hunter2","dbPassword":"hunter2"}`), "", ""},
		{"a secret by its looks", typ(event.Event{StatusReason: "postgres://bob:hunter2@db/x with " + aws}), with(`"status_reason":"postgres://bob:hunter2@db/x with ` + aws + `"`), "", ""},
		{"a secret in parameters", typ(event.Event{Job: &event.Job{Params: map[string]any{"password": "hunter2", "argv": []any{"--token", "hunter2"}}}}),
			with(`"job":{"params":{"password":"hunter2","argv":["--token","hunter2"]}}`), "", ""},
		{"64 labels", typ(event.Event{Labels: labels(64, "v")}), with(`"labels":` + labelsJSON(64, "v")), "", ""},
		{"65 labels", typ(event.Event{Labels: labels(65, "v")}), with(`"labels":` + labelsJSON(65, "v")), "too_many_keys", cutsIt},
		{"large labels", typ(event.Event{Labels: labels(9, strings.Repeat("v", 1000))}), with(`"labels":` + labelsJSON(9, strings.Repeat("v", 1000))), "too_large", cutsIt},
		{"a long key", typ(event.Event{Labels: map[string]string{strings.Repeat("k", 200): "v"}}), with(`"labels":{"` + strings.Repeat("k", 200) + `":"v"}`), "", ""},
		{"17 references", typ(event.Event{References: refs}), with(`"references":[` + many(17, func(int) string { return `{"kind":"txid","value":"1"}` }) + `]`), "too_many_items", cutsIt},
		{"a reference to nothing", typ(event.Event{References: []event.Reference{{Kind: "txid"}}}), with(`"references":[{"kind":"txid"}]`), "missing", cutsIt},
		{"deep parameters", typ(event.Event{Job: &event.Job{Params: deep(9).(map[string]any)}}), with(`"job":{"params":` + deepJSON(9) + `}`), "", "slog bounds groups in groups by itself"},
		{"fractions", typ(event.Event{Job: &event.Job{Params: map[string]any{"a": 1.5, "b": int64(1) << 60, "c": -0.25}}}), with(`"job":{"params":{"a":1.5,"b":1152921504606846976,"c":-0.25}}`), "", ""},
		{"many parameters", typ(event.Event{Job: &event.Job{Params: map[string]any{"list": make([]any, 300)}}}), with(`"job":{"params":{"list":[` + many(300, func(int) string { return "null" }) + `]}}`), "", ""},
		{"when it happened", typ(event.Event{EventTime: happened}), with(`"event_time":"2026-01-02T04:04:05+01:00"`), "", "a text is no time there"},
		{"ended before it began", typ(event.Event{Timing: &event.Timing{StartedAt: happened, EndedAt: happened.Add(-time.Second)}}),
			with(`"timing":{"started_at":"2026-01-02T03:04:05Z","ended_at":"2026-01-02T03:04:04Z"}`), "", "a text is no time there"},
		{"a job's event without its job", event.Event{EventType: "job_started"}, `{"event_type":"job_started"}`, "missing", ""},
		{"a contradiction", event.Event{EventType: "job_failed", Status: "success", Job: &event.Job{ID: "1", RunID: "1", Name: "n"}},
			`{"event_type":"job_failed","status":"success","job":{"id":"1","run_id":"1","name":"n"}}`, "contradiction", ""},
	}
}

// What each door adds of its own: where the event came in, when, and what was found of the process that handed it in.
var doorOwn = []string{"event_id", "timestamp", "stream_id", "stream_seq", "clock", "interaction_id", "derived", "app_version", "code_location", "entry_point",
	"host", "user_id", "source_ip", "principal"}

// The same event is taken or refused by every door alike: with the same bytes, but for what is the door's own, or with the
// same words.
func TestDoors(t *testing.T) {
	for _, name := range []string{"STET_APP", "STET_ENV", "STET_APP_VERSION", stet.EnvInteractionID, stet.EnvParentJobID, stet.EnvRootJobID} {
		t.Setenv(name, "")
	}
	x := newShop(t)
	x.env = []string{"STET_APP=door", "STET_ENV=test"}
	cases := doorCases()
	said := map[string]map[string]string{"sdk": {}, "slog": {}, "emit": {}, "import": {}} // door → case → what it said
	id := func(i int, door string) string { return fmt.Sprintf("case-%02d-%s", i, door) }

	rec, err := stet.Open(t.Context(), x.store, stet.Options{App: "door", Environment: "test", StateDir: x.state, OnLoss: func(error) {}})
	if err != nil {
		t.Fatal(err)
	}
	handler := stet.NewSlogHandler(rec, stet.SlogOptions{})
	var file bytes.Buffer
	for i, c := range cases {
		e := c.event
		e.InteractionID = id(i, "sdk")
		said["sdk"][c.name] = words(rec.Record(t.Context(), e))
		if c.notSlog == "" {
			said["slog"][c.name] = words(handler.Handle(t.Context(), logRecord(t, c.draft, id(i, "slog"))))
		}
		fmt.Fprintf(&file, "%s\n", inInteraction(c.draft, id(i, "import")))
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		said["emit"][c.name] = x.emit(t, inInteraction(c.draft, id(i, "emit")))
	}
	maps.Copy(said["import"], x.imported(t, file.Bytes(), cases))

	for _, c := range cases {
		want := said["sdk"][c.name]
		if (want == "") != (c.want == "") || !strings.Contains(want, c.want) {
			t.Errorf("%s: the SDK says %q, want %q", c.name, want, c.want)
		}
		for door, answers := range said {
			if got, asked := answers[c.name]; asked && (want == "" && got != "" || !strings.Contains(got, want)) {
				t.Errorf("%s: %s says %q, the SDK %q", c.name, door, got, want)
			}
		}
	}
	events := x.byInteraction(t)
	compared := 0
	for i, c := range cases {
		want := events[id(i, "sdk")]
		for _, door := range []string{"emit", "import", "slog"} {
			if _, asked := said[door][c.name]; asked {
				if d := diff.Diff(want, events[id(i, door)]); d != "" {
					t.Errorf("%s: by %s it is recorded otherwise (-sdk +%s):\n%s", c.name, door, door, d)
				}
				compared++
			}
		}
	}
	t.Logf("%d events, %d comparisons", len(cases), compared)
	x.must(t, exitOK, "verify")
}

// words are the words of a refusal that every door must say.
func words(err error) string {
	var refused *event.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refused):
		return refused.Error()
	default:
		return err.Error()
	}
}

// inInteraction puts an interaction into a draft.
func inInteraction(draft, interaction string) string {
	tail := strings.TrimPrefix(draft, "{")
	if tail != "}" {
		tail = "," + tail
	}
	return `{"interaction_id":"` + interaction + `"` + tail
}

// emit hands one event to stet emit.
func (x *shop) emit(t *testing.T, draft string) string {
	t.Helper()
	cmd := x.command(t.Context(), "emit", "-")
	cmd.Stdin = strings.NewReader(draft)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Run(); err != nil {
		return stderr.String() + err.Error()
	}
	return ""
}

// imported hands all events to stet import in one file, and says what it said of each.
func (x *shop) imported(t *testing.T, text []byte, cases []doorCase) map[string]string {
	t.Helper()
	file := filepath.Join(x.dir, "doors.jsonl")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	var report importReport
	if err := json.Unmarshal(x.must(t, exitError, "import", "--json", file), &report); err != nil {
		t.Fatal(err)
	}
	answers := map[string]string{}
	for _, c := range cases {
		answers[c.name] = ""
	}
	for _, r := range report.Refusals {
		answers[cases[r.Line-1].name] = r.Error
	}
	return answers
}

// byInteraction reads the log back: the events as JSON, without what is a door's own.
func (x *shop) byInteraction(t *testing.T) map[string]map[string]any {
	t.Helper()
	all := map[string]map[string]any{}
	for line := range bytes.Lines(x.must(t, exitOK, "export", "--json")) {
		entry, err := proof.ParseEntry(bytes.TrimSuffix(line, []byte("\n")))
		if err != nil {
			t.Fatal(err)
		}
		if entry.Event == nil {
			continue
		}
		var e map[string]any
		if err := json.Unmarshal(entry.Event, &e); err != nil {
			t.Fatal(err)
		}
		interaction, _ := e["interaction_id"].(string)
		if absent, ok := e["absent"].(map[string]any); ok {
			for path := range absent {
				if top, _, _ := strings.Cut(path, "."); slices.Contains(doorOwn, top) {
					delete(absent, path)
				}
			}
		}
		if refs, ok := e["references"].([]any); ok {
			e["references"] = slices.DeleteFunc(refs, func(r any) bool { return r.(map[string]any)["kind"] == foreign.Kind })
			if len(e["references"].([]any)) == 0 {
				delete(e, "references")
			}
		}
		given := map[string]any{}
		for _, path := range []string{"user_id", "source_ip", "host", "principal"} {
			if strings.Contains(string(entry.Event), `"derived"`) {
				if derived, _ := e["derived"].(map[string]any); derived[path] == nil && derived[path+".name"] == nil && derived[path+".ip"] == nil {
					given[path] = e[path]
				}
			}
		}
		for _, own := range doorOwn {
			delete(e, own)
		}
		for path, v := range given {
			if v != nil {
				e[path] = v
			}
		}
		all[interaction] = e
	}
	return all
}

// logRecord is a draft as a log record.
func logRecord(t *testing.T, draft, interaction string) slog.Record {
	t.Helper()
	var members map[string]any
	d := json.NewDecoder(strings.NewReader(draft))
	d.UseNumber()
	if err := d.Decode(&members); err != nil {
		t.Fatal(err)
	}
	message, _ := members["description"].(string)
	delete(members, "description")
	r := slog.NewRecord(time.Time{}, slog.LevelDebug, message, 0)
	r.AddAttrs(slog.String("interaction_id", interaction))
	for _, k := range slices.Sorted(maps.Keys(members)) {
		r.AddAttrs(attr(t, k, members[k]))
	}
	return r
}

func attr(t *testing.T, key string, v any) slog.Attr {
	t.Helper()
	switch v := v.(type) {
	case string:
		return slog.String(key, v)
	case json.Number:
		if n, err := v.Int64(); err == nil {
			return slog.Int64(key, n)
		}
		f, err := v.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return slog.Float64(key, f)
	case map[string]any:
		var in []any
		for _, k := range slices.Sorted(maps.Keys(v)) {
			in = append(in, attr(t, k, v[k]))
		}
		return slog.Group(key, in...)
	case []any:
		if key != "references" {
			return slog.Any(key, v)
		}
		var in []any
		for _, r := range v {
			ref := r.(map[string]any)
			value, _ := ref["value"].(string)
			in = append(in, slog.String(ref["kind"].(string), value))
		}
		return slog.Group(key, in...)
	}
	return slog.Any(key, v)
}

// What stet run is told of a job becomes what the SDK makes of the same words.
func TestDoorsOfJobs(t *testing.T) {
	for _, name := range []string{"STET_APP", "STET_ENV", "STET_APP_VERSION", stet.EnvInteractionID, stet.EnvParentJobID, stet.EnvRootJobID} {
		t.Setenv(name, "")
	}
	x := newShop(t)
	rec, err := stet.Open(t.Context(), x.store, stet.Options{App: "sdk", StateDir: x.state})
	if err != nil {
		t.Fatal(err)
	}
	jobs := []stet.Job{
		{Name: "plain", Reason: "nightly", Reference: "CHG-7"},
		{Name: "red\x1b[31m\n\u202e", Reason: "a\tb\u2028c", Reference: "C:\\x1b"},
		{Name: strings.Repeat("n", 500), Reason: strings.Repeat("w", 5000), Reference: strings.Repeat("r", 500)},
		{Name: "secret", Reason: "password: hunter2", Reference: "postgres://bob:hunter2@db/x"},
		{Name: aws, Reason: "rotate " + github, Reference: jwt},
		{Name: "not UTF-8 \xff", Reason: "\xc3\x28", Reference: "\xf0\x9f"},
	}
	for _, j := range jobs {
		j.Trigger = "manual"
		if err := rec.Do(t.Context(), j, func(context.Context, *stet.Run) error { return nil }); err != nil {
			t.Fatalf("%.20q: %v", j.Name, err)
		}
		x.must(t, exitOK, "run", "--app", "run", "--trigger", "manual", "--job", j.Name, "--why", j.Reason, "--ref", j.Reference, "--", "true")
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	type words struct {
		Name, Reason, Reference string
		Marks                   []string
	}
	got := map[string][]words{}
	submitted, _ := x.recorded(t, "job_submitted")
	for _, e := range submitted {
		w := words{e.Job.Name, e.Why.Reason, e.Why.Reference, nil}
		for _, m := range e.Redactions {
			if m.Path == "job.name" || strings.HasPrefix(m.Path, "why.") {
				w.Marks = append(w.Marks, m.Path+" "+m.Rule)
			}
		}
		for _, m := range e.Sanitized {
			if m.Path == "job.name" || strings.HasPrefix(m.Path, "why.") {
				w.Marks = append(w.Marks, fmt.Sprint(m.Path, " ", m.OriginalLen))
			}
		}
		got[e.AppID] = append(got[e.AppID], w)
	}
	for app := range got {
		slices.SortFunc(got[app], func(a, b words) int { return cmp.Compare(a.Name, b.Name) })
	}
	if d := diff.Diff(got["sdk"], got["run"]); d != "" || len(got["sdk"]) != len(jobs) {
		t.Errorf("%d jobs (-sdk +run):\n%s", len(got["sdk"]), d)
	}
}
