package interop

import (
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// TestUIEvidence has evidence made by clicking, with a script and without, as whoever looks at an event does; what comes is a file that
// stet verify takes.
func TestUIEvidence(t *testing.T) {
	w := newUIWorld(t)
	w.page("login")
	w.do("log in", chromedp.SendKeys(chromedp.CSS("#token"), w.tokens["auditor"]+"\r"), chromedp.WaitReady(chromedp.CSS("nav.side")))
	seq, interaction, _ := w.first("event:job_failed job:purge")
	event := fmt.Sprintf("event?seq=%d", seq)

	w.page(event)
	eval[any](w, `Object.defineProperty(window, "isSecureContext", {value: false, configurable: true}); null`) // as on another address than localhost
	w.do("verify", chromedp.Click(chromedp.CSS("#verify")), chromedp.WaitReady(chromedp.CSS("#steps[data-result=unknown]")))
	if text := w.text("#steps"); !strings.Contains(text, "plain http") || strings.Contains(text, "Verified") {
		t.Errorf("where there is no cryptography the page says %s", text)
	}
	w.page(event)
	w.do("ask", chromedp.Click(chromedp.CSS("form[action=exports] button")), chromedp.WaitReady(chromedp.CSS("#files a[download]"))) // the page brings it in
	w.verifies(t)

	if _, err := chromedp.Call(w.tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	w.page("exports")
	w.do("fill in", chromedp.SendKeys(chromedp.CSS("#what"), "job:purge"), chromedp.Click(chromedp.CSS("#complete")), chromedp.Click(chromedp.CSS("#make button.main")),
		chromedp.WaitReady(chromedp.CSS("#files article:nth-child(2) a[download]"))) // the page loads itself again
	if _, err := chromedp.Call(w.tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{}); err != nil {
		t.Fatal(err)
	}
	w.verifies(t)

	js := axe(t)
	for _, theme := range []string{"light", "dark"} {
		w.theme(theme)
		for _, path := range []string{"exports", event, "story?interaction=" + url.QueryEscape(interaction)} {
			w.do("size", chromedp.EmulateViewport(1280, 900))
			w.page(path)
			w.axe(t, js, path, theme)
			w.do("size", chromedp.EmulateViewport(390, 900))
			w.page(path)
			w.fits(t, path)
		}
	}
	for _, c := range w.complaints() {
		t.Errorf("the browser complains: %s", c)
	}
}

// verifies fetches the newest file and verifies it with the key that the page says.
func (w *uiWorld) verifies(t *testing.T) {
	t.Helper()
	href := eval[string](w, `document.querySelector("#files a[download]").getAttribute("href")`)
	words := strings.Fields(eval[string](w, `[...document.querySelectorAll("#files code")].map(c => c.textContent).find(c => c.startsWith("stet verify "))`))
	file := filepath.Join(w.t.TempDir(), words[2])
	if err := os.WriteFile(file, w.api(http.MethodGet, href, "auditor", nil), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := execute(t, w.home, w.stet, "verify", file, "--key", words[4]); !strings.Contains(out, "verified") {
		t.Errorf("stet verify says %s", out)
	}
}
