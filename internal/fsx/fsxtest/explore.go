package fsxtest

import (
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"
)

// Plan is a program and what must hold wherever it is interrupted.
type Plan struct {
	// Start makes the disk that Run finds; nil: an empty one. It is called for every run and must always make the same.
	Start func() *Mem
	// Run is the program. It stops at the first error, and returns what it may claim: whatever it was told is durable, so
	// far. It is called once for every operation it makes, and should do the same operations each time.
	Run func(fsys *Mem) (acked any)
	// Check opens a disk as found after the interruption and compares it with the claim. It may write to fsys, which is
	// its own.
	Check func(fsys *Mem, acked any) error
	// Again, where given, is the next process: it starts on the same machine after the first was killed, finds everything
	// readable and nothing of the last moments durable, and returns its own claim. Then the machine crashes.
	Again func(fsys *Mem, acked any) (again any)
	// MaxStates is the number of disks to check, about; 0: 2000. The environment variable STET_CRASH_STATES overrides it.
	MaxStates int
	// Seed determines the sample where there are more.
	Seed uint64
}

// Result is what an exploration covered.
type Result struct {
	Ops      int // operations of an undisturbed run
	Runs     int // interrupted runs
	Checked  int // disks checked
	Distinct int // of different content
}

func (p Plan) start() *Mem {
	if p.Start == nil {
		return New()
	}
	return p.Start()
}

func (p Plan) states(t testing.TB) int {
	t.Helper()
	if v := os.Getenv("STET_CRASH_STATES"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			t.Fatalf("STET_CRASH_STATES is %q: it must be a number of disks, at least 1", v)
		}
		return n
	}
	if p.MaxStates == 0 {
		return 2000
	}
	return p.MaxStates
}

// trace runs the program undisturbed.
func (p Plan) trace(t testing.TB) (*Mem, []Op, any) {
	t.Helper()
	m := p.start()
	before := len(m.Ops())
	acked := p.Run(m)
	ops := m.Ops()
	if len(ops) == before {
		t.Fatal("the program did nothing to its disk, so there is nothing to explore")
	}
	return m, ops, acked
}

// explorer counts what it has checked.
type explorer struct {
	t    testing.TB
	plan Plan
	seen map[Hash]bool
	Result
}

// check compares up to limit of the disks that m may leave behind. It returns whether there may be more.
func (e *explorer) check(m *Mem, acked any, limit int, where func() string) bool {
	e.t.Helper()
	e.Runs++
	before := e.Checked
	for s := range m.States(max(limit, 8), e.plan.Seed+uint64(e.Runs)) {
		e.Checked++
		e.seen[s.Hash()] = true
		tree := "(shown with -v)\n"
		if testing.Verbose() {
			tree = s.Tree()
		}
		if err := e.plan.Check(s, acked); err != nil {
			e.t.Fatalf("%s\nclaimed: %v\nfound: %v\nunsynced: %s\ndisk before the check:\n%s\ndisk after it:\n%s(seed %d)",
				where(), acked, err, s.Origin(), tree, s.Tree(), e.plan.Seed)
		}
	}
	return e.Checked-before >= limit
}

// share divides what is left of the budget among the runs that are left.
func (e *explorer) share(budget, runsLeft int) int { return (budget - e.Checked) / max(runsLeft, 1) }

func (e *explorer) done(what string) Result {
	e.t.Helper()
	e.Distinct = len(e.seen)
	e.t.Logf("%s: %d operations, %d runs, %d disks checked, %d distinct crash states", what, e.Ops, e.Runs, e.Checked, e.Distinct)
	return e.Result
}

