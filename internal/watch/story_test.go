package watch

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/story"
)

// judgement is where the watch thinks that a job's run stands. Runs that are over are not in it.
type judgement map[string]string // "job/run" → waiting, running, lost

func (w *Watch) judge() judgement {
	out := judgement{}
	for _, j := range w.jobs {
		for _, r := range j.runs {
			state := "waiting"
			switch {
			case r.lost:
				state = "lost"
			case r.started:
				state = "running"
			}
			out[fmt.Sprintf("%s/%s/%d", j.id, r.id, r.attempt)] = state
		}
	}
	return out
}

// told is the same by the fold of package story.
func told(entries []Entry) judgement {
	var f story.Fold
	for _, e := range entries {
		f.Add(story.Item{Seq: e.Seq, HasSeq: true, ReceivedAt: e.ReceivedAt, KeyID: e.KeyID, StoreKey: e.StoreKey, Event: e.Event})
		if e.Seal != nil && e.Seal.Final {
			id, _ := event.ParseUUID(e.Seal.Stream)
			f.Ended(id)
		}
	}
	out := judgement{}
	for _, s := range f.Stories() {
		for jobs := slices.Concat(s.Jobs, s.Orphans); len(jobs) > 0; jobs = jobs[1:] {
			jobs = append(jobs, jobs[0].Children...)
			for _, r := range jobs[0].Runs {
				key := fmt.Sprintf("%s/%s/%d", jobs[0].ID, r.ID, max(r.Attempt, 1))
				switch r.State() {
				case story.StateWaiting, story.StateUnstarted:
					out[key] = "waiting"
				case story.StateRunning, story.StateSilent:
					out[key] = "running"
				case story.StateLost:
					out[key] = "lost"
				}
			}
		}
	}
	return out
}

// teller makes a random tape: what senders with two keys and applications, in several streams, may say of a few jobs, in
// any order, as it comes when spools are shipped late. Nobody speaks of runs that were never started, nor of a second
// attempt before a first one.
type teller struct {
	*tape
	senders []*process
	known   []string // runs that somebody started, as job/attempt
	decided []string // attempts that somebody decided about, and jobs that were asked for twice: that is decided once
}

func newTeller(p Policy) *teller {
	t := &teller{tape: &tape{w: New(p), p: p, now: day}}
	for _, who := range []string{"a shop", "a shop", "b worker", "c shop"} {
		key, app, _ := strings.Cut(who, " ")
		t.senders = append(t.senders, t.process(key, app))
	}
	return t
}

// step says one thing, or lets time go by.
func (t *teller) step(rt *rapid.T) {
	p := rapid.SampledFrom(t.senders).Draw(rt, "sender")
	job := rapid.SampledFrom([]string{"j", "k"}).Draw(rt, "job")
	n := rapid.Int64Range(1, 2).Draw(rt, "attempt")
	name := fmt.Sprintf("%s/%d", job, n)
	parent := func(e *event.Event) {
		if job == "k" {
			childOf("j")(e)
		}
	}
	if !slices.Contains(t.known, job+"/1") {
		n, name = 1, job+"/1"
	}
	switch what := rapid.SampledFrom([]string{"ask", "allow", "deny", "duplicate", "start", "start", "beat", "beat", "end", "lose", "final", "pass", "pass"}).Draw(rt, "what"); what {
	case "ask":
		p.say("job_submitted", job, parent)
	case "allow", "deny":
		if slices.Contains(t.decided, name) || slices.Contains(t.decided, job) {
			return
		}
		t.decided = append(t.decided, name)
		p.say(map[string]string{"allow": "job_authorized", "deny": "job_denied"}[what], job, attempt(n), parent)
	case "duplicate":
		p.say("job_submitted", job, parent)
		p.say("job_deduplicated", job, parent)
		t.decided = append(t.decided, job)
	case "start":
		p.say("job_started", job, attempt(n), parent)
		t.known = append(t.known, name)
	case "beat", "end", "lose":
		if !slices.Contains(t.known, name) {
			return
		}
		switch what {
		case "beat":
			p.beats(job, 10*time.Minute, attempt(n), mayUntil(time.Hour))
		case "end":
			p.say("job_succeeded", job, attempt(n))
		default:
			if t.w.judge()[fmt.Sprintf("%s/run %d of %s/%d", job, n, job, n)] == "running" { // the store knows of whom it says so
				t.process("store", "stet").say("job_lost", job, attempt(n))
			}
		}
	case "final":
		p.seal(true)
		*p = *t.process(p.key, p.app)
	case "pass":
		t.pass(time.Duration(rapid.IntRange(1, 200).Draw(rt, "minutes")) * 10 * time.Minute)
	}
}

