package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/story"
)

// The crowd: so many commands at once on one store, of which so many recorders are killed.
const (
	crowdSize  = 100
	crowdDead  = 30
	crowdLimit = 2 * time.Minute
)

// member is one stet run of the crowd.
type member struct {
	job    string
	length time.Duration // of its command
	code   int           // its command's exit code

	proc   *exec.Cmd
	stderr *os.File      // a file, because the command of a killed recorder lives on and would keep a pipe open
	ended  chan struct{} // closed when the recorder has ended; what follows is set then
	killed bool
	exit   int
}

// crowd makes members by chance, the same for the same seed.
func crowd(r *rand.Rand) []*member {
	all := make([]*member, crowdSize)
	for i := range all {
		all[i] = &member{job: fmt.Sprintf("job-%03d", i), length: time.Duration(r.IntN(800)) * time.Millisecond,
			code: []int{0, 0, 0, 1, 3, 77, 128 + int(syscall.SIGTERM)}[r.IntN(7)], ended: make(chan struct{})}
	}
	return all
}

// command is what the member runs: it leaves a sign that it began.
func (m *member) command() string {
	end := "exit " + strconv.Itoa(m.code)
	if m.code > 128 {
		end = "kill -" + strconv.Itoa(m.code-128) + " $$"
	}
	return fmt.Sprintf("echo > began-%s; sleep %.3f; %s", m.job, m.length.Seconds(), end)
}

func (m *member) state() story.State {
	switch {
	case m.code == 0:
		return story.StateSucceeded
	case m.code > 128:
		return story.StateAborted
	}
	return story.StateFailed
}

// TestCrowd has a hundred commands recorded in one store at the same time and kills thirty of the recorders at random
// moments, some of them while they write the ledger. Set STET_SEED to repeat a crowd, as far as the machine's own timing
// allows; STET_LONG=1 runs ten.
func TestCrowd(t *testing.T) {
	rounds := 1
	if os.Getenv("STET_LONG") != "" {
		rounds = 10
	}
	for range rounds {
		seed := rand.Uint64()
		if s := os.Getenv("STET_SEED"); s != "" {
			var err error
			if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
				t.Fatalf("STET_SEED: %v", err)
			}
		}
		t.Run(fmt.Sprint("STET_SEED=", seed), func(t *testing.T) { runCrowd(t, rand.New(rand.NewPCG(seed, 0))) })
	}
}

func runCrowd(t *testing.T, r *rand.Rand) {
	x, all := newShop(t), crowd(r)
	ctx, cancel := context.WithTimeout(t.Context(), crowdLimit)
	defer cancel()
	over := make(chan struct{})
	var present presence
	var members, others sync.WaitGroup
	others.Go(func() { killSome(x, &present, r, over) })
	others.Go(func() { verifies(t, x, over) })
	for _, m := range all {
		m.proc = x.command(ctx, "run", "--job", m.job, "--", "sh", "-c", m.command())
		var err error
		if m.stderr, err = os.Create(filepath.Join(x.dir, m.job+".stderr")); err != nil {
			t.Fatal(err)
		}
		m.proc.Stderr = m.stderr
		if err := m.proc.Start(); err != nil {
			t.Fatal(err)
		}
		present.add(m)
		members.Go(func() {
			m.wait(t)
			present.remove(m)
		})
	}
	members.Wait()
	close(over)
	others.Wait()
	if err := ctx.Err(); err != nil {
		t.Fatalf("the crowd did not end: %v", err)
	}
	judgeCrowd(t, x, all)
}

func (m *member) wait(t *testing.T) {
	defer close(m.ended)
	err := m.proc.Wait()
	var ended *exec.ExitError
	if err != nil && !errors.As(err, &ended) {
		t.Errorf("%s: %v", m.job, err)
	}
	if err := m.stderr.Close(); err != nil {
		t.Error(err)
	}
	m.exit = m.proc.ProcessState.ExitCode()
	ws, ok := m.proc.ProcessState.Sys().(syscall.WaitStatus)
	m.killed = ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL
}

// presence is who of the crowd is running.
type presence struct {
	mu      sync.Mutex
	members []*member
}

func (p *presence) add(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members = append(p.members, m)
}

func (p *presence) remove(m *member) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members = slices.DeleteFunc(p.members, func(o *member) bool { return o == m })
}

// any picks by chance.
func (p *presence) any(r *rand.Rand) *member {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.members) == 0 {
		return nil
	}
	return p.members[r.IntN(len(p.members))]
}

// holder is who holds a lock now, as the kernel lists them (Linux), or nil.
func (p *presence) holder(lock string) *member {
	var st syscall.Stat_t
	if syscall.Stat(lock, &st) != nil {
		return nil // there is no store yet
	}
	locks, err := os.ReadFile("/proc/locks")
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for line := range strings.Lines(string(locks)) {
		f := strings.Fields(line) // "1: FLOCK ADVISORY WRITE 708 fe:00:1234 0 EOF"
		if len(f) < 6 || f[1] != "FLOCK" || !strings.HasSuffix(f[5], ":"+strconv.FormatUint(st.Ino, 10)) {
			continue
		}
		for _, m := range p.members {
			if strconv.Itoa(m.proc.Process.Pid) == f[4] {
				return m
			}
		}
	}
	return nil
}

// killSome kills recorders as nothing can that they could prepare for, one after the other, until enough are dead: one in
// three is the one that holds the ledger's lock, the others are picked by chance.
func killSome(x *shop, present *presence, r *rand.Rand, over <-chan struct{}) {
	for dead := 0; dead < crowdDead; {
		select {
		case <-over:
			return
		case <-time.After(time.Duration(r.IntN(40)) * time.Millisecond):
		}
		m := present.any(r)
		if r.IntN(3) == 0 {
			m = present.holder(filepath.Join(x.store, "lock"))
		}
		if m == nil || m.proc.Process.Kill() != nil {
			continue // nobody is there, nobody holds it, or it has ended already
		}
		if <-m.ended; m.killed {
			dead++
		}
	}
}

