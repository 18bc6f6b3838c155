package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"
)

const (
	tooMuch = 3 // times what the server was seen to take
	// crowded is how many senders stand ready in an overload, and must be more than the server answers at once (512). Half
	// of them have one token, and are more than it answers of one (256).
	crowded = 1024
	// heavy is how much memory the server may have at most. Its bounds add up to less: 256 MiB of bodies, 64 of entries that
	// wait and of buffers for the next, 32 of what was published last, and what the collector lets a heap grow by.
	heavy = 1 << 30
	// grown and wobble are how much more memory the server may have at most in the last third of an overload than in the
	// middle third: a factor, and bytes. Its collector lets a heap grow and shrink by about so much.
	grown, wobble = 1.3, 32 << 20
	// watched is how often that memory is looked at.
	watched = 50 * time.Millisecond
)

// flood counts what became of the requests of an overload.
type flood struct {
	mu      sync.Mutex
	answers map[int]int // by status
	taken   []time.Duration
	refused []time.Duration
}

// overload offers three times what the server took before, whether it answers or not: batches come due at that rate, and
// whichever sender is free sends its next one, or the one that was refused. It fails where a request is answered by
// anything else than a receipt, 429 or 503 with Retry-After, where memory grows, and where the server is not as before at
// the end.
func (l *serverLoad) overload(ctx context.Context, s *service) (err error) {
	if l.capacity == 0 {
		return errors.New("how much is too much is not known: measure batches, too")
	}
	var tokens []string
	for range 3 {
		token, err := s.token(ctx)
		if err != nil {
			return err
		}
		tokens = append(tokens, token)
	}
	total := max(l.duration, min(3*l.duration, 10*time.Second))
	sealed, err := senders(ctx, "overload", crowded, int(l.capacity/perBatch*total.Seconds()*2)+crowded*4, perBatch, l.pool)
	if err != nil {
		return err
	}
	l.sent = append(l.sent, sealed...)
	clients := dial(s.child, crowded, "")
	defer func() { err = errors.Join(err, hangUp(clients)) }()
	f := &flood{answers: map[int]int{}}
	due, errs := make(chan struct{}), make([]error, crowded)
	var all sync.WaitGroup
	for i, c := range clients {
		c.token = tokens[max(0, i%4-1)]
		all.Go(func() {
			for range due {
				if more, err := f.send(ctx, c, sealed[i], s); err != nil || !more {
					errs[i] = err
					return
				}
			}
		})
	}
	memory := watchMemory(s.child)
	before, own, start := s.used(), used(), time.Now()
	offered, idle := pace(ctx, due, l.capacity/perBatch*tooMuch, total)
	took := time.Since(start)
	close(due)
	all.Wait()
	answered := time.Since(start) // the last one
	server, load := s.used()-before, used()-own
	sizes := memory()
	if err := first(errs); err != nil {
		return err
	}
	slices.Sort(f.taken)
	slices.Sort(f.refused)
	taken := spent{events: len(f.taken) * perBatch, took: answered, waits: f.taken}
	l.row(fmt.Sprintf("offered %.1f times as much", float64(offered*perBatch)/took.Seconds()/l.capacity), rate(taken.rate()),
		"taken: %s of what it took before; p50 %s, p99 %s; CPU server %s, load %s of one processor", percent(taken.rate()/l.capacity), micros(taken.p(.5)), micros(taken.p(.99)),
		percent(server.Seconds()/answered.Seconds()), percent(load.Seconds()/answered.Seconds()))
	no := spent{waits: f.refused}
	l.row("  requests", fmt.Sprint(offered), "%s; p50 %s, p99 %s of a refusal; %d more were due while all senders waited", f.counted(), micros(no.p(.5)), micros(no.p(.99)), idle)
	if err := l.memory(sizes); err != nil {
		return err
	}
	return l.recovered(ctx, s, clients[0], sealed)
}