// Explore crashes the program at every operation and after the last, and checks the disks that may be found then. With
// Again it also kills the process at every operation, lets the next one work, and crashes that.
func Explore(t testing.TB, p Plan) Result {
	t.Helper()
	m, ops, acked := p.trace(t)
	first := len(p.start().Ops())
	e := &explorer{t: t, plan: p, seen: map[Hash]bool{}}
	e.Ops = len(ops) - first
	points := []int{}
	for i := first; i < len(ops); i++ {
		if ops[i].Kind.Changes() {
			points = append(points, i+1)
		}
	}
	runs := len(points) + 1
	if p.Again != nil {
		runs *= 2
	}
	budget := p.states(t)
	m.Crash()
	e.check(m, acked, e.share(budget, runs), func() string { return "crash after the last operation" })
	crash := func(op, limit int) bool {
		m := p.start()
		m.CrashAt(op)
		acked := p.Run(m)
		return e.check(m, acked, limit, func() string { return at("crash", m, op) })
	}
	kill := func(op, limit int) bool {
		m := p.start()
		m.KillAt(op)
		acked := p.Run(m)
		m.Kill()
		again := p.Again(m.Process(), acked)
		m.Crash()
		return e.check(m, again, limit, func() string { return at("kill, next process, crash", m, op) })
	}
	type run struct {
		do func(op, limit int) bool
		op int
	}
	var left []run
	for _, op := range points {
		left = append(left, run{crash, op})
	}
	if p.Again != nil {
		for _, op := range append(points, len(ops)+1) {
			left = append(left, run{kill, op})
		}
	}
	// What the first pass leaves of the budget goes to the points that have more disks than their share.
	for pass := 0; len(left) > 0 && (pass == 0 || pass < 10 && e.Checked < budget); pass++ {
		var more []run
		for i, r := range left {
			if r.do(r.op, e.share(budget, len(left)-i)) {
				more = append(more, r)
			}
		}
		left = more
	}
	if p.Again == nil {
		return e.done("crashes")
	}
	return e.done("crashes and kills")
}

func at(what string, m *Mem, op int) string {
	where := what + " at operation " + strconv.Itoa(op)
	if ops := m.Ops(); op <= len(ops) {
		where += ": " + ops[op-1].String()
	}
	return where
}

// ErrInjected is what a call fails with under Faults, where it is not ENOSPC.
var ErrInjected = errors.New("injected I/O error")

// Faults fails every operation of the program, reads too, once without its effect and once with it, and then pairs of
// them, sampled. After each run the process is dead and Check sees both the machine as it goes on and the disks after a
// crash. Errors alternate between ENOSPC, where the call can have it, and ErrInjected.
func Faults(t testing.TB, p Plan, pairs int) Result {
	t.Helper()
	_, ops, _ := p.trace(t)
	first := len(p.start().Ops())
	e := &explorer{t: t, plan: p, seen: map[Hash]bool{}}
	e.Ops = len(ops) - first
	type set map[int]bool // operation → persisted
	var sets []set
	for i := first; i < len(ops); i++ {
		sets = append(sets, set{i + 1: false}, set{i + 1: true})
	}
	r := rand.New(rand.NewPCG(p.Seed, 0))
	for range pairs {
		a, b := first+1+r.IntN(e.Ops), first+1+r.IntN(e.Ops)
		sets = append(sets, set{a: r.IntN(2) == 0, b: r.IntN(2) == 0})
	}
	budget := p.states(t)
	for i, s := range sets {
		m := p.start()
		where := "fault"
		for op, persisted := range s {
			err := ErrInjected
			if i%2 == 1 && ops[op-1].Kind.Changes() {
				err = syscall.ENOSPC
			}
			m.FailAt(op, err, persisted)
			where += " at operation " + strconv.Itoa(op) + " (" + ops[op-1].String() + ", persisted " + strconv.FormatBool(persisted) + ")"
		}
		acked := p.Run(m)
		m.Kill()
		m.clearFaults() // a later one that the run did not reach is not for Check
		e.check(m, acked, e.share(budget, len(sets)-i), func() string { return where })
		live := m.Process()
		e.Checked++
		e.seen[live.Hash()] = true
		if err := p.Check(live, acked); err != nil {
			t.Fatalf("%s, the machine goes on\nclaimed: %v\nfound: %v\ndisk:\n%s", where, acked, err, live.Tree())
		}
	}
	return e.done("faults")
}
