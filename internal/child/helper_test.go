//go:build linux

package child

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// bound is how long anything in these tests may take before it counts as hung.
const bound = 20 * time.Second

// The test binary is run again in two roles, chosen by this variable: as a
// program that wraps a command as stet run does ("wrap"), and as a command that
// counts the interrupts it gets ("count").
const role = "STET_CHILD_TEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(role) {
	case "wrap":
		os.Exit(wrap())
	case "count":
		os.Exit(count())
	}
	os.Exit(m.Run())
}

// wrap runs its arguments, writes the result as JSON to the file named by
// STET_CHILD_TEST_RESULT, and exits as the child did.
func wrap() int {
	grace := bound // a busy machine must not turn every stop into a KILL
	if os.Getenv("STET_CHILD_TEST_GRACE") == "short" {
		grace = 200 * time.Millisecond
	}
	p, err := Start(context.Background(), Options{
		Argv: os.Args[1:], Env: Environ(os.Environ(), nil, role),
		Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
		Capture: os.Getenv("STET_CHILD_TEST_CAPTURE") != "",
		Grace:   grace,
	})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		var serr *StartError
		if errors.As(err, &serr) {
			return serr.ExitCode
		}
		return 1
	}
	r := p.Wait()
	if name := os.Getenv("STET_CHILD_TEST_RESULT"); name != "" {
		r.Stdout.Err, r.Stderr.Err = nil, nil // errors have no JSON
		b, err := json.Marshal(r)
		if err == nil {
			err = os.WriteFile(name, b, 0o600)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return r.ExitCode
}

// count lives on after an interrupt for long enough that a second, forwarded one
// would have come, and exits with the number it got.
func count() int {
	c := make(chan os.Signal, 8)
	signal.Notify(c, syscall.SIGINT)
	fmt.Println("ready")
	var over <-chan time.Time
	for n := 0; ; {
		select {
		case <-c:
			n++
			if over == nil {
				over = time.After(4 * settle)
			}
		case <-over:
			return n
		case <-time.After(bound):
			return 99
		}
	}
}

// wrapped prepares the test binary in the role of stet run, and returns a
// function that reads the result when it has ended.
func wrapped(t *testing.T, argv ...string) (*exec.Cmd, func() Result) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "result")
	ctx, cancel := context.WithTimeout(context.Background(), bound)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, self, argv...)
	cmd.Env = append(os.Environ(), role+"=wrap", "STET_CHILD_TEST_RESULT="+name)
	cmd.WaitDelay = time.Second
	return cmd, func() Result {
		t.Helper()
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		var r Result
		if err := json.Unmarshal(b, &r); err != nil {
			t.Fatal(err)
		}
		return r
	}
}

// start starts a child and sees to it that it is gone when the test ends.
func start(ctx context.Context, t *testing.T, o Options) *Process {
	t.Helper()
	if o.Signals == nil {
		o.Signals = make(chan os.Signal)
	}
	p, err := Start(ctx, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		select {
		case <-p.Done():
		default:
			_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
		}
	})
	return p
}

// wait is Wait that does not hang.
func wait(t *testing.T, p *Process) Result {
	t.Helper()
	select {
	case <-p.Done():
		return p.Wait()
	case <-time.After(bound):
		t.Fatalf("still waiting for the child after %v", bound)
		return Result{}
	}
}

func sh(script string) []string { return []string{"sh", "-c", script} }

// pipe is where a child's output goes in a test; r has a deadline.
func pipe(t *testing.T) (r, w *os.File) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close(); _ = w.Close() })
	if err := r.SetReadDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	return r, w
}

func line(t *testing.T, r *bufio.Reader) string {
	t.Helper()
	s, err := r.ReadString('\n')
	if err != nil {
		t.Fatalf("waiting for a line: %v (got %q)", err, s)
	}
	return strings.TrimSpace(s)
}

func number(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// alive says whether a process exists and is not just waiting to be reaped.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	p, ok := parseStat(pid, b)
	return ok && p.state != 'Z' && p.state != 'X'
}

// until waits for something that no channel tells of.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(bound)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		}
	}
}

func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// brief is a Result without its output.
func brief(r Result) string {
	return fmt.Sprintf("code %d, signal %d, cause %q, forwarded %d, timed out %v, killed %v, denied %v, leftover %v, took %v, stdout: %d bytes, complete %v, err %v",
		r.ExitCode, r.Signal, r.Cause, r.Forwarded, r.TimedOut, r.Killed, r.Denied, r.Leftover, r.Duration, r.Stdout.Bytes, r.Stdout.Complete, r.Stdout.Err)
}
