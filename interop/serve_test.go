package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/transparency-dev/tessera/client"
	"golang.org/x/mod/sumdb/note"
)

// TestServedLog has jobs of a machine recorded by a server that others follow meanwhile: Tessera's client, which proves each
// checkpoint to continue the one before, its fsck library and the other checks over HTTP, and Tessera's hammer.
func TestServedLog(t *testing.T) {
	stet := build(t, "..", "./cmd/stet")
	home := t.TempDir()
	store := filepath.Join(home, "store")
	writer := filepath.Join(home, "writer")
	write(t, writer, []byte(execute(t, home, stet, "admin", "token", "create", "--store", store, "--role", "writer", "--app", "interop")))
	reader := filepath.Join(home, "auditor")
	auditor := strings.TrimSpace(execute(t, home, stet, "admin", "token", "create", "--store", store, "--role", "auditor"))
	write(t, reader, []byte(auditor))
	lines := filepath.Join(home, "lines") // more than a bundle holds, so that some are full
	write(t, lines, bytes.Repeat([]byte(`{"event_type":"interop_read"}`+"\n"), 300))
	execute(t, home, stet, "import", "--store", store, lines)
	live := serve(t, command(home, stet, "serve", "--store", store, "--listen", "127.0.0.1:0"))
	run := func() {
		t.Helper()
		execute(t, home, stet, "run", "--store", live, "--token-file", writer, "--app", "interop", "--job", "nightly", "--why", "interop", "--", "true")
	}
	run()
	door := watched(t, live)
	d, fetcher := servedLog(t, door.url, auditor)
	verifier, err := note.NewVerifier(d.vkey)
	if err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	tracker, err := client.NewLogStateTracker(ctx, fetcher.ReadTile, nil, verifier, d.origin, client.UnilateralConsensus(fetcher.ReadCheckpoint))
	if err != nil {
		t.Fatal(err)
	}
	for range 4 {
		before := tracker.Latest().Size
		run()
		if _, _, _, err := tracker.Update(ctx); err != nil {
			t.Fatalf("tessera's client does not follow from size %d on: %v", before, err)
		}
		if now := tracker.Latest().Size; now <= before {
			t.Errorf("the log has %d entries, and had %d before a job", now, before)
		}
	}
	accept(t, d)

	door.judge(t, 5)
	door = watched(t, live)
	hammer(t, ctx, door.url, d.vkey, auditor, run)
	door.judge(t, 2)
	execute(t, home, stet, "verify", "--token-file", reader, "--key", d.vkey, live)
	rotated(t, d, live, auditor, run, func(what string) { execute(t, home, stet, "admin", "log-key", what, "--store", store) })
	execute(t, home, stet, "verify", "--token-file", reader, "--key", d.vkey, live) // which follows from the old key

	nobody, err := client.NewHTTPFetcher(mustParse(t, live), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := nobody.ReadEntryBundle(ctx, 0, 1); err == nil {
		t.Error("entries are given to who does not say who they are")
	}
}

// rotated has the log's key rotated and then retired while Tessera's client follows: with the old key as long as both sign,
// with the new one from the handover on.
func rotated(t *testing.T, old tlog, live, token string, run func(), admin func(what string)) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	track := func(d tlog, f *client.HTTPFetcher) *client.LogStateTracker {
		t.Helper()
		v, err := note.NewVerifier(d.vkey)
		if err != nil {
			t.Fatal(err)
		}
		tracker, err := client.NewLogStateTracker(ctx, f.ReadTile, nil, v, d.origin, client.UnilateralConsensus(f.ReadCheckpoint))
		if err != nil {
			t.Fatal(err)
		}
		return tracker
	}
	_, fetcher := servedLog(t, live, token)
	byOld := track(old, fetcher)
	admin("rotate")
	d, fetcher := servedLog(t, live, token)
	if d.vkey == old.vkey || d.origin != old.origin {
		t.Fatalf("the log %s with the key %s is now %s with %s", old.origin, old.vkey, d.origin, d.vkey)
	}
	byNew := track(d, fetcher)
	run()
	for name, tracker := range map[string]*client.LogStateTracker{"old": byOld, "new": byNew} {
		if _, _, _, err := tracker.Update(ctx); err != nil {
			t.Errorf("while both keys sign, tessera's client does not follow by the %s one: %v", name, err)
		}
	}
	accept(t, d)
	admin("retire")
	run()
	if _, _, _, err := byNew.Update(ctx); err != nil {
		t.Errorf("tessera's client does not follow by the new key: %v", err)
	}
	if _, _, _, err := byOld.Update(ctx); err == nil {
		t.Error("tessera's client follows by a key that is retired")
	}
	accept(t, d)
}

