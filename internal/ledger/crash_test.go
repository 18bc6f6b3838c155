package ledger_test

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
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
	slow  bool // to fail at every operation
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
	{name: "streams spill, segments rotate", start: func(w *worker) {
		for i := range 4 {
			w.append(newStream("emitter", i).next(1, 60))
		}
		w.close()
	}, run: func(w *worker) {
		old := newStream("emitter", 2)
		old.next(1, 60)
		for i := range 2 {
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
		w.append(s.next(257, 30)) // over the next boundary at once
		w.publish()
	}, slow: true},
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
	}, slow: true},
}

// plan makes a Plan of a program. What was claimed before it is part of its claim.
func (p program) plan(t *testing.T, states int) fsxtest.Plan {
	t.Helper()
	base, before := fsxtest.New(), claim{}
	if p.start != nil {
		w := work(base, small)
		p.start(w)
		if w.err != nil {
			t.Fatal(w.err)
		}
		before = w.done().(claim)
		base.Crash()
	}
	// A disk that was found sound for one claim is sound for the same claim whichever crash led to it.
	type sound struct {
		disk          fsxtest.Hash
		acked, signed int
	}
	seen := map[sound]bool{}
	return fsxtest.Plan{
		Start: func() *fsxtest.Mem {
			for m := range base.States(1, 0) { // what was durable, and nothing else
				return m
			}
			panic("a disk without a state")
		},
		Run: func(m *fsxtest.Mem) any {
			w := work(m, small)
			w.carry(before)
			if w.err == nil {
				p.run(w)
			}
			return w.done()
		},
		Again: func(m *fsxtest.Mem, was any) any {
			w := work(m, small)
			w.carry(was.(claim))
			w.append(newStream("again", 500).next(1, 60))
			w.publish()
			return w.done()
		},
		Check: func(m *fsxtest.Mem, was any) error {
			c := was.(claim)
			s := sound{m.Hash(), len(c.acked), len(c.signed)}
			if seen[s] {
				return nil
			}
			seen[s] = true
			return audit(m, c, small)
		},
		MaxStates: states,
		Seed:      1,
	}
}

func TestNothingAcknowledgedIsLostInACrash(t *testing.T) {
	for _, p := range programs {
		t.Run(p.name, func(t *testing.T) { fsxtest.Explore(t, p.plan(t, 500)) })
	}
}

func TestNothingAcknowledgedIsLostByAFault(t *testing.T) {
	pairs := 10
	if long() {
		pairs = 2000
	}
	for _, p := range programs {
		if p.slow && !long() {
			t.Logf("%q is left to STET_LONG=1: it takes several seconds", p.name)
			continue
		}
		t.Run(p.name, func(t *testing.T) { fsxtest.Faults(t, p.plan(t, 1000), pairs) })
	}
}

// long asks for what takes minutes.
func long() bool { return os.Getenv("STET_LONG") != "" }

// TestNothingAcknowledgedIsLostWhenTheNextProcessCrashesToo kills a process at every operation and crashes the machine
// during the recovery of the next one: what that finds is readable and not durable, and it must not build on it.
func TestNothingAcknowledgedIsLostWhenTheNextProcessCrashesToo(t *testing.T) {
	step := 22
	if long() {
		step = 1
	}
	p := program{start: func(w *worker) {
		w.append(newStream("emitter", 1).next(1, 60))
		w.close()
	}, run: func(w *worker) {
		w.append(newStream("emitter", 2).next(1, 60))
		w.publish()
	}}
	for after := 2; after < 80; after += step {
		t.Run(strconv.Itoa(after), func(t *testing.T) {
			plan := p.plan(t, 1000)
			next := plan.Again
			plan.Again = func(m *fsxtest.Mem, was any) any {
				m.CrashAt(len(m.Ops()) + after)
				return next(m, was)
			}
			fsxtest.Explore(t, plan)
		})
	}
}

// TestNothingAcknowledgedIsLostByChance explores programs made by chance, as many as there is time for: they find the
// orders of things that nobody thought of.
func TestNothingAcknowledgedIsLostByChance(t *testing.T) {
	seeds, states := 1, 300
	if long() {
		seeds, states = 60, 4000
	}
	distinct := 0
	for seed := range seeds {
		t.Run(strconv.Itoa(seed), func(t *testing.T) {
			distinct += fsxtest.Explore(t, chance(uint64(seed)).plan(t, states)).Distinct
			if seeds > 1 {
				distinct += fsxtest.Faults(t, chance(uint64(seed)).plan(t, states), 20).Distinct
			}
		})
	}
	t.Logf("%d distinct states", distinct)
}

// chance makes a program: streams that begin, go on, lose and end, of batches large and small, between publishes and
// restarts.
func chance(seed uint64) program {
	steps := func(w *worker, r *rand.Rand, streams map[int]*stream, n int) {
		for range n {
			id := r.IntN(9)
			s := streams[id]
			if s == nil {
				s = newStream("emitter", int(seed)*100+id)
				streams[id] = s
			}
			switch {
			case s.seal.Final:
				w.publish()
			case r.IntN(8) == 0:
				k := uint64(1 + r.IntN(5))
				w.lose(ledger.Loss{Stream: s.id, First: s.seal.Next(), Last: s.seal.Next() + k - 1, Reason: "by chance"})
				s.skip(k)
			case r.IntN(8) == 0:
				w.append(s.batch(r.IntN(2), 30, func(s *proof.Seal) { s.Final = true }))
			case r.IntN(6) == 0:
				w.append(s.next(1+r.IntN(130), 30))
			default:
				w.append(s.next(1+r.IntN(3), 30+r.IntN(300)))
			}
			switch r.IntN(6) {
			case 0, 1:
				w.publish()
			case 2:
				if r.IntN(3) == 0 {
					w.close()
					w.open()
				}
			}
		}
	}
	return program{start: func(w *worker) {
		steps(w, rand.New(rand.NewPCG(seed, 0)), map[int]*stream{}, int(seed%20))
	}, run: func(w *worker) {
		streams := map[int]*stream{}
		// The emitters remember what they did.
		steps(&worker{err: errors.New("in thought only")}, rand.New(rand.NewPCG(seed, 0)), streams, int(seed%20))
		steps(w, rand.New(rand.NewPCG(seed, 1)), streams, 6)
	}}
}
