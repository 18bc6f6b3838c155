package stet

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ship"
)

// DefaultSendWait is how long Close waits for a server where Options.SendWait is zero.
const DefaultSendWait = 2 * time.Second

// ErrServer says that a server contradicts what it has proven, cannot prove what it says, or refuses for good. Nothing is
// lost: what it has not proven to hold stays in the spool, and an event that its log can never store, in quarantine.
var ErrServer = errors.New("the server")

// remote sends what is spooled for a server, in the background. It never keeps a record waiting.
type remote struct {
	shipper *ship.Shipper
	wake    chan struct{} // of one place
	wait    time.Duration // for the last attempt

	mu     sync.Mutex // guards what follows
	cancel context.CancelFunc
	done   chan struct{}

	troubling sync.Mutex // held while the server's lies are recorded: each is, once
}

// findServer is findPlace for a server: the spools are on this computer, in a directory of their own.
func findServer(a ship.Address, o Options, host, machine string) (p place, err error) {
	state, err := stateDir(o.StateDir)
	if err != nil {
		return p, err
	}
	dir, err := a.Place(state, os.Getenv("STET_SPOOL"))
	if err != nil {
		return p, err
	}
	if err := makeStore(state); err != nil {
		return p, err
	}
	if p, err = findPlace(dir, state, host); err != nil {
		return p, err
	}
	fsys, err := fsx.OpenDir(state)
	if err != nil {
		return p, errors.Join(err, p.close())
	}
	token := cmp.Or(o.TokenFile, os.Getenv("STET_TOKEN_FILE"))
	if token != "" {
		if token, err = filepath.Abs(token); err != nil {
			return p, errors.Join(err, p.close(), fsys.Close())
		}
	}
	client, closePlace := ship.NewClient(a), p.close
	p.remote = &remote{wake: make(chan struct{}, 1), wait: o.SendWait, shipper: &ship.Shipper{Client: client, Address: a,
		TokenFile: token, State: fsys, Place: p.fsys,
		Known: known.Dir{FS: fsys, Name: known.DirName}, Machine: machine, Now: time.Now}}
	p.close = func() error {
		client.Close()
		return errors.Join(closePlace(), fsys.Close())
	}
	return p, nil
}

// stateDir is the one that is named, else that of the environment.
func stateDir(name string) (string, error) {
	if name != "" {
		return name, nil
	}
	return keyfile.StateDir(os.LookupEnv)
}

// begin starts sending, once.
func (m *remote) begin(r *Recorder) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.done != nil {
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	m.cancel, m.done = cancel, make(chan struct{})
	go func() {
		defer close(m.done)
		r.recordTrouble(m)
		m.shipper.Run(ctx, m.wake, func(err error) { r.contradicted(m, err) })
	}()
}

// nudge says that there is more to send.
func (m *remote) nudge() {
	if m == nil {
		return
	}
	select {
	case m.wake <- struct{}{}:
	default:
	}
}

// end stops the background, and tries once more to send everything: a stream that was closed is whole now.
func (m *remote) end(r *Recorder) {
	if m == nil {
		return
	}
	m.mu.Lock()
	done := m.done
	m.mu.Unlock()
	if done == nil {
		return
	}
	m.cancel()
	<-done
	if m.wait < 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), m.wait)
	defer cancel()
	_, err := m.shipper.Flush(ctx)
	var bad *ship.IntegrityError
	if errors.As(err, &bad) {
		r.contradicted(m, err)
	}
}

// contradicted says what is wrong with the server, and records it where it is a lie: the spool takes that, and the next server
// that is honest. What the server's log has refused is recorded again.
func (r *Recorder) contradicted(m *remote, err error) {
	r.o.OnLoss(serverError{err})
	var stubbed *ship.StubbedError
	if !errors.As(err, &stubbed) {
		r.recordTrouble(m)
		return
	}
	ctx, cancel := r.deadline(context.Background())
	defer cancel()
	if err := r.recordAgain(ctx); err != nil && !errors.Is(err, ErrClosed) {
		r.o.OnLoss(err)
	}
}

// recordLastTrouble is for Close, which may come before the background has begun: who only opens and closes is a next
// recorder, too. It waits half of the time that is left.
func (r *Recorder) recordLastTrouble(ctx context.Context) {
	m := r.remote.Load()
	if m == nil {
		return
	}
	ctx, cancel := half(ctx)
	defer cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.recordTrouble(m)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// recordTrouble records how the server contradicted itself, as far as nobody has: also what earlier processes met.
func (r *Recorder) recordTrouble(m *remote) {
	m.troubling.Lock()
	defer m.troubling.Unlock()
	all, err := ship.Unrecorded(m.shipper.State, m.shipper.Address)
	if err != nil || len(all) == 0 {
		return // doctor says what cannot be read
	}
	for _, t := range all {
		ev := r.based()
		ev.EventType = typeContradicted
		ev.InteractionID = r.newID().String()
		ev.CodeLocation = "stet.Recorder"
		ev.Action, ev.Object = "verify", &event.Object{Type: "log", ID: m.shipper.Address.String()}
		ev.Status, ev.StatusCode = event.StatusFailure, t.What
		ev.StatusReason = clip("at "+t.At+": "+t.Text, 512)
		if err := r.emitInherited(r.wait(), ev); err != nil {
			return // the next recorder does
		}
	}
	_ = ship.Recorded(m.shipper.State, m.shipper.Address, all) // otherwise they are recorded twice
}

// typeContradicted says that a log contradicts what its server had proven.
const typeContradicted = "log_contradicted"

type serverError struct{ why error }

func (e serverError) Error() string { return "sending what was recorded: " + say(e.why) }

func (e serverError) Unwrap() []error { return []error{ErrServer, e.why} }
