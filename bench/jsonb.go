package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// The table that an application would keep its events in, with an index for each field of the query language that has values
// of its own, one for labels, one for parameters and one for words. What several members hold together is left out, to its
// advantage: who acts is user_id only, an address source_ip.
const jsonbTable = `CREATE TABLE event (seq bigint PRIMARY KEY, received timestamptz NOT NULL, emitter text NOT NULL, event jsonb NOT NULL)`

// wordsOf are the texts that free words look at.
var wordsOf = func() string {
	var all []string
	for _, path := range []string{"user_id", "description", "action", "status_reason", "status_code", "object,id", "why,reason", "why,reference", "job,name",
		"impact,summary"} {
		all = append(all, "coalesce(event#>>'{"+path+"}', '')")
	}
	return "to_tsvector('simple', " + strings.Join(all, " || ' ' || ") + ")" // concat_ws may not stand in an index
}()

// jsonbIndexes are made before the table is filled: a log grows with its index.
var jsonbIndexes = []string{"received", "emitter", "(event->>'user_id')", "(event->>'event_type')", "(event->>'app_id')", "(event->>'environment')",
	"(event#>>'{host,name}')", "(event->>'source_ip')", "(event->>'interaction_id')", "(event#>>'{job,id}')", "(event#>>'{job,name}')",
	"(event#>>'{job,parent_id}')", "(event#>>'{job,root_id}')", "(event#>>'{job,run_id}')", "(event#>>'{job,phase}')", "((event#>>'{job,attempt}')::bigint)",
	"(event->>'status')", "((event->>'severity')::int)", "(event#>>'{why,trigger}')", "(event->>'stream_id')", "(event#>>'{object,id}')",
	"(event->>'trace_id')", "(event#>>'{why,reference}')", "(event->>'timestamp')"}

var jsonbGIN = []string{"(event->'labels') jsonb_path_ops", "(event#>'{job,params}') jsonb_path_ops", "(" + wordsOf + ")"}

// fresh makes the table anew, empty.
func (p *postgres) fresh(ctx context.Context) (err error) {
	conn, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	statements := []string{"DROP TABLE IF EXISTS event", jsonbTable}
	for _, on := range jsonbIndexes {
		statements = append(statements, "CREATE INDEX ON event ("+on+")")
	}
	for _, on := range jsonbGIN {
		statements = append(statements, "CREATE INDEX ON event USING gin ("+on+")")
	}
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// jsonbRow is a row of the table.
type jsonbRow struct {
	seq      int64
	received time.Time
	emitter  string
	event    []byte
}

// rows hands rows to COPY until next has none; it is for one connection.
type rows struct {
	next func() (jsonbRow, bool, error)
	row  jsonbRow
	err  error
}

func (r *rows) Next() (more bool) {
	r.row, more, r.err = r.next()
	return more && r.err == nil
}

func (r *rows) Values() ([]any, error) {
	return []any{r.row.seq, r.row.received, r.row.emitter, r.row.event}, nil
}

func (r *rows) Err() error { return r.err }

// copyIn fills the table through one connection, in one transaction.
func copyIn(ctx context.Context, conn *pgx.Conn, next func() (jsonbRow, bool, error)) error {
	_, err := conn.CopyFrom(ctx, pgx.Identifier{"event"}, []string{"seq", "received", "emitter", "event"}, &rows{next: next})
	return err
}

// rowOf is the row of an entry; ok is false for a seal.
func rowOf(e proof.Entry) (row jsonbRow, ok bool, err error) {
	if e.Event == nil {
		return row, false, nil
	}
	at, err := proof.ParseTime(e.ReceivedAt)
	return jsonbRow{int64(e.Seq), at, "generated", e.Event}, err == nil, err
}

// size is what the table and its indexes take on the disk.
func (p *postgres) size(ctx context.Context) (n int64, err error) {
	conn, err := p.connect(ctx)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	err = conn.QueryRow(ctx, "SELECT pg_total_relation_size('event')").Scan(&n)
	return n, err
}

// answer reads all rows of a query, as whoever shows them would, and says how many they are.
func answer(ctx context.Context, conn *pgx.Conn, query string, args ...any) (n int, err error) {
	found, err := conn.Query(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	defer found.Close()
	for found.Next() {
		for _, v := range found.RawValues() {
			if len(v) > event.MaxBytes*2 {
				return n, errors.New("a row is larger than any event")
			}
		}
		n++
	}
	return n, found.Err()
}
