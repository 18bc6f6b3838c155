package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	logspb "go.opentelemetry.io/proto/otlp/logs/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/protobuf/proto"

	"github.com/stetlog/stet/internal/convert"
)

// logs posts a request of OTLP as the writer of billing. What is wrong with a record is a partial success, which has no code.
func (g *generator) logs(name, media string, body []byte, want ...string) attack {
	return hit(name, g.w.post("/v1/logs", g.w.tokens["writer"], media, body), want)
}

func protoLogs(service string, records ...*logspb.LogRecord) []byte {
	b, err := proto.Marshal(&logspb.LogsData{ResourceLogs: []*logspb.ResourceLogs{{
		Resource:  &resourcepb.Resource{Attributes: []*commonpb.KeyValue{protoText("service.name", service)}},
		ScopeLogs: []*logspb.ScopeLogs{{LogRecords: records}},
	}}})
	if err != nil {
		panic(err)
	}
	return b
}

func protoText(key, text string) *commonpb.KeyValue {
	return &commonpb.KeyValue{Key: key, Value: &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: text}}}
}

// foreign is what comes as OTLP or as a CloudEvent: secrets wherever there is a place for a text, also where the record is refused and kept,
// and whatever costs more to read than to send.
func (g *generator) foreign() attack {
	switch g.r.IntN(4) {
	case 0:
		return g.foreignSecret()
	case 1:
		return g.foreignCloudEvent()
	case 2:
		return g.foreignProto()
	}
	return g.foreignJSON()
}

func (g *generator) foreignSecret() attack {
	quoted := g.leaks[g.r.IntN(len(g.leaks))]
	var secret string
	if err := json.Unmarshal([]byte(`"`+quoted+`"`), &secret); err != nil {
		panic(err)
	}
	typ := pick(g.r, "user.created", "job_lost", "order.placed", "job_started", secret)
	record := &logspb.LogRecord{EventName: typ}
	service := "billing"
	place := g.r.IntN(7)
	switch place {
	case 0:
		record.Body = protoText("", secret).GetValue()
	case 1:
		record.Attributes = append(record.Attributes, protoText("db.password", secret), protoText("note", "it said "+secret))
	case 2:
		record.Attributes = append(record.Attributes, protoText(secret, "x"))
	case 3:
		service = secret
	case 4:
		record.SeverityText, record.EventName = secret, ""
	case 5:
		for i := range 100 {
			record.Attributes = append(record.Attributes, protoText(fmt.Sprint(i), strings.Repeat("x", 100)))
		}
		record.Attributes = append(record.Attributes, protoText("late", secret), protoText("password", secret))
	default:
		record.Attributes = append(record.Attributes, protoText("job.id", secret), protoText("user.id", "u"), protoText("why.reason", secret), protoText("deployment.environment.name", secret))
	}
	return g.logs(fmt.Sprintf("a secret at %d", place), typeProtobuf, protoLogs(service, record), "200 plain")
}

func (g *generator) foreignCloudEvent() attack {
	w := g.w
	secret := g.leaks[g.r.IntN(len(g.leaks))]
	id := fmt.Sprint(g.r.Uint64())
	const head = `{"specversion":"1.0","source":"/x","id":"`
	structured := func(name, text string, want ...string) attack {
		return hit(name, w.post("/v1/events", w.tokens["writer"], convert.CloudEventsMedia, []byte(text)), want)
	}
	switch g.r.IntN(9) {
	case 0:
		return structured("a secret in its data", head+id+`","type":"user.created","data":{"password":"`+secret+`","text":"`+secret+`"}}`, "200 accepted")
	case 1:
		return structured("a secret as its type", head+id+`","type":"`+secret+`"}`, "200 unknown_type", "422 *")
	case 2:
		return structured("a secret as an attribute", head+id+`","type":"user.created","`+secret+`":"x","subject":"`+secret+`"}`, "422 format", "422 *")
	case 3:
		return structured("of the server's own", head+id+`","type":"job_lost","data":"`+secret+`"}`, "422 reserved_type")
	case 4:
		return structured("another version", strings.Replace(head, "1.0", pick(g.r, "0.3", "1.0.2", "2", ""), 1)+id+`","type":"user.created"}`, "422 schema", "422 format")
	case 5:
		return structured("deep data", head+id+`","type":"user.created","data":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`}`, "422 too_deep")
	case 6:
		return structured("an attribute twice", head+id+`","type":"user.created","id":"2"}`, "422 duplicate_key")
	case 7:
		return hit("a batch that is none", w.post("/v1/events", w.tokens["writer"], convert.CloudEventsBatchMedia, []byte(pick(g.r, `{}`, `[`, `[]`, `[{}],`, `x`))), []string{"400 malformed"})
	}
	flat := strings.NewReplacer(" ", "%20", "\\n", "%0A").Replace(secret)
	return hit("binary, with a secret", w.post("/v1/events", w.tokens["writer"], "text/plain", []byte(secret), "ce-specversion: 1.0", "ce-id: "+id, "ce-source: /x", "ce-type: user.created", "ce-subject: "+flat), []string{"200 accepted"})
}

