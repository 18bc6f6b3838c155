package watch

import (
	"fmt"
	"testing"
	"time"
)

// Ten thousand jobs that do what they should, with children, retries, heartbeats and clocks that are a little off, raise
// nothing, and nothing of them stays in memory.
func TestHealthyJobsRaiseNothing(t *testing.T) {
	tp := newTape()
	for i := range 10_000 {
		name := fmt.Sprintf("job %d", i)
		p, worker := tp.process("a", "shop"), tp.process("b", "worker")
		worker.skew = time.Duration(i%9-4) * time.Second
		p.say("job_submitted", name)
		p.say("job_authorized", name)
		p.seal(true)
		tp.pass(time.Duration(i%50) * time.Minute)
		worker.say("job_started", name)
		for range i % 4 {
			worker.beats(name, 5*time.Minute, mayUntil(10*time.Minute))
			tp.pass(5 * time.Minute)
		}
		switch i % 10 {
		case 0: // fails, and is tried again
			worker.say("job_failed", name)
			worker.say("job_authorized", name, attempt(2))
			tp.pass(time.Minute)
			worker.say("job_started", name, attempt(2))
			worker.say("job_succeeded", name, attempt(2))
		case 1: // has a child, which ends behind it
			child := name + "'s child"
			worker.say("job_submitted", child, childOf(name))
			worker.say("job_succeeded", name)
			tp.pass(10 * time.Minute)
			worker.say("job_started", child, childOf(name))
			worker.say("job_succeeded", child, childOf(name))
		default:
			worker.say("job_succeeded", name)
		}
		worker.seal(true)
	}
	tp.pass(100 * 24 * time.Hour)
	tp.want(t)
	if w := tp.w; len(w.jobs)+len(w.streams)+len(w.due)+len(w.children)+len(w.orphans)+w.count+w.orphaned+len(w.gone) > 0 {
		t.Errorf("left: %d jobs, %d streams, %d deadlines, %d and %d families, %d runs, %d orphans, %d given up", len(w.jobs), len(w.streams), len(w.due), len(w.children), len(w.orphans), w.count, w.orphaned, len(w.gone))
	}
}

// A hole in a stream, of which only the server that refused what came too early knows, until it is found.
func TestHoles(t *testing.T) {
	for _, tc := range []struct {
		name string
		tell func(t *tape, p *process)
		want []string
	}{
		{"filled at once", func(t *tape, p *process) {
			t.hole(p, 3, 7)
			t.pass(4 * time.Minute)
			p.seq = 6
			p.seal(false)
			t.pass(time.Hour)
		}, nil},
		{"filled after four days, by which another server is there", func(t *tape, p *process) {
			t.hole(p, 3, 7)
			for range 4 * 24 {
				t.pass(time.Hour)
				t.hole(p, 3, 7)
			}
			t.restart()
			t.hole(p, 3, 7)
			t.pass(time.Hour)
			p.seq = 5
			p.seal(false)
			t.pass(time.Hour)
			p.seq = 6
			p.seal(false)
			t.restart()
			t.pass(time.Hour)
		}, []string{"stream_gap STREAM/3 hole", "stream_gap_filled 1 hole"}},
		{"filled while the finding is on its way", func(t *tape, p *process) {
			t.hole(p, 3, 7)
			t.hold = true
			t.pass(time.Hour)
			p.seq = 6
			p.seal(false)
			t.hold = false
			t.writeAll(len(t.held))
			t.pass(time.Hour)
		}, []string{"stream_gap STREAM/3 hole", "stream_gap_filled 2 hole"}},
		{"never filled", func(t *tape, p *process) {
			t.hole(p, 3, 7)
			t.pass(100 * time.Hour)
		}, []string{"stream_gap STREAM/3 hole"}},
		{"declared lost", func(t *tape, p *process) {
			t.hole(p, 3, 7)
			t.pass(time.Hour)
			t.lose(p, 3, 6)
			t.pass(time.Hour)
			p.seq = 7
			p.seal(false)
			t.pass(time.Hour)
		}, []string{"stream_gap STREAM/3 hole", "stream_gap 2 declared_lost"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tp := newTape()
			p := tp.process("a", "shop")
			tc.tell(tp, p)
			for i, f := range tc.want {
				if f == "stream_gap STREAM/3 hole" {
					tc.want[i] = fmt.Sprintf("stream_gap %s/3 hole", p.stream)
				}
			}
			tp.want(t, tc.want...)
			if len(tp.w.gaps) > 0 && tc.name != "never filled" {
				t.Errorf("%d holes are left", len(tp.w.gaps))
			}
		})
	}
}