// send sends one batch. Refused batches come again when another one is due.
func (f *flood) send(ctx context.Context, c *client, from *sender, s *service) (more bool, err error) {
	body, more, err := from.next()
	if err != nil || !more {
		return false, err
	}
	start := time.Now()
	a, err := c.post(ctx, body)
	if err != nil {
		return false, err
	}
	took := time.Since(start)
	f.mu.Lock()
	f.answers[a.status]++
	if a.status == http.StatusOK {
		f.taken = append(f.taken, took)
	} else {
		f.refused = append(f.refused, took)
	}
	f.mu.Unlock()
	switch {
	case a.status == http.StatusOK:
		return true, from.take(a.body, s.log)
	case (a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable) && a.later:
		from.refused = true
		return true, nil
	}
	return false, fmt.Errorf("status %d, Retry-After %t: %.300s", a.status, a.later, a.body)
}

// counted lists the answers by status.
func (f *flood) counted() string {
	var all []string
	for status, n := range f.answers {
		all = append(all, fmt.Sprintf("%d × %d", n, status))
	}
	slices.SortFunc(all, func(a, b string) int {
		return cmp.Compare(a[strings.LastIndex(a, " "):], b[strings.LastIndex(b, " "):])
	})
	return strings.Join(all, ", ")
}

// pace makes so many a second due, and counts those that nobody was free for.
func pace(ctx context.Context, due chan<- struct{}, rate float64, total time.Duration) (given, missed int) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	start := time.Now()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return given, missed
		}
		past := time.Since(start)
		if past > total {
			return given, missed
		}
		for given+missed < int(rate*past.Seconds()) {
			select {
			case due <- struct{}{}:
				given++
			default:
				missed++
			}
		}
	}
}

// watchMemory looks at a server's resident memory until what it returns is called.
func watchMemory(c *child) (stop func() []int64) {
	end, done := make(chan struct{}), make(chan []int64)
	go func() {
		var sizes []int64
		tick := time.NewTicker(watched)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if n := c.resident(); n > 0 {
					sizes = append(sizes, n)
				}
			case <-end:
				done <- sizes
				return
			}
		}
	}()
	return func() []int64 {
		close(end)
		return <-done
	}
}

// memory judges how memory went: once the first third of the time is over, it must not grow.
func (l *serverLoad) memory(sizes []int64) error {
	n := len(sizes) / 3
	if n < 10 {
		l.row("  resident memory", "not judged", "it was looked at %d times", len(sizes))
		return nil
	}
	first, middle, last := slices.Max(sizes[:n]), slices.Max(sizes[n:2*n]), slices.Max(sizes[2*n:])
	l.row("  resident memory, most", fmt.Sprintf("%d MiB", last>>20), "in the last third of the time; %d in the first, %d in the middle", first>>20, middle>>20)
	if top := max(first, middle, last); top > heavy {
		return fmt.Errorf("the server has %d MiB of memory, at most %d are allowed", top>>20, heavy>>20)
	}
	if float64(last) > grown*float64(middle)+wobble {
		return fmt.Errorf("memory grows: at most %d MiB in the middle third, %d in the last", middle>>20, last>>20)
	}
	return nil
}

// recovered demands that a server is as before: ready, and a batch is placed.
func (l *serverLoad) recovered(ctx context.Context, s *service, c *client, from []*sender) error {
	status, body, err := s.get(ctx, "/readyz")
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("after an overload: %d %s", status, body)
	}
	if err != nil {
		return err
	}
	i := slices.IndexFunc(from, func(e *sender) bool { return len(e.acked) < len(e.seals) })
	if i < 0 {
		return errors.New("no batch is left: more must be prepared")
	}
	body, _, err = from[i].next()
	if err != nil {
		return err
	}
	start := time.Now()
	if err := c.ok(ctx, body, func(answer []byte) error { return from[i].take(answer, s.log) }); err != nil {
		return err
	}
	l.row("  a batch after it", micros(time.Since(start)), "to its receipt; /readyz says ready")
	return nil
}
