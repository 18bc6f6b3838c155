package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/wire"
)

// patience bounds every wait for another goroutine; nothing depends on how long anything takes below that.
const patience = 2 * time.Minute

// serving is a server that answers on real listeners.
type serving struct {
	*world
	addr string // of the first listener
	end  context.CancelFunc
	done chan error
}

// serve serves a world until the test ends.
func (w *world) serve(drain time.Duration, listeners ...net.Listener) *serving {
	w.t.Helper()
	if len(listeners) == 0 {
		l, err := Listen(context.Background(), "127.0.0.1:0", false, 0)
		if err != nil {
			w.t.Fatal(err)
		}
		listeners = append(listeners, l)
	}
	ctx, end := context.WithCancel(context.Background())
	s := &serving{world: w, addr: listeners[0].Addr().String(), end: end, done: make(chan error, 1)}
	go func() {
		s.done <- w.server.Serve(ctx, drain, listeners...)
		close(s.done)
	}()
	w.t.Cleanup(func() {
		end()
		for range s.done { // to its end, which somebody may have seen already
		}
	})
	return s
}

// wait waits for Serve to return.
func (s *serving) wait() error {
	s.t.Helper()
	select {
	case err := <-s.done:
		return err
	case <-time.After(patience):
		s.t.Fatal("Serve did not return")
		return nil
	}
}

func (s *serving) stop() {
	s.t.Helper()
	s.end()
	if err := s.wait(); err != nil {
		s.t.Errorf("Serve: %v", err)
	}
}

func dial(t testing.TB, network, addr string) net.Conn {
	t.Helper()
	c, err := (&net.Dialer{Timeout: patience}).Dial(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return c
}

// ask sends a request's text and returns the status of the answer, or an error.
func ask(c net.Conn, request string) (int, error) {
	if _, err := io.WriteString(c, request); err != nil {
		return 0, err
	}
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, r.Body)
	return r.StatusCode, errors.Join(err, r.Body.Close())
}

const health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"

// A thousand clients that send nothing, or half a header, or half a body, keep nobody from being answered, and are cut off
// by the timeouts. With STET_LONG=1 ten thousand, which take 20,000 open files: ulimit -n 65536.
func TestSlowConnections(t *testing.T) {
	slow, patient := 1000, time.Second
	if os.Getenv("STET_LONG") == "1" {
		slow, patient = 10_000, 10*time.Second
	}
	w := newWorld(t, func(o *Options) {
		o.Limits = Limits{Connections: slow + 8, HeaderTime: 2 * patient, ReadTime: 3 * patient, IdleTime: 2 * patient}
	})
	s := w.serve(patience)
	openings := []string{
		"", "G", "POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nX-", health,
		"POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + w.tokens["writer"] + "\r\nContent-Type: " + wire.BatchesType + "\r\nContent-Length: 8000000\r\n\r\nstet",
	}
	var conns []net.Conn
	for i := range slow {
		c := dial(t, "tcp", s.addr)
		conns = append(conns, c)
		if _, err := io.WriteString(c, openings[i%len(openings)]); err != nil {
			t.Fatal(err)
		}
	}
	if status, err := ask(dial(t, "tcp", s.addr), health); status != http.StatusOK || err != nil {
		t.Errorf("beside %d slow connections: status %d, %v", slow, status, err)
	}
	open, _ := w.server.openConnections()
	t.Logf("%d of %d connections were open at once, and one more was answered", open-1, slow)
	if used := w.server.bodies.mem.used.Load(); used > int64(slow)*firstBuffer {
		t.Errorf("%d bytes are held for bodies that never came", used)
	}
	for i, c := range conns { // each is ended by the server: an answer perhaps, and then nothing more
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatalf("connection %d, which began with %q, was never ended", i, openings[i%len(openings)])
		}
	}
	s.stop()
	if open, _ = w.server.openConnections(); open != 0 {
		t.Errorf("%d connections are still open", open)
	}
	if used := w.server.bodies.mem.used.Load(); used != 0 {
		t.Errorf("%d bytes were not given back", used)
	}
}

// Beyond the connections that may be open one more waits, and is answered once another has ended.
func TestConnectionLimit(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Connections = 2 })
	s := w.serve(patience)
	first, second := dial(t, "tcp", s.addr), dial(t, "tcp", s.addr)
	for _, c := range []net.Conn{first, second} {
		if status, err := ask(c, health); status != http.StatusOK || err != nil {
			t.Fatalf("status %d, %v", status, err)
		}
	}
	third := dial(t, "tcp", s.addr)
	answered := make(chan error, 1)
	go func() {
		_, err := ask(third, health)
		answered <- err
	}()
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-answered:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("the third connection was never answered")
	}
	if open, waited := w.server.openConnections(); open > 2 || waited == 0 {
		t.Errorf("%d connections are open, %d have waited", open, waited)
	}
}

