// Package stet records what background jobs and applications do as sealed events that nobody can alter afterwards.
//
//	rec, err := stet.Open(ctx, "", stet.Options{App: "billing"})
//	...
//	defer rec.Close()
//	err = rec.Do(ctx, stet.Job{Name: "invoice", Reason: "month end"}, func(ctx context.Context, run *stet.Run) error {
//		return sendInvoices(ctx)
//	})
//
// Every job is recorded in the four phases of "108 Audit Logging for Jobs": submission, authorization, execution,
// outcome. Do records all four; Submit, Authorize and Start record them one by one, where a queue or another process
// stands between them. Record is for the events of an application: logins, denials, changes of privilege.
//
// # Durability
//
// A call that records returns when its events are sealed and synced to the local spool: acknowledgement level L0. They
// survive the death of this process and of the machine's power from then on, not the loss of its disk. Any stet command
// on the same store, or a stet server, brings them into the ledger.
//
// Such a call waits at most Options.Deadline, and a context that ends meanwhile does not cut it short: whoever hangs up
// must not keep the record of what he did from being made. A context that is dead already keeps a job from beginning,
// never an outcome or an application's event from being recorded.
//
// # Failure
//
// What happens where a record cannot be made durable is one choice for each Recorder: see Policy. A job's own result is
// never changed by it. What was lost is counted and declared in the log, as a sys_monitor_disabled event in front of the
// next record that succeeds.
//
// What a caller hands in never costs a job its record. Text that is too long is cut and marked; what else has no place
// in an event (a channel in Params, a 65th label, a malformed trace id) is left out, named in the event's label
// "not_recorded", and told to Options.OnLoss. Refused, with an *event.Error that names the field and before the job
// runs, are only mistakes in the program: a trigger, a kind of principal or of entry point that does not exist.
//
// # Across processes
//
// Jobs that a job causes elsewhere become its children: Run.Environ is for processes that it starts, Transport and
// Middleware for HTTP, Inject and Extract for messages, Submitted.Ref for a queue of jobs. All of them carry the
// interaction, the parent, the root and the W3C trace, and what arrives is recorded as the claim that it is.
//
// All methods are safe for concurrent use, unless they say otherwise.
package stet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/spool"
)

// Errors that decide something for a caller.
var (
	// ErrNotRecorded says that a record could not be made durable, so the job was not run.
	ErrNotRecorded = errors.New("not recorded")
	// ErrSpoolFull says that the spools of the store, or its disk, have no room for more: see Options.SpoolBytes.
	ErrSpoolFull = spool.ErrFull
	// ErrDenied says that the authoriser refused the job. The refusal is recorded.
	ErrDenied = errors.New("denied")
	// ErrEnded says that the run has its outcome already; the second one was not recorded. It is also the cause with which
	// the run's own context ends then.
	ErrEnded = errors.New("the run has ended already")
	// ErrLapsed is why the context of a run ended whose authorization was withdrawn or has run out.
	ErrLapsed = errors.New("the job's permission to run has lapsed")
	// ErrCancelled is why the context of a run ended that somebody asked to stop: Run.RequestCancel.
	ErrCancelled = errors.New("the job was asked to stop")
	// ErrInvalid says that a zero Submitted, Authorized or Run was used, a Job without a name, or Options that no event
	// could be made with.
	ErrInvalid = errors.New("invalid use")
	// ErrClosed says that the Recorder is closed.
	ErrClosed = errors.New("the recorder is closed")
	// ErrNotAllowed says that the store belongs to another user.
	ErrNotAllowed = errors.New("not allowed")
)

