package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// sdk measures package stet as a program uses it: in memory, where only the processor counts, and on the disk, where a
// phase that must be durable should cost one flush and little more.
func sdk(ctx context.Context, c config, t *table) error {
	if c.memory == "" {
		t.row("in memory", "not measured", "there is no /dev/shm")
	} else if err := inMemory(ctx, c, t); err != nil {
		return err
	}
	return onDisk(ctx, c, t)
}

func open(ctx context.Context, dir string) (*stet.Recorder, error) {
	return stet.Open(ctx, filepath.Join(dir, "sdk-store"), stet.Options{App: "bench", Environment: "test", StateDir: filepath.Join(dir, "sdk-state")})
}

func login(i int) event.Event {
	return event.Event{EventType: "authn_login_success", UserID: "user-" + strconv.Itoa(i%1000), SourceIP: "192.0.2.7"}
}

func inMemory(ctx context.Context, c config, t *table) (err error) {
	rec, err := open(ctx, c.memory)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, rec.Close(), os.RemoveAll(filepath.Join(c.memory, "sdk-store")), os.RemoveAll(filepath.Join(c.memory, "sdk-state")))
	}()
	b, err := measure(c)
	if err != nil {
		return err
	}
	show := func(what string, per time.Duration) {
		t.row(what, micros(per), "%s at DESIGN's speed; %.2f of a signature", micros(time.Duration(float64(per)/b.slower())), float64(per)/float64(b.sign))
	}
	i := 0
	alone, err := each(c.duration, func() error { i++; return rec.Record(ctx, login(i)) })
	if err != nil {
		return err
	}
	show("in memory, Record, 1 goroutine, CPU", alone)
	many, err := crowd(256, c.duration, func(i int) error { return rec.Record(ctx, login(i)) })
	if err != nil {
		return err
	}
	show("in memory, Record, 256 goroutines, CPU", many)
	job := stet.Job{Name: "purge", Reason: "nightly", Params: map[string]any{"days": 30}}
	do := func(int) error { return rec.Do(ctx, job, func(context.Context, *stet.Run) error { return nil }) }
	one, err := each(c.duration, func() error { return do(0) })
	if err != nil {
		return err
	}
	show("in memory, Do (4 events), 1 goroutine, CPU", one)
	all, err := crowd(256, c.duration, do)
	if err != nil {
		return err
	}
	show("in memory, Do, 256 goroutines, CPU an event", all/4)
	return nil
}

// crowd is the processor time that a call of fn takes when n goroutines call it.
func crowd(n int, total time.Duration, fn func(int) error) (time.Duration, error) {
	var calls atomic.Int64
	errs := make([]error, n)
	start, before := time.Now(), used()
	var wg sync.WaitGroup
	for g := range n {
		wg.Go(func() {
			for i := g; time.Since(start) < total && errs[g] == nil; i += n {
				errs[g] = fn(i)
				calls.Add(1)
			}
		})
	}
	wg.Wait()
	return (used() - before) / time.Duration(max(calls.Load(), 1)), errors.Join(errs...)
}

// onDisk takes turns with the bare flush, so that both meet the same disk.
func onDisk(ctx context.Context, c config, t *table) (err error) {
	rec, err := open(ctx, c.dir)
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, rec.Close(), os.RemoveAll(filepath.Join(c.dir, "sdk-store")), os.RemoveAll(filepath.Join(c.dir, "sdk-state")))
	}()
	var phases, flushes []time.Duration
	for start := time.Now(); time.Since(start) < c.duration; {
		flush, err := syncs(c.dir, 10)
		if err != nil {
			return err
		}
		flushes = append(flushes, flush)
		for i := range 10 {
			from := time.Now()
			if err := rec.Record(ctx, login(i)); err != nil {
				return err
			}
			phases = append(phases, time.Since(from))
		}
	}
	phase, flush := median(phases), median(flushes)
	t.row("on the disk, one durable event, p50", micros(phase), "one flush (%s) and %s", micros(flush), micros(phase-flush))
	return nil
}

// built is the command, made of the sources that are measured.
func built(ctx context.Context, c config) (string, error) {
	bin := filepath.Join(c.dir, "stet")
	if out, err := exec.CommandContext(ctx, "go", "build", "-C", c.root, "-o", bin, "./cmd/stet").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build stet: %w\n%s", err, out)
	}
	return bin, nil
}

// command measures stet run around a command that does nothing: two processes, a spool made, drained and removed, a
// checkpoint signed.
func command(ctx context.Context, c config, t *table) error {
	bin, err := built(ctx, c)
	if err != nil {
		return err
	}
	env := append(os.Environ(), "STET_STORE="+filepath.Join(c.dir, "run-store"), "STET_STATE="+filepath.Join(c.dir, "run-state"))
	var runs, bare, flushes []time.Duration
	timed := func(name string, args ...string) (time.Duration, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		cmd.Env = env
		start := time.Now()
		out, err := cmd.CombinedOutput()
		if err != nil {
			return 0, fmt.Errorf("%s: %w\n%s", name, err, out)
		}
		return time.Since(start), nil
	}
	n := max(int(c.duration/(100*time.Millisecond)), 5)
	for range n {
		flush, err := syncs(c.dir, 10)
		if err != nil {
			return err
		}
		alone, err := timed("true")
		if err != nil {
			return err
		}
		run, err := timed(bin, "run", "--", "true")
		if err != nil {
			return err
		}
		runs, bare, flushes = append(runs, run), append(bare, alone), append(flushes, flush)
	}
	run, alone, flush := median(runs), median(bare), median(flushes)
	t.row("stet run -- true, p50", micros(run), "the command alone %s; as long as %.0f flushes; %s", micros(alone), float64(run)/float64(flush), traced(ctx, env, bin))
	return nil
}

// traced counts the flushes of one run, where strace is there to be asked.
func traced(ctx context.Context, env []string, bin string) string {
	cmd := exec.CommandContext(ctx, "strace", "-f", "-qq", "-e", "trace=fsync,fdatasync", bin, "run", "--", "true")
	cmd.Env = env
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "flushes not counted: there is no strace"
	}
	return fmt.Sprintf("%d flushes", strings.Count(string(out), "sync("))
}
