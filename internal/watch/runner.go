package watch

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// Log is the log that a Runner follows, and tells what was found. It must be safe for concurrent use.
type Log interface {
	// Published waits until more than seen entries are under a checkpoint, and returns how many are.
	Published(ctx context.Context, seen uint64) (uint64, error)
	// Everything has all that was taken in before the call published, and returns how many entries that are.
	Everything(ctx context.Context) (uint64, error)
	// Find records a finding, durably: once for its type and what it is about, however often it is called. Its error is about
	// the log; it may be tried again.
	Find(ctx context.Context, about string, near event.UUID, e *event.Event) error
	// Failed is closed when the log takes nothing any more, for good.
	Failed() <-chan struct{}
}

// Runner drives machines over a log that grows: a reader of what is published, which nobody waits for.
//
// Before it asks what is due it reads everything that was taken in until then, so that nobody is called silent whose word is
// on its way to the disk. What is found is recorded before anything else is asked; where the log cannot take it (a full
// disk), that is tried again until it can.
type Runner struct {
	Log      Log
	Source   logread.Source
	StoreKey string // verifier key of the store: its findings are in the log under it
	Machines []Machine
	Now      func() time.Time // nil: time.Now
	Logger   *slog.Logger     // nil: nothing is logged

	at    uint64 // entries that the machines have
	batch []Entry
	codec event.Codec

	mu     sync.Mutex
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
	if r.wakeUp != nil {
		r.wakeUp()
	}
}

// Run follows the log until ctx ends, which is no error, or the log cannot be read or has failed.
func (r *Runner) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := r.round(ctx); err != nil && ctx.Err() == nil {
			return err
		}
	}
	return nil
}

// round reads what is new, finds what is due, and waits for more.
func (r *Runner) round(ctx context.Context) error {
	r.hear()
	next, now := r.next(), r.now()
	if next.IsZero() || next.After(now) {
		size, err := r.wait(ctx, next, now)
		if err != nil {
			return err
		}
		return r.read(ctx, size)
	}
	// What is published so far may show that nothing is due; then nobody has to hurry the log.
	size, err := r.Log.Everything(ctx)
	if err == nil {
		err = r.read(ctx, size)
	}
	if err != nil {
		return err
	}
	r.hear()
	var all []Finding
	for _, m := range r.Machines {
		all = append(all, m.Due(now)...)
	}
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
	r.mu.Lock()
	told := r.told
	r.told = nil
	r.mu.Unlock()
	for _, f := range told {
		f()
	}
}

// wait returns the size of the log when it has grown, when it is time to ask the machines, or when something was told.
func (r *Runner) wait(ctx context.Context, next, now time.Time) (uint64, error) {
	waiting, cancel := context.WithCancel(ctx)
	defer cancel()
	if !next.IsZero() {
		t := time.AfterFunc(next.Sub(now), cancel)
		defer t.Stop()
	}
	r.mu.Lock()
	r.wakeUp = cancel
	if len(r.told) > 0 {
		cancel()
	}
	r.mu.Unlock()
	size, err := r.Log.Published(waiting, r.at)
	r.mu.Lock()
	r.wakeUp = nil
	r.mu.Unlock()
	if err != nil && ctx.Err() == nil && waiting.Err() != nil {
		return r.at, nil
	}
	return size, err
}

// read gives the machines all entries up to size.
func (r *Runner) read(ctx context.Context, size uint64) error {
	if size <= r.at {
		return nil
	}
	return logread.Entries(ctx, r.Source, r.at, size, func(seq uint64, raw []byte) error {
		r.at = seq + 1
		e, err := r.entry(raw)
		if err != nil {
			r.log().Error("an entry cannot be read, so nothing that is missing because of it is noticed; stet verify says what is wrong", slog.Uint64("seq", seq), slog.Any("error", err))
			return nil
		}
		r.take(e)
		return nil
	})
}

// take gives an entry to the machines when the seal over it has come.
func (r *Runner) take(e Entry) {
	switch {
	case e.Seal != nil:
		key, own := proof.KeyID(e.Seal.Key), e.Seal.Key == r.StoreKey
		for _, x := range append(r.batch, e) {
			x.KeyID, x.StoreKey = key, own
			r.add(x)
		}
		clear(r.batch)
		r.batch = r.batch[:0]
	case e.Stub != nil && e.Stub.Code == proof.StubLost: // stands by itself
		r.add(e)
	case e.Stub != nil || e.Event != nil:
		r.batch = append(r.batch, e)
	}
}

func (r *Runner) add(e Entry) {
	for _, m := range r.Machines {
		m.Add(e)
	}
}

// entry reads an entry. Event, Seal and Stub are nil where it is of no interest.
func (r *Runner) entry(raw []byte) (Entry, error) {
	p, err := proof.ParseEntry(raw)
	if err != nil {
		return Entry{}, err
	}
	e := Entry{Seq: p.Seq, Stub: p.Stub}
	if e.ReceivedAt, err = proof.ParseTime(p.ReceivedAt); err != nil {
		return Entry{}, err
	}
	switch {
	case p.Event != nil:
		if !bytes.Contains(p.Event, ofJob) { // most events are none of these, and Check is cheap
			ref, err := r.codec.Check(p.Event)
			if err != nil {
				return Entry{}, err
			}
			if !interesting(ref, e.ReceivedAt) {
				return Entry{}, nil
			}
		}
		e.Event, err = r.codec.Parse(p.Event)
		return e, err
	case p.Seal != nil:
		seal, err := proof.ParseSeal(p.Seal.Note)
		e.Seal = &seal
		return e, err
	}
	return e, nil
}

// ofJob is in every event of a job.
var ofJob = []byte(`"job":{`)

// ourApp is the app_id of what a store or server says itself.
var ourApp = []byte("stet")

// interesting says whether a machine may want to see an event: of jobs, of the store's own, or from the future.
func interesting(ref event.Ref, received time.Time) bool {
	return ref.JobID != nil || ref.Reserved || bytes.Equal(ref.AppID, ourApp) || ref.Timestamp.After(received)
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
