package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/redact"
	"github.com/stetlog/stet/snapshot"
)

// Bounds of the state before, and of that after, a command.
const (
	maxSnapshotTime   = 5 * time.Minute
	maxSnapshotOutput = 64 << 20 // bytes that --before or --after may print
	maxSnapshotHead   = 4 << 10  // bytes of it in which the first line is looked for
	maxSnapshotLine   = 256      // bytes of that line in the summary
	snapshotLinger    = 2 * time.Second
)

// snapshotFlags say what the command is expected to change.
type snapshotFlags struct {
	Snapshot []string `help:"Record a digest of this file or directory, before and after; may be given more than once." placeholder:"PATH" sep:"none"`
	Before   string   `help:"Run this with /bin/sh -c before the command, and record a plain digest and the first line of what it prints: who can guess the output can confirm it." placeholder:"CMD"`
	After    string   `help:"The same after the command." placeholder:"CMD"`
}

// states takes the state of the data around one command. nil takes nothing.
type states struct {
	snapshotFlags
	w     *wrapped
	run   *stet.Run
	trees []*snapshot.Files // before, in the order of the paths; nil where one could not be taken
}

// before takes the state before the command, and records it at once, so that it is known of a run that is killed. The error
// says what could not be taken or recorded: under --require-record the command must not start. A signal that comes
// meanwhile ends it, and is returned: who asks for an end then does not want the command begun.
func (f snapshotFlags) before(e *env, w *wrapped, run *stet.Run, signals <-chan os.Signal) (s *states, interrupted os.Signal, err error) {
	if run == nil || len(f.Snapshot) == 0 && f.Before == "" && f.After == "" {
		return nil, nil, nil
	}
	s = &states{snapshotFlags: f, w: w, run: run}
	interrupted = attended(e.ctx, signals, func(ctx context.Context) {
		var snap *event.Snapshot
		if snap, s.trees, err = s.take(ctx, e, s.Before); snap != nil {
			err = errors.Join(err, run.RecordBefore(ctx, snap))
		}
	})
	w.lost(e, err)
	return s, interrupted, err
}

// after takes the state after the command into its outcome. Where the command has not said what it changed, the difference
// of the trees does.
func (s *states) after(e *env, o *stet.Outcome, signals <-chan os.Signal) {
	if s == nil {
		return
	}
	attended(e.ctx, signals, func(ctx context.Context) {
		snap, trees, err := s.take(ctx, e, s.After)
		s.w.lost(e, err)
		o.After = snap
		if o.Impact != nil {
			return
		}
		if o.Impact = s.impact(trees); o.Impact != nil {
			if o.Labels == nil {
				o.Labels = map[string]string{}
			}
			o.Labels["impact"] = "found by comparing the snapshots"
		}
	})
}

// take takes the state of all paths and of what a command prints. What cannot be taken stands in the snapshot as such, and
// in the error.
func (s *states) take(ctx context.Context, e *env, command string) (snap *event.Snapshot, trees []*snapshot.Files, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxSnapshotTime, fmt.Errorf("it took more than %v", maxSnapshotTime))
	defer cancel()
	var parts []*event.Snapshot
	missing := func(object string, why error) {
		if ctx.Err() != nil {
			why = context.Cause(ctx)
		}
		err = errors.Join(err, fmt.Errorf("the state of %s could not be taken: %w", object, why))
		parts = append(parts, &event.Snapshot{Object: object, Summary: "not taken: " + why.Error()})
	}
	for _, path := range s.Snapshot {
		object := path
		if abs, err := filepath.Abs(path); err == nil {
			object = abs
		}
		tree, err := snapshot.Tree(ctx, path, snapshot.TreeOptions{Options: snapshot.Options{Object: object}})
		trees = append(trees, tree)
		if err != nil {
			missing(object, err)
			continue
		}
		parts = append(parts, tree.Snapshot())
	}
	if command != "" {
		object := "output of " + program(command)
		if printed, err := s.output(ctx, e, command, object); err != nil {
			missing(object, err)
		} else {
			parts = append(parts, printed)
		}
	}
	snap, jerr := snapshot.Join(snapshot.Options{}, parts...)
	return snap, trees, errors.Join(err, jerr)
}