// Recorder records events into the spool of one store. Make it with Open, one for a process, and Close it at the end.
type Recorder struct {
	o     Options
	base  event.Event // what all events of this process share
	where origin.Origin
	codec *event.Codec
	clock *clock.Clock
	find  func() (place, error) // opens the place where streams go

	remote atomic.Pointer[remote] // the way to the server; nil: the store is a directory, or was not found yet

	used   sync.Pool // of *event.Event, with empty maps: see based
	places sync.Map  // uintptr → string: where in the program each call comes from

	// starting is held for reading while anything but an outcome is being recorded, ending while an outcome is. Close
	// takes them one after the other: after the first no run begins, after the second none is between its end and its
	// record.
	starting, ending sync.RWMutex
	closing          bool // guarded by starting
	closed           bool // guarded by ending

	folds folds

	mu      sync.Mutex // guards what follows; never held while a disk is waited for
	streams streams
	runs    map[*Run]struct{}
	loss    loss
	heart   heart
	shared  shared
	cried   map[string]time.Time // cause → when the system's log was told

	out        outside
	inheriting bool          // guarded by mu
	inherited  chan struct{} // closed when what earlier processes lost is declared, as far as possible
}

// Open makes a Recorder that spools into a store, a directory, which it creates (mode 0700) where it is missing. An
// empty name means STET_STORE, else the default store of the user: see `stet help`. The store must belong to the user
// (ErrNotAllowed). Open never touches the ledger in it. Under BestEffort a store that cannot be used is no error: it is
// told to Options.OnLoss, as ErrNotRecorded, and tried again with later records.
//
// A store can also be a server: https://HOST[:PORT], http:// on this machine, or unix:/PATH. Then the spool lies in
// STET_SPOOL, or in the state directory, and what is in it is sent in the background, verified, and removed when the server
// has proven to hold it. No record waits for the network, and Open does not talk to the server.
func Open(ctx context.Context, store string, o Options) (*Recorder, error) {
	where := origin.Detect(os.LookupEnv)
	if name := first(store, os.Getenv("STET_STORE")); ship.IsAddress(name) {
		a, err := ship.ParseAddress(name)
		if err != nil {
			return nil, err
		}
		o := o.own()
		return open(ctx, a.String(), o, where, findOutside(o), func() (place, error) {
			return findServer(a, o, where.Hostname.Text, where.Machine.Text)
		})
	}
	path, err := StorePath(store)
	if err != nil {
		return nil, err
	}
	return open(ctx, path, o, where, findOutside(o), func() (place, error) { return findPlace(path, o.StateDir, where.Hostname.Text) })
}

func open(ctx context.Context, name string, o Options, where origin.Origin, out outside, find func() (place, error)) (*Recorder, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	o = o.own()
	r := &Recorder{
		o:     o,
		where: where,
		codec: &event.Codec{Catalogue: o.Catalogue, Strict: o.Strict, IdentityKey: o.IdentityKey},
		clock: clock.New(),
		find:  find,
		runs:  map[*Run]struct{}{},
		folds: folds{hurry: make(chan struct{})},
		out:   out,

		inherited: make(chan struct{}),
	}
	r.base = o.base(where, os.LookupEnv)
	// What cannot work is known before a job depends on it.
	ctx, cancel := r.deadline(ctx)
	defer cancel()
	if _, err := r.stream(ctx, true); err != nil {
		err = fmt.Errorf("open store %s: %w", name, err)
		if o.Policy == RequireRecord {
			return nil, errors.Join(err, r.abandon(ctx))
		}
		r.o.OnLoss(notYetError{err})
	}
	return r, nil
}

// notYetError says why a Recorder under BestEffort begins without a spool.
type notYetError struct{ why error }

func (e notYetError) Error() string { return "nothing can be recorded for now: " + say(e.why) }

func (e notYetError) Unwrap() []error { return []error{ErrNotRecorded, e.why} }

// abandon closes a Recorder that nobody got.
func (r *Recorder) abandon(ctx context.Context) error {
	r.ending.Lock()
	r.closed = true
	r.ending.Unlock()
	return r.closeStreams(ctx)
}

// StorePath is the directory that a store's name means: the name itself, else STET_STORE, else "store" in the user's state
// directory. A name that means a server is an error.
func StorePath(name string) (string, error) {
	if name == "" {
		name = os.Getenv("STET_STORE")
	}
	if name == "" {
		return keyfile.DefaultStore(os.LookupEnv)
	}
	if ship.IsAddress(name) {
		return "", errors.New("the store is a server, and this needs a directory; name one")
	}
	return filepath.Abs(name)
}

