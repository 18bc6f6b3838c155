package webui

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
)

// job is a job of three events, each with more members.
func job(id string, more map[string]any) []map[string]any {
	var out []map[string]any
	for _, typ := range []string{"job_submitted", "job_started", "job_failed"} {
		e := map[string]any{"event_type": typ, "environment": "test", "interaction_id": "story of " + id, "job": map[string]any{"id": id, "run_id": id + "/1", "name": "job " + id}}
		for k, v := range more {
			e[k] = v
		}
		out = append(out, e)
	}
	return out
}

// found waits until the index has everything, and answers with a page.
func (w *site) found(who, target string) *httptest.ResponseRecorder {
	w.t.Helper()
	for range 1000 {
		a := w.get(who, target)
		if a.Code != http.StatusServiceUnavailable && !strings.Contains(a.Body.String(), "are not indexed yet") {
			return a
		}
		time.Sleep(5 * time.Millisecond) // the index follows in another goroutine
	}
	w.t.Fatalf("the index does not catch up for %s", target)
	return nil
}

// pagesOf are the pages of an entry and of its interaction, and those of all.
func pagesOf(seq uint64, job string) []string {
	return []string{"/search", "/search?q=" + url.QueryEscape("seq:"+fmt.Sprint(seq)), "/search?live=1", "/search?q=" + url.QueryEscape(`is:"`), "/rows?q=", "/rows?q=&after=0",
		"/story?interaction=" + url.QueryEscape("story of "+job), fmt.Sprintf("/event?seq=%d", seq), "/", "/ghosts", "/ghosts?all=1", "/lineage?job=" + job, "/children?job=" + job, "/calendar?slots=0123456789abcdef", "/ghosts?late=1", "/help", "/checkpoints", "/checkpoints?from=1&to=2", "/emitters", "/policy", "/access", "/exports", "/setup", "/event?seq=99999", "/story?interaction=none"}
}

var (
	inline = regexp.MustCompile(`(?i)<style|<script(?:>| [^>]*>[^<])|\s(?:style|on[a-z]+)\s*=\s*["']|javascript:`)
	links  = regexp.MustCompile(`(?:href|src|action|hx-get)="([^"#]+)`)
	remote = regexp.MustCompile(`(?i)(?:href|src|action|hx-get)="(?:[a-z]+:|/)`)
)

// strict is the policy that was promised.
const strict = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// Every page is held to its policy by the browser, loads nothing from elsewhere, and has relative addresses, so that a proxy may
// put it below any path.
func TestPages(t *testing.T) {
	w := newSite(t)
	seq := w.record(job("a", nil)...)
	w.found("auditor", "/search")
	pages := map[string]bool{}
	for _, r := range w.ui.Routes() {
		pages[strings.TrimSuffix(strings.TrimPrefix(r.Pattern, "/"), "{$}")] = true
	}
	for _, target := range append(pagesOf(seq, "a"), "/login") {
		for _, who := range []string{"auditor", ""} {
			a := w.found(who, target)
			body := a.Body.String()
			if got := a.Header().Get("Content-Security-Policy"); got != strict {
				t.Errorf("%s: policy %q", target, got)
			}
			if a.Code == http.StatusSeeOther {
				if to := a.Header().Get("Location"); who != "" && target != "/login" || strings.HasPrefix(to, "/") {
					t.Errorf("%s: %q is sent to %s", target, who, to)
				}
				continue
			}
			if got := a.Header().Get("Content-Type"); got != "text/html; charset=utf-8" {
				t.Errorf("%s: %s", target, got)
			}
			if at := inline.FindString(body); at != "" {
				t.Errorf("%s has something inline: %s", target, at)
			}
			if at := remote.FindString(body); at != "" {
				t.Errorf("%s has an address that is not relative: %s", target, at)
			}
			if len(body) > 100<<10 {
				t.Errorf("%s has %d bytes", target, len(body))
			}
			for _, link := range links.FindAllStringSubmatch(body, -1) {
				if page, _, _ := strings.Cut(html.UnescapeString(link[1]), "?"); !pages[strings.TrimPrefix(page, "./")] && !strings.HasPrefix(page, "v1/") && page != "checkpoint" { // which are the server's
					t.Errorf("%s leads to %s, which is no page", target, link[1])
				}
			}
			if a.Header().Get("Cache-Control") != "no-store" {
				t.Errorf("%s may be kept", target)
			}
		}
	}
	for name := range w.ui.assets {
		if a := w.get("", "/"+name); a.Code != http.StatusOK {
			t.Errorf("%s: %d", name, a.Code)
		}
	}
}

