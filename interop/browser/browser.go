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
// caller calls it once.
func Open(ctx context.Context) (context.Context, func() error, error) {
	path, err := exec.LookPath("chromium")
	if err != nil {
		return nil, nil, ErrNone
	}
	flags := append([]chromedp.ExecAllocatorOption{}, chromedp.DefaultExecAllocatorOptions[:]...)
	flags = append(flags, chromedp.ExecPath(path), chromedp.DisableGPU)
	if os.Getuid() == 0 {
		flags = append(flags, chromedp.NoSandbox) // Chromium refuses to be root in a sandbox
	}
	allocator, stop := chromedp.NewExecAllocator(ctx, flags...)
	tab, _ := chromedp.NewContext(allocator) // ended by Cancel
	end := func() error {
		err := chromedp.Cancel(tab)
		stop() // waits for the process
		return err
	}
	if err := chromedp.Do(tab); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("start %s: %w", path, err), end())
	}
	return tab, end, nil
}
