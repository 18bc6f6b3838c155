package interop

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stetlog/stet/proof"
)

// hostileTexts are for every field of an event.
var hostileTexts = []string{
	`<script>window.pwned=1</script><img src=x onerror="window.pwned=1">`, `"><svg onload=window.pwned=1>`, "javascript:window.pwned=1", "\x1b[31m\x1b]0;x\a", "\u202egnp.exe\u2066\u200b",
	strings.Repeat("<b>W", 3000), strings.Repeat("w", 14<<10),
}

// hostileEvents have such a text wherever there is room for one.
func hostileEvents() (all []map[string]any) {
	for _, text := range hostileTexts {
		short := text[:min(len(text), 60)]
		all = append(all, map[string]any{"event_type": "job_failed", "environment": "test", "interaction_id": short, "description": text[:min(len(text), 1000)], "user_id": short, "status_reason": text,
			"job": map[string]any{"id": short, "run_id": short, "name": short, "params": map[string]any{short: text}}, "labels": map[string]any{short: short},
			"why": map[string]any{"trigger": "manual", "reason": short}, "host": map[string]any{"name": short}, "source": map[string]any{"user_agent": text},
			"before": map[string]any{"summary": text}, "after": map[string]any{"summary": text + "!"}, "references": []any{map[string]any{"kind": "log", "value": short}}})
	}
	return all
}

// TestUI looks at every screen of a real server as a person's browser does: in both themes, in a narrow window, at twice the
// size, with axe-core's eyes, with hostile events in the log; and goes from a search to a verified event by keys alone, and
// with JavaScript off.
func TestUI(t *testing.T) {
	w := newUIWorld(t)
	w.uiLogin(t)
	hostile := w.posted(hostileEvents()...)
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"screens", w.screens}, {"hostile", func(t *testing.T) { w.hostile(t, hostile) }}, {"keys", w.byKeys}, {"plain", w.withoutScript}, {"narrows", w.narrows},
		{"live", w.comesLive}, {"times", w.tellsTime}, {"proxy", w.behindProxy}, {"tampered", w.tampered},
	} {
		t.Run(part.name, func(t *testing.T) {
			w.t = t
			part.run(t)
		})
	}
}

// screen is a page, and what stands on it.
type screen struct {
	name, path string
	says       []string // in its words
	has        []string // expressions that are true of it
}

// all are all screens but the login, with what this world has to be seen on each.
func (w *uiWorld) all() []screen {
	seq, interaction, _ := w.first("event:job_failed job:purge")
	_, _, parent := w.first("event:job_started job:import")
	var l struct {
		Origin string
		Key    string `json:"log_key"`
	}
	if err := json.Unmarshal(w.api(http.MethodGet, "v1/log", "auditor", nil), &l); err != nil {
		w.t.Fatal(err)
	}
	count := func(selector string, atLeast int) string {
		return fmt.Sprintf("document.querySelectorAll(%q).length >= %d", selector, atLeast)
	}
	return []screen{
		{"overview", "", []string{"Last verified in full", "The last 24 hours", "Missing now", "<b>backup"}, []string{count("#banner", 1), count(".figures a", 4), count(".histogram .bar", 1)}},
		{"search", "search", []string{"entries were searched", "Saved queries", "Alert failures", "event:job_failed", "shop", "Older", "a bar is"},
			[]string{count(".row", 50), count(".facets section", 4), count(".facets .num", 8), count(".histogram .bar", 1), count(".row.bad", 1)}},
		{"found", "search?q=" + url.QueryEscape("event:job_failed app:shop job:purge"), []string{"1 found", "purge"}, []string{count(".chip", 3), count(".chip a[href]", 3), rowCount + " === 1"}},
		{"nothing", "search?q=" + url.QueryEscape("event:job_failed job:nosuch since:1h"), []string{"Nothing is found", "was received from", "without job:nosuch", "entries were searched"}, []string{rowCount + " === 0"}},
		{"wrong", "search?q=" + url.QueryEscape("app:shop sttus:x"), []string{"cannot be understood", "sttus"}, []string{
			`document.querySelector(".caret").textContent.split("\n").some((l, i, all) => i > 0 && l.indexOf("^") === all[i - 1].indexOf("sttus"))`, `document.getElementById("q").value === "app:shop sttus:x"`}},
		{"story", "story?interaction=" + url.QueryEscape(interaction), []string{"purge", "Submission", "Authorization", "Execution", "Outcome", "retention", "failed", fmt.Sprintf("entry %d", seq), "Corrected", "the disk was full"},
			[]string{count("ol.phases > li", 4), count(".entry details pre", 2), count(".badge.bad", 1)}},
		{"event", fmt.Sprintf("event?seq=%d", seq), []string{"job_failed", "purge", "retention", "claimed", "found", "authenticated", l.Origin, l.Key, "Seal", "Checkpoint", "not independent", "stet verify"},
			[]string{count("#fields tbody td", 20), `/^[0-9a-f]{64}$/.test([...document.querySelectorAll("#proof dd code")][0].textContent)`,
				fmt.Sprintf(`JSON.parse(document.getElementById("bytes").textContent).seq === %d`, seq), `!document.getElementById("verify").hidden`, count("a[download]", 2)}},
		{"lineage", "lineage?job=" + url.QueryEscape(parent), []string{"import", "fetch", "failed"}, []string{count("svg .bar", 1), count("a[href^=story]", 1)}},
		{"ghosts", "ghosts", []string{"nightly", "<b>backup", "is gone", "Last seen", "Last success", "Europe/Berlin"}, []string{count("table time[datetime]", 2)}},
		{"checkpoints", "checkpoints?from=2&to=9", []string{l.Origin, l.Key, "no witness", "consistent"}, []string{count(".hashes li", 1), fmt.Sprintf(`document.getElementById("note").textContent.startsWith(%q)`, l.Origin+"\n")}},
		{"emitters", "emitters", []string{"good", "Enrolled", "Gaps", "Clocks", "stet admin key revoke"}, []string{count("tbody tr", 2), count("a[href^='search?q=']", 1)}},
		{"policy", "policy", []string{"pass", "fail", "not checked"}, []string{count("tbody tr", 10), `!/compliant/i.test(document.body.textContent)`}},
		{"access", "access", []string{"denied", "the token is not known", " read ", "127.0.0.1", "enrolled"}, []string{count("tbody tr", 2)}},
		{"exports", "exports", []string{"stet export", "exported sha256:", "job:purge"}, []string{count("tbody tr", 1)}},
		{"setup", "setup", []string{"takes events", "stet enrol " + strings.TrimSuffix(w.url, "/"), l.Key, "stet doctor"}, []string{count("pre", 5)}},
		{"help", "help", []string{"The query language", "Saved queries"}, []string{count("kbd", 5)}},
		{"problem", "event?seq=99999", []string{"404"}, []string{count("main a[href='./']", 1)}},
	}
}

