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
// # Failure
//
// What happens where a record cannot be made durable is one choice for each Recorder: see Policy. A job's own result is
// never changed by it.
//
// All methods are safe for concurrent use, unless they say otherwise.
package stet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/spool"
)

// Policy is what a Recorder does where a record cannot be made durable.
type Policy int

const (
	// RequireRecord: a job whose start cannot be made durable does not run, and Open fails where there is no spool.
	RequireRecord Policy = iota
	// BestEffort: the job runs. Each loss is handed to Options.OnLoss, and the next event is tried on a fresh spool.
	BestEffort
)

// DefaultDeadline is how long a call waits for its record to become durable where Options.Deadline is zero.
const DefaultDeadline = 10 * time.Second

// Options say who records. The zero value is usable: what it leaves open is found where possible, named in each event's
// "derived", and otherwise honestly excused in its "absent".
type Options struct {
	App        string // app_id, [A-Za-z0-9._-], at most 128 bytes; "": STET_APP, else the program's name
	AppVersion string // at most 64 bytes; "": the version or revision of the build
	// Environment is production, staging, development, test or your own, at most 32 bytes; "": STET_ENV, else the
	// events say not_configured. It is never guessed.
	Environment string
	// EntryPoint is how the process was entered; nil: found (cron, systemd, CI, terminal), else a function.
	EntryPoint *event.EntryPoint
	// Derived names which of the above were found rather than given: path → how.
	Derived map[string]string
	Policy  Policy
	// Deadline bounds every wait for durability; 0 is DefaultDeadline.
	Deadline time.Duration
	// Authorizer decides whether a job may run; nil: nobody is asked, and the events say so.
	Authorizer Authorizer
	// Catalogue adds an organisation's own event types; nil is the built-in one.
	Catalogue *event.Catalogue
	// Strict refuses event types that are not in the catalogue.
	Strict bool
	// IdentityKey, where set, replaces user_id, principal ids and source addresses by HMACs under it (≥ 16 bytes).
	IdentityKey []byte
	// OnLoss is told of every record that was lost under BestEffort, and of every outcome that could not be recorded.
	// nil writes one line to standard error. It must not call the Recorder.
	OnLoss func(error)
}

// Errors that decide something for a caller.
var (
	// ErrNotRecorded says that a record could not be made durable, so the job was not run.
	ErrNotRecorded = errors.New("not recorded")
	// ErrDenied says that the authoriser refused the job. The refusal is recorded.
	ErrDenied = errors.New("denied")
	// ErrEnded says that the run has its outcome already; the second one was not recorded.
	ErrEnded = errors.New("the run has ended already")
	// ErrInvalid says that a zero Submitted, Authorized or Run was used, or a Job without a name.
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
	key   keyfile.Key
	dir   *fsx.Dir

	// mu guards what follows. It is never held while waiting for a disk, except when a spool is opened.
	mu     sync.Mutex
	em     *emitter.Emitter // nil: not opened yet, or given up after a failure
	runs   map[*Run]struct{}
	closed bool
}

// Open makes a Recorder that spools into a store, a directory, which it creates (mode 0700) where it is missing. An
// empty name means STET_STORE, else the default store of the user: see `stet help`. The store must belong to the user
// (ErrNotAllowed). Open never touches the ledger in it.
func Open(ctx context.Context, store string, o Options) (*Recorder, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	path, err := StorePath(store)
	if err != nil {
		return nil, err
	}
	if o.Deadline <= 0 {
		o.Deadline = DefaultDeadline
	}
	if o.OnLoss == nil {
		o.OnLoss = func(err error) { fmt.Fprintln(os.Stderr, "stet:", err) }
	}
	r := &Recorder{
		o:     o,
		where: origin.Detect(os.LookupEnv),
		codec: &event.Codec{Catalogue: o.Catalogue, Strict: o.Strict, IdentityKey: o.IdentityKey},
		clock: clock.New(),
		runs:  map[*Run]struct{}{},
	}
	r.base = emitter.Base(r.where, os.LookupEnv, o.App, o.AppVersion, o.Environment)
	if o.EntryPoint != nil {
		r.base.EntryPoint = o.EntryPoint
		given(&r.base, "entry_point")
		given(&r.base, "entry_point.name")
	}
	maps.Copy(r.base.Derived, o.Derived)
	if err := r.open(path); err != nil {
		if r.dir != nil {
			_ = r.dir.Close() // the first error says more
		}
		if o.Policy == RequireRecord {
			return nil, fmt.Errorf("open store %s: %w", path, err)
		}
		o.OnLoss(fmt.Errorf("nothing can be recorded in store %s: %w", path, err))
		r.dir = nil
	}
	return r, nil
}

// StorePath is the directory that a store's name means: the name itself, else STET_STORE, else "store" in the user's
// state directory.
func StorePath(name string) (string, error) {
	if name == "" {
		name = os.Getenv("STET_STORE")
	}
	if name == "" {
		return keyfile.DefaultStore(os.LookupEnv)
	}
	if strings.HasPrefix(name, "https://") || strings.HasPrefix(name, "http://") || strings.HasPrefix(name, "unix:") {
		return "", fmt.Errorf("store %q: this version keeps stores in directories only; name one", name)
	}
	return filepath.Abs(name)
}

