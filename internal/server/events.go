package server

import (
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/stetlog/stet/docs"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/internal/wire"
)

// acceptedFormat is the format member of the answer of POST /v1/events.
const acceptedFormat = "stet.accepted/1"

// accepted is that answer: a verdict for each event, in the order of the request.
type accepted struct {
	Format  string           `json:"format"`
	Results []intake.Verdict `json:"results"`
}

// postEvents takes events that nobody has sealed, and answers when those that it took are durable (L1). The status is 200
// where at least one of them was not refused, else 422.
func (s *Server) postEvents(w http.ResponseWriter, r *http.Request, c *Call) error {
	if err := c.may(auth.Append, auth.Subject{App: c.App, Environment: c.Environment}); err != nil {
		return err // this one may add nothing of anybody's
	}
	verdicts, err := s.takeEvents(r, c)
	if err != nil {
		return err
	}
	status := http.StatusUnprocessableEntity
	if slices.ContainsFunc(verdicts, func(v intake.Verdict) bool { return v.Status != intake.Refused }) {
		status = http.StatusOK
	}
	return WriteJSON(w, status, accepted{acceptedFormat, verdicts})
}

// takeEvents takes what a request brings: CloudEvents, or drafts of events.
func (s *Server) takeEvents(r *http.Request, c *Call) ([]intake.Verdict, error) {
	if isCloudEvents(r, c) {
		return s.takeCloudEvents(r, c)
	}
	raws, err := splitEvents(c.Type, c.Body)
	switch {
	case errors.Is(err, errManyEvents):
		return nil, Refuse(wire.TooLarge, err.Error())
	case err != nil:
		return nil, Refuse(wire.Malformed, err.Error())
	}
	began := time.Now()
	verdicts, err := s.door.Take(r.Context(), s.sender(c), raws)
	if err != nil {
		return nil, s.stopped(err)
	}
	s.metrics.acked.WithLabelValues(levelDurable).Observe(time.Since(began).Seconds())
	for _, v := range verdicts {
		if v.Status == intake.Refused {
			s.metrics.refused.WithLabelValues(v.Code).Inc()
		}
	}
	return verdicts, nil
}

// sender is who posts events, and what they may.
func (s *Server) sender(c *Call) intake.Sender {
	from := intake.Sender{Via: viaOf(c), App: c.App, Environment: c.Environment}
	from.May = func(app, environment string) error {
		if err := c.May(auth.Append, auth.Subject{App: app, Environment: environment}); err != nil {
			return err
		}
		if ref := s.opens(c, intake.KeyOf(from.Via.Sender(), app+"/"+environment, event.UUID{})); ref != nil {
			return &event.Error{Code: string(ref.problem.Code), Path: "environment", Detail: ref.problem.Detail, Hint: ref.problem.Hint}
		}
		return nil
	}
	return from
}

// opens charges the caller for a stream, where this one has not been written to of late: a token that may write for every
// environment of its application could open as many as there are names.
func (s *Server) opens(c *Call, stream intake.Key) *refusal {
	if s.streams.has(stream) {
		return nil
	}
	now := time.Now()
	if wait := debt(c.quota.streams, now); wait > 0 {
		ref := refuse(wire.RateLimited, "too many new streams")
		ref.retry = wait
		return ref
	}
	charge(c.quota.streams, now, 1)
	s.streams.add(stream)
	return nil
}

// lately is a set of the streams that were written to of late, at most lateStreams.
type lately struct {
	mu  sync.Mutex
	all map[intake.Key]bool
}

// lateStreams is more than the log keeps open, so that none is charged for twice that is open still.
const lateStreams = 4096

func (l *lately) has(stream intake.Key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[stream]
}

// add forgets all others where they are too many: what is charged for once more than it should be is little.
func (l *lately) add(stream intake.Key) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.all) >= lateStreams || l.all == nil {
		l.all = map[intake.Key]bool{}
	}
	l.all[stream] = true
}

// getOpenAPI answers with the description of all routes.
func (s *Server) getOpenAPI(w http.ResponseWriter, _ *http.Request, _ *Call) error {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Cache-Control", cacheNever)
	_, err := w.Write([]byte(docs.OpenAPI))
	return err
}
