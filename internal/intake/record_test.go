package intake

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/wire"
)

var otlp = Source{Kind: OTLP, Map: convert.OTLPMap(), Retries: true}

// record is an OTLP log record in JSON, by its members and its resource's service.name.
func record(t testing.TB, service, members string) Record {
	t.Helper()
	resource := ""
	if service != "" {
		resource = `"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"` + service + `"}}]},`
	}
	all, err := convert.ReadOTLPJSON([]byte(`{"resourceLogs":[{` + resource + `"scopeLogs":[{"logRecords":[` + members + `]}]}]}`))
	if err != nil || len(all) != 1 {
		t.Fatalf("%s: %v", members, err)
	}
	return Record{Fields: all[0].Record, Err: all[0].Err}
}

func attribute(key, value string) string {
	return fmt.Sprintf(`{"key":%q,"value":{"stringValue":%q}}`, key, value)
}

func attributes(pairs ...string) string {
	var all []string
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, attribute(pairs[i], pairs[i+1]))
	}
	return `"attributes":[` + strings.Join(all, ",") + `]`
}

// taken has one record taken, and returns its event.
func taken(t *testing.T, r Record) *event.Event {
	t.Helper()
	log := &memoryLog{}
	verdicts, err := testDoor(log).TakeRecords(t.Context(), billing(), otlp, []Record{r})
	if err != nil || verdicts[0].Status != Accepted {
		t.Fatalf("%v %+v", err, verdicts)
	}
	return log.calls[0].events[0]
}

// What a record says is in its event's fields; what it does not say is not provided; its own time is the event's; and its original is
// there, under its own names, with its digest.
func TestRecordBecomesAnEvent(t *testing.T) {
	r := record(t, "billing", `{"timeUnixNano":"1772366400000000001","observedTimeUnixNano":"1772366401000000000","severityNumber":17,"eventName":"user.created",
"traceId":"ab000000000000000000000000000001","spanId":"cd00000000000002","body":{"stringValue":"user 7 was created"},`+
		attributes("user.id", "u-7", "client.address", "192.0.2.7", "http.request.method", "POST", "url.path", "/users", "colour", "red", "db.password", "hunter2")+`}`)
	e := taken(t, r)
	severity := event.SeverityError
	want := &event.Event{
		EventID: e.EventID, EventTime: time.Unix(0, 1772366400000000001).UTC(), InteractionID: "ab000000000000000000000000000001", AppID: "billing",
		EntryPoint: &event.EntryPoint{Kind: "http", Name: "/users", Method: "POST"}, UserID: "u-7", SourceIP: "192.0.2.7",
		EventType: "user_created", Severity: &severity, Description: "user 7 was created", TraceID: "ab000000000000000000000000000001", SpanID: "cd00000000000002",
		Absent:  map[string]string{"host": event.AbsentNotProvided, "principal": event.AbsentNotProvided, "app_version": event.AbsentNotProvided},
		Derived: map[string]string{"event_type": "the type that the record has in other words", "entry_point.kind": "it has a method"},
		Labels: map[string]string{"timeUnixNano": "1772366400000000001", "observedTimeUnixNano": "1772366401000000000", "severityNumber": "17", "eventName": "user.created",
			"traceId": "ab000000000000000000000000000001", "spanId": "cd00000000000002", "body": "user 7 was created", "attributes.user.id": "u-7", "attributes.client.address": "192.0.2.7",
			"attributes.http.request.method": "POST", "attributes.url.path": "/users", "attributes.colour": "red", "attributes.db.password": "hunter2", "resource.attributes.service.name": "billing"},
		References: e.References,
	}
	if d := cmp.Diff(want, e); d != "" {
		t.Error(d)
	}
	if sum, ok := foreign.Last(e); !ok || sum != r.sum() || !strings.Contains(e.References[0].Value, "timestamp 2026-03-01T12:00:01") {
		t.Errorf("references %+v", e.References)
	}
	written := *e
	written.Timestamp, written.StreamID, written.StreamSeq, written.Clock = doorTime, e.EventID, 1, &event.Clock{Confidence: "unknown"}
	b, err := (&event.Codec{}).Append(nil, &written)
	if err != nil || strings.Contains(string(b), "hunter2") {
		t.Errorf("%v: a password stands in %s", err, b)
	}
}

