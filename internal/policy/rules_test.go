package policy_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/policy"
)

// ownNames maps every field by its own name, so that what follows reads as the schema does.
func ownNames() convert.Map {
	m := convert.Map{}
	for _, f := range convert.Fields() {
		m[f] = []string{f}
	}
	return m
}

// without is ownNames for a log that has no key for some fields.
func without(fields ...string) convert.Map {
	m := ownNames()
	for _, f := range fields {
		delete(m, f)
	}
	return m
}

// jobEvent is one event of job j; more begins with a comma.
func jobEvent(at, eventType, more string) string {
	return fmt.Sprintf(`{"timestamp":%q,"event_type":%q,"interaction_id":"i","app_id":"a","job":{"id":"j","run_id":"r"%s}`, at, eventType, more)
}

// What each rule takes for pass, fail and not checked.
func TestRules(t *testing.T) {
	const (
		day1 = "2026-01-13T10:00:00Z"
		day2 = "2026-01-14T10:00:01Z"
		day3 = "2026-01-15T10:00:00Z"
	)
	start, end := jobEvent(day1, "job_started", "}"), jobEvent("2026-01-13T10:01:00Z", "job_succeeded", "}")
	own := ownNames()
	for _, c := range []struct {
		rule, name string
		fields     convert.Map // nil: own
		lines      []string
		want       string // pass/fail/not checked
	}{
		{"format", "one object a line", nil, []string{`{}`, ` {"a":1} `}, "2/0/0"},
		{"format", "no JSON, no object, a key twice, not UTF-8", nil, []string{`x`, `[]`, `{"a":1,"a":1}`, "{\"a\":\"\xff\"}"}, "0/4/0"},

		{"secret", "by the key's name", nil, []string{`{"password":"hunter2"}`, `{"db":{"api_key":"k"}}`, `{"pin":1234}`}, "0/3/0"},
		{"secret", "by the value's form", nil, []string{`{"x":"Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1LTg4In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ"}`, `{"url":"/a?access_token=abcdef123456"}`}, "0/2/0"},
		{"secret", "in a key", nil, []string{`{"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ1LTg4In0.c2lnbmF0dXJlLXNpZ25hdHVyZQ":1}`}, "0/1/0"},
		{"secret", "in a list under such a key", nil, []string{`{"passwords":["hunter2"]}`}, "0/1/0"},
		{"secret", "masks and nothing", nil, []string{`{"password":"****"}`, `{"password":"[redacted:password]"}`, `{"password":""}`, `{"password":null}`, `{"token":"REDACTED"}`, `{"token_count":7}`}, "6/0/0"},
		{"secret", "even where a field is mapped to it", convert.Map{"user_id": {"token"}}, []string{`{"token":"abc"}`}, "0/1/0"},
		{"session-id", "as it is", nil, []string{`{"session_id":"8A1F0C3D"}`, `{"http_cookie":"JSESSIONID=8A1F"}`}, "0/2/0"},
		{"session-id", "hashed", nil, []string{`{"session_hash":"hmac-sha256:0a1b2c3d:00"}`, `{"session":"sha256:00"}`}, "2/0/0"},
		{"connection-string", "by form and by name", nil, []string{`{"x":"postgres://u:p4ss@h/db"}`, `{"dsn":"host=h user=u"}`}, "0/2/0"},
		{"connection-string", "without a password", nil, []string{`{"x":"postgres://h/db"}`}, "1/0/0"},
		{"personal-data", "by form and by name", nil, []string{`{"x":"mail to carol@example.com"}`, `{"date_of_birth":"1990-01-01"}`}, "0/2/0"},
		{"personal-data", "who acted is identity", nil, []string{`{"user_id":"carol@example.com","source_ip":"203.0.113.9"}`}, "1/0/0"},

		{"injection", "encoded, and free text", nil, []string{`{"description":"a\nb"}`, `{"stack_trace":"a\n\tb"}`, `{"x":"a"}`}, "3/0/0"},
		{"injection", "a line break in what a client sends", nil, []string{`{"user_id":"a\r\nb"}`, `{"http_user_agent":"a\nb"}`}, "0/2/0"},
		{"injection", "what moves a cursor", nil, []string{`{"description":"a\u001b[2Jb"}`}, "0/1/0"},
		{"injection", "what does not show itself", nil, []string{"{\"x\":\"a\u202eb\"}", "{\"a\u200b\":1}"}, "0/2/0"},

		{"required-keys", "all seven", nil, []string{`{"timestamp":"x","app_id":"a","user_id":"u","source_ip":"::1"}`, `{"event_type":"e","severity":6,"interaction_id":"i"}`}, "7/0/0"},
		{"required-keys", "three", nil, []string{`{"timestamp":"x","app_id":"a","user_id":"u","source_ip":"-"}`}, "3/4/0"},

		{"timestamp", "ISO 8601 with its offset", nil, []string{`{"timestamp":"2026-01-13T10:00:00.123+01:00"}`, `{"timestamp":"2026-01-13T10:00:00,123+0100"}`}, "2/0/0"},
		{"timestamp", "other forms, and none", nil, []string{`{"timestamp":"2026-01-13T10:00:00"}`, `{"timestamp":1768298400}`, `{"timestamp":"13/Jan/2026:10:00:00 +0000"}`, `{"timestamp":"now"}`, `{}`}, "0/5/0"},
		{"timestamp", "a count that OTLP prescribes", convert.Map{"timestamp": {"timeUnixNano"}}, []string{`{"timeUnixNano":"1768298400000000000"}`}, "0/0/1"},
		{"event-time", "before its line", nil, []string{`{"timestamp":"2026-01-13T10:00:00Z","event_time":"2026-01-12T10:00:00Z"}`}, "1/0/0"},
		{"event-time", "after its line, or none", nil, []string{`{"timestamp":"2026-01-13T10:00:00Z","event_time":"2026-01-13T10:00:02Z"}`, `{"event_time":"soon"}`}, "0/2/0"},
		{"event-time", "not there", nil, []string{`{"timestamp":"2026-01-13T10:00:00Z"}`}, "0/0/1"},

		{"interaction-id", "there and not", nil, []string{`{"interaction_id":"i"}`, `{"interaction_id":"-"}`, `{}`}, "1/2/0"},
		{"one-interaction", "one and two", nil, []string{start, `{"job":{"id":"j"},"app_id":"a","interaction_id":"i"}`, `{"job":{"id":"j"},"app_id":"a","interaction_id":"k"}`, `{"job":{"id":"j"},"app_id":"b","interaction_id":"k"}`, `{"job":{"id":"x"}}`}, "3/2/0"},
		{"app", "there and not", nil, []string{`{"app_id":"a"}`, `{}`}, "1/1/0"},
		{"app-version", "there and not", nil, []string{`{"app_version":"1"}`, `{}`}, "1/1/0"},
		{"code-location", "there and not", nil, []string{`{"code_location":"a.go:1"}`, `{}`}, "1/1/0"},
		{"entry-point", "a name or a kind", nil, []string{`{"entry_point":{"name":"/x"}}`, `{"entry_point":{"kind":"cli"}}`, `{}`}, "2/1/0"},
		{"host", "any identity", nil, []string{`{"host":{"name":"h"}}`, `{"host":{"ip":"::1"}}`, `{"host":{"cluster":"c"}}`, `{}`}, "3/1/0"},

		{"user", "there", nil, []string{`{"user_id":"u"}`}, "1/0/0"},
		{"user", "no key for it", without("user_id"), []string{`{"x":1}`}, "0/1/0"},
		{"user", "empty: it cannot be told", nil, []string{`{"user_id":"-"}`, `{"event_type":"authn_login_fail"}`}, "0/0/2"},
		{"user", "empty, in an event that only a user causes", nil, []string{`{"event_type":"authz_admin"}`, `{"event_type":"AUTHN_LOGIN_SUCCESS"}`}, "0/2/0"},
		{"source-address", "an address, the first of several, a device", nil, []string{`{"source_ip":"2001:db8::1"}`, `{"source_ip":"203.0.113.9, 10.0.0.1"}`, `{"source_ip":"203.0.113.9:4711"}`, `{"source":{"device_id":"d"}}`}, "4/0/0"},
		{"source-address", "none, or no address", nil, []string{`{"source_ip":"unknown"}`, `{}`}, "0/2/0"},
		{"event-type", "there and not", nil, []string{`{"event_type":"x"}`, `{}`}, "1/1/0"},
		{"documented-type", "in the catalogue, not, and none", nil, []string{`{"event_type":"authn_login_fail"}`, `{"event_type":"x"}`, `{}`}, "1/0/1"},
		{"severity", "numbers and words", nil, []string{`{"severity":0}`, `{"severity":"7"}`, `{"severity":"WARN"}`, `{"severity":"Information"}`}, "4/0/0"},
		{"severity", "OpenTelemetry's numbers", convert.Map{"severity": {"severityNumber"}}, []string{`{"severityNumber":9}`, `{"severityNumber":24}`, `{"severityNumber":25}`, `{"severityNumber":0}`}, "2/2/0"},
		{"severity", "no standard scale", nil, []string{`{"severity":30}`, `{"severity":"high"}`, `{}`}, "0/3/0"},
		{"description", "there and not", nil, []string{`{"description":"x"}`, `{"description":""}`}, "1/1/0"},
		{"security-flag", "flags everywhere", nil, []string{`{"security":true}`, `{"security":false}`}, "2/0/0"},
		{"security-flag", "none, beside flags", nil, []string{`{"security":true}`, `{}`}, "1/1/0"},
		{"security-flag", "none, beside debug messages", nil, []string{`{"severity":"debug"}`, `{}`}, "0/2/0"},
		{"security-flag", "none, beside types of both kinds", nil, []string{`{"event_type":"authn_login_fail"}`, `{"event_type":"job_started"}`}, "0/2/0"},
		{"security-flag", "none: whether the log is mixed cannot be told", nil, []string{`{"severity":"info"}`, `{}`}, "0/0/2"},
		{"clock", "stated and not", nil, []string{`{"clock":{"confidence":"low"}}`, `{"clock":{"max_error_us":5}}`, `{}`}, "2/0/1"},
		{"size", "at most 60 KiB", nil, []string{`{"x":"` + strings.Repeat("x", 60<<10-8) + `"}`, `{"x":"` + strings.Repeat("x", 60<<10) + `"}`}, "1/1/0"},
		{"flood", "100 in a row, and the next", nil, slices.Concat(slices.Repeat([]string{`{"description":"x"}`}, 101), []string{`{"description":"y"}`, `{"description":"x"}`}), "102/1/0"},
		{"no-debug", "debug, info, unknown, none", nil, []string{`{"severity":"TRACE"}`, `{"severity":7}`, `{"severity":"info"}`, `{"severity":"x"}`, `{}`}, "1/2/2"},
		{"event-id", "once, twice, none", nil, []string{`{"event_id":"1"}`, `{"event_id":"2"}`, `{"event_id":"1"}`, `{}`}, "2/1/1"},

		{"principal", "of jobs only", nil, []string{`{"job":{"id":"j"},"user_id":"u"}`, `{"job":{"id":"j"},"principal":{"id":"p"}}`, `{"job":{"id":"j"}}`, `{}`}, "2/1/0"},
		{"environment", "of jobs only", nil, []string{`{"job":{"id":"j"},"environment":"production"}`, `{"job":{"id":"j"}}`, `{}`}, "1/1/0"},
		{"why", "a trigger, a reason or a reference", nil, []string{`{"job":{"id":"j"},"why":{"trigger":"schedule"}}`, `{"job":{"id":"j"},"why":{"reference":"T-1"}}`, `{"job":{"id":"j"}}`}, "2/1/0"},
		{"cascade", "the system and its event", nil, []string{`{"why":{"trigger":"event"},"principal":{"upstream":{"system":"s","event_ref":"e"}}}`, `{"why":{"trigger":"event"},"principal":{"upstream":{"system":"s"}}}`, `{"why":{"trigger":"event"}}`, `{"why":{"trigger":"manual"}}`}, "1/2/0"},
		{"correction", "names an event and a reason", nil, []string{`{"corrects":{"event_id":"e","reason":"r"}}`, `{"corrects":{"event_id":"e"}}`, `{"event_type":"job_corrected"}`, `{}`}, "1/2/0"},
		{"sequence", "one after the other, a hole, one again, none", nil, []string{`{"stream_id":"s","stream_seq":7}`, `{"stream_id":"s","stream_seq":8}`, `{"stream_id":"t","stream_seq":1}`, `{"stream_id":"s","stream_seq":10}`, `{"stream_id":"s","stream_seq":10}`, `{"job":{"id":"j"}}`, `{}`, `{"stream_seq":"x"}`}, "3/4/0"},
		{"sealed", "a file has no seals", nil, []string{`{}`}, "0/0/1"},

		{"submission", "whole", nil, []string{jobEvent(day1, "job_submitted", `,"params":{"n":1}},"user_id":"u"`)}, "1/0/0"},
		{"submission", "without parameters, without principal", nil, []string{jobEvent(day1, "job_submitted", `},"user_id":"u"`)}, "0/1/0"},
		{"submission", "without principal", nil, []string{jobEvent(day1, "job_submitted", `,"params":{"n":1}}`)}, "0/1/0"},
		{"submission", "never reported", nil, []string{start, end}, "0/1/0"},
		{"authorization", "allowed", nil, []string{jobEvent(day1, "job_authorized", "}"), start, end}, "1/0/0"},
		{"authorization", "nobody checked", nil, []string{jobEvent(day1, "job_authorization_unchecked", "}"), start, end}, "0/1/0"},
		{"execution", "whole", nil, []string{jobEvent(day1, "job_started", `},"app_version":"1","environment":"production"`)}, "1/0/0"},
		{"execution", "without a version", nil, []string{jobEvent(day1, "job_started", `},"environment":"production"`)}, "0/1/0"},
		{"execution", "without an environment", nil, []string{jobEvent(day1, "job_started", `},"app_version":"1"`)}, "0/1/0"},
		{"outcome", "with its impact", nil, []string{start, jobEvent(day1, "job_succeeded", `},"impact":{"counts":{"rows":1}}`)}, "1/0/0"},
		{"outcome", "without", nil, []string{start, end}, "0/1/0"},
		{"outcome", "open", nil, []string{start}, "0/0/1"},
		{"ghost", "ended, in any spelling", nil, []string{jobEvent(day1, "JobStarted", "}"), jobEvent(day1, "JOB.COMPLETED", "}")}, "1/0/0"},
		{"ghost", "ended, by phase and status", nil, []string{jobEvent(day1, "go", `,"phase":"EXECUTION"}`), jobEvent(day1, "x", `,"phase":"outcome"},"status":"ABORTED"`)}, "1/0/0"},
		{"ghost", "open at the end of the log", nil, []string{start, `{"timestamp":"2026-01-14T09:00:00Z"}`}, "0/0/1"},
		{"ghost", "open, and the log goes on for a day", nil, []string{start, `{"timestamp":"` + day2 + `"}`}, "0/1/0"},
		{"ghost", "asked for, and the log goes on for a day", nil, []string{jobEvent(day1, "job_submitted", "}"), `{"timestamp":"` + day2 + `"}`}, "0/1/0"},
		{"ghost", "lost, as its store said", nil, []string{start, jobEvent(day1, "job_lost", "}")}, "0/1/0"},
		{"phase-order", "in order", nil, []string{start, end}, "1/0/0"},
		{"phase-order", "the end before the start", nil, []string{end, start}, "0/1/0"},
		{"lineage", "of a child", nil, []string{start, `{"timestamp":"` + day1 + `","event_type":"job_started","interaction_id":"i","app_id":"a","job":{"id":"k","run_id":"s","parent_id":"j","root_id":"j"}}`}, "1/0/0"},
		{"lineage", "without a root, or with another", nil, []string{start, `{"timestamp":"` + day1 + `","event_type":"job_started","interaction_id":"i","app_id":"a","job":{"id":"k","run_id":"s","parent_id":"j"}}`,
			`{"timestamp":"` + day1 + `","event_type":"job_started","interaction_id":"i","app_id":"a","job":{"id":"l","run_id":"t","parent_id":"j","root_id":"x"}}`}, "0/2/0"},
		{"lineage", "an orphan", nil, []string{`{"timestamp":"` + day1 + `","event_type":"job_started","interaction_id":"i","app_id":"a","job":{"id":"k","run_id":"s","parent_id":"j","root_id":"j"}}`}, "0/1/0"},
		{"heartbeat", "a short run needs none", nil, []string{start, end}, "0/0/0"},
		{"heartbeat", "days without a word", nil, []string{start, jobEvent(day3, "job_succeeded", "}")}, "0/1/0"},
		{"heartbeat", "a word a day", nil, []string{start, jobEvent("2026-01-14T09:00:00Z", "job_heartbeat", "}"), jobEvent("2026-01-15T08:00:00Z", "job_succeeded", "}")}, "1/0/0"},
		{"before-after", "both", nil, []string{start, jobEvent(day1, "job_succeeded", `},"before":{"digest":"sha256:0"},"after":{"digest":"sha256:1"}`)}, "1/0/0"},
		{"before-after", "one", nil, []string{start, jobEvent(day1, "job_succeeded", `},"before":{"digest":"sha256:0"}`)}, "0/1/0"},
		{"before-after", "neither", nil, []string{start, end}, "0/0/1"},
		{"clock-order", "as they came", nil, []string{start, end}, "1/0/0"},
		{"clock-order", "an end before its start", nil, []string{jobEvent(day2, "job_started", "}"), end}, "0/1/0"},
	} {
		t.Run(c.rule+": "+c.name, func(t *testing.T) {
			fields := c.fields
			if fields == nil {
				fields = own
			}
			r := lint(policy.Options{Name: "x.log", Map: fields}, strings.Join(c.lines, "\n"))
			i := slices.IndexFunc(r.Rules, func(x policy.Result) bool { return x.ID == c.rule })
			x := &r.Rules[i]
			if got := fmt.Sprintf("%d/%d/%d", x.Pass, x.Fail, x.NotChecked); got != c.want {
				t.Errorf("%s, want %s: %+v %+v", got, c.want, x.Findings, x.Reasons)
			}
			n := uint64(0)
			for _, f := range append(slices.Clone(x.Findings), x.Reasons...) {
				n += f.Count
			}
			if n != x.Fail+x.NotChecked {
				t.Errorf("the findings add up to %d", n)
			}
		})
	}
}

