package main

import (
	"context"
	"log/slog"
	"time"
	_ "time/tzdata" // a zone means the same wherever a server runs

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/watch"
)

// watchFlags are when a server calls something missing.
type watchFlags struct {
	StartWithin    time.Duration `help:"A job that was asked for and has not started for so long never started." default:"1h"`
	SilentAfter    time.Duration `help:"A run that nothing was heard of for so long has no outcome." default:"24h"`
	HeartbeatGrace time.Duration `help:"A heartbeat that is late by so much is missing." default:"2m"`
	RestartGrace   time.Duration `help:"How long emitters have to send, after the server began, before anything is called missing." default:"10m"`
}

// deadlines are what the log is told of them.
func (f watchFlags) deadlines() map[string]time.Duration {
	return map[string]time.Duration{"start_within": f.StartWithin, "silent_after": f.SilentAfter, "heartbeat_grace": f.HeartbeatGrace, "restart_grace": f.RestartGrace}
}

// lookout is a server's watch: it follows what is published, and records what is missing.
type lookout struct {
	watch  *watch.Watch
	runner *watch.Runner
	logger *slog.Logger
}

func (f watchFlags) lookout(logger *slog.Logger, held *store.Held, feed *published.Feed) *lookout {
	policy := watch.Policy{StartWithin: f.StartWithin, SilentAfter: f.SilentAfter, HeartbeatGrace: f.HeartbeatGrace, RestartGrace: f.RestartGrace}
	w := watch.New(policy)
	expected := &expect.Machine{Watch: expect.Watch{RestartGrace: f.RestartGrace, Began: time.Now()}}
	return &lookout{watch: w, logger: logger,
		runner: &watch.Runner{Log: held, Feed: feed, StoreKey: held.Marker().StoreKey, Machines: []watch.Machine{w, expected}, Logger: logger}}
}

// hole takes in that a batch was refused because of the numbers before it.
func (l *lookout) hole(stream string, expected, got uint64) {
	id, err := event.ParseUUID(stream)
	if err != nil {
		return // the log has no such streams
	}
	at := time.Now()
	l.runner.Tell(func() { l.watch.Hole(id, expected, got, at) })
}

// begin watches until stop, also while the last requests are answered.
func (l *lookout) begin(ctx context.Context) (stop func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := l.runner.Run(ctx); err != nil {
			l.logger.Error("what is missing is not noticed any more", slog.Any("error", err))
		}
	}()
	return func() {
		cancel()
		<-done
	}
}
