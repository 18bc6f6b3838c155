package server

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/wire"
)

// Whatever is no request of the API is refused with a problem that says so, and nothing is redirected or repeated.
func TestRequestsThatAreNone(t *testing.T) {
	w := newWorld(t, nil)
	const secret = "stet1_c2VjcmV0"
	body := []byte("x")
	for _, tc := range []struct {
		name, token, method, target string
		body                        []byte
		headers                     []string
		want                        wire.Code
	}{
		{"nowhere", "admin", "GET", "/", nil, nil, wire.NotFound},
		{"another place", "admin", "GET", "/v2/batches", nil, nil, wire.NotFound},
		{"a slash too much", "admin", "GET", "/checkpoint/", nil, nil, wire.NotFound},
		{"a slash too few", "admin", "GET", "/tile", nil, nil, wire.NotFound},
		{"dots", "admin", "GET", "/tile/../checkpoint", nil, nil, wire.NotFound},
		{"dots, hidden", "admin", "GET", "/tile/%2e%2e/checkpoint", nil, nil, wire.NotFound},
		{"slashes, hidden", "admin", "GET", "/tile%2F0%2F000", nil, nil, wire.NotFound},
		{"two slashes", "admin", "GET", "//checkpoint", nil, nil, wire.NotFound},
		{"a file of the store", "admin", "GET", "/tile/0/../../keys/log.key", nil, nil, wire.NotFound},
		{"no tile", "admin", "GET", "/tile/0/1", nil, nil, wire.NotFound},
		{"a tile that is not there yet", "admin", "GET", "/tile/0/999", nil, nil, wire.NotFound},
		{"a wider tile than is signed", "admin", "GET", "/tile/0/000.p/200", nil, nil, wire.NotFound},
		{"an entry that is not there", "admin", "GET", "/v1/entries/99999", nil, nil, wire.NotFound},
		{"an entry by another spelling", "admin", "GET", "/v1/entries/00", nil, nil, wire.NotFound},
		{"an entry below nothing", "admin", "GET", "/v1/entries/-1", nil, nil, wire.NotFound},
		{"no receipt", "admin", "GET", "/v1/receipts/not-a-stream/1", nil, nil, wire.NotFound},
		{"a method that is not there", "admin", "DELETE", "/checkpoint", nil, nil, wire.MethodNotAllowed},
		{"a method that nobody knows", "admin", "BREW", "/v1/batches", nil, nil, wire.MethodNotAllowed},
		{"GET where POST is", "writer", "GET", "/v1/batches", nil, nil, wire.MethodNotAllowed},
		{"nobody", "", "GET", "/checkpoint", nil, nil, wire.Unauthenticated},
		{"a token that is none", secret, "GET", "/checkpoint", nil, nil, wire.Unauthenticated},
		{"no token", " ", "GET", "/checkpoint", nil, nil, wire.Unauthenticated},
		{"another scheme", "", "GET", "/checkpoint", nil, []string{"Authorization", "Basic " + secret}, wire.Unauthenticated},
		{"two tokens", "admin", "GET", "/checkpoint", nil, []string{"Authorization", "Bearer " + secret}, wire.Unauthenticated},
		{"a body for nothing", "admin", "GET", "/checkpoint", body, nil, wire.Malformed},
		{"batches of no type", "writer", "POST", "/v1/batches", body, nil, wire.UnsupportedMediaType},
		{"batches of another type", "writer", "POST", "/v1/batches", body, []string{"Content-Type", "application/json"}, wire.UnsupportedMediaType},
		{"batches of two types", "writer", "POST", "/v1/batches", body, []string{"Content-Type", wire.BatchesType, "Content-Type", wire.BatchesType}, wire.UnsupportedMediaType},
		{"batches that are none", "writer", "POST", "/v1/batches", body, []string{"Content-Type", wire.BatchesType}, wire.Malformed},
		{"an encoding that nobody takes", "writer", "POST", "/v1/batches", body, []string{"Content-Type", wire.BatchesType, "Content-Encoding", secret}, wire.UnsupportedEncoding},
		{"gzip that is none", "writer", "POST", "/v1/batches", body, []string{"Content-Type", wire.BatchesType, "Content-Encoding", "gzip"}, wire.Malformed},
		{"from another site's page", "writer", "POST", "/v1/batches", body, []string{"Content-Type", wire.BatchesType, "Sec-Fetch-Site", "cross-site"}, wire.NotAllowed},
		{"from another origin", "writer", "POST", "/v1/batches", body, []string{"Content-Type", wire.BatchesType, "Origin", "https://example.com"}, wire.NotAllowed},
		{"whole bundles for a writer", "writer", "GET", "/tile/entries/000.p/1", nil, nil, wire.NotAllowed},
		{"whole bundles for a reader", "reader", "GET", "/tile/entries/000.p/1", nil, nil, wire.NotAllowed},
		{"metrics for a writer", "writer", "GET", "/metrics", nil, nil, wire.NotAllowed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := w.do(tc.token, tc.method, tc.target, tc.body, tc.headers...)
			p := wantRefusal(t, r, tc.want)
			if said := string(p.Append(nil)); strings.Contains(said, secret) || strings.Contains(said, "keys/") {
				t.Errorf("the answer repeats what it must not: %s", said)
			}
			if (tc.want == wire.MethodNotAllowed) != (r.header.Get("Allow") != "") {
				t.Errorf("Allow is %q", r.header.Get("Allow"))
			}
		})
	}
}

