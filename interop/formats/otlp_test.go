package formats_test

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"go.opentelemetry.io/collector/pdata/pcommon"
	"go.opentelemetry.io/collector/pdata/plog"

	"github.com/stetlog/stet/internal/convert"
)

// TestOTLP reads each row as a line of JSON, and all in one request of protobuf.
func TestOTLP(t *testing.T) {
	all := samples(t)
	rows := make([]*convert.Row, len(all))
	for i, s := range all {
		rows[i] = s.row
		logs, err := (&plog.JSONUnmarshaler{}).UnmarshalLogs(convert.OTLP.Append(nil, s.row))
		if err != nil {
			t.Fatalf("seq %d: %v", s.seq, err)
		}
		if n := readLogs(t, all[i:i+1], logs); n != 1 {
			t.Fatalf("seq %d: %d records", s.seq, n)
		}
	}
	body, err := convert.OTLPRequest(rows)
	if err != nil {
		t.Fatal(err)
	}
	logs, err := (&plog.ProtoUnmarshaler{}).UnmarshalLogs(body)
	if err != nil {
		t.Fatal(err)
	}
	if n := readLogs(t, all, logs); n != len(all) {
		t.Fatalf("%d of %d records", n, len(all))
	}
}

func readLogs(t *testing.T, all []sample, logs plog.Logs) (n int) {
	t.Helper()
	for _, of := range logs.ResourceLogs().All() {
		for _, scope := range of.ScopeLogs().All() {
			for _, record := range scope.LogRecords().All() {
				readLog(t, all[n], of.Resource().Attributes(), record)
				n++
			}
		}
	}
	return n
}

func attributes(m pcommon.Map) map[string]string {
	out := map[string]string{}
	for k, v := range m.All() {
		out[k] = v.AsString()
	}
	return out
}

func readLog(t *testing.T, s sample, resource pcommon.Map, r plog.LogRecord) {
	t.Helper()
	instance := ""
	if instance = s.Host.InstanceID; instance == "" {
		instance = s.StreamID.String()
	}
	same(t, s, "resource", some("service.name", s.AppID, "service.version", s.AppVersion, "service.instance.id", instance, "host.name", s.Host.Name,
		"deployment.environment.name", s.Environment), attributes(resource))
	same(t, s, "times", []time.Time{at.Add(-90 * time.Second), at}, []time.Time{r.Timestamp().AsTime(), r.ObservedTimestamp().AsTime()})
	same(t, s, "record", []string{strconv.Itoa(severities[*s.Severity].otel), s.Severity.String(), s.EventType, s.TraceID, s.SpanID, "1"},
		[]string{strconv.Itoa(int(r.SeverityNumber())), r.SeverityText(), r.EventName(), r.TraceID().String(), r.SpanID().String(), fmt.Sprint(uint32(r.Flags()))})
	same(t, s, "body", string(s.bytes), r.Body().Str())
	want := map[string]string{"log.record.uid": s.EventID.String()}
	for name, value := range without(s.texts(), "event_id", "user_id", "source_ip", "code_location", "app_id", "app_version", "environment", "host", "instance_id", "event_type", "trace_id", "span_id") {
		want["audit."+name] = value
	}
	for name, value := range some("user.id", s.UserID, "client.address", s.SourceIP, "audit.description", s.Description) {
		want[name] = value
	}
	got := attributes(r.Attributes())
	code := got["code.function.name"]
	if line := got["code.line.number"]; line != "" {
		code = got["code.file.path"] + ":" + line
	}
	same(t, s, "code", s.CodeLocation, code)
	same(t, s, "attributes", want, without(got, "code.function.name", "code.line.number", "code.file.path"))
}
