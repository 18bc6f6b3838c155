package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// What a real target may do to who calls it: each ends in an answer, bounded in time and size.
func TestAttempts(t *testing.T) {
	t.Parallel()
	type seen struct {
		method, path, typ string
		body              []byte
	}
	var got seen
	released := make(chan struct{})
	mux := http.NewServeMux()
	mux.HandleFunc("/ok", func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		got = seen{r.Method, r.URL.RequestURI(), r.Header.Get("Content-Type"), b}
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, "thanks")
	})
	mux.HandleFunc("/status/{code}", func(w http.ResponseWriter, r *http.Request) {
		var code int
		if _, err := fmt.Sscan(r.PathValue("code"), &code); err != nil {
			t.Error(err)
		}
		w.Header().Set("Retry-After", r.URL.Query().Get("after"))
		w.Header().Set("Location", "/ok")
		w.WriteHeader(code)
	})
	mux.HandleFunc("/huge", func(w http.ResponseWriter, _ *http.Request) {
		chunk := bytes.Repeat([]byte("x"), 64<<10)
		for range 1 << 14 { // a gigabyte, where somebody reads it
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
		t.Error("a gigabyte was read")
	})
	mux.HandleFunc("/hugeheader", func(w http.ResponseWriter, _ *http.Request) {
		for i := range 1000 {
			w.Header().Set(fmt.Sprintf("X-%d", i), strings.Repeat("x", 100))
		}
	})
	mux.HandleFunc("/cut", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_ = c.Close() // that is the test
	})
	mux.HandleFunc("/garbage", func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		_, _ = io.WriteString(c, "\x00\xff\x1b[31m\r\n\r\n")
		_ = c.Close()
	})
	mux.HandleFunc("/slow", func(http.ResponseWriter, *http.Request) { <-released })
	mux.HandleFunc("/slowbody", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusOK)
		_, _ = io.WriteString(w, "first")
		_ = http.NewResponseController(w).Flush() // it is HTTP/1.1
		<-released
	})
	srv := httptest.NewServer(mux)
	defer srv.Close()
	defer close(released)
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	c := NewClient(Options{Private: true})
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, url string
		status    int
		body      string
		wait      time.Duration
		said      string // is in what is said of it
	}{
		{"taken", "/ok?token=hidden", 201, "thanks", 0, "HTTP 201"},
		{"an error", "/status/500", 500, "", 0, "HTTP 500"},
		{"later, in seconds", "/status/429?after=120", 429, "", 2 * time.Minute, "HTTP 429"},
		{"later, at a time", "/status/503?after=Sun,+01+Mar+2026+12:00:30+GMT", 503, "", 30 * time.Second, "HTTP 503"},
		{"later, before now", "/status/503?after=Sun,+01+Mar+2020+12:00:30+GMT", 503, "", 0, "HTTP 503"},
		{"later, in a hundred years", "/status/503?after=3155760000", 503, "", maxWait, "HTTP 503"},
		{"later, whenever", "/status/503?after=soon", 503, "", 0, "HTTP 503"},
		{"gone", "/status/410", 410, "", 0, "HTTP 410"},
		{"elsewhere", "/status/302", 302, "", 0, "redirects are not followed"},
		{"elsewhere, with the body", "/status/308", 308, "", 0, "redirects are not followed"},
		{"a huge answer", "/huge", 200, strings.Repeat("x", maxAnswer), 0, "HTTP 200"},
		{"a huge header", "/hugeheader", 0, "", 0, "exceeded"},
		{"cut off", "/cut", 0, "", 0, "EOF"},
		{"garbage", "/garbage", 0, "", 0, "malformed"},
		{"no answer", "/slow", 0, "", 0, "no answer in time"},
		{"an answer without end", "/slowbody", 200, "first", 0, "HTTP 200"},
		{"nobody there", nobody + "/?token=hidden", 0, "", 0, "connection refused"},
		{"no such host", "http://nobody.invalid/?token=hidden", 0, "", 0, ""},
	} {
		got = seen{}
		c.Timeout = WholeTime
		switch tt.url { // what takes 10 and 20 seconds in earnest takes less here
		case "/slow":
			c.Timeout = time.Second
		case "/slowbody":
			c.Timeout = 4 * time.Second
		}
		url := tt.url
		if strings.HasPrefix(url, "/") {
			url = srv.URL + url
		}
		a := Post(t.Context(), c, Message{URL: url, Secret: []byte("x"), ID: "msg_1", Body: []byte(`{"a":1}`)}, func() time.Time { return now })
		if a.Status != tt.status || string(a.Body) != tt.body || a.Wait != tt.wait || (a.Err == nil) != (tt.status > 0) || a.OK() != (tt.status/100 == 2) {
			t.Errorf("%s: %+v", tt.name, a)
		}
		if !strings.Contains(a.String(), tt.said) || strings.Contains(a.String(), "hidden") {
			t.Errorf("%s: it says %q", tt.name, a)
		}
		if said := a.String(); strings.ContainsAny(said, "\x00\x1b\r\n") || len(said) > maxSaid {
			t.Errorf("%s: it is recorded as %q", tt.name, said)
		}
		if tt.status == 201 {
			if got.method != http.MethodPost || got.path != "/ok?token=hidden" || got.typ != "application/json" || string(got.body) != `{"a":1}` {
				t.Errorf("sent: %+v", got)
			}
		} else if got.method != "" {
			t.Errorf("%s: it was followed", tt.name)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if a := Post(ctx, c, Message{URL: srv.URL + "/slow", Secret: []byte("x"), ID: "msg_1"}, time.Now); !errors.Is(a.Err, context.Canceled) {
		t.Errorf("given up: %+v", a)
	}
}

// TLS is checked.
func TestTLS(t *testing.T) {
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer srv.Close()
	m := Message{URL: srv.URL, Secret: []byte("x"), ID: "msg_1"}
	if a := Post(t.Context(), NewClient(Options{Private: true}), m, time.Now); a.Err == nil || !strings.Contains(a.Err.Error(), "certificate") {
		t.Errorf("a certificate of nobody's: %+v", a)
	}
	pool := x509.NewCertPool()
	pool.AddCert(srv.Certificate())
	if a := Post(t.Context(), NewClient(Options{Private: true, Trust: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}}), m, time.Now); !a.OK() {
		t.Errorf("a certificate that is trusted: %+v", a)
	}
}