// A header that is larger than it may be is refused, whatever is in it.
func TestLargeHeader(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.Header = 4 << 10 })
	s := w.serve(patience)
	c := dial(t, "tcp", s.addr)
	status, err := ask(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Much: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	if err != nil && status == 0 { // the server may be gone before all of it was sent
		return
	}
	if status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("status %d, %v", status, err)
	}
}

// A body that does not come in time is told so.
func TestSlowBody(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.ReadTime = 300 * time.Millisecond })
	s := w.serve(time.Second)
	c := dial(t, "tcp", s.addr)
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // of 300 ms
		t.Fatal(err)
	}
	status, err := ask(c, "POST /v1/batches HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer "+w.tokens["writer"]+
		"\r\nContent-Type: "+wire.BatchesType+"\r\nContent-Length: 100\r\n\r\nstet")
	if status != http.StatusRequestTimeout || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
}

// Who is told to end answers what is under way, says by its readiness that it is ending, and takes nothing new.
func TestEndDrains(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(o *Options) {
		o.Routes = []Route{{Method: "GET", Pattern: "/v1/long", Anyone: true, Handle: func(w http.ResponseWriter, _ *http.Request, _ *Call) error {
			close(entered)
			<-leave
			_, err := io.WriteString(w, "done")
			return err
		}}}
	})
	s := w.serve(patience)
	long := dial(t, "tcp", s.addr)
	answer := make(chan string, 1)
	go func() {
		status, err := ask(long, "GET /v1/long HTTP/1.1\r\nHost: localhost\r\n\r\n")
		answer <- fmt.Sprint(status, err)
	}()
	<-entered
	s.end()
	deadline := time.Now().Add(patience)
	for {
		r := w.do("", "GET", "/readyz", nil)
		if r.status == http.StatusServiceUnavailable && strings.Contains(r.body, reasonDraining) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("readiness: %d %s", r.status, r.body)
		}
	}
	wantRefusal(t, w.post("writer", newSender(t, "shop").say(1)), wire.NotReady)
	close(leave)
	if got := <-answer; got != "200<nil>" && got != "200 <nil>" {
		t.Errorf("the request that was under way: %s", got)
	}
	if err := s.wait(); err != nil {
		t.Error(err)
	}
}

// The end does not wait for ever.
func TestEndCutsOff(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(o *Options) {
		o.Routes = []Route{{Method: "GET", Pattern: "/v1/long", Anyone: true, Handle: func(_ http.ResponseWriter, r *http.Request, _ *Call) error {
			close(entered)
			<-leave
			return nil
		}}}
	})
	s := w.serve(50 * time.Millisecond)
	long := dial(t, "tcp", s.addr)
	cut := make(chan error, 1)
	go func() {
		_, err := ask(long, "GET /v1/long HTTP/1.1\r\nHost: localhost\r\n\r\n")
		cut <- err
	}()
	<-entered
	s.end()
	if err := s.wait(); err != nil {
		t.Error(err)
	}
	close(leave)
	if err := <-cut; err == nil {
		t.Error("a request that was cut off has an answer")
	}
}

// The kernel says who is at the other end of a Unix socket: the server's own user is an administrator.
func TestUnixSocket(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.OwnUID = uint32(os.Geteuid()) })
	path := filepath.Join(t.TempDir(), "s")
	l, err := Listen(context.Background(), "unix:"+path, false, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 || URL(l) != "unix:"+path {
		t.Errorf("%v, %v, %s", fi, err, URL(l))
	}
	if _, err := Listen(context.Background(), "unix:"+path, false, 0o600); err == nil {
		t.Error("the socket of a living server was taken from it")
	}
	s := w.serve(patience, l)
	if status, err := ask(dial(t, "unix", s.addr), "GET /tile/entries/000.p/1 HTTP/1.1\r\nHost: localhost\r\n\r\n"); status != http.StatusOK || err != nil {
		t.Errorf("status %d, %v", status, err)
	}
}

