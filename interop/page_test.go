package interop

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/evidencetest"
	"github.com/stetlog/stet/internal/verifierpage"
	"github.com/stetlog/stet/interop/browser"
)

// openPage opens verify.html from a disk, as somebody does who was handed it. before is a script that runs before the page's.
func openPage(t *testing.T, before string) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	t.Cleanup(cancel)
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
	path := filepath.Join(t.TempDir(), "verify.html")
	if err := os.WriteFile(path, verifierpage.HTML(), 0o600); err != nil {
		t.Fatal(err)
	}
	err = chromedp.Do(tab, func(ctx context.Context, target *chromedp.Target) (v chromedp.Void, err error) {
		_, err = cdp.Call(ctx, target, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: before})
		return v, err
	}, chromedp.Navigate((&url.URL{Scheme: "file", Path: path}).String()))
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

// inPage has the page verify a file as it is given to its file picker, and returns its word.
func inPage(t *testing.T, tab context.Context, path, key string) string {
	t.Helper()
	evaluate[int](t, tab, fmt.Sprintf(`document.getElementById('answer').replaceChildren(); document.getElementById('key').value = %q; 0`, key))
	if err := chromedp.Do(tab, chromedp.SetUploadFiles("#file", []string{path})); err != nil {
		t.Fatal(err)
	}
	return word(t, tab)
}

// word is the page's answer, when it has come.
func word(t *testing.T, tab context.Context) string {
	t.Helper()
	text, err := chromedp.Run(tab, chromedp.TextContent("#word"))
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ = strings.Cut(text, " ") // behind the sign
	return text
}

// TestThePage gives good and forged files to verify.html in Chromium: the same words as package evidence has. It asks for
// nothing over a network.
func TestThePage(t *testing.T) {
	tab := openPage(t, watchPolicy)
	dir := t.TempDir()
	i := 0
	for c := range evidencetest.Cases(t, 2, 40) {
		rep, err := evidence.Verify(t.Context(), bytes.NewReader(c.File), int64(len(c.File)), evidence.Options{LogKey: c.Key, Workers: 1})
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fmt.Sprint(i, ".zip"))
		i++
		if err := os.WriteFile(path, c.File, 0o600); err != nil {
			t.Fatal(err)
		}
		got, want := inPage(t, tab, path, c.Key), rep.Word()
		if first, _ := rep.First(); c.Torn || strings.HasPrefix(first.What, "this event is not a valid") {
			got, _, _ = strings.Cut(got, " at seq")
			want = rep.State().String()
		}
		if got != want {
			t.Errorf("%s: the page says %s, package evidence %s", c.Name, got, want)
		}
	}
	if n := evaluate[int](t, tab, `window.violations.length`); n != 0 {
		t.Errorf("the page did %d things that its own policy forbids", n)
	}
}

// TestThePageReachesNothing: whatever ran in it could tell nobody.
func TestThePageReachesNothing(t *testing.T) {
	var hits atomic.Int64
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		hits.Add(1)
		w.Header().Set("Access-Control-Allow-Origin", "*")
	}))
	defer srv.Close()
	tab := openPage(t, watchPolicy)
	got := evaluate[string](t, tab, fmt.Sprintf(`(async () => {
		const tried = await fetch(%[1]q).then(() => 'fetched', () => 'refused');
		const picture = await new Promise((done) => { const i = new Image(); i.onload = () => done('shown'); i.onerror = () => done('refused'); i.src = %[1]q; });
		return tried + ' ' + picture + ' ' + (window.violations.length > 1);
	})()`, srv.URL+"/x.png"))
	if got != "refused refused true" || hits.Load() != 0 {
		t.Errorf("%s, and the server was asked %d times", got, hits.Load())
	}
}

// TestThePageSaysWhy: where a browser gives the page no WebCrypto, as on plain http, nothing is checked, and it says so.
func TestThePageSaysWhy(t *testing.T) {
	tab := openPage(t, `Object.defineProperty(globalThis, 'crypto', {value: {}});`)
	const want = "not checked, because this page has no WebCrypto here"
	if got := word(t, tab); !strings.HasPrefix(got, want) {
		t.Errorf("before a file: %q", got)
	}
	for c := range evidencetest.Cases(t, 3, 1) {
		path := filepath.Join(t.TempDir(), "e.zip")
		if err := os.WriteFile(path, c.File, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := inPage(t, tab, path, c.Key); !strings.HasPrefix(got, want) {
			t.Errorf("of a file: %q", got)
		}
	}
}

// TestDroppedOnThePage: a file can be dropped, a key can be wrong, and what stands in the file is text.
func TestDroppedOnThePage(t *testing.T) {
	tab := openPage(t, watchPolicy)
	w := evidencetest.New(t, 4)
	w.Fill(6)
	c := w.Contents(evidencetest.Everything)
	c.Asked.By = "<img src=x onerror=alert(1)>"
	drop := fmt.Sprintf(`(() => {
		const all = new DataTransfer();
		all.items.add(new File([Uint8Array.from(atob(%q), (c) => c.charCodeAt(0))], 'dropped.zip'));
		document.body.dispatchEvent(new DragEvent('drop', {dataTransfer: all, bubbles: true, cancelable: true}));
		return 0;
	})()`, base64.StdEncoding.EncodeToString(evidencetest.Pack(t, c)))
	evaluate[int](t, tab, drop)
	if got := word(t, tab); got != evidence.AuthorUnknown {
		t.Errorf("dropped: %q", got)
	}
	if got := evaluate[string](t, tab, `document.getElementById('facts').textContent`); !strings.Contains(got, c.Asked.By) {
		t.Errorf("what it is: %q", got)
	}
	evaluate[int](t, tab, `document.getElementById('key').focus(); 0`)
	if err := chromedp.Do(tab, chromedp.SendKeys("#key", "nonsense\r")); err != nil {
		t.Fatal(err)
	}
	if got := evaluate[string](t, tab, `document.getElementById('key-bad').textContent`); !strings.Contains(got, "not a verifier key") {
		t.Errorf("a wrong key: %q", got)
	}
}

// watchPolicy counts what the page's policy forbade.
const watchPolicy = `window.violations = []; document.addEventListener('securitypolicyviolation', (e) => window.violations.push(e.blockedURI));`

func evaluate[T any](t *testing.T, tab context.Context, script string) T {
	t.Helper()
	v, err := chromedp.Run(tab, chromedp.Evaluate[T](script, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
