package convert_test

import (
	"bytes"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/proof"
)

var update = flag.Bool("update", false, "write the fixtures of formats that do not exist yet")

var at = time.Date(2026, 1, 2, 3, 4, 5, 678901234, time.UTC)

// full is an event with every field that a format has a place for, and texts that mean something in one format or another.
func full() *event.Event {
	id := func(n byte) event.UUID { return event.NewUUIDv7(at, [10]byte{n}) }
	severity := event.SeverityError
	n := int64(120)
	return &event.Event{
		EventID: id(1), Timestamp: at, EventTime: at.Add(-90 * time.Second), InteractionID: "018f2b1e-7c00-7000-8000-000000000001", CausationID: id(9),
		AppID: "billing", AppVersion: "1.4.2|rc=1", CodeLocation: "jobs/purge.go:42",
		EntryPoint: &event.EntryPoint{Kind: "http", Name: `https://x/?a=b|c\d`, Method: "POST"},
		Host:       &event.Host{Name: "db1.example.com", IP: "10.0.0.7", Port: 443, Cluster: "blue", InstanceID: "i-7"}, Environment: "production",
		Target: &event.Target{System: "orders", Environment: "staging"}, UserID: `alice "the [admin]" \o/`, SourceIP: "2001:db8::7",
		Source:    &event.Source{DeviceID: "d1", Port: 51000, UserAgent: "curl/8"},
		Principal: &event.Principal{Type: "user", ID: "alice", Roles: []string{"ops", "dba"}},
		EventType: "job_failed", Severity: &severity, Description: "line one\nline two \u202etxt.exe", Action: "delete", Object: &event.Object{Type: "table", ID: "=cmd|' /C calc'!A0"},
		Why: &event.Why{Trigger: "manual", Reason: "nightly, \"quoted\"", Reference: "CHG-7"}, Status: event.StatusFailure, StatusReason: " out = of \\ space ", StatusCode: "53100",
		Job: &event.Job{ID: "018f2b1e-7c00-7000-8000-000000000002", RunID: "018f2b1e-7c00-7000-8000-000000000003", Name: "nightly purge", Phase: "outcome", Attempt: 2,
			ParentID: "018f2b1e-7c00-7000-8000-000000000004", RootID: "018f2b1e-7c00-7000-8000-000000000005", ScheduledFor: at.Add(-time.Hour)},
		Before: &event.Snapshot{Digest: "sha256:" + strings.Repeat("ab", 32), Count: &n}, Impact: &event.Impact{Summary: "half", Counts: map[string]int64{"rows": 7}},
		Timing:   &event.Timing{StartedAt: at.Add(-time.Minute), EndedAt: at, DurationUS: &n},
		Corrects: &event.Corrects{EventID: id(8), Kind: "correction"}, StreamID: id(2), StreamSeq: 7, Clock: &event.Clock{Confidence: "high", MaxErrorUS: &n},
		TraceID: "0af7651916cd43dd8448eb211c80319c", SpanID: "b7ad6b7169203331", TraceFlags: "01", Labels: map[string]string{"team": "payments"},
		Absent: map[string]string{"after": event.AbsentUnavailable},
	}
}

// bare is an event with as little in it as can be.
func bare() *event.Event {
	absent := map[string]string{}
	for _, path := range []string{"app_version", "code_location", "entry_point", "host", "environment", "user_id", "source_ip", "principal", "clock"} {
		absent[path] = event.AbsentNotConfigured
	}
	return &event.Event{EventID: event.NewUUIDv7(at, [10]byte{3}), Timestamp: at, InteractionID: "i", AppID: "a", EventType: "authn_login_success",
		StreamID: event.NewUUIDv7(at, [10]byte{4}), StreamSeq: 1, Absent: absent}
}

