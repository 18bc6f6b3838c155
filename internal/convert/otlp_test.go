package convert_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
)

func str(s string) *commonpb.AnyValue {
	return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: s}}
}

func marshal(t testing.TB, records ...*logspb.LogRecord) []byte {
	t.Helper()
	b, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{
		Resource:  &resourcepb.Resource{Attributes: []*commonpb.KeyValue{{Key: "service.name", Value: str("shop")}}},
		ScopeLogs: []*logspb.ScopeLogs{{Scope: &commonpb.InstrumentationScope{Name: "orders", Version: "2"}, LogRecords: records}},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func saidBy(r convert.Record) map[string]string {
	all := map[string]string{}
	for _, l := range r.Leaves {
		all[l.Key] = l.Text
	}
	return all
}

// A record says the same in protobuf and in JSON.
func TestOTLPInBothEncodings(t *testing.T) {
	list := &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{
		{Value: &commonpb.AnyValue_IntValue{IntValue: -7}}, {Value: &commonpb.AnyValue_BoolValue{BoolValue: true}}, {Value: &commonpb.AnyValue_DoubleValue{DoubleValue: 0.5}},
	}}}}
	object := &commonpb.AnyValue{Value: &commonpb.AnyValue_KvlistValue{KvlistValue: &commonpb.KeyValueList{Values: []*commonpb.KeyValue{{Key: "deep", Value: str("down")}}}}}
	fromProto, err := convert.ReadOTLPProto(marshal(t, &logspb.LogRecord{TimeUnixNano: 1772366400000000001, ObservedTimeUnixNano: 1772366400000000002,
		SeverityNumber: 9, SeverityText: "INFO", EventName: "user.created", TraceId: []byte{0xab, 15: 1}, SpanId: []byte{0xcd, 7: 2}, Flags: 1, Body: str("a user"),
		Attributes: []*commonpb.KeyValue{{Key: "list", Value: list}, {Key: "object", Value: object},
			{Key: "bytes", Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_BytesValue{BytesValue: []byte("abc")}}}, {Key: "none"}}}))
	if err != nil || len(fromProto) != 1 || fromProto[0].Err != nil {
		t.Fatalf("%v %+v", err, fromProto)
	}
	fromJSON, err := convert.ReadOTLPJSON([]byte(`{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}}]},"scopeLogs":[{"scope":{"name":"orders","version":"2"},
"logRecords":[{"timeUnixNano":"1772366400000000001","observedTimeUnixNano":"1772366400000000002","severityNumber":9,"severityText":"INFO","eventName":"user.created",
"traceId":"ab000000000000000000000000000001","spanId":"cd00000000000002","flags":1,"body":{"stringValue":"a user"},"attributes":[
{"key":"list","value":{"arrayValue":{"values":[{"intValue":"-7"},{"boolValue":true},{"doubleValue":0.5}]}}},
{"key":"object","value":{"kvlistValue":{"values":[{"key":"deep","value":{"stringValue":"down"}}]}}},
{"key":"bytes","value":{"bytesValue":"YWJj"}},{"key":"none","value":null}]}]}]}]}`))
	if err != nil || len(fromJSON) != 1 || fromJSON[0].Err != nil {
		t.Fatalf("%v %+v", err, fromJSON)
	}
	if d := cmp.Diff(saidBy(fromProto[0].Record), saidBy(fromJSON[0].Record)); d != "" {
		t.Error(d)
	}
	if got := saidBy(fromProto[0].Record); got["attributes.object.deep"] != "down" || got["resource.attributes.service.name"] != "shop" || got["traceId"] != "ab000000000000000000000000000001" {
		t.Errorf("%v", got)
	}
}

// One record that cannot be read costs no other; what would cost too much memory is refused before it does.
func TestOTLPIsBounded(t *testing.T) {
	deep := str("x")
	for range 100 {
		deep = &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{deep}}}}
	}
	many := make([]*commonpb.KeyValue, 5000)
	for i := range many {
		many[i] = &commonpb.KeyValue{}
	}
	notText, err := proto.Marshal(&logspb.LogRecord{EventName: "XX"})
	if err != nil {
		t.Fatal(err)
	}
	notText = []byte(strings.ReplaceAll(string(notText), "XX", "\xff\xfe"))
	wrapped := marshal(t, &logspb.LogRecord{EventName: "good"}, &logspb.LogRecord{Body: deep}, &logspb.LogRecord{Attributes: many},
		&logspb.LogRecord{Attributes: []*commonpb.KeyValue{{Key: strings.Repeat("k", 600), Value: str("v")}}})
	scope := protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), notText)
	wrapped = protowire.AppendBytes(protowire.AppendTag(wrapped, 1, protowire.BytesType), protowire.AppendBytes(protowire.AppendTag(nil, 2, protowire.BytesType), scope))
	got, err := convert.ReadOTLPProto(wrapped)
	if err != nil {
		t.Fatal(err)
	}
	want := []error{nil, event.ErrDepth, event.ErrItems, event.ErrKeys, event.ErrSyntax}
	if len(got) != len(want) {
		t.Fatalf("%d records", len(got))
	}
	for i, e := range got {
		if !errors.Is(e.Err, want[i]) {
			t.Errorf("record %d: %v, want %v", i, e.Err, want[i])
		}
	}
	if _, err := convert.ReadOTLPProto(marshal(t, make([]*logspb.LogRecord, convert.MaxOTLPRecords+1)...)); !errors.Is(err, event.ErrItems) {
		t.Errorf("too many records: %v", err)
	}
	for _, body := range []string{`{"resourceLogs":[`, `[]`, `{"resourceLogs":[],"resourceLogs":[]}`, `{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.Repeat("[", 64)} {
		if _, err := convert.ReadOTLPJSON([]byte(body)); err == nil {
			t.Errorf("%.40s is taken", body)
		}
	}
}

// FuzzOTLP reads both encodings of anything.
func FuzzOTLP(f *testing.F) {
	f.Add(marshal(f, &logspb.LogRecord{EventName: "user.created", Body: str("x"), Attributes: []*commonpb.KeyValue{{Key: "a", Value: str("b")}}}))
	f.Add([]byte(`{"resourceLogs":[{"resource":{"attributes":[{"key":"a","value":{"stringValue":"b"}}]},"scopeLogs":[{"logRecords":[{"body":{"kvlistValue":{"values":[]}}}]}]}]}`))
	f.Add([]byte("\x0a\x04\x12\x02\x12\x00"))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []func([]byte) ([]convert.Element, error){convert.ReadOTLPProto, convert.ReadOTLPJSON} {
			all, err := read(body)
			var why *convert.LineError
			if err != nil && !errors.As(err, &why) {
				t.Fatalf("%v is no LineError", err)
			}
			for _, e := range all {
				if e.Err != nil && !errors.As(e.Err, &why) {
					t.Errorf("%v is no LineError", e.Err)
				}
				if len(e.Leaves) > 3*convert.MaxLineLeaves {
					t.Errorf("%d leaves", len(e.Leaves))
				}
			}
		}
	})
}