// serve starts a server, which ends with the test and in order, and returns its address.
func serve(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stdout)
	address, err := lines.ReadString('\n')
	t.Cleanup(func() {
		if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Error(err)
		}
		_, _ = io.Copy(io.Discard, lines)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server ended with %v\n%s", err, &stderr)
		}
	})
	if err != nil {
		t.Fatalf("the server does not say where it is: %v", err)
	}
	return strings.TrimSpace(address)
}

// door stands in front of a server and counts what is read through it.
type door struct {
	url string

	mu       sync.Mutex
	statuses map[string]map[int]int // by what was read
}

func watched(t *testing.T, to string) *door {
	t.Helper()
	d := &door{statuses: map[string]map[int]int{"checkpoint": {}, "tile/": {}, "tile/entries/": {}, "": {}}}
	proxy := httputil.NewSingleHostReverseProxy(mustParse(t, to))
	proxy.ModifyResponse = func(r *http.Response) error {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, kind := range []string{"checkpoint", "tile/entries/", "tile/", ""} {
			if strings.HasPrefix(r.Request.URL.Path, "/"+kind) {
				d.statuses[kind][r.StatusCode]++
				break
			}
		}
		return nil
	}
	proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) {} // the reader has gone
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	d.url = s.URL
	return d
}

// judge demands that at least so much of each kind was read, and that all of it was there.
func (d *door) judge(t *testing.T, least int) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	t.Logf("answers: %v", d.statuses)
	for _, kind := range []string{"checkpoint", "tile/", "tile/entries/"} {
		if n := d.statuses[kind]; n[http.StatusOK] < least || len(n) > 1 {
			t.Errorf("answers to /%s were %v", kind, n)
		}
	}
}

// servedLog is the log of a server, to the token of an auditor.
func servedLog(t *testing.T, address, token string) (tlog, *client.HTTPFetcher) {
	t.Helper()
	f, err := client.NewHTTPFetcher(mustParse(t, address), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.SetAuthorizationHeader("Bearer " + token)
	resp, err := http.Get(address + "/v1/log")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end
	var l struct {
		Origin string `json:"origin"`
		LogKey string `json:"log_key"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<16)).Decode(&l); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("whose log it is: %s, %v", resp.Status, err)
	}
	return tlog{f, l.Origin, l.LogKey}, f
}

// complaint is a line of the hammer's that is not only for information.
var complaint = regexp.MustCompile(`(?m)^[WEF]\d{4} .*$`)

// hammer has Tessera's load generator read a log that grows, all of it and at random, until it has seen it grow by so much;
// grow makes it grow. What it reads must be there and, as far as it looks, right.
func hammer(t *testing.T, ctx context.Context, address, vkey, token string, grow func()) {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "hammer")
	if out, err := exec.CommandContext(ctx, "go", "build", "-modfile=../tools/hammer.mod", "-o", bin, "github.com/transparency-dev/tessera/internal/hammer").CombinedOutput(); err != nil {
		t.Fatalf("build the hammer: %v\n%s", err, out)
	}
	cmd := exec.CommandContext(ctx, bin, "-log_url", address, "-log_public_key", vkey, "-bearer_token", token, "-show_ui=false", "-logtostderr",
		"-max_read_ops", "200", "-leaf_write_goal", "40", "-max_runtime", "100s")
	var said bytes.Buffer
	cmd.Stderr = &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("the hammer ended with %v\n%s", err, &said)
			}
			for _, line := range complaint.FindAllString(said.String(), -1) {
				if !strings.Contains(line, context.Canceled.Error()) { // by itself, at the end
					t.Errorf("the hammer says: %s", line)
				}
			}
			return
		default:
			grow()
		}
	}
}

func mustParse(t *testing.T, address string) *url.URL {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
