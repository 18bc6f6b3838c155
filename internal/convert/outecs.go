package convert

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
)

// ecsVersion is the version of the Elastic Common Schema that is written.
const ecsVersion = "9.0.0"

// appendECS appends a document of ECS. The entry is in event.original, whole, and its hash in event.hash; what ECS has no field for
// is below stet.
func appendECS(dst []byte, r *Row) []byte {
	e, h := r.event, r.host()
	w := &jsonWriter{b: dst}
	w.begin("")
	w.time("@timestamp", r.happened())
	w.begin("ecs")
	w.text("version", ecsVersion)
	w.end()
	w.text("message", e.Description)
	w.begin("event")
	w.text("id", r.id())
	w.text("kind", "event")
	w.text("action", e.EventType)
	w.text("code", e.EventType)
	w.texts("type", ecsType(e))
	w.text("outcome", ecsOutcome(e.Status))
	w.text("reason", e.StatusReason)
	w.int("sequence", int64(r.Seq))
	w.int("severity", int64(r.severity()))
	w.time("created", e.Timestamp)
	w.time("ingested", r.received)
	w.text("provider", "stet")
	w.text("hash", r.entryHash())
	w.text("original", string(r.raw))
	w.end()
	w.begin("log")
	w.text("level", event.Severity(r.severity()).String())
	w.begin("syslog")
	w.begin("severity")
	w.int("code", int64(r.severity()))
	w.end()
	w.end()
	w.begin("origin")
	c := readLocation(e.CodeLocation)
	w.begin("file")
	w.text("name", c.file)
	w.some("line", c.line)
	w.end()
	w.text("function", c.function)
	w.end()
	w.end()
	w.begin("user")
	w.text("id", e.UserID)
	w.end()
	w.begin("source")
	if isAddress(e.SourceIP) {
		w.text("ip", e.SourceIP)
	} else {
		w.text("address", e.SourceIP)
	}
	w.some("port", r.source().Port)
	w.end()
	w.begin("user_agent")
	w.text("original", r.source().UserAgent)
	w.end()
	w.begin("service")
	w.text("name", e.AppID)
	w.text("version", e.AppVersion)
	w.text("environment", e.Environment)
	w.end()
	w.begin("host")
	w.text("name", h.Name)
	w.text("hostname", h.Name)
	w.text("id", h.InstanceID)
	if h.IP != "" {
		w.texts("ip", h.IP)
	}
	w.end()
	w.begin("trace")
	w.text("id", e.TraceID)
	w.end()
	w.begin("span")
	w.text("id", e.SpanID)
	w.end()
	w.begin("labels")
	w.text("interaction_id", e.InteractionID)
	r.ecsLabels(w)
	w.end()
	w.begin("stet")
	r.each(ECS, w.text)
	w.end()
	w.end()
	return w.b
}

// ecsLabels writes the event's labels beside interaction_id. Elasticsearch takes a dot for an object within an object, of which
// labels have none.
func (r *Row) ecsLabels(w *jsonWriter) {
	written := []string{"interaction_id"}
	keys := make([]string, 0, len(r.event.Labels))
	for k := range r.event.Labels {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		name := strings.ReplaceAll(k, ".", "_")
		if slices.Contains(written, name) || name == "" {
			continue // it is in event.original
		}
		written = append(written, name)
		q := appendQuoted(nil, name)
		w.text(string(q[1:len(q)-1]), r.event.Labels[k])
	}
}

// ecsType is one of the words that event.type may have.
func ecsType(e *event.Event) string {
	switch {
	case e.Status == event.StatusDenied:
		return "denied"
	case e.EventType == "job_started" || e.EventType == "sys_startup" || e.EventType == "session_created":
		return "start"
	case deref(e.Job).Phase == "outcome" || e.EventType == "sys_shutdown" || e.EventType == "session_logout":
		return "end"
	case strings.HasSuffix(e.EventType, "_changed") || strings.HasSuffix(e.EventType, "_change") || strings.HasSuffix(e.EventType, "_update") || strings.HasSuffix(e.EventType, "_updated"):
		return "change"
	}
	return "info"
}

// ecsOutcome is one of the three words that event.outcome may have; the status itself is stet.status.
func ecsOutcome(status string) string {
	switch status {
	case "":
		return ""
	case event.StatusSuccess:
		return "success"
	case event.StatusFailure, event.StatusAborted, event.StatusDenied:
		return "failure"
	}
	return "unknown"
}

// location is what code_location says: a file and a line, or a function.
type location struct {
	file     string
	line     int64
	function string
}

var fileAndLine = regexp.MustCompile(`^(.+):([1-9][0-9]{0,8})$`)

func readLocation(s string) location {
	if m := fileAndLine.FindStringSubmatch(s); m != nil {
		n, _ := strconv.ParseInt(m[2], 10, 64) // nine digits
		return location{file: m[1], line: n}
	}
	return location{function: s}
}
