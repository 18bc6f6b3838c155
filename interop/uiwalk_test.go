package interop

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

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
	w.do("the first", chromedp.WaitReady(chromedp.CSS("li.row a:focus")))
	w.key("k")
	w.do("still the first", chromedp.WaitReady(chromedp.CSS("li.row a:focus")), chromedp.KeyEvent("\r"), chromedp.WaitReady(chromedp.CSS("#verify:not([hidden])")))
	w.key("v")
	if got := w.verified(); !strings.HasPrefix(got, "good: ") || !strings.Contains(got, "Verified: Checkpoint") || !strings.Contains(got, "Verified: Seal") {
		t.Errorf("the check in the browser: %s", got)
	}
	w.key("?")
	w.do("help", chromedp.WaitReady(chromedp.CSS("kbd")))
	w.page("search?q=event:bulk_read")
	for _, step := range []struct {
		key string
		at  int
	}{{"j", 0}, {"j", 1}, {"j", 2}, {"k", 1}} {
		w.key(step.key)
		w.until(fmt.Sprintf(`[...document.querySelectorAll(".row .what")].indexOf(document.activeElement) === %d`, step.at))
	}
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

// narrows goes from a query to a part of it and back by clicking: a bar of the histogram, a value beside it, a chip; and through
// further results, which come into the page.
func (w *uiWorld) narrows(t *testing.T) {
	w.page("search?q=event:bulk_read")
	if n := eval[int](w, rowCount); n != 50 {
		t.Errorf("%d rows on the first page", n)
	}
	bar := eval[string](w, `[...document.querySelectorAll(".histogram a")].find(a => a.querySelector(".bar[height]:not([height='0'])")).getAttribute("href")`)
	times := eval[[]string](w, `[...document.querySelectorAll(".bars tbody tr:first-child time")].map(t => t.dateTime)`)
	from, err1 := time.Parse(time.RFC3339Nano, times[0])
	until, err2 := time.Parse(time.RFC3339Nano, times[1])
	if err1 != nil || err2 != nil || !from.Before(until) || !from.Truncate(until.Sub(from)).Equal(from) {
		t.Errorf("a bar is from %s to %s, which is not as a clock does it", times[0], times[1])
	}
	w.do("zoom", chromedp.Navigate(w.url+bar), chromedp.WaitReady(chromedp.CSS(".chip a[aria-label*='received:']")))
	if !strings.Contains(w.text(".barhead"), "All times") {
		t.Error("there is no way back out of a time")
	}
	w.do("a value", chromedp.Click(chromedp.CSS(".facets a[href*='status']")), chromedp.WaitReady(chromedp.CSS(".facets a.chosen")))
	w.do("take the time away", chromedp.Click(chromedp.CSS(".chip a[aria-label*='received:']")), chromedp.WaitNotPresent(chromedp.CSS(".chip a[aria-label*='received:']")), chromedp.WaitReady(chromedp.CSS(".chip")))
	w.page("search?q=event:bulk_read")
	w.do("older", chromedp.Click(chromedp.CSS(".more a")))
	w.until(rowCount + " === 60 && !document.querySelector('.more')")
	if days := eval[int](w, `document.querySelectorAll(".day").length`); days != 1 && days != 2 { // 2 around midnight
		t.Errorf("%d headings of days", days)
	}
}

// rowCount is how many results a page shows.
const rowCount = `document.querySelectorAll("#rows .row").length`

