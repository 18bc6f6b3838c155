package stet

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/redact"
)

// refPrefix names the version of a reference.
const refPrefix = "stet1."

// maxRef bounds a reference, in bytes.
const maxRef = 16 << 10

// ref is what a worker must know of a submission that another process recorded. It travels in a queue's metadata, so
// whoever can write to the queue can alter it: it is a claim, and the submission's own event is the record.
type ref struct {
	Interaction  refText      `json:"i"`
	Job          event.UUID   `json:"j"`
	Name         refText      `json:"n"`
	Parent       *event.UUID  `json:"p,omitempty"`
	Root         *event.UUID  `json:"r,omitempty"`
	Submission   event.UUID   `json:"e"` // event_id of job_submitted
	At           time.Time    `json:"t"`
	ScheduledFor *time.Time   `json:"d,omitempty"`
	Attempt      int64        `json:"k,omitempty"` // where it is not the first
	Trigger      string       `json:"w"`
	Reason       refText      `json:"x,omitempty"`
	Reference    refText      `json:"y,omitempty"`
	As           *refWho      `json:"a,omitempty"`
	OnBehalf     *refWho      `json:"b,omitempty"`
	Upstream     *refUpstream `json:"c,omitempty"`
	System       refText      `json:"s,omitempty"` // target
	Environment  refText      `json:"v,omitempty"`
	User         refText      `json:"u,omitempty"`
	Trace        refText      `json:"g,omitempty"` // traceparent
}

type refUpstream struct {
	System refText `json:"s"`
	Event  refText `json:"e"`
	Type   refText `json:"t,omitempty"`
}

type refWho struct {
	Type refText `json:"t"`
	ID   refText `json:"i"`
}

// refText is any bytes. JSON would replace what is not UTF-8, and then the worker's events would name another job than
// the submitter's.
type refText string

// refBytes marks a text that is written as base64; no other text begins so.
const refBytes = "\x00"

// MarshalText implements encoding.TextMarshaler.
func (t refText) MarshalText() ([]byte, error) {
	if utf8.ValidString(string(t)) && strings.IndexFunc(string(t), event.Hidden) < 0 {
		return []byte(t), nil
	}
	return []byte(refBytes + base64.RawStdEncoding.EncodeToString([]byte(t))), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *refText) UnmarshalText(b []byte) error {
	coded, ok := bytes.CutPrefix(b, []byte(refBytes))
	if !ok {
		*t = refText(b)
		return nil
	}
	raw, err := base64.RawStdEncoding.DecodeString(string(coded))
	*t = refText(raw)
	return err
}

// ref is what the task says to a worker: bounded, and without secrets, because a queue is not made for them.
func (t *task) ref() ref {
	clean := func(s string, most int) refText {
		s, _ = redact.Text(clip(s, 64<<10))
		return refText(clip(s, most))
	}
	who := func(s string) refText {
		if s != "" && len(t.rec.o.IdentityKey) > 0 {
			return refText(event.HMAC(t.rec.o.IdentityKey, s))
		}
		return refText(clip(s, 256))
	}
	j := t.job
	f := ref{Interaction: refText(t.interaction), Job: t.id, Name: clean(j.Name, 128), Submission: t.submission, At: t.submittedAt,
		Trigger: j.Trigger, Reason: clean(j.Reason, 512), Reference: clean(j.Reference, 256), User: who(t.user)}
	if !t.parent.IsZero() {
		f.Parent, f.Root = &t.parent, &t.root
	}
	if y := j.ScheduledFor.Year(); !j.ScheduledFor.IsZero() && y > 0 && y < 9999 {
		at := j.ScheduledFor.UTC()
		f.ScheduledFor = &at
	}
	if j.Trace.valid() {
		f.Trace = refText(j.Trace.parent())
	}
	if j.Attempt > 1 && j.Attempt <= event.MaxInt {
		f.Attempt = j.Attempt
	}
	p := t.principal()
	f.As = &refWho{clean(p.Type, 64), who(p.ID)}
	if p.OnBehalfOf != nil {
		f.OnBehalf = &refWho{clean(p.OnBehalfOf.Type, 64), who(p.OnBehalfOf.ID)}
	}
	if p.Upstream != nil {
		f.Upstream = &refUpstream{clean(p.Upstream.System, 128), clean(p.Upstream.EventRef, 256), clean(p.Upstream.EventType, 128)}
	}
	if j.Target != nil {
		f.System, f.Environment = clean(j.Target.System, 128), clean(j.Target.Environment, 32)
	}
	return f
}