// output runs a command and takes what it prints. Its standard error is ours, and it has nothing to read.
func (s *states) output(ctx context.Context, e *env, command, object string) (*event.Snapshot, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Env, cmd.Stderr = s.w.environ(s.run, ""), e.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = snapshotLinger // for those that it leaves behind with its output
	r, w := io.Pipe()
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = w.CloseWithError(cmd.Wait()) // nil is the end of the output; closing a pipe does not fail
	}()
	var head head
	// Who may read the log may find out by trying what was printed: --help says so.
	snap, err := snapshot.Reader(ctx, io.TeeReader(r, &head), maxSnapshotOutput, snapshot.Options{Object: object, Public: true})
	if err != nil {
		cancel()
	}
	_ = r.Close() // what else it prints is not wanted; closing a pipe does not fail
	<-ended
	if err != nil {
		return nil, err
	}
	if line := head.line(); line != "" {
		snap.Summary = line + " (" + snap.Summary + ")"
	}
	return snap, nil
}

// impact is what the trees differ in. It is nil where that is not known of all of them.
func (s *states) impact(after []*snapshot.Files) *event.Impact {
	sum := &event.Impact{Counts: map[string]int64{}}
	var words []string
	for i, path := range s.Snapshot {
		if s.trees[i] == nil || after[i] == nil {
			return nil
		}
		changes, ok := snapshot.Diff(s.trees[i], after[i])
		if !ok {
			return nil
		}
		one := changes.Impact()
		for k, n := range one.Counts {
			sum.Counts[k] += n
		}
		if len(s.Snapshot) > 1 {
			one.Summary = path + ": " + one.Summary
		}
		words = append(words, one.Summary)
	}
	if len(words) == 0 {
		return nil
	}
	sum.Summary = strings.Join(words, "; ")
	return sum
}

// program is the first word of a command line, or no more than "a command" where that may be more than a name.
func program(command string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(command), " ")
	if word == "" || strings.ContainsAny(word, "=\"'`$&|;<>(){}\n\t\\") {
		return "a command"
	}
	return filepath.Base(word)
}

// head keeps the beginning of an output.
type head struct{ b []byte }

func (h *head) Write(b []byte) (int, error) {
	h.b = append(h.b, b[:min(len(b), maxSnapshotHead-len(h.b))]...)
	return len(b), nil
}

// line is the first line that is not empty, redacted before it is cut: no pattern knows half of a secret.
func (h *head) line() string {
	text, _ := redact.Text(string(h.b))
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			if len(line) > maxSnapshotLine {
				line = strings.ToValidUTF8(line[:maxSnapshotLine], "") + "…"
			}
			return line
		}
	}
	return ""
}

// attended does something that a signal ends early, and returns that signal.
func attended(ctx context.Context, signals <-chan os.Signal, do func(context.Context)) (interrupted os.Signal) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan struct{})
	go func() {
		defer close(done)
		do(ctx)
	}()
	for {
		select {
		case <-done:
			return interrupted
		case sig := <-signals:
			if interrupted == nil && sig != syscall.SIGUSR1 && sig != syscall.SIGUSR2 {
				interrupted = sig
				cancel(fmt.Errorf("stet was sent %v", sig))
			}
		}
	}
}

// notStarted is why the command does not start after its state has been taken; nil where it does.
func notStarted(c *runCmd, interrupted os.Signal, failed error) *exit {
	switch sig, _ := interrupted.(syscall.Signal); {
	case interrupted != nil:
		return &exit{128 + int(sig), fmt.Errorf("the command was not started: stet was sent %v", interrupted)}
	case failed != nil && c.RequireRecord:
		return &exit{exitRefused, fmt.Errorf("the command was not started: %w", failed)}
	}
	return nil
}
