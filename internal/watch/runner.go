package watch

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/proof"
)

// Log is the log that a Runner tells what was found. It must be safe for concurrent use.
type Log interface {
	// Everything has all that was taken in before the call published, and returns how many entries that are.
	Everything(ctx context.Context) (uint64, error)
	// Find records a finding, durably: once for its type and what it is about, however often it is called. Its error is about
	// the log; it may be tried again.
	Find(ctx context.Context, about string, near event.UUID, e *event.Event) error
	// Failed is closed when the log takes nothing any more, for good.
	Failed() <-chan struct{}
}

// Runner drives machines over a log that grows: a follower of what is published, which nobody waits for.
//
// Before it asks what is due it waits until it was given everything that was taken in until then, so that nobody is called
// silent whose word is on its way to the disk. What is found is recorded before anything else is asked; where the log cannot
// take it (a full disk), that is tried again until it can.
type Runner struct {
	Log      Log
	Feed     *published.Feed // of the log
	StoreKey string          // verifier key of the store: its findings are in the log under it
	Machines []Machine
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: nothing is logged

	mu     sync.Mutex // of the machines, too
	at     uint64     // entries that they have
	told   []func()
	wakeUp context.CancelFunc // of whoever waits; nil: nobody does
}

const (
	// findAtOnce is how many findings are recorded side by side, to share a flush.
	findAtOnce = 64
	// maxTold bounds what waits to be told to the machines; what is over is dropped, as whoever tells does so again.
	maxTold = 4096
	// retryAfter is how long to wait when the log takes no finding.
	retryAfter = time.Second
)

// Tell has f called between two entries, where it may use the machines. It does not wait, and is for any goroutine.
func (r *Runner) Tell(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.told) >= maxTold {
		return
	}
	r.told = append(r.told, f)
	r.wake()
}

// wake has whoever waits look again. The caller holds mu.
func (r *Runner) wake() {
	if r.wakeUp != nil {
		r.wakeUp()
	}
}

// Run follows the log until ctx ends, which is no error, or the log cannot be read or has failed.
func (r *Runner) Run(ctx context.Context) error {
	following, stop := context.WithCancelCause(ctx)
	var reader sync.WaitGroup
	reader.Go(func() { stop(r.Feed.Follow(following, 0, r)) })
	for following.Err() == nil {
		if err := r.round(following); err != nil {
			stop(err)
		}
	}
	reader.Wait()
	if why := context.Cause(following); ctx.Err() == nil {
		return why
	}
	return nil
}

// round finds what is due, or waits until something may be.
func (r *Runner) round(ctx context.Context) error {
	now := r.now()
	r.mu.Lock()
	r.hear()
	next := r.next()
	if next.IsZero() || next.After(now) {
		r.wait(ctx, next, now) // gives up mu
		return nil
	}
	r.mu.Unlock()
	// What is published so far may show that nothing is due; then nobody has to hurry the log.
	size, err := r.Log.Everything(ctx)
	if err != nil {
		return err
	}
	r.mu.Lock()
	for r.at < size {
		if ctx.Err() != nil {
			r.mu.Unlock()
			return ctx.Err()
		}
		r.wait(ctx, time.Time{}, now)
		r.mu.Lock()
	}
	r.hear()
	var all []Finding
	for _, m := range r.Machines {
		all = append(all, m.Due(now)...)
	}
	r.mu.Unlock()
	return r.record(ctx, all)
}

func (r *Runner) now() time.Time {
	if r.Now != nil {
		return r.Now()
	}
	return time.Now()
}

func (r *Runner) next() (next time.Time) {
	for _, m := range r.Machines {
		if t := m.Next(); !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	return next
}

func (r *Runner) hear() {
	told := r.told
	r.told = nil
	for _, f := range told {
		f()
	}
}

// wait returns when the machines were given more, when it is next, or when something was told. The caller holds mu, and does
// not when it returns.
func (r *Runner) wait(ctx context.Context, next, now time.Time) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	if !next.IsZero() {
		t := time.AfterFunc(next.Sub(now), cancel)
		defer t.Stop()
	}
	r.wakeUp = cancel
	r.mu.Unlock()
	<-waiting.Done()
	r.mu.Lock()
	r.wakeUp = nil
	r.mu.Unlock()
}

// Take implements published.Taker.
func (r *Runner) Take(f *published.Entry) error {
	e, err := entryOf(f, r.StoreKey)
	if err != nil {
		r.log().Error("nothing that is missing because of an entry is noticed; stet verify says what is wrong", slog.Any("error", err))
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range r.Machines {
		m.Add(e)
	}
	return nil
}

// Caught implements published.Taker.
func (r *Runner) Caught(cp proof.Checkpoint) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = cp.Size
	r.wake()
	return nil
}

// record has the log take findings, until it has.
func (r *Runner) record(ctx context.Context, all []Finding) error {
	for told := false; len(all) > 0; {
		failed, err := r.find(ctx, all)
		if all = failed; err == nil {
			continue
		}
		if ctx.Err() != nil {
			return err
		}
		if !told {
			told = true
			r.log().Error("the log does not take what was found missing; it is tried again", slog.Int("findings", len(all)), slog.Any("error", err))
		}
		t := time.NewTimer(retryAfter)
		select {
		case <-t.C:
		case <-r.Log.Failed():
			t.Stop()
			return err
		case <-ctx.Done():
			t.Stop()
			return err
		}
	}
	return nil
}

// find tells the log, and returns what it did not take.
func (r *Runner) find(ctx context.Context, all []Finding) (left []Finding, err error) {
	errs := make([]error, len(all))
	var wg sync.WaitGroup
	free := make(chan struct{}, findAtOnce)
	for i, f := range all {
		free <- struct{}{}
		wg.Go(func() {
			errs[i] = r.Log.Find(ctx, f.About, f.Near, f.Event)
			<-free
		})
	}
	wg.Wait()
	for i, f := range all {
		what := []any{slog.String("what", f.Type), slog.String("rule", f.Rule), slog.String("about", f.About)}
		var refused *event.Error
		switch {
		case errors.As(errs[i], &refused): // it would be tomorrow, too
			r.log().Error("what was found missing cannot be said in an event", append(what, slog.Any("error", errs[i]))...)
		case errs[i] != nil:
			left, err = append(left, f), errors.Join(err, errs[i])
		default:
			r.log().Info("found", what...)
		}
	}
	return left, err
}

func (r *Runner) log() *slog.Logger {
	if r.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return r.Logger
}