func (g *generator) foreignProto() attack {
	good := &logspb.LogRecord{EventName: "user.created"}
	switch g.r.IntN(6) {
	case 0:
		return g.logs("more attributes than are taken", typeProtobuf, protoLogs("billing", good, &logspb.LogRecord{EventName: "user.created", Attributes: make([]*commonpb.KeyValue, 5000)}), "200 plain", "400 plain")
	case 1:
		deep := protoText("", "x").GetValue()
		for range 200 {
			deep = &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: &commonpb.ArrayValue{Values: []*commonpb.AnyValue{deep}}}}
		}
		return g.logs("deep", typeProtobuf, protoLogs("billing", &logspb.LogRecord{EventName: "user.created", Body: deep}), "200 plain")
	case 2:
		return g.logs("more records than are taken", typeProtobuf, protoLogs("billing", make([]*logspb.LogRecord, convert.MaxOTLPRecords+1)...), "413 plain")
	case 3:
		return g.logs("many empty messages", typeProtobuf, bytes.Repeat([]byte("\x0a\x00"), 100_000), "200 plain")
	case 4:
		body := protoLogs("billing", good)
		return g.logs("a text that is no UTF-8", typeProtobuf, bytes.Replace(body, []byte("user.created"), []byte("user.\xff\xfeeated"), 1), "200 plain")
	}
	body := protoLogs("billing", good, good)
	for range 1 + g.r.IntN(3) {
		body[g.r.IntN(len(body))] = byte(g.r.Uint32())
	}
	return g.logs("changed bytes", typeProtobuf, body[:len(body)-g.r.IntN(3)], "200 plain", "400 plain")
}

func (g *generator) foreignJSON() attack {
	switch g.r.IntN(5) {
	case 0:
		return g.logs("deep", typeJSON, logRecords(`{"body":`+strings.Repeat("[", 100_000)+strings.Repeat("]", 100_000)+`}`), "400 plain")
	case 1:
		return g.logs("a name twice", typeJSON, logRecords(`{"eventName":"user.created","eventName":"user.deleted"}`), "400 plain")
	case 2:
		c := string(g.hidden[g.r.IntN(len(g.hidden))])
		name := string(must(json.Marshal("user.created" + c)))
		return g.logs("a character that does not show itself", typeJSON, logRecords(`{"eventName":`+name+`,"body":{"stringValue":`+name+`}}`, `{"eventName":"user.created","body":{"stringValue":`+name+`},"attributes":[{"key":`+name+`,"value":{"stringValue":`+name+`}}]}`), "200 plain")
	case 3:
		return g.logs("no UTF-8", typeJSON, logRecords("{\"eventName\":\"\xff\"}"), "400 plain")
	}
	if g.made["other systems"]%8 > 0 { // the next costs much
		return g.logs("no OTLP", typeJSON, []byte(`{"resourceLogs":[7,{"scopeLogs":[{"logRecords":{}}]},{"scopeLogs":null}]}`), "200 plain")
	}
	return g.logs("more values than are taken", typeJSON, []byte(`{"x":[`+strings.Repeat("0,", convert.MaxValues)+`0]}`), "413 plain")
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
