package alert

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Bounds of one attempt.
const (
	dialTime   = 5 * time.Second
	tlsTime    = 5 * time.Second
	headerTime = 10 * time.Second // from the request's end to the answer's header
	wholeTime  = 20 * time.Second
	maxHeader  = 16 << 10 // bytes of an answer's header
	maxAnswer  = 1 << 10  // bytes of an answer's body that are read
	maxWait    = 24 * time.Hour
)

// message is one attempt to send something.
type message struct {
	url    string
	secret []byte
	id     string
	body   []byte
}

// Answer is what came of an attempt.
type Answer struct {
	Status int           // of HTTP; 0: there was no answer
	Body   []byte        // its first bytes, at most 1 KiB: somebody else's
	Wait   time.Duration // what Retry-After asks for, at most a day; 0: nothing
	Err    error         // why there was no answer; of the target it names at most host and address
}

// OK says whether the message was taken.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status <= 299 }

// String says it in a few words.
func (a Answer) String() string {
	switch {
	case a.Err != nil:
		return a.Err.Error()
	case a.Status >= 300 && a.Status <= 399:
		return fmt.Sprintf("HTTP %d: redirects are not followed", a.Status)
	}
	return fmt.Sprintf("HTTP %d", a.Status)
}

// newClient makes what messages are sent with. It follows no redirect, asks no proxy, keeps no connection, and unless private
// is said connects to public addresses only.
func newClient(private bool, trust *tls.Config, resolver *net.Resolver) *http.Client {
	d := &net.Dialer{Timeout: dialTime, Resolver: resolver}
	if !private {
		d.Control = onlyPublic
	}
	return &http.Client{
		Transport: &http.Transport{
			Proxy: nil, DialContext: d.DialContext, TLSClientConfig: trust, TLSHandshakeTimeout: tlsTime, ResponseHeaderTimeout: headerTime,
			MaxResponseHeaderBytes: maxHeader, DisableKeepAlives: true, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       wholeTime,
	}
}

// post makes one attempt.
func post(ctx context.Context, c *http.Client, m message, now func() time.Time) Answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.url, bytes.NewReader(m.body))
	if err != nil {
		return Answer{Err: errors.New("its address is none")} // never: it was checked
	}
	at := now()
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "stet")
	req.Header.Set(HeaderID, m.id)
	req.Header.Set(HeaderTimestamp, strconv.FormatInt(at.Unix(), 10))
	req.Header.Set(HeaderSignature, sign(m.secret, m.id, at, m.body))
	resp, err := c.Do(req)
	if err != nil {
		return Answer{Err: nameless(err)}
	}
	defer func() { _ = resp.Body.Close() }() // the rest is of no interest
	a := Answer{Status: resp.StatusCode, Wait: retryAfter(resp.Header.Get("Retry-After"), at)}
	// Whatever becomes of the body, the header said how it went.
	a.Body, _ = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return a
}

// nameless takes from an error the address that it was about.
func nameless(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return fmt.Errorf("no answer in time: %w", u.Err)
		}
		return u.Err
	}
	return err
}

// retryAfter reads what RFC 9110, 10.2.3, has: seconds, or a date.
func retryAfter(s string, now time.Time) time.Duration {
	var d time.Duration
	if n, err := strconv.ParseUint(s, 10, 32); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(s); err == nil {
		d = at.Sub(now)
	}
	return min(max(d, 0), maxWait)
}
