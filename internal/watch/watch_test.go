package watch

import (
	"fmt"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// Each rule: what happens, and what is found of it, once. Each is tried as it is, and with a server that ends and begins
// again after every step, which must make no difference.
func TestRules(t *testing.T) {
	const (
		hour = time.Hour
		long = 100 * 24 * time.Hour
	)
	for _, tc := range []struct {
		name string
		tell func(t *tape, step func(d time.Duration))
		want []string // TYPE about RULE
	}{
		{"a job that runs as it should", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			for range 20 {
				p.beats("j", 5*time.Minute)
				step(5 * time.Minute)
			}
			p.say("job_succeeded", "j")
			p.seal(true)
			step(long)
		}, nil},
		{"one that never starts", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.say("job_submitted", "j")
			p.say("job_authorized", "j")
			p.seal(true)
			step(long)
		}, []string{"job_never_started 1 no_start_in_time"}},
		{"one without a name, of a parent without a root", func(t *tape, step func(time.Duration)) {
			t.process("a", "shop").say("job_submitted", "j", func(e *event.Event) { e.Job = &event.Job{ID: "j", ParentID: "p"} })
			step(long)
		}, []string{"job_never_started 1 no_start_in_time", "job_orphaned 1 parent_unknown"}},
		{"one that may run and never starts", func(t *tape, step func(time.Duration)) {
			t.process("a", "shop").say("job_authorized", "j")
			step(long)
		}, []string{"job_never_started 1 no_start_in_time"}},
		{"one that was never allowed to", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.say("job_submitted", "j")
			p.say("job_denied", "j")
			step(long)
		}, nil},
		{"a duplicate", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.say("job_submitted", "j")
			p.say("job_deduplicated", "j")
			step(long)
		}, nil},
		{"one that is scheduled for later", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.say("job_submitted", "j", func(e *event.Event) { e.Job.ScheduledFor = e.Timestamp.Add(48 * hour) })
			step(48*hour + 59*time.Minute)
			p.say("job_started", "j")
			p.say("job_succeeded", "j")
			step(long)
		}, nil},
		{"one that is scheduled for a time that nobody waits for", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.say("job_submitted", "j", func(e *event.Event) { e.Job.ScheduledFor = e.Timestamp.Add(1000 * 24 * hour) })
			step(31*24*hour + hour)
		}, []string{"job_never_started 1 no_start_in_time"}},
		{"a start that comes late", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.say("job_submitted", "j")
			step(2 * hour)
			t.process("worker", "shop").say("job_started", "j")
			step(hour)
		}, []string{"job_never_started 1 no_start_in_time", "job_recovered 2 started_after_all"}},
		{"a request that is shipped when all is over", func(t *tape, step func(time.Duration)) {
			p := t.process("worker", "shop")
			p.say("job_started", "j")
			p.say("job_succeeded", "j")
			step(hour)
			t.process("a", "shop").say("job_submitted", "j")
			step(long)
		}, nil},
		{"a retry that never starts", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			p.say("job_failed", "j")
			p.say("job_authorized", "j", attempt(2))
			step(long)
		}, []string{"job_never_started 5 no_start_in_time"}},
		{"heartbeats that stop and come again", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			p.beats("j", 5*time.Minute)
			step(20 * time.Minute)
			p.beats("j", 5*time.Minute)
			step(20 * time.Minute)
			p.beats("j", 5*time.Minute)
			p.say("job_succeeded", "j")
			step(long)
		}, []string{"job_stalled 4 heartbeat_overdue", "job_recovered 5 heard_again", "job_stalled 6 heartbeat_overdue", "job_recovered 8 heard_again"}},
		{"heartbeats that stop for good", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			p.beats("j", 5*time.Minute)
			step(long)
		}, []string{"job_stalled 4 heartbeat_overdue", "job_no_outcome 4 silent"}},
		{"a heartbeat that promises the next one in a year", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			p.beats("j", 365*24*hour)
			step(24*hour + 2*time.Minute)
		}, []string{"job_no_outcome 4 silent"}},
		{"a run without a sign of life", func(t *tape, step func(time.Duration)) {
			t.process("a", "shop").begins("j")
			step(long)
		}, []string{"job_no_outcome 3 silent"}},
		{"a process that ends and says nothing of its run", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			p.seal(true)
			step(time.Minute)
		}, []string{"job_no_outcome 3 stream_ended"}},
		{"a process that ends, and whose run another one ends", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			p.seal(true)
			step(30 * time.Second)
			t.process("a", "shop").say("job_succeeded", "j")
			step(long)
		}, nil},
		{"a detached run outlives its process", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j", func(e *event.Event) { e.References = []event.Reference{{Kind: event.ReferenceDetached, Value: "x"}} })
			p.seal(true)
			step(23 * hour)
			t.process("a", "shop").say("job_succeeded", "j")
		}, nil},
		{"an outcome after the run was lost", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			t.lost("j")
			step(hour)
			t.process("a", "shop").say("job_succeeded", "j")
			step(long)
		}, []string{"job_late_outcome 4 outcome_after_all"}},
		{"an outcome after the run had stalled", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			p.beats("j", time.Minute)
			step(hour)
			p.say("job_succeeded", "j")
			step(long)
		}, []string{"job_stalled 4 heartbeat_overdue", "job_late_outcome 5 outcome_after_all"}},
		{"an outcome after the run was given up", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			step(25 * hour)
			p.say("job_failed", "j")
			step(long)
		}, []string{"job_no_outcome 3 silent", "job_late_outcome 4 outcome_after_all"}},
		{"an outcome that only somebody else claims", func(t *tape, step func(time.Duration)) {
			t.process("a", "shop").begins("j")
			t.process("b", "shop").say("job_succeeded", "j")
			t.process("a", "bank").beats("j", hour)
			step(25 * hour)
		}, []string{"job_no_outcome 3 silent"}},
		{"a finding that only somebody else claims", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			t.process("a", "shop").say("job_lost", "j")
			p.say("job_succeeded", "j")
			step(long)
		}, nil},
		{"an authorization that ends", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			p.beats("j", 20*time.Minute, mayUntil(10*time.Minute))
			step(20 * time.Minute)
			for range 3 { // saying so again gives no more time, and is found once
				p.beats("j", hour, func(e *event.Event) { e.Heartbeat.AuthorizationValidUntil = day.Add(10 * time.Minute) })
				step(30 * time.Minute)
			}
			p.say("job_succeeded", "j")
			step(long)
		}, []string{"job_authorization_lapsed 4 authorization_ended"}},
		{"an authorization that is given anew", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			for range 10 {
				p.beats("j", 10*time.Minute, mayUntil(15*time.Minute))
				step(10 * time.Minute)
			}
			p.say("job_succeeded", "j")
			step(long)
		}, nil},
		{"a start before the request", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.say("job_started", "j")
			p.say("job_submitted", "j")
			p.say("job_authorized", "j")
			p.say("job_succeeded", "j")
			step(long)
		}, []string{"job_phase_disorder 2 phase_order"}},
		{"a request in another stream may come later", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.say("job_started", "j")
			t.process("a", "shop").say("job_submitted", "j")
			p.say("job_succeeded", "j")
			step(long)
		}, nil},
		{"an outcome before the start", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.say("job_succeeded", "j")
			p.say("job_started", "j")
			step(long)
		}, []string{"job_phase_disorder 2 phase_order"}},
		{"signs of life after the outcome", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("j")
			p.say("job_succeeded", "j")
			p.beats("j", time.Minute)
			p.beats("j", time.Minute)
			step(long)
		}, []string{"job_phase_disorder 5 phase_order"}},
		{"a start of what was denied", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.say("job_submitted", "j")
			p.say("job_denied", "j")
			t.process("worker", "shop").say("job_started", "j")
			step(hour)
		}, []string{"job_phase_disorder 3 phase_order"}},
		{"a child whose parent is not known", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("c", childOf("nobody"))
			p.say("job_succeeded", "c")
			step(long)
		}, []string{"job_orphaned 1 parent_unknown"}},
		{"a child that is its own parent", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("c", childOf("c"))
			p.say("job_succeeded", "c")
			step(long)
		}, []string{"job_orphaned 1 parent_unknown"}},
		{"a child whose parent is shipped later", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("c", childOf("p"))
			step(30 * time.Minute)
			q := t.process("b", "web")
			q.begins("p")
			q.say("job_succeeded", "p")
			p.say("job_succeeded", "c")
			step(long)
		}, nil},
		{"children that outlive a parent which has ended", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("p")
			p.begins("c", childOf("p"))
			p.say("job_succeeded", "p")
			p.say("job_submitted", "d", childOf("p"))
			step(30 * time.Minute)
			p.say("job_started", "d", childOf("p"))
			p.say("job_succeeded", "d", childOf("p"))
			p.say("job_succeeded", "c")
			step(long)
		}, nil},
		{"a child that outlives a parent which is lost", func(t *tape, step func(time.Duration)) {
			t.process("a", "shop").begins("p")
			c := t.process("a", "shop")
			c.begins("c", childOf("p"))
			t.lost("p")
			step(hour)
			c.say("job_succeeded", "c")
			step(long)
		}, []string{"job_orphaned 4 parent_lost"}},
		{"a child that is lost with its parent", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.begins("p")
			p.begins("c", childOf("p"))
			t.lost("p")
			t.lost("c")
			step(long)
		}, nil},
		{"numbers that were declared lost", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			t.add(Entry{Stub: &proof.Stub{Stream: p.stream.String(), First: 1, Last: 7, Code: proof.StubLost}})
			t.add(Entry{Stub: &proof.Stub{Stream: p.stream.String(), First: 8, Last: 8, Code: proof.StubRefused}})
			step(long)
		}, []string{"stream_gap 1 declared_lost"}},
		{"a clock that is ahead", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.skew = 6 * time.Second
			for range 3 {
				p.say("page_viewed", "")
				step(hour)
			}
			step(24 * hour)
			p.say("page_viewed", "")
		}, []string{"clock_skewed 1 ahead", "clock_skewed 5 ahead"}},
		{"a clock that is ahead by no more than it says", func(t *tape, step func(time.Duration)) {
			p := t.process("a", "shop")
			p.skew = 6 * time.Second
			us := int64(2_000_000)
			p.say("page_viewed", "", func(e *event.Event) { e.Clock = &event.Clock{Confidence: "low", MaxErrorUS: &us} })
			p.skew = -48 * time.Hour
			p.say("page_viewed", "")
			step(hour)
		}, nil},
	} {
		for _, restarts := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/restarts=%t", tc.name, restarts), func(t *testing.T) {
				tp := newTape()
				tc.tell(tp, func(d time.Duration) {
					if restarts {
						tp.restart()
						tp.pass(d / 2)
						tp.restart()
						d -= d / 2
					}
					tp.pass(d)
				})
				tp.want(t, tc.want...)
			})
		}
	}
}
