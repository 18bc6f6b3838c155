package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/story"
)

// life is what the model knows of one attempt at a job.
type life struct {
	name, jobID, parent, state string
	attempt                    int64
	never                      bool // it was not begun after all
	ran, ending, done, closed  bool
}

// may are the states that the story of an attempt may tell; "" stands for no story at all. What was acknowledged has one.
func (l *life) may() []string {
	switch {
	case l.never:
		return []string{""}
	case l.state == "asked" && l.done:
		return []string{"waiting", "unstarted"}
	case l.state == "asked": // the second of a pair may have been called a duplicate already
		return []string{"", "waiting", "unstarted", "duplicate"}
	case l.done:
		return []string{l.state}
	case l.closed && l.ran:
		return []string{"aborted"} // by Close
	case l.ending:
		return []string{l.state, "lost"}
	case l.ran:
		return []string{"lost"}
	case l.attempt > 1: // authorized by itself, before it starts
		return []string{"", "waiting", "unstarted", "lost"}
	case l.state == "denied":
		return []string{"", "denied"}
	}
	return []string{"", "lost"} // asked for, authorized and started with one flush
}

// model is all that a worker's lines tell.
type model struct {
	lives map[string]*life // by name and attempt
	round []*life          // those of the worker that runs now
	lines int
}

func key(name string, attempt int64) string { return name + "#" + strconv.FormatInt(attempt, 10) }

func (m *model) hear(t *testing.T, s said) {
	t.Helper()
	m.lines++
	l := m.lives[key(s.Job, s.Attempt)]
	switch s.What {
	case "loss":
		t.Errorf("the worker lost a record: %s", s.Job)
		return
	case "closed":
		for _, l := range m.round {
			l.closed = true
		}
		return
	case "begin":
		l = &life{name: s.Job, attempt: s.Attempt, parent: s.Parent}
		m.lives[key(s.Job, s.Attempt)] = l
		m.round = append(m.round, l)
	}
	if l == nil {
		t.Fatalf("the worker says %+v of a job that it has not begun", s)
	}
	if s.State != "" {
		l.state = s.State
	}
	switch s.What {
	case "never":
		l.never = true
	case "run":
		l.ran, l.jobID = true, s.JobID
	case "end":
		l.ending = true
	case "done":
		l.done = true
	}
}

// TestModel has a worker with a hundred goroutines run jobs that succeed, fail, panic, run out of time, have children, are
// tried again, denied, cancelled, dropped as duplicates, lose their authorization, or hang; kills it again and again, with
// and without somebody else draining its store, and lets the last one end by itself. Then every story must be what the
// model knows: what the worker said it did, and what it was doing when it was killed. STET_SEED repeats when it is
// killed; STET_LONG=1 kills it forty times.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	if s := os.Getenv("STET_SEED"); s != "" {
		var err error
		if seed, err = strconv.ParseUint(s, 10, 64); err != nil {
			t.Fatalf("STET_SEED: %v", err)
		}
	}
	t.Logf("STET_SEED=%d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	kills := 4
	if os.Getenv("STET_LONG") != "" {
		kills = 40
	}
	x := newShop(t)
	m := &model{lives: map[string]*life{}}
	for round := range kills + 1 {
		stop := 200 + r.IntN(900) // lines
		if round == kills {
			stop = 0
		}
		m.run(t, x, round, stop, round%2 == 1)
	}
	m.judge(t, x.drained(t))
	x.must(t, 0, "verify")
}

// run starts a worker and kills it after so many lines; 0: it is let come to its end.
func (m *model) run(t *testing.T, x *shop, round, kill int, drains bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "stet-model-worker", strconv.Itoa(round))
	cmd.Env = x.command(ctx).Env
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.round, m.lines = nil, 0
	killed := false
	for in := json.NewDecoder(stdout); ; {
		var s said
		err := in.Decode(&s)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break
		}
		if err != nil {
			t.Fatalf("the worker's lines: %v", err)
		}
		m.hear(t, s)
		if drains && m.lines%300 == 150 && !killed {
			x.drained(t)
		}
		if kill > 0 && m.lines == kill {
			killed = true
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = stdin.Close()
	err = cmd.Wait()
	if kill == 0 && err != nil || kill > 0 && !killed {
		t.Fatalf("worker %d said %d lines and ended with %v", round, m.lines, err)
	}
}

