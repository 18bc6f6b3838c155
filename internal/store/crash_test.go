package store

import (
	"context"
	"fmt"
	"os"
	"testing"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

// claim is what a program was told is durable.
type claim struct {
	acked []string // event ids
	seen  [][]byte // checkpoints
}

// life is the whole way of events: a process that ends properly, one that dies with two runs open, one that lives while
// others drain and goes on afterwards, and one that says nothing. It goes on after errors, as a shell script of stet runs
// would.
func life(m *fsxtest.Mem) claim {
	var c claim
	drain := func() {
		if d, err := storeOn(m).Drain(context.Background()); err == nil && !d.Busy {
			c.seen = append(c.seen, d.Checkpoint)
		}
	}

	tidy := begin(m, 1)
	tidy.start("a")
	tidy.end("a")
	tidy.close()

	dying := m.Process()
	dead := begin(dying, 2)
	dead.start("b")
	dead.start("c")
	dead.end("c")
	dead.start("d")
	dying.Kill()

	living := m.Process()
	worker := begin(living, 3)
	worker.start("e")
	drain()
	worker.start("f")
	worker.end("e")
	worker.note()
	drain()
	living.Kill()
	drain()

	idle := begin(m, 4)
	idle.close()
	drain()
	for _, p := range []*process{tidy, dead, worker} {
		c.acked = append(c.acked, p.acked...)
	}
	dead.close() // ends the goroutines; the processes are long gone
	worker.close()
	return c
}

// moment is the shortest way that has everything in it: a process that dies with a run open, and one that lives during
// the first drain and has ended at the second.
func moment(m *fsxtest.Mem) claim {
	var c claim
	drain := func() {
		if d, err := storeOn(m).Drain(context.Background()); err == nil && !d.Busy {
			c.seen = append(c.seen, d.Checkpoint)
		}
	}
	dying, living := m.Process(), m.Process()
	dead := begin(dying, 2)
	dead.start("b")
	dying.Kill()
	worker := begin(living, 3)
	worker.start("e")
	drain()
	worker.end("e")
	worker.close()
	living.Kill()
	drain()
	c.acked = append(dead.acked, worker.acked...)
	dead.close()
	worker.close()
	return c
}

// plan makes a plan of a program. A disk that was found sound for a claim is
// sound for the same claim, however it came about.
func plan(program func(*fsxtest.Mem) claim, states int) fsxtest.Plan {
	seen := map[string]bool{}
	return fsxtest.Plan{
		Start: func() *fsxtest.Mem { // keys without a marker are how a store begins
			m := fsxtest.New()
			if _, err := keysOn(m)(true); err != nil {
				panic(err)
			}
			return m
		},
		Run: func(m *fsxtest.Mem) any { return program(m) },
		Again: func(m *fsxtest.Mem, was any) any {
			c := was.(claim)
			if n := len(m.Ops()); n%3 != 0 { // the next process does not live long either
				m.CrashAt(n + 1 + n*7%60)
			}
			if d, err := storeOn(m).Drain(context.Background()); err == nil && !d.Busy {
				c.seen = append(c.seen[:len(c.seen):len(c.seen)], d.Checkpoint)
			}
			return c
		},
		Check: func(m *fsxtest.Mem, was any) error {
			c := was.(claim)
			id := fmt.Sprintf("%x %d %d", m.Hash(), len(c.acked), len(c.seen))
			if seen[id] {
				return nil
			}
			seen[id] = true
			return sound(m, c.acked, c.seen)
		},
		MaxStates: states,
		Seed:      1,
	}
}

// program is explored at every operation: the whole one where there is time.
func program() func(*fsxtest.Mem) claim {
	if os.Getenv("STET_LONG") != "" || os.Getenv("STET_CRASH_STATES") != "" {
		return life
	}
	return moment
}

func TestNothingIsLostOrTwiceAfterACrash(t *testing.T) {
	fsxtest.Explore(t, plan(program(), 1500))
}

// TestEvidenceSurvivesACrash: wherever the draining of a spool with a broken batch and a refused event is cut short, both
// are on record once afterwards, both are kept in quarantine, and what lies between them arrives.
func TestEvidenceSurvivesACrash(t *testing.T) {
	base := fsxtest.New()
	if _, err := keysOn(base)(true); err != nil {
		t.Fatal(err)
	}
	f := newForge(t, base, streamID(5))
	f.batch(trouble{})
	f.batch(trouble{note: func(b []byte) []byte { b[len(b)-10] ^= 1; return b }})
	f.batch(trouble{bytes: func([]byte) []byte { return []byte(`{"x":1}`) }})
	f.batch(trouble{})
	f.die()
	seen := map[fsxtest.Hash]bool{} // what was found sound is sound, however it came about
	p := fsxtest.Plan{
		Start: func() *fsxtest.Mem { return copied(t, base) },
		Run: func(m *fsxtest.Mem) any {
			_, err := storeOn(m).Drain(context.Background())
			return err == nil
		},
		Again: func(m *fsxtest.Mem, _ any) any {
			m.CrashAt(len(m.Ops()) + 1 + len(m.Ops())*7%60)
			_, err := storeOn(m).Drain(context.Background())
			return err == nil
		},
		Check: func(m *fsxtest.Mem, _ any) error {
			if seen[m.Hash()] {
				return nil
			}
			seen[m.Hash()] = true
			s := storeOn(m)
			if _, err := s.Drain(context.Background()); err != nil {
				return err
			}
			got, err := read(s)
			if err != nil {
				return err
			}
			if got.types["spool_quarantined"] != 1 || got.types["event_refused"] != 1 || got.types["shop_checkout"] != 2 || len(got.stubs) != 2 {
				return fmt.Errorf("the log has %v and stubs %v", got.types, got.stubs)
			}
			kept, err := m.ReadDir("quarantine")
			if err != nil {
				return err
			}
			names := ""
			for _, e := range kept {
				names += " " + e.Name()
			}
			if want := " " + streamID(5) + "-000001.seg " + streamID(5) + "-3.json"; names != want {
				return fmt.Errorf("in quarantine:%s, want%s", names, want)
			}
			return verified(m, nil)
		},
		MaxStates: 300,
	}
	fsxtest.Explore(t, p)
	p.Again = nil
	fsxtest.Faults(t, p, 10)
}

func TestLife(t *testing.T) {
	m := fsxtest.New()
	c := life(m)
	if len(c.acked) != 10 || len(c.seen) != 4 {
		t.Fatalf("%d events were acknowledged and %d drains succeeded, want 10 and 4", len(c.acked), len(c.seen))
	}
	if err := sound(m, c.acked, c.seen); err != nil {
		t.Fatal(err)
	}
	got := mustRead(t, storeOn(m))
	for run, lost := range map[string]int{"a": 0, "b": 1, "c": 0, "d": 1, "e": 0, "f": 1} {
		if got.started[run] != 1 || got.lost[run] != lost {
			t.Errorf("run %s: started %d times, lost %d times, want 1 and %d", run, got.started[run], got.lost[run], lost)
		}
	}
	if n := got.seals[streamID(4)]; n != 0 {
		t.Errorf("a stream without events has %d seals, want none", n)
	}
}
