package convert_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
)

// An event says the same in structured and in binary mode.
func TestCloudEventInBothModes(t *testing.T) {
	structured := convert.ReadCloudEvent([]byte(`{"specversion":"1.0","id":"7","source":"/shop","type":"com.example.user.created","time":"2026-03-01T12:00:00Z","subject":"a b 100% %z",
"datacontenttype":"application/json","correlationid":"c-1","traceparent":"00-ab000000000000000000000000000001-cd00000000000002-01","data":{"user":{"id":"u-7"},"list":[1,true,null]}}`))
	binary := convert.ReadBinaryCloudEvent([]convert.Header{{"Specversion", "1.0"}, {"Id", "7"}, {"Source", "/shop"}, {"Type", "com.example.user.created"}, {"Time", "2026-03-01T12:00:00Z"},
		{"Subject", "a%20b 100% %z"}, {"Correlationid", `"c-1"`}, {"Traceparent", "00-ab000000000000000000000000000001-cd00000000000002-01"}}, "application/json", []byte(` {"user":{"id":"u-7"},"list":[1,true,null]} `))
	if structured.Err != nil || binary.Err != nil || structured.ID != "/shop\n7" || binary.ID != structured.ID {
		t.Fatalf("%v %v %q %q", structured.Err, binary.Err, structured.ID, binary.ID)
	}
	if d := cmp.Diff(saidBy(structured.Record), saidBy(binary.Record)); d != "" {
		t.Error(d)
	}
	if got := saidBy(binary.Record); got["data.user.id"] != "u-7" || got["subject"] != "a b 100% %z" || got["traceparent.span_id"] != "cd00000000000002" {
		t.Errorf("%v", got)
	}
	for media, want := range map[string][2]string{"text/plain": {"data", `{"a":`}, "application/octet-stream": {"data_base64", "//4="}, "": {"data", "[1"}} {
		body := map[string]string{"text/plain": `{"a":`, "application/octet-stream": "\xff\xfe", "": "[1"}[media]
		c := convert.ReadBinaryCloudEvent([]convert.Header{{"specversion", "1.0"}, {"id", "7"}, {"source", "/s"}, {"type", "t"}}, media, []byte(body))
		if got := saidBy(c.Record); c.Err != nil || got[want[0]] != want[1] {
			t.Errorf("%q: %v %v", media, c.Err, got)
		}
	}
}