// verifies asks whether the store is whole while everybody writes to it: never may that be taken for damage. Only while the first of them
// makes the log can it be that it is not checked.
func verifies(t *testing.T, x *shop, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		default:
		}
		began := exists(filepath.Join(x.store, "log", "checkpoint"))
		if code, out := x.run("verify"); code != exitOK && (began || code != exitNotChecked) {
			t.Errorf("verify of the store in use: exit %d\n%s", code, out)
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// judgeCrowd demands of the store what a person would who knows each member's fate.
func judgeCrowd(t *testing.T, x *shop, all []*member) {
	t.Helper()
	x.must(t, exitOK, "story", "--list")
	var docs []story.Document
	if err := json.Unmarshal(x.must(t, exitOK, "story", "--list", "--json", "--limit", "1000"), &docs); err != nil {
		t.Fatal(err)
	}
	byName := map[string][]story.JSONJob{}
	for _, d := range docs {
		for _, j := range d.Jobs {
			byName[j.Name] = append(byName[j.Name], j)
		}
	}
	var killed, lost, finished, unborn int
	for _, m := range all {
		jobs := byName[m.job]
		if len(jobs) > 1 || len(jobs) == 1 && len(jobs[0].Runs) != 1 {
			t.Errorf("%s is in the log more than once", m.job)
			continue
		}
		if m.killed {
			killed++
		} else {
			said, err := os.ReadFile(m.stderr.Name())
			if m.exit != m.code || len(said) > 0 || err != nil {
				t.Errorf("%s: exit %d, want %d, and silence: %s (%v)", m.job, m.exit, m.code, said, err)
			}
		}
		if len(jobs) == 0 {
			if !m.killed || exists(filepath.Join(x.dir, "began-"+m.job)) {
				t.Errorf("%s ran, and there is no story of it", m.job)
			}
			unborn++
			continue
		}
		run := jobs[0].Runs[0]
		for name, p := range map[string]story.JSONPhase{"submission": run.Submission, "authorization": run.Authorization, "execution": run.Execution} {
			if p.Event == nil || len(p.More) > 0 {
				t.Errorf("%s: its %s is there %d times, want once", m.job, name, len(p.More))
			}
		}
		switch {
		case run.Outcome.Event != nil:
			if run.State != m.state() || run.Lost != nil || len(run.Outcome.More) > 0 {
				t.Errorf("%s: %s (lost: %v, more outcomes: %d), want %s and nothing else", m.job, run.State, run.Lost != nil, len(run.Outcome.More), m.state())
			}
			if m.killed {
				finished++
			}
		case !m.killed:
			t.Errorf("%s lived, and its story has no outcome: %s", m.job, run.State)
		case run.Lost == nil || !run.Lost.StoreKey:
			t.Errorf("%s was killed, and the store did not close it: %s", m.job, run.State)
		default:
			lost++
		}
	}
	t.Logf("%d killed: %d closed as lost, %d had an outcome already, %d had recorded nothing", killed, lost, finished, unborn)
	judgeLog(t, x, lost)
	x.must(t, exitOK, "verify")
	if left, err := os.ReadDir(filepath.Join(x.store, "spool")); err != nil || len(left) > 0 {
		out, _ := exec.Command("ls", "-laR", filepath.Join(x.store, "spool")).Output()
		t.Errorf("%d spools are left (%v)\n%s", len(left), err, out)
	}
	before := x.snapshot(t)
	x.must(t, exitOK, "story")
	if after := x.snapshot(t); before != after {
		t.Errorf("a second story changed the store:\n%s\nwas\n%s", after, before)
	}
}

// judgeLog demands that nothing is in the log twice, that no stream has a hole, and that as many runs were lost as the
// stories say.
func judgeLog(t *testing.T, x *shop, lost int) {
	t.Helper()
	ids, next := map[string]bool{}, map[string]uint64{}
	entries := bufio.NewScanner(bytes.NewReader(x.must(t, exitOK, "export", "--json")))
	entries.Buffer(nil, 1<<20)
	for n := uint64(0); entries.Scan(); n++ {
		var e struct {
			Seq   uint64 `json:"seq"`
			Event *struct {
				ID     string `json:"event_id"`
				Type   string `json:"event_type"`
				Stream string `json:"stream_id"`
				Seq    uint64 `json:"stream_seq"`
			} `json:"event"`
			Stub json.RawMessage `json:"stub"`
		}
		if err := json.Unmarshal(entries.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Seq != n:
			t.Fatalf("entry %d says that it is %d", n, e.Seq)
		case e.Stub != nil:
			t.Errorf("entry %d is a stub: %s", n, e.Stub)
		case e.Event == nil:
			continue
		case ids[e.Event.ID]:
			t.Errorf("entry %d: the event %s is there twice", n, e.Event.ID)
		case e.Event.Seq != next[e.Event.Stream]+1:
			t.Errorf("entry %d is number %d of its stream, want %d", n, e.Event.Seq, next[e.Event.Stream]+1)
		case e.Event.Type == "job_lost":
			lost--
		}
		ids[e.Event.ID], next[e.Event.Stream] = true, e.Event.Seq
	}
	if err := entries.Err(); err != nil {
		t.Fatal(err)
	}
	if lost != 0 {
		t.Errorf("the log has %d job_lost events too few for the stories", lost)
	}
}
