// Package browser starts Debian's Chromium without a window, for tests that look at a page as a person's browser does.
package browser

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"

	"github.com/chromedp/chromedp"
)

// ErrNone says that this machine has no Chromium: a test skips with it, unless CI is "true".
var ErrNone = errors.New("no chromium on this machine: apt-get install chromium, or make tools")

// Open starts a browser with an empty profile of its own and returns a context for the actions of package chromedp, which
// work on its first tab; chromedp.NewContext makes more tabs out of it. There is no deadline beyond that of ctx.
//
// The returned function ends the browser, waits for it and removes the profile; the context is of no use thereafter. The
// caller calls it once, also where ctx has ended: a test's own context ends before its Cleanup does.
func Open(ctx context.Context) (context.Context, func() error, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, nil, ErrNone
	}
	dir, err := os.MkdirTemp("", "stet-browser-") // a browser that is killed leaves things in its temporary folder
	if err != nil {
		return nil, nil, fmt.Errorf("make a folder for the browser: %w", err)
	}
	flags := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	flags = append(flags, chromedp.ExecPath(path), chromedp.DisableGPU, chromedp.Env("TMPDIR="+dir))
	if os.Getuid() == 0 {
		flags = append(flags, chromedp.NoSandbox) // Chromium refuses to be root in a sandbox
	}
	allocator, stop := chromedp.NewExecAllocator(ctx, flags...)
	tab, _ := chromedp.NewContext(allocator) // ended by Cancel
	end := func() error {
		var err error
		if ctx.Err() == nil { // otherwise it has been ended by that
			err = chromedp.Cancel(tab)
		}
		stop() // waits for the process
		_ = os.RemoveAll(dir)
		return err
	}
	if err := chromedp.Do(tab); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start %s: %w", path, err), end())
	}
	return tab, end, nil
}
