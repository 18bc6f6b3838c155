package stet

import (
	"context"
	"crypto/rand"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// MiddlewareOptions say what a Middleware believes of a request. The zero value believes nobody.
type MiddlewareOptions struct {
	// Peers are the networks whose claims are taken: see Middleware. They are compared with the client's address, as
	// Proxies name it.
	Peers []netip.Prefix
	// Trust says so of a request, by a client certificate for example. It may be nil; either is enough.
	Trust func(*http.Request) bool
	// Proxies are the networks of proxies of one's own. Where a connection comes from one of them, the client is the last
	// address in ProxyHeader that is none of them.
	Proxies []netip.Prefix
	// ProxyHeader is the one header that all Proxies set: "Forwarded" (RFC 7239), or a list of addresses; "" is
	// X-Forwarded-For. No other is looked at, because what the proxies do not set, the client may have set.
	ProxyHeader string
	// User returns who is logged in, as user_id has it, and "" for nobody. It is called when something is recorded, with
	// the context that it is recorded under: what authenticates may stand behind the Middleware. It must be safe for
	// concurrent use. nil: the events say that no user is configured.
	User func(*http.Request) string
}

// Middleware returns what to wrap a handler in, so that what is recorded under a request's context says whose it was: the
// user, the address and port that it came from, the user agent, and as entry point the route (http.Request.Pattern) or the
// path, never the query. It records nothing itself, and hands the ResponseWriter on as it is.
//
// A request is the top of a place of its own: one interaction id for everything that is recorded under it, the trigger api
// for its jobs. From a peer that is trusted the claims in its headers are taken instead: interaction, parent and root job,
// trace and baggage, as Transport sends them, each named in "derived" as a claim. So a job that begins in the handler
// becomes a child of the job that sent the request, with this process's own principal. From all others the claims change
// nothing: events, and the submissions of jobs, show them as references whose kind begins with "claimed_", and they are
// not passed on.
//
// The address is that of the connection, unless Proxies are named; what else X-Forwarded-For and Forwarded say stands in
// source.forwarded_for, which nobody should believe. The route is known where a ServeMux handles the very request that the
// Middleware hands on; put it around the mux, or around each handler in it.
func Middleware(o MiddlewareOptions) func(http.Handler) http.Handler {
	if o.ProxyHeader == "" {
		o.ProxyHeader = headerForwardedFor
	}
	return func(next http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			next.ServeHTTP(w, o.under(r))
		})
	}
}

// under returns r with a context that says all this.
func (o MiddlewareOptions) under(r *http.Request) *http.Request {
	ip, ipHow := o.client(r)
	q := &request{user: o.User, port: localPort(r.Context()), source: event.Source{UserAgent: r.UserAgent(), ForwardedFor: forwarded(r.Header)}}
	l := claims(r.Header.Values, claimedBy("http header"))
	if !o.trusted(r, ip) {
		q.claims = l.references()
		l = lineage{}
	}
	if l.interaction == "" {
		l.interaction = newRequestID()
	}
	ctx := l.in(r.Context())
	ctx = context.WithValue(ctx, sourceIPKey{}, found{ip, ipHow})
	ctx = context.WithValue(ctx, userKey{}, nil)
	ctx = context.WithValue(ctx, requestKey{}, q)
	q.r = r.WithContext(ctx)
	return q.r
}

func (o MiddlewareOptions) trusted(r *http.Request, ip string) bool {
	if a, _, ok := fitAddress(ip); ok && contains(o.Peers, a) {
		return true
	}
	return o.Trust != nil && o.Trust(r)
}

func newRequestID() string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails: see Recorder.newID
	return event.NewUUIDv7(time.Now(), random).String()
}

// localPort is the port that the request came in at; 0 where that is not known.
func localPort(ctx context.Context) int64 {
	if at, ok := ctx.Value(http.LocalAddrContextKey).(interface{ String() string }); ok {
		if a, err := netip.ParseAddrPort(at.String()); err == nil {
			return int64(a.Port())
		}
	}
	return 0
}

// request is what is known of a request that something is recorded under.
type request struct {
	r      *http.Request // as it was handed on; a ServeMux writes its Pattern
	entry  *event.EntryPoint
	user   func(*http.Request) string
	source event.Source // without the port, which comes with the address
	port   int64        // ours, 0: not known
	claims []event.Reference
}

func requestOf(ctx context.Context) *request {
	q, _ := ctx.Value(requestKey{}).(*request)
	return q
}

// settled is q as it is now, for a job that may outlive the request.
func (q *request) settled() *request {
	if q == nil {
		return nil
	}
	s := *q
	s.entry, s.r, s.user = q.entryPoint(), nil, nil
	return &s
}

// entryPoint is the route where it is known, else the path. A query may hold anything.
func (q *request) entryPoint() *event.EntryPoint {
	if q.entry != nil {
		return q.entry
	}
	name := q.r.URL.Path
	if _, route, ok := strings.Cut(q.r.Pattern, " "); ok {
		name = strings.TrimLeft(route, " \t")
	} else if q.r.Pattern != "" {
		name = q.r.Pattern
	}
	return &event.EntryPoint{Kind: "http", Name: name, Method: q.r.Method}
}

// into makes an event one of the request; nothing where q is nil. Where r replaces addresses by HMACs, those that the
// request came through are left out, because a list of them has no room for HMACs.
func (q *request) into(ev *event.Event, r *Recorder) {
	if q == nil {
		return
	}
	given(ev, "entry_point.name")
	ev.EntryPoint, ev.Derived["entry_point"] = q.entryPoint(), "http request"
	if q.source.UserAgent != "" || len(q.source.ForwardedFor) > 0 {
		s := q.source
		if len(r.o.IdentityKey) > 0 && len(s.ForwardedFor) > 0 {
			s.ForwardedFor = nil
			ev.Absent["source.forwarded_for"] = event.AbsentRedacted
		}
		ev.Source = &s
	}
	if ev.Host != nil && q.port > 0 {
		h := *ev.Host
		h.Port = q.port
		ev.Host = &h
	}
}

// complete is into for an application's own event, which may say some of it itself: e is as it was given.
func (q *request) complete(e, ev *event.Event, r *Recorder) {
	if q == nil {
		return
	}
	q.into(ev, r)
	if e.EntryPoint != nil {
		given(ev, "entry_point")
		ev.EntryPoint = e.EntryPoint
	}
	if e.Source != nil {
		ev.Source = e.Source
		delete(ev.Absent, "source.forwarded_for")
	}
	if e.Host != nil {
		ev.Host = e.Host
	}
	more := q.claims[:min(len(q.claims), max(0, maxReferences-len(ev.References)))]
	ev.References = append(slices.Clip(ev.References), more...) // the caller's array is his
}

// userOf is who ctx says is logged in, or why that is not known. Both are empty outside a request.
func userOf(ctx context.Context) (user, absent string) {
	if id := value(ctx, userKey{}).text; id != "" {
		return id, ""
	}
	q := requestOf(ctx)
	if q == nil {
		return "", ""
	}
	if q.user == nil {
		return "", event.AbsentNotConfigured
	}
	defer func() {
		if recover() != nil { // another's mistake must not cost the record
			user, absent = "", event.AbsentUnavailable
		}
	}()
	if id := q.user(q.r.WithContext(ctx)); id != "" {
		return id, ""
	}
	return "", event.AbsentUnauthenticated
}
