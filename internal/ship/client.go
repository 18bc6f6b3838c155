package ship

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// RequestTimeout bounds a request and its answer where the caller's context does not. A server answers batches when it has
// published them, which it does within a second or two.
const RequestTimeout = 60 * time.Second

// Limits of what a server may send, and of the time that it may take to begin (THREATS 26).
const (
	maxHeader     = 32 << 10 // bytes
	dialTimeout   = 10 * time.Second
	idleTimeout   = 90 * time.Second
	maxRetryAfter = time.Hour // a server that says more is not believed
)

// Client talks to one server. All methods are safe for concurrent use; nothing is retried, and no answer believed. Errors
// that decide something wrap ErrUnreachable or are a *RefusedError.
type Client struct {
	address Address
	token   string // may be empty
	http    *http.Client
}

// ErrUnreachable says that no answer came, or only a part of one. Whether the server did what was asked is not known.
var ErrUnreachable = errors.New("the server cannot be reached")

// RefusedError is the server's own refusal of a whole request.
type RefusedError struct {
	wire.Problem
	RetryAfter time.Duration // 0: the server did not say
}

func (e *RefusedError) Error() string { return "the server refused: " + e.Problem.Error() }

// Later says that the same request may succeed later.
func (e *RefusedError) Later() bool {
	m, ok := wire.Lookup(e.Code)
	return ok && m.Later || !ok && (e.Status >= 500 || e.Status == http.StatusTooManyRequests)
}

