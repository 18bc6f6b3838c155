package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

type emitCmd struct {
	storeFlag
	Type        string   `arg:"" optional:"" help:"event_type, of the catalogue (authz_fail, sensitive_read, …) or your own; - reads one event as JSON from standard input."`
	User        string   `help:"user_id: who is logged in." placeholder:"ID"`
	SourceIP    string   `help:"Address that the user came from." name:"source-ip" placeholder:"IP"`
	As          string   `help:"Who is responsible, e.g. user:alice; otherwise the effective user." placeholder:"TYPE:ID"`
	Severity    string   `help:"0 to 7 or a word (emergency, alert, critical, error, warning, notice, info, debug); a type's own can be raised, not lowered." placeholder:"N"`
	Description string   `help:"What happened; otherwise the catalogue's." placeholder:"TEXT"`
	Action      string   `help:"What was done to the object." placeholder:"VERB"`
	Object      string   `help:"What it was done to." placeholder:"TYPE:ID"`
	Status      string   `help:"success, failure, aborted, denied, pending or unknown." placeholder:"S"`
	Reason      string   `help:"Why it ended so." placeholder:"TEXT"`
	Code        string   `help:"Error code." placeholder:"CODE"`
	Ref         []string `help:"Another record of the same: KIND:VALUE, at most 16." placeholder:"KIND:VALUE" sep:"none"`
	Label       []string `help:"Free text by key." placeholder:"KEY=VALUE" sep:"none"`
	Interaction string   `help:"interaction_id: what the event belongs to; otherwise STET_INTERACTION_ID, else new." placeholder:"ID"`
	At          string   `help:"Where in your code: \"$0:$LINENO\"." placeholder:"FILE:LINE"`
	App         string   `help:"app_id of the event; otherwise stet." env:"STET_APP" placeholder:"NAME"`
	AppVersion  string   `help:"Version of the application." env:"STET_APP_VERSION" placeholder:"V"`
	Env         string   `help:"Environment: production, staging, development, test or your own." env:"STET_ENV" placeholder:"ENV"`
	JSON        bool     `help:"Print what was recorded as JSON."`
	FromSystemd bool     `help:"As ExecStartPre= of a unit record that a job starts, as ExecStopPost= how it ended."`
	Unit        string   `help:"With --from-systemd: the unit; otherwise that of our control group. Say --unit %n." placeholder:"UNIT"`
	Why         string   `help:"With --from-systemd: the reason, in your words." placeholder:"TEXT"`
}

func (c *emitCmd) Run(e *env) error {
	if c.FromSystemd {
		if c.Type != "" {
			return usage("emit: --from-systemd makes its own events; leave %q out", c.Type)
		}
		return c.fromSystemd(e)
	}
	ev, err := c.event(e)
	if err != nil {
		return err
	}
	rec, err := stet.Open(e.ctx, c.Store, c.recording(e, c.options()))
	if err != nil {
		return err
	}
	if err := errors.Join(rec.Record(e.ctx, ev), rec.Close()); err != nil {
		return err
	}
	return c.done(e, recorded{EventID: ev.EventID.String(), EventType: ev.EventType})
}

// recorded is what emit prints: stet.emit/1.
type recorded struct {
	Format    string `json:"format"`
	EventID   string `json:"event_id,omitempty"` // of an application's event
	EventType string `json:"event_type"`
	JobID     string `json:"job_id,omitempty"` // of a unit's run
	RunID     string `json:"run_id,omitempty"`
	InLog     bool   `json:"in_log"` // false: durable in the spool, and another stet command brings it in
}

// done brings the record into the log and prints what it is.
func (c *emitCmd) done(e *env, r recorded) error {
	r.Format, r.InLog = "stet.emit/1", c.tryBringIn(e)
	if c.JSON {
		return printJSON(e, r)
	}
	id := r.EventID
	if id == "" {
		id = r.RunID
	}
	_, err := fmt.Fprintln(e.stdout, id)
	return err
}

// options: what cannot be recorded is an error, because the record is all there is to do.
func (c *emitCmd) options() stet.Options {
	o := stet.Options{App: c.App, AppVersion: c.AppVersion, Environment: c.Env, EntryPoint: &event.EntryPoint{Kind: "cli", Name: "stet emit"}}
	if o.AppVersion == "" && (o.App != "" || c.FromSystemd) {
		o.AppVersion = "unknown" // rather than this program's own
		o.Derived = addTo(o.Derived, "app_version", "not given")
	}
	return o
}