// A revoked token is shut out with the next request, and told why.
func TestRevokedToken(t *testing.T) {
	w := newWorld(t, nil)
	if r := w.do("reader", "GET", "/checkpoint", nil); r.status != http.StatusOK {
		t.Fatalf("status %d", r.status)
	}
	if _, err := w.auth.Revoke("reader"); err != nil {
		t.Fatal(err)
	}
	wantRefusal(t, w.do("reader", "GET", "/checkpoint", nil), wire.TokenRevoked)
}

// Who fails to log in again and again is told to stay away; who has a token is let in, from the same address too.
func TestGuessing(t *testing.T) {
	told := 0
	w := newWorld(t, func(o *Options) { o.Refused = func(context.Context, Peer, error) { told++ } })
	limited := false
	for range 100 {
		r := w.do("stet1_guess", "GET", "/checkpoint", nil)
		limited = limited || r.status == http.StatusTooManyRequests
	}
	if !limited {
		t.Error("a hundred wrong tokens, and none was one too many")
	}
	if told != 100 {
		t.Errorf("%d of 100 were told on", told)
	}
	if r := w.do("reader", "GET", "/checkpoint", nil); r.status != http.StatusOK {
		t.Errorf("a right token is answered with %d", r.status)
	}
}

// A server for trying out lets everybody on this machine do everything, but no web page that had its name point here.
func TestOpen(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Open = true })
	if r := w.do("", "GET", "/tile/entries/000.p/1", nil); r.status != http.StatusOK {
		t.Errorf("status %d", r.status)
	}
	for _, host := range []string{"evil.example", "evil.example:7108", "127.0.0.1.evil.example", "192.0.2.1:7108", ""} {
		r := w.do("", "GET", "/checkpoint", nil, "Test-Host", host)
		wantRefusal(t, r, wire.NotAllowed)
	}
	for _, host := range []string{"localhost:7108", "LOCALHOST", "127.0.0.1:1", "[::1]:7108", "127.8.8.8"} {
		if r := w.do("", "GET", "/checkpoint", nil, "Test-Host", host); r.status != http.StatusOK {
			t.Errorf("Host %s: status %d", host, r.status)
		}
	}
}

// A handler that panics is the server's failure, which its sender is told as such and no more; the server goes on.
func TestPanic(t *testing.T) {
	w := newWorld(t, func(o *Options) {
		o.Routes = []Route{{Method: "GET", Pattern: "/v1/broken", Handle: func(http.ResponseWriter, *http.Request, *Call) error { panic("secret detail") }}}
	})
	for range 2 {
		if p := wantRefusal(t, w.do("reader", "GET", "/v1/broken", nil), wire.Internal); strings.Contains(p.Detail, "secret") {
			t.Errorf("it tells %q", p.Detail)
		}
	}
	if n := len(w.server.working); n != 0 {
		t.Errorf("%d requests are said to be under way", n)
	}
}

// Every route that is not for anybody asks who is there, and every one of them asks what they may do.
func TestEveryRouteAsks(t *testing.T) {
	w := newWorld(t, nil)
	for _, rt := range w.server.ownRoutes() {
		if rt.Anyone {
			continue
		}
		target := strings.NewReplacer("/tile/", "/tile/0/000", "{seq}", "0", "{stream}", "x", "{first}", "1", "{interaction}", "i", "{id}", "j").Replace(rt.Pattern)
		r := w.do("", rt.Method, target, nil)
		if target == "/v1/logs" { // which refuses in OTLP's form
			if r.status != http.StatusUnauthorized || !strings.Contains(r.body, string(wire.Unauthenticated)) {
				t.Errorf("%s: %d %s", target, r.status, r.body)
			}
			continue
		}
		wantRefusal(t, r, wire.Unauthenticated)
	}
}
