package server

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"path"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/wire"
)

// Route is what answers one method of one path.
type Route struct {
	Method  string // GET, which HEAD comes with, POST or DELETE
	Pattern string // of http.ServeMux, without method and host
	// Handle answers. Its error becomes the answer; one that is not made by Refuse is an internal error, of which only the
	// server's own log tells. It must ask c.May before it does or tells anything.
	Handle func(w http.ResponseWriter, r *http.Request, c *Call) error

	Anyone bool // also who does not say who they are; otherwise they are told to
	Free   bool // no quota, and no limit of requests at once: for what must answer when nothing else does
	Long   bool // answers for as long as the caller listens: counted by itself, and without a limit of time
	Intake bool // adds to the log: refused while that cannot take anything

	// Refused writes a refusal in a form of its own; nil: it is a problem.
	Refused func(w http.ResponseWriter, r *http.Request, p wire.Problem)

	Types []string // media types of a body; empty: no body is taken
	// AnyType says whether a request's header lets its body have any media type, or none; nil: never.
	AnyType  func(http.Header) bool
	Packed   int64 // most bytes of a body as it comes
	Inflated int64 // and unpacked
}

// Call is who sends a request, and its body.
type Call struct {
	auth.Identity
	Peer Peer
	Body []byte // unpacked; valid until Handle returns, or calls drop
	Type string // the body's media type, one of the route's

	body   *body // that Body lies in; nil where there is none, or none any more
	server *Server
	quota  *quota
	clock  string // what via says of the server's clock
}

// drop gives the memory of the body to others, before the answer, where that is waited for. Nothing in it may be used any more.
func (c *Call) drop() {
	if c.body != nil {
		c.body.free()
		c.body, c.Body = nil, nil
	}
}

// allowed turns a decision of package auth into an answer.
func allowed(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, auth.ErrKey):
		return Refuse(wire.KeyNotEnrolled, err.Error())
	default:
		return Refuse(wire.NotAllowed, err.Error())
	}
}

func (c *Call) may(do auth.Action, what auth.Subject) error { return allowed(c.May(do, what)) }

// routed is the handler of all routes. What none of them answers is a problem like any other refusal.
func (s *Server) routed(routes []Route) http.Handler {
	byPattern := map[string][]Route{}
	for _, rt := range routes {
		byPattern[rt.Pattern] = append(byPattern[rt.Pattern], rt)
	}
	mux := http.NewServeMux()
	for pattern, methods := range byPattern {
		mux.Handle(pattern, s.dispatch(pattern, methods))
		if bare := strings.TrimSuffix(pattern, "/"); bare != "" && bare != pattern && byPattern[bare] == nil {
			mux.Handle(bare, s.dispatch("other", nil)) // which the mux would send on to the pattern
		}
	}
	if _, ok := byPattern["/"]; !ok {
		mux.Handle("/", s.dispatch("other", nil))
	}
	s.within = askable(byPattern)
	outside := http.NewCrossOriginProtection() // a web page must not use what its reader may do
	outside.SetDenyHandler(s.dispatch("cross-origin", nil))
	inside := outside.Handler(mux)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		// A mux would answer a path that is not clean with a redirection; here it is no path at all.
		if p := r.URL.Path; r.URL.RawPath != "" || p == "" || p[0] != '/' || path.Clean(p) != p {
			s.dispatch("other", nil).ServeHTTP(w, r)
			return
		}
		inside.ServeHTTP(w, r)
	})
}

