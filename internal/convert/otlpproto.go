package convert

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/stetlog/stet/event"
)

// Limits of one request.
const (
	MaxOTLPRecords = 10_000
	MaxValues      = 1 << 19 // of all records together; those of a resource and a scope of OTLP count with each of theirs
)

// An Element is one of several records that came together.
type Element struct {
	Record
	Err error // why it cannot be read alone; a *LineError
}

// Numbers of fields in logs.proto.
const (
	fieldResourceLogs               = 1 // of LogsData, which is ExportLogsServiceRequest
	fieldResource, fieldScopeLogs   = 1, 2
	fieldScope, fieldLogRecord      = 1, 2
	messagesInAValue, depthOfAValue = 4, 3
)

// ReadOTLPProto reads an ExportLogsServiceRequest in protobuf: its log records, each with what its resource and scope say, under
// the paths that ReadLine gives those of OTLP/JSON. An error is about all of them, and a *LineError.
func ReadOTLPProto(body []byte) ([]Element, error) {
	o := otlpReader{}
	err := fields(body, func(n protowire.Number, resourceLogs []byte) error {
		if n != fieldResourceLogs {
			return nil
		}
		var outer Record
		err := fields(resourceLogs, func(n protowire.Number, b []byte) error {
			if n != fieldResource {
				return nil
			}
			var resource resourcepb.Resource
			if err := decode(b, &resource); err != nil {
				return err
			}
			return outer.attributes("resource.attributes", resource.GetAttributes(), 1)
		})
		if err != nil {
			return err
		}
		return fields(resourceLogs, func(n protowire.Number, scopeLogs []byte) error {
			if n != fieldScopeLogs {
				return nil
			}
			return o.scope(outer.Leaves, scopeLogs)
		})
	})
	return o.all, err
}

type otlpReader struct {
	all    []Element
	values int
}

// scope reads the records of one scope.
func (o *otlpReader) scope(resource []Leaf, scopeLogs []byte) error {
	var outer Record
	err := fields(scopeLogs, func(n protowire.Number, b []byte) error {
		if n != fieldScope {
			return nil
		}
		var scope commonpb.InstrumentationScope
		if err := decode(b, &scope); err != nil {
			return err
		}
		outer.text("scope.name", scope.GetName())
		outer.text("scope.version", scope.GetVersion())
		return outer.attributes("scope.attributes", scope.GetAttributes(), 1)
	})
	if err != nil {
		return err
	}
	return fields(scopeLogs, func(n protowire.Number, b []byte) error {
		if n != fieldLogRecord {
			return nil
		}
		var e Element
		var record logspb.LogRecord
		if e.Err = decode(b, &record); e.Err == nil {
			e.Err = e.record(&record)
		}
		e.Leaves = append(append(e.Leaves, resource...), outer.Leaves...)
		return o.add(e)
	})
}

// add takes a record in, within the bounds of a request.
func (o *otlpReader) add(e Element) error {
	if o.values += len(e.Leaves); o.values > MaxValues {
		return &LineError{event.ErrItems, fmt.Sprintf("has more than %d values", MaxValues)}
	}
	if len(o.all) >= MaxOTLPRecords {
		return &LineError{event.ErrItems, fmt.Sprintf("has more than %d records", MaxOTLPRecords)}
	}
	if e.Err != nil { // enough of it to know it again by
		e.Leaves = e.Leaves[:min(len(e.Leaves), 64)]
	}
	e.Record = newRecord(e.Leaves)
	o.all = append(o.all, e)
	return nil
}

// record appends what a log record says.
func (r *Record) record(l *logspb.LogRecord) error {
	for _, n := range []struct {
		key string
		n   uint64
	}{{"timeUnixNano", l.GetTimeUnixNano()}, {"observedTimeUnixNano", l.GetObservedTimeUnixNano()}, {"severityNumber", uint64(max(0, l.GetSeverityNumber()))},
		{"droppedAttributesCount", uint64(l.GetDroppedAttributesCount())}, {"flags", uint64(l.GetFlags())}} {
		if n.n != 0 {
			r.Leaves = append(r.Leaves, Leaf{Key: n.key, Kind: Number, Text: strconv.FormatUint(n.n, 10)})
		}
	}
	r.text("severityText", l.GetSeverityText())
	r.text("eventName", l.GetEventName())
	r.text("traceId", hex.EncodeToString(l.GetTraceId()))
	r.text("spanId", hex.EncodeToString(l.GetSpanId()))
	if l.GetBody() != nil {
		if err := r.any("body", l.GetBody(), 1); err != nil {
			return err
		}
	}
	return r.attributes("attributes", l.GetAttributes(), 1)
}

