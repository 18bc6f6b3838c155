package browser_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/stetlog/stet/interop/browser"
)

// TestOpen reads a page, and finds nothing left of the browser thereafter.
func TestOpen(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	tab, end, err := browser.Open(ctx)
	if errors.Is(err, browser.ErrNone) && os.Getenv("CI") != "true" {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	process := chromedp.FromContext(tab).Browser.Process()
	err = chromedp.Do(tab, chromedp.Navigate("data:text/html,<p id=p>Stet."))
	if err != nil {
		t.Fatal(err)
	}
	if words, err := chromedp.Run(tab, chromedp.Text("#p")); err != nil || words != "Stet." {
		t.Errorf("%q, %v", words, err)
	}
	if err := end(); err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(os.TempDir()); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if err := process.Kill(); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("the browser still ran: %v", err)
	}
}
