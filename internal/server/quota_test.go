package server

import (
	"fmt"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/wire"
)

// waitOf is what Retry-After says.
func waitOf(t testing.TB, r reply) int {
	t.Helper()
	n, err := strconv.Atoi(r.header.Get("Retry-After"))
	if err != nil || n < 1 {
		t.Errorf("Retry-After is %q", r.header.Get("Retry-After"))
	}
	return n
}

// A token has its own quota of requests: beyond it it is told how long to wait, and others are not concerned.
func TestRequestQuota(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits = Limits{RequestRate: 0.001, RequestBurst: 3} })
	for i := range 3 {
		if r := w.do("reader", "GET", "/checkpoint", nil); r.status != http.StatusOK {
			t.Fatalf("request %d: status %d", i, r.status)
		}
	}
	r := w.do("reader", "GET", "/checkpoint", nil)
	wantRefusal(t, r, wire.RateLimited)
	if n := waitOf(t, r); n < 100 {
		t.Errorf("told to wait %d s where a request comes free in a thousand", n)
	}
	if r := w.do("auditor", "GET", "/checkpoint", nil); r.status != http.StatusOK {
		t.Errorf("another token: status %d", r.status)
	}
	if r := w.do("reader", "GET", "/healthz", nil); r.status != http.StatusOK {
		t.Errorf("health: status %d", r.status)
	}
}

// Bytes are counted as they come, also those of what is refused; who is in debt waits.
func TestByteQuota(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits = Limits{ByteRate: 0.001, ByteBurst: 1000} })
	garbage := make([]byte, 2000)
	wantRefusal(t, w.do("writer", "POST", "/v1/batches", garbage, "Content-Type", wire.BatchesType, "Content-Encoding", "gzip"), wire.Malformed)
	wantRefusal(t, w.post("writer", newSender(t, "shop").say(1)), wire.RateLimited)
	if r := receipts(t, w.post("other", newSender(t, "bank").say(1))).Results[0]; r.Status != wire.Placed {
		t.Errorf("another token: %+v", r)
	}
}

// Streams that a token opens are counted; those that it has opened go on.
func TestStreamQuota(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits = Limits{StreamRate: 0.001, StreamBurst: 2} })
	first := newSender(t, "shop")
	for i, s := range []*sender{first, newStream(t, first.key, "shop"), newStream(t, first.key, "shop")} {
		if r := w.post("writer", s.say(1)); r.status != http.StatusOK {
			t.Fatalf("stream %d: %d %s", i, r.status, r.body)
		}
	}
	wantRefusal(t, w.post("writer", newStream(t, first.key, "shop").say(1)), wire.RateLimited)
	if r := receipts(t, w.post("writer", first.say(1))).Results[0]; r.Status != wire.Placed {
		t.Errorf("a stream that is open: %+v", r)
	}
}

// Requests at once are bounded, of one token and of all, and health is answered all the same.
func TestRequestsAtOnce(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	w := newWorld(t, func(o *Options) {
		o.Limits = Limits{Requests: 2, PerToken: 1}
		o.Routes = []Route{{Method: "GET", Pattern: "/v1/long", Handle: func(http.ResponseWriter, *http.Request, *Call) error {
			entered <- struct{}{}
			<-leave
			return nil
		}}}
	})
	done := make(chan reply)
	for _, token := range []string{"reader", "auditor"} {
		go func() { done <- w.do(token, "GET", "/v1/long", nil) }()
		<-entered
	}
	wantRefusal(t, w.do("reader", "GET", "/checkpoint", nil), wire.RateLimited)
	wantRefusal(t, w.do("admin", "GET", "/checkpoint", nil), wire.Overloaded)
	if r := w.do("", "GET", "/readyz", nil); r.status != http.StatusOK {
		t.Errorf("readiness: %d %s", r.status, r.body)
	}
	close(leave)
	for range 2 {
		if r := <-done; r.status != http.StatusOK {
			t.Errorf("a request that was let in: status %d", r.status)
		}
	}
	if r := w.do("admin", "GET", "/checkpoint", nil); r.status != http.StatusOK {
		t.Errorf("afterwards: status %d", r.status)
	}
}

// Whoever comes under ever new names does not fill the memory, and does not have those forgotten who are being answered.
func TestQuotasAreBounded(t *testing.T) {
	now := time.Unix(1e9, 0)
	q := newQuotas(Limits{}.orDefaults(), func() time.Time { return now })
	busy := q.of("busy")
	if !busy.begin(1) {
		t.Fatal("the first request is one too many")
	}
	for i := range 3 * maxQuotas {
		charge(q.of(fmt.Sprint(i)).requests, now, 1)
	}
	if n := len(q.all); n > maxQuotas {
		t.Errorf("%d callers are remembered", n)
	}
	if q.of("busy") != busy {
		t.Error("who is being answered was forgotten")
	}
	g := newGaps()
	for i := range 3 * maxGaps {
		g.open(fmt.Sprint(i))
	}
	if n := g.count(); n != maxGaps {
		t.Errorf("%d gaps are remembered", n)
	}
}
