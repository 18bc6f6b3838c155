package stet_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// serve handles one request behind a Middleware.
func serve(o stet.MiddlewareOptions, r *http.Request, h http.HandlerFunc) {
	stet.Middleware(o)(h).ServeHTTP(httptest.NewRecorder(), r)
}

func request(t *testing.T, target string, headers ...string) *http.Request {
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, target, nil)
	r.RemoteAddr = "192.0.2.7:5678"
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func everybody(*http.Request) bool { return true }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}

var read = event.Event{EventType: "sensitive_read"}

// An event that is recorded under a request says who, where and what belongs together (policy: Who, Where, Interaction
// Identifier), and so does a job.
func TestMiddleware(t *testing.T) {
	w := open(t, stet.Options{})
	type key struct{}
	user := func(r *http.Request) string { s, _ := r.Context().Value(key{}).(string); return s }
	mux := http.NewServeMux()
	mux.HandleFunc("GET /invoices/{id}", func(_ http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), key{}, "alice") // who authenticates stands behind the Middleware
		must(t, w.Record(ctx, read))
		must(t, w.Do(ctx, job("a"), nothing))
	})
	r := request(t, "/invoices/17?token=hunter2hunter2", "User-Agent", "curl/8")
	r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.Addr(&net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8080})))
	stet.Middleware(stet.MiddlewareOptions{User: user})(mux).ServeHTTP(httptest.NewRecorder(), r)

	events := w.events()
	if len(events) != 5 {
		t.Fatalf("recorded is %v", w.types())
	}
	for _, e := range events {
		if e.UserID != "alice" || e.SourceIP != "192.0.2.7" || e.Source == nil || e.Source.Port != 5678 || e.Source.UserAgent != "curl/8" ||
			e.Host == nil || e.Host.Port != 8080 || e.Host.Name == "" || e.Principal.Type != "service_account" {
			t.Errorf("%s: user %q, from %q, source %+v, host %+v, principal %+v", e.EventType, e.UserID, e.SourceIP, e.Source, e.Host, e.Principal)
		}
		if d := cmp.Diff(&event.EntryPoint{Kind: "http", Name: "/invoices/{id}", Method: "GET"}, e.EntryPoint); d != "" {
			t.Errorf("%s: %s", e.EventType, d)
		}
		if e.InteractionID != events[0].InteractionID || !isUUID(e.InteractionID) {
			t.Errorf("%s: interaction %q", e.EventType, e.InteractionID)
		}
		if e.Derived["entry_point"] != "http request" || e.Derived["source_ip"] != "http connection" || e.Derived["user_id"] != "" || e.Absent["user_id"] != "" {
			t.Errorf("%s: derived %v, absent %v", e.EventType, e.Derived, e.Absent)
		}
		if e.Job != nil && (e.Why.Trigger != "api" || e.Job.ParentID != "") {
			t.Errorf("%s: %+v, trigger %q", e.EventType, e.Job, e.Why.Trigger)
		}
	}
	if strings.Contains(fmt.Sprint(events), "hunter2") {
		t.Error("the query is in an event")
	}
}

// Where nobody is logged in, the process's own user is not taken for the client.
func TestMiddlewareUser(t *testing.T) {
	for _, tc := range []struct {
		name         string
		user         func(*http.Request) string
		with         string
		want, absent string
	}{
		{"nobody asks", nil, "", "", event.AbsentNotConfigured},
		{"nobody is logged in", func(*http.Request) string { return "" }, "", "", event.AbsentUnauthenticated},
		{"a panic", func(*http.Request) string { panic("x") }, "", "", event.AbsentUnavailable},
		{"somebody", func(*http.Request) string { return "alice" }, "", "alice", ""},
		{"the program knows better", func(*http.Request) string { return "alice" }, "bob", "bob", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			r := request(t, "/")
			r = r.WithContext(stet.WithUser(r.Context(), "whoever runs the server"))
			serve(stet.MiddlewareOptions{User: tc.user}, r, func(_ http.ResponseWriter, r *http.Request) {
				ctx := r.Context()
				if tc.with != "" {
					ctx = stet.WithUser(ctx, tc.with)
				}
				must(t, w.Record(ctx, read))
				must(t, w.Do(ctx, job("a"), func(ctx context.Context, run *stet.Run) error {
					must(t, w.Do(stet.WithRun(context.Background(), run), job("child"), nothing))
					return w.Record(stet.WithRun(context.Background(), run), read)
				}))
			})
			for _, e := range w.events() {
				if e.UserID != tc.want || e.Absent["user_id"] != tc.absent || e.Derived["user_id"] != "" {
					t.Errorf("%s: user %q, absent %q, derived %q", e.EventType, e.UserID, e.Absent["user_id"], e.Derived["user_id"])
				}
			}
		})
	}
}

