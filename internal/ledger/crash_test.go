package ledger_test

import (
	"testing"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// small makes segments, and the part of the stream table that stays in the head, so small that a short program runs into
// every one of their limits.
func small(o *ledger.Options) { o.SegmentBytes, o.HeadStreams = 3000, 4 }

// A program is work with a ledger, and the disk it starts from.
type program struct {
	name  string
	start func(*worker) // work that was done and is durable before; nil: an empty disk
	run   func(*worker)
}

var programs = []program{
	{name: "first steps", run: func(w *worker) {
		s := newStream("emitter", 1)
		w.append(s.next(2, 60))
		w.publish()
		w.append(s.next(1, 60))
		w.append(newStream("other", 2).next(1, 60))
		w.publish()
		w.close()
	}},
	{name: "without a publish", run: func(w *worker) {
		s := newStream("emitter", 1)
		for range 3 {
			w.append(s.next(2, 60))
		}
	}},
	{name: "streams spill, segments rotate", start: func(w *worker) {
		for i := range 4 {
			w.append(newStream("emitter", i).next(1, 60))
		}
		w.close()
	}, run: func(w *worker) {
		old := newStream("emitter", 2)
		old.next(1, 60)
		for i := range 3 {
			for j := range 3 {
				w.append(newStream("emitter", 10+3*i+j).next(1, 60))
			}
			w.append(old.next(1, 60))
			w.publish()
		}
	}},
	{name: "a tile becomes full", start: func(w *worker) {
		s := newStream("emitter", 1)
		w.append(s.next(249, 30))
		w.close()
	}, run: func(w *worker) {
		s := newStream("emitter", 2)
		w.append(s.next(2, 30))
		w.publish()
		w.append(s.next(2, 30)) // 256
		w.publish()
		w.append(s.next(2, 30))
		w.publish()
		w.append(s.next(260, 30)) // over the next boundary at once
		w.publish()
	}},
	{name: "losses, refusals, an end", start: func(w *worker) {
		w.append(newStream("emitter", 1).next(1, 60))
		w.close()
	}, run: func(w *worker) {
		s := newStream("emitter", 1)
		s.next(1, 60)
		w.lose(ledger.Loss{Stream: s.id, First: 2, Last: 9, Reason: "a damaged spool segment"})
		s.skip(8)
		w.publish()
		w.append(s.next(1, 60))
		b := s.next(2, 60)
		b.Items[1] = ledger.Item{Stub: &ledger.Stub{Leaf: proof.LeafHash(b.Items[1].Event), Reason: "too long"}}
		w.append(b)
		w.append(s.batch(0, 0, func(s *proof.Seal) { s.Final = true }))
		w.close()
	}},
	{name: "open after a crash", start: func(w *worker) {
		s := newStream("emitter", 1)
		w.append(s.next(2, 60))
		w.publish()
		for range 3 {
			w.append(s.next(2, 60))
		}
		w.fsys.Crash()
	}, run: func(w *worker) {
		w.append(newStream("emitter", 5).next(1, 60))
		w.close()
		w.open()
	}},
}

// plan makes a Plan of a program. What was claimed before it is part of its claim.
func (p program) plan(states int) fsxtest.Plan {
	before := claim{}
	return fsxtest.Plan{
		Start: func() *fsxtest.Mem {
			m := fsxtest.New()
			if p.start == nil {
				return m
			}
			w := work(m, small)
			p.start(w)
			before = w.done().(claim)
			for s := range m.States(1, 0) { // nothing that was not durable
				return s
			}
			panic("no state")
		},
		Run: func(m *fsxtest.Mem) any {
			w := work(m, small)
			w.acked, w.notary.signed = before.acked, before.signed
			if w.err == nil {
				p.run(w)
			}
			return w.done()
		},
		Again: func(m *fsxtest.Mem, was any) any {
			w := work(m, small)
			w.acked, w.notary.signed = was.(claim).acked, append(was.(claim).signed, w.notary.signed...)
			w.append(newStream("again", 500).next(1, 60))
			w.publish()
			return w.done()
		},
		Check:     func(m *fsxtest.Mem, c any) error { return audit(m, c.(claim), small) },
		MaxStates: states,
		Seed:      1,
	}
}

func TestNothingAcknowledgedIsLostInACrash(t *testing.T) {
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) { fsxtest.Explore(t, p.plan(1500)) })
	}
}

func TestNothingAcknowledgedIsLostByAFault(t *testing.T) {
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) {
			plan := p.plan(1000)
			plan.Again = nil
			fsxtest.Faults(t, plan, 100)
		})
	}
}