// Everybody else on a socket needs a token, as they do when the kernel does not say who they are.
func TestUnixPeers(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.OwnUID = 1000 })
	for _, tc := range []struct {
		name  string
		peer  Peer
		token string
		want  bool
	}{
		{"its own user", Peer{Unix: true, HasIDs: true, UID: 1000}, "", true},
		{"root", Peer{Unix: true, HasIDs: true}, "", true},
		{"another user", Peer{Unix: true, HasIDs: true, UID: 1001}, "", false},
		{"another user with a token", Peer{Unix: true, HasIDs: true, UID: 1001}, "reader", true},
		{"who is not known", Peer{Unix: true}, "", false},
		{"the network", Peer{}, "", false},
	} {
		r := httptest.NewRequest(http.MethodGet, "/checkpoint", nil)
		if tc.token != "" {
			r.Header.Set("Authorization", "Bearer "+w.tokens[tc.token])
		}
		rec := httptest.NewRecorder()
		w.server.Handler().ServeHTTP(rec, r.WithContext(context.WithValue(r.Context(), peerKey{}, tc.peer)))
		if got := rec.Code == http.StatusOK; got != tc.want {
			t.Errorf("%s: status %d", tc.name, rec.Code)
		}
	}
}

// Where a server died its socket stays; the next one replaces it, and nothing that is no socket.
func TestDeadSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := Listen(context.Background(), "unix:"+path, false, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(context.Background(), "unix:"+path, false, 0o600); err == nil {
		t.Error("a file was replaced by a socket")
	}
}

// An address that other machines can reach is refused unless it is asked for.
func TestExposedAddresses(t *testing.T) {
	ctx := context.Background()
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:0", "[2001:db8::1]:0"} {
		if l, err := Listen(ctx, addr, false, 0); !errors.Is(err, ErrExposed) {
			t.Errorf("%s: %v, %v", addr, l, err)
		}
	}
	for _, addr := range []string{"7108", "nowhere", "unix:", ""} {
		if l, err := Listen(ctx, addr, true, 0); err == nil {
			t.Errorf("%q was listened on: %v", addr, l)
		}
	}
	for _, tc := range []struct {
		addr    string
		exposed bool
	}{{"127.0.0.1:0", false}, {"localhost:0", false}, {"0.0.0.0:0", true}} {
		l, err := Listen(ctx, tc.addr, tc.exposed, 0)
		if err != nil {
			t.Errorf("%s: %v", tc.addr, err)
			continue
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPeerOfUnixSocketIsInVia(t *testing.T) {
	uid, gid, pid := uint32(7), uint32(8), uint32(9)
	v := viaOf(&Call{Peer: Peer{Unix: true, HasIDs: true, UID: uid, GID: gid, PID: pid}})
	if got := string(v.Append(nil)); got != `{"kind":"unix","uid":7,"gid":8,"pid":9}` {
		t.Error(got)
	}
}

// A clock that nothing keeps in step is an event, once, a metric, a mark in via, and with RequireClockSync a reason not to
// take anything.
func TestClockOutOfStep(t *testing.T) {
	var mu sync.Mutex
	inStep := false
	c := clock.From(clock.Sources{Kernel: func() (clock.Kernel, bool) {
		mu.Lock()
		defer mu.Unlock()
		return clock.Kernel{Synchronized: inStep, MaxErrorUS: 16_000_000, Source: "test"}, true
	}})
	told := make(chan *event.Event, 10)
	w := newWorld(t, func(o *Options) {
		o.Clock = c
		o.Record = func(ctx context.Context, events ...*event.Event) ([]uint64, error) {
			for _, e := range events {
				told <- e
			}
			return o.Log.(interface {
				Record(context.Context, ...*event.Event) ([]uint64, error)
			}).Record(ctx, events...)
		}
	})
	w.serve(patience)
	select {
	case e := <-told:
		if e.EventType != "clock_skewed" {
			t.Errorf("the event is %s", e.EventType)
		}
	case <-time.After(patience):
		t.Fatal("nothing was recorded")
	}
	if r := receipts(t, w.post("writer", newSender(t, "shop").say(1))).Results[0]; !strings.Contains(string(r.Via), `"clock":"unsynchronized"`) {
		t.Errorf("via is %s", r.Via)
	}
	if r := w.do("auditor", "GET", "/metrics", nil); !strings.Contains(r.body, "\nstet_clock_synchronized 0\n") || !strings.Contains(r.body, "\nstet_clock_error_seconds 16\n") {
		t.Error("the metrics do not say so")
	}
	w.server.o.RequireClockSync = true
	if r := w.do("", "GET", "/readyz", nil); r.status != http.StatusServiceUnavailable || !strings.Contains(r.body, reasonClock) {
		t.Errorf("readiness: %d %s", r.status, r.body)
	}
	wantRefusal(t, w.post("other", newSender(t, "bank").say(1)), wire.NotReady)
}