// The entry point is the route where it is known, else the path, never the query; an event may say otherwise.
func TestMiddlewareEntryPoint(t *testing.T) {
	for _, tc := range []struct {
		name, pattern string
		given         *event.EntryPoint
		want          event.EntryPoint
	}{
		{"a path", "", nil, event.EntryPoint{Kind: "http", Name: "/a b", Method: "GET"}},
		{"a route", "/a/{x}", nil, event.EntryPoint{Kind: "http", Name: "/a/{x}", Method: "GET"}},
		{"a route with a method", "GET \t example.com/a/{x}", nil, event.EntryPoint{Kind: "http", Name: "example.com/a/{x}", Method: "GET"}},
		{"the event says so itself", "", &event.EntryPoint{Kind: "form", Name: "f"}, event.EntryPoint{Kind: "form", Name: "f"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			r := request(t, "/a%20b?c=d")
			r.Pattern = tc.pattern
			serve(stet.MiddlewareOptions{}, r, func(_ http.ResponseWriter, r *http.Request) {
				must(t, w.Record(r.Context(), event.Event{EventType: "sensitive_read", EntryPoint: tc.given}))
			})
			e := w.only("sensitive_read")
			if d := cmp.Diff(&tc.want, e.EntryPoint); d != "" || (e.Derived["entry_point"] == "") != (tc.given != nil) {
				t.Errorf("%s; derived %q", d, e.Derived["entry_point"])
			}
		})
	}
}

// Who is not trusted changes nothing in the tree: what he claims is kept as a claim, and passed on to nobody.
func TestMiddlewareTrust(t *testing.T) {
	network := []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, tc := range []struct {
		name    string
		o       stet.MiddlewareOptions
		remote  string
		trusted bool
	}{
		{"nobody is", stet.MiddlewareOptions{}, "127.0.0.1:1", false},
		{"one of the peers", stet.MiddlewareOptions{Peers: network}, "192.0.2.7:1", true},
		{"one of the peers, in IPv6 spelling", stet.MiddlewareOptions{Peers: network}, "[::ffff:192.0.2.7]:1", true},
		{"none of the peers", stet.MiddlewareOptions{Peers: network}, "198.51.100.1:1", false},
		{"a peer behind a proxy", stet.MiddlewareOptions{Peers: network, Proxies: proxies}, "10.0.0.1:1", true},
		{"a proxy among the peers does not vouch for its clients", stet.MiddlewareOptions{Peers: proxies, Proxies: proxies}, "10.0.0.1:1", false},
		{"a peer by a stranger's word", stet.MiddlewareOptions{Peers: network}, "198.51.100.1:1", false},
		{"the program says so", stet.MiddlewareOptions{Trust: everybody}, "@", true},
		{"the program says no", stet.MiddlewareOptions{Peers: network, Trust: func(*http.Request) bool { return false }}, "@", false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			r := request(t, "/", stet.HeaderInteractionID, "theirs", stet.HeaderParentJobID, claimedParent, stet.HeaderRootJobID, claimedRoot,
				"Traceparent", parent, "Baggage", "tenant=7", "X-Forwarded-For", "192.0.2.9")
			r.RemoteAddr = tc.remote
			told := stet.MapCarrier{}
			serve(tc.o, r, func(_ http.ResponseWriter, r *http.Request) {
				stet.Inject(r.Context(), told)
				must(t, w.Record(r.Context(), read))
				must(t, w.Do(r.Context(), job("a"), nothing))
			})
			claims := []event.Reference{{Kind: "claimed_interaction_id", Value: "theirs"}, {Kind: "claimed_parent_job_id", Value: claimedParent},
				{Kind: "claimed_root_job_id", Value: claimedRoot}, {Kind: "claimed_traceparent", Value: parent}}
			if tc.trusted {
				claims = nil
			}
			for _, e := range w.events() {
				if (e.InteractionID == "theirs") != tc.trusted || (e.TraceID == traceID) != tc.trusted {
					t.Errorf("%s: interaction %q, trace %q", e.EventType, e.InteractionID, e.TraceID)
				}
				if e.Job != nil && ((e.Job.ParentID == claimedParent && e.Job.RootID == claimedRoot) != tc.trusted || (e.Why.Trigger == "parent") != tc.trusted) {
					t.Errorf("%s: %+v, trigger %q", e.EventType, e.Job, e.Why.Trigger)
				}
				if how := e.Derived["interaction_id"]; (how == "http header: "+stet.HeaderInteractionID+" (claimed by the peer)") != tc.trusted {
					t.Errorf("%s: derived %q", e.EventType, how)
				}
				if e.EventType == "sensitive_read" || e.EventType == "job_submitted" {
					if d := cmp.Diff(claims, e.References); d != "" {
						t.Errorf("%s: %s", e.EventType, d)
					}
				}
			}
			if got := told[stet.HeaderParentJobID] == claimedParent && told["traceparent"] == parent && strings.Contains(told["baggage"], "tenant=7"); got != tc.trusted {
				t.Errorf("told on is %v", told)
			}
			if told[stet.HeaderInteractionID] != w.only("sensitive_read").InteractionID {
				t.Errorf("told on is %v", told)
			}
		})
	}
}

