package interop

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/stetlog/stet/interop/browser"
)

// uiWorld is a server with jobs of all sorts, and a browser in front of it.
type uiWorld struct {
	t      *testing.T
	home   string
	store  string // directory
	stet   string // the program
	url    string // ends in a slash
	tokens map[string]string
	tab    context.Context

	mu      sync.Mutex
	console []string // what the browser complains of
}

// uiTime bounds the test and stepTime one step of it: a loaded machine is slow, and a browser more so.
const uiTime, stepTime = 15 * time.Minute, 3 * time.Minute

func newUIWorld(t *testing.T) *uiWorld {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), uiTime) // the browser is ended in order
	t.Cleanup(cancel)
	w := &uiWorld{t: t, home: t.TempDir(), tokens: map[string]string{}}
	tab, end, err := browser.Open(ctx)
	if errors.Is(err, browser.ErrNone) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := end(); err != nil {
			t.Error(err)
		}
	})
	w.tab = tab
	w.listen(tab)
	stet := build(t, "..", "./cmd/stet")
	w.stet, w.store = stet, filepath.Join(w.home, "store")
	for _, role := range [][]string{{"writer", "--app", "shop"}, {"auditor"}, {"admin"}} {
		args := append([]string{"admin", "token", "create", "--store", w.store, "--role"}, role...)
		w.tokens[role[0]] = strings.TrimSpace(execute(t, w.home, stet, args...))
	}
	execute(t, w.home, stet, "run", "--store", w.store, "--app", "shop", "--job", "nightly", "--why", "the night", "--", "true")
	failing := command(w.home, stet, "run", "--store", w.store, "--app", "shop", "--job", "purge", "--why", "retention", "--", "false")
	if out, err := failing.CombinedOutput(); err == nil {
		t.Fatalf("a job that fails has succeeded: %s", out)
	}
	parent := command(w.home, stet, "run", "--store", w.store, "--app", "shop", "--job", "import", "--why", "new prices", "--", stet, "run", "--store", w.store, "--app", "shop", "--job", "fetch", "--", "false")
	if out, err := parent.CombinedOutput(); err == nil {
		t.Fatalf("a job that fails has succeeded: %s", out)
	}
	execute(t, w.home, stet, "expect", "add", "--store", w.store, "nightly", "--every", "24h", "--grace", "1h")
	execute(t, w.home, stet, "expect", "add", "--store", w.store, "backup", "--cron", "0 2 * * *", "--tz", "Europe/Berlin", "--grace", "1h")
	w.lose("<b>backup")
	execute(t, w.home, stet, "admin", "alert", "add", "failures", "event:job_failed", "--store", w.store, "--url", "http://127.0.0.1:9/hook", "--allow-private")
	w.url = serve(t, command(w.home, stet, "serve", "--store", w.store, "--listen", "127.0.0.1:0")) + "/"
	seq, _, _ := w.first("event:job_failed job:purge")
	execute(t, w.home, stet, "correct", "--store", w.store, fmt.Sprint(seq), "--reason", "the disk was full")
	auditor := filepath.Join(w.home, "auditor")
	write(t, auditor, []byte(w.tokens["auditor"]))
	execute(t, w.home, stet, "export", "--store", w.url, "--token-file", auditor, "-o", filepath.Join(w.home, "evidence.zip"), "job:purge")
	w.post(bulkReads(60)...) // more than a page
	return w
}

// bulkReads are n events.
func bulkReads(n int) (all []map[string]any) {
	for i := range n {
		all = append(all, map[string]any{"event_type": "bulk_read", "environment": "test", "user_id": "ora", "status": "success", "object": map[string]any{"type": "invoice", "id": fmt.Sprint(4000 + i)}})
	}
	return all
}

// lose has a job that is killed, with all that it started, before it can say how it ended.
func (w *uiWorld) lose(job string) {
	w.t.Helper()
	lost := command(w.home, w.stet, "run", "--store", w.store, "--app", "shop", "--job", job, "--why", "the night", "--", "sh", "-c", "echo begun; exec sleep 600")
	lost.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := lost.StdoutPipe()
	if err == nil {
		err = lost.Start()
	}
	if err == nil {
		_, err = bufio.NewReader(out).ReadString('\n')
	}
	if err == nil {
		err = syscall.Kill(-lost.Process.Pid, syscall.SIGKILL)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	_ = lost.Wait() // it was killed
}

// listen collects what the browser complains of: violations of the policy, errors of scripts.
func (w *uiWorld) listen(tab context.Context) {
	messages := chromedp.Console(tab)
	go func() {
		for m, err := range messages {
			if err != nil {
				return // the browser has ended
			}
			if m.Source == "network" || m.Type == "info" || m.Type == "log" || m.Type == "debug" {
				continue // a page that is not there is asked for on purpose
			}
			w.mu.Lock()
			w.console = append(w.console, m.String())
			w.mu.Unlock()
		}
	}()
}

// complaints are what the browser complained of since they were asked for last.
func (w *uiWorld) complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	all := w.console
	w.console = nil
	return all
}

