package story

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// day is when every test's story happens.
var day = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// tape records what several senders say, as a ledger would have it: a seq for each event, in the order they arrived.
type tape struct {
	items []Item
	now   time.Time
	ids   byte
}

func newTape() *tape { return &tape{now: day} }

// uuid makes the n-th id of a kind, the same in every run.
func uuid(kind string, n byte) event.UUID {
	return event.DeriveUUID(kind, string([]byte{'a' + n/26, 'a' + n%26}), event.NewUUIDv7(day, [10]byte{}).Time48())
}

func keyID(name string) string {
	sum := sha256.Sum256([]byte(name))
	return hex.EncodeToString(sum[:])
}

// process is one sender: a stream under a key.
type process struct {
	t        *tape
	app      string
	host     string
	key      string
	store    bool
	stream   event.UUID
	seq      uint64
	skew     time.Duration // how far its clock is off
	maxError int64         // what it says of that, in microseconds
	spool    bool          // what it says is not in the ledger yet
}

func (t *tape) process(app, host string) *process {
	t.ids++
	return &process{t: t, app: app, host: host, key: keyID("root@" + host), stream: uuid("stream", t.ids), maxError: 1200}
}

// theStore is the sender whose word on losses counts.
func (t *tape) theStore() *process {
	s := t.process("stet", "web1")
	s.key, s.store = keyID("store"), true
	return s
}

func (t *tape) pass(d time.Duration) { t.now = t.now.Add(d) }

// say adds an event of a type, with everything that a real one has, and then what the test makes of it.
func (s *process) say(eventType string, change func(*event.Event)) *event.Event {
	s.seq++
	s.t.ids++
	info := event.SeverityInfo
	uid := uint32(0)
	e := &event.Event{
		EventID:       uuid("event", s.t.ids),
		Timestamp:     s.t.now.Add(s.skew),
		InteractionID: "7f3c",
		AppID:         s.app, AppVersion: "1.4.2", CodeLocation: "/usr/local/bin/" + s.app,
		EntryPoint:  &event.EntryPoint{Kind: "schedule", Name: "/etc/cron.d/nightly"},
		Host:        &event.Host{Name: s.host, IP: "10.0.0.5"},
		Environment: "production",
		Principal:   &event.Principal{Type: "service_account", ID: "uid:0@" + s.host},
		Absent:      map[string]string{"user_id": "unavailable", "source_ip": "not_applicable"},
		Derived:     map[string]string{"host": "hostname", "app_version": "build info"},
		EventType:   eventType, Severity: &info, Description: "something happened",
		StreamID: s.stream, StreamSeq: s.seq,
		Clock:   &event.Clock{Confidence: "high", MaxErrorUS: &s.maxError},
		Escaped: true,
	}
	if change != nil {
		change(e)
	}
	it := Item{KeyID: s.key, StoreKey: s.store, Event: e}
	if !s.spool {
		it.Seq, it.HasSeq = uint64(len(s.t.items)+1), true
		it.ReceivedAt = s.t.now.Add(40 * time.Millisecond)
		it.Via = proof.Via{Kind: proof.ViaSpool, UID: &uid}
		if s.store {
			it.Via = proof.Via{Kind: proof.ViaStore}
		}
		it.EntryHash = sha256.Sum256([]byte(e.EventID.String()))
	}
	s.t.items = append(s.t.items, it)
	s.t.pass(time.Millisecond)
	return e
}

// job makes the job member of an event, and with it the why and the phase, for run n of a job.
func job(name, phase string, more ...func(*event.Event)) func(*event.Event) {
	return func(e *event.Event) {
		e.Job = &event.Job{ID: "job-" + name, RunID: "run-" + name, Name: name, Phase: phase, Attempt: 1}
		if phase == "submission" {
			e.Why = &event.Why{Trigger: "schedule", Reason: "nightly", Reference: "cron"}
			e.Job.Params = map[string]any{"argv": []any{"tar", "cf", "x.tar", "/srv/data"}, "limit": int64(10)}
		}
		for _, f := range more {
			f(e)
		}
	}
}

func childOf(parent string) func(*event.Event) {
	return func(e *event.Event) {
		e.Job.ParentID, e.Job.RootID = "job-"+parent, "job-"+parent
		if e.Why != nil {
			e.Why = &event.Why{Trigger: "parent", Reason: "part of " + parent}
		}
	}
}

func attemptNo(n int64) func(*event.Event) {
	return func(e *event.Event) {
		e.Job.Attempt = n
		e.Job.RunID += "-" + string(rune('0'+n))
	}
}

func withCode(e *event.Event) {
	e.Job.CodeDigest = "sha256:" + keyID("code")
	e.Job.EnvDigest = "hmac-sha256:0a1b2c3d:" + keyID("env")
}

func ends(status, statusCode string, took time.Duration) func(*event.Event) {
	return func(e *event.Event) {
		us := took.Microseconds()
		e.Status, e.StatusCode = status, statusCode
		e.Timing = &event.Timing{DurationUS: &us}
		e.Absent["impact"] = event.AbsentNotProvided
	}
}

func reason(s string) func(*event.Event) {
	return func(e *event.Event) { e.StatusReason = s }
}

// asks, may and starts are the three events before a job does anything.
func (s *process) asks(name string, more ...func(*event.Event)) *event.Event {
	return s.say("job_submitted", job(name, "submission", more...))
}

func (s *process) may(name string, more ...func(*event.Event)) *event.Event {
	return s.say("job_authorization_unchecked", job(name, "authorization", append(more, func(e *event.Event) {
		e.Authorization = &event.Authorization{Basis: "none", Decision: "unchecked"}
		e.Status = event.StatusUnknown
	})...))
}

func (s *process) starts(name string, more ...func(*event.Event)) *event.Event {
	return s.say("job_started", job(name, "execution", append([]func(*event.Event){withCode}, more...)...))
}

func (s *process) begins(name string, more ...func(*event.Event)) {
	s.asks(name, more...)
	s.may(name, more...)
	s.starts(name, more...)
}

func (s *process) beats(name string, n uint64, more ...func(*event.Event)) {
	s.say("job_heartbeat", job(name, "execution", append(more, func(e *event.Event) {
		e.Heartbeat = &event.Heartbeat{N: n, NextDue: e.Timestamp.Add(5 * time.Minute)}
	})...))
}

func (t *tape) fold() *Fold {
	var f Fold
	for _, it := range t.items {
		f.Add(it)
	}
	return &f
}

func (t *tape) story() Story {
	s, _ := t.fold().Story("7f3c")
	return s
}
