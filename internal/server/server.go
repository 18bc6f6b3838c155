package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/proof"
)

// Server answers requests. All its methods are safe for concurrent use.
type Server struct {
	o         Options
	limits    Limits
	logger    *slog.Logger
	clock     *clock.Clock
	log       Log
	source    Source
	bodies    *bodies
	quotas    *quotas
	logins    *quotas       // of failed logins, by address
	working   chan struct{} // a place for each request that is being answered
	asking    chan struct{} // a place for each question to the index
	listening chan struct{} // a place for each stream of events
	apart     chan struct{} // a place for each request whose foreign records are taken apart
	keeper    *keeper       // nil: there is no index
	selfcheck *selfcheck    // nil: there is none
	ending    chan struct{} // closed when the end has begun
	endOnce   sync.Once
	metrics   *metrics
	gaps      *gaps
	door      *intake.Door
	streams   lately
	handler   http.Handler
	within    *http.ServeMux // what Call.Ask asks

	draining atomic.Bool // the end has begun

	mu    sync.Mutex
	gates []*gate
}

// New makes a server. It starts nothing.
func New(o Options) (*Server, error) {
	if o.Log == nil || o.Authority == nil {
		return nil, errors.New("a server needs a Log and an Authority")
	}
	s := &Server{o: o, limits: o.Limits.orDefaults(), logger: o.Logger, clock: o.Clock, log: o.Log, source: o.Log.Source(), gaps: newGaps()}
	if s.logger == nil {
		s.logger = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = clock.New()
	}
	s.bodies = newBodies(s.limits.Memory, runtime.GOMAXPROCS(0))
	s.quotas = newQuotas(s.limits, time.Now)
	s.logins = newQuotas(Limits{RequestRate: 1, RequestBurst: 20, ByteRate: 1, ByteBurst: 1, StreamRate: 1, StreamBurst: 1}, time.Now)
	s.working = make(chan struct{}, s.limits.Requests)
	s.listening, s.ending = make(chan struct{}, s.limits.Tails), make(chan struct{})
	s.apart = make(chan struct{}, convertsAtOnce())
	s.asking = make(chan struct{}, s.limits.Queries)
	if o.Index != nil {
		s.keeper = newKeeper(o.Index, s.log, o.Feed, s.logger)
	}
	if o.Verify != nil {
		s.selfcheck = newSelfcheck(o.Verify, s.logger)
	}
	s.metrics = newMetrics(s)
	s.door = s.newDoor(s.log)
	cp, err := proof.ParseCheckpointText(s.log.Checkpoint())
	if err == nil {
		err = s.door.Remember(context.Background(), s.source, cp.Size)
	}
	if err != nil {
		return nil, fmt.Errorf("look for events that may come again: %w", err)
	}
	s.handler = s.routed(s.Routes())
	return s, nil
}

// newDoor makes the door for what comes unsealed, in front of a log.
func (s *Server) newDoor(log intake.Log) *intake.Door {
	return intake.New(intake.Options{Log: log, Now: time.Now, Explain: s.explain, FS: s.o.FS, Record: s.o.Record, Logger: s.logger,
		Count: func(kind intake.Kind, status string) { s.metrics.foreign.WithLabelValues(string(kind), status).Inc() }})
}

// Door takes what comes unsealed, also by other ways than HTTP. Serve runs it.
func (s *Server) Door() *intake.Door { return s.door }

// Routes are all routes that the server answers, its own and those that it was given.
func (s *Server) Routes() []Route { return append(s.ownRoutes(), s.o.Routes...) }

// Handler answers all requests, without listeners: connection limits and timeouts are Serve's.
func (s *Server) Handler() http.Handler { return s.handler }

// Serve answers on all listeners, which it closes, until ctx ends; then it takes no more, tells so by its readiness,
// and returns when every request that was under way has its answer, or after drain. Its error is nil after an orderly end,
// also where drain cut somebody off: who has no answer sends again.
//
// When the log has stopped after an error, Serve goes on reading for a moment, so that readiness can be seen, and
// returns that error: only a new start can tell what the disk holds.
func (s *Server) Serve(ctx context.Context, drain time.Duration, listeners ...net.Listener) error {
	h := &http.Server{
		Handler: s.handler, ConnContext: withPeer,
		ReadHeaderTimeout: s.limits.HeaderTime, ReadTimeout: s.limits.ReadTime, WriteTimeout: s.limits.WriteTime, IdleTimeout: s.limits.IdleTime,
		MaxHeaderBytes: s.limits.Header,
		HTTP2:          &http.HTTP2Config{MaxConcurrentStreams: s.limits.Streams},
		ErrorLog:       slog.NewLogLogger(s.logger.Handler(), slog.LevelWarn),
	}
	ended := make(chan error, len(listeners))
	for _, l := range listeners {
		g := newGate(s.limits.Connections)
		s.mu.Lock()
		s.gates = append(s.gates, g)
		s.mu.Unlock()
		go func() { ended <- h.Serve(g.listen(l)) }()
	}
	also, endAlso := context.WithCancel(ctx)
	defer endAlso()
	beside := make(chan error, 1)
	go func() {
		if s.o.Also == nil {
			<-also.Done()
			beside <- nil
			return
		}
		beside <- s.o.Also(also, s)
	}()
	watching, stop := context.WithCancel(context.WithoutCancel(ctx)) // what is taken until the end is counted
	var watches sync.WaitGroup
	watches.Go(func() { s.watchClock(watching) })
	watches.Go(func() { s.door.Run(watching) })
	if s.keeper != nil {
		watches.Go(func() { s.keeper.run(watching) })
	}
	if s.selfcheck != nil {
		watches.Go(func() { s.selfcheck.run(watching) })
	}
	defer watches.Wait()
	defer stop()
	var failed error
	left := len(listeners)
	select {
	case <-ctx.Done():
	case err := <-ended:
		failed = err
		left--
	case err := <-beside:
		failed = err
		beside <- nil
	case failed = <-s.ended(ctx):
	}
	endAlso()
	s.draining.Store(true)
	s.endOnce.Do(func() { close(s.ending) }) // streams end by themselves
	s.logger.Info("ending: no new requests are taken", slog.Any("because", errors.Join(failed, context.Cause(ctx))))
	shut, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	if err := h.Shutdown(shut); err != nil {
		s.logger.Warn("some requests were cut off; their senders will send again", slog.Any("error", err))
		failed = errors.Join(failed, h.Close())
	}
	failed = errors.Join(failed, <-beside)
	for range left {
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			failed = errors.Join(failed, err)
		}
	}
	return failed
}

// openConnections counts the connections over all listeners, and how often one had to wait for a place.
func (s *Server) openConnections() (open int64, waited uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.gates {
		open += g.open.Load()
		waited += g.waits.Load()
	}
	return open, waited
}
