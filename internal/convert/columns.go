package convert

import (
	"slices"
	"strconv"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// A column is one thing that a row says, as a text.
type column struct {
	name string
	of   func(r *Row) string
	// in are the formats that write it under this name: CSV as a column, Syslog in its own structured data, OTLP below audit.,
	// OCSF below unmapped., ECS below stet. The others have a member of their own for it.
	in formats
}

// formats is a set.
type formats uint

func set(all ...Format) (s formats) {
	for _, f := range all {
		s |= 1 << f
	}
	return s
}

func (s formats) has(f Format) bool { return s&(1<<f) != 0 }

// columns is the table of what rows say. The first ones are the columns of events.csv in a file of evidence.
var columns = func() []column {
	all := set(CSV, Syslog, OTLP, OCSF, ECS)
	job := func(f func(event.Job) string) func(*Row) string { return func(r *Row) string { return f(r.job()) } }
	return []column{
		{"seq", func(r *Row) string { return strconv.FormatUint(r.Seq, 10) }, set(CSV, Syslog)},
		{"received_at", func(r *Row) string { return r.entry.ReceivedAt }, set(CSV, Syslog, OTLP, OCSF)},
		{"entry_hash", (*Row).entryHash, set(CSV, Syslog, OTLP)},
		{"sealed_by", func(r *Row) string { return r.SealedBy }, all},
		{"event_type", func(r *Row) string { return r.event.EventType }, set(CSV, Syslog)},
		{"severity", func(r *Row) string { return strconv.Itoa(r.severity()) }, set(CSV, Syslog, OTLP, OCSF)},
		{"timestamp", func(r *Row) string { return timeText(r.event.Timestamp) }, set(CSV, Syslog, OTLP, OCSF)},
		{"event_time", func(r *Row) string { return timeText(r.event.EventTime) }, set(CSV, Syslog, OTLP, OCSF)},
		{"app_id", func(r *Row) string { return r.event.AppID }, set(CSV, Syslog)},
		{"environment", func(r *Row) string { return r.event.Environment }, set(CSV, Syslog, OCSF)},
		{"user_id", func(r *Row) string { return r.event.UserID }, set(CSV, Syslog)},
		{"principal", func(r *Row) string {
			p := r.principal()
			if p.ID == "" {
				return p.Type
			}
			return p.Type + ":" + p.ID
		}, all},
		{"source_ip", func(r *Row) string { return r.event.SourceIP }, set(CSV, Syslog)},
		{"interaction_id", func(r *Row) string { return r.event.InteractionID }, set(CSV, Syslog, OTLP)},
		{"job_id", job(func(j event.Job) string { return j.ID }), all},
		{"job_name", job(func(j event.Job) string { return j.Name }), all},
		{"run_id", job(func(j event.Job) string { return j.RunID }), all},
		{"attempt", job(func(j event.Job) string { return number(j.Attempt) }), all},
		{"phase", job(func(j event.Job) string { return j.Phase }), all},
		{"status", func(r *Row) string { return r.event.Status }, set(CSV, Syslog, OTLP, ECS)},
		{"status_code", func(r *Row) string { return r.event.StatusCode }, set(CSV, Syslog, OTLP, ECS)},
		{"status_reason", func(r *Row) string { return r.event.StatusReason }, set(CSV, Syslog, OTLP)},
		{"description", func(r *Row) string { return r.event.Description }, set(CSV, OTLP)},
		{"event_id", func(r *Row) string { return uuid(r.event.EventID) }, set(CSV, Syslog)},
		{"stream_id", func(r *Row) string { return uuid(r.event.StreamID) }, all},
		{"stream_seq", func(r *Row) string { return number(r.event.StreamSeq) }, all},
		{"stub", stubText, set(CSV)},
		{"event", func(r *Row) string { return string(r.entry.Event) }, set(CSV)},

		{"app_version", func(r *Row) string { return r.event.AppVersion }, set(Syslog)},
		{"code_location", func(r *Row) string { return r.event.CodeLocation }, set(Syslog, OCSF)},
		{"entry_point_kind", func(r *Row) string { return r.entryPoint().Kind }, set(Syslog, OTLP, OCSF, ECS)},
		{"entry_point", func(r *Row) string { return r.entryPoint().Name }, set(Syslog, OTLP, OCSF, ECS)},
		{"entry_point_method", func(r *Row) string { return r.entryPoint().Method }, set(Syslog, OTLP, OCSF, ECS)},
		{"host", func(r *Row) string { return r.host().Name }, set(Syslog)},
		{"instance_id", func(r *Row) string { return r.host().InstanceID }, set(Syslog)},
		{"source_port", func(r *Row) string { return number(r.source().Port) }, set(Syslog, OTLP)},
		{"target", func(r *Row) string { return r.target().System }, set(Syslog, OTLP, OCSF, ECS)},
		{"target_environment", func(r *Row) string { return r.target().Environment }, set(Syslog, OTLP, OCSF, ECS)},
		{"action", func(r *Row) string { return r.event.Action }, set(Syslog, OTLP, OCSF, ECS)},
		{"object_type", func(r *Row) string { return r.object().Type }, set(Syslog, OTLP, OCSF, ECS)},
		{"object_id", func(r *Row) string { return r.object().ID }, set(Syslog, OTLP, OCSF, ECS)},
		{"trigger", func(r *Row) string { return r.why().Trigger }, set(Syslog, OTLP, OCSF, ECS)},
		{"reason", func(r *Row) string { return r.why().Reason }, set(Syslog, OTLP, OCSF, ECS)},
		{"reference", func(r *Row) string { return r.why().Reference }, set(Syslog, OTLP, OCSF, ECS)},
		{"decision", func(r *Row) string { return r.authorization().Decision }, set(Syslog, OTLP, OCSF, ECS)},
		{"decided_by", func(r *Row) string { return r.authorization().DecidedBy }, set(Syslog, OTLP, OCSF, ECS)},
		{"parent_id", job(func(j event.Job) string { return j.ParentID }), set(Syslog, OTLP, OCSF, ECS)},
		{"root_id", job(func(j event.Job) string { return j.RootID }), set(Syslog, OTLP, OCSF, ECS)},
		{"causation_id", func(r *Row) string { return uuid(r.event.CausationID) }, set(Syslog, OTLP, OCSF, ECS)},
		{"corrects", func(r *Row) string { return uuid(r.corrects().EventID) }, set(Syslog, OTLP, OCSF, ECS)},
		{"trace_id", func(r *Row) string { return r.event.TraceID }, set(Syslog, OCSF)},
		{"span_id", func(r *Row) string { return r.event.SpanID }, set(Syslog, OCSF)},
		{"clock", func(r *Row) string { return r.clock().Confidence }, set(Syslog, OTLP, OCSF, ECS)},
		{"max_error_us", func(r *Row) string { return optional(r.clock().MaxErrorUS) }, set(Syslog, OTLP, OCSF, ECS)},
	}
}()

// each calls f with what a row says under its own name in a format: never with an empty text.
func (r *Row) each(f Format, do func(name, value string)) {
	for _, c := range columns {
		if c.in.has(f) {
			if v := c.of(r); v != "" {
				do(c.name, v)
			}
		}
	}
}

// names are the columns of a format, for its head and its tests.
func names(f Format) []string {
	var all []string
	for _, c := range columns {
		if c.in.has(f) {
			all = append(all, c.name)
		}
	}
	return slices.Clip(all)
}

// stubText says what a stub is.
func stubText(r *Row) string {
	s := r.entry.Stub
	switch {
	case s == nil:
		return ""
	case s.Code == proof.StubLost:
		return "lost up to " + strconv.FormatUint(s.Last, 10) + ": " + event.Sanitize(s.Reason)
	}
	return s.Code + ": " + event.Sanitize(s.Reason)
}

func number[N int64 | uint64](n N) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(int64(n), 10)
}

func optional(n *int64) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(*n, 10)
}

func uuid(u event.UUID) string {
	if u.IsZero() {
		return ""
	}
	return u.String()
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return event.FormatTime(t)
}