// Whatever a record says, if it is of a type of the catalogue its event is recorded: what the schema does not take is left out of the
// fields, and kept.
func TestWhatTheSchemaDoesNotTakeIsLeftOut(t *testing.T) {
	e := taken(t, record(t, "billing", `{"eventName":"job_started","severityNumber":1,"spanId":"cd00000000000002",`+
		attributes("source_ip", "nowhere", "job.id", "j-1", "job.run_id", "r-1", "why.trigger", "the moon", "principal.type", "wizard", "principal.id", "merlin", "host.port", "ninety",
			"trace_id", "not hex", "status", "perhaps", "entry_point.name", "main", "before.digest", "md5:1", "event_time", "yesterday")+`}`))
	if e.Job == nil || e.Job.ID != "j-1" || e.Job.RunID != "r-1" || e.SourceIP != "" || e.Why != nil || e.Status != "" || e.TraceID != "" || e.SpanID != "" {
		t.Errorf("%+v", e)
	}
	if e.Labels["attributes.source_ip"] != "nowhere" || e.Labels["attributes.principal.type"] != "wizard" || e.Absent["source_ip"] != event.AbsentNotProvided {
		t.Errorf("%v %v", e.Labels, e.Absent)
	}
	if e.Severity != nil {
		t.Errorf("its severity was lowered to %v", *e.Severity)
	}
	for _, name := range event.Builtin().Names() {
		typ, _ := event.Builtin().Lookup(name)
		verdicts, err := testDoor(&memoryLog{}).TakeRecords(t.Context(), billing(), otlp, []Record{record(t, "", `{"eventName":"`+name+`",`+attributes("job.id", "j", "corrects.event_id", idA)+`}`)})
		switch v := verdicts[0]; {
		case err != nil:
			t.Fatal(err)
		case typ.Reserved:
			if v.Code != string(wire.ReservedType) {
				t.Errorf("%s: %+v", name, v)
			}
		case v.Status != Accepted && name != "job_corrected":
			t.Errorf("%s: %+v", name, v)
		}
	}
}

