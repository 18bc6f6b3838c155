package stet

import "net/http"

// Transport is an http.RoundTripper that tells the server, in headers, what a request is part of: Inject says what. It
// takes that from the request's context, so requests must be made with one (http.NewRequestWithContext). The caller's
// request is not changed. It is safe for concurrent use where Base is.
//
// A traceparent that the request has already stays, with its tracestate, as a tracer may have set it. Our own three headers
// are replaced: a proxy that passes a client's headers on must not pass a stranger's claims on as ours.
type Transport struct {
	Base http.RoundTripper // nil: http.DefaultTransport
	// To says whose servers are told; nil: everybody's. Ids name nobody, but baggage that came with a request is passed on
	// too, so a program that also calls other people's servers names its own here. It is asked for each request, also for
	// those that a redirect leads to, and must be safe for concurrent use.
	To func(*http.Request) bool
}

// RoundTrip implements http.RoundTripper.
func (t Transport) RoundTrip(r *http.Request) (*http.Response, error) {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	told := r.Clone(r.Context())
	if told.Header == nil {
		told.Header = http.Header{}
	}
	for _, name := range []string{HeaderInteractionID, HeaderParentJobID, HeaderRootJobID} {
		told.Header.Del(name)
	}
	if t.To == nil || t.To(r) {
		Inject(r.Context(), told.Header)
	}
	return base.RoundTrip(told)
}

// CloseIdleConnections closes those of Base, where it has any: http.Client.CloseIdleConnections asks for it.
func (t Transport) CloseIdleConnections() {
	base := t.Base
	if base == nil {
		base = http.DefaultTransport
	}
	if c, ok := base.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
}
