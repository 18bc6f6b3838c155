package interop

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
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
	for _, theme := range []string{"light", "dark"} {
		w.theme(theme)
		w.do("size", chromedp.EmulateViewport(1280, 900))
		w.page("search")
		w.shot(t, "search-"+theme)
	}
	hostile := w.post(hostileEvents()...)
	for _, part := range []struct {
		name string
		run  func(*testing.T)
	}{{"screens", func(t *testing.T) { w.screens(t, hostile) }}, {"hostile", func(t *testing.T) { w.hostile(t, hostile) }}, {"keys", w.byKeys}, {"plain", w.withoutScript}, {"tampered", w.tampered}} {
		t.Run(part.name, func(t *testing.T) {
			w.t = t
			part.run(t)
		})
	}
}

// screens looks at each screen.
func (w *uiWorld) screens(t *testing.T, hostile uint64) {
	_, interaction, _ := w.first("event:job_failed job:purge")
	seq, _, job := w.first("event:job_failed job:purge")
	screens := []struct{ name, path string }{
		{"search", "search"}, {"found", "search?q=" + url.QueryEscape("event:job_failed app:shop")}, {"nothing", "search?q=event:job_denied"}, {"wrong", "search?q=sttus:x"},
		{"story", "story?interaction=" + url.QueryEscape(interaction)}, {"event", fmt.Sprintf("event?seq=%d", seq)}, {"lineage", "lineage?job=" + url.QueryEscape(job)},
		{"hostile", fmt.Sprintf("event?seq=%d", hostile)}, {"help", "help"}, {"problem", "event?seq=99999"},
	}
	w.page("")
	for _, href := range eval[[]string](w, `[...document.querySelectorAll("nav.side li a")].map(a => a.getAttribute("href"))`) {
		name := strings.Trim(href, "./")
		if name == "" {
			name = "overview"
		}
		if name != "search" {
			screens = append(screens, struct{ name, path string }{name, href})
		}
	}
	js := axe(t)
	for _, s := range screens {
		for _, theme := range []string{"light", "dark"} {
			w.theme(theme)
			w.do("size", chromedp.EmulateViewport(1280, 900))
			w.page(s.path)
			w.shot(t, s.name+"-"+theme)
			w.axe(t, js, s.name, theme)
		}
		if s.name == "help" { // a judge must be able to find something
			eval[any](w, `document.querySelector("main").append(document.createElement("button")); null`)
			if len(w.axeFinds("null")) == 0 {
				t.Error("axe finds nothing wrong with a button without words")
			}
		}
		for _, width := range []int64{390, 640} { // 640 is 1280 at 200 %
			w.do("size", chromedp.EmulateViewport(width, 900))
			w.page(s.path)
			w.fits(t, fmt.Sprintf("%s at %d pixels", s.name, width))
			if s.name == "story" || s.name == "search" {
				w.shot(t, fmt.Sprintf("%s-%d", s.name, width))
			}
		}
		for _, c := range w.complaints() {
			t.Errorf("%s: the browser complains: %s", s.name, c)
		}
	}
	w.theme("light")
	w.do("size", chromedp.EmulateViewport(1280, 900))
}

// hostile looks whether anything of the hostile events runs.
func (w *uiWorld) hostile(t *testing.T, hostile uint64) {
	for i, e := range hostileEvents() {
		for _, path := range []string{fmt.Sprintf("event?seq=%d", hostile+uint64(i)), "search?q=" + url.QueryEscape(`app:shop`), fmt.Sprintf("search?q=seq:%d", hostile+uint64(i))} {
			w.page(path)
			if eval[bool](w, "window.pwned === 1 || document.querySelectorAll('main img, main script, main b:not(strong)').length > 0") {
				t.Errorf("%.40q runs on %s", e["interaction_id"], path)
			}
		}
	}
	for _, c := range w.complaints() {
		t.Errorf("hostile events: the browser complains: %s", c)
	}
}

