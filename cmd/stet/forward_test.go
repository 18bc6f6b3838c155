package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A row that a receiver refuses for good ends the command and is named; told to, it is skipped, and the log says so. The secret
// is told to nobody.
func TestForwardRefused(t *testing.T) {
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	x := newShop(t)
	x.env = []string{secretVariable + "=" + secret}
	var mu sync.Mutex
	var taken bytes.Buffer
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		if err != nil || bytes.Contains(b, []byte(`"mallory"`)) {
			w.WriteHeader(http.StatusUnprocessableEntity)
			return
		}
		taken.Write(b)
	}))
	defer hook.Close()
	for _, user := range []string{"alice", "mallory", "bob"} {
		x.must(t, exitOK, "emit", "sensitive_read", "--user", user, "--object", "file:/srv/a.csv")
	}
	args := []string{"forward", "--once", "--to", hook.URL + "/secret-path"}
	code, said := x.run(args...)
	if code != exitError || !strings.Contains(said, "refuses entry 7: HTTP 422") {
		t.Errorf("exit %d: %s", code, said)
	}
	mu.Lock()
	if got := taken.String(); strings.Count(got, `"alice"`) != 1 || strings.Contains(got, `"bob"`) {
		t.Errorf("taken: %s", got)
	}
	mu.Unlock()
	code, more := x.run(append(args, "--skip-refused")...)
	if code != exitOK || !strings.Contains(more, `"skipped":1`) {
		t.Errorf("exit %d: %s", code, more)
	}
	mu.Lock()
	if got := taken.String(); strings.Count(got, `"alice"`) != 1 || strings.Count(got, `"bob"`) != 1 {
		t.Errorf("taken: %s", got)
	}
	mu.Unlock()
	found := x.must(t, exitOK, "search", "--json", "event:log_exported", "status:failure")
	for _, want := range []string{`"action":"skip"`, `"status_reason":"HTTP 422"`, `"references":[{"kind":"seq","value":"7"},{"kind":"seq","value":"7"}]`} {
		if bytes.Count(found, []byte("\n")) != 1 || !bytes.Contains(found, []byte(want)) {
			t.Errorf("%s is not in %s", want, found)
		}
	}
	if all := said + more + string(found); strings.Contains(all, secret) || strings.Contains(all, "secret-path") {
		t.Errorf("it tells what is secret: %s", all)
	}
}

// While a log is followed, a second one for the same destination is refused; one that is told to end leaves nothing to be sent again.
func TestForwardFollows(t *testing.T) {
	x := newShop(t)
	to := ownCollector(t, x.dir)
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	receiver := to.start(ctx)
	if err := receiver.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		cancel()
		_ = receiver.Wait() // killed
	}()
	x.must(t, exitOK, "emit", "sys_startup")
	args := []string{"forward", "--settle", "10ms", "--to", "syslog+tcp://" + to.address}
	follower := x.command(ctx, args...)
	var said bytes.Buffer
	follower.Stderr = &said
	if err := follower.Start(); err != nil {
		t.Fatal(err)
	}
	for n := range 2 {
		user := fmt.Sprint("user", n)
		x.must(t, exitOK, "emit", "sensitive_read", "--user", user, "--object", "file:/srv/a.csv")
		for ctx.Err() == nil {
			if b, err := os.ReadFile(to.file); err == nil && bytes.Contains(b, []byte(user)) {
				break
			}
			time.Sleep(10 * time.Millisecond) // another process writes there
		}
	}
	if code, out := x.run(append(args, "--once")...); code != exitError || !strings.Contains(out, "another process forwards by this cursor") {
		t.Errorf("a second one: exit %d: %s", code, out)
	}
	if err := follower.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := follower.Wait(); err != nil {
		t.Errorf("told to end: %v\n%s", err, &said)
	}
	if code, out := x.run(append(args, "--once")...); code != exitOK || !strings.Contains(out, `"rows":0,`) {
		t.Errorf("then: exit %d: %s\nbefore: %s", code, out, &said)
	}
	judgeReceived(t, x, to.file, true)
}
