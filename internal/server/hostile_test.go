package server

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/wire"
)

// attack is one request that nobody honest sends, and what may be answered.
type attack struct {
	name string
	raw  []byte   // the whole request
	want []string // answers, as brief gives them; one of them. A * at the end stands for anything
	// ends says that the sender ends its half of the connection behind the request, where the server would otherwise wait for
	// more. It then may take the sender for gone, and say so to nobody: overloaded is what it says.
	ends bool
}

// Whatever comes, the server answers as it says it does, and goes on: no panic, no 5xx of its own, nothing secret said or
// written down, nothing taken that should not have been, and nothing kept. hostileCount requests; with STET_LONG=1 a
// hundred times as many.
func TestHostile(t *testing.T) {
	n := hostileCount
	if os.Getenv("STET_LONG") == "1" {
		n *= 100
	}
	w := newHostileWorld(t)
	before := runtime.NumGoroutine()
	attacks := make(chan attack, 64)
	g := w.generator(rand.New(rand.NewPCG(1, 2)))
	go func() {
		defer close(attacks)
		for i := range n {
			if i%100_000 == 0 && i > 0 {
				t.Logf("%d of %d", i, n)
			}
			attacks <- g.next(i)
		}
	}()
	var senders sync.WaitGroup
	var sent, refused atomic.Int64
	answers := make([]map[string]int, 16) // senders at once, most of whom wait for a disk
	for i := range answers {
		answers[i] = map[string]int{}
		senders.Go(func() {
			for a := range attacks {
				got, err := w.sendAttack(a)
				if err == nil {
					err = a.judge(got)
				}
				if err != nil {
					t.Errorf("%s: %v\n%s", a.name, err, clipped(a.raw))
				}
				sent.Add(1)
				if !strings.HasPrefix(got.brief, "2") {
					refused.Add(1)
				}
				answers[i][got.brief]++
			}
		})
	}
	senders.Wait()
	for _, m := range answers[1:] {
		for k, v := range m {
			answers[0][k] += v
		}
	}
	t.Logf("%d requests, %d refused: %v", sent.Load(), refused.Load(), answers[0])
	if sent.Load() != int64(n) || refused.Load() < int64(n)/2 {
		t.Errorf("%d requests were sent, %d refused; want %d, most of them refused", sent.Load(), refused.Load(), n)
	}
	if covered := min(g.made["control"], len(g.hidden)); covered < len(g.hidden) {
		t.Errorf("%d of %d characters that do not show themselves were sent", covered, len(g.hidden))
	}
	w.after(before)
}

func clipped(b []byte) string {
	if len(b) > 600 {
		return fmt.Sprintf("%q… (%d bytes)", b[:600], len(b))
	}
	return fmt.Sprintf("%q", b)
}

// answered is what came back.
type answered struct {
	brief string // see briefOf; "closed" where nothing came
	all   []byte // as it came
}

func (a attack) judge(got answered) error {
	if a.ends && got.brief == "503 overloaded" {
		return nil
	}
	for _, want := range a.want {
		if got.brief == want || strings.HasSuffix(want, "*") && strings.HasPrefix(got.brief, strings.TrimSuffix(want, "*")) {
			return nil
		}
	}
	return fmt.Errorf("answered %q, want one of %q:\n%s", got.brief, a.want, clipped(got.all))
}

func (w *hostileWorld) send(raw []byte) (answered, error) { return w.sendAttack(attack{raw: raw}) }