// A rule passes only where all that it judges passes; the three words are kept apart.
func TestStates(t *testing.T) {
	for _, c := range []struct {
		lines []string
		want  policy.State // of rule no-debug
	}{
		{[]string{`{"severity":"info"}`}, policy.Pass},
		{[]string{`{"severity":"info"}`, `{}`}, policy.NotChecked},
		{[]string{`{"severity":"info"}`, `{}`, `{"severity":"debug"}`}, policy.Fail},
		{nil, policy.NotChecked},
	} {
		r := lint(policy.Options{Map: ownNames()}, strings.Join(c.lines, "\n"))
		i := slices.IndexFunc(r.Rules, func(x policy.Result) bool { return x.ID == "no-debug" })
		if got := r.Rules[i].State(); got != c.want {
			t.Errorf("%q: %v, want %v", c.lines, got, c.want)
		}
		for _, m := range r.Requirements {
			switch {
			case m.ID == "108/anti/mixing" && m.State != c.want:
				t.Errorf("%q: its requirement is %v, want %v", c.lines, m.State, c.want)
			case len(m.Rules) == 0 && m.State != policy.NotChecked:
				t.Errorf("%s, which no log can show, is %v", m.ID, m.State)
			}
		}
	}
}

// A catalogue documents an application's own types, and says which modify sensitive data.
func TestCatalogue(t *testing.T) {
	types, err := event.LoadCatalogue([]byte(`{"schema":"stet.catalogue/1","types":[{"name":"order_failed","severity":3},{"name":"job_succeeded","severity":6,"modifies":true}]}`))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Join([]string{`{"event_type":"order_failed"}`, `{"event_type":"else"}`,
		jobEvent("2026-01-13T10:00:00Z", "job_started", "}"), jobEvent("2026-01-13T10:00:01Z", "job_succeeded", "}")}, "\n")
	r := lint(policy.Options{Map: ownNames(), Catalogue: types}, lines)
	for rule, want := range map[string]string{"documented-type": "3/1/0", "before-after": "0/1/0"} {
		i := slices.IndexFunc(r.Rules, func(x policy.Result) bool { return x.ID == rule })
		if got := fmt.Sprintf("%d/%d/%d", r.Rules[i].Pass, r.Rules[i].Fail, r.Rules[i].NotChecked); got != want {
			t.Errorf("%s: %s, want %s: %v", rule, got, want, r.Rules[i].Findings)
		}
	}
}
