package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/wire"
)

// The load that the aims are stated for.
const (
	perBatch = 100 // events of a sealed batch
	inFlight = 128 // batches at once: each waits for a publish, which comes ten times a second
	posters  = 64  // who send one event at a time
)

// most is how many events a second are prepared: more than two processors can take.
const most = 150_000

// A service is stet serve in a process of its own, with a store on the disk.
type service struct {
	*child
	bin, path, state string
	env              []string
	log              note.Verifier
	key              string // log's verifier key
}

// servers measures stet serve over loopback TCP: sealed batches to the receipt, single events, one client, too much of
// everything; and at the end that nothing which it acknowledged is missing or there twice.
func servers(ctx context.Context, c config, t *table) (err error) {
	b, err := measure(c)
	if err != nil {
		return err
	}
	events, err := pool(10_000)
	if err != nil {
		return err
	}
	cut, err := templates(events)
	if err != nil {
		return err
	}
	l := &serverLoad{config: c, table: t, bare: b, pool: cut}
	if c.shapes.MatchString("limit") {
		if err := l.limits(ctx); err != nil {
			return fmt.Errorf("the limit program behind net/http: %w", err)
		}
	}
	s, err := serve(ctx, c)
	if err != nil {
		return err
	}
	defer func() {
		if s.child != nil { // after an error
			err = errors.Join(err, s.stop())
		}
		err = errors.Join(err, os.RemoveAll(s.path), os.RemoveAll(s.state))
	}()
	for _, m := range []struct {
		name    string
		measure func(context.Context, *service) error
	}{{"batches", l.batches}, {"singles", l.singles}, {"one client", l.one}, {"overload", l.overload}} {
		if !c.shapes.MatchString(m.name) {
			continue
		}
		if err := m.measure(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	ended := s.child
	s.child = nil
	if err := ended.stop(); err != nil {
		return err
	}
	return l.settled(ctx, s)
}

// serverLoad is what the measurements have in common, and what was acknowledged in them.
type serverLoad struct {
	config
	*table
	bare     bare
	pool     []template
	limit    struct{ batches, singles spent } // of the limit program
	capacity float64                          // events a second, as batches were taken
	sent     []*sender
	posted   []*poster
}

// serve builds stet and starts it on a new store.
func serve(ctx context.Context, c config) (*service, error) {
	bin, err := built(ctx, c)
	if err != nil {
		return nil, err
	}
	s := &service{bin: bin, path: filepath.Join(c.dir, "serve-store"), state: filepath.Join(c.dir, "serve-state")}
	s.env = []string{"STET_STORE=" + s.path, "STET_STATE=" + s.state}
	// One token stands for a whole site here.
	s.child, err = startServer(ctx, s.env, bin, "serve", "--listen", "127.0.0.1:0", "--token-requests", "1000000", "--token-bytes", "1000000000000")
	if err != nil {
		return nil, err
	}
	if s.key, err = s.logKey(ctx); err == nil {
		s.log, err = note.NewVerifier(s.key)
	}
	if err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

func (s *service) logKey(ctx context.Context) (string, error) {
	_, b, err := s.get(ctx, wire.LogPath)
	if err != nil {
		return "", err
	}
	l, err := wire.ParseLog(b)
	return l.LogKey, err
}

func (s *service) get(ctx context.Context, path string) (status int, body []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.addr+path, nil)
	if err != nil {
		return 0, nil, err
	}
	a, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer func() { err = errors.Join(err, a.Body.Close()) }()
	body, err = io.ReadAll(io.LimitReader(a.Body, 1<<20))
	return a.StatusCode, body, err
}

// token makes one for a writer.
func (s *service) token(ctx context.Context) (string, error) {
	cmd := exec.CommandContext(ctx, s.bin, "admin", "token", "create", "--role", "writer", "--app", "billing")
	cmd.Env = append(os.Environ(), s.env...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("make a token: %w\n%s", err, stderr.String())
	}
	return string(bytes.TrimSpace(out)), nil
}

// spent is what a measurement took.
type spent struct {
	events       int
	took         time.Duration
	waits        []time.Duration // of each request, in order of length
	server, load time.Duration   // processor time, an event; server 0: not known
}

func (s spent) rate() float64 { return perSecond(s.events, s.took) }

func (s spent) p(share float64) time.Duration {
	if len(s.waits) == 0 {
		return 0
	}
	return s.waits[int(share*float64(len(s.waits)-1))]
}

// drive has n clients call fn, one call after the other each, until the time is over or fn has nothing left.
func drive(c *child, n, perCall int, total time.Duration, fn func(i int) (more bool, err error)) (s spent, err error) {
	waits, errs := make([][]time.Duration, n), make([]error, n)
	start, server, load := time.Now(), c.used(), used()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for from := time.Now(); from.Sub(start) < total; {
				more, err := fn(i)
				if errs[i] = err; err != nil || !more {
					return
				}
				now := time.Now()
				waits[i], from = append(waits[i], now.Sub(from)), now
			}
		})
	}
	all.Wait()
	s.took = time.Since(start)
	for _, w := range waits {
		s.waits = append(s.waits, w...)
	}
	median(s.waits)
	s.events = len(s.waits) * perCall
	each := time.Duration(max(s.events, 1))
	s.server, s.load = (c.used()-server)/each, (used()-load)/each
	return s, first(errs)
}