// NewClient makes a client that has no token yet. Close it when done.
func NewClient(a Address) *Client {
	dialer := &net.Dialer{Timeout: dialTimeout}
	t := &http.Transport{
		DialContext:            dialer.DialContext,
		TLSHandshakeTimeout:    dialTimeout,
		MaxResponseHeaderBytes: maxHeader,
		MaxIdleConnsPerHost:    4,
		IdleConnTimeout:        idleTimeout,
		ForceAttemptHTTP2:      true,
	}
	if a.socket != "" {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return dialer.DialContext(ctx, "unix", a.socket)
		}
	} else if !a.Local() {
		t.Proxy = http.ProxyFromEnvironment
	}
	return &Client{address: a, http: &http.Client{
		Transport: t,
		// A redirection would carry the token to where nobody meant to send it.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// With is the same client with a token; they share their connections.
func (c *Client) With(token string) *Client { return &Client{c.address, token, c.http} }

// Close lets idle connections go.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// base is what paths are appended to.
func (a Address) base() string {
	if a.socket != "" {
		return "http://stet" // the socket says where; the name is only for the Host header
	}
	return a.text
}

// Batches sends a body of batches and returns the answer, which has one result for each of n elements and is otherwise
// unchecked.
func (c *Client) Batches(ctx context.Context, body []byte, n int) (wire.Receipts, error) {
	header := http.Header{"Content-Type": {wire.BatchesType}}
	if !c.address.Local() {
		var packed bytes.Buffer
		z, err := gzip.NewWriterLevel(&packed, gzip.BestSpeed)
		if err == nil {
			_, err = z.Write(body)
		}
		if err = errors.Join(err, z.Close()); err != nil {
			return wire.Receipts{}, err
		}
		body = packed.Bytes()
		header.Set("Content-Encoding", "gzip")
	}
	b, err := c.do(ctx, http.MethodPost, "/v1/batches", header, body, wire.MaxReceipts)
	if err != nil {
		return wire.Receipts{}, err
	}
	r, err := wire.ParseReceipts(b)
	if err == nil && len(r.Results) != n {
		err = fmt.Errorf("%w: %d results for %d elements", wire.ErrMalformed, len(r.Results), n)
	}
	return r, err
}

// Log asks whose log it is. The answer is a claim.
func (c *Client) Log(ctx context.Context) (wire.Log, error) {
	b, err := c.do(ctx, http.MethodGet, wire.LogPath, nil, nil, wire.MaxClaim)
	if err != nil {
		return wire.Log{}, err
	}
	return wire.ParseLog(b)
}

// JSON sends a request whose body, where it has one, is JSON, and returns the answer of at most limit bytes. It is for who
// administers.
func (c *Client) JSON(ctx context.Context, method, path string, body []byte, limit int64) ([]byte, error) {
	header := http.Header{}
	if body != nil {
		header.Set("Content-Type", "application/json")
	}
	return c.do(ctx, method, path, header, body, limit)
}

// Fetch reads a path of the C2SP tlog-tiles layout, bundles in plain form, and the chain of the log's keys; it is a
// logread.Source. fs.ErrNotExist where the
// server says that nothing stands there. What it returns is at most as long as the layout allows, and unchecked.
func (c *Client) Fetch(ctx context.Context, path string) ([]byte, error) {
	limit := int64(proof.MaxCheckpoint)
	switch path {
	case "checkpoint":
	case proof.KeyChainPath:
		limit = int64(proof.MaxKeyChain)
	default:
		t, err := proof.ParseTilePath(path)
		if err != nil {
			return nil, err
		}
		if limit = int64(t.Width) * proof.HashSize; t.Entries {
			limit = proof.MaxBundle
		}
	}
	b, err := c.do(ctx, http.MethodGet, "/"+path, nil, nil, limit)
	var refused *RefusedError
	if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
		return nil, fmt.Errorf("/%s: %w", path, fs.ErrNotExist)
	}
	return b, err
}

// Keys asks how the log's key has changed, which a server tells to anybody; an empty chain says that it has not. The answer
// is a claim: follow it from a key that is trusted.
func (c *Client) Keys(ctx context.Context) (proof.KeyChain, error) {
	b, err := c.Fetch(ctx, proof.KeyChainPath)
	if errors.Is(err, fs.ErrNotExist) {
		return proof.KeyChain{}, nil
	}
	if err != nil {
		return proof.KeyChain{}, err
	}
	return proof.ParseKeyChain(b)
}

// errLarge says that a server sent more than its answer can be.
var errLarge = fmt.Errorf("the answer is %w", wire.ErrTooLarge)

// do sends one request. An answer above limit bytes is errLarge; the transport unpacks gzip, and what is unpacked counts.
func (c *Client) do(ctx context.Context, method, path string, header http.Header, body []byte, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, RequestTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.address.base()+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if body == nil {
		req.Body, req.ContentLength = http.NoBody, 0
	}
	req.Header.Set("User-Agent", "stet")
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, plain(ctx, err))
	}
	defer func() { _ = resp.Body.Close() }() // read as far as wanted
	if resp.StatusCode != http.StatusOK {
		return nil, refusal(resp)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, plain(ctx, err))
	case int64(len(b)) > limit:
		return nil, fmt.Errorf("%s: %w: more than %d bytes", path, errLarge, limit)
	}
	return b, nil
}

// plain is the reason alone: the error of net/http repeats method and URL, and may quote what the server sent.
func plain(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op
	}
	return errors.New(shown(strings.TrimSpace(err.Error())))
}

// refusal reads why a request was refused. What the server says goes to terminals: it is cut and made plain.
func refusal(resp *http.Response) error {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, wire.MaxProblem+1)) // part of a reason is one too
	p, ok := wire.ParseProblem(b)
	if !ok {
		p = wire.Problem{Title: "status " + strconv.Itoa(resp.StatusCode) + " without a reason; is this a stet server?", Code: "unknown"}
	}
	p.Status = resp.StatusCode
	p.Code = wire.Code(shown(string(p.Code)))
	for _, s := range []*string{&p.Title, &p.Detail, &p.Hint} {
		*s = shown(*s)
	}
	if p.Code == wire.Unauthenticated { // the server's hint is for who speaks HTTP
		p.Hint = "say --token-file or STET_TOKEN_FILE, or connect this machine with stet enrol"
	}
	e := &RefusedError{Problem: p}
	if n, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && n > 0 {
		e.RetryAfter = min(time.Duration(n)*time.Second, maxRetryAfter)
	}
	return e
}

// maxShown bounds a text of the server's that is shown, in bytes.
const maxShown = 400

func shown(s string) string {
	if len(s) > maxShown {
		s = strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return event.Sanitize(s)
}
