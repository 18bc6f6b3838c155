package snapshot

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
)

// Bounds of a query's result where RowsOptions gives none.
const (
	DefaultMaxRows      = 10_000_000
	DefaultMaxRowsBytes = 1 << 34 // encoded
	maxUnordered        = 1_000_000
)

// A Queryer runs a query: *sql.DB, *sql.Conn and *sql.Tx do. In a transaction, and only there, before and after can be of
// the same state as the job's own statements.
type Queryer interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// RowsOptions bound a query's result. Zero values are the defaults.
type RowsOptions struct {
	Options
	MaxRows  int64
	MaxBytes int64 // of all rows together, as encoded; a row is first held in memory by the driver, whatever its size
	// Unordered makes the order of rows not matter: without it the query must say ORDER BY, down to the last tie, or the
	// same rows may have another digest. It holds 32 bytes a row and takes at most a million rows.
	Unordered bool
}

// Rows takes a snapshot of the rows that a query returns: the names of its columns, and of each row the values, as the
// driver gives them: NULL, integers, floats, booleans, text, bytes and times are told apart, so that NULL is not "" and 1 is
// not '1'. A value of another type is ErrUnsupported; cast it to text. The count is the number of rows.
//
// The types are the driver's: another driver, or another version of one, may give another digest of the same rows. More
// rows or bytes than allowed are ErrTooLarge. Without o.Key or o.Public it is ErrGuessable. Errors of the query are passed
// on; they may name what stands in the query.
func Rows(ctx context.Context, db Queryer, o RowsOptions, query string, args ...any) (s *event.Snapshot, err error) {
	if err := o.guarded(); err != nil {
		return nil, err
	}
	o.defaults()
	rows, err := db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("snapshot of a query: %w", err)
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, fmt.Errorf("snapshot of a query: %w", err)
	}
	kind := "rows"
	if o.Unordered {
		kind = "rows unordered"
	}
	h := begin(kind)
	e := encoder{w: h}
	e.open(tagList, len(columns))
	for _, c := range columns {
		e.text(c)
	}
	n, err := o.each(rows, columns, &e)
	if err != nil {
		return nil, fmt.Errorf("snapshot of a query, at row %d: %w", n+1, err)
	}
	e.int(n)
	return o.snapshot(h, many(n, "row", "rows")+" of "+many(int64(len(columns)), "column", "columns"), &n), nil
}

func (o *RowsOptions) defaults() {
	if o.MaxRows == 0 {
		o.MaxRows = DefaultMaxRows
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxRowsBytes
	}
	if o.Unordered {
		o.MaxRows = min(o.MaxRows, maxUnordered)
	}
}

// each encodes all rows, in the order of the query or of their hashes, and returns how many there were.
func (o *RowsOptions) each(rows *sql.Rows, columns []string, e *encoder) (n int64, err error) {
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	var sums [][sha256.Size]byte
	var written int64
	for rows.Next() {
		if n == o.MaxRows {
			return n, fmt.Errorf("%w: %d rows", ErrTooLarge, o.MaxRows)
		}
		if err := rows.Scan(into...); err != nil {
			return n, err
		}
		one := e
		if o.Unordered {
			one = &encoder{w: sha256.New()}
		}
		from := one.n
		one.open(tagList, len(values))
		for i, v := range values {
			if err := one.cell(v); err != nil {
				return n, fmt.Errorf("column %q: %w", columns[i], err)
			}
		}
		if written += one.n - from; written > o.MaxBytes {
			return n, fmt.Errorf("%w: %d bytes", ErrTooLarge, o.MaxBytes)
		}
		if o.Unordered {
			sums = append(sums, [sha256.Size]byte(one.w.Sum(nil)))
		}
		n++
	}
	slices.SortFunc(sums, func(a, b [sha256.Size]byte) int { return bytes.Compare(a[:], b[:]) })
	for _, s := range sums {
		e.bytes(tagBytes, s[:])
	}
	return n, rows.Err()
}

// cell encodes one value of a driver (driver.Value).
func (e *encoder) cell(v any) error {
	switch v := v.(type) {
	case nil:
		e.null()
	case bool:
		e.bool(v)
	case int64:
		e.int(v)
	case float64:
		e.float(v)
	case string:
		e.text(v)
	case []byte:
		e.bytes(tagBytes, v)
	case time.Time:
		e.time(v)
	default:
		return fmt.Errorf("%w: a %T; cast it to text in the query", ErrUnsupported, v)
	}
	return nil
}