// first is the first error there is: one of many clients says enough.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// limits measures the limit program behind net/http, with the same load.
func (l *serverLoad) limits(ctx context.Context) (err error) {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	c, err := startServer(ctx, nil, exe, bareFlag, l.dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.stop()) }()
	sealed, err := senders(ctx, "limit", inFlight, l.prepared(), perBatch, l.pool)
	if err != nil {
		return err
	}
	clients := dial(c, inFlight, "")
	defer func() { err = errors.Join(err, hangUp(clients)) }()
	l.limit.batches, err = drive(c, inFlight, perBatch, l.duration, func(i int) (bool, error) {
		body, more, err := sealed[i].next()
		if err != nil || !more {
			return false, err
		}
		sealed[i].acked = append(sealed[i].acked, acked{})
		return true, clients[i].ok(ctx, body, nil)
	})
	if err != nil {
		return err
	}
	l.show(fmt.Sprintf("the limit behind net/http, batches of %d", perBatch), l.limit.batches, spent{})
	all := make([]poster, posters)
	for i := range all {
		all[i].sender = i
	}
	l.limit.singles, err = drive(c, posters, 1, l.duration, func(i int) (bool, error) {
		_, body := all[i].next()
		return true, clients[i].ok(ctx, body, nil)
	})
	if err == nil {
		l.show(fmt.Sprintf("the same, %d clients, an event each", posters), l.limit.singles, spent{})
	}
	return err
}

func (l *serverLoad) prepared() int { return int(most / perBatch * l.duration.Seconds()) }

// dial makes n clients of a server. They connect when they are first used.
func dial(c *child, n int, token string) []*client {
	all := make([]*client, n)
	for i := range all {
		all[i] = &client{addr: c.addr, path: "/v1/batches", kind: wire.BatchesType, token: token}
	}
	return all
}

func hangUp(all []*client) error {
	var errs []error
	for _, c := range all {
		errs = append(errs, c.close())
	}
	return errors.Join(errs...)
}

// ok posts a body that must be taken, and hands on the answer.
func (c *client) ok(ctx context.Context, body []byte, take func(answer []byte) error) error {
	a, err := c.post(ctx, body)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK {
		return fmt.Errorf("status %d: %.300s", a.status, a.body)
	}
	if take == nil {
		return nil
	}
	return take(a.body)
}