// post sends events to the server as the writer, waits until they can be found, and returns the number of the first.
func (w *uiWorld) post(events ...map[string]any) (first uint64) {
	w.t.Helper()
	return w.posted(events...)[0]
}

// posted is post, and returns the numbers of all: others may stand between them.
func (w *uiWorld) posted(events ...map[string]any) (seqs []uint64) {
	w.t.Helper()
	b, err := json.Marshal(events)
	if err != nil {
		w.t.Fatal(err)
	}
	answer := w.api(http.MethodPost, "v1/events", "writer", b)
	var took struct {
		Results []struct {
			Status, Detail string
			Seq            uint64
		}
	}
	if err := json.Unmarshal(answer, &took); err != nil || len(took.Results) != len(events) {
		w.t.Fatalf("%v %s", err, answer)
	}
	for _, r := range took.Results {
		if r.Status != "accepted" {
			w.t.Fatalf("%s", answer)
		}
		seqs = append(seqs, r.Seq)
	}
	last := seqs[len(seqs)-1]
	for range 2000 {
		var s struct{ Indexed uint64 }
		if err := json.Unmarshal(w.api(http.MethodGet, "v1/status", "auditor", nil), &s); err != nil {
			w.t.Fatal(err)
		}
		if s.Indexed > last {
			return seqs
		}
		time.Sleep(20 * time.Millisecond) // another process publishes and indexes
	}
	w.t.Fatalf("entry %d cannot be found", last)
	return nil
}

// api asks the server.
func (w *uiWorld) api(method, path, who string, body []byte) []byte {
	w.t.Helper()
	r, err := http.NewRequest(method, w.url+path, bytes.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.tokens[who])
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }() // read to its end
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// first is the number of the newest entry that a query finds, and its interaction and job.
func (w *uiWorld) first(query string) (seq uint64, interaction, job string) {
	w.t.Helper()
	var found struct {
		Rows []struct {
			Seq   uint64
			Entry struct {
				Event struct {
					Interaction string `json:"interaction_id"`
					Job         struct{ ID string }
				}
			}
		}
	}
	for range 2000 {
		b := w.api(http.MethodGet, "v1/events?limit=1&q="+url.QueryEscape(query), "auditor", nil)
		if err := json.Unmarshal(b, &found); err != nil {
			w.t.Fatalf("%v %s", err, b)
		}
		if len(found.Rows) > 0 {
			r := found.Rows[0]
			return r.Seq, r.Entry.Event.Interaction, r.Entry.Event.Job.ID
		}
		time.Sleep(20 * time.Millisecond) // what a command recorded is on its way
	}
	w.t.Fatalf("nothing is found by %s", query)
	return 0, "", ""
}

// do does something in the tab.
func (w *uiWorld) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.tab, stepTime)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		w.t.Fatalf("%s: %v (at %s)", what, err, w.where())
	}
}

func (w *uiWorld) where() string {
	at, err := chromedp.Run(w.tab, chromedp.Location())
	return fmt.Sprint(strings.TrimPrefix(at, w.url), " ", err)
}

// page goes to a page.
func (w *uiWorld) page(path string) {
	w.t.Helper()
	w.do(path, chromedp.Navigate(w.url+path))
}

// until waits until an expression is true in the page.
func (w *uiWorld) until(expression string) {
	w.t.Helper()
	for deadline := time.Now().Add(stepTime); ; time.Sleep(20 * time.Millisecond) { // a browser does it
		is, err := chromedp.Run(w.tab, chromedp.Evaluate[bool](expression))
		if err == nil && is { // between two pages there is none
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("it never is so that %s (at %s, %v): %.3000s", expression, w.where(), err, w.text("main"))
		}
	}
}

// text is what an element says.
func (w *uiWorld) text(selector string) string {
	w.t.Helper()
	text, err := chromedp.Run(w.tab, chromedp.TextContent(chromedp.CSS(selector)))
	if err != nil {
		w.t.Fatalf("%s: %v (at %s)", selector, err, w.where())
	}
	return text
}

// eval is the value of an expression in the page.
func eval[T any](w *uiWorld, expression string, opts ...chromedp.EvaluateOption) T {
	w.t.Helper()
	v, err := chromedp.Run(w.tab, chromedp.Evaluate[T](expression, opts...))
	if err != nil {
		w.t.Fatalf("%.60s: %v (at %s)", expression, err, w.where())
	}
	return v
}

// theme has the browser prefer a theme.
func (w *uiWorld) theme(name string) {
	w.t.Helper()
	p := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}}
	if _, err := chromedp.Call(w.tab, emulation.SetEmulatedMedia, p); err != nil {
		w.t.Fatal(err)
	}
}

// axe is axe-core as its authors published it (npm: axe-core 4.11.0), MPL-2.0.
func axe(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("testdata/axe-core-4.11.0.min.js.gz")
	if err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	js, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return string(js)
}