// sendAttack sends a request over a connection of its own, and holds what comes back against the contract and the secrets.
func (w *hostileWorld) sendAttack(a attack) (answered, error) {
	raw := a.raw
	conn, err := net.Dial("tcp", w.addr)
	if err != nil {
		return answered{}, err
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		return answered{}, err
	}
	go func() {
		_, _ = conn.Write(raw) // a server that has seen enough closes
		if a.ends {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
	}()
	var all bytes.Buffer
	method, target := requestLine(raw)
	resp, err := http.ReadResponse(bufio.NewReader(io.TeeReader(conn, &all)), &http.Request{Method: method})
	if err != nil {
		if all.Len() == 0 || errors.Is(err, syscall.ECONNRESET) {
			return answered{brief: "closed"}, nil
		}
		return answered{all: all.Bytes()}, fmt.Errorf("no HTTP comes back: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if errors.Is(err, syscall.ECONNRESET) && a.ends && w.secretIn(all.Bytes()) == "" { // the server closed while much of the request was unread, and the kernel drops what it had not delivered
		return answered{brief: "closed", all: all.Bytes()}, nil
	}
	if err != nil {
		return answered{all: all.Bytes()}, fmt.Errorf("the answer ends early: %w", err)
	}
	got := answered{briefOf(resp, body), all.Bytes()}
	if secret := w.secretIn(all.Bytes()); secret != "" {
		return got, fmt.Errorf("the answer repeats the secret %s", secret)
	}
	if resp.Header.Get("X-Content-Type-Options") == "" { // net/http's own word, before any handler
		if !slices.Contains([]int{400, 408, 413, 417, 431, 501, 505}, resp.StatusCode) {
			return got, fmt.Errorf("status %d without a handler", resp.StatusCode)
		}
		return got, nil
	}
	if resp.StatusCode >= 500 && !(a.ends && got.brief == "503 overloaded") {
		return got, errors.New("a failure of the server's own")
	}
	path, _, _ := strings.Cut(target, "?")
	if u, err := url.ParseRequestURI(target); err == nil {
		path = onlyPath(u)
	}
	if resp.Header.Get("Content-Encoding") == "" {
		if err := w.contract.check(method, path, resp.StatusCode, resp.Header, body); err != nil {
			return got, fmt.Errorf("not as documented: %w", err)
		}
	}
	return got, nil
}

// onlyPath is the path of a URL, and "" where it is spelled in another way than its own: that is no path, whatever the method.
func onlyPath(u *url.URL) string {
	if u.RawPath != "" || path.Clean(u.Path) != u.Path {
		return ""
	}
	return u.Path
}

func requestLine(raw []byte) (method, target string) {
	line, _, _ := strings.Cut(string(raw[:min(len(raw), 64<<10)]), "\r\n")
	method, rest, _ := strings.Cut(line, " ")
	target, _, _ = strings.Cut(rest, " ")
	return method, target
}

// briefOf is the status, and behind it the code; of events and elements, what became of each, once. "plain" stands for an
// answer that is no problem and has no results.
func briefOf(resp *http.Response, body []byte) string {
	brief := fmt.Sprint(resp.StatusCode)
	var p struct {
		Code    string `json:"code"`
		Results []struct {
			Status string `json:"status"`
			Code   string `json:"code"`
			Stubs  []struct {
				Code string `json:"code"`
			} `json:"stubs"`
		} `json:"results"`
	}
	if json.Unmarshal(body, &p) != nil || p.Code == "" && p.Results == nil {
		return brief + " plain"
	}
	words := []string{}
	if p.Code != "" {
		words = append(words, p.Code)
	}
	for _, r := range p.Results {
		word := r.Status
		if r.Code != "" {
			word = r.Code
		}
		for _, s := range r.Stubs {
			word += "/" + s.Code
		}
		if !slices.Contains(words, word) {
			words = append(words, word)
		}
	}
	return brief + " " + strings.Join(words, ",")
}

// logbook is the server's own log, kept.
type logbook struct {
	mu     sync.Mutex
	buf    bytes.Buffer
	failed []byte // the first line that tells of an error
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failed == nil && bytes.Contains(b, []byte(`"level":"ERROR"`)) {
		l.failed = bytes.Clone(b)
	}
	return l.buf.Write(b)
}

func (l *logbook) error() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.failed
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

func (l *logbook) logger() *slog.Logger {
	return slog.New(slog.NewJSONHandler(l, &slog.HandlerOptions{Level: slog.LevelDebug}))
}

// after looks at what is left of it all.
func (w *hostileWorld) after(before int) {
	w.t.Helper()
	for _, path := range []string{"/healthz", "/readyz"} {
		got, err := w.send(w.get(path, ""))
		if err != nil || !strings.HasPrefix(got.brief, "200") {
			w.t.Errorf("%s answers %s, %v", path, got.brief, err)
		}
	}
	if got, err := w.send(w.get("/metrics", w.tokens["auditor"])); err != nil || !strings.HasPrefix(got.brief, "200") {
		w.t.Errorf("/metrics answers %s, %v", got.brief, err)
	}
	if used := w.server.bodies.mem.used.Load(); used != 0 {
		w.t.Errorf("%d bytes of bodies are still counted as held", used)
	}
	if len(w.server.working) != 0 {
		w.t.Errorf("%d requests are still counted as being answered", len(w.server.working))
	}
	log := w.log.String()
	if line := w.log.error(); line != nil {
		w.t.Errorf("the server's log has an error: %s", line)
	}
	if secret := w.secretIn([]byte(log)); secret != "" {
		w.t.Errorf("the server's log has the secret %s", secret)
	}
	w.stop()
	for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before && time.Now().Before(deadline); {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > before {
		buf := make([]byte, 1<<20)
		w.t.Errorf("%d goroutines, %d before:\n%s", n, before, buf[:runtime.Stack(buf, true)])
	}
	w.scan()
	w.verify()
}

// scan looks for secrets in every file of the store.
func (w *hostileWorld) scan() {
	w.t.Helper()
	files := 0
	err := filepath.WalkDir(w.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if secret := w.secretIn(inflated(b)); secret != "" {
			w.t.Errorf("%s has the secret %s", path, secret)
		}
		return nil
	})
	if err != nil || files == 0 {
		w.t.Errorf("%d files, %v", files, err)
	}
}

// secretIn names the first secret that is in b.
func (w *hostileWorld) secretIn(b []byte) string {
	for name, secret := range w.secrets {
		if bytes.Contains(b, []byte(secret)) {
			return name
		}
	}
	return ""
}

// The server's own limits of time end what senders draw out, and what others send goes on meanwhile.
func TestHostileSlow(t *testing.T) {
	w := newHostileWorldWith(t, Limits{HeaderTime: 300 * time.Millisecond, ReadTime: 600 * time.Millisecond, WriteTime: 5 * time.Second, IdleTime: 300 * time.Millisecond})
	token := w.tokens["writer"]
	type slow struct {
		name  string
		first string // sent at once
		drip  byte   // then again and again
		want  []string
	}
	head := "POST /v1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + token + "\r\nContent-Type: application/json\r\n"
	all := []slow{
		{"nothing at all", "", 0, []string{"closed", "408 plain"}},
		{"half a request line", "GET /chec", 0, []string{"closed", "408 plain", "400 plain"}},
		{"a header that never ends", "GET /checkpoint HTTP/1.1\r\nHost: x\r\nX-Slow: ", 'x', []string{"closed", "408 plain", "400 plain"}},
		{"a body that never comes", head + "Content-Length: 100\r\n\r\n", 0, []string{"408 request_timeout"}},
		{"a body byte by byte", head + "Content-Length: 1000000\r\n\r\n", ' ', []string{"408 request_timeout"}},
		{"chunks that never end", head + "Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n", 0, []string{"408 request_timeout"}},
		{"a compressed body that never ends", head + "Content-Encoding: gzip\r\nContent-Length: 1000000\r\n\r\n\x1f\x8b\x08\x00", 0, []string{"408 request_timeout"}},
		{"silence after an answer", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 0, []string{"200 plain"}},
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var clients sync.WaitGroup
	for i := range 8 * len(all) {
		s := all[i%len(all)]
		clients.Go(func() {
			conn, err := net.Dial("tcp", w.addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close() }()
			_ = conn.SetDeadline(time.Now().Add(time.Minute))
			_, _ = io.WriteString(conn, s.first)
			if s.drip != 0 {
				go func() {
					for tick := time.NewTicker(20 * time.Millisecond); ; {
						select {
						case <-ctx.Done():
							return
						case <-tick.C:
						}
						if _, err := conn.Write([]byte{s.drip}); err != nil {
							return
						}
					}
				}()
			}
			raw, _ := io.ReadAll(conn) // until the server closes: that it does is the test
			got := answered{brief: "closed", all: raw}
			if len(raw) > 0 {
				resp, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(raw)), nil)
				if err != nil {
					t.Errorf("%s: %v", s.name, err)
					return
				}
				body, _ := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				got.brief = briefOf(resp, body)
			}
			if err := (attack{want: s.want}).judge(got); err != nil {
				t.Errorf("%s: %v", s.name, err)
			}
		})
	}
	// Others are served in between.
	for range 20 {
		got, err := w.send(w.post("/v1/events", token, "application/json", []byte(`{"event_type":"user_created"}`)))
		if err != nil || got.brief != "200 accepted" {
			t.Errorf("%v %s", err, got.brief)
		}
	}
	clients.Wait()
	if used := w.server.bodies.mem.used.Load(); used != 0 {
		t.Errorf("%d bytes are still held", used)
	}
}

// request writes a request. A header of Content-Length is added where there is a body and none is given.
func request(method, target string, headers []string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\n", method, target)
	sized, host := len(body) == 0, false
	for _, h := range headers {
		b.WriteString(h + "\r\n")
		name, _, _ := strings.Cut(strings.ToLower(h), ":")
		sized = sized || name == "content-length" || name == "transfer-encoding"
		host = host || name == "host"
	}
	if !host {
		b.WriteString("Host: 127.0.0.1\r\n")
	}
	if !sized {
		fmt.Fprintf(&b, "Content-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

func (w *hostileWorld) get(target, token string) []byte {
	var headers []string
	if token != "" {
		headers = append(headers, "Authorization: Bearer "+token)
	}
	return request(http.MethodGet, target, headers, nil)
}

func (w *hostileWorld) post(target, token, media string, body []byte, headers ...string) []byte {
	headers = append([]string{"Authorization: Bearer " + token, "Content-Type: " + media}, headers...)
	return request(http.MethodPost, target, headers, body)
}

func (w *hostileWorld) batches(token string, elements ...wire.Element) []byte {
	body, err := wire.Append(nil, elements)
	if err != nil {
		panic(err) // the generator's own mistake
	}
	return w.post("/v1/batches", token, wire.BatchesType, body)
}

// hide puts a name in the place of each token, so that a request means the same to another world.
func (w *hostileWorld) hide(raw []byte) []byte {
	for name, token := range w.tokens {
		raw = bytes.ReplaceAll(raw, []byte(token), []byte("{token of "+name+"}"))
	}
	return raw
}

func (w *hostileWorld) show(raw []byte) []byte {
	for name, token := range w.tokens {
		raw = bytes.ReplaceAll(raw, []byte("{token of "+name+"}"), []byte(token))
	}
	return raw
}

// FuzzRequests sends whatever bytes: no failure of the server's own, no secret, no answer that is not documented.
func FuzzRequests(f *testing.F) {
	w := newHostileWorld(f)
	g := w.generator(rand.New(rand.NewPCG(3, 4)))
	seen := map[string]bool{}
	for i := range 265 {
		k := g.kindAt(i)
		if k.name == "bomb" || seen[k.name] {
			continue
		}
		if a := g.next(i); len(a.raw) < 4<<10 {
			seen[k.name] = true
			f.Add(w.hide(a.raw))
		}
	}
	for _, raw := range [][]byte{w.get("/v1/entries/1/proof", w.tokens["auditor"]), w.get("/tile/entries/000.p/4", w.tokens["auditor"]), w.post("/v1/events", w.tokens["writer"], typeJSON, []byte(good))} {
		f.Add(w.hide(raw))
	}
	handler := w.server.Handler() // without a network, so that the same bytes always take the same way
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(w.show(raw))))
		if err != nil {
			return // net/http's to answer
		}
		target := onlyPath(r.URL)
		rec := httptest.NewRecorder()
		handler.ServeHTTP(rec, r)
		// A body that was cut on its way may be sent again, and OTLP has no other word for that than 503.
		cut := target == "/v1/logs" && rec.Code == http.StatusServiceUnavailable && rec.Header().Get("Retry-After") != "" && bytes.Contains(rec.Body.Bytes(), []byte(wire.Incomplete))
		if rec.Code >= http.StatusInternalServerError && !cut {
			t.Errorf("%s %q: status %d: %s", r.Method, r.URL.Path, rec.Code, rec.Body)
		}
		if secret := w.secretIn(fmt.Append(nil, rec.Header(), rec.Body)); secret != "" {
			t.Errorf("%s %q: the answer repeats the secret %s", r.Method, r.URL.Path, secret)
		}
		if rec.Header().Get("Content-Encoding") == "" {
			if err := w.contract.check(r.Method, target, rec.Code, rec.Header(), rec.Body.Bytes()); err != nil {
				t.Errorf("%s %q: %v", r.Method, r.URL.Path, err)
			}
		}
		if line := w.log.error(); line != nil {
			t.Errorf("the server's log has an error: %s", line)
		}
	})
}