func (r ref) String() string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(r); err != nil {
		return "" // texts, ids and times within these bounds always have a form
	}
	return refPrefix + base64.RawURLEncoding.EncodeToString(bytes.TrimSuffix(b.Bytes(), []byte("\n")))
}

// parseRef reads a reference that anybody may have written. What it accepts makes events that the schema takes.
func parseRef(s string) (r ref, err error) {
	body, ok := strings.CutPrefix(s, refPrefix)
	if !ok || len(s) > maxRef {
		return r, fmt.Errorf("resume: this is not a reference that Submitted.Ref made (it begins with %q and has at most %d bytes)", refPrefix, maxRef)
	}
	b, err := base64.RawURLEncoding.DecodeString(body)
	if err == nil {
		err = json.Unmarshal(b, &r)
	}
	if err == nil {
		err = r.check()
	}
	if err != nil {
		return r, fmt.Errorf("resume: the reference is damaged: %w", err)
	}
	return r, nil
}

func (r ref) check() error {
	year := func(t time.Time) bool { return t.UTC().Year() < 0 || t.UTC().Year() > 9999 }
	switch {
	case r.Name == "":
		return errors.New("it names no job")
	case !r.Job.IsV7() || !r.Submission.IsV7():
		return errors.New("job or submission have no UUIDv7")
	case (r.Parent == nil) != (r.Root == nil):
		return errors.New("of parent and root one is missing")
	case !isOneOf(r.Trigger, triggers):
		return fmt.Errorf("its trigger is %.40q", r.Trigger)
	case r.As != nil && !isOneOf(string(r.As.Type), principalTypes):
		return fmt.Errorf("its principal is of type %.40q", string(r.As.Type))
	case r.OnBehalf != nil && r.OnBehalf.ID == "":
		return errors.New("it is on behalf of nobody")
	case r.Attempt < 0 || r.Attempt > event.MaxInt:
		return fmt.Errorf("its attempt is %d", r.Attempt)
	case year(r.At) || r.ScheduledFor != nil && year(*r.ScheduledFor):
		return errors.New("a time in it is out of bounds")
	}
	if id, _ := fitInteraction(string(r.Interaction)); id == "" || id != string(r.Interaction) {
		return errors.New("it has no interaction id that could be used")
	}
	return nil
}

// resumed is the task that a reference names.
func (r *Recorder) resumed(f ref, location string) *task {
	t := &task{rec: r, id: f.Job, root: f.Job, interaction: string(f.Interaction), submission: f.Submission, submittedAt: f.At,
		location: location, user: string(f.User), derived: map[string]string{"principal": "reference", "why": "reference"},
		job: Job{Name: string(f.Name), Trigger: f.Trigger, Reason: string(f.Reason), Reference: string(f.Reference)}}
	t.job.Attempt = f.Attempt
	if f.User != "" {
		t.derived["user_id"] = "reference"
	}
	if f.Parent != nil && f.Root != nil {
		t.parent, t.root = *f.Parent, *f.Root
	}
	if f.ScheduledFor != nil {
		t.job.ScheduledFor = *f.ScheduledFor
	}
	if f.As != nil {
		t.job.Principal = &event.Principal{Type: string(f.As.Type), ID: string(f.As.ID)}
		if f.OnBehalf != nil {
			t.job.Principal.OnBehalfOf = &event.OnBehalfOf{Type: string(f.OnBehalf.Type), ID: string(f.OnBehalf.ID)}
		}
		if f.Upstream != nil {
			t.job.Principal.Upstream = &event.Upstream{System: string(f.Upstream.System), EventRef: string(f.Upstream.Event), EventType: string(f.Upstream.Type)}
		}
	}
	t.job.Trace, _ = parseTraceparent(string(f.Trace))
	t.trace(Trace{}, "")
	if f.System != "" || f.Environment != "" {
		t.job.Target = &event.Target{System: string(f.System), Environment: string(f.Environment)}
	}
	return t
}
