package event_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/stetlog/stet/event"
)

// What is in a draft is what a Go program would have put into the Event.
func TestDraft(t *testing.T) {
	got, err := event.ParseDraft([]byte(`
	{ "event_type" : "authz_fail", "severity": 1,
	  "description": "line one\nC:\\dir",
	  "source_ip": null,
	  "object": {"type": "file", "id": "/etc/shadow"},
	  "principal": {"id": "alice"},
	  "references": [{"kind": "ticket", "value": "OPS-7"}],
	  "labels": {"door": "emit"},
	  "job": {"params": {"limit": 10}},
	  "absent": {"user_id": "no_such_reason"} }
	`))
	if err != nil {
		t.Fatal(err)
	}
	want := &event.Event{EventType: "authz_fail", Severity: new(event.SeverityAlert), Description: "line one\nC:\\dir",
		Object: &event.Object{Type: "file", ID: "/etc/shadow"}, Principal: &event.Principal{ID: "alice"},
		References: []event.Reference{{Kind: "ticket", Value: "OPS-7"}}, Labels: map[string]string{"door": "emit"},
		Job: &event.Job{Params: map[string]any{"limit": int64(10)}}, Absent: map[string]string{"user_id": "no_such_reason"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// What the encoder makes fit, or refuses in its own words, gets as far as the encoder: as from a Go program.
func TestDraftIsGenerous(t *testing.T) {
	keys := make([]string, event.MaxKeys+1)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"k%d":"v"`, i)
	}
	for in, want := range map[string]event.Event{
		`{"event_time":"2026-01-02T03:04:05.5+01:00"}`: {EventTime: time.Date(2026, 1, 2, 2, 4, 5, 5e8, time.UTC)},
		`{"job":{"params":{"a":1.5,"b":9007199254740993,"c":18446744073709551615,"d":2.0,"e":-7,"f":123456789012345678901}}}`: {Job: &event.Job{Params: map[string]any{
			"a": 1.5, "b": int64(9007199254740993), "c": uint64(18446744073709551615), "d": 2.0, "e": int64(-7), "f": "123456789012345678901"}}},
		`{"job":{"params":{"a":[[[[[[[[1]]]]]]]]}}}`: {Job: &event.Job{Params: map[string]any{"a": []any{[]any{[]any{[]any{[]any{[]any{[]any{[]any{int64(1)}}}}}}}}}}},
	} {
		got, err := event.ParseDraft([]byte(in))
		if err != nil {
			t.Errorf("%s: %v", in, err)
			continue
		}
		if !got.EventTime.IsZero() {
			got.EventTime = got.EventTime.UTC()
		}
		if d := cmp.Diff(&want, got); d != "" {
			t.Errorf("%s:\n%s", in, d)
		}
	}
	for _, in := range []string{`{"labels":{` + strings.Join(keys, ",") + `}}`, `{"job":{"params":{` + strings.Join(keys, ",") + `}}}`} {
		if _, err := event.ParseDraft([]byte(in)); err != nil {
			t.Errorf("%.40s: %v", in, err)
		}
	}
	for _, word := range []string{"01", "-0", "1.", "1e", "1.5.5", "1e400", "-", "1.e5", "--1", "1e+"} {
		if _, err := event.ParseDraft([]byte(`{"job":{"params":{"a":` + word + `}}}`)); err == nil {
			t.Errorf("%s was taken for a number", word)
		}
	}
	if _, err := event.ParseDraft([]byte(`{"job":{"params":` + strings.Repeat(`{"a":`, 40) + "1" + strings.Repeat("}", 42))); !errors.Is(err, event.ErrDepth) {
		t.Errorf("40 deep: %v", err)
	}
}

func TestDraftRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		draft, path string
		code        event.Refusal
	}{
		"not JSON":         {`{"event_type"`, "", event.ErrSyntax},
		"no object":        {`[]`, "", event.ErrType},
		"two":              {`{} {}`, "", event.ErrSyntax},
		"a number in two":  {`{"severity":1 2}`, "", event.ErrSyntax},
		"a raw line end":   {"{\"description\":\"a\nb\"}", "description", event.ErrControl},
		"unknown member":   {`{"event_typ":"x"}`, "event_typ", event.ErrUnknown},
		"unknown below":    {`{"object":{"name":"x"}}`, "object.name", event.ErrUnknown},
		"key twice":        {`{"event_type":"x","event_type":"y"}`, "event_type", event.ErrDuplicate},
		"wrong type":       {`{"description":1}`, "description", event.ErrType},
		"severity":         {`{"severity":8}`, "severity", event.ErrRange},
		"severity, a byte": {`{"severity":262}`, "severity", event.ErrRange},
		"no time":          {`{"event_time":"yesterday"}`, "event_time", event.ErrFormat},
		"no id":            {`{"causation_id":"7"}`, "causation_id", event.ErrFormat},
		"a fraction":       {`{"impact":{"counts":{"rows":1.5}}}`, "impact.counts.rows", event.ErrNumber},
		"not UTF-8":        {"{\"description\":\"\xff\"}", "description", event.ErrUTF8},
		"too large":        {`{"description":"` + strings.Repeat("x", event.MaxDraft) + `"}`, "", event.ErrTooLarge},
	} {
		t.Run(name, func(t *testing.T) {
			e, err := event.ParseDraft([]byte(tc.draft))
			var refused *event.Error
			if !errors.As(err, &refused) || refused.Code != string(tc.code) || refused.Path != tc.path || e != nil {
				t.Errorf("got %v, %v; want %s at %q", e, err, tc.code, tc.path)
			}
		})
	}
}

// A draft with everything in it is the event: written again it is the same, but for the escape that Parse keeps.
func TestDraftOfWholeEvent(t *testing.T) {
	whole := must(t, sample())
	e, err := event.ParseDraft([]byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	if again := must(t, e); again != whole {
		t.Error(cmp.Diff(whole, again))
	}
}

// FuzzParseDraft: no input panics, what is no JSON is refused, and what is taken the encoder takes or refuses.
func FuzzParseDraft(f *testing.F) {
	f.Add([]byte(must(f, sample())))
	f.Add([]byte(must(f, outcome())))
	f.Add([]byte(`{"event_type":"x","severity":262}`))
	f.Add([]byte(` {"labels" : {"a\u0000":"\ud83d\ude00\r\n"} , "host":{}}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := event.ParseDraft(b)
		if err != nil {
			var refused *event.Error
			if !errors.As(err, &refused) {
				t.Fatalf("%v is no *event.Error", err)
			}
			return
		}
		if !json.Valid(b) {
			t.Fatalf("taken, but not JSON: %q", b)
		}
		var c event.Codec
		line, err := c.Append(nil, e)
		if err != nil {
			return
		}
		if _, err := c.Check(line); err != nil {
			t.Fatalf("written, but refused: %v: %s", err, line)
		}
	})
}
