package intake

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/internal/redact"
	"github.com/stetlog/stet/internal/wire"
)

// Kind is what a foreign record came as.
type Kind string

// The kinds.
const (
	OTLP        Kind = "otlp"
	CloudEvents Kind = "cloudevents"
	Syslog      Kind = "syslog"
)

// Record is one record of another system.
type Record struct {
	Fields convert.Record
	// Raw are its bytes where it has such of its own, such as a line. Its digest is of them, else of its fields.
	Raw []byte
	// Native is an event of stet.event/1 in JSON that the record is the wrapping of; nil: none.
	Native []byte
	// ID is the name under which its source would send it again. "": it is never known again.
	ID string
	// Err says why it cannot be read: an *event.Error or a *convert.LineError. It is refused for that.
	Err error
}

// sum is the digest of the original.
func (r *Record) sum() foreign.Sum {
	if r.Raw != nil {
		return sha256.Sum256(r.Raw)
	}
	return sha256.Sum256(r.Fields.Append(nil))
}

// maxLeftOut bounds how many of a record's values are left out of an event, one after the other, because the schema does not take
// them.
const maxLeftOut = 24

// event makes of a record the event that its source would have written, as far as the schema takes what it says: a value that it
// does not take is left out, and stays among the labels, which hold the original. typ is the event's. The caller judges the rest.
func (r *Record) event(m convert.Map, typ string, kind Kind) *event.Event {
	e := m.Draft(&r.Fields)
	said := e.EventType
	e.EventType = typ
	e.Escaped = false
	if said != typ {
		e.Derived = with(e.Derived, "event_type", "the type that the record has in other words")
	}
	if l, ok := m.Value(&r.Fields, "severity"); ok {
		s, standard := convert.SeverityOf(l)
		if t, _ := event.Builtin().Lookup(typ); standard && s < t.Severity { // none may be lowered
			e.Severity = &s
		}
	}
	if l, ok := m.Value(&r.Fields, "security"); ok {
		e.Security = strings.EqualFold(l.Text, "true")
	}
	e.Status = statusWord(e.Status)
	if e.Job != nil {
		e.Job.Phase = "" // the type's
	}
	if e.EntryPoint != nil && e.EntryPoint.Kind == "" && e.EntryPoint.Method != "" {
		e.EntryPoint.Kind = "http"
		e.Derived = with(e.Derived, "entry_point.kind", "it has a method")
	}
	if e.EventID.IsZero() && r.ID != "" {
		e.EventID = event.DeriveUUID("intake", string(kind)+"\n"+r.ID, time48(e.EventTime, e.Timestamp))
		e.Derived = with(e.Derived, "event_id", "the record's own id")
	}
	return e
}

// statusWord is a status in the schema's words.
func statusWord(s string) string {
	switch s = strings.ToLower(s); s {
	case "succeeded", "completed", "complete", "ok", "done":
		return event.StatusSuccess
	case "failed", "error", "err":
		return event.StatusFailure
	case "cancelled", "canceled", "stopped", "killed":
		return event.StatusAborted
	}
	return s
}

// time48 is the time that a derived id begins with: the record's own, so that it is the same each time.
func time48(times ...time.Time) (b [6]byte) {
	for _, t := range times {
		if t.Unix() > 0 {
			var ms [8]byte
			binary.BigEndian.PutUint64(ms[:], uint64(t.UnixMilli()))
			return [6]byte(ms[2:])
		}
	}
	return b
}

// leaveOut takes the keys that an objection is about out of a mapping. ok is false where none of them gave the event what is objected
// to, so that nothing helps.
func leaveOut(m convert.Map, path string) (_ convert.Map, ok bool) {
	left := make(convert.Map, len(m))
	object, _, _ := strings.Cut(path, ".")
	_, named := m[path]
	for field, keys := range m {
		switch {
		case field == "event_type":
		case named && field == path, // this value is not the field's
			!named && strings.HasPrefix(field, object+"."),     // what the object lacks, or what is below a field
			!named && path == "trace_id" && field == "span_id": // which needs it
			ok = true
			continue
		}
		left[field] = keys
	}
	return left, ok
}

