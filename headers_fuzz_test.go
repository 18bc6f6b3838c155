package stet_test

import (
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet"
)

// The headers that peers send share a target: which of them an input is for, its first argument says.
const (
	headerTraceparent = iota
	headerTracestate
	headerBaggage
	headerForwarded
	headerForms
)

func FuzzHeaders(f *testing.F) {
	f.Add(byte(headerTraceparent), parent, "")
	f.Add(byte(headerTraceparent), "01-"+traceID+"-"+spanID+"-01-more", "")
	f.Add(byte(headerTraceparent), "ff-"+traceID+"-"+spanID+"-01", "")
	f.Add(byte(headerTracestate), "rojo=1, congo=t61 x ,,", "t-1@sys/a*=!~")
	f.Add(byte(headerTracestate), "a=b=c", "A=1")
	f.Add(byte(headerBaggage), "key1=value1;property1;property2, key2 = value2", "stet.interaction_id=r%2017")
	f.Add(byte(headerBaggage), ",,=", "a=\r\nb: c")
	f.Add(byte(headerForwarded), "192.0.2.1, 10.0.0.2", `for="[2001:db8::1]:47";proto=https`)
	f.Add(byte(headerForwarded), ",,10.0.0.1", `for=;For=a;;=`)
	f.Fuzz(func(t *testing.T, form byte, a, b string) {
		switch form % headerForms {
		case headerTraceparent:
			fuzzTraceparent(t, a)
		case headerTracestate:
			fuzzTracestate(t, a, b)
		case headerBaggage:
			fuzzBaggage(t, a, b)
		case headerForwarded:
			fuzzForwarded(t, a, b)
		}
	})
}

func fuzzTraceparent(t *testing.T, s string) {
	t.Helper()
	got, ok := stet.ParseTraceparent(s)
	if !ok {
		if got != (stet.Trace{}) {
			t.Errorf("refused, and yet %+v", got)
		}
		return
	}
	if again, ok := stet.ParseTraceparent(got.Parent()); !ok || again != got {
		t.Errorf("%q is written as %q, and that read as %+v", s, got.Parent(), again)
	}
	if !strings.HasPrefix(s[3:], got.ID+"-"+got.Span+"-") {
		t.Errorf("%q has other ids than %+v", s, got)
	}
}

func fuzzTracestate(t *testing.T, a, b string) {
	t.Helper()
	got := stet.ParseTracestate([]string{a, b})
	if again := stet.ParseTracestate([]string{got}); again != got {
		t.Errorf("%q is read again as %q", got, again)
	}
	if i := strings.IndexFunc(got, func(c rune) bool { return c < ' ' || c > '~' }); i >= 0 || len(got) > 8192 || strings.Count(got, ",") >= 32 {
		t.Errorf("%q is passed on", got)
	}
}

func fuzzBaggage(t *testing.T, a, b string) {
	t.Helper()
	_, others := stet.ParseBaggage([]string{a, b})
	line := strings.Join(others, ",")
	if len(line) > 8192 || len(others) > 180 {
		t.Errorf("%d members, %d bytes", len(others), len(line))
	}
	if i := strings.IndexFunc(line, func(c rune) bool { return c != '\t' && c < ' ' || c > '~' }); i >= 0 {
		t.Errorf("%q has a character that no header may have", line)
	}
	if ours, again := stet.ParseBaggage([]string{line}); len(ours) > 0 || !slices.Equal(again, others) {
		t.Errorf("%q is read again as %q and %q", others, again, ours)
	}
}

// fuzzForwarded: whatever the headers say, an address comes out that a proxy of ours named, or the connection's, and at
// most 16 others are kept.
func fuzzForwarded(t *testing.T, list, forwarded string) {
	t.Helper()
	o := stet.MiddlewareOptions{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}
	r := &http.Request{RemoteAddr: "10.0.0.1:1", Header: http.Header{"X-Forwarded-For": {list}, "Forwarded": {forwarded}}}
	if got := o.Client(r); got != r.RemoteAddr && !strings.Contains(list, got) {
		t.Errorf("%q is in neither %q nor the connection", got, list)
	}
	o.ProxyHeader = "Forwarded"
	if got := o.Client(r); got != r.RemoteAddr && !strings.Contains(forwarded, got) {
		t.Errorf("%q is in neither %q nor the connection", got, forwarded)
	}
	if n := len(stet.Forwarded(r.Header)); n > 16 {
		t.Errorf("%d addresses", n)
	}
}