// encoded is an event's bytes, as a recorder would make them.
func encoded(t testing.TB, e *event.Event) []byte {
	t.Helper()
	b, err := (&event.Codec{}).Append(nil, e)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// entries are an entry of each kind that a log has.
func entries(t testing.TB) [][]byte {
	t.Helper()
	v4 := full()
	v4.EventID, v4.SourceIP, v4.EventType, v4.Status, v4.StreamSeq = event.NewUUIDv7(at, [10]byte{5}), "192.0.2.7", "job_started", "", 6
	v4.Job.Phase, v4.Host.IP = "execution", "2001:db8::1"
	stream := event.NewUUIDv7(at, [10]byte{2}).String()
	secret, public, err := note.GenerateKey(bytes.NewReader(make([]byte, 64)), "stet-emitter/db1")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		t.Fatal(err)
	}
	seal, err := proof.SignSeal(proof.Seal{App: "billing", Environment: "production", Key: public, Stream: stream, First: 6, Count: 3, Clock: proof.Clock{State: proof.ClockUnknown}}, signer)
	if err != nil {
		t.Fatal(err)
	}
	list := []proof.Entry{
		{Event: encoded(t, v4)}, {Event: encoded(t, full())},
		{Stub: &proof.Stub{Stream: stream, First: 8, Last: 8, Code: proof.StubRefused, Leaf: proof.LeafHash([]byte("x")), Reason: "it is =too= long"}},
		{Seal: &proof.SealEntry{Note: seal}},
		{Event: encoded(t, bare())},
		{Stub: &proof.Stub{Stream: stream, First: 9, Last: 12, Code: proof.StubLost, Reason: `disk "a" ]failed\`}},
	}
	var out [][]byte
	for i, e := range list {
		e.Seq, e.ReceivedAt, e.Via = uint64(100+i), proof.FormatTime(at.Add(time.Second)), proof.Via{Kind: proof.ViaSpool}.Append(nil)
		out = append(out, e.Append(nil))
	}
	return out
}

// fixture returns a file that is kept for ever: it is written once, with -update.
func fixture(t testing.TB, name string, make func() []byte) []byte {
	t.Helper()
	path := filepath.Join("testdata", "formats", name)
	if _, err := os.Stat(path); *update && errors.Is(err, fs.ErrNotExist) {
		if err := os.WriteFile(path, make(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func rows(t testing.TB) (all []*convert.Row) {
	t.Helper()
	file := fixture(t, "entries.jsonl", func() []byte { return append(bytes.Join(entries(t), []byte("\n")), '\n') })
	for line := range bytes.Lines(file) {
		r, err := convert.NewRow(bytes.TrimSuffix(line, []byte("\n")), "stet-emitter/db1+00000000+AAAA")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// TestFixtures: what a format makes of a row stays what it is, since others have written parsers for it.
func TestFixtures(t *testing.T) {
	for _, name := range convert.Formats() {
		t.Run(name, func(t *testing.T) {
			f, ok := convert.ParseFormat(name)
			if !ok || f.String() != name {
				t.Fatalf("the format is called %v", f)
			}
			got := f.Head(nil)
			for _, r := range rows(t) {
				got = f.AppendLine(got, r)
			}
			if diff := cmp.Diff(string(fixture(t, name+".txt", func() []byte { return got })), string(got)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestEveryEntryIsARow: each seq comes out, with its entry hash, whatever stands there, and as one line.
func TestEveryEntryIsARow(t *testing.T) {
	for _, name := range convert.Formats() {
		f, _ := convert.ParseFormat(name)
		if f == convert.OpenLineage {
			continue // has no word for most rows
		}
		for _, r := range rows(t) {
			line := string(f.Append(nil, r))
			if !strings.Contains(line, r.Hash.Hex()) || strings.ContainsAny(line, "\r\n") {
				t.Errorf("%s, seq %d: %q", name, r.Seq, line)
			}
		}
	}
}

func TestSyslogFrame(t *testing.T) {
	if got := string(convert.SyslogFrame([]byte("x"), []byte("<110>1 \ufeffä"))); got != "x12 <110>1 \ufeffä" {
		t.Errorf("%q", got)
	}
}

// TestCells holds every beginning of a formula.
func TestCells(t *testing.T) {
	for _, s := range []string{"=1+2", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "＝1", "＋1", "－1", "＠a"} {
		if got := convert.Cell(s); got != "'"+s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
	for _, s := range []string{"", "alice", "1-2", "{\"a\":1}"} {
		if got := convert.Cell(s); got != s {
			t.Errorf("%q becomes %q", s, got)
		}
	}
}

func BenchmarkFormats(b *testing.B) {
	raw := entries(b)[1]
	for _, name := range convert.Formats() {
		f, _ := convert.ParseFormat(name)
		b.Run(name, func(b *testing.B) {
			var line []byte
			for b.Loop() {
				r, err := convert.NewRow(raw, "")
				if err != nil {
					b.Fatal(err)
				}
				line = f.AppendLine(line[:0], r)
			}
		})
	}
}