// dispatch answers one pattern, by method.
func (s *Server) dispatch(pattern string, methods []Route) http.Handler {
	var allow []string
	var refused func(http.ResponseWriter, *http.Request, wire.Problem)
	for _, rt := range methods {
		allow, refused = append(allow, rt.Method), rt.Refused
		if rt.Method == http.MethodGet {
			allow = append(allow, http.MethodHead)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a := &answer{ResponseWriter: w}
		var err error
		defer func() {
			if p := recover(); p != nil {
				if aborted, ok := p.(error); ok && errors.Is(aborted, http.ErrAbortHandler) {
					panic(p)
				}
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
			s.finish(a, r, pattern, refused, err)
		}()
		method := r.Method
		if method == http.MethodHead {
			method = http.MethodGet
		}
		i := slices.IndexFunc(methods, func(rt Route) bool { return rt.Method == method })
		switch {
		case pattern == "cross-origin":
			err = Refuse(wire.NotAllowed, "a browser sent this for another site's page")
		case len(methods) == 0:
			err = Refuse(wire.NotFound, "")
		case i < 0:
			ref := refuse(wire.MethodNotAllowed, "")
			ref.allow = allow
			err = ref
		default:
			err = s.answer(a, r, methods[i])
		}
	})
}

// answer lets a request in, step by step, each of which costs more than the one before, and has it handled.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, rt Route) error {
	c := &Call{Peer: peerFrom(r.Context()), server: s}
	var err error
	if c.Identity, err = s.identify(r, c.Peer, rt.Anyone); err != nil {
		return err
	}
	if !rt.Free {
		end, err := s.admit(c, rt.Long)
		if err != nil {
			return err
		}
		defer end()
	}
	if rt.Intake {
		if err := s.takes(); err != nil {
			return err
		}
		c.clock = s.ClockMark()
	}
	if !rt.Long {
		ctx, cancel := context.WithTimeout(r.Context(), s.limits.ReadTime+s.limits.HandleTime)
		defer cancel()
		r = r.WithContext(ctx)
	}
	if len(rt.Types) > 0 {
		b, err := s.receive(w, r, rt, c)
		if err != nil {
			return err
		}
		c.body, c.Body = b, b.b
		defer c.drop()
	} else if r.ContentLength != 0 {
		return Refuse(wire.Malformed, "a body where none is taken")
	}
	return rt.Handle(w, r, c)
}

// admit counts a request against its caller's quota and the server's bounds. end must be called.
func (s *Server) admit(c *Call, long bool) (end func(), err error) {
	c.quota = s.quotas.of(callerName(c))
	now := time.Now()
	if wait := max(charge(c.quota.requests, now, 1), debt(c.quota.bytes, now)); wait > 0 {
		ref := refuse(wire.RateLimited, "")
		ref.retry = wait
		return nil, ref
	}
	if long {
		return s.listen(c)
	}
	if !c.quota.begin(s.limits.PerToken) {
		return nil, Refuse(wire.RateLimited, fmt.Sprintf("%d requests of yours are being answered", s.limits.PerToken))
	}
	select {
	case s.working <- struct{}{}:
	default:
		c.quota.end()
		return nil, Refuse(wire.Overloaded, fmt.Sprintf("%d requests are being answered", s.limits.Requests))
	}
	return func() {
		<-s.working
		c.quota.end()
	}, nil
}

// listen counts a stream against its caller's bound and the server's. end must be called.
func (s *Server) listen(c *Call) (end func(), err error) {
	if most := s.limits.Tails/2 + 1; !c.quota.listen(most) {
		return nil, Refuse(wire.RateLimited, fmt.Sprintf("%d streams are yours", most))
	}
	select {
	case s.listening <- struct{}{}:
	default:
		c.quota.listened()
		return nil, Refuse(wire.Overloaded, fmt.Sprintf("%d streams are open", s.limits.Tails))
	}
	return func() {
		<-s.listening
		c.quota.listened()
	}, nil
}

// callerName names a caller for its quota: by token, else by uid, else by address.
func callerName(c *Call) string {
	switch {
	case c.Token != "":
		return "token " + c.Token
	case c.Peer.Unix:
		return fmt.Sprintf("uid %d", c.Peer.UID)
	}
	return "addr " + c.Peer.Addr.Addr().Unmap().String()
}

// receive reads the body, and charges the caller for what came, also where it is then refused.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, rt Route, c *Call) (*body, error) {
	var err error
	values := r.Header.Values("Content-Type")
	if len(values) == 1 {
		c.Type, _, err = mime.ParseMediaType(values[0])
	}
	whatever := len(values) < 2 && rt.AnyType != nil && rt.AnyType(r.Header)
	if !whatever && (err != nil || len(values) != 1 || !slices.Contains(rt.Types, c.Type)) {
		return nil, Refuse(wire.UnsupportedMediaType, "Content-Type must be "+strings.Join(rt.Types, " or "))
	}
	b, received, err := s.bodies.read(w, r, rt.Packed, rt.Inflated)
	s.metrics.received.Add(float64(received))
	charge(c.quota.bytes, time.Now(), int(received))
	return b, err
}

// told passes on that a caller was given events.
func (s *Server) told(ctx context.Context, c *Call, r Reading) {
	if s.o.Read != nil && r.Entries > 0 {
		s.o.Read(ctx, c.Identity, c.Peer, r)
	}
}
