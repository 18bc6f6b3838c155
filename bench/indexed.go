package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/logread"
)

// indexed measures stet serve with its index: how many events it takes, and how far behind the index is when they end. Beside
// it PostgreSQL takes the same events by COPY.
func indexed(ctx context.Context, c config, t *table) (err error) {
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
	took, err := l.followed(ctx)
	if err != nil {
		return err
	}
	return l.copied(ctx, took)
}

// behind is how far the index is behind the log.
type behind struct {
	entries int
	age     time.Duration // of the oldest of them
}

// behind asks the server's metrics.
func (s *service) behind(ctx context.Context) (b behind, err error) {
	status, text, err := s.get(ctx, "/metrics")
	if err != nil || status != http.StatusOK {
		return b, errors.Join(fmt.Errorf("metrics: status %d", status), err)
	}
	seen := 0
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), " ")
		n, perr := strconv.ParseFloat(value, 64)
		switch {
		case perr != nil:
		case name == "stet_index_behind_entries":
			b.entries, seen = int(n), seen+1
		case name == "stet_index_behind_seconds":
			b.age, seen = time.Duration(n*float64(time.Second)), seen+1
		}
	}
	if seen != 2 {
		return b, errors.New("the metrics do not say how far the index is behind")
	}
	return b, nil
}

// followed sends batches as the section "server" does.
func (l *serverLoad) followed(ctx context.Context) (got spent, err error) {
	s, err := serve(ctx, l.config)
	if err != nil {
		return got, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.path), os.RemoveAll(s.state)) }()
	got, err = l.follow(ctx, s)
	if err = errors.Join(err, s.stop()); err != nil {
		return got, err
	}
	return got, l.alone(ctx, s)
}

func (l *serverLoad) follow(ctx context.Context, s *service) (got spent, err error) {
	token, err := s.token(ctx)
	if err != nil {
		return got, err
	}
	sealed, err := senders(ctx, "indexed", inFlight, l.prepared(), perBatch, l.pool)
	if err != nil {
		return got, err
	}
	clients := dial(s.child, inFlight, token)
	defer func() { err = errors.Join(err, hangUp(clients)) }()
	if got, err = drive(s.child, inFlight, perBatch, l.duration, func(i int) (bool, error) {
		body, more, err := sealed[i].next()
		if err != nil || !more {
			return false, err
		}
		return true, clients[i].ok(ctx, body, func(answer []byte) error { return sealed[i].take(answer, s.log) })
	}); err != nil {
		return got, err
	}
	ended := time.Now()
	end, err := s.behind(ctx)
	if err != nil {
		return got, err
	}
	for now := end; now.entries > 0; {
		if now, err = s.behind(ctx); err != nil || time.Since(ended) > 10*time.Minute {
			return got, errors.Join(errors.New("the index does not catch up"), err)
		}
	}
	l.row(fmt.Sprintf("batches of %d, %d at once, with the index", perBatch, inFlight), rate(got.rate()),
		"p50 %s, p99 %s; CPU an event: server %s, load %s; %s at DESIGN's speed", micros(got.p(.5)), micros(got.p(.99)), micros(got.server), micros(got.load),
		rate(got.rate()*l.bare.slower()))
	l.row("the index when they end is behind by", fmt.Sprintf("%.2f s", end.age.Seconds()), "%d entries; all could be found %v later", end.entries,
		time.Since(ended).Round(time.Millisecond))
	return got, nil
}

// alone indexes what the server has left, by itself: what of the server's time that was.
func (l *serverLoad) alone(ctx context.Context, s *service) (err error) {
	if err := os.RemoveAll(s.path + "/" + index.Dir); err != nil {
		return err
	}
	fsys, err := fsx.OpenDir(s.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	x, err := index.Open(fsys, s.key)
	if err != nil {
		return err
	}
	before := used()
	if err := errors.Join(x.Catch(ctx, logAt{logread.Store(fsys)}, nil), x.Save()); err != nil {
		return errors.Join(err, x.Close())
	}
	cost := (used() - before) / time.Duration(max(x.Indexed(), 1))
	l.row("to index the same log alone, reading included", micros(cost), "%s at DESIGN's speed; %d entries", micros(time.Duration(float64(cost)/l.bare.slower())), x.Indexed())
	return x.Close()
}

// loaders is how many connections copy: one for each processor that the aims are stated for.
const loaders = 2

// copied measures PostgreSQL with the same events: transactions of perCopy rows, as fast as it takes them.
func (l *serverLoad) copied(ctx context.Context, server spent) (err error) {
	p, err := startPostgres(ctx, l.dir)
	if errors.Is(err, errNoPostgres) {
		l.row("PostgreSQL, JSONB by COPY of rows", "not measured", "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	if err := p.fresh(ctx); err != nil {
		return err
	}
	var all sync.WaitGroup
	counts, errs := make([]int, loaders), make([]error, loaders)
	start, before, load := time.Now(), p.used(), used()
	for i := range loaders {
		all.Go(func() { counts[i], errs[i] = l.load(ctx, p, i, start) })
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	n := 0
	for _, c := range counts {
		n += c
	}
	took, cost, client := time.Since(start), (p.used()-before)/time.Duration(max(n, 1)), (used()-load)/time.Duration(max(n, 1))
	bytes, err := p.size(ctx)
	if err != nil {
		return err
	}
	mine := perSecond(n, took)
	l.row(fmt.Sprintf("PostgreSQL, JSONB by COPY of %d rows, %d at once", perCopy, loaders), rate(mine), "CPU an event: server %s, load %s; %d B an event; the server takes %s of that, and %s of its CPU an event",
		micros(cost), micros(client), bytes/int64(max(n, 1)), factor(server.rate()/mine), percent(server.server.Seconds()/max(cost, 1).Seconds()))
	return nil
}

// load copies until the time is over.
func (l *serverLoad) load(ctx context.Context, p *postgres, loader int, start time.Time) (n int, err error) {
	conn, err := p.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	e := sender{templates: l.pool, offset: loader * 131, size: 1, stream: derived("copied", loader).String()}
	for time.Since(start) < l.duration || n == 0 {
		end := n + perCopy
		if err := copyIn(ctx, conn, func() (row jsonbRow, more bool, err error) {
			if n == end || n > 0 && time.Since(start) >= l.duration {
				return row, false, nil
			}
			b := e.batch(n)
			n++
			return jsonbRow{int64(loader)<<40 | int64(n), start.Add(time.Duration(n)), e.stream, bytes.Clone(b.Events[0])}, true, nil
		}); err != nil {
			return n, err
		}
	}
	return n, nil
}