// event is what was asked for: the event on standard input, if that is named, under what the flags say.
func (c *emitCmd) event(e *env) (ev event.Event, err error) {
	switch c.Type {
	case "":
		return ev, usage("emit: no event; say stet emit TYPE, or - for JSON on standard input")
	case "-":
		draft, err := readDraft(e.stdin)
		if err != nil {
			return ev, err
		}
		ev = *draft
	default:
		ev.EventType = c.Type
	}
	if ev.EventType == "job_started" && len(ev.References) < 16 { // the run goes on, and this process does not
		ev.References = append(ev.References, event.Reference{Kind: event.ReferenceDetached, Value: fmt.Sprintf("does not end with process %d", os.Getpid())})
	}
	if ev.EventID.IsZero() {
		var random [10]byte
		_, _ = rand.Read(random[:]) // never fails: since Go 1.24 a system without randomness ends the program
		ev.EventID = event.NewUUIDv7(time.Now(), random)
	}
	if ev.CodeLocation == "" && c.At == "" {
		// Not the place in this program, which says nothing of who called it.
		ev.CodeLocation = "stet emit"
		ev.Derived = addTo(ev.Derived, "code_location", "command")
	}
	for _, f := range []struct {
		flag  string
		field *string
	}{{c.User, &ev.UserID}, {c.SourceIP, &ev.SourceIP}, {c.Description, &ev.Description}, {c.Action, &ev.Action}, {c.Status, &ev.Status},
		{c.Reason, &ev.StatusReason}, {c.Code, &ev.StatusCode}, {c.Interaction, &ev.InteractionID}, {c.At, &ev.CodeLocation}} {
		if f.flag != "" {
			*f.field = f.flag
		}
	}
	return ev, c.parts(&ev)
}

// parts fills in what has parts of its own.
func (c *emitCmd) parts(ev *event.Event) error {
	if c.Severity != "" {
		s, err := severity(c.Severity)
		if err != nil {
			return err
		}
		ev.Severity = &s
	}
	if c.As != "" {
		p, err := principal("emit", c.As)
		if err != nil {
			return err
		}
		ev.Principal = p
	}
	if c.Object != "" {
		typ, id, ok := strings.Cut(c.Object, ":")
		if !ok || typ == "" || id == "" {
			return usage("emit: --object %q: say TYPE:ID, for example file:/etc/passwd", c.Object)
		}
		ev.Object = &event.Object{Type: typ, ID: id}
	}
	for _, r := range c.Ref {
		kind, v, ok := strings.Cut(r, ":")
		if !ok || kind == "" || v == "" {
			return usage("emit: --ref %q: say KIND:VALUE, for example ticket:OPS-7", r)
		}
		ev.References = append(ev.References, event.Reference{Kind: kind, Value: v})
	}
	for _, l := range c.Label {
		k, v, ok := strings.Cut(l, "=")
		if !ok || k == "" {
			return usage("emit: a --label without =: say KEY=VALUE") // and not what it was: it may be secret
		}
		ev.Labels = addTo(ev.Labels, k, v)
	}
	return nil
}

// readDraft reads one event from a file or pipe, at most event.MaxDraft bytes.
func readDraft(r io.Reader) (*event.Event, error) {
	b, err := io.ReadAll(io.LimitReader(r, event.MaxDraft+1))
	if err != nil {
		return nil, fmt.Errorf("read the event: %w", err)
	}
	return event.ParseDraft(b)
}

// severity reads a number or a word of RFC 5424.
func severity(s string) (event.Severity, error) {
	words := []string{}
	for v := event.SeverityEmergency; v <= event.SeverityDebug; v++ {
		if s == v.String() || s == strconv.Itoa(int(v)) {
			return v, nil
		}
		words = append(words, v.String())
	}
	return 0, usage("emit: --severity %q: say 0 to 7, or one of %s", s, strings.Join(words, ", "))
}

// principal reads TYPE:ID.
func principal(command, s string) (*event.Principal, error) {
	typ, id, ok := strings.Cut(s, ":")
	if !ok || id == "" || !slices.Contains(principals, typ) {
		return nil, usage("%s: --as %q: say TYPE:ID, for example user:alice; types are %s", command, s, strings.Join(principals, ", "))
	}
	return &event.Principal{Type: typ, ID: id}, nil
}

func addTo(m map[string]string, k, v string) map[string]string {
	if m == nil {
		m = map[string]string{}
	}
	m[k] = v
	return m
}