func (r *Record) text(key, v string) {
	if v != "" {
		r.Leaves = append(r.Leaves, Leaf{Key: key, Text: v, Raw: hidden([]byte(v))})
	}
}

func (r *Record) attributes(path string, all []*commonpb.KeyValue, depth int) error {
	for _, a := range all {
		if err := r.any(join(path, a.GetKey()), a.GetValue(), depth+1); err != nil {
			return err
		}
	}
	return nil
}

// any appends the leaves of a value, as flatten does those of a node.
func (r *Record) any(path string, v *commonpb.AnyValue, depth int) error {
	switch {
	case depth > MaxLineDepth:
		return errDepth()
	case len(path) > MaxLineKey:
		return errKey()
	case len(r.Leaves) >= MaxLineLeaves:
		return errManyValues()
	}
	leaf := Leaf{Key: path}
	switch v := v.GetValue().(type) {
	case *commonpb.AnyValue_StringValue:
		leaf.Text, leaf.Raw = v.StringValue, hidden([]byte(v.StringValue))
	case *commonpb.AnyValue_BoolValue:
		leaf.Kind, leaf.Text = Bool, strconv.FormatBool(v.BoolValue)
	case *commonpb.AnyValue_IntValue:
		leaf.Kind, leaf.Text = Number, strconv.FormatInt(v.IntValue, 10)
	case *commonpb.AnyValue_DoubleValue:
		leaf.Kind, leaf.Text = Number, strconv.FormatFloat(v.DoubleValue, 'g', -1, 64)
	case *commonpb.AnyValue_BytesValue:
		leaf.Text = base64.StdEncoding.EncodeToString(v.BytesValue)
	case *commonpb.AnyValue_ArrayValue:
		for i, item := range v.ArrayValue.GetValues() {
			if err := r.any(path+"["+strconv.Itoa(i)+"]", item, depth+1); err != nil {
				return err
			}
		}
		return nil
	case *commonpb.AnyValue_KvlistValue:
		return r.attributes(path, v.KvlistValue.GetValues(), depth)
	default:
		leaf.Kind = Null
	}
	r.Leaves = append(r.Leaves, leaf)
	return nil
}

// fields calls f with the bytes of each field of a message that has such.
func fields(b []byte, f func(protowire.Number, []byte) error) error {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return errNoProto()
		}
		b = b[n:]
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return errNoProto()
		}
		if typ == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(b)
			if err := f(num, v); err != nil {
				return err
			}
		}
		b = b[n:]
	}
	return nil
}

func errNoProto() error { return &LineError{event.ErrSyntax, "is no protobuf message of this kind"} }

// decode reads one message, once it is known to cost no more than its limits: an empty message of two bytes takes a hundred of memory.
func decode(b []byte, into proto.Message) error {
	left := messagesInAValue * MaxLineLeaves
	if err := bounded(into.ProtoReflect().Descriptor(), b, depthOfAValue*MaxLineDepth, &left); err != nil {
		return err
	}
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, into); err != nil {
		return errNoProto() // also where a text is not UTF-8
	}
	return nil
}

// bounded says whether a message has no more messages in it than are left, and none deeper than depth.
func bounded(of protoreflect.MessageDescriptor, b []byte, depth int, left *int) error {
	if depth == 0 {
		return errDepth()
	}
	return fields(b, func(n protowire.Number, v []byte) error {
		field := of.Fields().ByNumber(n)
		if field == nil || field.Message() == nil {
			return nil
		}
		if *left--; *left < 0 {
			return errManyValues()
		}
		return bounded(field.Message(), v, depth-1, left)
	})
}