// Claims that are not believed find room beside an event's own references, or none.
func TestMiddlewareClaimsLeaveRoom(t *testing.T) {
	w := open(t, stet.Options{})
	own := append(make([]event.Reference, 0, 20), slices.Repeat([]event.Reference{{Kind: "ticket", Value: "1"}}, 15)...)
	serve(stet.MiddlewareOptions{}, request(t, "/", stet.HeaderInteractionID, "theirs", "Traceparent", parent), func(_ http.ResponseWriter, r *http.Request) {
		must(t, w.Record(r.Context(), event.Event{EventType: "sensitive_read", References: own}))
	})
	if refs := w.only("sensitive_read").References; len(refs) != 16 || refs[15].Value != "theirs" {
		t.Errorf("%v", refs)
	}
	if behind := own[:cap(own)][len(own)]; behind != (event.Reference{}) {
		t.Errorf("the caller's own array now holds %v", behind)
	}
}

// A request is not a part of the job that the server itself runs in, nor of what started the server.
func TestMiddlewareInAJob(t *testing.T) {
	w := open(t, stet.Options{})
	setenv(t, []string{stet.EnvInteractionID + "=of-the-process", stet.EnvParentJobID + "=" + claimedParent, "TRACEPARENT=" + parent})
	server := begin(t, w, stet.WithUser(t.Context(), "root"), job("server"))
	r := request(t, "/")
	serve(stet.MiddlewareOptions{}, r.WithContext(stet.WithTrace(stet.WithRun(r.Context(), server), stet.Trace{ID: traceID, Span: spanID, Flags: "00"})),
		func(_ http.ResponseWriter, r *http.Request) {
			must(t, w.Record(r.Context(), read))
			must(t, w.Do(r.Context(), job("work"), nothing))
		})
	for _, e := range w.events() {
		if e.Job != nil && e.Job.Name == "server" {
			continue
		}
		if e.InteractionID == server.InteractionID() || e.InteractionID == "of-the-process" || e.TraceID == traceID || e.UserID != "" || e.Job != nil && e.Job.ParentID != "" {
			t.Errorf("%s: interaction %q, trace %q, user %q, job %+v", e.EventType, e.InteractionID, e.TraceID, e.UserID, e.Job)
		}
	}
}

