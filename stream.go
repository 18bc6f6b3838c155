package stet

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/spool"
)

// streams is what a Recorder writes to. A stream that failed is never written again: the next record opens another.
type streams struct {
	em      *emitter.Emitter // nil: none is open
	opening *opening         // under way, for all who wait
	place   *place           // found once
	// held are streams that failed while runs that they started are open, with the number of these. They keep their lock
	// until the last of them has ended: whoever finds it free takes the runs for those of a dead process.
	held map[*emitter.Emitter]int

	failures int       // in a row
	retry    time.Time // not before
	why      error     // the last failure
}

type opening struct {
	began time.Time     // with its monotonic reading
	done  chan struct{} // closed when em and err are set
	em    *emitter.Emitter
	err   error
}

// place is where streams go, and the key that seals them.
type place struct {
	fsys   fsx.FS
	key    keyfile.Key
	signer note.Signer
	room   *spool.Room
	remote *remote // nil: the store is a directory
	close  func() error
}

// findPlace prepares a store's directory and the emitter's key.
func findPlace(path, state, host string) (p place, err error) {
	if state, err = stateDir(state); err != nil {
		return p, err
	}
	if err := makeStore(path); err != nil {
		return p, err
	}
	if p.key, err = keyfile.Emitter(state, host, rand.Reader); err != nil {
		return p, err
	}
	if p.signer, err = p.key.NoteSigner(); err != nil {
		return p, err
	}
	dir, err := fsx.OpenDir(path)
	if err != nil {
		return p, err
	}
	p.fsys, p.close = dir, dir.Close
	return p, nil
}

