package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/internal/wire"
)

// A refusal is a request that is refused as a whole. Handlers return it as an error; the server writes it.
type refusal struct {
	problem wire.Problem
	retry   time.Duration // 0: no Retry-After
	allow   []string      // methods, with 405
	close   bool          // the connection cannot be used again: a body was not read to its end
	err     error         // what happened, for the server's own log; may be nil
}

func (r *refusal) Error() string { return r.problem.Error() }
func (r *refusal) Unwrap() error { return r.err }

// As makes a refusal a *wire.Problem for errors.As: whoever asks by Call.Ask learns what a program would have been told.
func (r *refusal) As(target any) bool {
	p, ok := target.(**wire.Problem)
	if ok {
		*p = &r.problem
	}
	return ok
}

// refuse is a refusal by the table in package wire. detail is for whoever sent the request: it repeats nothing in which a
// secret may stand.
func refuse(c wire.Code, detail string) *refusal {
	r := &refusal{problem: wire.NewProblem(c, detail)}
	if m, ok := wire.Lookup(c); ok && m.Later {
		r.retry = time.Second
	}
	return r
}

// Refuse is what a Route's Handle returns to refuse a request with a code of package wire. detail repeats nothing in which a
// secret may stand.
func Refuse(c wire.Code, detail string) error { return refuse(c, detail) }

// asRefusal makes an answer of any error of a handler. What is no refusal is the server's own failure: its text stays in the
// server's log, for it may name files.
func asRefusal(ctx context.Context, err error) *refusal {
	var r *refusal
	if errors.As(err, &r) {
		return r
	}
	switch {
	case errors.Is(err, errTooLarge):
		r = refuse(wire.TooLarge, err.Error())
		r.close = true
	case errors.Is(err, errEncoding):
		r = refuse(wire.UnsupportedEncoding, err.Error())
		r.close = true
	case errors.Is(err, errGarbled):
		r = refuse(wire.Malformed, "the body is not what its Content-Encoding says")
	case errors.Is(err, errOverloaded):
		r = refuse(wire.Overloaded, err.Error())
		r.close = true
	case errors.Is(err, errSlow):
		r = refuse(wire.RequestTimeout, err.Error())
		r.close = true
	case errors.Is(err, errCut):
		r = refuse(wire.Incomplete, err.Error())
		r.close = true
	case errors.Is(err, errFraming):
		r = refuse(wire.Malformed, err.Error())
		r.close = true
	case ctx.Err() != nil:
		r = refuse(wire.Overloaded, "the request was not done in time; what became of it is not known: send it again")
	default:
		r = refuse(wire.Internal, "")
	}
	r.err = err
	return r
}

// write writes the refusal, unless an answer has begun: by way of page, or as a problem where that is nil.
func (r *refusal) write(w http.ResponseWriter, req *http.Request, page func(http.ResponseWriter, *http.Request, wire.Problem)) {
	h := w.Header()
	for _, name := range []string{"Content-Encoding", "Content-Length", "Vary", "ETag"} { // of an answer that was given up
		h.Del(name)
	}
	h.Set("Content-Type", wire.ProblemType)
	h.Set("Cache-Control", cacheNever)
	if r.retry > 0 {
		h.Set("Retry-After", strconv.Itoa(retryAfter(r.retry)))
	}
	if len(r.allow) > 0 {
		h.Set("Allow", strings.Join(r.allow, ", "))
	}
	if r.problem.Status == http.StatusUnauthorized {
		h.Set("WWW-Authenticate", `Bearer realm="stet"`)
	}
	if r.close {
		h.Set("Connection", "close")
	}
	if page != nil {
		page(w, req, r.problem)
		return
	}
	w.WriteHeader(r.problem.Status)
	_, _ = w.Write(r.problem.Append(nil)) // whoever is not there any more needs no answer
}

// answer is a ResponseWriter that remembers what it said.
type answer struct {
	http.ResponseWriter
	status int // 0: nothing yet
	bytes  int64
}

func (a *answer) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(b []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	n, err := a.ResponseWriter.Write(b)
	a.bytes += int64(n)
	return n, err
}

// Unwrap is for http.ResponseController.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// finish ends a request: it writes the refusal, counts, and logs what is the server's own fault.
func (s *Server) finish(a *answer, r *http.Request, route string, page func(http.ResponseWriter, *http.Request, wire.Problem), err error) {
	var ref *refusal
	if err != nil {
		ref = asRefusal(r.Context(), err)
		s.metrics.refused.WithLabelValues(string(ref.problem.Code)).Inc()
		if a.status == 0 {
			ref.write(a, r, page)
		}
		switch {
		case ref.problem.Status < http.StatusInternalServerError || ref.err == nil:
		case errors.Is(ref.err, context.Canceled) && r.Context().Err() != nil: // no fault of the server's
			s.logger.LogAttrs(r.Context(), slog.LevelInfo, "a sender went away before its answer", slog.String("route", route), slog.Any("error", ref.err))
		default:
			s.logger.LogAttrs(r.Context(), slog.LevelError, "request failed", slog.String("route", route), slog.Any("error", ref.err))
		}
	}
	s.metrics.requests.WithLabelValues(route, fmt.Sprint(a.status)).Inc()
}