// The client's address is the connection's, or the last that a proxy of ours names and that is none of them.
func TestMiddlewareClient(t *testing.T) {
	proxies := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
	for _, tc := range []struct {
		name    string
		o       stet.MiddlewareOptions
		remote  string
		headers []string
		want    string
	}{
		{"no proxies", stet.MiddlewareOptions{}, "10.0.0.1:1", []string{"X-Forwarded-For", "192.0.2.1"}, "10.0.0.1:1"},
		{"not from a proxy", stet.MiddlewareOptions{Proxies: proxies}, "192.0.2.9:1", []string{"X-Forwarded-For", "192.0.2.1"}, "192.0.2.9:1"},
		{"one proxy", stet.MiddlewareOptions{Proxies: proxies}, "10.0.0.1:1", []string{"X-Forwarded-For", "192.0.2.1"}, "192.0.2.1"},
		{"what the client made up", stet.MiddlewareOptions{Proxies: proxies}, "10.0.0.1:1", []string{"X-Forwarded-For", "10.9.9.9, 198.51.100.1, 192.0.2.1"}, "192.0.2.1"},
		{"two proxies, two lines", stet.MiddlewareOptions{Proxies: proxies}, "10.0.0.1:1", []string{"X-Forwarded-For", "198.51.100.1, 192.0.2.1", "X-Forwarded-For", "10.0.0.2"}, "192.0.2.1"},
		{"all of them proxies", stet.MiddlewareOptions{Proxies: proxies}, "10.0.0.1:1", []string{"X-Forwarded-For", "10.0.0.3, 10.0.0.2"}, "10.0.0.3"},
		{"no address", stet.MiddlewareOptions{Proxies: proxies}, "10.0.0.1:1", []string{"X-Forwarded-For", "192.0.2.1, unknown"}, "10.0.0.1:1"},
		{"no header", stet.MiddlewareOptions{Proxies: proxies}, "10.0.0.1:1", nil, "10.0.0.1:1"},
		{"another header is the client's own", stet.MiddlewareOptions{Proxies: proxies}, "10.0.0.1:1", []string{"Forwarded", "for=198.51.100.1", "X-Forwarded-For", "192.0.2.1"}, "192.0.2.1"},
		{"Forwarded", stet.MiddlewareOptions{Proxies: proxies, ProxyHeader: "forwarded"}, "[2001:db8::2]:1",
			[]string{"Forwarded", `for=198.51.100.1, For="[2001:470::1]:4711";proto=https, proto=http;by=10.0.0.2;for=10.0.0.2`}, "[2001:470::1]:4711"},
		{"Forwarded by nobody who says so", stet.MiddlewareOptions{Proxies: proxies, ProxyHeader: "Forwarded"}, "10.0.0.1:1", []string{"Forwarded", "for=198.51.100.1, for=_hidden"}, "10.0.0.1:1"},
		{"a header of its own", stet.MiddlewareOptions{Proxies: proxies, ProxyHeader: "X-Real-Ip"}, "10.0.0.1:1", []string{"X-Real-Ip", "192.0.2.1"}, "192.0.2.1"},
		{"a unix socket", stet.MiddlewareOptions{Proxies: proxies}, "", []string{"X-Forwarded-For", "192.0.2.1"}, "@"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := request(t, "/", tc.headers...)
			r.RemoteAddr = tc.remote
			if got := tc.o.Client(r); got != tc.want {
				t.Errorf("%q, want %q", got, tc.want)
			}
		})
	}
}

// What X-Forwarded-For and Forwarded say is kept, at most the last 16 of it, and believed by nobody.
func TestMiddlewareForwardedFor(t *testing.T) {
	w := open(t, stet.Options{})
	r := request(t, "/", "X-Forwarded-For", strings.Repeat("x,", 1<<16)+"\x1b[31m,192.0.2.1", "Forwarded", "for=198.51.100.1;by=z")
	r.RemoteAddr = ""
	serve(stet.MiddlewareOptions{}, r, func(_ http.ResponseWriter, r *http.Request) { must(t, w.Record(r.Context(), read)) })
	e := w.only("sensitive_read")
	if e.SourceIP != "" || e.Absent["source_ip"] != event.AbsentUnavailable {
		t.Errorf("from %q, absent %q", e.SourceIP, e.Absent["source_ip"])
	}
	if f := e.Source.ForwardedFor; len(f) != 16 || f[15] != "192.0.2.1" || f[14] != `\u001b[31m` || f[0] != "x" {
		t.Errorf("%q", f)
	}
	if d := cmp.Diff([]string{"198.51.100.1", "a"}, stet.Forwarded(http.Header{"X-Forwarded-For": {"a"}, "Forwarded": {"for=198.51.100.1;by=z"}})); d != "" {
		t.Error(d)
	}
}

