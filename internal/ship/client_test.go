package ship_test

import (
	"compress/gzip"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/wire"
)

// client talks to a handler, with a token that nobody but the server may see.
func client(t *testing.T, h http.HandlerFunc) *ship.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c := ship.NewClient(address(t, s.URL)).With(tokenFor(vkey))
	t.Cleanup(c.Close)
	return c
}

// A hostile server gets no more of this program than an error: answers, headers and what is packed are bounded, and so is
// what is shown of them (THREATS 26, 28).
func TestAHostileServer(t *testing.T) {
	endless := func(w http.ResponseWriter, r *http.Request) {
		chunk := []byte(strings.Repeat("\x1b[2J", 4096))
		for r.Context().Err() == nil {
			if _, err := w.Write(chunk); err != nil {
				return
			}
		}
	}
	for name, c := range map[string]struct {
		h    http.HandlerFunc
		want error
	}{
		"an endless answer": {endless, wire.ErrTooLarge},
		"an endless refusal": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			endless(w, r)
		}, nil},
		"a bomb": {func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			z := gzip.NewWriter(w)
			zeros := make([]byte, 1<<20)
			for r.Context().Err() == nil {
				if _, err := z.Write(zeros); err != nil {
					return
				}
			}
		}, wire.ErrTooLarge},
		"a header": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", strings.Repeat("x", 1<<20)) }, ship.ErrUnreachable},
		"an answer that is cut": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("cut"))
		}, ship.ErrUnreachable},
		"nothing at all": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ship.ErrUnreachable},
	} {
		t.Run(name, func(t *testing.T) {
			for _, path := range []string{"checkpoint", "tile/0/000", "tile/entries/000"} {
				b, err := client(t, c.h).Fetch(t.Context(), path)
				if err == nil || c.want != nil && !errors.Is(err, c.want) {
					t.Fatalf("%s: %d bytes, %v", path, len(b), err)
				}
				if s := err.Error(); len(s) > 2000 || strings.ContainsAny(s, "\x1b\n") || strings.Contains(s, tokenFor(vkey)[6:20]) {
					t.Errorf("%s: it says %.200q", path, s)
				}
			}
		})
	}
}

// A server that says nothing, or a little now and then, is given up when the caller's time is over.
func TestASilentServer(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = w.Write([]byte("x"))
		_ = http.NewResponseController(w).Flush()
		cancel() // now that something has come
		<-r.Context().Done()
	})
	if _, err := c.Fetch(ctx, "checkpoint"); !errors.Is(err, ship.ErrUnreachable) || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// The token goes to the server and nowhere else.
func TestTheTokenIsNotCarriedAway(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { t.Errorf("%s was asked for", r.URL) }))
	t.Cleanup(elsewhere.Close)
	var got string
	c := client(t, func(w http.ResponseWriter, r *http.Request) {
		got = r.Header.Get("Authorization")
		http.Redirect(w, r, elsewhere.URL, http.StatusFound)
	})
	var refused *ship.RefusedError
	if _, err := c.Log(t.Context()); !errors.As(err, &refused) || got != "Bearer "+tokenFor(vkey) {
		t.Errorf("%v; the server got %q", err, got)
	}
}

func TestWhatIsNotThere(t *testing.T) {
	c := client(t, http.NotFound)
	if _, err := c.Fetch(t.Context(), "tile/0/000"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Fetch(t.Context(), "../secret"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what is no path of a log: %v", err)
	}
}