// judgeRecord makes the event that will be recorded of a record, or says that it is noise or must be refused. What the schema
// says is asked here, so that a value that it does not take costs the value and not the record.
func (d *Door) judgeRecord(from Sender, src Source, r *Record, a *arrival) error {
	if r.Err != nil {
		return recordError(r.Err)
	}
	if r.Native != nil {
		original, err := foreign.Parse(r.Native)
		if err != nil {
			return err
		}
		return d.judge(from, original, a)
	}
	m := src.Map
	typ, ok := m.Type(&r.Fields)
	if !ok {
		*a.result = Verdict{Status: Ignored, Code: string(event.ErrUnknownType), Path: "event_type", Detail: "is no event of the catalogue: it is counted, and not stored"}
		a.noise = noiseOf(m, r)
		return nil
	}
	sum := r.sum()
	whole := wholeLabels
	var last error
	for range maxLeftOut {
		e := r.event(m, typ, src.Kind)
		if err := from.name(e, src.Kind); err != nil {
			return err
		}
		r.original(e, whole)
		if err := d.judge(from, foreign.Original{Event: e, Sum: sum}, a); err != nil {
			return err
		}
		no := d.check(e)
		if no == nil {
			return nil
		}
		last = no
		if strings.HasPrefix(no.Path, "labels") && whole > leastLabels {
			whole /= 2
			continue
		}
		if m, ok = leaveOut(m, no.Path); !ok {
			break
		}
	}
	a.event = nil
	return last
}

// recordError is an objection to a record as a whole.
func recordError(err error) error {
	var line *convert.LineError
	if errors.As(err, &line) {
		return &event.Error{Code: string(line.Code), Detail: line.What}
	}
	return err
}

// check says what the schema has against an event that is whole but for what a recorder fills in.
func (d *Door) check(e *event.Event) *event.Error {
	x := *e
	x.Timestamp, x.StreamID, x.StreamSeq, x.Clock = d.o.Now(), x.EventID, 1, &event.Clock{Confidence: "unknown"}
	_, err := d.codec.Append(nil, &x)
	var no *event.Error
	if err != nil && !errors.As(err, &no) {
		no = &event.Error{Code: string(event.ErrValue), Detail: err.Error()}
	}
	return no
}

// name gives an event an application and an environment that its sender may write for: the record's own where it may, else the
// sender's. What the record says stays among its labels.
func (s Sender) name(e *event.Event, kind Kind) error {
	app, environment := nameOf(e.AppID), nameOf(e.Environment)
	if len(environment) > maxEnvironment {
		environment = ""
	}
	if app != e.AppID {
		e.Derived = with(e.Derived, "app_id", "the record's, in the letters that a name has")
	}
	if app == "" && s.App == "" {
		app = string(kind)
		e.Derived = with(e.Derived, "app_id", "the record names none")
	}
	var no error
	for i, c := range [][2]string{{app, environment}, {app, s.Environment}, {s.App, environment}, {s.App, s.Environment}} {
		e.AppID, e.Environment = first(c[0], s.App), first(c[1], s.Environment)
		if no = s.may(e.AppID, e.Environment); no == nil {
			if i > 0 && e.AppID != app && app != "" {
				e.Derived = with(e.Derived, "app_id", "the sender's; it may not write for the one that the record names")
			}
			if i > 0 && e.Environment != environment && environment != "" {
				e.Derived = with(e.Derived, "environment", "the sender's; it may not write for the one that the record names")
			}
			break
		}
		var refused *event.Error
		if !errors.As(no, &refused) || refused.Code != string(wire.NotAllowed) {
			return no
		}
	}
	return no
}

// maxEnvironment is SCHEMA's limit, in bytes.
const maxEnvironment = 32

// nameOf writes a text in the letters of a name of an application or environment; a secret in it is masked before.
func nameOf(s string) string {
	if s == "" {
		return ""
	}
	safe, _ := redact.Text(s)
	return emitter.CleanApp(safe)
}

func first(texts ...string) string {
	for _, t := range texts {
		if t != "" {
			return t
		}
	}
	return ""
}

func with(m map[string]string, k, v string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[k] = v
	return m
}