// uiLogin sends a stranger to the form, refuses a wrong token, and takes a right one, over plain http on this machine.
func (w *uiWorld) uiLogin(t *testing.T) {
	w.page("search?q=event:job_failed")
	if at := w.where(); !strings.HasPrefix(at, "login?back=search") {
		t.Errorf("a stranger is at %s", at)
	}
	w.do("a wrong token", chromedp.SendKeys(chromedp.CSS("#token"), "stet_wrong\r"), chromedp.WaitReady(chromedp.CSS("#why")))
	w.do("log in", chromedp.SendKeys(chromedp.CSS("#token"), w.tokens["admin"]+"\r"), chromedp.WaitReady(chromedp.CSS("nav.side")))
	if at := w.where(); !strings.HasPrefix(at, "search?q=") {
		t.Errorf("after the login the browser is at %s", at)
	}
	if eval[string](w, "document.cookie") != "" {
		t.Error("a script can read the cookie")
	}
}

// axe has axe-core look at the page.
func (w *uiWorld) axe(t *testing.T, js, what, theme string) {
	t.Helper()
	eval[any](w, js+"; null")
	rules := "null" // all of them
	if theme == "dark" {
		rules = `["color-contrast"]` // nothing else depends on the theme
	}
	for _, f := range w.axeFinds(rules) {
		t.Errorf("%s, %s: axe finds %s", what, theme, f)
	}
}

// axeFinds is what axe-core finds serious, or critical, by some rules.
func (w *uiWorld) axeFinds(rules string) []string {
	w.t.Helper()
	return eval[[]string](w, `axe.run(document, {resultTypes: ["violations"], runOnly: `+rules+` || undefined}).then(r => r.violations.filter(v => v.impact === "serious" || v.impact === "critical").
		map(v => v.impact + " " + v.id + ": " + v.nodes.slice(0, 3).map(n => n.html.slice(0, 160) + " " + (n.any[0] ? n.any[0].message : "")).join(" | ")))`, chromedp.EvalAwaitPromise)
}

// fits looks whether the page scrolls sideways, or texts lie over each other.
func (w *uiWorld) fits(t *testing.T, what string) {
	t.Helper()
	if over := eval[int](w, "document.documentElement.scrollWidth - document.documentElement.clientWidth"); over > 0 {
		t.Errorf("%s: %d pixels too wide: %s", what, over, eval[string](w, `[...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).slice(0, 3).map(e => e.outerHTML.slice(0, 120)).join(" | ")`))
	}
	over := eval[[]string](w, `(() => {
		const all = [...document.querySelectorAll("body *")].filter(e => e.children.length === 0 && e.textContent.trim() && e.checkVisibility() && !e.closest(".away, .scroll, pre, svg, noscript, summary"))
			.map(e => [e, e.getBoundingClientRect()]).filter(([, r]) => r.width > 2 && r.height > 2).slice(0, 600);
		const out = [];
		for (let i = 0; i < all.length; i++) for (let j = i + 1; j < all.length; j++) {
			const [a, r] = all[i], [b, s] = all[j];
			if (getComputedStyle(a).display === "inline" || getComputedStyle(b).display === "inline") continue; // lines of a text wrap
			if (Math.min(r.right, s.right) - Math.max(r.left, s.left) > 2 && Math.min(r.bottom, s.bottom) - Math.max(r.top, s.top) > 2) out.push(a.outerHTML.slice(0, 80) + " over " + b.outerHTML.slice(0, 80));
		}
		return out.slice(0, 3);
	})()`)
	for _, o := range over {
		t.Errorf("%s: %s", what, o)
	}
}

// shot makes a picture, where STET_SCREENSHOTS names a directory.
func (w *uiWorld) shot(t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("STET_SCREENSHOTS")
	if dir == "" {
		return
	}
	if w.shots[name] {
		return // the first is the one without hostile events
	}
	w.shots[name] = true
	b, err := chromedp.Run(w.tab, chromedp.CaptureScreenshot())
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name+".png"), b, 0o644)
	}
	if err != nil {
		t.Error(err)
	}
}

// verified is what the check in the browser came to.
func (w *uiWorld) verified() string {
	w.t.Helper()
	w.do("verify", chromedp.WaitReady(chromedp.CSS("#steps[data-result]:not([data-result=''])")))
	return eval[string](w, `document.getElementById("steps").dataset.result + ": " + document.getElementById("steps").textContent`)
}

