//go:build linux

package child

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestCapturePassesOnCountsAndHashes(t *testing.T) {
	ro, wo := pipe(t)
	re, we := pipe(t)
	p := start(t.Context(), t, Options{Argv: sh(`printf 'a\0b\n'; printf 'oops' >&2`), Stdout: wo, Stderr: we, Capture: true})
	res := wait(t, p)
	_, _ = wo.Close(), we.Close()
	for _, tc := range []struct {
		name, want string
		passed     io.Reader
		got        Output
	}{{"stdout", "a\x00b\n", ro, res.Stdout}, {"stderr", "oops", re, res.Stderr}} {
		if s := readAll(t, tc.passed); s != tc.want {
			t.Errorf("%s: passed on %q, want %q", tc.name, s, tc.want)
		}
		if !tc.got.Captured || !tc.got.Complete || tc.got.Bytes != int64(len(tc.want)) ||
			tc.got.SHA256 != sha256.Sum256([]byte(tc.want)) || string(tc.got.Tail) != tc.want {
			t.Errorf("%s: %d bytes, sha256 %x, tail %q, complete %v", tc.name, tc.got.Bytes, tc.got.SHA256, tc.got.Tail, tc.got.Complete)
		}
	}
	if res.Leftover {
		t.Error("nobody kept the pipe")
	}
}

func TestWithoutCaptureNothingIsHashed(t *testing.T) {
	r, w := pipe(t)
	res := wait(t, start(t.Context(), t, Options{Argv: sh(`echo hi`), Stdout: w}))
	_ = w.Close()
	if s := readAll(t, r); s != "hi\n" {
		t.Errorf("got %q", s)
	}
	if res.Stdout.Captured || res.Stdout.Bytes != 0 || res.Stdout.SHA256 != [32]byte{} || res.Stdout.Tail != nil {
		t.Errorf("got %s", brief(res))
	}
}

func TestFiftyMegabytesInBoundedMemory(t *testing.T) {
	const size = 50 << 20
	r, w := pipe(t)
	passed := make(chan [32]byte, 1)
	go func() {
		h := sha256.New()
		_, _ = io.Copy(h, r)
		passed <- [32]byte(h.Sum(nil))
	}()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	// A pattern that does not repeat with the size of any buffer.
	p := start(t.Context(), t, Options{Argv: sh(`yes 'a line that is 31 bytes long..' | head -c 52428800`), Stdout: w, Capture: true})
	res := wait(t, p)
	runtime.ReadMemStats(&after)
	_ = w.Close()
	want := sha256.Sum256(bytes.Repeat([]byte("a line that is 31 bytes long..\n"), size/31+1)[:size])
	if res.Stdout.Bytes != size || res.Stdout.SHA256 != want || !res.Stdout.Complete {
		t.Errorf("got %d bytes, sha256 %x, complete %v", res.Stdout.Bytes, res.Stdout.SHA256, res.Stdout.Complete)
	}
	if <-passed != want {
		t.Error("something else was passed on")
	}
	if len(res.Stdout.Tail) != DefaultTailBytes {
		t.Errorf("tail of %d bytes", len(res.Stdout.Tail))
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("allocated %d bytes for it", used)
	}
}

// A grandchild in a session of its own keeps the pipe: it is not waited for.
func TestGrandchildWithThePipeCannotHang(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Skip("setsid (util-linux) is not installed")
	}
	p := start(t.Context(), t, Options{Argv: sh(`setsid sleep 60 & echo $!`), Capture: true, Drain: 100 * time.Millisecond})
	began := time.Now()
	res := wait(t, p)
	t.Cleanup(func() { _ = syscall.Kill(number(t, strings.TrimSpace(string(res.Stdout.Tail))), syscall.SIGKILL) })
	if !res.Leftover || res.ExitCode != 0 || res.Stdout.Complete || res.Stdout.Bytes == 0 {
		t.Errorf("got %s", brief(res))
	}
	if took := time.Since(began); took > bound/4 {
		t.Errorf("it took %v", took)
	}
}

// One that never stops writing is not waited for either.
func TestGrandchildThatKeepsWritingCannotHang(t *testing.T) {
	p := start(t.Context(), t, Options{Argv: sh(`yes & exit 4`), Capture: true, Drain: 50 * time.Millisecond})
	res := wait(t, p)
	if !res.Leftover || res.ExitCode != 4 {
		t.Errorf("leftover %v, code %d", res.Leftover, res.ExitCode)
	}
	// Its pipe is closed: yes dies of SIGPIPE and is nobody's leftover.
	until(t, "the writer is gone", func() bool { return !survivors(p.Pid()) })
}