// show prints what a measurement took, beside the limit's.
func (l *serverLoad) show(what string, s, limit spent) {
	compared := ""
	if limit.events > 0 {
		compared = fmt.Sprintf("; %s of the limit, %s by the server's CPU; %s at DESIGN's speed", percent(s.rate()/limit.rate()),
			percent(limit.server.Seconds()/max(s.server, 1).Seconds()), rate(s.rate()*l.bare.slower()))
	}
	server := micros(s.server)
	if s.server == 0 {
		server = "unknown (no /proc, or too short)"
	}
	l.row(what, rate(s.rate()), "p50 %s, p99 %s; CPU an event: server %s, load %s%s", micros(s.p(.5)), micros(s.p(.99)), server, micros(s.load), compared)
}

// batches measures sealed batches, one a request, to the receipt (L2).
func (l *serverLoad) batches(ctx context.Context, s *service) (err error) {
	token, err := s.token(ctx)
	if err != nil {
		return err
	}
	sealed, err := senders(ctx, "sealed", inFlight, l.prepared(), perBatch, l.pool)
	if err != nil {
		return err
	}
	l.sent = append(l.sent, sealed...)
	clients := dial(s.child, inFlight, token)
	defer func() { err = errors.Join(err, hangUp(clients)) }()
	got, err := drive(s.child, inFlight, perBatch, l.duration, func(i int) (bool, error) {
		body, more, err := sealed[i].next()
		if err != nil || !more {
			return false, err
		}
		return true, clients[i].ok(ctx, body, func(answer []byte) error { return sealed[i].take(answer, s.log) })
	})
	l.capacity = got.rate()
	if err == nil {
		l.show(fmt.Sprintf("batches of %d, %d at once, receipts (L2)", perBatch, inFlight), got, l.limit.batches)
	}
	return err
}

// posting makes n clients that send single events.
func (l *serverLoad) posting(s *service, n int, token string) ([]*client, []*poster) {
	clients, all := dial(s.child, n, token), make([]*poster, n)
	for i, c := range clients {
		c.path, c.kind = "/v1/events", "application/json"
		all[i] = &poster{sender: len(l.posted) + i}
	}
	l.posted = append(l.posted, all...)
	return clients, all
}

// singles measures events that nobody has sealed, one a request, until they are durable (L1).
func (l *serverLoad) singles(ctx context.Context, s *service) (err error) {
	token, err := s.token(ctx)
	if err != nil {
		return err
	}
	clients, all := l.posting(s, posters, token)
	defer func() { err = errors.Join(err, hangUp(clients)) }()
	got, err := drive(s.child, posters, 1, l.duration, func(i int) (bool, error) {
		id, body := all[i].next()
		return true, clients[i].ok(ctx, body, func(answer []byte) error { return all[i].take(id, answer) })
	})
	if err == nil {
		l.show(fmt.Sprintf("%d clients, an event each, durable (L1)", posters), got, l.limit.singles)
	}
	return err
}

// one measures a client that is alone, in turns with the bare flush, so that both meet the same disk.
func (l *serverLoad) one(ctx context.Context, s *service) (err error) {
	token, err := s.token(ctx)
	if err != nil {
		return err
	}
	clients, all := l.posting(s, 1, token)
	defer func() { err = errors.Join(err, hangUp(clients)) }()
	var waits, flushes []time.Duration
	for start := time.Now(); time.Since(start) < l.duration; {
		flush, err := syncs(l.dir, 10)
		if err != nil {
			return err
		}
		flushes = append(flushes, flush)
		for range 10 {
			id, body := all[0].next()
			from := time.Now()
			if err := clients[0].ok(ctx, body, func(answer []byte) error { return all[0].take(id, answer) }); err != nil {
				return err
			}
			waits = append(waits, time.Since(from))
		}
	}
	wait, flush := median(waits), median(flushes)
	l.row("one client, an event each, p50", micros(wait), "one flush (%s) and %s", micros(flush), micros(wait-flush))
	return nil
}
