package policy_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/policy"
)

// told is all that a report says, in every form.
func told(t interface{ Fatal(...any) }, r *policy.Report) string {
	var b bytes.Buffer
	if err := policy.WriteText(&b, r); err != nil {
		t.Fatal(err)
	}
	if err := policy.WriteChecklist(&b, r); err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{policy.JSON(r), policy.SARIFOf(r, "v1")} {
		doc, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		b.Write(doc)
	}
	return b.String()
}

// Whatever is in a log, and under whichever keys, no report quotes a value, and all of it is printable.
func TestNoValueIsTold(t *testing.T) {
	const value = "Zq9xVv7"
	keys := []string{"timestamp", "user_id", "password", "sessionId", "dsn", "message", "level", "eventType", "remote_addr", "seq", "job", "id", "jobId", "job_name", "phase",
		"status", "x", "a b\u00a0", "\x1b[2J", "\u202e", "requestId", "why", "trigger", "event_id", "http_user_agent", "corrects", "parent_id"}
	shapes := []string{value, "postgres://u:" + value + "@h/db", "Bearer " + value + "0123456789", value + "@example.com", "a\n" + value, value + "\x1b[2J", "\u202e" + value, "password=" + value,
		"2026-01-13T10:00:00Z " + value, value + strings.Repeat("x", 2000)}
	rapid.Check(t, func(t *rapid.T) {
		var lines []string
		for range rapid.IntRange(1, 5).Draw(t, "lines") {
			line, err := json.Marshal(rapid.MapOf(rapid.SampledFrom(keys), rapid.OneOf(
				rapid.Map(rapid.SampledFrom(shapes), func(s string) any { return s }),
				rapid.Map(rapid.MapOf(rapid.SampledFrom(keys), rapid.SampledFrom(shapes)), func(m map[string]string) any { return m }),
			)).Draw(t, "line"))
			if err != nil {
				t.Fatal(err)
			}
			lines = append(lines, string(line))
		}
		if rapid.Bool().Draw(t, "broken") {
			lines = append(lines, value, `{"a":"`+value, `{"`+value+`":1,"`+value+`":2}`)
		}
		r := lint(policy.Options{Name: "x.log"}, strings.Join(lines, "\n"))
		out := told(t, &r)
		if i := strings.Index(out, value); i >= 0 {
			t.Fatalf("told: …%s…", out[max(0, i-80):min(len(out), i+40)])
		}
		for _, c := range out {
			if c != '\n' && !unicode.IsPrint(c) {
				t.Fatalf("%U is told", c)
			}
		}
	})
}

// A secret in a key's own name is masked where the key is named.
func TestKeysAreRedacted(t *testing.T) {
	r := lint(policy.Options{Name: "x.log"}, `{"login password=Zq9xVv7 failed":"a\u001b"}`)
	out := told(t, &r)
	if strings.Contains(out, "Zq9xVv7") || !strings.Contains(out, "control character") {
		t.Error(out)
	}
}

// stetEvent is a whole event as stet's own encoder writes it.
func stetEvent(t *testing.T, change func(*event.Event)) string {
	t.Helper()
	at := time.Date(2026, 1, 13, 10, 0, 0, 0, time.UTC)
	e := event.Event{EventID: event.NewUUIDv7(at, [10]byte{1}), Timestamp: at, InteractionID: "i", AppID: "a", AppVersion: "1", CodeLocation: "a.go:1",
		EntryPoint: &event.EntryPoint{Kind: "cli", Name: "a"}, Host: &event.Host{Name: "h"}, Environment: "production", UserID: "u", SourceIP: "::1",
		Principal: &event.Principal{Type: "user", ID: "u"}, EventType: "sys_startup", StreamID: event.NewUUIDv7(at, [10]byte{2}), StreamSeq: 1, Clock: &event.Clock{Confidence: "high"}}
	change(&e)
	b, err := (&event.Codec{}).Append(nil, &e)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// A stet event says why what is missing is: where there was nothing to record it passes, where nobody said it fails.
func TestExcuses(t *testing.T) {
	for _, c := range []struct{ why, want string }{
		{"", "pass"},
		{event.AbsentNotApplicable, "pass"}, {event.AbsentUnauthenticated, "pass"}, {event.AbsentRedacted, "pass"},
		{event.AbsentNotProvided, "fail"}, {event.AbsentNotConfigured, "fail"}, {event.AbsentUnavailable, "fail"},
	} {
		line := stetEvent(t, func(e *event.Event) {
			if c.why == "" {
				return
			}
			e.UserID, e.SourceIP, e.AppVersion = "", "", ""
			e.Absent = map[string]string{"user_id": c.why, "source_ip": c.why, "app_version": c.why}
		})
		r := lint(policy.Options{Name: "x.log", Map: ownNames()}, line)
		for _, x := range r.Rules {
			if slices.Contains([]string{"user", "source-address", "app-version"}, x.ID) && x.State().String() != c.want {
				t.Errorf("%s, absent because %q: %v, want %s", x.ID, c.why, x.State(), c.want)
			}
			if x.ID == "format" && x.Pass != 1 {
				t.Errorf("absent because %q: %v", c.why, x.Findings)
			}
		}
	}
}

// What stet's encoder lets through, its linter does; what it would have masked is found, under which rule is told by the key.
func TestSecretsInStetEvents(t *testing.T) {
	clean := stetEvent(t, func(e *event.Event) { e.Labels = map[string]string{"password": "hunter2", "note": "x"} })
	for _, c := range []struct{ line, rule string }{
		{clean, ""},
		{strings.Replace(clean, `"[redacted:password]"`, `"hunter2"`, 1), "secret"},
		{strings.Replace(clean, `"note":"x"`, `"note":"carol@example.com"`, 1), "personal-data"},
		{strings.Replace(clean, `"note":"x"`, `"note":"postgres://u:p4ss@h/db"`, 1), "connection-string"},
	} {
		if c.rule != "" && c.line == clean {
			t.Fatalf("%s: nothing was replaced in %s", c.rule, clean)
		}
		r := lint(policy.Options{Name: "x.log", Map: ownNames()}, c.line)
		for _, x := range r.Rules {
			if slices.Contains([]string{"secret", "session-id", "connection-string", "personal-data"}, x.ID) && (x.State() == policy.Fail) != (x.ID == c.rule) {
				t.Errorf("%s in an event that breaks %q: %v %v", x.ID, c.rule, x.State(), x.Findings)
			}
		}
	}
}

// The kinds of findings of a rule, and their places, are bounded; their counts are not.
func TestFindingsAreBounded(t *testing.T) {
	var lines []string
	for i := range 100 {
		lines = append(lines, fmt.Sprintf(`{"password_%d":"hunter2"}`, i), `{}`)
	}
	r := lint(policy.Options{Name: "x.log", Places: 3}, strings.Join(lines, "\n"))
	for _, x := range r.Rules {
		n := uint64(0)
		for _, f := range x.Findings {
			if n += f.Count; len(f.Places) > 3 {
				t.Errorf("%s: a finding with %d places", x.ID, len(f.Places))
			}
		}
		if len(x.Findings) > 21 || n != x.Fail {
			t.Errorf("%s: %d findings of %d of %d failures", x.ID, len(x.Findings), n, x.Fail)
		}
		if x.ID == "secret" && x.Fail != 100 {
			t.Errorf("%d secrets", x.Fail)
		}
	}
}