// drained brings in what is spooled and folds it.
func (x *shop) drained(t *testing.T) []story.Story {
	t.Helper()
	s, err := store.Open(x.store, x.state)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }() // all that was written is synced
	var f story.Fold
	if _, err = s.Drain(t.Context()); err == nil {
		err = s.Items(t.Context(), &f, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Stories()
}

// judge compares every story with what the model knows.
func (m *model) judge(t *testing.T, stories []story.Story) {
	t.Helper()
	jobs := map[string]*story.Job{} // by name
	heartbeats := 0
	for _, s := range stories {
		next := append(slices.Clone(s.Jobs), s.Orphans...)
		for ; len(next) > 0; next = next[1:] {
			j := next[0]
			next = append(next, j.Children...)
			if jobs[j.Name] != nil {
				t.Errorf("there are two jobs %s", j.Name)
			}
			jobs[j.Name] = j
			for _, r := range j.Runs {
				heartbeats += len(r.Heartbeats)
				if m.lives[key(j.Name, max(r.Attempt, 1))] == nil {
					t.Errorf("there is attempt %d at %s, of which nobody knows", r.Attempt, j.Name)
				}
			}
		}
	}
	seen := map[string]int{}
	for _, l := range m.lives {
		j := jobs[l.name]
		run := attemptAt(j, l.attempt)
		state := ""
		if run != nil {
			state = string(run.State())
		}
		kind, _, _ := strings.Cut(l.name, "-")
		seen[kind+" "+state]++
		if !slices.Contains(l.may(), state) {
			t.Errorf("attempt %d at %s is %q, the model allows %q: %+v", l.attempt, l.name, state, l.may(), *l)
			continue
		}
		if run == nil {
			continue
		}
		if parent := jobs[l.parent]; l.jobID != "" && j.ID != l.jobID || l.parent != "" && (parent == nil || j.ParentID != parent.ID) {
			t.Errorf("%s is %s of parent %s, the model knows %s", l.name, j.ID, j.ParentID, l.jobID)
		}
		if err := whole(run, kind, state, l.attempt); err != nil {
			t.Errorf("attempt %d at %s, which is %s: %v", l.attempt, l.name, state, err)
		}
	}
	// A model that nothing happened in would agree with everything.
	for _, want := range []string{"done succeeded", "fails failed", "panics failed", "late aborted", "parent failed", "child succeeded",
		"grandchild succeeded", "retried failed", "retried succeeded", "denied denied", "lapses aborted", "expires aborted", "cancelled aborted",
		"first unstarted", "second duplicate", "hangs lost", "hangs aborted"} {
		if seen[want] == 0 {
			t.Errorf("nothing ended as %q; there are %v", want, seen)
		}
	}
	if heartbeats == 0 {
		t.Error("there is no heartbeat")
	}
	t.Logf("%d attempts, %d heartbeats: %v", len(m.lives), heartbeats, seen)
}

// attemptAt is the run of an attempt; nil where there is none.
func attemptAt(j *story.Job, n int64) *story.Run {
	if j == nil {
		return nil
	}
	for _, r := range j.Runs {
		if max(r.Attempt, 1) == n {
			return r
		}
	}
	return nil
}

// whole checks what a story must tell beside the state: why a job was cancelled, and nothing that contradicts its end.
func whole(r *story.Run, kind, state string, attempt int64) error {
	if len(r.Claims) > 0 || state != "lost" && r.Lost != nil {
		return fmt.Errorf("it has %d foreign claims, and was called lost: %v", len(r.Claims), r.Lost != nil)
	}
	for _, p := range []story.Phase{r.Submission, r.Authorization, r.Execution, r.Outcome} {
		for _, e := range p.More {
			if e.Standing == story.Again {
				return fmt.Errorf("%s is there twice", e.Event.EventType)
			}
		}
	}
	reason := ""
	if o := r.Outcome.Event; o != nil {
		reason = o.Event.StatusReason
		if last := r.LastSeen(); last.Event.StreamSeq > o.Event.StreamSeq && !slices.Contains(r.Outcome.More, last) {
			return fmt.Errorf("%s comes after its outcome", last.Event.EventType)
		}
	}
	why, cancelled := map[string]string{"lapses": "the model withdraws it", "expires": "nobody has renewed it", "cancelled": "the model asks for it"}[kind]
	switch {
	case cancelled && state == "aborted":
		asked := slices.IndexFunc(r.Execution.More, func(e *story.Entry) bool { return e.Event.EventType == "job_cancel_requested" })
		if asked < 0 || !strings.Contains(r.Execution.More[asked].Event.StatusReason, why) || !strings.Contains(reason, why) {
			return fmt.Errorf("it does not say that %s: %q", why, reason)
		}
	case kind == "panics" && state == "failed" && r.Outcome.Event.Event.StatusCode != "panic":
		return fmt.Errorf("its code is %q", r.Outcome.Event.Event.StatusCode)
	case kind == "retried" && attempt == 1 && state == "failed" && len(r.Outcome.More) != 1:
		return errors.New("no retry is scheduled")
	}
	return nil
}