// open prepares directory and key, and under RequireRecord the spool, so that what cannot work is known before a job
// depends on it.
func (r *Recorder) open(path string) error {
	if err := makeStore(path); err != nil {
		return err
	}
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return err
	}
	if r.key, err = keyfile.LoadOrCreate(filepath.Join(state, "emitter.key"), r.keyName(), rand.Reader); err != nil {
		return err
	}
	if r.dir, err = fsx.OpenDir(path); err != nil {
		return err
	}
	_, err = r.emitter()
	return err
}

func (r *Recorder) keyName() string {
	return keyfile.CleanName(fmt.Sprintf("stet-emitter/%s/%d", r.where.Hostname.Text, os.Geteuid()))
}

// makeStore creates the directory, or checks that it is the user's own.
func makeStore(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := os.Mkdir(path, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return fmt.Errorf("%s is not a directory", path)
	}
	if uid, ok := fsx.Owner(fi); ok && uid != os.Geteuid() {
		return fmt.Errorf("%w: it belongs to uid %d and you are uid %d; a store has one owner, others reach it through a stet server", ErrNotAllowed, uid, os.Geteuid())
	}
	return nil
}

// emitter returns the open stream, and opens one where there is none.
func (r *Recorder) emitter() (*emitter.Emitter, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if r.em != nil {
		return r.em, nil
	}
	if r.dir == nil {
		return nil, errors.New("there is no store")
	}
	signer, err := r.key.NoteSigner()
	if err != nil {
		return nil, err
	}
	stream, err := r.newID()
	if err != nil {
		return nil, err
	}
	ev := r.clock.Evidence()
	r.em, err = emitter.Open(emitter.Options{
		FS: r.dir, Dir: spool.Dir, Signer: signer, Codec: r.codec, Clock: r.clock, Rand: rand.Reader,
		Meta: spool.Meta{V: 1, StreamID: stream.String(), Key: r.key.VKey, AppID: r.base.AppID, Environment: r.base.Environment,
			Host: r.where.Hostname.Text, BootID: ev.BootID, MachineID: r.where.Machine.Text, PID: os.Getpid(), StartedAt: event.FormatTime(r.clock.Now().Wall)},
	})
	return r.em, err
}

// newID returns a fresh UUIDv7.
func (r *Recorder) newID() (event.UUID, error) {
	var random [10]byte
	if _, err := rand.Read(random[:]); err != nil {
		return event.UUID{}, err
	}
	return event.NewUUIDv7(r.clock.Now().Wall, random), nil
}

// emit makes events durable, all or none. Its own deadline bounds the wait; a ctx that is dead already does not keep an
// outcome from being recorded, because callers hand in context.WithoutCancel for those.
func (r *Recorder) emit(ctx context.Context, events ...*event.Event) error {
	em, err := r.emitter()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.o.Deadline,
		fmt.Errorf("the spool did not answer within %v: %w", r.o.Deadline, context.DeadlineExceeded))
	defer cancel()
	err = em.Emit(ctx, events...)
	if errors.Is(err, emitter.ErrFailed) {
		r.giveUp(em)
	}
	return err
}

// giveUp drops a stream that cannot be written any more, so that the next event starts a new one.
func (r *Recorder) giveUp(em *emitter.Emitter) {
	r.mu.Lock()
	if r.em == em {
		r.em = nil
	}
	r.mu.Unlock()
	_ = em.Close() // its error is the one that the caller has already
}

// lost decides about a record that could not be made: under BestEffort it is reported and forgiven.
func (r *Recorder) lost(what string, err error) error {
	if err == nil {
		return nil
	}
	var refused *event.Error
	if r.o.Policy == BestEffort && !errors.As(err, &refused) {
		r.o.OnLoss(fmt.Errorf("%s was not recorded: %w", what, err))
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrNotRecorded, what, err)
}

// Record makes one event of the application durable. It fills what e leaves open: ids, times, where, who as far as ctx
// knows it, and from the catalogue severity, security flag and description. The caller's e is not changed. The error is
// an *event.Error where the schema refuses it.
func (r *Recorder) Record(ctx context.Context, e event.Event) error {
	if r == nil {
		return fmt.Errorf("record: %w: the Recorder is nil", ErrInvalid)
	}
	ev, err := r.fill(ctx, e, caller(1))
	if err != nil {
		return err
	}
	return r.lost("event "+e.EventType, r.emit(ctx, ev))
}

// Close records every run that is still open as aborted, seals the stream as final and lets the spool go. It returns
// the first error; what was acknowledged before is durable either way. Later calls return ErrClosed.
func (r *Recorder) Close() error {
	if r == nil {
		return fmt.Errorf("close: %w: the Recorder is nil", ErrInvalid)
	}
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	open := make([]*Run, 0, len(r.runs))
	for run := range r.runs {
		open = append(open, run)
	}
	r.mu.Unlock()

	var errs []error
	for _, run := range open {
		err := run.End(context.Background(), Outcome{Status: event.StatusAborted, Reason: "the recorder was closed while the run was open"})
		if !errors.Is(err, ErrEnded) {
			errs = append(errs, err)
		}
	}
	r.mu.Lock()
	em := r.em
	r.closed, r.em = true, nil
	r.mu.Unlock()
	if em != nil {
		errs = append(errs, em.Close())
	}
	if r.dir != nil {
		errs = append(errs, r.dir.Close())
	}
	return errors.Join(errs...)
}