// hostile are texts that must be shown as what they are.
var hostile = []string{
	`<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' autofocus onfocus=alert(1) x='`, "javascript:alert(1)", "{{.}} {{template \"frame\"}}",
	"\x1b[31mred\x1b[0m\a\b", "a\u202eb\u2066c\u200bd", "</textarea></title></svg><script>alert(1)</script>", "\u2028\u2029\ufeff", strings.Repeat("&<", 4000), strings.Repeat("w", 30<<10),
}

// What an event says is text on every page, whatever it says and wherever it says it.
func TestHostile(t *testing.T) {
	w := newSite(t)
	var events []map[string]any
	pages := []string{"/search", "/search?live=1", "/rows?q=", "/rows?q=&after=0"}
	for i, text := range hostile {
		interaction, short := text, text[:min(len(text), 60)]
		if len(text) > 100 {
			interaction = fmt.Sprintf("long %d", i)
		}
		events = append(events, map[string]any{"event_type": "job_failed", "environment": "test", "interaction_id": interaction, "description": text, "user_id": short,
			"status_reason": text, "job": map[string]any{"id": short, "run_id": short, "name": short, "params": map[string]any{short: text}},
			"host": map[string]any{"name": short}, "labels": map[string]any{short: short}, "why": map[string]any{"trigger": "manual", "reason": short},
			"references": []any{map[string]any{"kind": "log", "value": short}}, "before": map[string]any{"summary": text}, "after": map[string]any{"summary": text + "!"},
			"object": map[string]any{"type": "x", "id": short}, "source": map[string]any{"user_agent": text}})
		pages = append(pages, "/search?q="+url.QueryEscape(text), "/story?interaction="+url.QueryEscape(event.Sanitize(interaction)))
	}
	first := w.record(events...)
	for i := range hostile {
		pages = append(pages, fmt.Sprintf("/event?seq=%d", first+uint64(i)))
	}
	for _, target := range pages {
		a := w.found("auditor", target)
		body := a.Body.String()
		for _, bad := range []string{"<script>", "<img", "\x1b", "\u202e", "\u2066", "\u200b", "\u2028", "\ufeff", "\a", "' autofocus"} {
			if strings.Contains(body, bad) {
				t.Errorf("%.80s has %q", target, bad)
			}
		}
		if at := inline.FindString(strings.ReplaceAll(body, "javascript:", "")); at != "" {
			t.Errorf("%.80s has something inline: %s", target, at)
		}
		if a.Header().Get("Content-Security-Policy") != contentPolicy || a.Code != http.StatusOK && !strings.HasPrefix(target, "/search?q=") {
			t.Errorf("%.80s answers %d", target, a.Code)
		}
	}
}

// htmx is what its authors published, byte for byte (npm: htmx.org 2.0.8), and the stylesheet stays small.
func TestAssets(t *testing.T) {
	b, err := os.ReadFile("static/" + htmxFile)
	if err != nil {
		t.Fatal(err)
	}
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != "22283ef68cb7545914f0a88a1bdedc7256a703d1d580c1d255217d0a50d31313" {
		t.Errorf("htmx has been changed: %x", sum)
	}
	if b, err = os.ReadFile("static/ui.css"); err != nil || len(b) > 12<<10 {
		t.Errorf("the stylesheet has %d bytes, %v", len(b), err)
	}
	u, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	icons := string(u.assets["icons.svg"].body)
	files, err := os.ReadDir("pages")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		page, err := os.ReadFile("pages/" + f.Name())
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`icon "([a-z]+)"`).FindAllStringSubmatch(string(page), -1) {
			if !strings.Contains(icons, `id="`+m[1]+`"`) {
				t.Errorf("%s: there is no icon %s", f.Name(), m[1])
			}
		}
	}
}

// Who reads one application sees no other's, on any page.
func TestRoles(t *testing.T) {
	w := newSite(t)
	seq := w.record(job("secretjob", nil)...)
	for _, target := range append(pagesOf(seq, "secretjob"), "/rows?q=secretjob") {
		if a := w.found("reader", target); !strings.Contains(target, "99999") && !strings.Contains(target, "none") && !strings.Contains(target, "is%3A") && a.Code != http.StatusOK {
			t.Errorf("the reader of the application gets %d of %s", a.Code, target)
		}
		if a := w.found("other", target); strings.Contains(strings.ReplaceAll(a.Body.String(), "story of secretjob", ""), "job secretjob") {
			t.Errorf("the reader of another application sees it on %s", target)
		}
	}
	if a := w.get("other", fmt.Sprintf("/event?seq=%d", seq)); a.Code != http.StatusForbidden {
		t.Errorf("the event of another application: %d", a.Code)
	}
	if a := w.found("other", "/search"); !strings.Contains(a.Body.String(), "you see those of bank alone") {
		t.Error("the page does not say that it shows one application alone")
	}
}

