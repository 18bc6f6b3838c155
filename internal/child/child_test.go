//go:build linux

package child

import (
	"bufio"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestExitCodeIsTheChildsOwn(t *testing.T) {
	for _, tc := range []struct {
		script  string
		code    int
		signal  syscall.Signal
		cause   Cause
		aborted bool
	}{
		{"exit 0", 0, 0, CauseExit, false},
		{"exit 1", 1, 0, CauseExit, false},
		{"exit 42", 42, 0, CauseExit, false},
		{"exit 127", 127, 0, CauseExit, false},
		{"exit 255", 255, 0, CauseExit, false},
		{"exit 143", 143, 0, CauseExit, false}, // its own number, not our TERM
		{"kill -TERM $$", 143, syscall.SIGTERM, CauseSignal, true},
		{"kill -KILL $$", 137, syscall.SIGKILL, CauseSignal, true},
		{"kill -SEGV $$", 139, syscall.SIGSEGV, CauseSignal, false},
		{"kill -PIPE $$", 141, syscall.SIGPIPE, CauseSignal, false},
	} {
		t.Run(tc.script, func(t *testing.T) {
			r := wait(t, start(t.Context(), t, Options{Argv: sh(tc.script)}))
			if r.ExitCode != tc.code || r.Signal != tc.signal || r.Cause != tc.cause || r.Aborted() != tc.aborted {
				t.Errorf("got code %d, signal %v, cause %q, aborted %v; want %+v", r.ExitCode, r.Signal, r.Cause, r.Aborted(), tc)
			}
			if r.Duration <= 0 || r.Ended.Before(r.Started) {
				t.Errorf("times: started %v, ended %v, took %v", r.Started, r.Ended, r.Duration)
			}
		})
	}
}

func TestStartErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return name
	}
	plain := write("plain", "#!/bin/sh\n", 0o644)
	text := write("text", "echo hello\n", 0o755)
	lost := write("lost", "#!/no/such/interpreter\n", 0o755)
	for _, tc := range []struct {
		name  string
		argv0 string
		code  int
		err   error
		says  string
	}{
		{"no such name", "no-such-command-anywhere", 127, syscall.ENOENT, "PATH (" + dir},
		{"no such file", filepath.Join(dir, "nothing"), 127, syscall.ENOENT, "no such file"},
		{"empty", "", 127, syscall.ENOENT, "empty string"},
		{"not executable", plain, 126, syscall.EACCES, "ls -l"},
		{"not executable, in PATH", "plain", 126, syscall.EACCES, plain},
		{"a directory", dir, 126, syscall.EACCES, dir},
		{"below a file", plain + "/x", 127, syscall.ENOTDIR, "not a directory"},
		{"text without a #! line: there is no shell in between", text, 126, syscall.ENOEXEC, "sh " + text},
		{"its interpreter is missing", lost, 127, syscall.ENOENT, "#! line"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Start(t.Context(), Options{Argv: []string{tc.argv0}, Env: []string{"PATH=" + dir + ":/bin"}})
			var serr *StartError
			if !errors.As(err, &serr) {
				t.Fatalf("got %v, want a StartError", err)
			}
			if serr.ExitCode != tc.code || !errors.Is(err, tc.err) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("got code %d, error %q; want %d, %v, %q", serr.ExitCode, err, tc.code, tc.err, tc.says)
			}
		})
	}
	if _, err := Start(t.Context(), Options{}); !errors.Is(err, ErrNoCommand) {
		t.Errorf("without arguments: %v", err)
	}
	done, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Start(done, Options{Argv: sh("exit 0")}); !errors.Is(err, context.Canceled) {
		t.Errorf("with a cancelled context: %v", err)
	}
	if _, err := Start(t.Context(), Options{Argv: sh("exit 0"), Dir: plain}); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("in a file: %v", err)
	}
}

func TestTermDuringSleep(t *testing.T) {
	signals := make(chan os.Signal, 1)
	p := start(t.Context(), t, Options{Argv: []string{"sleep", "60"}, Signals: signals})
	signals <- syscall.SIGTERM
	r := wait(t, p)
	if r.ExitCode != 143 || r.Forwarded != syscall.SIGTERM || r.Cause != CauseForwarded || !r.Aborted() || r.Killed {
		t.Errorf("got %s", brief(r))
	}
}

func TestEverySignalIsForwarded(t *testing.T) {
	for _, tc := range []struct {
		signal    syscall.Signal
		forwarded syscall.Signal
		cause     Cause
	}{
		{syscall.SIGTERM, syscall.SIGTERM, CauseForwarded},
		{syscall.SIGINT, syscall.SIGINT, CauseForwarded},
		{syscall.SIGHUP, syscall.SIGHUP, CauseForwarded},
		{syscall.SIGQUIT, syscall.SIGQUIT, CauseForwarded},
		{syscall.SIGUSR1, 0, CauseExit}, // a message, not a wish that it end
		{syscall.SIGUSR2, 0, CauseExit},
	} {
		t.Run(tc.signal.String(), func(t *testing.T) {
			r, w := pipe(t)
			signals := make(chan os.Signal, 1)
			p := start(t.Context(), t, Options{
				Argv: sh(`trap "exit 7" TERM INT HUP QUIT USR1 USR2; echo ready; while :; do sleep 0.02; done`), Stdout: w, Signals: signals,
			})
			line(t, bufio.NewReader(r))
			signals <- tc.signal
			res := wait(t, p)
			if res.ExitCode != 7 || res.Forwarded != tc.forwarded || res.Cause != tc.cause {
				t.Errorf("got code %d, forwarded %v, cause %q", res.ExitCode, res.Forwarded, res.Cause)
			}
		})
	}
}

