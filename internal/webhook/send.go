package webhook

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
	"unicode/utf8"

	"github.com/stetlog/stet/event"
)

// WholeTime bounds one attempt, its answer's body included, where no other time is asked for.
const WholeTime = 20 * time.Second

// Further bounds of one attempt.
const (
	dialTime   = 5 * time.Second
	tlsTime    = 5 * time.Second
	headerTime = 10 * time.Second // from the request's end to the answer's header, where no other is asked for
	maxHeader  = 16 << 10         // bytes of an answer's header
	maxAnswer  = 1 << 10          // bytes of the answer to a message that are read
	maxSaid    = 256
	maxWait    = 24 * time.Hour
)

// Message is one that is signed.
type Message struct {
	URL    string
	Secret []byte
	ID     string // the same for every attempt to send the same
	Body   []byte // JSON
}

// Answer is what came of an attempt.
type Answer struct {
	Status int           // of HTTP; 0: there was no answer
	Body   []byte        // its first bytes: somebody else's
	Wait   time.Duration // what Retry-After asks for, at most a day; 0: nothing
	Err    error         // why there was no answer; of the target it names at most host and address
}

// OK says whether the message was taken.
func (a Answer) OK() bool { return a.Status >= 200 && a.Status <= 299 }

// String says it in a few words: printable, and at most maxSaid bytes.
func (a Answer) String() string {
	s := fmt.Sprintf("HTTP %d", a.Status)
	switch {
	case a.Err != nil:
		s = a.Err.Error()
	case a.Status >= 300 && a.Status <= 399:
		s += ": redirects are not followed"
	}
	return Cut(event.Sanitize(s), maxSaid)
}

// Cut shortens a text to at most n bytes, at the beginning of a character.
func Cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	n -= len("…")
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}

// Options of a client. The zero value connects to public addresses only and keeps no connection.
type Options struct {
	Private  bool          // connect to addresses that are not public, too
	Keep     bool          // keep connections for the next request
	Answer   time.Duration // from the request's end to the answer's header; 0: 10 s
	Trust    *tls.Config
	Resolver *net.Resolver
}

// NewClient makes what requests are sent with.
func NewClient(o Options) *http.Client {
	d := &net.Dialer{Timeout: dialTime, Resolver: o.Resolver}
	if !o.Private {
		d.Control = onlyPublic
	}
	answer := max(o.Answer, headerTime)
	return &http.Client{
		Transport: &http.Transport{
			Proxy: nil, DialContext: d.DialContext, TLSClientConfig: o.Trust, TLSHandshakeTimeout: tlsTime, ResponseHeaderTimeout: answer,
			MaxResponseHeaderBytes: maxHeader, DisableKeepAlives: !o.Keep, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Timeout:       answer + WholeTime - headerTime,
	}
}

// Header is that of a request with a message which is made at a time.
func (m Message) Header(at time.Time) map[string]string {
	return map[string]string{"Content-Type": "application/json", HeaderID: m.ID, HeaderTimestamp: strconv.FormatInt(at.Unix(), 10),
		HeaderSignature: Sign(m.Secret, m.ID, at, m.Body)}
}

// Post makes one attempt to send a message. Of the answer 1 KiB is read.
func Post(ctx context.Context, c *http.Client, m Message, now func() time.Time) Answer {
	return Do(ctx, c, m.URL, m.Header(now()), m.Body, maxAnswer, now)
}

// Do makes one attempt to post something. Of the answer most bytes are read.
func Do(ctx context.Context, c *http.Client, url string, header map[string]string, body []byte, most int64, now func() time.Time) Answer {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return Answer{Err: errors.New("its address is none")} // never: it was checked
	}
	req.Header.Set("User-Agent", "stet")
	for name, value := range header {
		req.Header.Set(name, value)
	}
	at := now()
	resp, err := c.Do(req)
	if err != nil {
		return Answer{Err: nameless(err)}
	}
	defer func() { _ = resp.Body.Close() }() // the rest is of no interest
	a := Answer{Status: resp.StatusCode, Wait: retryAfter(resp.Header.Get("Retry-After"), at)}
	// Whatever becomes of the body, the header said how it went.
	a.Body, _ = io.ReadAll(io.LimitReader(resp.Body, most))
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