// The story has its four phases, one of them an empty slot that says so.
func TestStory(t *testing.T) {
	w := newSite(t)
	w.record(job("a", nil)[:2]...)
	body := w.found("auditor", "/story?interaction=story+of+a").Body.String()
	for _, want := range []string{"Submission", "Authorization", "Execution", "Outcome", "job a", "<dt>Attempts</dt><dd>1</dd>", `class="phase missing"`, `class="phase open"`, "running"} {
		if !strings.Contains(body, want) {
			t.Errorf("the story lacks %q:\n%s", want, body)
		}
	}
}

// A query that is wrong is shown with the place, and an empty answer says what was searched.
func TestSearch(t *testing.T) {
	w := newSite(t)
	w.record(job("a", nil)...)
	a := w.found("auditor", "/search?q="+url.QueryEscape("app:shop sttus:failure"))
	if body := a.Body.String(); a.Code != http.StatusBadRequest || !strings.Contains(body, `<pre class="caret">`) || !strings.Contains(body, "status") {
		t.Errorf("%d %s", a.Code, body)
	}
	a = w.found("auditor", "/search?q="+url.QueryEscape("event:job_denied"))
	if body := a.Body.String(); !strings.Contains(body, "Nothing is found") || !strings.Contains(body, "entries were searched") {
		t.Error("an empty answer does not say what was searched:", body)
	}
	a = w.found("auditor", "/search?q="+url.QueryEscape("event:job_failed job:nosuch since:2h"))
	for _, want := range []string{"was received from <time", "until now", `href="search?q=event%3Ajob_failed&#43;since%3A2h">1 without <code>job:nosuch</code>`} {
		if !strings.Contains(a.Body.String(), want) {
			t.Errorf("an empty answer lacks %q: %s", want, a.Body)
		}
	}
	if strings.Contains(a.Body.String(), "without <code>event:job_failed") {
		t.Error("a condition is named whose absence changes nothing")
	}
	a = w.found("auditor", "/search?q="+url.QueryEscape("app:shop event:job_failed"))
	body := a.Body.String()
	for _, want := range []string{`aria-label="Take away app:shop"`, `href="search?q=event%3Ajob_failed"`, `href="search?q=app%3Ashop"`, "<rect", "The same as a table", "1 found"} {
		if !strings.Contains(body, want) {
			t.Errorf("the results lack %q", want)
		}
	}
	if n := strings.Count(body, `<li class="row`); n != 1 {
		t.Errorf("%d rows:\n%s", n, body)
	}
}

// Live results are what came since the page was made, and nothing of before.
func TestLive(t *testing.T) {
	w := newSite(t)
	w.record(job("a", nil)...)
	w.found("auditor", "/search?live=1")
	seq := w.record(job("b", nil)...)
	w.found("auditor", "/search")
	for after, want := range map[uint64]int{0: 2, seq: 1, seq + 3: 0} {
		a := w.get("auditor", fmt.Sprintf("/rows?q=event%%3Ajob_failed&after=%d", after))
		if n := strings.Count(a.Body.String(), `<li class="row`); a.Code != http.StatusOK || n != want || !strings.Contains(a.Body.String(), `data-tail="v1/tail?from=`) ||
			!strings.Contains(a.Body.String(), `rows=no"`) { // the rows are asked for and recorded once
			t.Errorf("after %d: %d, %d rows for %d\n%s", after, a.Code, n, want, a.Body)
		}
	}
	var many []map[string]any
	for range pageRows + 7 {
		many = append(many, job("c", nil)[2])
	}
	from := w.record(many...)
	w.found("auditor", "/search")
	body := w.get("auditor", fmt.Sprintf("/rows?q=event%%3Ajob_failed&after=%d", from)).Body.String()
	if n := strings.Count(body, `<li class="row`); n != pageRows {
		t.Errorf("%d rows at once", n)
	}
	more := regexp.MustCompile(`<li class="more"><a href="[^"]+" hx-get="([^"]+)"`).FindStringSubmatch(body)
	if more == nil {
		t.Fatalf("more came at once than a page has, and the others are nowhere: %s", body)
	}
	if n := strings.Count(w.get("auditor", "/"+html.UnescapeString(more[1])).Body.String(), `<li class="row`); n != 7 {
		t.Errorf("%d rows besides", n)
	}
}

func TestBounds(t *testing.T) {
	day := time.Date(2026, 3, 4, 5, 6, 7, 8, time.UTC)
	for _, d := range []time.Duration{1, time.Second, time.Minute, time.Hour, 25 * time.Hour, 40 * 24 * time.Hour, 3000 * 24 * time.Hour} {
		times, words := bounds(day, day.Add(d))
		if times[0].After(day) || times[len(times)-1].Before(day.Add(d)) || len(times) > maxBars+2 || words == "" {
			t.Errorf("%v: %d bars of %s from %v to %v", d, len(times)-1, words, times[0], times[len(times)-1])
		}
	}
}