// screens looks at each screen.
func (w *uiWorld) screens(t *testing.T) {
	js := axe(t)
	for _, s := range w.all() {
		w.looks(t, js, s)
	}
	for _, href := range w.menu() {
		if !slices.ContainsFunc(w.all(), func(s screen) bool { return strings.TrimPrefix(href, "./") == strings.Split(s.path, "?")[0] }) {
			t.Errorf("nobody looks at %s", href)
		}
	}
	w.page("help")
	eval[any](w, js+`; document.querySelector("main").append(document.createElement("button")); null`)
	if len(w.axeFinds("null")) == 0 { // a judge must be able to find something
		t.Error("axe finds nothing wrong with a button without words")
	}
}

// looks looks at one screen: what it says, in both themes, narrow and large.
func (w *uiWorld) looks(t *testing.T, js string, s screen) {
	for _, theme := range []string{"light", "dark"} {
		w.theme(theme)
		w.do("size", chromedp.EmulateViewport(1280, 900))
		w.page(s.path)
		w.axe(t, js, s.name, theme)
	}
	text := w.text("main")
	for _, want := range s.says {
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %q: %.3000s", s.name, want, text)
		}
	}
	for _, is := range append(s.has, `document.querySelectorAll("h1").length === 1`, `document.title.endsWith("stet")`) {
		if !eval[bool](w, is) {
			t.Errorf("%s: it is not so that %s", s.name, is)
		}
	}
	for _, width := range []int64{390, 640} { // 640 is 1280 at 200 %
		w.do("size", chromedp.EmulateViewport(width, 900))
		w.page(s.path)
		w.fits(t, fmt.Sprintf("%s at %d pixels", s.name, width))
	}
	w.theme("light")
	w.do("size", chromedp.EmulateViewport(1280, 900))
	for _, c := range w.complaints() {
		t.Errorf("%s: the browser complains: %s", s.name, c)
	}
}

// menu are the addresses of the menu.
func (w *uiWorld) menu() []string {
	w.t.Helper()
	w.page("help")
	return eval[[]string](w, `[...document.querySelectorAll("nav.side li a")].map(a => a.getAttribute("href"))`)
}