// What the specification does not allow is refused with a code, and the attribute that it is about.
func TestCloudEventsAreJudged(t *testing.T) {
	const whole = `{"specversion":"1.0","id":"7","source":"/shop","type":"t"`
	for text, want := range map[string]struct {
		code event.Refusal
		path string
	}{
		whole + `}`: {},
		strings.Replace(whole, "1.0", "0.3", 1) + `}`:      {event.ErrSchema, "specversion"},
		strings.Replace(whole, `"1.0"`, `1.0`, 1) + `}`:    {event.ErrNumber, "specversion"},
		strings.Replace(whole, `"id":"7",`, "", 1) + `}`:   {event.ErrMissing, "id"},
		strings.Replace(whole, `"7"`, `""`, 1) + `}`:       {event.ErrFormat, "id"},
		strings.Replace(whole, `"7"`, `7`, 1) + `}`:        {event.ErrType, "id"},
		strings.Replace(whole, `"7"`, `{}`, 1) + `}`:       {event.ErrType, "id"},
		strings.Replace(whole, `/shop`, `:a b`, 1) + `}`:   {event.ErrFormat, "source"},
		whole + `,"time":"yesterday"}`:                     {event.ErrFormat, "time"},
		whole + `,"subject":""}`:                           {event.ErrFormat, "subject"},
		whole + `,"dataschema":"no/uri"}`:                  {event.ErrFormat, "dataschema"},
		whole + `,"datacontenttype":"json;;"}`:             {event.ErrFormat, "datacontenttype"},
		whole + `,"Bad-Name":"x"}`:                         {event.ErrFormat, "Bad-Name"},
		whole + `,"ext":1.5}`:                              {event.ErrNumber, "ext"},
		whole + `,"ext":2147483648}`:                       {event.ErrNumber, "ext"},
		whole + `,"ext":null,"other":true,"n":-5}`:         {},
		whole + `,"data":1,"data_base64":"AA=="}`:          {event.ErrContradicts, "data_base64"},
		whole + `,"data_base64":"A"}`:                      {event.ErrFormat, "data_base64"},
		whole + `,"data_base64":[]}`:                       {event.ErrType, "data_base64"},
		whole + `,"id":"8"}`:                               {event.ErrDuplicate, ""},
		whole:                                              {event.ErrSyntax, ""},
		`[` + whole + `}]`:                                 {event.ErrType, ""},
		whole + `,"data":` + strings.Repeat("[", 64) + `}`: {event.ErrDepth, ""},
	} {
		c := convert.ReadCloudEvent([]byte(text))
		var no *event.Error
		switch {
		case want.code == "" && c.Err == nil:
		case want.code == "" || !errors.Is(c.Err, want.code):
			t.Errorf("%s: %v", text, c.Err)
		case errors.As(c.Err, &no) && no.Path != want.path:
			t.Errorf("%s: about %q", text, no.Path)
		}
	}
	required := []convert.Header{{"specversion", "1.0"}, {"id", "7"}, {"source", "/s"}, {"type", "t"}}
	for name, c := range map[string]convert.CloudEvent{
		"a header twice":            convert.ReadBinaryCloudEvent(append(required, convert.Header{Name: "id", Value: "8"}), "", nil),
		"a header that is no UTF-8": convert.ReadBinaryCloudEvent(append(required, convert.Header{Name: "x", Value: "%ff"}), "", nil),
		"data that are no JSON":     convert.ReadBinaryCloudEvent(required, "application/json", []byte(`{`)),
		"two data":                  convert.ReadBinaryCloudEvent(required, "application/json", []byte(`1,"more":2`)),
		"more than an object":       convert.ReadBinaryCloudEvent(required, "application/json", []byte(`1},{"x":2`)),
	} {
		if c.Err == nil {
			t.Errorf("%s is taken: %v", name, saidBy(c.Record))
		}
	}
}

// An event of ours in a CloudEvent is known, in either mode.
func TestNativeCloudEvent(t *testing.T) {
	const native = `{"schema":"stet.event/1","event_type":"user_created"}`
	structured := convert.ReadCloudEvent([]byte(`{"specversion":"1.0","id":"7","source":"/shop","type":"t","data":` + native + `}`))
	binary := convert.ReadBinaryCloudEvent([]convert.Header{{"specversion", "1.0"}, {"id", "7"}, {"source", "/s"}, {"type", "t"}}, "application/json", []byte(native+"\n"))
	if string(structured.Native) != native || string(binary.Native) != native {
		t.Errorf("%q %q", structured.Native, binary.Native)
	}
}

func FuzzCloudEvent(f *testing.F) {
	f.Add([]byte(`{"specversion":"1.0","id":"7","source":"/shop","type":"t","data":{"a":[1]}}`), "application/json")
	f.Add([]byte(`{"specversion":"1.0","data_base64":"AA==","time":"x"}`), "text/plain")
	f.Fuzz(func(t *testing.T, body []byte, media string) {
		for _, c := range []convert.CloudEvent{
			convert.ReadCloudEvent(body), convert.ReadBinaryCloudEvent([]convert.Header{{"id", media}, {"source", "/s"}}, media, body),
		} {
			var no *event.Error
			var line *convert.LineError
			if c.Err != nil && !errors.As(c.Err, &no) && !errors.As(c.Err, &line) {
				t.Errorf("%v", c.Err)
			}
			if c.Err == nil && (!c.Has("id") || !c.Has("source") && !c.Has("type")) {
				t.Errorf("%q is taken: %v", body, saidBy(c.Record))
			}
		}
	})
}