// A reader that comes only after the child has ended, and after the time for
// draining, still gets all that the child wrote.
func TestSlowReaderLosesNothing(t *testing.T) {
	const size = 100 << 10 // more than the pipe to the reader holds, less than that and ours
	r, w := pipe(t)
	p := start(t.Context(), t, Options{Argv: sh(`yes | head -c 102400`), Stdout: w, Capture: true, Drain: time.Millisecond})
	// head has written everything and ended; only then does anybody read.
	until(t, "the child has ended", func() bool { return !alive(p.Pid()) })
	got := make(chan string, 1)
	go func() {
		b, _ := io.ReadAll(r)
		got <- string(b)
	}()
	res := wait(t, p)
	_ = w.Close()
	if s := <-got; s != strings.Repeat("y\n", size/2) {
		t.Errorf("%d of %d bytes arrived", len(s), size)
	}
	if !res.Stdout.Complete || res.Leftover || res.Stdout.Bytes != size {
		t.Errorf("got %s", brief(res))
	}
}

// A reader that never reads is waited for, as the child would have; until
// somebody wants an end of it.
func TestStuckReaderIsGivenUpOnRequest(t *testing.T) {
	for _, how := range []string{"signal", "cancel", "timeout"} {
		t.Run(how, func(t *testing.T) {
			r, w := pipe(t)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			signals := make(chan os.Signal)
			o := Options{Argv: sh(`yes | head -c 102400`), Stdout: w, Capture: true, Signals: signals, Drain: time.Millisecond}
			if how == "timeout" {
				o.Timeout = time.Second
			}
			p := start(ctx, t, o)
			reaped := func() bool { _, err := os.Stat("/proc/" + itoa(p.Pid())); return err != nil }
			until(t, "the child has ended and was reaped", reaped)
			switch how {
			case "signal":
				signals <- syscall.SIGUSR1 // not a wish to end
				signals <- syscall.SIGTERM
			case "cancel":
				cancel()
			}
			res := wait(t, p)
			if res.ExitCode != 0 || res.Cause != CauseExit || res.Stdout.Complete {
				t.Errorf("got %s", brief(res))
			}
			_ = r.Close() // lets the writer go
		})
	}
}

// The reader has gone: the child learns of it as it would have without us.
func TestClosedReaderEndsTheChildWithSIGPIPE(t *testing.T) {
	r, w := pipe(t)
	p := start(t.Context(), t, Options{Argv: []string{"yes"}, Stdout: w, Capture: true})
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	res := wait(t, p)
	if res.ExitCode != 141 || res.Signal != syscall.SIGPIPE || !errors.Is(res.Stdout.Err, syscall.EPIPE) || res.Stdout.Complete {
		t.Errorf("got %s", brief(res))
	}
}

// The same where it is our own standard output, for which Go would kill us.
func TestClosedStandardOutputDoesNotKillUs(t *testing.T) {
	r, w := pipe(t)
	cmd, result := wrapped(t, "yes")
	cmd.Env = append(cmd.Env, "STET_CHILD_TEST_CAPTURE=1")
	cmd.Stdout = w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if _, err := bufio.NewReader(r).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = r.Close()
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 141 {
		t.Errorf("exit code %d, want 141", code)
	}
	if res := result(); res.Signal != syscall.SIGPIPE {
		t.Errorf("got %s", brief(res))
	}
}

func TestTailIsTheEndWhateverTheChunks(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		keep := rapid.IntRange(0, 20).Draw(t, "keep")
		chunks := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 50)).Draw(t, "chunks")
		c := &capture{max: keep, sum: sha256.New()}
		var all []byte
		for _, b := range chunks {
			c.record(b)
			all = append(all, b...)
		}
		o, _ := c.result()
		if want := all[max(0, len(all)-keep):]; !bytes.Equal(o.Tail, want) {
			t.Fatalf("tail %q, want %q", o.Tail, want)
		}
		if o.Bytes != int64(len(all)) || o.SHA256 != sha256.Sum256(all) {
			t.Fatalf("%d bytes, sha256 %x", o.Bytes, o.SHA256)
		}
		if cap(c.tail) > 4*keep+64 {
			t.Fatalf("%d bytes held for a tail of %d", cap(c.tail), keep)
		}
	})
}
