package convert

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"strconv"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/stetlog/stet/event"
)

// otlpScope is the name of the instrumentation scope.
const otlpScope = "github.com/stetlog/stet"

// OTLPRequest is an ExportLogsServiceRequest of some rows, in protobuf: the body of POST /v1/logs with the media type
// application/x-protobuf. Rows that follow one another and come from one process share their resource.
func OTLPRequest(rows []*Row) ([]byte, error) {
	// The same in bytes as the ExportLogsServiceRequest, whose package would bring gRPC with it.
	var request logs.LogsData
	var last *logs.ResourceLogs
	for _, r := range rows {
		of := r.otlpResource()
		if last == nil || !proto.Equal(last.Resource, of) {
			last = &logs.ResourceLogs{Resource: of, ScopeLogs: []*logs.ScopeLogs{{Scope: &common.InstrumentationScope{Name: otlpScope}}}}
			request.ResourceLogs = append(request.ResourceLogs, last)
		}
		last.ScopeLogs[0].LogRecords = append(last.ScopeLogs[0].LogRecords, r.otlpRecord())
	}
	b, err := proto.Marshal(&request)
	if err != nil {
		return nil, fmt.Errorf("otlp: %w", err)
	}
	return b, nil
}

func (r *Row) otlpResource() *resource.Resource {
	e := r.event
	return &resource.Resource{Attributes: pairs{}.
		text("service.name", cmp.Or(e.AppID, "stet")).
		text("service.version", e.AppVersion).
		text("service.instance.id", cmp.Or(r.host().InstanceID, uuid(e.StreamID))).
		text("host.name", r.host().Name).
		text("deployment.environment.name", e.Environment)}
}

func (r *Row) otlpRecord() *logs.LogRecord {
	e := r.event
	c := readLocation(e.CodeLocation)
	attributes := pairs{}.
		number("audit.seq", int64(r.Seq)).
		text("log.record.uid", uuid(e.EventID)).
		text("user.id", e.UserID).
		text("client.address", e.SourceIP).
		text("code.file.path", c.file)
	if c.line > 0 {
		attributes = attributes.number("code.line.number", c.line)
	}
	attributes = attributes.text("code.function.name", c.function)
	r.each(OTLP, func(name, value string) { attributes = attributes.text("audit."+name, value) })
	body := r.entry.Event
	if !r.IsEvent() {
		body = r.raw
	}
	record := &logs.LogRecord{
		TimeUnixNano: nanoseconds(r.happened()), ObservedTimeUnixNano: nanoseconds(e.Timestamp),
		SeverityNumber: logs.SeverityNumber(r.otelSeverity()), SeverityText: event.Severity(r.severity()).String(),
		EventName: e.EventType, Body: stringValue(string(body)), Attributes: attributes,
	}
	// Ids are checked to be hexadecimal.
	record.TraceId, _ = hex.DecodeString(e.TraceID)
	record.SpanId, _ = hex.DecodeString(e.SpanID)
	if flags, err := strconv.ParseUint(e.TraceFlags, 16, 8); err == nil {
		record.Flags = uint32(flags)
	}
	return record
}

// nanoseconds is a time since 1970, or 0 for not known where it does not fit: before 1970 and after 2262. It stands in
// audit.timestamp and audit.event_time all the same.
func nanoseconds(t time.Time) uint64 {
	if y := t.UTC().Year(); y < 1970 || y > 2261 {
		return 0
	}
	return uint64(t.UnixNano())
}

// pairs are attributes; those of which there is nothing to say are left out.
type pairs []*common.KeyValue

func (p pairs) text(key, value string) pairs {
	if value == "" {
		return p
	}
	return append(p, &common.KeyValue{Key: key, Value: stringValue(value)})
}

func (p pairs) number(key string, n int64) pairs {
	return append(p, &common.KeyValue{Key: key, Value: &common.AnyValue{Value: &common.AnyValue_IntValue{IntValue: n}}})
}

func stringValue(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

// appendOTLP appends a request of one row in OTLP's JSON, in which, other than protobuf's own, ids are hexadecimal.
func appendOTLP(dst []byte, r *Row) []byte {
	record := r.otlpRecord()
	w := &jsonWriter{b: append(dst, `{"resourceLogs":[`...)}
	w.begin("")
	w.begin("resource")
	w.attributes(r.otlpResource().Attributes)
	w.end()
	w.name("scopeLogs")
	w.b = append(w.b, `[{"scope":{"name":"`+otlpScope+`"},"logRecords":[`...)
	w.begin("")
	w.text("timeUnixNano", strconv.FormatUint(record.TimeUnixNano, 10))
	w.text("observedTimeUnixNano", strconv.FormatUint(record.ObservedTimeUnixNano, 10))
	w.int("severityNumber", int64(record.SeverityNumber))
	w.text("severityText", record.SeverityText)
	w.text("eventName", record.EventName)
	w.name("body")
	w.value(record.Body)
	w.attributes(record.Attributes)
	w.text("traceId", hex.EncodeToString(record.TraceId))
	w.text("spanId", hex.EncodeToString(record.SpanId))
	w.some("flags", int64(record.Flags))
	w.end()
	w.b = append(w.b, `]}]`...)
	w.end()
	return append(w.b, `]}`...)
}

func (w *jsonWriter) attributes(all []*common.KeyValue) {
	w.name("attributes")
	w.b = append(w.b, '[')
	for i, a := range all {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.begin("")
		w.text("key", a.Key)
		w.name("value")
		w.value(a.Value)
		w.end()
	}
	w.b = append(w.b, ']')
}

// value writes a text or a number: rows have no others.
func (w *jsonWriter) value(v *common.AnyValue) {
	w.begin("")
	if s, ok := v.GetValue().(*common.AnyValue_StringValue); ok {
		w.name("stringValue")
		w.b = appendQuoted(w.b, s.StringValue)
	} else {
		w.text("intValue", strconv.FormatInt(v.GetIntValue(), 10))
	}
	w.end()
}