// The watch and the fold of package story never tell two stories: what is open for the one is open for the other.
func TestJudgesAsTheStoryDoes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tp := newTeller(Policy{})
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			tp.step(rt)
			if got, want := tp.w.judge(), told(tp.entries); !maps.Equal(got, want) {
				tp.show(rt)
				rt.Fatalf("the watch says %v, the story %v", got, want)
			}
		}
	})
}

// A watch that begins anew with the log, at any point, knows what the one before it knew, and finds what it would have found.
func TestBeginsAnew(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tp, never := newTeller(Policy{}), New(Policy{})
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			n := len(tp.entries)
			tp.step(rt)
			for _, e := range tp.entries[n:] {
				never.Add(e)
				never.Due(e.ReceivedAt)
			}
			if rapid.Bool().Draw(rt, "restart") {
				tp.restart()
				tp.ask()
			}
			if got, want := tp.w.judge(), never.judge(); !maps.Equal(got, want) {
				rt.Fatalf("anew it says %v, as it was %v", got, want)
			}
			never.Due(tp.now)
			if got, want := tp.w.Next(), never.Next(); !got.Equal(want) {
				tp.show(rt)
				rt.Fatalf("anew it asks at %v, as it was at %v", got, want)
			}
		}
	})
}

// Findings may take a while until they are in the log, and a server may end meanwhile: all the same each is found once, and
// whatever gave a run up is answered once if anything was heard of it again.
func TestFindingsOnTheirWay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		tp := newTeller(Policy{})
		tp.hold = true
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			tp.step(rt)
			switch rapid.SampledFrom([]string{"go on", "written", "some written", "killed"}).Draw(rt, "then") {
			case "written":
				tp.writeAll(len(tp.held))
			case "some written":
				tp.writeAll(len(tp.held) / 2)
			case "killed":
				tp.held = nil
				tp.restart()
			}
		}
		tp.hold = false
		tp.writeAll(len(tp.held))
		tp.ask()
		tp.pass(1000 * time.Hour)
		seen := map[string]int{}
		for _, f := range tp.found {
			if seen[f]++; seen[f] > 1 {
				rt.Errorf("%s is in the log twice", f)
			}
		}
		answers := map[string]int{}
		for _, e := range tp.entries {
			if e.StoreKey && (e.Event.EventType == "job_recovered" || e.Event.EventType == "job_late_outcome") {
				answers[aboutOf(e.Event)]++
			}
		}
		for about, n := range answers {
			if n > 1 {
				rt.Errorf("entry %s is answered %d times", about, n)
			}
		}
		for _, e := range tp.entries {
			if e.StoreKey && (e.Event.EventType == "job_stalled" || e.Event.EventType == "job_no_outcome") && tp.w.runOf(e) == nil && answers[entry(e.Seq)] == 0 && !tp.closedOtherwise(e) {
				tp.show(rt)
				rt.Errorf("entry %d says %s of a run that is over, and nothing answers it", e.Seq, e.Event.EventType)
			}
		}
	})
}

// A word that comes while a finding is on its way stands in front of it in the log, and answers it all the same.
func TestOvertaken(t *testing.T) {
	for _, tc := range []struct {
		name string
		tell func(p *process)
		want string
	}{
		{"a heartbeat", func(p *process) { p.beats("j", time.Hour) }, "job_recovered 6 heard_again"},
		{"an outcome", func(p *process) { p.say("job_succeeded", "j") }, "job_late_outcome 6 outcome_after_all"},
	} {
		tp := newTape()
		p := tp.process("a", "shop")
		p.begins("j")
		p.beats("j", 5*time.Minute)
		tp.hold = true
		tp.pass(10 * time.Minute)
		tc.tell(p)
		tp.hold = false
		tp.writeAll(len(tp.held))
		tp.pass(time.Minute)
		tp.want(t, "job_stalled 4 heartbeat_overdue", tc.want)
		tp.restart()
		tp.pass(time.Minute)
		tp.want(t, "job_stalled 4 heartbeat_overdue", tc.want)
	}
}
