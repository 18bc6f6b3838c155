package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ship"
)

// What an emitter of TestChaos does in one life: so many goroutines record, with these pauses, and one more runs jobs.
const (
	chaosWriters = 3
	chaosPause   = 100 * time.Millisecond
	chaosBrisk   = 50 // after so many records a writer makes longer pauses, so that a slow machine is not buried
	chaosRest    = time.Second
)

// told is one line of an emitter, written when what it says is so.
type told struct {
	What   string // recorded, ran, sent, loss
	Writer int    // which goroutine recorded; chaosWriters is the one with the jobs
	N      int    // its how manieth, from 1
	Why    string // of a loss
}

// chaosEmitter is the process that TestChaos kills: it records, and sends as fast as it can, until its standard input ends.
// Its arguments are its name and its life, both of which stand in its events.
func chaosEmitter() {
	e := &chaosRecorder{out: json.NewEncoder(os.Stdout), name: os.Args[1] + "." + os.Args[2]}
	rec, err := stet.Open(context.Background(), "", stet.Options{App: os.Getenv("STET_APP"), SendWait: 5 * time.Second,
		Deadline: 2 * time.Minute, // the machine may be slow, and this is not about that
		OnLoss: func(err error) {
			if err = chaosHarm(ship.Report{}, err); err != nil {
				e.tell(told{What: "loss", Why: err.Error()})
			}
		}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	e.rec = rec
	ctx, stop := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that is said there
		stop()
	}()
	var recording, sending sync.WaitGroup
	sending.Go(func() { e.send(ctx) })
	for w := range chaosWriters {
		recording.Go(func() { e.record(ctx, w) })
	}
	recording.Go(func() { e.run(ctx) })
	recording.Wait()
	sending.Wait()
	if err := rec.Close(); err != nil {
		e.tell(told{What: "loss", Why: "close: " + err.Error()})
	}
}

type chaosRecorder struct {
	rec  *stet.Recorder
	name string

	mu  sync.Mutex
	out *json.Encoder
}

func (e *chaosRecorder) tell(s told) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.out.Encode(s); err != nil {
		os.Exit(1) // nobody listens any more
	}
}

// pause keeps the load at what one machine can do for all of them.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// rest is what a writer does after its record number n.
func rest(ctx context.Context, n int) {
	if n > chaosBrisk {
		pause(ctx, chaosRest)
		return
	}
	pause(ctx, chaosPause)
}

// record records one event after the other, and says so when it is durable.
func (e *chaosRecorder) record(ctx context.Context, writer int) {
	for n := 1; ctx.Err() == nil; n++ {
		err := e.rec.Record(context.Background(), event.Event{EventType: "chaos_event", Description: fmt.Sprintf("%s %d %d", e.name, writer, n)})
		if err != nil {
			e.tell(told{What: "loss", Why: err.Error()})
			return
		}
		e.tell(told{What: "recorded", Writer: writer, N: n})
		rest(ctx, n)
	}
}

// run runs one job after the other.
func (e *chaosRecorder) run(ctx context.Context) {
	for n := 1; ctx.Err() == nil; n++ {
		job := stet.Job{Name: fmt.Sprintf("%s %d %d", e.name, chaosWriters, n), Reason: "chaos"}
		if err := e.rec.Do(context.Background(), job, func(context.Context, *stet.Run) error { pause(ctx, chaosPause); return nil }); err != nil {
			e.tell(told{What: "loss", Why: err.Error()})
			return
		}
		e.tell(told{What: "ran", Writer: chaosWriters, N: n})
		rest(ctx, n)
	}
}

// send sends without the pauses that the Recorder makes after a failure, which does the same beside it.
func (e *chaosRecorder) send(ctx context.Context) {
	s, done, err := chaosShipper(os.Getenv("STET_STORE"), os.Getenv("STET_STATE"), os.Getenv("STET_TOKEN_FILE"))
	if err != nil {
		e.tell(told{What: "loss", Why: err.Error()})
		return
	}
	defer func() { _ = done() }() // only reads are left open
	for ctx.Err() == nil {
		r, err := s.Flush(ctx)
		if why := chaosHarm(r, err); why != nil {
			e.tell(told{What: "loss", Why: why.Error()})
			return
		}
		if r.Batches > 0 {
			e.tell(told{What: "sent", N: r.Events})
		}
		pause(ctx, chaosPause)
	}
}

// chaosShipper sends what a machine has spooled for a server.
func chaosShipper(url, state, token string) (s *ship.Shipper, done func() error, err error) {
	a, err := ship.ParseAddress(url)
	if err != nil {
		return nil, nil, err
	}
	place, err := a.Place(state, "")
	if err != nil {
		return nil, nil, err
	}
	all := make([]*fsx.Dir, 2)
	for i, path := range []string{state, place} {
		if err := os.MkdirAll(filepath.Clean(path), 0o700); err != nil {
			return nil, nil, err
		}
		if all[i], err = fsx.OpenDir(path); err != nil {
			return nil, nil, err
		}
	}
	c := ship.NewClient(a)
	s = &ship.Shipper{Client: c, Address: a, TokenFile: token, State: all[0], Place: all[1], Known: known.Dir{FS: all[0], Name: known.DirName}, Now: time.Now}
	return s, func() error {
		c.Close()
		return errors.Join(all[0].Close(), all[1].Close())
	}, nil
}

// chaosHarm is what must never come of sending, whatever happens to the network and the server: that something is damaged,
// refused, or not to be believed. That it did not work this time is none of it.
func chaosHarm(r ship.Report, err error) error {
	var refused *ship.RefusedError
	switch {
	case r.Refused > 0 || len(r.Damaged) > 0:
		return fmt.Errorf("%+v", r)
	case err == nil, errors.Is(err, ship.ErrUnreachable), errors.Is(err, context.Canceled), errors.Is(err, fsx.ErrLocked):
		return nil
	case errors.As(err, &refused) && (refused.Later() || refused.Status == http.StatusBadRequest): // what was cut is malformed
		return nil
	}
	return err
}
