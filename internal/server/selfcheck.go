package server

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/stetlog/stet/internal/verify"
)

const (
	// checkRest is how much longer a server rests than it has verified: verifying takes a fiftieth of one processor.
	checkRest = 50
	// checkLeast and checkMost bound that rest.
	checkLeast, checkMost = 5 * time.Second, time.Hour
	// doubtRest and doubtLeast are the same where somebody has come upon something doubtful.
	doubtRest, doubtLeast = 5, time.Second
)

// A selfcheck verifies the server's own log again and again, from its first entry to its last, so that whoever looks learns
// of damage before an auditor comes. It is no more than the server's word about itself. Nothing waits for it.
type selfcheck struct {
	verify func(ctx context.Context) (verify.Report, error)
	logger *slog.Logger
	wake   chan struct{} // something is doubtful: look sooner

	mu   sync.Mutex
	last *checked // nil: not yet
}

// checked is what came of a verification.
type checked struct {
	report verify.Report
	at     time.Time // when it began
	took   time.Duration
}

func newSelfcheck(f func(ctx context.Context) (verify.Report, error), logger *slog.Logger) *selfcheck {
	return &selfcheck{verify: f, logger: logger, wake: make(chan struct{}, 1)}
}

// run verifies until ctx ends.
func (c *selfcheck) run(ctx context.Context) {
	var said verify.State
	for {
		began := time.Now()
		report, err := c.verify(ctx)
		if ctx.Err() != nil {
			return
		}
		took := time.Since(began)
		if err == nil {
			c.mu.Lock()
			c.last = &checked{report, began, took}
			c.mu.Unlock()
		}
		now := report.State()
		if f, ok := report.First(); err == nil && now != said && now != verify.Verified && ok {
			c.logger.Error("the log does not verify", slog.String("state", now.String()), slog.String("finding", f.String()))
		}
		if said = now; err != nil {
			c.logger.Error("the log could not be verified", slog.Any("error", err))
		}
		if !c.rest(ctx, min(max(took*checkRest, checkLeast), checkMost), min(max(took*doubtRest, doubtLeast), checkMost)) {
			return
		}
	}
}

// rest waits, and only a while where something is doubtful. It is false where ctx has ended.
func (c *selfcheck) rest(ctx context.Context, whole, doubtful time.Duration) bool {
	least, all := time.NewTimer(doubtful), time.NewTimer(whole)
	defer least.Stop()
	defer all.Stop()
	var wake <-chan struct{} // nil until it has rested a while
	for {
		select {
		case <-ctx.Done():
			return false
		case <-all.C:
			return true
		case <-least.C:
			wake = c.wake
		case <-wake:
			return true
		}
	}
}

// poke says that something is doubtful.
func (c *selfcheck) poke() {
	if c == nil {
		return
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

// now is what the last verification found; nil where there was none.
func (c *selfcheck) now() *checked {
	if c == nil {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}
