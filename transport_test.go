package stet_test

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet"
)

// tripper is a Base that answers itself.
type tripper func(*http.Request) (*http.Response, error)

func (f tripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A request says whose it is; the caller's own is left as it was.
func TestTransport(t *testing.T) {
	w := open(t, stet.Options{})
	run := begin(t, w, t.Context(), job("a"))
	ours := map[string]string{stet.HeaderInteractionID: run.InteractionID(), stet.HeaderParentJobID: run.JobID(), stet.HeaderRootJobID: run.RootID()}
	members := "stet.interaction_id=" + run.InteractionID() + ",stet.parent_job_id=" + run.JobID() + ",stet.root_job_id=" + run.RootID()
	hex := strings.ReplaceAll(run.JobID(), "-", "")
	traceparent := "00-" + hex + "-" + hex[16:] + "-00"
	inRun := stet.WithRun(t.Context(), run)
	for _, tc := range []struct {
		name  string
		ctx   context.Context
		given map[string]string
		to    func(*http.Request) bool
		want  map[string]string
	}{
		{"a run", inRun, nil, nil, with(ours, "Traceparent", traceparent, "Baggage", members)},
		{"no run", t.Context(), nil, nil, map[string]string{}},
		{"an interaction", stet.WithInteraction(t.Context(), "request 17"), nil, nil,
			map[string]string{stet.HeaderInteractionID: "request%2017", "Baggage": "stet.interaction_id=request%2017"}},
		{"a tracer's traceparent stays", inRun, map[string]string{"Traceparent": parent, "Tracestate": "a=1"}, nil,
			with(ours, "Traceparent", parent, "Tracestate", "a=1", "Baggage", members)},
		{"other people's baggage stays", inRun, map[string]string{"Baggage": "a=1;x, b=%20"}, nil,
			with(ours, "Traceparent", traceparent, "Baggage", "a=1;x,b=%20,"+members)},
		{"a stranger's claims go", inRun, map[string]string{stet.HeaderParentJobID: claimedParent, "Baggage": "stet.parent_job_id=" + claimedParent}, nil,
			with(ours, "Traceparent", traceparent, "Baggage", members)},
		{"a stranger's claims go where we have none", stet.WithInteraction(t.Context(), "i"), map[string]string{stet.HeaderParentJobID: claimedParent, stet.HeaderRootJobID: claimedParent}, nil,
			map[string]string{stet.HeaderInteractionID: "i", "Baggage": "stet.interaction_id=i"}},
		{"not to strangers", inRun, map[string]string{"Baggage": "a=1"}, func(*http.Request) bool { return false }, map[string]string{"Baggage": "a=1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, err := http.NewRequestWithContext(tc.ctx, http.MethodGet, "http://example.com/", nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range tc.given {
				r.Header.Set(k, v)
			}
			before := r.Header.Clone()
			var sent http.Header
			base := tripper(func(r *http.Request) (*http.Response, error) { sent = r.Header; return nil, errors.New("enough") })
			_, err = stet.Transport{Base: base, To: tc.to}.RoundTrip(r) //nolint:bodyclose // there is no response
			if err == nil || err.Error() != "enough" {
				t.Errorf("the base's error has become %v", err)
			}
			got := map[string]string{}
			for k := range sent {
				got[k] = strings.Join(sent.Values(k), "|")
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
			if d := cmp.Diff(before, r.Header); d != "" {
				t.Errorf("the caller's request was changed: %s", d)
			}
		})
	}
}

func with(m map[string]string, more ...string) map[string]string {
	m = maps.Clone(m)
	for i := 0; i < len(more); i += 2 {
		m[more[i]] = more[i+1]
	}
	return m
}

// A request without headers, made by hand, does not panic.
func TestTransportWithoutHeaders(t *testing.T) {
	base := tripper(func(r *http.Request) (*http.Response, error) {
		return nil, errors.New(r.Header.Get(stet.HeaderInteractionID))
	})
	r := (&http.Request{}).WithContext(stet.WithInteraction(t.Context(), "i"))
	if _, err := (stet.Transport{Base: base}).RoundTrip(r); err == nil || err.Error() != "i" { //nolint:bodyclose // there is no response
		t.Error(err)
	}
}

// Where a redirect leads is asked about anew: ids do not follow it to strangers, and bodies are closed on the way.
func TestTransportAndRedirects(t *testing.T) {
	var stranger http.Header
	there := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { stranger = r.Header }))
	defer there.Close()
	var friend http.Header
	here := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		friend = r.Header
		http.Redirect(w, r, there.URL, http.StatusSeeOther)
	}))
	defer here.Close()
	to := func(r *http.Request) bool { return "http://"+r.URL.Host == here.URL }
	client := &http.Client{Transport: stet.Transport{To: to}}
	defer client.CloseIdleConnections()
	body := &closing{Reader: strings.NewReader("hello"), closed: make(chan struct{})}
	r, err := http.NewRequestWithContext(stet.WithInteraction(t.Context(), "i"), http.MethodPost, here.URL, body)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if friend.Get(stet.HeaderInteractionID) != "i" || stranger == nil || stranger.Get(stet.HeaderInteractionID) != "" || stranger.Get("Baggage") != "" {
		t.Errorf("the friend got %v, the stranger %v", friend, stranger)
	}
	<-body.closed
}

// closing is a body that says when it is closed.
type closing struct {
	io.Reader
	once   sync.Once
	closed chan struct{}
}

func (c *closing) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

// http.Client.CloseIdleConnections reaches the Base.
func TestTransportClosesIdleConnections(t *testing.T) {
	base := &idle{}
	(&http.Client{Transport: stet.Transport{Base: base}}).CloseIdleConnections()
	if !base.closed {
		t.Error("the Base was not asked")
	}
	stet.Transport{Base: tripper(nil)}.CloseIdleConnections() // one that has none
}

type idle struct {
	http.RoundTripper
	closed bool
}

func (i *idle) CloseIdleConnections() { i.closed = true }
