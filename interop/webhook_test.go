package interop

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// delivery is a message as its target has it, which has judged it by the specification's own library.
type delivery struct {
	id   string
	body string
	err  error
	done chan struct{} // to be closed before it is answered
}

// TestWebhooks has a server deliver to a target, is kill -9 to it between the message and its answer, and expects the message
// again from the next one, under the same id and with the same body.
func TestWebhooks(t *testing.T) {
	stet := build(t, "..", "./cmd/stet")
	home := t.TempDir()
	store := filepath.Join(home, "store")
	came := make(chan delivery, 100)
	over := make(chan struct{})
	var secret string // set before the first message
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			var wh *standardwebhooks.Webhook
			if wh, err = standardwebhooks.NewWebhook(secret); err == nil {
				err = wh.Verify(body, r.Header)
			}
		}
		d := delivery{id: r.Header.Get(standardwebhooks.HeaderWebhookID), body: string(body), err: err, done: make(chan struct{})}
		came <- d
		select {
		case <-d.done:
		case <-over:
		}
		_, _ = io.WriteString(w, "thank you")
	}))
	defer hook.Close()
	defer close(over)
	next := func(what string) (d delivery, failed int) {
		t.Helper()
		select {
		case d = <-came:
		case <-time.After(2 * time.Minute):
			t.Fatalf("%s does not come", what)
		}
		if d.err != nil {
			t.Errorf("%s is not what the library takes: %v\n%s", what, d.err, d.body)
		}
		var m struct {
			Type string
			Data struct {
				Alert   string
				Count   int
				Entries []struct{ Event_type, Sentence string } //nolint:revive // as the message has it
			}
		}
		if err := json.Unmarshal([]byte(d.body), &m); err != nil {
			t.Fatal(err)
		}
		if m.Type == "alert.matched" {
			if m.Data.Alert != "failures" || m.Data.Count == 0 || len(m.Data.Entries) == 0 || m.Data.Entries[0].Event_type != "job_failed" || !strings.Contains(m.Data.Entries[0].Sentence, "nightly") {
				t.Errorf("%s: %s", what, d.body)
			}
		}
		return d, m.Data.Count
	}

	secret = strings.TrimSpace(execute(t, home, stet, "admin", "alert", "add", "failures", "event:job_failed", "--store", store, "--url", hook.URL+"/hidden",
		"--window", "1s", "--allow-private"))
	address := filepath.Join(home, "sock")
	begin := func() *exec.Cmd {
		t.Helper()
		cmd := command(home, stet, "serve", "--store", store, "--listen", "unix:"+address)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill() // it has ended, where all went well
			_ = cmd.Wait()
		})
		if _, err := io.ReadFull(out, make([]byte, 1)); err != nil { // it says where it is
			t.Fatalf("the server does not start: %v", err)
		}
		go func() { _, _ = io.Copy(io.Discard, out) }()
		return cmd
	}
	fails := func() {
		t.Helper()
		cmd := command(home, stet, "run", "--store", store, "--app", "interop", "--job", "nightly", "--why", "interop", "--", "false")
		if err := cmd.Run(); err == nil {
			t.Fatal("false has succeeded")
		}
	}
	server := begin()
	fails()
	first, _ := next("the first message")
	if err := server.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = server.Wait() // killed
	close(first.done)
	fails() // while there is no server
	server = begin()
	again, _ := next("the message that had no answer")
	if again.id != first.id || again.body != first.body {
		t.Errorf("%s came, and then %s:\n%s\n%s", first.id, again.id, first.body, again.body)
	}
	close(again.done)
	second, n := next("what failed meanwhile")
	close(second.done)
	if second.id == first.id || n != 1 {
		t.Errorf("%s tells of %d failures: %s", second.id, n, second.body)
	}
	tested := make(chan string)
	go func() {
		out, err := command(home, stet, "admin", "alert", "test", "failures", "--store", store).CombinedOutput()
		if err != nil {
			t.Errorf("test: %v", err)
		}
		tested <- string(out)
	}()
	test, _ := next("a test")
	close(test.done)
	if !strings.Contains(test.body, `"type":"alert.test"`) {
		t.Errorf("the test is %s", test.body)
	}
	if said := <-tested; !strings.Contains(said, "HTTP 200") || !strings.Contains(said, "thank you") || strings.Contains(said, "hidden") {
		t.Errorf("it printed %s", said)
	}
	if err := server.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := server.Wait(); err != nil {
		t.Errorf("the server ended with %v", err)
	}
	// Each delivery is in the log: the second one, the one that was repeated, and the test.
	log := execute(t, home, stet, "search", "--store", store, "--json", "event:alert_sent status:success")
	for _, id := range []string{first.id, second.id, test.id} {
		if !strings.Contains(log, id) {
			t.Errorf("the log does not tell of %s:\n%s", id, log)
		}
	}
	execute(t, home, stet, "verify", store)
	all := execute(t, home, stet, "export", "--store", store, "--json") + execute(t, home, stet, "admin", "alert", "list", "--store", store, "--json")
	for _, hidden := range []string{secret, strings.TrimPrefix(secret, "whsec_"), "hidden"} {
		if strings.Contains(all, hidden) {
			t.Errorf("%s is told", hidden)
		}
	}
}
