package convert

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
)

// CloudEventsType stands before an event's type in the type of a CloudEvent, which has a domain's name turned round.
const CloudEventsType = "com.github.stetlog.stet."

// The media types of CloudEvents.
const (
	CloudEventsMedia      = "application/cloudevents+json"
	CloudEventsBatchMedia = "application/cloudevents-batch+json"
)

// otelSeverity is the number of OpenTelemetry, and of CloudEvents' severity extension, by ours: theirs ascends.
func (r *Row) otelSeverity() int { return [...]int{21, 19, 18, 17, 13, 10, 9, 5}[r.severity()] }

// appendCloudEvent appends a CloudEvent in structured mode. Its data are the event's exact bytes; of a row that is no event, the
// entry's.
func appendCloudEvent(dst []byte, r *Row) []byte {
	e := r.event
	w := &jsonWriter{b: dst}
	w.begin("")
	w.text("specversion", "1.0")
	w.text("id", r.id())
	w.text("source", "/"+cmp.Or(e.AppID, "stet")+"/"+uuid(e.StreamID))
	w.text("type", CloudEventsType+e.EventType)
	w.time("time", r.happened())
	if id := r.job().ID; strings.TrimSpace(id) != "" { // an empty subject is none, and the SDKs take blanks for empty
		w.text("subject", attribute(id))
	}
	w.text("datacontenttype", "application/json")
	w.time("recordedtime", e.Timestamp)
	w.text("correlationid", attribute(e.InteractionID))
	w.text("causationid", uuid(e.CausationID))
	w.text("sequence", fmt.Sprintf("%020d", r.Seq)) // compares as a text
	w.int("severitynumber", int64(r.otelSeverity()))
	w.text("severitytext", event.Severity(r.severity()).String())
	p := r.principal()
	w.text("authtype", p.Type)
	w.text("authid", attribute(cmp.Or(p.ID, e.UserID)))
	if e.TraceID != "" && e.SpanID != "" {
		w.text("traceparent", "00-"+e.TraceID+"-"+e.SpanID+"-"+cmp.Or(e.TraceFlags, "00"))
	}
	w.text("entryhash", r.entryHash())
	w.name("data")
	if r.IsEvent() {
		w.b = append(w.b, r.entry.Event...)
	} else {
		w.b = append(w.b, r.raw...)
	}
	w.end()
	return w.b
}

// CloudEventsBatch appends rows in batched mode.
func CloudEventsBatch(dst []byte, rows []*Row) []byte {
	dst = append(dst, '[')
	for i, r := range rows {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendCloudEvent(dst, r)
	}
	return append(dst, ']')
}

// attribute is a text as an attribute may hold it (CloudEvents 1.0.2, "Type System", String): without the 66 code points that are
// no characters, which are escaped as package event escapes others. It stands as it is in the data.
func attribute(s string) string {
	if !strings.ContainsFunc(s, noncharacter) {
		return s
	}
	var b []byte
	for _, c := range s {
		switch {
		case !noncharacter(c):
			b = utf8.AppendRune(b, c)
		case c <= 0xffff:
			b = append(b, `\u`...)
			b = append(b, strconv.FormatInt(int64(c), 16)...)
		default:
			b = fmt.Appendf(b, `\U%08x`, c)
		}
	}
	return string(b)
}

func noncharacter(c rune) bool { return c&0xfffe == 0xfffe || c >= 0xfdd0 && c <= 0xfdef }