// makeStore creates the directory, durably, or checks that it is the user's own.
func makeStore(path string) error {
	if err := makeDir(path); err != nil {
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

// makeDir is os.MkdirAll, and syncs the parent of each directory that it makes: what is put into a directory whose name
// is not durable is not durable.
func makeDir(path string) error {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrNotExist) && filepath.Dir(path) != path {
		if err := makeDir(filepath.Dir(path)); err != nil {
			return err
		}
		err = os.Mkdir(path, 0o700)
	}
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	parent, err := fsx.OpenDir(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(parent.SyncDir("."), parent.Close())
}

// pauseMost is the longest pause between two attempts to open a stream.
const pauseMost = 30 * time.Second

// stream returns the open stream, and opens one where there is none. Where attempts fail, they pause: otherwise a full
// disk would be filled with empty spools. Who is not patient does not wait for an attempt that others have waited for in
// vain. The caller holds starting or ending for reading, or is Open.
func (r *Recorder) stream(ctx context.Context, patient bool) (*emitter.Emitter, error) {
	r.mu.Lock()
	s := &r.streams
	if s.em != nil {
		defer r.mu.Unlock()
		return s.em, nil
	}
	if wait := time.Until(s.retry); wait > 0 && s.opening == nil {
		defer r.mu.Unlock()
		return nil, fmt.Errorf("the spool is tried again in %v; the last time: %w", wait.Round(time.Millisecond), s.why)
	}
	if s.opening == nil {
		s.opening = &opening{began: time.Now(), done: make(chan struct{})}
		go r.openStream(s.opening)
	}
	o := s.opening
	r.mu.Unlock()
	if since := time.Since(o.began); !patient && r.inVain(since) {
		return nil, stuckError{since}
	}
	select {
	case <-o.done:
		return o.em, o.err
	case <-ctx.Done():
		return nil, fmt.Errorf("opening a spool: %w", context.Cause(ctx))
	}
}

// openStream runs beside those who wait, so that a disk that hangs cannot hold them beyond their deadline.
func (r *Recorder) openStream(o *opening) {
	o.em, o.err = r.newStream()
	r.mu.Lock()
	s := &r.streams
	s.em, s.opening = o.em, nil
	if o.err != nil {
		s.failed(o.err)
	} else {
		r.beginInheritance()
	}
	r.mu.Unlock()
	close(o.done)
}

func (r *Recorder) newStream() (*emitter.Emitter, error) {
	r.mu.Lock()
	p := r.streams.place
	r.mu.Unlock()
	if p == nil {
		found, err := r.find()
		if err != nil {
			return nil, err
		}
		p = &found
		p.room = &spool.Room{FS: p.fsys, Dir: spool.Dir, Most: r.o.SpoolBytes, Keep: r.o.KeepFree, Now: time.Now}
		r.mu.Lock()
		r.streams.place = p
		r.mu.Unlock()
		if p.remote != nil {
			r.remote.Store(p.remote)
			p.remote.begin(r)
		}
	}
	m := spool.Meta{V: 1, StreamID: r.newID().String(), Key: p.key.VKey, AppID: r.base.AppID, Environment: r.base.Environment,
		Host: clip(strings.ToValidUTF8(r.where.Hostname.Text, "?"), 255), BootID: r.clock.Evidence().BootID, MachineID: r.where.Machine.Text,
		PID: os.Getpid(), StartedAt: event.FormatTime(r.clock.Now().Wall)}
	return emitter.Open(emitter.Options{FS: p.fsys, Dir: spool.Dir, Meta: m, Signer: p.signer, Codec: r.codec, Clock: r.clock, Rand: rand.Reader, Room: p.room})
}

// failed notes a failure and when to try again: the first time at once, then after 1, 2, 4 s and so on.
func (s *streams) failed(err error) {
	s.failures++
	s.why = err
	if n := s.failures - 2; n >= 0 {
		s.retry = time.Now().Add(min(time.Second<<min(n, 10), pauseMost))
	}
}

// works notes that the open stream took something.
func (r *Recorder) works() {
	r.mu.Lock()
	r.streams.failures, r.streams.retry, r.streams.why = 0, time.Time{}, nil
	r.mu.Unlock()
}

// giveUp drops a stream that cannot be written any more, so that the next record starts a new one.
func (r *Recorder) giveUp(ctx context.Context, em *emitter.Emitter, why error) {
	r.mu.Lock()
	s := &r.streams
	if s.em != em {
		r.mu.Unlock()
		return // another caller did
	}
	s.em = nil
	s.failed(why)
	open := 0
	for run := range r.runs {
		if run.em == em {
			open++
		}
	}
	if open > 0 {
		if s.held == nil {
			s.held = map[*emitter.Emitter]int{}
		}
		s.held[em] = open
	}
	r.mu.Unlock()
	if open == 0 {
		_ = em.CloseContext(ctx) // its error is the one that the caller has already; where the disk hangs, it goes on by itself
	}
}

// register makes the run one that Close ends, and that keeps the lock of the stream em that it is started in.
func (r *Recorder) register(run *Run, em *emitter.Emitter) {
	r.mu.Lock()
	run.em = em
	r.runs[run] = struct{}{}
	r.mu.Unlock()
}

// forget is for a run that has its outcome, or can have none.
func (r *Recorder) forget(ctx context.Context, run *Run) {
	r.mu.Lock()
	_, open := r.runs[run]
	delete(r.runs, run)
	run.pulse = pulse{}
	if len(r.runs) == 0 {
		r.heart.nudge()
	}
	em := run.em
	if n := r.streams.held[em]; !open || n != 1 {
		if open && n > 1 {
			r.streams.held[em]--
		}
		em = nil
	} else {
		delete(r.streams.held, em)
	}
	r.mu.Unlock()
	if em != nil {
		_ = em.CloseContext(ctx) // it failed before, and that was reported
	}
}

// closeStreams seals the open stream as final and lets all locks and the directory go. Where ctx ends first, that goes on
// by itself.
func (r *Recorder) closeStreams(ctx context.Context) error {
	r.mu.Lock()
	o := r.streams.opening
	r.mu.Unlock()
	closed := make(chan error, 1)
	go func() {
		if o != nil {
			<-o.done
		}
		r.mu.Lock()
		s := r.streams
		r.streams = streams{}
		r.mu.Unlock()
		var errs []error
		if s.em != nil {
			errs = append(errs, s.em.Close())
		}
		for em := range s.held {
			_ = em.Close() // it failed before, and that was reported
		}
		if s.place != nil {
			s.place.remote.end(r)
		}
		if s.place != nil && s.place.close != nil {
			errs = append(errs, s.place.close())
		}
		closed <- errors.Join(errs...)
	}()
	select {
	case err := <-closed:
		return err
	case <-ctx.Done():
		return fmt.Errorf("close the stream: %w; what was acknowledged is durable", context.Cause(ctx))
	}
}