// newID returns a fresh UUIDv7.
func (r *Recorder) newID() event.UUID {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails: since Go 1.24 a system without randomness ends the program
	return event.NewUUIDv7(r.clock.Now().Wall, random)
}

// deadline bounds a wait.
func (r *Recorder) deadline(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, r.o.Deadline, slowError{r.o.Deadline})
}

// wait is the deadline of a record. Those that begin within a hundredth of it end together, at most so much early, because
// to give each a timer of its own costs as much as writing the event.
func (r *Recorder) wait() context.Context {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := &r.shared
	if now := time.Now(); w.ctx == nil || now.Sub(w.began) > r.o.Deadline/100 {
		w.began = now
		w.ctx, w.cancel = r.deadline(context.Background())
	}
	return w.ctx
}

// inVain says whether so long a wait is a whole one.
func (r *Recorder) inVain(since time.Duration) bool { return since >= r.o.Deadline-r.o.Deadline/100 }

// shared is the deadline of several waits. Nobody cancels it, because nobody knows who waits: it runs out.
type shared struct {
	began  time.Time // with its monotonic reading
	ctx    context.Context
	cancel context.CancelFunc
}

// slowError is what a wait ends with. What was waited for may still happen.
type slowError struct{ after time.Duration }

func (e slowError) Error() string { return fmt.Sprintf("the spool did not answer within %v", e.after) }

func (e slowError) Unwrap() error { return context.DeadlineExceeded }

// stuckError is what a call ends with at once under BestEffort while the disk has not answered others for a whole
// deadline: a job that records often would stand still otherwise. Nothing was handed to the disk.
type stuckError struct{ since time.Duration }

func (e stuckError) Error() string {
	return fmt.Sprintf("the spool has not answered for %v; nothing waits for it until it does", e.since.Round(time.Millisecond))
}

// patient says whether events are waited for though others wait in vain already: where the record is required, and the
// last word on a job, which is worth it.
func (r *Recorder) patient(events []*event.Event) bool {
	return r.o.Policy == RequireRecord || len(events) == 0 || isOutcome(events[len(events)-1])
}

// reserved says whether events may use the room that is kept for what must be said. The last of them is what they are
// about: a start comes behind the authorization that allows it.
func (r *Recorder) reserved(events []*event.Event) bool {
	if len(events) == 0 {
		return true
	}
	last := events[len(events)-1]
	t, _ := r.catalogue().Lookup(last.EventType)
	return isOutcome(last) || last.Security || t.Security
}

func isOutcome(ev *event.Event) bool { return ev.Job != nil && ev.Job.Phase == phaseOutcome }

// emit makes events durable, all or none, in front of them what must be said of earlier losses. It waits until ctx ends,
// which has the Recorder's deadline. started is the run that one of them starts, or nil; it is registered before it can
// be in a stream.
func (r *Recorder) emit(ctx context.Context, started *Run, events ...*event.Event) error {
	patient := r.patient(events)
	em, err := r.stream(ctx, patient)
	if started != nil {
		r.register(started, em)
	}
	if err != nil {
		return err
	}
	if since := em.Waiting(); !patient && r.inVain(since) {
		return stuckError{since}
	}
	batch, owed := r.declare(events)
	if len(batch) == 0 {
		return nil
	}
	if r.reserved(events) {
		err = em.EmitReserved(ctx, batch...)
	} else {
		err = em.Emit(ctx, batch...)
	}
	switch {
	case err == nil:
		r.remote.Load().nudge()
		r.works()
		dropNotes(ctx, owed.notes)
	case errors.Is(err, emitter.ErrFailed):
		r.giveUp(ctx, em, err)
	}
	if err != nil {
		r.owe(owed)
	}
	return err
}