// Where addresses are replaced by HMACs, none is left in the clear.
func TestMiddlewareIdentityKey(t *testing.T) {
	w := open(t, stet.Options{IdentityKey: bytes.Repeat([]byte{7}, 32)})
	user := func(*http.Request) string { return "alice" }
	serve(stet.MiddlewareOptions{User: user}, request(t, "/", "X-Forwarded-For", "198.51.100.1"), func(_ http.ResponseWriter, r *http.Request) {
		must(t, w.Record(r.Context(), read))
		must(t, w.Do(r.Context(), job("a"), nothing))
	})
	for _, e := range w.events() {
		if e.Source.ForwardedFor != nil || e.Absent["source.forwarded_for"] != event.AbsentRedacted || !strings.HasPrefix(e.SourceIP, "hmac-") || !strings.HasPrefix(e.UserID, "hmac-") {
			t.Errorf("%s: user %q, from %q, source %+v", e.EventType, e.UserID, e.SourceIP, e.Source)
		}
	}
}

// Headers of a megabyte cost neither an event nor much of it.
func TestMiddlewareHugeHeaders(t *testing.T) {
	w := open(t, stet.Options{})
	huge := strings.Repeat("k=v,", 1<<18)
	r := request(t, "/"+strings.Repeat("p", 1<<16), "User-Agent", huge, "Baggage", huge, "Tracestate", huge, "Traceparent", huge,
		stet.HeaderInteractionID, huge, stet.HeaderParentJobID, huge, "Forwarded", huge, "X-Forwarded-For", huge)
	r.Method = strings.Repeat("M", 1<<16)
	serve(stet.MiddlewareOptions{Trust: everybody}, r, func(_ http.ResponseWriter, r *http.Request) {
		must(t, w.Record(r.Context(), read))
		h := http.Header{}
		stet.Inject(r.Context(), h)
		if n := len(h.Get("Baggage")); n > 8192 {
			t.Errorf("%d bytes of baggage are passed on", n)
		}
	})
	if e := w.only("sensitive_read"); len(e.Source.UserAgent) > 512 || len(e.EntryPoint.Name) > 1024 {
		t.Errorf("%d bytes of user agent, %d of entry point", len(e.Source.UserAgent), len(e.EntryPoint.Name))
	}
}

// A header that tries to forge a line of the log, or of a header that is sent on, ends as text.
func TestMiddlewareLineBreaks(t *testing.T) {
	w := open(t, stet.Options{})
	serve(stet.MiddlewareOptions{Trust: everybody}, request(t, "/a%0d%0ab", "User-Agent", "x\r\ny", stet.HeaderInteractionID, "i%0d%0aX-Admin: 1", "Baggage", "a=1\r\nX-Admin: 1"),
		func(_ http.ResponseWriter, r *http.Request) {
			must(t, w.Record(r.Context(), read))
			h := http.Header{}
			stet.Inject(r.Context(), h)
			for name, values := range h {
				if strings.ContainsAny(strings.Join(values, ""), "\r\n") {
					t.Errorf("%s: %q", name, values)
				}
			}
		})
	if e := w.only("sensitive_read"); e.EntryPoint.Name != `/a\r\nb` || e.Source.UserAgent != `x\r\ny` {
		t.Errorf("entry point %q, user agent %q", e.EntryPoint.Name, e.Source.UserAgent)
	}
}

// The ResponseWriter is handed on as it is, so that flushing, hijacking and full duplex work.
func TestMiddlewareKeepsTheResponseWriter(t *testing.T) {
	rw := httptest.NewRecorder()
	stet.Middleware(stet.MiddlewareOptions{})(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if w != http.ResponseWriter(rw) {
			t.Error("it is another")
		}
	})).ServeHTTP(rw, request(t, "/"))
}

// A job that outlives its request still says where it came in.
func TestJobOutlivesItsRequest(t *testing.T) {
	w := open(t, stet.Options{})
	var run *stet.Run
	serve(stet.MiddlewareOptions{}, request(t, "/a"), func(_ http.ResponseWriter, r *http.Request) {
		var err error
		run, err = w.Begin(r.Context(), job("a"))
		must(t, err)
		r.Pattern, r.Method, r.URL.Path = "/other", "PUT", "/other" // what others do with it later is not about the job
	})
	must(t, run.Succeed(t.Context()))
	if d := cmp.Diff(&event.EntryPoint{Kind: "http", Name: "/a", Method: "GET"}, w.only("job_succeeded").EntryPoint); d != "" {
		t.Error(d)
	}
}
