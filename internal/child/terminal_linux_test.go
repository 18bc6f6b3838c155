package child

import (
	"bufio"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"
)

// terminal opens a new pseudo-terminal: the side of a terminal emulator, and
// the side of the programs in it.
func terminal(t *testing.T) (emulator, programs *os.File) {
	t.Helper()
	emulator, err := os.OpenFile("/dev/ptmx", os.O_RDWR|syscall.O_NOCTTY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = emulator.Close() })
	var unlock, n int32
	ioctl(t, emulator, syscall.TIOCSPTLCK, unsafe.Pointer(&unlock))
	ioctl(t, emulator, syscall.TIOCGPTN, unsafe.Pointer(&n))
	programs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	t.Cleanup(func() { _ = programs.Close() })
	if err := emulator.SetReadDeadline(time.Now().Add(bound)); err != nil {
		t.Fatal(err)
	}
	return emulator, programs
}

func ioctl(t *testing.T, f *os.File, request uintptr, arg unsafe.Pointer) {
	t.Helper()
	conn, err := f.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	var errno syscall.Errno
	if err := conn.Control(func(fd uintptr) {
		_, _, errno = syscall.Syscall(syscall.SYS_IOCTL, fd, request, uintptr(arg))
	}); err != nil || errno != 0 {
		t.Fatalf("ioctl %x: %v, %v", request, err, errno)
	}
}

// inTerminal runs the wrapping program as the leader of a session on a new
// terminal, and returns what it and its child print.
func inTerminal(t *testing.T, argv ...string) (emulator *os.File, out *bufio.Reader, pid int, end func() Result) {
	t.Helper()
	emulator, programs := terminal(t)
	cmd, result := wrapped(t, argv...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = programs, programs, programs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = programs.Close()
	return emulator, bufio.NewReader(emulator), cmd.Process.Pid, func() Result {
		_ = cmd.Wait()
		return result()
	}
}

const ctrlC, ctrlBackslash, ctrlZ = "\x03", "\x1c", "\x1a"

func TestTerminalSharesOurGroup(t *testing.T) {
	_, out, us, end := inTerminal(t, "sh", "-c", `cut -d' ' -f5 /proc/$$/stat; test -t 0 && test -t 1 && test -t 2 && echo all three`)
	if got := number(t, line(t, out)); got != us {
		t.Errorf("the child is in group %d, we are in %d", got, us)
	}
	if got := line(t, out); got != "all three" {
		t.Errorf("got %q: the child does not see the terminal", got)
	}
	if r := end(); r.ExitCode != 0 || r.Cause != CauseExit {
		t.Errorf("got %s", brief(r))
	}
}

// Ctrl-C kills a program that does not care: through the terminal, not by us.
func TestTerminalInterrupt(t *testing.T) {
	for _, tc := range []struct {
		name, key string
		code      int
	}{{"interrupt", ctrlC, 130}, {"quit", ctrlBackslash, 131}} {
		t.Run(tc.name, func(t *testing.T) {
			emulator, out, _, end := inTerminal(t, "sh", "-c", "ulimit -c 0; echo ready; exec sleep 60")
			line(t, out)
			if _, err := emulator.WriteString(tc.key); err != nil {
				t.Fatal(err)
			}
			r := end()
			if r.ExitCode != tc.code || r.Cause != CauseTerminal || r.Forwarded != 0 || !r.Aborted() {
				t.Errorf("got %s", brief(r))
			}
		})
	}
}

// A program that lives with Ctrl-C gets one for one key press, and is neither
// killed for surviving it nor taken for aborted.
func TestTerminalInterruptArrivesOnce(t *testing.T) {
	emulator, out, _, end := inTerminal(t, "env", role+"=count", selfPath(t))
	line(t, out)
	if _, err := emulator.WriteString(ctrlC); err != nil {
		t.Fatal(err)
	}
	r := end()
	if r.ExitCode != 1 {
		t.Errorf("it got %d interrupts for one key press", r.ExitCode)
	}
	if r.Cause != CauseExit || r.Forwarded != 0 || r.Killed || r.Aborted() {
		t.Errorf("got %s", brief(r))
	}
}

// kill -INT with our pid reaches us alone: that one is forwarded.
func TestInterruptForUsAloneIsForwarded(t *testing.T) {
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT} {
		t.Run(sig.String(), func(t *testing.T) {
			_, out, us, end := inTerminal(t, "sh", "-c", "ulimit -c 0; echo ready; exec sleep 60")
			line(t, out)
			// exec: until sleep is there the shell's own handling would count.
			if err := syscall.Kill(us, sig); err != nil {
				t.Fatal(err)
			}
			r := end()
			if r.ExitCode != 128+int(sig) || r.Cause != CauseForwarded || r.Forwarded != sig {
				t.Errorf("got %s", brief(r))
			}
		})
	}
}

