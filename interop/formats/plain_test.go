package formats_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/convert"
)

// TestCSV reads the table. A cell that would be a formula has an apostrophe before it, and nothing else is changed.
func TestCSV(t *testing.T) {
	all := samples(t)
	file := convert.CSV.Head(nil)
	for _, s := range all {
		file = convert.CSV.AppendLine(file, s.row)
	}
	rows, err := csv.NewReader(bytes.NewReader(file)).ReadAll()
	if err != nil || len(rows) != len(all)+1 {
		t.Fatalf("%d rows: %v", len(rows), err)
	}
	if lines := bytes.Count(file, []byte("\n")); lines != len(rows) {
		t.Fatalf("%d lines for %d rows", lines, len(rows))
	}
	for i, s := range all {
		texts := s.texts()
		texts["description"], texts["event"] = s.Description, string(s.bytes)
		want, got := map[string]string{}, map[string]string{}
		for k, name := range rows[0] {
			v := texts[name]
			if v != "" && strings.ContainsAny(v[:1], "=+-@\t\r") || strings.HasPrefix(v, "＝") || strings.HasPrefix(v, "＋") || strings.HasPrefix(v, "－") || strings.HasPrefix(v, "＠") {
				v = "'" + v
			}
			want[name], got[name] = v, rows[i+1][k]
		}
		same(t, s, "row", want, got)
	}
}

// TestJSONLines computes each entry's hash from the bytes that stand in its line.
func TestJSONLines(t *testing.T) {
	for _, s := range samples(t) {
		var line struct {
			Seq       uint64
			EntryHash string `json:"entry_hash"`
			Entry     json.RawMessage
		}
		if err := json.Unmarshal(convert.JSONLines.Append(nil, s.row), &line); err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(append([]byte{0}, line.Entry...))
		if line.Seq != s.seq || line.EntryHash != s.hash || line.EntryHash != "sha256:"+hex.EncodeToString(sum[:]) || !bytes.Equal(line.Entry, s.raw) {
			t.Fatalf("seq %d: %s", s.seq, line.Entry)
		}
	}
}

func TestECS(t *testing.T) {
	for _, s := range samples(t) {
		var o map[string]any
		if err := json.Unmarshal(convert.ECS.Append(nil, s.row), &o); err != nil {
			t.Fatalf("seq %d: %v", s.seq, err)
		}
		got := map[string]string{}
		if below, ok := o["stet"].(map[string]any); ok {
			for name, v := range below {
				got[name] = v.(string)
			}
		}
		for name, path := range map[string]string{
			"description": "message", "event_id": "event.id", "event_type": "event.action", "event_code": "event.code", "status_reason": "event.reason", "event_time": "@timestamp",
			"timestamp": "event.created", "received_at": "event.ingested", "entry_hash": "event.hash", "entry": "event.original", "user_id": "user.id", "source_ip": "source.ip",
			"app_id": "service.name", "app_version": "service.version", "environment": "service.environment", "host": "host.name", "hostname": "host.hostname", "instance_id": "host.id",
			"trace_id": "trace.id", "span_id": "span.id", "interaction_id": "labels.interaction_id", "team": "labels.team", "code_location": "log.origin.function", "level": "log.level",
			"user_agent": "user_agent.original",
		} {
			if v, ok := within(o, strings.Split(path, ".")...).(string); ok {
				got[name] = v
			}
		}
		if line, ok := within(o, "log", "origin", "file", "line").(float64); ok {
			got["code_location"] = within(o, "log", "origin", "file", "name").(string) + ":" + json.Number(jsonText(t, line)).String()
		}
		want := without(s.texts(), "seq", "severity", "source_port")
		for name, v := range some("description", s.Description, "entry", string(s.raw), "event_code", s.EventType, "hostname", s.Host.Name, "team", "payments",
			"level", s.Severity.String(), "user_agent", s.Source.UserAgent) {
			want[name] = v
		}
		same(t, s, "fields", want, got)
		same(t, s, "numbers", []any{float64(s.seq), float64(*s.Severity), float64(*s.Severity), 51000.0, []any{s.Host.IP}},
			[]any{within(o, "event", "sequence"), within(o, "event", "severity"), within(o, "log", "syslog", "severity", "code"), within(o, "source", "port"), within(o, "host", "ip")})
	}
}

func jsonText(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestOpenLineage: the beginning and the end of a run have an event, of one run id and one job, and nothing else has.
func TestOpenLineage(t *testing.T) {
	states := map[string]string{"job_started": "START", "job_succeeded": "COMPLETE", "job_failed": "FAIL", "job_aborted": "ABORT", "job_lost": "ABORT"}
	seen := map[string]int{}
	for _, s := range samples(t) {
		line := convert.OpenLineage.Append(nil, s.row)
		state := states[s.EventType]
		if state == "" || s.Job.RunID == "" {
			if len(line) > 0 {
				t.Fatalf("seq %d, %s: %s", s.seq, s.EventType, line)
			}
			continue
		}
		var o map[string]any
		if err := json.Unmarshal(line, &o); err != nil {
			t.Fatalf("seq %d: %v", s.seq, err)
		}
		seen[state]++
		facets := within(o, "run", "facets")
		same(t, s, "event", []any{state, "2026-01-02T03:02:35.678901234Z", s.Job.RunID, s.hash, float64(s.seq)},
			[]any{o["eventType"], o["eventTime"], within(facets, "stet", "run_id"), within(facets, "stet", "entry_hash"), within(facets, "stet", "seq")})
		name := s.Job.Name
		if name == "" {
			name = s.Job.ID
		}
		if name != "" {
			same(t, s, "job", any(name), within(o, "job", "name"))
		}
		for _, of := range []any{within(o, "run", "runId"), within(facets, "parent", "run", "runId")} {
			if id, ok := of.(string); ok && len(id) != 36 {
				t.Fatalf("seq %d: %s is no UUID", s.seq, id)
			}
		}
	}
	if len(seen) != 4 {
		t.Errorf("%v", seen)
	}
}