// hostile looks whether anything of the hostile events runs, on the screens that they are on and on all others, and whether it
// makes one too wide for a telephone.
func (w *uiWorld) hostile(t *testing.T, seqs []uint64) {
	ran := func(what, path string) {
		w.page(path)
		if eval[bool](w, "window.pwned === 1 || document.querySelectorAll('main img, main script, main b:not(strong), svg[onload]').length > 0") {
			t.Errorf("%.40q runs on %s", what, path)
		}
		if over := eval[int](w, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
			t.Errorf("%.40q makes %s %d pixels too wide", what, path, over)
		}
	}
	w.do("size", chromedp.EmulateViewport(390, 900))
	for i, text := range hostileTexts {
		seq := seqs[i]
		_, interaction, job := w.first(fmt.Sprintf("seq:%d", seq))
		for _, path := range []string{fmt.Sprintf("event?seq=%d", seq), fmt.Sprintf("search?q=seq:%d", seq), "search?q=" + url.QueryEscape(text[:min(len(text), 1000)]),
			"story?interaction=" + url.QueryEscape(interaction), "lineage?job=" + url.QueryEscape(job), "policy?q=" + url.QueryEscape(text[:min(len(text), 1000)])} {
			ran(text, path)
		}
	}
	for _, s := range w.all() {
		ran("all of it", s.path)
	}
	w.do("size", chromedp.EmulateViewport(1280, 900))
	for _, c := range w.complaints() {
		t.Errorf("hostile events: the browser complains: %s", c)
	}
	// And were it written as it stands, the policy would stop it, and the browser would say so.
	eval[any](w, fmt.Sprintf(`document.querySelector("main").insertAdjacentHTML("beforeend", %q); null`, `<a onclick="window.pwned=1">x</a>`))
	eval[any](w, `document.querySelector("main a[onclick]").click(); null`)
	w.until("window.pwned !== 1")
	for deadline := time.Now().Add(stepTime); len(w.complaints()) == 0; time.Sleep(10 * time.Millisecond) { // it comes by another way
		if time.Now().After(deadline) {
			t.Fatal("what the policy forbids is not heard of")
		}
	}
}

// uiLogin sends a stranger to the form, refuses a wrong token, and takes a right one, over plain http on this machine.
func (w *uiWorld) uiLogin(t *testing.T) {
	w.page("search?q=event:job_failed")
	if at := w.where(); !strings.HasPrefix(at, "login?back=search") {
		t.Errorf("a stranger is at %s", at)
	}
	w.looks(t, axe(t), screen{"login", "login?back=" + url.QueryEscape("search?q=event:job_failed"), []string{"Log in", "Token", "stet admin token create"}, []string{`document.activeElement.id === "token"`, `!document.querySelector("nav")`}})
	w.do("a wrong token", chromedp.SendKeys(chromedp.CSS("#token"), "stet_wrong\r"), chromedp.WaitReady(chromedp.CSS("#why")))
	w.do("log in", chromedp.SendKeys(chromedp.CSS("#token"), w.tokens["admin"]+"\r"), chromedp.WaitReady(chromedp.CSS("nav.side")))
	if at := w.where(); !strings.HasPrefix(at, "search?q=") {
		t.Errorf("after the login the browser is at %s", at)
	}
	if eval[string](w, "document.cookie") != "" {
		t.Error("a script can read the cookie")
	}
}

// tampered changes an entry behind the server's back: its page says so, the check in the browser refuses it, and so does the
// first page.
func (w *uiWorld) tampered(t *testing.T) {
	seq, _, _ := w.first("event:job_failed job:purge")
	w.post(bulkReads(proof.TileWidth)...) // so that its bundle is full: one that is not is written anew, from memory, when the log grows
	changed := 0
	err := filepath.WalkDir(filepath.Join(w.store, "log", "tile", "entries"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		z, err := gzip.NewReader(bytes.NewReader(b))
		if err != nil {
			return err
		}
		plain, err := io.ReadAll(z)
		if err != nil || !bytes.Contains(plain, []byte(`"retention"`)) {
			return err
		}
		var packed bytes.Buffer
		p, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
		if err != nil {
			return err
		}
		if _, err = p.Write(bytes.ReplaceAll(plain, []byte(`"retention"`), []byte(`"a mistake"`))); err == nil {
			err = p.Close()
		}
		changed++
		return errors.Join(err, os.WriteFile(path, packed.Bytes(), 0o600))
	})
	if err != nil || changed == 0 {
		t.Fatalf("%d files changed: %v", changed, err)
	}
	w.page(fmt.Sprintf("event?seq=%d", seq))
	if text := w.text("#failed"); !strings.Contains(text, fmt.Sprintf("FAILED at seq %d", seq)) {
		t.Errorf("the page of a changed entry says %q", text)
	}
	w.do("script", chromedp.WaitReady(chromedp.CSS("#verify:not([hidden])")))
	w.key("v")
	if got := w.verified(); !strings.HasPrefix(got, "bad: ") || !strings.Contains(got, "Refused") {
		t.Errorf("the check in the browser of a changed entry: %s", got)
	}
	for range 600 {
		w.page("")
		if strings.Contains(w.text("#banner"), "FAILED at seq") {
			return
		}
		time.Sleep(100 * time.Millisecond) // another process verifies
	}
	t.Errorf("the first page says %q", w.text("#banner"))
}
