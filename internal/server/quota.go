package server

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// maxQuotas is how many callers are remembered at once; a caller that is forgotten begins anew, with its bursts.
const maxQuotas = 16_384

// quotas are the rates of the callers, by name.
type quotas struct {
	limits Limits
	now    func() time.Time

	mu  sync.Mutex
	all map[string]*quota
}

// quota is what one caller has left. Its limiters and counters are safe for concurrent use.
type quota struct {
	requests, bytes, streams *rate.Limiter

	mu        sync.Mutex
	working   int // requests that are being answered
	asking    int // of these, questions to the index
	listening int // streams of events
}

func newQuotas(l Limits, now func() time.Time) *quotas {
	return &quotas{limits: l, now: now, all: make(map[string]*quota)}
}

func (q *quotas) of(name string) *quota {
	q.mu.Lock()
	defer q.mu.Unlock()
	if c, ok := q.all[name]; ok {
		return c
	}
	if len(q.all) >= maxQuotas {
		q.forget()
	}
	l := q.limits
	c := &quota{
		requests: rate.NewLimiter(rate.Limit(l.RequestRate), l.RequestBurst),
		bytes:    rate.NewLimiter(rate.Limit(l.ByteRate), l.ByteBurst),
		streams:  rate.NewLimiter(rate.Limit(l.StreamRate), l.StreamBurst),
	}
	q.all[name] = c
	return c
}

// forget makes room: by who has nothing under way and everything left, else by anybody who has nothing under way. The caller
// holds mu.
func (q *quotas) forget() {
	now := q.now()
	for _, full := range []bool{true, false} {
		for name, c := range q.all {
			c.mu.Lock()
			idle := c.working+c.listening == 0
			c.mu.Unlock()
			if idle && (!full || c.requests.TokensAt(now) >= float64(q.limits.RequestBurst)) {
				delete(q.all, name)
			}
		}
		if len(q.all) < maxQuotas/2 {
			return
		}
	}
}

// begin says whether the caller may have one more request answered at once; then end must be called.
func (c *quota) begin(most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.working >= most {
		return false
	}
	c.working++
	return true
}

// ask says whether the caller may have one more question answered at once; then asked must be called.
func (c *quota) ask(most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.asking >= most {
		return false
	}
	c.asking++
	return true
}

func (c *quota) asked() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asking--
}

// listen says whether the caller may have one more stream; then listened must be called.
func (c *quota) listen(most int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.listening >= most {
		return false
	}
	c.listening++
	return true
}

func (c *quota) listened() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.listening--
}

func (c *quota) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.working--
}

// charge takes n from a limiter, and may leave it in debt: what has come has come. wait is how long the caller should stay
// away before more is taken; 0 says that it may go on.
func charge(l *rate.Limiter, now time.Time, n int) (wait time.Duration) {
	for n > 0 {
		part := min(n, l.Burst())
		l.ReserveN(now, part)
		n -= part
	}
	return debt(l, now)
}

// debt is how long a limiter needs to have something left.
func debt(l *rate.Limiter, now time.Time) time.Duration {
	left := l.TokensAt(now)
	if left >= 0 {
		return 0
	}
	return time.Duration(-left / float64(l.Limit()) * float64(time.Second))
}
