package formats_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	"github.com/leodido/go-syslog/v4/rfc5424"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/proof"
)

// others are rows of every kind: those that are kept as fixtures, stubs and seals among them, and an event whose identities are
// pseudonyms.
func others(t *testing.T) []*convert.Row {
	t.Helper()
	file, err := os.ReadFile(filepath.Join("..", "..", "internal", "convert", "testdata", "formats", "entries.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(file), []byte("\n"))
	b, err := (&event.Codec{IdentityKey: bytes.Repeat([]byte{7}, 32)}).Append(nil, base("authn_login_fail", 0))
	if err != nil {
		t.Fatal(err)
	}
	lines = append(lines, proof.Entry{Seq: 999, ReceivedAt: proof.FormatTime(at), Via: proof.Via{Kind: proof.ViaSpool}.Append(nil), Event: b}.Append(nil))
	var all []*convert.Row
	for _, line := range lines {
		r, err := convert.NewRow(line, "")
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// TestOtherRows: each row is read by all, with its seq and hash; what is no event says what it is, and breaks no schema.
func TestOtherRows(t *testing.T) {
	schema := readOCSFSchema(t)
	types := map[string]bool{}
	for _, r := range others(t) {
		hash := "sha256:" + r.Hash.Hex()
		seq := strconv.FormatUint(r.Seq, 10)

		m, err := rfc5424.NewParser().Parse(convert.Syslog.Append(nil, r))
		if err != nil {
			t.Fatalf("seq %d: %v", r.Seq, err)
		}
		ours := (*m.(*rfc5424.SyslogMessage).StructuredData)[convert.SyslogID]
		types[ours["event_type"]] = true
		if ours["seq"] != seq || ours["entry_hash"] != hash {
			t.Errorf("syslog, seq %d: %v", r.Seq, ours)
		}

		var ce cloudevents.Event
		if err := ce.UnmarshalJSON(convert.CloudEvents.Append(nil, r)); err != nil || ce.Validate() != nil {
			t.Fatalf("CloudEvents, seq %d: %v %v", r.Seq, err, ce.Validate())
		}
		if ce.Extensions()["entryhash"] != hash || ce.Extensions()["sequence"] != zeros(r.Seq) || ce.Type() != convert.CloudEventsType+ours["event_type"] {
			t.Errorf("CloudEvents, seq %d: %v", r.Seq, ce)
		}

		logs, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(convert.OTLP.Append(nil, r))
		if err != nil {
			t.Fatal(err)
		}
		record := logs.ResourceLogs().At(0).ScopeLogs().At(0).LogRecords().At(0)
		if got := attributes(record.Attributes()); got["audit.seq"] != seq || got["audit.entry_hash"] != hash || record.EventName() != ours["event_type"] {
			t.Errorf("OTLP, seq %d: %v", r.Seq, got)
		}

		var o map[string]any
		if err := json.Unmarshal(convert.OCSF.Append(nil, r), &o); err != nil {
			t.Fatal(err)
		}
		class := map[any]string{0.0: "base_event", 1006.0: "scheduled_job_activity", 3002.0: "authentication"}[o["class_uid"]]
		if faults := schema.faults(schema.Classes[class], o, o["metadata"].(map[string]any)["profiles"].([]any), ""); class == "" || len(faults) > 0 {
			t.Errorf("OCSF, seq %d, class %v: %s", r.Seq, o["class_uid"], strings.Join(faults, "; "))
		}
		if within(o, "metadata", "sequence") != float64(r.Seq) {
			t.Errorf("OCSF, seq %d: %v", r.Seq, o)
		}
	}
	for _, typ := range []string{convert.RowLost, convert.RowRefused, convert.RowSeal, "job_started", "authn_login_fail"} {
		if !types[typ] {
			t.Errorf("no row says %s", typ)
		}
	}
}

// TestPseudonyms: where a format has place for an address alone, a pseudonym of one stands elsewhere.
func TestPseudonyms(t *testing.T) {
	all := others(t)
	r := all[len(all)-1]
	line := string(convert.CEF.Append(nil, r))
	if strings.Contains(line, " src=") || strings.Contains(line, " c6a2=") || !strings.Contains(line, " flexString2=hmac-sha256:") {
		t.Error(line)
	}
	for format, path := range map[convert.Format][2]string{convert.ECS: {"source", "address"}, convert.OCSF: {"src_endpoint", "uid"}} {
		var o map[string]any
		if err := json.Unmarshal(format.Append(nil, r), &o); err != nil {
			t.Fatal(err)
		}
		if v, _ := within(o, path[:]...).(string); !strings.HasPrefix(v, "hmac-sha256:") || within(o, path[0], "ip") != nil {
			t.Errorf("%v: %v", format, o[path[0]])
		}
	}
}
