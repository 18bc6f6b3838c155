package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// servers are the servers that scripts have started, by script and name.
type servers struct {
	mu  sync.Mutex
	all map[*testscript.TestScript]map[string]*startedServer
}

type startedServer struct {
	cmd    *exec.Cmd
	stderr bytes.Buffer
	ended  chan struct{}
	err    error // set before ended is closed
}

// serving NAME ARGS… starts stet serve on a port of its choice, waits for its addresses, and puts the first into the
// environment variable NAME.
func (s *servers) serving(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: serving name args…")
	}
	exe, err := exec.LookPath("stet")
	ts.Check(err)
	started := &startedServer{ended: make(chan struct{})}
	started.cmd = exec.Command(exe, append([]string{"serve", "--listen", "127.0.0.1:0"}, args[1:]...)...)
	started.cmd.Dir = ts.MkAbs(".")
	for _, name := range []string{"STET_STORE", "STET_STATE", "TMPDIR", "HOME", "PATH", "STET_SYSLOG"} {
		started.cmd.Env = append(started.cmd.Env, name+"="+ts.Getenv(name))
	}
	started.cmd.Stderr = &started.stderr
	out, err := started.cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(started.cmd.Start())
	lines := bufio.NewScanner(out)
	url := ""
	if lines.Scan() {
		url = lines.Text()
	}
	go func() {
		_, _ = io.Copy(io.Discard, out)
		started.err = started.cmd.Wait()
		close(started.ended)
	}()
	ts.Defer(func() {
		_ = started.cmd.Process.Kill() // it has ended, in most scripts
		<-started.ended
	})
	if url == "" {
		<-started.ended
		ts.Fatalf("the server did not start: %v\n%s", started.err, started.stderr.String())
	}
	ts.Setenv(args[0], url)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all[ts] == nil {
		s.all[ts] = map[string]*startedServer{}
	}
	s.all[ts][args[0]] = started
}

// served NAME SIGNAL CODE sends a signal, or none for "-", and demands the server's exit code, which is -1 where the signal
// killed it. Its log is for stderr.
func (s *servers) served(ts *testscript.TestScript, neg bool, args []string) {
	signals := map[string]syscall.Signal{"TERM": syscall.SIGTERM, "INT": syscall.SIGINT, "KILL": syscall.SIGKILL, "-": 0}
	if neg || len(args) != 3 {
		ts.Fatalf("usage: served name signal code")
	}
	s.mu.Lock()
	started := s.all[ts][args[0]]
	s.mu.Unlock()
	if started == nil {
		ts.Fatalf("no server %s", args[0])
	}
	if sig := signals[args[1]]; sig != 0 {
		ts.Check(started.cmd.Process.Signal(sig))
	}
	select {
	case <-started.ended:
	case <-time.After(2 * time.Minute):
		ts.Fatalf("the server did not end")
	}
	_, err := ts.Stderr().Write(started.stderr.Bytes())
	ts.Check(err)
	code := 0
	var exited *exec.ExitError
	if errors.As(started.err, &exited) {
		code = exited.ExitCode()
	}
	if got := fmt.Sprint(code); got != args[2] {
		ts.Fatalf("exit code %s, want %s\n%s", got, args[2], started.stderr.String())
	}
}

// httpGet URL [HEADER: VALUE]… asks for something. Status and body are for stdout. A URL that begins with unix: has the path
// behind a second colon.
func httpGet(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 {
		ts.Fatalf("usage: httpget url header…")
	}
	url := args[0]
	client := http.Client{Timeout: time.Minute}
	if rest, ok := strings.CutPrefix(url, "unix:"); ok {
		socket, path, _ := strings.Cut(rest, ":")
		url = "http://localhost" + path
		client.Transport = &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", socket)
		}}
	}
	r, err := http.NewRequest(http.MethodGet, url, nil)
	ts.Check(err)
	for _, h := range args[1:] {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	answer, err := client.Do(r)
	ts.Check(err)
	body, err := io.ReadAll(answer.Body)
	ts.Check(errors.Join(err, answer.Body.Close()))
	_, err = fmt.Fprintf(ts.Stdout(), "%d %s\n%s", answer.StatusCode, answer.Header.Get("Content-Type"), body)
	ts.Check(err)
}

// httpUntil URL REGEXP asks until the body matches.
func httpUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: httpuntil url regexp")
	}
	want, err := regexp.Compile(args[1])
	ts.Check(err)
	last := ""
	for range 1200 {
		answer, err := http.Get(args[0])
		ts.Check(err)
		body, err := io.ReadAll(answer.Body)
		ts.Check(errors.Join(err, answer.Body.Close()))
		if last = string(body); want.MatchString(last) {
			return
		}
		time.Sleep(50 * time.Millisecond) // another process changes it
	}
	ts.Fatalf("%s still answers %s", args[0], last)
}

// A server that cannot listen where it was told says so, and leaves no socket behind.
func TestServeRefusesAddresses(t *testing.T) {
	dir := t.TempDir()
	c := &serveCmd{Listen: []string{"127.0.0.1:0", "0.0.0.0:0"}}
	if _, err := c.listen(context.Background(), dir); err == nil || !strings.Contains(err.Error(), "--insecure-listen") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(dir + "/" + adminSocket); err == nil {
		t.Error("there is a socket")
	}
}
