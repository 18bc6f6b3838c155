package fsxtest

import (
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// A World is work that is done by one process after the other, until all of it is done, whatever fails: as a service
// manager would restart it, and a client try again. It keeps what callers know beside the disk.
type World interface {
	// Live is one process. It goes on where the one before stopped, and ends when its part is done, or with the first
	// error that it cannot live with. done says that nothing is left to do. It must be repeatable: the same disk and the
	// same Facts lead to the same operations.
	Live(fsys *Mem) (done bool, err error)
	// Facts is everything that callers know: what is acknowledged, what was handed out, what is still to be done.
	Facts() string
	// Audit opens a disk on which no process lives and holds it against the facts. It may write to the disk, and must not
	// change the facts.
	Audit(fsys *Mem) error
}

// Lives says what Pairs fails.
type Lives struct {
	Start func() *Mem  // the disk to begin with; nil: an empty one. Each time the same.
	World func() World // the callers, knowing nothing yet
	// Share runs only every Share-th pair, and reports how many there are; 0: all. The environment variable STET_PAIRS
	// overrides it.
	Share int
}

// Coverage counts what was failed.
type Coverage struct {
	Sites   int // operations of the undisturbed work
	Singles int // ways to fail one of them
	Pairs   int // ways to fail one, and then another of those that follow
	Runs    int // of pairs; the others lead to a machine and callers from which everything has been tried before
	Skipped int // pairs that Share left out
	Audits  int
}

// restarts is how many processes may end with an error for each fault that was injected.
const restarts = 1

// crashes is how many disks are audited of those that a power cut after the work may leave, beside the one that goes on.
const crashes = 3

// Pairs fails every operation of the work, reads too, in each of its ways: "failed", without effect; "failed, but
// persisted", with all of it; "failed, partly persisted", with half of it. Then, in each of these runs, it fails every
// later operation as well, counted as the run goes after the first fault: in the same process, in the recovery of the
// next, and in all that follows. Each run must come to its end with no more processes than faults lost, and Audit must
// agree with the machine as it goes on and with what a power cut then leaves.
//
// With one fault, names whose directory could not be synced may be lost in a power cut whatever syncs come later: a
// program has to undo them. With two, of which one can keep it from that, it is as journalling file systems have it: either
// a later sync that succeeds has made these names durable too, or none succeeds.
func Pairs(t testing.TB, l Lives) Coverage {
	t.Helper()
	if v := os.Getenv("STET_PAIRS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			t.Fatalf("STET_PAIRS is %q: it must be a number, 1 for all pairs, 10 for every tenth", v)
		}
		l.Share = n
	}
	x := explorePairs{lives: l}
	x.pairs(x.singles(t))
	x.Runs, x.Audits = int(x.runs.Load()), int(x.audits.Load())
	if x.failure != nil {
		t.Fatalf("%v", x.failure)
	}
	t.Logf("%d fault sites, %d single faults, all run; %d pairs: %d run, %d left out, the others equal to one of these; %d different ends audited",
		x.Sites, x.Singles, x.Pairs, x.Runs, x.Skipped, x.Audits)
	return x.Coverage
}

// site is one way to fail one operation.
type site struct {
	op   int
	mode mode
}

// boundary is where one process has ended and the next has not begun: all that the future depends on.
type boundary struct {
	op  int // the last before it
	key Hash
}

type played struct {
	first site
	ends  []boundary
	ops   []Op
}

// explorePairs remembers the boundaries from which everything has been tried.
type explorePairs struct {
	lives Lives
	Coverage

	mu      sync.Mutex
	sound   map[Hash]bool // undisturbed work from here on was audited
	claimed map[Hash]bool // every fault from here on is being tried
	failure error
	runs    atomic.Int64
	audits  atomic.Int64
}

func (x *explorePairs) start() *Mem {
	if x.lives.Start == nil {
		return New()
	}
	return x.lives.Start()
}

