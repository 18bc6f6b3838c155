package server

import (
	"math"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/clock"
)

// metrics are what the server counts, in a registry of its own.
type metrics struct {
	registry *prometheus.Registry
	handler  http.Handler
	requests *prometheus.CounterVec   // by route and status
	refused  *prometheus.CounterVec   // by code: requests and elements
	acked    *prometheus.HistogramVec // by level
	events   prometheus.Counter
	batches  *prometheus.CounterVec // by status
	received prometheus.Counter
	foreign  *prometheus.CounterVec // records of other systems, by kind of source and result
}

// The acknowledgement levels that a server gives.
const (
	levelDurable = "L1" // in the journal
	levelSigned  = "L2" // under a checkpoint
)

func newMetrics(s *Server) *metrics {
	r := prometheus.NewRegistry()
	m := &metrics{
		registry: r,
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "stet_http_requests_total", Help: "Requests answered, by route and status."}, []string{"route", "status"}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "stet_refused_total", Help: "Requests, and elements of requests, refused, by code."}, []string{"code"}),
		acked: prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "stet_acknowledgement_seconds",
			Help:    "From a request's body having arrived until what was in it had a level: L1 durable in the journal, L2 under a signed checkpoint.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}}, []string{"level"}),
		events:   prometheus.NewCounter(prometheus.CounterOpts{Name: "stet_events_total", Help: "Events placed in the log that came sealed."}),
		batches:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "stet_elements_total", Help: "Elements of POST /v1/batches, by status: placed, again or refused."}, []string{"status"}),
		received: prometheus.NewCounter(prometheus.CounterOpts{Name: "stet_received_bytes_total", Help: "Bytes of request bodies, as they came."}),
		foreign: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "stet_foreign_records_total",
			Help: "Records of other systems, by kind of source and result: accepted, again, ignored because they are no events, or refused."}, []string{"source", "result"}),
	}
	r.MustRegister(m.requests, m.refused, m.acked, m.events, m.batches, m.received, m.foreign,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	gauge := func(name, help string, value func() float64) {
		r.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("stet_queue_depth", "Batches between the ledger's queue and their answer.", func() float64 { return float64(s.log.State().Waiting) })
	gauge("stet_unpublished_entries", "Entries that are durable and not yet under a checkpoint.", func() float64 {
		st := s.log.State()
		return float64(st.Durable - st.Published)
	})
	gauge("stet_unpublished_bytes", "Bytes of memory that hold entries until they are published.", func() float64 { return float64(s.log.State().Backlog) })
	gauge("stet_oldest_unpublished_seconds", "Age of the oldest entry that is durable and not yet under a checkpoint; 0 where there is none. This is the publish lag.", func() float64 {
		if oldest := s.log.State().Oldest; !oldest.IsZero() {
			return max(0, time.Since(oldest).Seconds())
		}
		return 0
	})
	if s.keeper != nil {
		gauge("stet_index_behind_entries", "Entries under the newest checkpoint that cannot be found yet.", func() float64 {
			n, _, err := s.keeper.behind(time.Now())
			return orNaN(float64(n), err)
		})
		gauge("stet_index_behind_seconds", "How long ago the oldest of these was received; 0 where there is none.", func() float64 {
			_, age, err := s.keeper.behind(time.Now())
			return orNaN(age.Seconds(), err)
		})
		gauge("stet_index_stopped", "1 while the index cannot go on because the log cannot be read.", func() float64 { return truth(s.keeper.unread.Load() != nil) })
		gauge("stet_index_rebuilding", "1 while the index is made anew, or has as much to catch up with.", func() float64 { return truth(s.keeper.rebuilding()) })
	}
	gauge("stet_log_size", "Entries under the newest checkpoint.", func() float64 { return float64(s.log.State().Published) })
	gauge("stet_streams_with_gaps", "Streams that were refused for a hole and have not gone on since.", func() float64 { return float64(s.gaps.count()) })
	gauge("stet_requests_working", "Requests that are being answered.", func() float64 { return float64(len(s.working)) })
	gauge("stet_tails", "Streams of events that are open.", func() float64 { return float64(len(s.listening)) })
	gauge("stet_body_bytes", "Memory held for request bodies, in bytes.", func() float64 { return float64(s.bodies.mem.used.Load()) })
	gauge("stet_connections", "Open connections.", func() float64 {
		open, _ := s.openConnections()
		return float64(open)
	})
	r.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: "stet_connection_waits_total", Help: "Connections that had to wait for a place."}, func() float64 {
		_, waited := s.openConnections()
		return float64(waited)
	}))
	gauge("stet_ready", "1 while everything is taken, 0 while /readyz says why not.", func() float64 { return truth(len(s.Reasons()) == 0) })
	gauge("stet_clock_synchronized", "1 while the kernel says that its clock is in step.", func() float64 { return truth(s.clock.State() == clock.Synchronized) })
	gauge("stet_clock_error_seconds", "How far off the clock may be, as the kernel says; 0 where it cannot be asked.", func() float64 {
		return (time.Duration(s.clock.Evidence().ErrorUS()) * time.Microsecond).Seconds()
	})
	r.MustRegister(s.o.Metrics...)
	m.handler = promhttp.HandlerFor(r, promhttp.HandlerOpts{MaxRequestsInFlight: 4, Timeout: 10 * time.Second})
	return m
}

// orNaN is a value that may not be known.
func orNaN(v float64, err error) float64 {
	if err != nil {
		return math.NaN()
	}
	return v
}

func truth(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// getMetrics answers auditors and administrators, and without a token who is on this machine.
func (s *Server) getMetrics(w http.ResponseWriter, r *http.Request, c *Call) error {
	if c.Role != "" || !c.Peer.Loopback() {
		if err := c.may(auth.ReadMetrics, auth.Subject{}); err != nil {
			return err
		}
	}
	s.metrics.handler.ServeHTTP(w, r)
	return nil
}
