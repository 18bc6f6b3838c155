package server

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/proof"
)

// ClockMark is what via says of this server's clock: nothing while it is in step.
func (s *Server) ClockMark() string {
	switch s.clock.State() {
	case clock.Synchronized:
		return ""
	case clock.Unsynchronized:
		return proof.ClockUnsynchronized
	}
	return proof.ClockUnknown
}

// watchClock records, until ctx ends, each time that the clock is found to have fallen out of step, also at the start. Where
// the kernel cannot be asked there is nothing to record: via says so with every entry.
func (s *Server) watchClock(ctx context.Context) {
	tick := time.NewTicker(clock.SampleEvery)
	defer tick.Stop()
	for off := false; ; {
		e := s.clock.Evidence()
		switch {
		case e.State == clock.Unsynchronized && !off:
			off = s.tellClock(ctx, e) // again, where the log could not be told
		case e.State == clock.Synchronized && off:
			off = false
			s.logger.Info("the clock is in step again")
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (s *Server) tellClock(ctx context.Context, e clock.Evidence) (told bool) {
	why := fmt.Sprintf("the kernel says that nothing keeps it in step, and that it may be off by %v", time.Duration(e.ErrorUS())*time.Microsecond)
	s.logger.Warn("the clock is not in step: received_at is only as good as it", slog.String("why", why))
	if s.o.Record == nil {
		return true
	}
	_, err := s.o.Record(ctx, &event.Event{EventType: "clock_skewed", Action: "observe", Object: &event.Object{Type: "clock", ID: "server"},
		Status: event.StatusFailure, StatusReason: why, InteractionID: "clock", CodeLocation: "internal/server",
		EntryPoint: &event.EntryPoint{Kind: "cli", Name: "stet serve"}})
	if err != nil && ctx.Err() == nil {
		s.logger.Error("the log could not be told of the clock", slog.Any("error", err))
	}
	return err == nil
}
