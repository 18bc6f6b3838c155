package forward

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// Log is the log that is forwarded. Its checkpoints must be known to be signed by the log's key.
type Log interface {
	Checkpoint(ctx context.Context) (proof.Checkpoint, error)
	Source() logread.Source
}

// Options of a Forwarder. All but Skipped, Logger and Pause must be given.
type Options struct {
	Log    Log
	Query  search.Query // what is sent; without times that count from now
	Format convert.Format
	To     Destination
	Name   string // the destination, as it may be told
	Cursor *Cursor
	Once   bool // end when everything is sent that was in the log at that time
	// SkipRefused leaves out what the receiver will never take. Skipped is told before the cursor moves; nil: nobody is.
	SkipRefused bool
	Skipped     func(context.Context, Refusal) error
	Logger      *slog.Logger
	Pause       func(try int) time.Duration // behind failure try, from 1; nil: half a second to a minute
}

const (
	// lookEvery is how often it is looked whether the log has grown.
	lookEvery = time.Second
	// tellEvery is how often it is told how far it is.
	tellEvery = time.Minute
	// graceTime is how long what is under way may take when the forwarder is to end.
	graceTime = 15 * time.Second
	// patience is how long a forwarder that is to end by itself tries while nothing gets on.
	patience = 2 * time.Minute
	// The pauses between attempts double from the first to the last, and half of each is chance.
	firstPause = 500 * time.Millisecond
	lastPause  = time.Minute
)

// Forwarder sends a log on.
type Forwarder struct {
	o    Options
	seen proof.Checkpoint // the last that was proven to continue what came before
	at   uint64           // entries before it were handed over, or are not for the destination
	rows []Row            // that are to be handed over next
	data int              // bytes of them
	sent []place          // what was handed over and is not known to be safe: how many rows up to where

	tries   int       // attempts that failed since one did not
	stuck   time.Time // when the first of them was
	told    time.Time
	totals  totals
	trouble string // the last that was told
}

// place counts rows that were handed over, before a seq.
type place struct{ before, rows uint64 }

// totals are what a run tells of itself.
type totals struct{ rows, bytes, again, skipped, failed uint64 }

// New makes a Forwarder.
func New(o Options) *Forwarder {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Pause == nil {
		o.Pause = pause
	}
	return &Forwarder{o: o, at: o.Cursor.Next}
}

// Run forwards until ctx ends, which is no error: what is under way is brought to its end then, for graceTime at most. With Once it
// ends when everything that is in the log is safe with the receiver, or patience is over without anything getting on; that ctx ends before that is
// an *EndError. An error that says that the log is not what it
// must be is a *logread.DamageError, a row that is refused a *RefusedError.
func (f *Forwarder) Run(ctx context.Context) error {
	f.told = time.Now()
	err := f.run(ctx)
	if ctx.Err() != nil {
		err = nil
	}
	end, cancel := lingering(ctx)
	defer cancel()
	if serr := f.settle(end, err == nil); serr != nil && !errors.Is(serr, errLost) && end.Err() == nil {
		err = errors.Join(err, serr)
	}
	f.tell("ended")
	if f.o.Once && err == nil && ctx.Err() != nil && (f.seen.Size == 0 || f.o.Cursor.Next < f.seen.Size) {
		err = &EndError{fmt.Errorf("told to end before everything in the log was safe with the receiver: it is up to entry %d; start it again, and it goes on there", f.o.Cursor.Next)}
	}
	return err
}

func (f *Forwarder) run(ctx context.Context) error {
	for {
		err := f.pass(ctx)
		if err == nil {
			err = f.settle(ctx, f.o.Once)
		}
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil && f.o.Once:
			return nil
		case err == nil:
			f.fine()
			err = rest(ctx, lookEvery)
		case final(err):
			return err
		default:
			err = f.retry(ctx, err, 0)
		}
		if err != nil {
			return err
		}
		if now := time.Now(); now.Sub(f.told) >= tellEvery {
			f.told = now
			f.tell("forwarding")
		}
	}
}

// final says whether nothing gets better by trying again.
func final(err error) bool {
	var damage *logread.DamageError
	var refused *RefusedError
	var end *EndError
	return errors.As(err, &damage) || errors.As(err, &refused) || errors.As(err, &end)
}

// EndError is trouble that does not pass, and ends a forwarder.
type EndError struct{ Err error }

func (e *EndError) Error() string { return e.Err.Error() }
func (e *EndError) Unwrap() error { return e.Err }