// lost decides about n records that could not be made: they are counted, and under BestEffort reported and forgiven.
func (r *Recorder) lost(what string, n int, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		err = fmt.Errorf("%w: free some space: %w", ErrSpoolFull, err)
	}
	var refused *event.Error
	if !errors.As(err, &refused) && !errors.Is(err, ErrClosed) {
		r.count(n, err)
		if r.o.Policy == BestEffort {
			r.cry(err)
			r.o.OnLoss(fmt.Errorf("%s was not recorded: %w", what, err))
			return nil
		}
	}
	return fmt.Errorf("%w: %s: %w", ErrNotRecorded, what, err)
}

// beforeClose makes a record within the deadline: none begins once Close has begun, which waits for those that have.
func (r *Recorder) beforeClose(do func(context.Context) error) error {
	r.starting.RLock()
	defer r.starting.RUnlock()
	if r.closing {
		return ErrClosed
	}
	return do(r.wait())
}

// record is emit for everything but outcomes.
func (r *Recorder) record(started *Run, events ...*event.Event) error {
	return r.beforeClose(func(ctx context.Context) error { return r.emit(ctx, started, events...) })
}

// inDoubt says whether a record that was not acknowledged may be durable all the same.
func inDoubt(err error) bool {
	return errors.Is(err, emitter.ErrFailed) || errors.Is(err, context.DeadlineExceeded)
}

// Record makes one event of the application durable, also where ctx is dead. It fills what e leaves open: ids, times,
// where, who as far as ctx knows it, and from the catalogue severity, security flag and description. The caller's e is
// not changed, and may be changed again when Record has returned. The error wraps an *event.Error where the schema
// refuses it, and ErrInvalid where only a store's own key may raise it. A flood of identical events is folded: see
// FoldAfter.
func (r *Recorder) Record(ctx context.Context, e event.Event) error {
	if r == nil {
		return fmt.Errorf("record: %w: the Recorder is nil", ErrInvalid)
	}
	return r.recordAt(ctx, e, r.caller(1))
}

// recordAt is Record for an event from a place in the program.
func (r *Recorder) recordAt(ctx context.Context, e event.Event, location string) error {
	ev, fresh, err := r.fill(ctx, e, location)
	if err != nil {
		return err
	}
	err = r.recordOne(ev, fresh)
	r.done(ev)
	if err != nil {
		return r.lost(nameOf(e), 1, err)
	}
	return nil
}

// Close records every run that is still open as aborted, seals the stream as final and lets the spool go. It returns
// the first errors; what was acknowledged before is durable either way. Later calls return ErrClosed. It waits at most
// for calls under way and twice the deadline, Options.SendWait included. Losses that it cannot declare it leaves, under BestEffort, to the next
// Recorder of the same user; they are its error only where that fails too.
func (r *Recorder) Close() error {
	if r == nil {
		return fmt.Errorf("close: %w: the Recorder is nil", ErrInvalid)
	}
	r.folds.hurryUp()
	r.starting.Lock()
	was := r.closing
	r.closing = true
	r.starting.Unlock()
	if was {
		return ErrClosed
	}
	err := r.endRuns()
	ctx, cancel := r.deadline(context.Background())
	defer cancel()
	r.awaitInheritance(ctx)
	r.recordLastTrouble(ctx)
	err = errors.Join(err, r.declareRest(ctx))
	r.ending.Lock()
	r.closed = true
	r.ending.Unlock()
	return errors.Join(err, r.closeStreams(ctx))
}

// endRuns ends all open runs at once, so that they share their flushes.
func (r *Recorder) endRuns() error {
	r.mu.Lock()
	errs := make([]error, 0, len(r.runs))
	done := make(chan error, len(r.runs))
	for run := range r.runs {
		errs = append(errs, nil)
		go func() {
			done <- run.End(context.Background(), run.left())
		}()
	}
	r.mu.Unlock()
	for i := range errs {
		if err := <-done; !errors.Is(err, ErrEnded) {
			errs[i] = err
		}
	}
	return errors.Join(errs...)
}
