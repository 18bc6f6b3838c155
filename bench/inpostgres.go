package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// inPostgres measures what the events of a log cost in a table of PostgreSQL, and the same questions there.
func inPostgres(ctx context.Context, c config, t *table, log logAt, size uint64, stories []string, b bare) (err error) {
	p, err := startPostgres(ctx, c.dir)
	if errors.Is(err, errNoPostgres) {
		t.row("PostgreSQL, JSONB", "not measured", "%v", err)
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.end()) }()
	if err := p.fresh(ctx); err != nil {
		return err
	}
	conn, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	start, server, load := time.Now(), p.used(), used()
	n, err := copyLog(ctx, conn, log, size)
	if err != nil {
		return err
	}
	took, cost, client := time.Since(start), (p.used()-server)/time.Duration(n), (used()-load)/time.Duration(n)
	if _, err := conn.Exec(ctx, "VACUUM ANALYZE event"); err != nil {
		return err
	}
	bytes, err := p.size(ctx)
	if err != nil {
		return err
	}
	t.row("PostgreSQL, JSONB by COPY, the same indexes", micros(cost), "%s at DESIGN's speed, and %s the client; %s on the wall; %d B an event, text included",
		micros(time.Duration(float64(cost)/b.slower())), micros(client), rate(perSecond(n, took)), bytes/int64(n))
	return ask(t, "PostgreSQL: ", stories, b.slower(), p.used, func(a asked) (int, error) { return answer(ctx, conn, a.sql, a.args...) })
}

// perCopy is how many rows a transaction of COPY has.
const perCopy = 10_000

// copyLog copies the events of a log.
func copyLog(ctx context.Context, conn *pgx.Conn, log logAt, size uint64) (n int, err error) {
	var some []jsonbRow
	var entries proof.EnvelopeParser
	flush := func() error {
		left := some
		err := copyIn(ctx, conn, func() (row jsonbRow, more bool, err error) {
			if len(left) == 0 {
				return row, false, nil
			}
			row, left = left[0], left[1:]
			return row, true, nil
		})
		n, some = n+len(some), some[:0]
		return err
	}
	err = logread.Entries(ctx, log.src, 0, size, func(_ uint64, raw []byte) error {
		e, err := entries.Parse(raw)
		if err != nil {
			return err
		}
		row, ok, err := rowOf(e)
		if err != nil || !ok {
			return err
		}
		if some = append(some, row); len(some) < perCopy {
			return nil
		}
		return flush()
	})
	if err == nil {
		err = flush()
	}
	return n, err
}