// retry waits behind a failure. What may be lost is sent again then. It returns an error where there is no more to wait for.
func (f *Forwarder) retry(ctx context.Context, err error, wait time.Duration) error {
	f.totals.failed++
	if f.tries++; f.tries == 1 {
		f.stuck = time.Now()
	}
	if f.o.Once && time.Since(f.stuck) >= patience {
		return &EndError{fmt.Errorf("nothing got on for %v: %w", patience, err)}
	}
	if errors.Is(err, errLost) {
		f.rewind()
	}
	if text := event.Sanitize(err.Error()); text != f.trouble {
		f.trouble = text
		f.o.Logger.Warn("not sent yet; it is tried again", slog.String("to", f.o.Name), slog.Uint64("next", f.at), slog.String("error", text))
	}
	return rest(ctx, max(f.o.Pause(f.tries), wait))
}

// fine ends a row of failures.
func (f *Forwarder) fine() { f.tries, f.trouble = 0, "" }

// rewind goes back to what is safe.
func (f *Forwarder) rewind() {
	for _, p := range f.sent {
		f.totals.again += p.rows
	}
	f.at, f.sent = f.o.Cursor.Next, nil
	f.drop()
}

// drop forgets rows that were not handed over; they are read again.
func (f *Forwarder) drop() { f.rows, f.data = nil, 0 }

// pass hands over what the log has by now.
func (f *Forwarder) pass(ctx context.Context) error {
	cp, err := f.o.Log.Checkpoint(ctx)
	if err != nil {
		return err
	}
	if err := f.grown(ctx, cp); err != nil {
		return err
	}
	if f.at >= cp.Size {
		return nil
	}
	err = search.NewScanner(source{f.o.Log.Source()}, f.o.Query, time.Time{}).Forward(ctx, cp, f.at, func(h search.Hit) error {
		return f.take(ctx, h)
	})
	if err == nil {
		err = f.flush(ctx)
	}
	if err != nil {
		f.drop()
		return err
	}
	f.at = cp.Size
	return nil
}

// source is a log of which nothing may be missing.
type source struct{ logread.Source }

// Fetch is the log's own, where a file that is not there is damage.
func (s source) Fetch(ctx context.Context, path string) ([]byte, error) {
	b, err := s.Source.Fetch(ctx, path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &logread.DamageError{File: path, Reason: "it is not there"}
	}
	return b, err
}

// grown holds a checkpoint against the last one, or against the cursor: it must continue that.
func (f *Forwarder) grown(ctx context.Context, cp proof.Checkpoint) error {
	c := f.o.Cursor
	last := f.seen
	if last.Origin == "" {
		last = proof.Checkpoint{Origin: c.Log, Size: c.Size, Root: c.Root}
	}
	if last.Origin == "" {
		f.seen = cp
		return f.save(Place{Log: cp.Origin, Size: cp.Size, Root: cp.Root})
	}
	if cp.Origin != last.Origin {
		return &logread.DamageError{File: logread.CheckpointPath, Reason: fmt.Sprintf("this is the log %s, and what was sent so far is of %s", cp.Origin, last.Origin)}
	}
	if err := logread.Continues(ctx, source{f.o.Log.Source()}, last, cp); err != nil {
		return err
	}
	f.seen = cp
	return nil
}

// take makes a row of an entry that is proven, and hands rows over when there are enough.
func (f *Forwarder) take(ctx context.Context, h search.Hit) error {
	row, err := convert.NewRow(h.Raw, h.Key)
	if err != nil {
		return &EndError{err}
	}
	b := f.o.Format.Append(nil, row)
	if len(f.rows) == maxRows || len(f.rows) > 0 && f.data+len(b) > maxBytes {
		if err := f.flush(ctx); err != nil {
			return err
		}
	}
	if len(b) == 0 { // the format has no word for it
		return nil
	}
	f.rows = append(f.rows, Row{Seq: h.Seq, Hash: row.Hash, Received: h.Received, Data: b})
	f.data += len(b)
	return nil
}