// What was due while the server was down is found once it is back and emitters have had time to send, and not if they did.
func TestServerWasDown(t *testing.T) {
	tp := newTape()
	p, q := tp.process("a", "shop"), tp.process("b", "shop")
	p.begins("j")
	p.beats("j", 5*time.Minute)
	q.begins("k")
	q.beats("k", 5*time.Minute)
	tp.process("c", "shop").say("job_submitted", "l")
	tp.now = tp.now.Add(3 * time.Hour) // nobody is there
	tp.restart()
	tp.process("store", "stet").say("sys_startup", "")
	tp.pass(9 * time.Minute)
	tp.want(t)
	q.beats("k", 5*time.Minute) // as an emitter whose server was away
	tp.pass(2 * time.Minute)
	tp.want(t, "job_stalled 4 heartbeat_overdue", "job_never_started 9 no_start_in_time")
	tp.restart()
	tp.pass(time.Minute)
	tp.want(t, "job_stalled 4 heartbeat_overdue", "job_never_started 9 no_start_in_time")
}

// Where there is no room, the run that was given up first is let go of; where none was, what comes is not watched, and the
// log is told so once, until there was room again.
func TestNoRoom(t *testing.T) {
	tp := newTape()
	tp.w = New(Policy{MaxRuns: 10})
	p := tp.process("a", "shop")
	for i := range 10 {
		p.say("job_submitted", fmt.Sprint(i))
	}
	tp.want(t)
	p.say("job_submitted", "more")
	p.say("job_submitted", "even more")
	tp.want(t, "sys_monitor_disabled 11 no_room")
	tp.pass(2 * time.Hour) // all ten are given up
	if len(tp.found) != 11 {
		t.Fatalf("found %q", tp.found)
	}
	p.say("job_submitted", "new")
	p.say("job_started", "0") // it was let go of: nothing is known of its request
	p.say("job_started", "2")
	p.say("job_succeeded", "0")
	p.say("job_succeeded", "2")
	if got := tp.found[11:]; len(got) != 1 || got[0] != "job_recovered 16 started_after_all" {
		t.Errorf("found %q", got)
	}
	if tp.w.count > 10 || len(tp.w.jobs) > 10 {
		t.Errorf("%d runs of %d jobs, where 10 is all there is room for", tp.w.count, len(tp.w.jobs))
	}
}

// What is remembered of the past is bounded, and the newer half of it is never forgotten.
func TestPast(t *testing.T) {
	p := newPast(100)
	for i := range 1000 {
		p.add(hashOf('t', fmt.Sprint(i)))
		for back := range min(i, 49) {
			if !p.has(hashOf('t', fmt.Sprint(i-back))) {
				t.Fatalf("%d is forgotten at %d", i-back, i)
			}
		}
		if n := len(p.now) + len(p.old); n > 100 {
			t.Fatalf("%d are remembered", n)
		}
	}
}

// BenchmarkAdd is a healthy job of six entries; ns/op are an entry's.
func BenchmarkAdd(b *testing.B) {
	tp := newTape()
	for i := range 1000 {
		p := tp.process("a", "shop")
		p.begins(fmt.Sprint(i))
		p.beats(fmt.Sprint(i), time.Minute)
		p.say("job_succeeded", fmt.Sprint(i))
		p.seal(true)
	}
	b.ReportAllocs()
	w := New(Policy{})
	for i := 0; b.Loop(); i++ {
		e := tp.entries[i%len(tp.entries)]
		if i%len(tp.entries) == 0 {
			w = New(Policy{})
		}
		w.Add(e)
	}
}

// hole says that a stream came with a number that is too high.
func (t *tape) hole(p *process, expected, got uint64) {
	t.w.Hole(p.stream, expected, got, t.now)
}

func (t *tape) lose(p *process, first, last uint64) {
	t.add(Entry{Stub: lostStub(p.stream, first, last)})
}
