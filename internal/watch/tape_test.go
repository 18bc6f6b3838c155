package watch

import (
	"fmt"
	"maps"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/watch/watchtest"
	"github.com/stetlog/stet/proof"
)

var day = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

// tape is a log that a watch follows, and its clock: what is found stands in it a moment later.
type tape struct {
	w       *Watch
	p       Policy
	now     time.Time
	entries []Entry
	found   []string // "TYPE about RULE", in order
	hold    bool     // findings stay on their way
	held    []Finding
	streams int
}

func newTape() *tape {
	return &tape{w: New(Policy{}), now: day}
}

// lend gives an entry to a taker as a follower of a log does: its event is overwritten behind it.
func lend(to Taker, e Entry) {
	var spoil func()
	e.Event, spoil = watchtest.Lent(e.Event)
	to.Add(e)
	spoil()
}

// process is one sender: a stream of a key.
type process struct {
	t      *tape
	key    string
	app    string
	stream event.UUID
	seq    uint64
	skew   time.Duration
}

func (t *tape) process(key, app string) *process {
	t.streams++
	return &process{t: t, key: key, app: app, stream: event.DeriveUUID("test", fmt.Sprint(t.streams), event.NewUUIDv7(day, [10]byte{}).Time48())}
}

func (t *tape) add(e Entry) Entry {
	e.Seq, e.ReceivedAt = uint64(len(t.entries)+1), t.now
	t.entries = append(t.entries, e)
	lend(t.w, e)
	t.ask()
	t.now = t.now.Add(time.Millisecond)
	return e
}

// ask asks what is due by now, and has the log say so.
func (t *tape) ask() {
	for next := t.w.Next(); !next.IsZero() && !next.After(t.now); next = t.w.Next() {
		t.held = append(t.held, t.w.Due(t.now)...)
		if !t.hold {
			t.writeAll(len(t.held))
		}
	}
}

// writeAll has the log say the first n of what was found.
func (t *tape) writeAll(n int) {
	some := t.held[:n:n]
	t.held = t.held[n:]
	for _, f := range some {
		t.write(f)
	}
}

// closedOtherwise says whether a run that was given up was given up once more, which is what is answered, or was denied.
func (t *tape) closedOtherwise(e Entry) bool {
	for _, x := range t.entries {
		if x.Event != nil && x.Event.EventType == "job_denied" {
			return true
		}
		if x.Seq != e.Seq && x.StoreKey && x.Event.Job != nil && e.Event.Job.RunID == x.Event.Job.RunID && (x.Event.EventType == "job_no_outcome" || x.Event.EventType == "job_lost") {
			return true
		}
	}
	return false
}

// write records a finding.
func (t *tape) write(f Finding) {
	t.found = append(t.found, fmt.Sprintf("%s %s %s", f.Type, f.About, f.Rule))
	if watchtest.Spoiled(f.Event) {
		panic(fmt.Sprintf("%s is made of memory that was only lent", f.Type))
	}
	entry := Entry{Seq: uint64(len(t.entries) + 1), ReceivedAt: t.now, KeyID: "store", StoreKey: true, Event: stored(f, t.now)}
	t.entries = append(t.entries, entry)
	lend(t.w, entry)
}

// stored is a finding as the store writes it and the log has it: what the schema refuses cannot be a finding.
func stored(f Finding, now time.Time) *event.Event {
	e := *f.Event
	stream := event.DeriveUUID("finding", f.Type+f.About, f.Near.Time48())
	e.EventID, e.AppID, e.Timestamp, e.StreamID, e.StreamSeq = event.DeriveUUID("event", stream.String(), stream.Time48()), "stet", now, stream, 1
	e.CodeLocation, e.EntryPoint, e.Host = "internal/watch", &event.EntryPoint{Kind: "function", Name: "watch"}, &event.Host{Name: "web1", IP: "10.0.0.1"}
	e.Principal, e.Clock = &event.Principal{Type: "system", ID: "stet"}, &event.Clock{Confidence: "unknown"}
	e.Absent = maps.Clone(e.Absent)
	if e.Absent == nil {
		e.Absent = map[string]string{}
	}
	for _, path := range []string{"user_id", "source_ip", "app_version", "environment"} {
		e.Absent[path] = event.AbsentNotApplicable
	}
	b, err := (&event.Codec{}).Append(nil, &e)
	if err == nil {
		var again *event.Event
		if again, err = event.Parse(b); err == nil {
			return again
		}
	}
	panic(fmt.Sprintf("%s %s: %v", f.Type, f.Rule, err))
}

