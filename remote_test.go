package stet_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/store"
)

// central is a server on a disk in memory, and a machine that records for it.
type central struct {
	t         *testing.T
	held      *store.Held
	http      *httptest.Server
	state     string // the machine's state directory
	tokenFile string
	between   func(w http.ResponseWriter, r *http.Request) bool // answers instead, and says so
	told      []string
}

func newCentral(t *testing.T) *central {
	t.Helper()
	for _, v := range []string{"STET_STORE", "STET_SPOOL", "STET_TOKEN_FILE", stet.EnvInteractionID, stet.EnvParentJobID, stet.EnvRootJobID, "TRACEPARENT", "TRACESTATE"} {
		t.Setenv(v, "")
	}
	c := &central{t: t, state: t.TempDir()}
	fsys := fsxtest.New()
	log, err := keyfile.Generate("stet.local/test", nil)
	if err != nil {
		t.Fatal(err)
	}
	own, err := keyfile.Generate("stet-store/test", nil)
	if err != nil {
		t.Fatal(err)
	}
	s := store.New(fsys, known.Dir{FS: fsys, Name: "state"}, func(bool) (store.Keys, error) { return store.Keys{Log: log, Store: own}, nil })
	if c.held, err = s.Hold(t.Context(), store.HoldOptions{Preallocate: -1, PublishBusy: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.held.Close(t.Context()) })
	if _, err := c.held.Drain(t.Context()); err != nil { // publishes the first entry
		t.Fatal(err)
	}
	a, err := auth.Open(fsys, auth.Options{LogKeys: []string{log.VKey}})
	if err != nil {
		t.Fatal(err)
	}
	token, _, err := a.Create(auth.Spec{Name: "billing", Role: auth.Writer, App: "billing"})
	if err != nil {
		t.Fatal(err)
	}
	c.tokenFile = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(c.tokenFile, []byte(token), 0o600); err != nil {
		t.Fatal(err)
	}
	srv, err := server.New(server.Options{Log: c.held, LogKey: func() string { return log.VKey }, Authority: a})
	if err != nil {
		t.Fatal(err)
	}
	handler := srv.Handler()
	c.http = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if c.between == nil || !c.between(w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(c.http.Close)
	return c
}

func (c *central) open(o stet.Options) *stet.Recorder {
	c.t.Helper()
	o.App, o.StateDir, o.TokenFile = "billing", c.state, c.tokenFile
	o.OnLoss = func(err error) { c.told = append(c.told, err.Error()) }
	rec, err := stet.Open(c.t.Context(), c.http.URL, o)
	if err != nil {
		c.t.Fatal(err)
	}
	return rec
}

// has counts the log's entries with a text in them.
func (c *central) has(text string) (n int) {
	c.t.Helper()
	size := c.held.State().Published
	err := logread.Entries(c.t.Context(), c.held.Source(), 0, size, func(_ uint64, entry []byte) error {
		if strings.Contains(string(entry), text) {
			n++
		}
		return nil
	})
	if err != nil {
		c.t.Fatal(err)
	}
	return n
}

// spooled lists the streams that have a spool on the machine.
func (c *central) spooled() []string {
	c.t.Helper()
	all, err := filepath.Glob(filepath.Join(c.state, "servers", "*", "spool", "*"))
	if err != nil {
		c.t.Fatal(err)
	}
	return all
}

func record(t *testing.T, rec *stet.Recorder, typ string) {
	t.Helper()
	if err := rec.Record(t.Context(), event.Event{EventType: typ}); err != nil {
		t.Fatal(err)
	}
}

func TestARecorderSendsToItsServer(t *testing.T) {
	c := newCentral(t)
	rec := c.open(stet.Options{SendWait: time.Minute})
	if err := rec.Do(t.Context(), stet.Job{Name: "invoice"}, nothing); err != nil {
		t.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if n := c.has(`"event_type":"job_succeeded"`); n != 1 || len(c.spooled()) > 0 || len(c.told) > 0 {
		t.Errorf("the log has the outcome %d times; left are %q; told %q", n, c.spooled(), c.told)
	}
	if n := c.has(`"token":"billing"`); n == 0 {
		t.Error("nothing in the log says who sent it")
	}
}

// A job never waits for the network: what cannot be sent stays in the spool, and the next Recorder sends it.
func TestNobodyWaitsForAServer(t *testing.T) {
	c := newCentral(t)
	release := make(chan struct{})
	c.between = func(_ http.ResponseWriter, r *http.Request) bool {
		select { // as a network that swallows everything
		case <-release:
			return false
		case <-r.Context().Done():
			return true
		}
	}
	rec := c.open(stet.Options{SendWait: -1})
	record(t, rec, "page_viewed")
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if n := c.has("page_viewed"); n != 0 || len(c.spooled()) != 1 || len(c.told) > 0 {
		t.Errorf("the log has it %d times; left are %q; told %q", n, c.spooled(), c.told)
	}
	close(release)
	rec = c.open(stet.Options{SendWait: time.Minute})
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if n := c.has("page_viewed"); n != 1 || len(c.spooled()) > 0 {
		t.Errorf("the log has it %d times; left are %q", n, c.spooled())
	}
}

// What a server lies about is told, and recorded for the next one that is honest.
func TestALieIsRecorded(t *testing.T) {
	c := newCentral(t)
	rec := c.open(stet.Options{SendWait: time.Minute})
	record(t, rec, "page_viewed")
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	older := c.held.Checkpoint()
	c.between = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/v1/log" || strings.HasPrefix(r.URL.Path, "/tile") {
			return false
		}
		older[len(older)-5] ^= 1 // another signature
		_, _ = w.Write([]byte(`{"format":"stet.receipts/1","checkpoint":` + quote(string(older)) + `,"results":[{"status":"placed"},{"status":"placed"}]}`))
		return true
	}
	rec = c.open(stet.Options{SendWait: time.Minute})
	record(t, rec, "page_viewed")
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if n := c.has("page_viewed"); n != 1 || len(c.spooled()) == 0 || !slices.ContainsFunc(c.told, func(s string) bool { return strings.Contains(s, "integrity failure") }) {
		t.Errorf("the log has it %d times; left are %q; told %q", n, c.spooled(), c.told)
	}
	c.between = nil
	rec = c.open(stet.Options{SendWait: time.Minute})
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if n, m := c.has("page_viewed"), c.has(`"event_type":"log_contradicted"`); n != 2 || m < 1 || len(c.spooled()) > 0 {
		t.Errorf("the log has the event %d times, the lie %d times; left are %q", n, m, c.spooled())
	}
	rec = c.open(stet.Options{SendWait: time.Minute})
	before := c.has("log_contradicted")
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if after := c.has("log_contradicted"); after != before {
		t.Errorf("the lie is recorded again: %d and %d times", before, after)
	}
}

func quote(s string) string { return `"` + strings.NewReplacer("\n", `\n`, `"`, `\"`).Replace(s) + `"` }

func TestServersThatAreNone(t *testing.T) {
	for _, name := range []string{"http://log.example", "https://user:s3cret@log.example", "unix:relative"} {
		rec, err := stet.Open(t.Context(), name, stet.Options{App: "billing", StateDir: t.TempDir()})
		if err == nil || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v", name, err)
			_ = rec.Close()
		}
	}
	if _, err := stet.StorePath("https://log.example"); err == nil {
		t.Error("a server is no directory")
	}
	t.Setenv("STET_SPOOL", "relative")
	if _, err := stet.Open(t.Context(), "https://log.example", stet.Options{App: "billing", StateDir: t.TempDir()}); err == nil || errors.Is(err, stet.ErrServer) {
		t.Errorf("got %v", err)
	}
}