// comesLive looks at results that come by themselves, into an answer that was empty.
func (w *uiWorld) comesLive(t *testing.T) {
	w.page("search?q=event:probe_read&live=1")
	if !strings.Contains(w.text(".empty"), "Nothing is found") {
		t.Errorf("before anything has come: %s", w.text("main"))
	}
	eval[any](w, "window.same = true; null")
	for n := 1; n <= 3; n++ {
		w.post(map[string]any{"event_type": "probe_read", "environment": "test", "description": fmt.Sprintf("probe %d", n)})
		w.until(fmt.Sprintf("%s === %d && window.same", rowCount, n))
	}
	if text := w.text("#rows"); strings.Index(text, "probe 3") > strings.Index(text, "probe 1") || !strings.Contains(text, "Live: what comes") {
		t.Errorf("the newest does not stand first: %s", text)
	}
	if eval[bool](w, `!!document.querySelector(".empty")`) {
		t.Error("the page goes on to say that nothing is found")
	}
	w.do("stop", chromedp.Click(chromedp.CSS(".tools a[href^=search]")), chromedp.WaitNotPresent(chromedp.CSS("#live")), chromedp.WaitReady(chromedp.CSS("li.row")))
}

// tellsTime has times written as the reader wants them, in the reader's own zone.
func (w *uiWorld) tellsTime(t *testing.T) {
	if _, err := chromedp.Call(w.tab, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Kolkata"}); err != nil {
		t.Fatal(err)
	}
	w.page("search?q=event:job_failed+job:purge")
	exact, err := time.Parse(time.RFC3339Nano, eval[string](w, `document.querySelector(".row time").dateTime`))
	if err != nil {
		t.Fatal(err)
	}
	for _, as := range []struct{ mode, want string }{{"local", exact.In(time.FixedZone("", 5*3600+1800)).Format("2006-01-02 15:04:05")}, {"relative", " ago"}, {"utc", exact.UTC().Format("15:04:05")}} {
		w.do(as.mode, chromedp.Click(chromedp.CSS("button[value="+as.mode+"]")), chromedp.WaitReady(chromedp.CSS("body[data-times="+as.mode+"]")))
		w.until(fmt.Sprintf(`document.querySelector(".row time") && document.querySelector(".row time").textContent.includes(%q)`, as.want))
		if at := w.where(); !strings.HasPrefix(at, "search?q=") {
			t.Errorf("after the choice of times the browser is at %s", at)
		}
	}
}

// behindProxy looks at the pages below a path that a proxy takes away: none leads out of it.
func (w *uiWorld) behindProxy(t *testing.T) {
	to, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(http.StripPrefix("/logs/stet", &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(to) }}))
	direct := w.url
	w.url = proxy.URL + "/logs/stet/"
	defer func() {
		w.url = direct
		w.page("help") // ends the streams that proxy would wait for
		proxy.Close()
	}()
	if _, err := chromedp.Call(w.tab, network.ClearBrowserCookies, cdp.Empty{}); err != nil {
		t.Fatal(err)
	}
	w.page("login?back=" + url.QueryEscape("search?q=job:purge"))
	w.do("log in", chromedp.SendKeys(chromedp.CSS("#token"), w.tokens["admin"]+"\r"), chromedp.WaitReady(chromedp.CSS("li.row")))
	if at := w.where(); !strings.HasPrefix(at, "search?q=job") {
		t.Errorf("after the login the browser is at %s", at)
	}
	w.do("open", chromedp.Click(chromedp.CSS("li.row a.what")), chromedp.WaitReady(chromedp.CSS("#verify:not([hidden])")))
	w.key("v")
	if got := w.verified(); !strings.HasPrefix(got, "good: ") {
		t.Errorf("the check behind a proxy: %s", got)
	}
	for _, href := range w.menu() {
		w.page("search")
		w.do(href, chromedp.Click(chromedp.CSS("nav.side li a[href='"+href+"']")), chromedp.WaitReady(chromedp.CSS("nav.side a[aria-current][href='"+href+"']")))
		if at := eval[string](w, "location.href"); !strings.HasPrefix(at, w.url) || !eval[bool](w, `getComputedStyle(document.body).display === "grid"`) {
			t.Errorf("%s leads to %s, or has no style there", href, at)
		}
	}
	w.page("search?q=event:proxied_read&live=1")
	w.post(map[string]any{"event_type": "proxied_read", "environment": "test"})
	w.until(rowCount + " === 1")
}
