//go:build linux

package child

import (
	"errors"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

// The child gets the descriptors that we were started with, and none of ours:
// the very same as without us in between.
func TestDescriptors(t *testing.T) {
	const script = `ls /proc/$$/fd; cat <&3; grep flags: /proc/$$/fdinfo/1`
	list := func(capture string, wrap bool) string {
		cmd := exec.Command("sh", "-c", script)
		if wrap {
			cmd, _ = wrapped(t, "sh", "-c", script)
			cmd.Env = append(cmd.Env, "STET_CHILD_TEST_CAPTURE="+capture)
		}
		r, w := pipe(t)
		if _, err := w.WriteString("through the fourth descriptor\n"); err != nil {
			t.Fatal(err)
		}
		_ = w.Close()
		cmd.ExtraFiles = []*os.File{r}
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	direct := list("", false)
	if !strings.Contains(direct, "through the fourth descriptor") {
		t.Fatalf("without us: %q", direct)
	}
	for _, capture := range []string{"", "1"} {
		// The flags tell, among others, that a pipe of ours does not answer
		// EAGAIN, which no program expects of its standard output.
		if got := list(capture, true); got != direct {
			t.Errorf("capture=%q:\n%s\nwithout us:\n%s", capture, got, direct)
		}
	}
}

// What was ignored when we started stays ignored for the child, and nothing else
// is: SIGPIPE least of all.
func TestIgnoredSignals(t *testing.T) {
	bit := func(s syscall.Signal) uint64 { return 1 << (s - 1) }
	of := bit(syscall.SIGHUP) | bit(syscall.SIGINT) | bit(syscall.SIGQUIT) | bit(syscall.SIGTERM) | bit(syscall.SIGPIPE) | bit(syscall.SIGUSR1)
	for _, tc := range []struct {
		name, shell string
		want        uint64
	}{
		{"as usual", `"$@"`, 0},
		{"nohup", `trap "" HUP; "$@"`, bit(syscall.SIGHUP)},
		{"in the background", `"$@" & wait`, bit(syscall.SIGINT) | bit(syscall.SIGQUIT)},
		{"nohup in the background", `trap "" HUP; "$@" & wait`, bit(syscall.SIGHUP) | bit(syscall.SIGINT) | bit(syscall.SIGQUIT)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cmd, _ := wrapped(t, "grep", "SigIgn", "/proc/self/status")
			cmd.Args = append([]string{"sh", "-c", tc.shell, "sh", cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/bin/sh"
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			got, err := strconv.ParseUint(strings.TrimSpace(strings.TrimPrefix(string(out), "SigIgn:")), 16, 64)
			if err != nil {
				t.Fatal(err)
			}
			if got&of != tc.want {
				t.Errorf("ignored %b, want %b", got&of, tc.want)
			}
		})
	}
}

// nohup stet run: the hang-up reaches neither us nor the job.
func TestNohup(t *testing.T) {
	r, w := pipe(t)
	cmd, result := wrapped(t, "sh", "-c", `echo $PPID; read x; exit 6`)
	cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$@"`, "sh", cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	cmd.Stdout = w
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 32)
	n, err := r.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	us := number(t, strings.TrimSpace(string(buf[:n])))
	if err := syscall.Kill(us, syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if _, err := stdin.Write([]byte("\n")); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if res := result(); res.ExitCode != 6 || res.Forwarded != 0 || res.Cause != CauseExit {
		t.Errorf("got %s", brief(res))
	}
}

// A stet that is killed takes nothing with it.
func TestJobOutlivesUs(t *testing.T) {
	r, w := pipe(t)
	cmd, _ := wrapped(t, "sh", "-c", `echo $$ $PPID; exec sleep 60`)
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 64)
	n, err := r.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	job, _, _ := strings.Cut(string(buf[:n]), " ")
	pid := number(t, job)
	t.Cleanup(func() { _ = syscall.Kill(pid, syscall.SIGKILL) })
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	if !alive(pid) {
		t.Error("the job died with us")
	}
}

func TestSignalsThroughTheProcess(t *testing.T) {
	for _, tc := range []struct {
		send syscall.Signal
		code int
	}{{syscall.SIGTERM, 143}, {syscall.SIGINT, 130}, {syscall.SIGHUP, 129}, {syscall.SIGUSR1, 138}} {
		t.Run(tc.send.String(), func(t *testing.T) {
			r, w := pipe(t)
			cmd, _ := wrapped(t, "sh", "-c", "echo; exec sleep 60")
			cmd.Stdout = w
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			if _, err := r.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			if err := cmd.Process.Signal(tc.send); err != nil {
				t.Fatal(err)
			}
			_ = cmd.Wait()
			if code := cmd.ProcessState.ExitCode(); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
		})
	}
}

func TestErrorsReachTheExitCode(t *testing.T) {
	for argv0, want := range map[string]int{"no-such-command-anywhere": 127, "/": 126} {
		cmd, _ := wrapped(t, argv0)
		_, err := cmd.Output()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != want {
			t.Errorf("%s: %v, want exit code %d", argv0, err, want)
		}
	}
}
