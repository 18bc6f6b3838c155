package convert

import (
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
)

// levels are the words of RFC 5424 and of common loggers.
var levels = map[string]event.Severity{
	"emergency": 0, "emerg": 0, "panic": 0, "alert": 1, "fatal": 2, "critical": 2, "crit": 2, "severe": 2, "error": 3, "err": 3,
	"warning": 4, "warn": 4, "notice": 5, "informational": 6, "information": 6, "info": 6, "config": 6, "debug": 7, "trace": 7, "fine": 7, "finer": 7, "finest": 7, "verbose": 7,
}

// SeverityOf reads a level. standard is false where it is of no scale that the policy or a common logger has.
func SeverityOf(v Leaf) (s event.Severity, standard bool) {
	text := strings.ToLower(strings.TrimSpace(v.Text))
	if s, ok := levels[text]; ok {
		return s, true
	}
	if strings.HasSuffix(strings.ToLower(v.Key), "severitynumber") {
		n, err := strconv.Atoi(strings.TrimPrefix(text, "severity_number_"))
		if err != nil || n < 1 || n > 24 {
			return 0, false
		}
		return otelSeverity(n), true
	}
	if v.Key == cefSeverityKey {
		return cefSeverity(text)
	}
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n <= 7 {
		return event.Severity(n), true
	}
	return 0, false
}

// otelSeverity is SCHEMA's table the other way round: 1–4 are trace, 5–8 debug … 21–24 fatal. What the table does not name has
// the severity of the next lower number that it names.
func otelSeverity(n int) event.Severity {
	switch {
	case n >= 21:
		return event.SeverityEmergency
	case n >= 19:
		return event.SeverityAlert
	case n >= 18:
		return event.SeverityCritical
	case n >= 17:
		return event.SeverityError
	case n >= 13:
		return event.SeverityWarning
	case n >= 10:
		return event.SeverityNotice
	case n >= 9:
		return event.SeverityInfo
	}
	return event.SeverityDebug
}

// TypeName writes JobStarted, JOB_STARTED and job.started as job_started.
func TypeName(s string) string {
	var b strings.Builder
	for i := 0; i < len(s) && i < 128; i++ {
		c := s[i]
		switch {
		case c >= 'A' && c <= 'Z':
			if i > 0 && s[i-1] >= 'a' && s[i-1] <= 'z' {
				b.WriteByte('_')
			}
			b.WriteByte(c | 0x20)
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			b.WriteByte(c)
		default:
			b.WriteByte('_')
		}
	}
	return b.String()
}

// jobTypes are other loggers' names for our types.
var jobTypes = map[string]string{
	"job_requested": "job_submitted", "job_queued": "job_submitted", "job_enqueued": "job_submitted", "job_created": "job_submitted",
	"job_authorised": "job_authorized", "job_start": "job_started", "job_running": "job_started", "job_begin": "job_started",
	"job_completed": "job_succeeded", "job_success": "job_succeeded", "job_done": "job_succeeded",
	"job_error": "job_failed", "job_failure": "job_failed", "job_cancelled": "job_aborted", "job_canceled": "job_aborted", "job_stopped": "job_aborted",
}

// JobType is the type of ours that an event's own type, as TypeName writes it, means, or, where that is none of a job, its phase.
func JobType(name, phase, status string) string {
	if t, ok := event.Builtin().Lookup(name); ok && strings.HasPrefix(t.Name, "job_") {
		return name
	}
	if t, ok := jobTypes[name]; ok {
		return t
	}
	switch phase {
	case "submission":
		return "job_submitted"
	case "authorization", "authorisation":
		if status == "denied" {
			return "job_denied"
		}
		return "job_authorized"
	case "execution":
		return "job_started"
	case "outcome":
	default:
		if name != "job_finished" && name != "job_ended" && name != "job_end" {
			return name
		}
	}
	switch status {
	case "success", "succeeded", "completed", "complete", "ok", "done":
		return "job_succeeded"
	case "aborted", "cancelled", "canceled", "stopped", "killed":
		return "job_aborted"
	}
	return "job_failed"
}

// Type is the type of the built-in catalogue that a record's event_type means: as it is in any spelling, or what stands behind one
// of its dots or slashes (com.example.user.created is user_created), or another name for a job's type, or what a job's phase and status say. ok is
// false where it means none; then name is what the record has, as TypeName writes it, or "".
func (m Map) Type(r *Record) (name string, ok bool) {
	said, _ := m.Value(r, "event_type")
	for rest := said.Text; ; {
		n := TypeName(rest)
		if t, ours := jobTypes[n]; ours {
			return t, true
		}
		if _, ours := event.Builtin().Lookup(n); ours {
			return n, true
		}
		i := strings.IndexAny(rest, "./")
		if i < 0 {
			break
		}
		rest = rest[i+1:]
	}
	phase, _ := m.Value(r, "job.phase")
	status, _ := m.Value(r, "status")
	name = JobType(TypeName(said.Text), strings.ToLower(phase.Text), strings.ToLower(status.Text))
	_, ok = event.Builtin().Lookup(name)
	return name, ok
}
