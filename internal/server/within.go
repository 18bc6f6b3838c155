package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/wire"
)

// Login says whose token it is, for a page that somebody gives it to. A failure is counted and told of like that of any
// request.
func (c *Call) Login(r *http.Request, token string) (auth.Identity, error) {
	return c.server.login(r, c.Peer, token)
}

// Ask is the server's own API for a page: it gives what a request of the caller's would be answered with, and its error is
// what it would be refused with. So a page can neither show nor do what a program could not, and nothing decides twice who
// may. A target is a path and a query, escaped; a body is JSON.
//
// The request that the page is of has been let in, and charged for, already: this one is not counted again.
func (c *Call) Ask(ctx context.Context, method, target string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, target, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("a page asks for what is no address: %w", err)
	}
	inner := *c
	inner.Body, inner.Type = body, "application/json"
	a := &withinAnswer{call: &inner, header: http.Header{}}
	c.server.within.ServeHTTP(a, r)
	if a.err == nil && !a.routed {
		a.err = Refuse(wire.NotFound, "")
	}
	return a.body.Bytes(), a.err
}

// withinAnswer is what an answer within the process is written to, and who asks.
type withinAnswer struct {
	call   *Call
	header http.Header
	body   bytes.Buffer
	routed bool
	err    error
}

func (a *withinAnswer) Header() http.Header         { return a.header }
func (a *withinAnswer) WriteHeader(int)             {}
func (a *withinAnswer) Write(b []byte) (int, error) { return a.body.Write(b) }

// askable is a mux of the routes for Ask: those that come to an end, and are no pages.
func askable(byPattern map[string][]Route) *http.ServeMux {
	mux := http.NewServeMux()
	for pattern, routes := range byPattern {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			a := w.(*withinAnswer) // nobody else asks this mux
			i := slices.IndexFunc(routes, func(rt Route) bool { return rt.Method == r.Method && !rt.Long && rt.Refused == nil })
			if i < 0 {
				return
			}
			a.routed = true
			if routes[i].Intake {
				if a.err = a.call.server.takes(); a.err != nil {
					return
				}
				a.call.clock = a.call.server.ClockMark()
			}
			a.err = routes[i].Handle(a, r, a.call)
		})
	}
	return mux
}