// TERM in a terminal reaches the child alone; a child that does not obey is
// killed with what runs below it, and nothing else of our group is.
func TestTerminalTermThenKill(t *testing.T) {
	t.Setenv("STET_CHILD_TEST_GRACE", "short")
	_, out, us, end := inTerminal(t, "sh", "-c", `trap "" TERM; sleep 60 & echo $!; while :; do wait; done`)
	grandchild := number(t, line(t, out))
	if err := syscall.Kill(us, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r := end()
	if r.ExitCode != 137 || !r.Killed || r.Cause != CauseForwarded {
		t.Errorf("got %s", brief(r))
	}
	until(t, "the grandchild is gone", func() bool { return !alive(grandchild) })
}

// Ctrl-Z where the child has its own group although there is a terminal (all
// three descriptors are redirected): the terminal does not reach the child, so
// we stop it, then ourselves, and go on together.
func TestJobControlOfAnOwnGroup(t *testing.T) {
	emulator, programs := terminal(t)
	r, w := pipe(t)
	cmd, result := wrapped(t, "sh", "-c", "echo $$; exec sleep 60")
	cmd.Stdout = w
	cmd.ExtraFiles = []*os.File{programs}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 3}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	child, us := number(t, line(t, bufio.NewReader(r))), cmd.Process.Pid
	both := func(stopped bool) func() bool {
		return func() bool { return (state(us) == 'T') == stopped && (state(child) == 'T') == stopped }
	}
	// Until the signal is asked for, Ctrl-Z is discarded: we lead the session.
	until(t, "both are stopped", func() bool {
		if _, err := emulator.WriteString(ctrlZ); err != nil {
			t.Fatal(err)
		}
		return both(true)()
	})
	if err := syscall.Kill(us, syscall.SIGCONT); err != nil {
		t.Fatal(err)
	}
	// A Ctrl-Z too many may still be on its way.
	until(t, "both go on", func() bool {
		_ = syscall.Kill(us, syscall.SIGCONT)
		return both(false)()
	})
	if err := syscall.Kill(us, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	// That last Ctrl-Z may even arrive now, and who is stopped does not act on TERM.
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	until(t, "both have ended", func() bool {
		_ = syscall.Kill(us, syscall.SIGCONT)
		select {
		case <-ended:
			return true
		default:
			return false
		}
	})
	if got := result(); got.ExitCode != 143 || got.Forwarded != syscall.SIGTERM {
		t.Errorf("got %s", brief(got))
	}
}

// state is the letter of /proc/PID/stat, 0 for no such process.
func state(pid int) byte {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	p, _ := parseStat(pid, b)
	return p.state
}

func TestWhoMissedASignal(t *testing.T) {
	for _, tc := range []struct {
		name, script string
		sig          syscall.Signal
		want         bool
	}{
		{"default and alive", "echo; read x", syscall.SIGUSR2, true},
		{"ignored", "trap '' USR2; echo; read x", syscall.SIGUSR2, false},
		{"caught", "trap 'echo' USR2; echo; read x", syscall.SIGUSR2, false},
		{"pending on a stopped process", "echo; kill -STOP $$; read x", syscall.SIGUSR2, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, w := pipe(t)
			in, keep := pipe(t)
			p := start(t.Context(), t, Options{Argv: sh(tc.script), Stdin: in, Stdout: w})
			line(t, bufio.NewReader(r))
			if strings.Contains(tc.script, "STOP") {
				until(t, "it is stopped", func() bool { return state(p.Pid()) == 'T' })
				if err := syscall.Kill(p.Pid(), tc.sig); err != nil {
					t.Fatal(err)
				}
			}
			if got := missed(p.Pid(), tc.sig); got != tc.want {
				t.Errorf("missed = %v, want %v", got, tc.want)
			}
			_ = keep.Close()
			_ = syscall.Kill(p.Pid(), syscall.SIGKILL)
			wait(t, p)
		})
	}
	if missed(1<<30, syscall.SIGINT) {
		t.Error("a process that does not exist missed nothing")
	}
}

func selfPath(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}