// pass lets time go by, and asks when it is time.
func (t *tape) pass(d time.Duration) {
	end := t.now.Add(d)
	for {
		next := t.w.Next()
		if next.IsZero() || next.After(end) {
			break
		}
		if next.After(t.now) {
			t.now = next
		}
		t.ask()
	}
	t.now = end
}

// restart begins a new watch, which reads the log.
func (t *tape) restart() {
	t.w = New(t.p)
	for _, e := range t.entries {
		lend(t.w, e)
	}
}

// say adds an event about run 1 of a job; change makes of it what the test wants.
func (p *process) say(eventType, job string, change ...func(*event.Event)) Entry {
	p.seq++
	e := &event.Event{EventID: event.DeriveUUID("event", fmt.Sprint(p.stream, p.seq), p.stream.Time48()), EventType: eventType, Timestamp: p.t.now.Add(p.skew),
		InteractionID: "i", AppID: p.app, Environment: "test", StreamID: p.stream, StreamSeq: p.seq, Escaped: true}
	if job != "" {
		e.Job = &event.Job{ID: job, Name: job, RunID: "run of " + job, Attempt: 1}
		if eventType == "job_submitted" || eventType == "job_authorized" || eventType == "job_denied" || eventType == "job_deduplicated" {
			e.Job.RunID = ""
		}
	}
	for _, c := range change {
		c(e)
	}
	return p.t.add(Entry{KeyID: p.key, StoreKey: p.key == "store", Event: e})
}

// seal ends a batch of the stream, up to its last number, or to another one.
func (p *process) seal(final bool) {
	p.t.add(Entry{KeyID: p.key, Seal: &proof.Seal{Stream: p.stream.String(), First: max(p.seq, 1), Count: 1, Final: final}})
}

func (p *process) begins(job string, change ...func(*event.Event)) Entry {
	e := p.say("job_submitted", job, change...)
	p.say("job_authorized", job, change...)
	p.say("job_started", job, change...)
	return e
}

// beats is a heartbeat that states when the next one is due.
func (p *process) beats(job string, next time.Duration, change ...func(*event.Event)) Entry {
	return p.say("job_heartbeat", job, append([]func(*event.Event){func(e *event.Event) {
		e.Heartbeat = &event.Heartbeat{N: p.seq, NextDue: e.Timestamp.Add(next)}
	}}, change...)...)
}

// lost is the store's word that a run's process is gone.
func (t *tape) lost(job string) Entry {
	store := t.process("store", "stet")
	return store.say("job_lost", job)
}

func mayUntil(d time.Duration) func(*event.Event) {
	return func(e *event.Event) { e.Heartbeat.AuthorizationValidUntil = e.Timestamp.Add(d) }
}

func childOf(parent string) func(*event.Event) {
	return func(e *event.Event) { e.Job.ParentID, e.Job.RootID = parent, parent }
}

func attempt(n int64) func(*event.Event) {
	return func(e *event.Event) {
		e.Job.Attempt = n
		if e.Job.RunID != "" {
			e.Job.RunID = fmt.Sprintf("run %d of %s", n, e.Job.ID)
		}
	}
}

// want demands what was found so far.
func (t *tape) want(tb testing.TB, findings ...string) {
	tb.Helper()
	if got, want := fmt.Sprintf("%q", t.found), fmt.Sprintf("%q", append([]string{}, findings...)); got != want && (len(t.found) > 0 || len(findings) > 0) {
		tb.Errorf("found\n %s\nwant\n %s", got, want)
	}
}

// show logs what the log says.
func (t *tape) show(tb interface{ Logf(string, ...any) }) {
	for _, e := range t.entries {
		if e.Event != nil && e.Event.Job != nil {
			tb.Logf("%d %s %s %s: job %s, run %q, attempt %d, %v", e.Seq, instant(e.ReceivedAt), e.KeyID, e.Event.EventType, e.Event.Job.ID, e.Event.Job.RunID, e.Event.Job.Attempt, e.Event.References)
		}
	}
}

func lostStub(stream event.UUID, first, last uint64) *proof.Stub {
	return &proof.Stub{Stream: stream.String(), First: first, Last: last, Code: proof.StubLost}
}