// A way to make the child end that is not heard leads to KILL, of the whole group.
func TestGraceThenKill(t *testing.T) {
	for _, tc := range []struct {
		name string
		stop func(o *Options, signals chan os.Signal, cancel context.CancelFunc) (after func())
		want Cause
	}{
		{"forwarded", func(_ *Options, s chan os.Signal, _ context.CancelFunc) func() {
			return func() { s <- syscall.SIGTERM }
		}, CauseForwarded},
		{"timeout", func(o *Options, _ chan os.Signal, _ context.CancelFunc) func() {
			o.Timeout = 300 * time.Millisecond
			return func() {}
		}, CauseTimeout},
		{"cancelled", func(_ *Options, _ chan os.Signal, cancel context.CancelFunc) func() { return cancel }, CauseCancelled},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			r, w := pipe(t)
			signals := make(chan os.Signal, 1)
			o := Options{Argv: sh(`trap "" TERM; sleep 60 & echo $!; wait`), Stdout: w, Signals: signals, Grace: 150 * time.Millisecond}
			after := tc.stop(&o, signals, cancel)
			p := start(ctx, t, o)
			grandchild := number(t, line(t, bufio.NewReader(r)))
			after()
			res := wait(t, p)
			if res.ExitCode != 137 || !res.Killed || res.Cause != tc.want || res.TimedOut != (tc.want == CauseTimeout) || !res.Aborted() {
				t.Errorf("got %s", brief(res))
			}
			if res.Duration < o.Grace {
				t.Errorf("killed after %v, before the grace period of %v was over", res.Duration, o.Grace)
			}
			if alive(grandchild) {
				t.Errorf("grandchild %d lives on", grandchild)
			}
		})
	}
}

// The child obeys, a grandchild does not: it gets the same grace, then KILL.
func TestNoOrphanIsLeftInTheGroup(t *testing.T) {
	r, w := pipe(t)
	signals := make(chan os.Signal, 1)
	p := start(t.Context(), t, Options{
		Argv: sh(`(trap "" TERM; sh -c 'echo $PPID'; while :; do sleep 0.02; done) & wait`), Stdout: w, Signals: signals, Grace: 150 * time.Millisecond,
	})
	grandchild := number(t, line(t, bufio.NewReader(r)))
	signals <- syscall.SIGTERM
	res := wait(t, p)
	if res.ExitCode != 143 || !res.Killed || alive(grandchild) {
		t.Errorf("code %d, killed %v, grandchild alive %v", res.ExitCode, res.Killed, alive(grandchild))
	}
}

// A child that ends on its own may leave a daemon behind, as without stet.
func TestDaemonOfAFinishedChildLives(t *testing.T) {
	r, w := pipe(t)
	p := start(t.Context(), t, Options{Argv: sh(`sleep 60 >/dev/null & echo $!`), Stdout: w})
	daemon := number(t, line(t, bufio.NewReader(r)))
	t.Cleanup(func() { _ = syscall.Kill(daemon, syscall.SIGKILL) })
	if res := wait(t, p); res.ExitCode != 0 || res.Cause != CauseExit {
		t.Errorf("got %s", brief(res))
	}
	if !alive(daemon) {
		t.Error("the daemon was killed")
	}
}

// Who ignores HUP was told to outlive the terminal: no grace period, no KILL.
func TestHangUpSparesWhoIgnoresIt(t *testing.T) {
	r, w := pipe(t)
	signals := make(chan os.Signal) // unbuffered: taken means acted upon in order
	p := start(t.Context(), t, Options{
		Argv: sh(`trap "" HUP; trap "exit 9" USR1; echo ready; while :; do sleep 0.02; done`), Stdout: w, Signals: signals, Grace: time.Millisecond,
	})
	out := bufio.NewReader(r)
	line(t, out)
	signals <- syscall.SIGHUP
	for range 20 { // signal 0 goes nowhere, but each is one more turn of the loop
		signals <- syscall.Signal(0)
	}
	signals <- syscall.SIGUSR1
	if res := wait(t, p); res.ExitCode != 9 || res.Killed {
		t.Errorf("got %s", brief(res))
	}
}

func TestSecondTermIsForwardedToo(t *testing.T) {
	r, w := pipe(t)
	signals := make(chan os.Signal, 2)
	p := start(t.Context(), t, Options{
		Argv: sh(`n=0; trap 'n=$((n+1)); echo $n; test $n = 2 && exit 5' TERM; echo ready; while :; do sleep 0.02; done`), Stdout: w, Signals: signals, Grace: bound,
	})
	out := bufio.NewReader(r)
	line(t, out)
	signals <- syscall.SIGTERM
	line(t, out)
	signals <- syscall.SIGTERM
	if res := wait(t, p); res.ExitCode != 5 || res.Killed {
		t.Errorf("got %s", brief(res))
	}
}

func TestClosedSignalChannelIsHarmless(t *testing.T) {
	signals := make(chan os.Signal)
	close(signals)
	p := start(t.Context(), t, Options{Argv: sh("exit 3"), Signals: signals, Capture: true})
	if res := wait(t, p); res.ExitCode != 3 {
		t.Errorf("got %s", brief(res))
	}
}

func TestUsageAndWorkingDirectory(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	p := start(t.Context(), t, Options{Argv: sh("pwd; :"), Dir: dir, Capture: true})
	res := wait(t, p)
	if got := strings.TrimSpace(string(res.Stdout.Tail)); got != dir {
		t.Errorf("ran in %q, want %q", got, dir)
	}
	if used := res.Usage.User + res.Usage.System; used <= 0 || used > bound {
		t.Errorf("a shell used %v of processor time", used)
	}
}