// key presses a key that a page listens to. It is pressed without its character, which the protocol would type even where a page
// has taken the key for itself.
func (w *uiWorld) key(name string) {
	w.t.Helper()
	for _, typ := range []input.DispatchKeyEventType{input.DispatchKeyEventTypeRawKeyDown, input.DispatchKeyEventTypeKeyUp} {
		if _, err := chromedp.Call(w.tab, input.DispatchKeyEvent, input.DispatchKeyEventParams{Type: typ, Key: name}); err != nil {
			w.t.Fatal(err)
		}
	}
}

// byKeys goes from the first page to a verified event without a mouse.
func (w *uiWorld) byKeys(t *testing.T) {
	w.page("")
	w.key("/")
	w.do("search", chromedp.WaitReady(chromedp.CSS("#q:focus")), chromedp.KeyEvent("event:job_failed job:purge\r"), chromedp.WaitReady(chromedp.CSS("li.row")))
	w.key("j")
	w.do("open", chromedp.WaitReady(chromedp.CSS("li.row a:focus")), chromedp.KeyEvent("\r"), chromedp.WaitReady(chromedp.CSS("#verify:not([hidden])")))
	w.key("v")
	if got := w.verified(); !strings.HasPrefix(got, "good: ") || !strings.Contains(got, "Verified: Checkpoint") || !strings.Contains(got, "Verified: Seal") {
		t.Errorf("the check in the browser: %s", got)
	}
	w.key("?")
	w.do("help", chromedp.WaitReady(chromedp.CSS("kbd")))
}

// withoutScript does the same without JavaScript, as far as that goes: to the event, its proof and the words that say how to check it.
func (w *uiWorld) withoutScript(t *testing.T) {
	off := func(off bool) {
		if _, err := chromedp.Call(w.tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: off}); err != nil {
			t.Fatal(err)
		}
	}
	off(true)
	defer off(false)
	w.page("search")
	w.do("search", chromedp.SendKeys(chromedp.CSS("#q"), "event:job_failed job:purge\r"), chromedp.WaitReady(chromedp.CSS(".chip")))
	w.do("open", chromedp.Click(chromedp.CSS("li.row a.what")), chromedp.WaitReady(chromedp.CSS("#proof")))
	if text := w.text("#proof"); !strings.Contains(text, "stet verify") {
		t.Errorf("without JavaScript the page does not say how to check the proof: %s", text)
	}
	w.do("story", chromedp.Click(chromedp.CSS("section.card a[href^=story]")), chromedp.WaitReady(chromedp.CSS("ol.phases")))
	w.do("raw", chromedp.Click(chromedp.CSS("ol.phases details summary")), chromedp.WaitVisible(chromedp.CSS("ol.phases details[open] pre")))
	w.do("times", chromedp.Click(chromedp.CSS("button[value=relative]")), chromedp.WaitReady(chromedp.CSS("body[data-times=relative]")))
	w.do("times", chromedp.Click(chromedp.CSS("button[value=utc]")), chromedp.WaitReady(chromedp.CSS("body[data-times=utc]")))
}

// tampered changes an entry behind the server's back: its page says so, the check in the browser refuses it, and so does the
// first page.
func (w *uiWorld) tampered(t *testing.T) {
	seq, _, _ := w.first("event:job_failed job:purge")
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
	w.shot(t, "tampered")
	for range 600 {
		w.page("")
		if strings.Contains(w.text("#banner"), "FAILED at seq") {
			w.shot(t, "overview-failed")
			return
		}
		time.Sleep(100 * time.Millisecond) // another process verifies
	}
	t.Errorf("the first page says %q", w.text("#banner"))
}

// TestAxe holds the axe-core that judges the pages against what npm has.
func TestAxe(t *testing.T) {
	if sum := sha256.Sum256([]byte(axe(t))); hex.EncodeToString(sum[:]) != "e9e5863c33a874f09bc01acd9234b7e3c871479f5eef8802fa582544465e6d01" {
		t.Errorf("axe-core has been changed: %x", sum)
	}
}