// play does the work with these faults. quick ends it where what follows is known.
func (x *explorePairs) play(quick bool, faults ...site) (played, error) {
	m := x.start()
	m.d.journalled = len(faults) > 1
	last := 0
	for i, f := range faults {
		err := ErrInjected
		if f.mode == partly || (f.op+i)%2 == 1 && f.mode == failed {
			err = syscall.ENOSPC
		}
		m.failAt(f.op, fault{err, f.mode})
		last = max(last, f.op)
	}
	w := x.lives.World()
	var p played
	var keys []Hash
	lost := 0
	for done := false; !done; {
		process := m.Process()
		var err error
		done, err = w.Live(process)
		process.Kill()
		if err != nil {
			if lost++; lost > restarts*len(faults) {
				return p, fmt.Errorf("process %d of the work ended with an error, after %d faults: %w", len(p.ends)+1, len(faults), err)
			}
			done = false
		}
		machine := m.machine()
		key := Hash(sha256.Sum256(fmt.Appendf(machine[:], "%t %s", done, w.Facts())))
		p.ends = append(p.ends, boundary{m.count(), key})
		if m.count() < last {
			continue
		}
		if quick && x.isSound(key) {
			x.areSound(keys)
			return p, nil
		}
		keys = append(keys, key)
	}
	p.ops = m.Ops()
	m.clearFaults()
	m.Crash()
	for s := range m.States(crashes, 1) {
		if err := x.audit(s, w); err != nil {
			return p, fmt.Errorf("after a power cut at the end: %w\nkept: %s\n%s", err, s.Origin(), s.Tree())
		}
	}
	m.revive()
	if err := x.audit(m.Process(), w); err != nil {
		return p, fmt.Errorf("on the machine that goes on: %w\n%s", err, m.Tree())
	}
	x.areSound(keys)
	return p, nil
}

// audit holds a disk against the facts, once for each disk and facts.
func (x *explorePairs) audit(m *Mem, w World) error {
	disk := m.Hash()
	key := Hash(sha256.Sum256(append(disk[:], w.Facts()...)))
	if x.isSound(key) {
		return nil
	}
	x.audits.Add(1)
	err := w.Audit(m)
	if err == nil {
		x.areSound([]Hash{key})
	}
	return err
}

func (x *explorePairs) isSound(k Hash) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.sound[k]
}

func (x *explorePairs) areSound(keys []Hash) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, k := range keys {
		x.sound[k] = true
	}
}

// claim says whether nobody has tried everything from here on yet.
func (x *explorePairs) claim(k Hash) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.claimed[k] {
		return false
	}
	x.claimed[k] = true
	return true
}

func (x *explorePairs) report(where string, err error) {
	if err == nil {
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.failure == nil {
		x.failure = fmt.Errorf("%s:\n%w", where, err)
	}
}

func (x *explorePairs) over() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.failure != nil
}

// share runs fn for 0 to n-1 on all processors, until something fails.
func (x *explorePairs) share(n int, fn func(int)) {
	var next atomic.Int64
	var all sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && !x.over(); i = int(next.Add(1)) - 1 {
				fn(i)
			}
		})
	}
	all.Wait()
}

func (x *explorePairs) singles(t testing.TB) []played {
	t.Helper()
	x.sound, x.claimed = map[Hash]bool{}, map[Hash]bool{}
	plain, err := x.play(false)
	if err != nil {
		t.Fatalf("undisturbed: %v", err)
	}
	for _, b := range plain.ends {
		x.claimed[b.key] = true // the singles try everything from here on
	}
	first := len(x.start().Ops())
	if len(plain.ops) == first {
		t.Fatalf("the work did nothing to its disk, so there is nothing to fail")
	}
	var sites []site
	for op := first + 1; op <= len(plain.ops); op++ {
		for _, how := range plain.ops[op-1].Kind.modes() {
			sites = append(sites, site{op, how})
		}
	}
	x.Sites, x.Singles = len(plain.ops)-first, len(sites)
	runs := make([]played, len(sites))
	x.share(len(sites), func(i int) {
		p, err := x.play(false, sites[i])
		p.first = sites[i]
		runs[i] = p
		x.report(describeSites(plain.ops, p.ops, sites[i]), err)
	})
	return runs
}

// pairs adds a second fault to each run with one.
func (x *explorePairs) pairs(runs []played) {
	var pairs, skipped atomic.Int64
	x.share(len(runs), func(i int) {
		r := runs[i]
		known := false
		from := r.first.op
		for _, end := range r.ends {
			if end.op <= r.first.op {
				continue
			}
			for op := from + 1; op <= end.op && !x.over(); op++ {
				for _, how := range r.ops[op-1].Kind.modes() {
					n := pairs.Add(1)
					if known {
						continue
					}
					if s := int64(x.lives.Share); s > 1 && n%s != 0 {
						skipped.Add(1)
						continue
					}
					x.runs.Add(1)
					second := site{op, how}
					_, err := x.play(true, r.first, second)
					x.report(describeSites(r.ops, r.ops, r.first, second), err)
				}
			}
			from = end.op
			known = known || !x.claim(end.key)
		}
	})
	x.Pairs, x.Skipped = int(pairs.Load()), int(skipped.Load())
}

func describeSites(ops, more []Op, sites ...site) string {
	if len(more) > len(ops) {
		ops = more
	}
	var b strings.Builder
	for i, s := range sites {
		if i > 0 {
			b.WriteString(", then ")
		}
		fmt.Fprintf(&b, "operation %d (%s) %s", s.op, ops[s.op-1], s.mode)
	}
	return b.String()
}