// flush hands rows over until they are taken or refused, and notes what is safe.
func (f *Forwarder) flush(ctx context.Context) error {
	rows := f.rows
	if len(rows) == 0 {
		return nil
	}
	f.totals.bytes += uint64(f.data)
	all, next := uint64(len(rows)), rows[len(rows)-1].Seq+1
	under, cancel := lingering(ctx) // what has begun may end
	defer cancel()
	for len(rows) > 0 {
		r := f.o.To.Send(under, rows)
		if errors.Is(r.Err, errLost) || final(r.Err) {
			return r.Err
		}
		for _, x := range r.Refused {
			all -= uint64(x.Rows)
			if !f.o.SkipRefused {
				return f.stop(ctx, x, r.Left)
			}
			if err := f.skip(under, x); err != nil {
				return err
			}
		}
		if len(r.Left) < len(rows) {
			f.fine()
		}
		if r.Err != nil && len(r.Left) > 0 {
			if err := f.retry(ctx, r.Err, r.Wait); err != nil {
				return err
			}
		}
		rows = r.Left
	}
	f.fine()
	f.at = next
	f.totals.rows += all
	f.sent = append(f.sent, place{next, all})
	f.drop()
	if err := f.settle(under, false); err != nil {
		return err
	}
	return ctx.Err()
}

// stop ends the forwarder at a row that will never be taken. What stands before it, and is left, is sent first, once.
func (f *Forwarder) stop(ctx context.Context, x Refusal, left []Row) error {
	under, cancel := lingering(ctx)
	defer cancel()
	before := left[:max(slices.IndexFunc(left, func(r Row) bool { return r.Seq >= x.First }), 0)]
	if len(left) > 0 && left[len(left)-1].Seq < x.First {
		before = left
	}
	f.at = x.First
	if len(before) > 0 {
		if r := f.o.To.Send(under, before); len(r.Left) > 0 || len(r.Refused) > 0 || r.Err != nil {
			f.at = before[0].Seq
		}
	}
	n := 0
	for n < len(f.rows) && f.rows[n].Seq < f.at {
		n++
	}
	f.sent = append(f.sent, place{f.at, uint64(n)})
	f.totals.rows += uint64(n)
	return errors.Join(&RefusedError{x, f.o.Name}, f.settle(under, true))
}

// skip leaves a row out that will never be taken, and tells.
func (f *Forwarder) skip(ctx context.Context, x Refusal) error {
	f.totals.skipped += uint64(x.Rows)
	f.o.Logger.Error("refused for good, and left out", slog.String("to", f.o.Name), slog.Uint64("first", x.First), slog.Uint64("last", x.Last), slog.Int("rows", x.Rows), slog.String("why", x.Why))
	if f.o.Skipped != nil {
		if err := f.o.Skipped(ctx, x); err != nil {
			return &EndError{fmt.Errorf("it cannot be recorded that entry %d is left out: %w", x.First, err)}
		}
	}
	p := f.o.Cursor.Place
	p.Skipped += uint64(x.Rows)
	return f.save(p)
}

// settle moves the cursor to what is safe with the receiver; with all it waits until everything is that was handed over.
func (f *Forwarder) settle(ctx context.Context, all bool) error {
	safe, err := f.o.To.Settle(ctx, f.at, all)
	if err != nil {
		return err
	}
	return f.note(safe)
}

// note makes durable that everything before a seq is safe. It is the only place where the cursor moves.
func (f *Forwarder) note(safe uint64) error {
	c := f.o.Cursor
	if safe <= c.Next {
		return nil
	}
	p := Place{Log: f.seen.Origin, Next: safe, Size: f.seen.Size, Root: f.seen.Root, Rows: c.Rows, Skipped: c.Skipped}
	left := f.sent
	for len(left) > 0 && left[0].before <= safe {
		p.Rows += left[0].rows
		left = left[1:]
	}
	f.sent = left
	return f.save(p)
}

func (f *Forwarder) save(p Place) error {
	if err := f.o.Cursor.save(p); err != nil {
		return &EndError{fmt.Errorf("how far it is cannot be noted: %w", err)}
	}
	return nil
}

func (f *Forwarder) tell(what string) {
	t := f.totals
	f.o.Logger.Info(what, slog.String("to", f.o.Name), slog.Uint64("rows", t.rows), slog.Uint64("bytes", t.bytes), slog.Uint64("next", f.o.Cursor.Next),
		slog.Uint64("behind", f.seen.Size-min(f.o.Cursor.Next, f.seen.Size)), slog.Uint64("again", t.again), slog.Uint64("skipped", t.skipped), slog.Uint64("failed", t.failed))
}

// lingering is a context that ends graceTime after ctx.
func lingering(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		t := time.AfterFunc(graceTime, cancel)
		context.AfterFunc(out, func() { t.Stop() })
	})
	return out, func() {
		stop()
		cancel()
	}
}

// rest waits, at most until ctx ends.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// pause is how long to wait behind failure try: half of it is chance, so that many who fail together come apart.
func pause(try int) time.Duration {
	d := lastPause
	if try <= 7 {
		d = min(firstPause<<(try-1), lastPause)
	}
	return d/2 + rand.N(d/2)
}
