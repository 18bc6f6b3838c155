package intake

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// recorded is one call of RecordFor.
type recorded struct {
	via              proof.Via
	app, environment string
	events           []*event.Event // that it took
}

// memoryLog is a log that takes what the schema takes, or fails.
type memoryLog struct {
	mu    sync.Mutex
	calls []recorded
	next  uint64
	fail  func(call int) error // nil: never
	gate  chan struct{}        // nil, or calls wait for it
}

func (m *memoryLog) RecordFor(_ context.Context, via proof.Via, app, environment string, events []*event.Event) ([]store.Recorded, error) {
	if m.gate != nil {
		<-m.gate
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls = append(m.calls, recorded{via: via, app: app, environment: environment})
	call := &m.calls[len(m.calls)-1]
	if m.fail != nil {
		if err := m.fail(len(m.calls)); err != nil {
			return nil, err
		}
	}
	var all []store.Recorded
	for _, e := range events {
		written := *e
		written.Timestamp, written.StreamID, written.StreamSeq, written.Clock = doorTime, e.EventID, 1, &event.Clock{Confidence: "unknown"}
		if _, err := (&event.Codec{}).Append(nil, &written); err != nil {
			var why *event.Error
			if !errors.As(err, &why) {
				return nil, err
			}
			all = append(all, store.Recorded{Err: why})
			continue
		}
		call.events = append(call.events, e)
		m.next++
		all = append(all, store.Recorded{Seq: m.next, EventID: e.EventID})
	}
	m.next++ // the seal
	return all, nil
}

var doorTime = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func testDoor(log *memoryLog) *Door {
	return New(Options{Log: log, Now: func() time.Time { return doorTime }, Explain: func(context.Context, error) wire.Problem { return wire.NewProblem(wire.Internal, "") }})
}

// billing is a writer's token for one application.
func billing() Sender {
	id := auth.Identity{Token: "ci", Role: auth.Writer, App: "billing"}
	return Sender{Via: proof.Via{Kind: proof.ViaHTTP, Token: "ci"}, App: "billing",
		May: func(app, environment string) error {
			return id.May(auth.Append, auth.Subject{App: app, Environment: environment})
		}}
}

func take(t *testing.T, d *Door, from Sender, raws ...string) []Verdict {
	t.Helper()
	verdicts, err := takeErr(d, from, raws...)
	if err != nil {
		t.Fatal(err)
	}
	return verdicts
}

func takeErr(d *Door, from Sender, raws ...string) ([]Verdict, error) {
	var all [][]byte
	for _, r := range raws {
		all = append(all, []byte(r))
	}
	return d.Take(context.Background(), from, all)
}

const (
	idA = "01900000-0000-7000-8000-00000000000a"
	idB = "01900000-0000-7000-8000-00000000000b"
)

// Each event is judged by itself: one that is refused says why, where and what to do, and costs no other its record.
func TestEachEventAlone(t *testing.T) {
	log := &memoryLog{}
	got := take(t, testDoor(log), billing(),
		`{"event_type":"user_created"}`,
		`{"event_type":"user_created","colour":"red"}`,
		`{"event_type":"job_lost"}`,
		`{"event_type":"user_created","app_id":"payroll"}`,
		`{"event_type":"user_created","event_type":"user_created"}`,
		`{"event_type":"user_created","source_ip":"nowhere"}`,
		`{`,
		`7`,
		`{"event_type":"user_deleted"}`,
	)
	type short struct{ Status, Code, Path string }
	var all []short
	for _, v := range got {
		all = append(all, short{v.Status, v.Code, v.Path})
		if v.Status == Refused && v.Detail == "" {
			t.Errorf("refused without a word: %+v", v)
		}
		if (v.Status == Accepted) != (v.Seq > 0) {
			t.Errorf("%+v", v)
		}
	}
	want := []short{
		{Accepted, "", ""},
		{Refused, "unknown_field", "colour"},
		{Refused, "reserved_type", "event_type"},
		{Refused, "not_allowed", "app_id"},
		{Refused, "duplicate_key", "event_type"},
		{Refused, "format", "source_ip"},
		{Refused, "syntax", ""},
		{Refused, "wrong_type", ""},
		{Accepted, "", ""},
	}
	if d := cmp.Diff(want, all); d != "" {
		t.Error(d)
	}
	if len(log.calls) != 1 || len(log.calls[0].events) != 2 {
		t.Errorf("%d calls", len(log.calls))
	}
}

// What the Door makes of an event is what an import makes of it: who and where are the sender's, or not provided; a place
// in another stream is a reference; the token's application and environment are those of an event that names none.
func TestDoorCompletes(t *testing.T) {
	log := &memoryLog{}
	from := billing()
	from.Environment = "production"
	v := take(t, testDoor(log), from, `{"event_type":"user_created","stream_id":"`+idA+`","stream_seq":7,"timestamp":"2026-02-01T00:00:00Z","source_ip":"::ffff:192.0.2.1"}`)[0]
	call := log.calls[0]
	e := call.events[0]
	if call.app != "billing" || call.environment != "production" || e.AppID != "billing" || e.Environment != "production" {
		t.Errorf("it is recorded for %q %q, and says %q %q", call.app, call.environment, e.AppID, e.Environment)
	}
	if e.EventID.String() != v.EventID || e.EventID.Time() != doorTime || e.InteractionID == "" || e.Derived["interaction_id"] == "" {
		t.Errorf("id %v, answered %s, interaction %q", e.EventID, v.EventID, e.InteractionID)
	}
	if !e.StreamID.IsZero() || e.StreamSeq != 0 || !e.Timestamp.IsZero() || e.SourceIP != "192.0.2.1" || e.Absent["user_id"] != event.AbsentNotProvided {
		t.Errorf("%+v", e)
	}
	if _, ok := foreign.Last(e); !ok || !strings.Contains(e.References[0].Value, "stream "+idA+" seq 7") {
		t.Errorf("references %+v", e.References)
	}
	if d := cmp.Diff(proof.Via{Kind: proof.ViaHTTP, Token: "ci"}, call.via); d != "" {
		t.Error(d)
	}
	if take(t, testDoor(log), from, `{"event_type":"user_created","absent":{"environment":"not_applicable"}}`); log.calls[1].environment != "" {
		t.Errorf("an environment that does not apply is %q", log.calls[1].environment)
	}
}

// No answer repeats what may be a secret, wherever it stands in an event.
func TestDoorRepeatsNoSecret(t *testing.T) {
	const secret = "ghp_abcdefghijklmnopqrstuvwxyz0123456789"
	got := take(t, testDoor(&memoryLog{}), billing(),
		`{"event_type":"user_created","description":"token `+secret+`"}`,
		`{"event_type":"user_created","labels":{"`+secret+`":1}}`,
		`{"`+secret+`":1}`,
	)
	if said := fmt.Sprint(got); strings.Contains(said, secret) {
		t.Errorf("the answer repeats a secret: %s", said)
	}
	if got[0].Status != Accepted || got[1].Status != Refused || got[2].Status != Refused {
		t.Errorf("%+v", got)
	}
}

// An event that comes again is not recorded again, and one that hides behind another's id is refused; the sender and the
// application are a part of the id.
func TestAgain(t *testing.T) {
	log := &memoryLog{}
	d := testDoor(log)
	const a, spaced, other = `{"event_id":"` + idA + `","event_type":"user_created"}`, `{ "event_id" : "` + idA + `", "event_type":"user_created" }`, `{"event_id":"` + idA + `","event_type":"user_deleted"}`
	got := take(t, d, billing(), a, spaced, other, `{"event_type":"user_created"}`, `{"event_type":"user_created"}`)
	want := []Verdict{
		{Status: Accepted, Seq: 1, EventID: idA},
		{Status: Again, Seq: 1, EventID: idA},
		{Status: Refused, EventID: idA, Code: "event_conflict", Path: "event_id", Detail: "another event has come under this id", Hint: "a new event needs a new id"},
		{Status: Accepted, Seq: 2, EventID: got[3].EventID},
		{Status: Accepted, Seq: 3, EventID: got[4].EventID},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if v := take(t, d, billing(), spaced)[0]; v.Status != Again || v.Seq != 1 {
		t.Errorf("in another request: %+v", v)
	}
	elsewhere := billing()
	elsewhere.Via.Token = "other"
	if v := take(t, d, elsewhere, other)[0]; v.Status != Accepted {
		t.Errorf("from another sender: %+v", v)
	}
}

// What could not be recorded can be sent again; what could is never lost because of another's failure.
func TestRecordingFails(t *testing.T) {
	broken := errors.New("the disk is gone")
	log := &memoryLog{fail: func(int) error { return broken }}
	d := testDoor(log)
	const a, b = `{"event_id":"` + idA + `","event_type":"user_created"}`, `{"event_id":"` + idB + `","event_type":"user_created","app_id":"billing","environment":"test"}`
	if verdicts, err := takeErr(d, billing(), a, b); !errors.Is(err, broken) || verdicts[0].Status != Refused {
		t.Errorf("%v %+v", err, verdicts)
	}
	log.fail = func(call int) error { // the second of two batches
		if call == 4 {
			return broken
		}
		return nil
	}
	verdicts := take(t, d, billing(), a, b)
	if verdicts[0].Status != Accepted || verdicts[1].Status != Refused || verdicts[1].Code != string(wire.Internal) {
		t.Errorf("%+v", verdicts)
	}
	log.fail = nil
	if v := take(t, d, billing(), b, a); v[0].Status != Accepted || v[1].Status != Again {
		t.Errorf("%+v", v)
	}
}

// Two requests with the same events, in whatever order, at the same time: each event is recorded once, and nobody waits for
// ever.
func TestAgainAtOnce(t *testing.T) {
	log := &memoryLog{gate: make(chan struct{})}
	d := testDoor(log)
	ids := []string{idA, idB}
	var bodies []string
	for _, id := range ids {
		bodies = append(bodies, `{"event_id":"`+id+`","event_type":"user_created"}`)
	}
	var all sync.WaitGroup
	results := make([][]Verdict, 8)
	for i := range results {
		all.Go(func() {
			order := slices.Clone(bodies)
			if i%2 == 1 {
				slices.Reverse(order)
			}
			results[i], _ = takeErr(d, billing(), order...)
			if i%2 == 1 {
				slices.Reverse(results[i])
			}
		})
	}
	close(log.gate)
	all.Wait()
	accepted := map[string]int{}
	for _, r := range results {
		for j, v := range r {
			if v.EventID != ids[j] || v.Seq != results[0][j].Seq {
				t.Errorf("%+v, and elsewhere %+v", v, results[0][j])
			}
			if v.Status == Accepted {
				accepted[v.EventID]++
			}
		}
	}
	if d := cmp.Diff(map[string]int{idA: 1, idB: 1}, accepted); d != "" {
		t.Error(d)
	}
}

// The window holds the last events, and no more.
func TestSeenIsBounded(t *testing.T) {
	s := newSeen(3)
	key := func(i int) Key { return Key{byte(i)} }
	for i := range 10 {
		if c, _, _ := s.claim(key(i), foreign.Sum{}); c != claimNew {
			t.Fatalf("%d is %v", i, c)
		}
		s.settle(key(i), uint64(i), true)
	}
	if len(s.there) != 3 || len(s.order) != 3 || len(s.pending) != 0 {
		t.Errorf("%d there, %d in order, %d on their way", len(s.there), len(s.order), len(s.pending))
	}
	for i := 7; i < 10; i++ {
		if c, seq, _ := s.claim(key(i), foreign.Sum{}); c != claimAgain || seq != uint64(i) {
			t.Errorf("%d is %v at %d", i, c, seq)
		}
		if c, _, _ := s.claim(key(i), foreign.Sum{1}); c != claimConflict {
			t.Errorf("%d with other content is %v", i, c)
		}
	}
	// One that failed is nobody's.
	s.claim(key(20), foreign.Sum{})
	if c, _, wait := s.claim(key(20), foreign.Sum{}); c != claimPending {
		t.Errorf("on its way, it is %v", c)
	} else {
		s.settle(key(20), 0, false)
		<-wait
	}
	if c, _, _ := s.claim(key(20), foreign.Sum{}); c != claimNew {
		t.Errorf("after a failure it is %v", c)
	}
}

// FuzzDoor posts one draft a line.
func FuzzDoor(f *testing.F) {
	f.Add([]byte("{\"event_type\":\"user_created\"}\n{\"event_type\":\"job_lost\"}\n7"))
	f.Add([]byte("{\"event_type\":\"user_created\",\"labels\":{\"password\":\"x\"}}\n{}"))
	f.Add([]byte(`{"event_id":"` + idA + `","event_type":"x","app_id":"y","redactions":[{"path":"*","rule":"more","action":"counted","count":9}]}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		raws := bytes.Split(body, []byte("\n"))
		log := &memoryLog{}
		d := testDoor(log)
		verdicts, err := d.Take(context.Background(), billing(), raws)
		if err != nil || len(verdicts) != len(raws) {
			t.Fatalf("%v, %d verdicts on %d events", err, len(verdicts), len(raws))
		}
		for _, c := range log.calls {
			if c.app != "billing" {
				t.Errorf("recorded for %q", c.app)
			}
			if _, err := proof.ParseVia(c.via.Append(nil)); err != nil {
				t.Error(err)
			}
		}
		for i, v := range verdicts {
			switch v.Status {
			case Accepted, Again:
				if v.Seq == 0 || v.EventID == "" || v.Code != "" {
					t.Errorf("event %d: %+v", i, v)
				}
			case Refused:
				if v.Code == "" || v.Detail == "" || v.Seq != 0 {
					t.Errorf("event %d: %+v", i, v)
				}
			default:
				t.Errorf("event %d: %+v", i, v)
			}
		}
	})
}