// An original that is larger than an event can hold stands in it as far as it fits, without what is secret in it, and the event says so.
func TestLargeOriginals(t *testing.T) {
	const secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
	var pairs []string
	for i := range 200 {
		pairs = append(pairs, fmt.Sprintf("k%03d", i), "v")
	}
	many := taken(t, record(t, "billing", `{"eventName":"user_created",`+attributes(append(pairs, "late.password", "hunter2", "late", secret)...)+`}`))
	if rest := many.Labels[labelRest]; len(many.Labels) > event.MaxKeys || !strings.Contains(rest, `"attributes.k199":"v"`) || strings.Contains(rest, "hunter2") || strings.Contains(rest, secret) {
		t.Errorf("%d labels, and the rest is %s", len(many.Labels), rest)
	}
	for name, text := range map[string]string{"long": strings.Repeat("lorem ipsum ", 10_000), "escaped": strings.Repeat("\\\"\u0007\u202e", 3000), "secret at the cut": strings.Repeat("x", 6000) + strings.Repeat(" "+secret, 100)} {
		e := taken(t, record(t, "billing", `{"eventName":"user_created","body":{"stringValue":`+string(must(json.Marshal(text)))+`}}`))
		if rest := e.Labels[labelRest]; rest == "" || len(rest) > event.MaxLabelsBytes || strings.Contains(rest, "ghp_") || len(e.Sanitized) == 0 {
			t.Errorf("%s: %d bytes, sanitized %+v", name, len(rest), e.Sanitized)
		}
	}
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// Whose an event is, is the sender's to say as far as its token allows; else it is the token's.
func TestRecordsAreOfTheirSender(t *testing.T) {
	scoped := billing()
	scoped.Environment = "production"
	scoped.May = func(app, environment string) error {
		if app != "billing" || environment != "production" {
			return fmt.Errorf("not for %s %s", app, environment)
		}
		return nil
	}
	for name, c := range map[string]struct{ service, environment, app, derived string }{
		"its own":                {"billing", "production", "billing", ""},
		"another's":              {"payroll", "production", "billing", "app_id"},
		"another environment":    {"billing", "test", "billing", "environment"},
		"none":                   {"", "", "billing", ""},
		"letters of no name":     {"bill ing", "", "billing", "app_id"},
		"a secret":               {"ghp_abcdefghijklmnopqrstuvwxyz0123456789", "", "billing", "app_id"},
		"a long environment":     {"", strings.Repeat("e", 99), "billing", ""},
		"unlike an environment ": {"", "x y", "billing", "environment"},
	} {
		log := &memoryLog{}
		verdicts, err := testDoor(log).TakeRecords(t.Context(), scoped, otlp, []Record{record(t, c.service, `{"eventName":"user_created",`+attributes("environment", c.environment)+`}`)})
		if err != nil || verdicts[0].Status != Accepted {
			t.Errorf("%s: %v %+v", name, err, verdicts)
			continue
		}
		e := log.calls[0].events[0]
		if e.AppID != c.app || e.Environment != "production" || c.derived != "" && e.Derived[c.derived] == "" || strings.Contains(fmt.Sprint(e.Derived), "ghp_") {
			t.Errorf("%s: %q %q %v", name, e.AppID, e.Environment, e.Derived)
		}
	}
}

// A record that its source names comes once, whoever sends it again; the same name with something else in it is refused.
func TestRecordsAgain(t *testing.T) {
	log := &memoryLog{}
	d := testDoor(log)
	named := func(id, members string) Record {
		r := record(t, "billing", members)
		r.ID = id
		return r
	}
	a, other := named("a", `{"timeUnixNano":"1772366400000000001","eventName":"user_created"}`), named("a", `{"timeUnixNano":"1772366400000000001","eventName":"user_deleted"}`)
	nameless := record(t, "billing", `{"eventName":"user_created"}`)
	got, err := d.TakeRecords(t.Context(), billing(), otlp, []Record{a, a, other, nameless, nameless})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, v := range got {
		all = append(all, v.Status+v.Code)
	}
	if d := cmp.Diff([]string{Accepted, Again, Refused + string(wire.EventConflict), Accepted, Accepted}, all); d != "" {
		t.Error(d)
	}
	if e := log.calls[0].events[0]; e.EventID.Time().UnixMilli() != 1772366400000 || !e.EventID.IsV7() {
		t.Errorf("its id is %v", e.EventID)
	}
}

// An event of our own in another's wrapping is that event, with its id and the place that it had.
func TestNativeRecords(t *testing.T) {
	const native = `{"schema":"stet.event/1","event_id":"` + idA + `","event_type":"user_created","stream_id":"` + idB + `","stream_seq":7,"timestamp":"2026-02-01T00:00:00.000000000Z"}`
	e := taken(t, Record{Native: []byte(native)})
	if e.EventID.String() != idA || !strings.Contains(e.References[0].Value, "stream "+idB+" seq 7") || len(e.Labels) > 0 {
		t.Errorf("%+v", e)
	}
}

// Noise is counted and not stored, what is refused is kept without its secrets, and one event a source and hour says so; also after
// another process has begun.
func TestWhatIsNotStored(t *testing.T) {
	const secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
	disk := fsxtest.New()
	now := doorTime
	var said []*event.Event
	counts := map[string]int{}
	log := &memoryLog{}
	o := Options{Log: log, Now: func() time.Time { return now }, Explain: func(context.Context, error) wire.Problem { return wire.NewProblem(wire.Internal, "") }, FS: disk,
		Record: func(_ context.Context, events ...*event.Event) ([]uint64, error) {
			said = append(said, events...)
			return nil, nil
		}, Count: func(kind Kind, status string) { counts[string(kind)+" "+status]++ }}
	d := New(o)
	records := []Record{
		record(t, "billing", `{"eventName":"cache.`+secret+`"}`), record(t, "billing", `{"severityText":"DEBUG","body":{"stringValue":"x"}}`), record(t, "billing", `{}`),
		record(t, "billing", `{"eventName":"job_lost","body":{"stringValue":"`+secret+`"},`+attributes("password", "hunter2")+`}`),
		{Raw: []byte("not to be read: " + secret), Err: &event.Error{Code: string(event.ErrSyntax), Detail: "is nothing"}},
		record(t, "billing", `{"eventName":"user_created"}`),
	}
	for range 3 {
		if _, err := d.TakeRecords(t.Context(), billing(), otlp, records); err != nil {
			t.Fatal(err)
		}
	}
	d.round(t.Context())
	if len(said) != 0 || len(log.calls) != 3 {
		t.Errorf("%d events within the hour, %d records stored", len(said), len(log.calls))
	}
	if d := cmp.Diff(map[string]int{"otlp accepted": 3, "otlp ignored": 9, "otlp refused": 6}, counts); d != "" {
		t.Error(d)
	}
	now = now.Add(time.Hour)
	d = New(o) // another process
	d.round(t.Context())
	d.round(t.Context())
	if len(said) != 1 {
		t.Fatalf("%d events", len(said))
	}
	e := said[0]
	if d := cmp.Diff(map[string]int64{"ignored.cache__redacted_github_": 3, "ignored.debug": 3, "ignored.unknown": 3, "refused.reserved_type": 3, "refused.syntax": 3}, e.Impact.Counts); d != "" {
		t.Error(d)
	}
	if e.EventType != TypeNotStored || e.Object.ID != "otlp ci" || e.Labels["sender"] != "ci" || e.Description != "15 records of otlp ci were not stored" || e.Repeat.Count != 15 || *e.Severity != event.SeverityWarning {
		t.Errorf("%+v", e)
	}
	kept := string(must(fsx.ReadFile(disk, spool.QuarantineDir+"/intake-000001.jsonl", 1<<20)))
	if strings.Count(kept, "\n") != 6 || strings.Contains(kept, "hunter2") || strings.Contains(kept, secret) || !strings.Contains(kept, `"code":"reserved_type"`) || !strings.Contains(kept, `"eventName":"job_lost"`) {
		t.Errorf("kept: %s", kept)
	}
	for line := range strings.Lines(kept) {
		if !json.Valid([]byte(line)) {
			t.Errorf("no JSON: %s", line)
		}
	}
}

// Sources, kinds and what is kept are bounded.
func TestIntakeIsBounded(t *testing.T) {
	d := New(Options{Log: &memoryLog{}, Now: func() time.Time { return doorTime }, FS: fsxtest.New()})
	for i := range 1000 {
		d.tally.add(source{OTLP, fmt.Sprint(i)}, "ignored.x", doorTime)
		d.tally.add(source{OTLP, "0"}, fmt.Sprint(i), doorTime)
	}
	hours := d.tally.over(doorTime.Add(time.Hour))
	var n int64
	for _, h := range hours {
		n += h.sum()
		if len(h.Counts) > maxKinds+1 {
			t.Errorf("%d kinds of %v", len(h.Counts), h.Source)
		}
	}
	if len(hours) > maxSources+1 || n != 2000 {
		t.Errorf("%d sources, %d records", len(hours), n)
	}
	big := kept{Text: strings.Repeat("x", keptRecord)}
	for {
		n, err := d.kept.add([]kept{big, big, big, big, big, big, big, big})
		if err != nil {
			if n == 8 {
				t.Error("all is kept, and there is an error")
			}
			break
		}
	}
	files, bytes, err := spool.Quarantined(d.o.FS, spool.Dir)
	if err != nil || files > MaxKeptFiles || bytes > MaxKeptBytes || bytes < MaxKeptBytes-2*keptFile {
		t.Errorf("%d files, %d bytes: %v", files, bytes, err)
	}
}

// What passes is for a source that tries again to try again: nothing of it is counted or kept.
func TestWhatPassesIsSentAgain(t *testing.T) {
	busy := billing()
	busy.May = func(string, string) error { return &event.Error{Code: string(wire.RateLimited)} }
	d := testDoor(&memoryLog{})
	_, err := d.TakeRecords(t.Context(), busy, otlp, []Record{record(t, "billing", `{"eventName":"user_created"}`), record(t, "billing", `{}`)})
	var p *wire.Problem
	if p, _ = err.(*wire.Problem); p == nil || p.Code != wire.RateLimited || len(d.tally.hours) > 0 { //nolint:errorlint // it is this one
		t.Errorf("%v, %d counted", err, len(d.tally.hours))
	}
	if v, err := d.TakeRecords(t.Context(), busy, Source{Kind: Syslog, Map: otlp.Map}, []Record{record(t, "billing", `{"eventName":"user_created"}`)}); err != nil || v[0].Code != string(wire.RateLimited) || len(d.tally.hours) != 1 {
		t.Errorf("%v %+v", err, v)
	}
}
