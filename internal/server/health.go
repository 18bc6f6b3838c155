package server

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
)

// The codes of reasons for not being ready.
const (
	reasonDraining = "draining"             // the server is ending
	reasonStopped  = "log_stopped"          // the log has stopped after an error; only a new start helps
	reasonFull     = "disk_full"            // reads are served, nothing is taken
	reasonClock    = "clock_unsynchronized" // with --require-clock-sync
)

// Reason is why a server is not ready.
type Reason struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// Reasons are why the server is not ready; none says that it is.
func (s *Server) Reasons() []Reason {
	var all []Reason
	if s.draining.Load() {
		all = append(all, Reason{reasonDraining, "the server is ending; another one, or the next start, takes what you have"})
	}
	switch err := s.log.Ready(); {
	case errors.Is(err, store.ErrFull):
		all = append(all, Reason{reasonFull, "the disk is nearly full: what is there can be read, nothing is added until there is room"})
	case err != nil: // its text may name files
		all = append(all, Reason{reasonStopped, "the log has stopped after an error, which the server's own log tells; it must be started again"})
	}
	if !s.o.RequireClockSync {
		return all
	}
	if state := s.clock.State(); state != clock.Synchronized {
		all = append(all, Reason{reasonClock, "the kernel says that its clock is " + string(state) + ", and this server was told to require better"})
	}
	return all
}

// takes refuses what would be added to the log while nothing can be.
func (s *Server) takes() error {
	reasons := s.Reasons()
	if len(reasons) == 0 {
		return nil
	}
	code := wire.NotReady
	if reasons[0].Code == reasonFull {
		code = wire.DiskFull
	}
	ref := refuse(code, reasons[0].Detail)
	ref.retry = notReadyRetry
	return ref
}

// notReadyRetry is how long a sender should stay away from a server that is not ready.
const notReadyRetry = 5 * time.Second

// getHealth says that the process answers, and nothing else.
func (s *Server) getHealth(w http.ResponseWriter, _ *http.Request, _ *Call) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", cacheNever)
	_, err := w.Write([]byte("ok\n"))
	return err
}

// readiness is the answer of /readyz: stet.ready/1.
type readiness struct {
	Format  string   `json:"format"`
	Ready   bool     `json:"ready"`
	Reasons []Reason `json:"reasons"`
}

func (s *Server) getReady(w http.ResponseWriter, _ *http.Request, _ *Call) error {
	reasons := s.Reasons()
	status := http.StatusOK
	if len(reasons) > 0 {
		status = http.StatusServiceUnavailable
	}
	return WriteJSON(w, status, readiness{"stet.ready/1", len(reasons) == 0, append([]Reason{}, reasons...)})
}

// WriteJSON is for answers that are small and rare.
func WriteJSON(w http.ResponseWriter, status int, v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", cacheNever)
	w.WriteHeader(status)
	_, err = w.Write(append(b, '\n'))
	return err
}

// linger is how long a server whose log has stopped goes on, not ready, so that those who look at readiness see why.
const linger = 5 * time.Second

// ended says when the log has stopped for good, linger later, and why.
func (s *Server) ended(ctx context.Context) <-chan error {
	failed := make(chan error, 1)
	go func() {
		select {
		case <-ctx.Done():
			return
		case <-s.log.Failed():
		}
		err := s.log.Ready()
		s.logger.Error("the log has stopped: nothing is taken any more, and the server ends", slog.Any("error", err))
		select {
		case <-ctx.Done():
		case <-time.After(linger):
		}
		failed <- err
	}()
	return failed
}
