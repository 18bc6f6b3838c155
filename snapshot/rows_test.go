package snapshot_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/stetlog/stet/snapshot"
)

func database(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), "db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	run(t, db, "CREATE TABLE a (id INTEGER, name TEXT, paid)")
	run(t, db, "INSERT INTO a VALUES (1, 'ann', NULL), (2, '', 0.5), (3, 'x''', x'0001')")
	return db
}

func run(t *testing.T, db *sql.DB, statement string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), statement, args...); err != nil {
		t.Fatal(err)
	}
}

func rowsOf(t *testing.T, db snapshot.Queryer, unordered bool, query string, args ...any) string {
	t.Helper()
	s, err := snapshot.Rows(t.Context(), db, snapshot.RowsOptions{Options: public, Unordered: unordered}, query, args...)
	return digest(t, s, err)
}

func TestRows(t *testing.T) {
	db, want := database(t), readVectors(t).Rows
	s, err := snapshot.Rows(t.Context(), db, snapshot.RowsOptions{Options: snapshot.Options{Object: "table a", Public: true}}, "SELECT * FROM a ORDER BY id")
	if err != nil {
		t.Fatal(err)
	}
	if s.Digest != want["ordered"] || *s.Count != 3 || s.Summary != "3 rows of 3 columns" || s.Object != "table a" {
		t.Errorf("%+v, count %d", s, *s.Count)
	}
	if got := rowsOf(t, db, false, "SELECT * FROM a WHERE id > ?", 3); got != want["none"] {
		t.Errorf("no rows: %s, want %s", got, want["none"])
	}
	if got := rowsOf(t, db, false, "SELECT * FROM a ORDER BY id DESC"); got == want["ordered"] {
		t.Error("the order of rows does not show")
	}
	for _, order := range []string{"id", "id DESC", "name"} {
		if got := rowsOf(t, db, true, "SELECT * FROM a ORDER BY "+order); got != want["unordered"] {
			t.Errorf("unordered, by %s: %s, want %s", order, got, want["unordered"])
		}
	}
	// Within a transaction it is the transaction's own state.
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(t.Context(), "DELETE FROM a WHERE id = 3"); err != nil {
		t.Fatal(err)
	}
	if rowsOf(t, tx, true, "SELECT * FROM a") == want["unordered"] {
		t.Error("the transaction's change does not show")
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if rowsOf(t, db, true, "SELECT * FROM a") != want["unordered"] {
		t.Error("what was rolled back shows")
	}
}

// Rows that look alike, and are not.
func TestRowsTellValuesApart(t *testing.T) {
	db := database(t)
	for _, unordered := range []bool{false, true} {
		seen := map[string]string{}
		for _, query := range []string{
			"SELECT NULL AS v", "SELECT '' AS v", "SELECT x'' AS v", "SELECT 0 AS v", "SELECT 0.0 AS v", "SELECT '0' AS v", "SELECT x'30' AS v", "SELECT 'NULL' AS v",
			"SELECT 1 AS v", "SELECT 1.0 AS v", "SELECT '1' AS v", "SELECT 9007199254740993 AS v", "SELECT 9007199254740992 AS v", "SELECT 1e300 AS v", "SELECT 9e999 AS v",
			"SELECT 1 AS w", "SELECT '' AS v, '' AS v", "SELECT 'a' AS v, 'b' AS w", "SELECT 'ab' AS v, '' AS w", "SELECT '' AS v, 'ab' AS w",
			"SELECT 'a' AS v UNION ALL SELECT 'b'", "SELECT 'ab' AS v", "SELECT 'a' AS v UNION ALL SELECT 'a'", "SELECT 'a' AS v", "SELECT 1 AS v WHERE 0", "SELECT 1 AS w WHERE 0",
		} {
			d := rowsOf(t, db, unordered, query)
			if other, ok := seen[d]; ok {
				t.Errorf("%s and %s have one digest", query, other)
			}
			seen[d] = query
		}
	}
}

func TestRowsRefused(t *testing.T) {
	db := database(t)
	const many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n) SELECT i FROM n"
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, x := range []struct {
		name  string
		ctx   context.Context
		o     snapshot.RowsOptions
		query string
		want  error
	}{
		{"guessable", t.Context(), snapshot.RowsOptions{}, "SELECT salary", snapshot.ErrGuessable},
		{"rows", t.Context(), snapshot.RowsOptions{Options: public, MaxRows: 1000}, many, snapshot.ErrTooLarge},
		{"rows, unordered", t.Context(), snapshot.RowsOptions{Options: public, MaxRows: 1000, Unordered: true}, many, snapshot.ErrTooLarge},
		{"bytes", t.Context(), snapshot.RowsOptions{Options: public, MaxBytes: 1000}, many, snapshot.ErrTooLarge},
		{"cancelled", cancelled, snapshot.RowsOptions{Options: public}, many, context.Canceled},
	} {
		if s, err := snapshot.Rows(x.ctx, db, x.o, x.query); !errors.Is(err, x.want) || s != nil {
			t.Errorf("%s: %v, want %v", x.name, err, x.want)
		}
	}
	if _, err := snapshot.Rows(t.Context(), db, snapshot.RowsOptions{Options: public}, "SELECT nothing FROM nowhere"); err == nil || !strings.HasPrefix(err.Error(), "snapshot of a query") {
		t.Errorf("a query that fails: %v", err)
	}
	// A query that breaks off in the middle gives no digest of the first rows.
	if s, err := snapshot.Rows(t.Context(), db, snapshot.RowsOptions{Options: public}, "SELECT abs(CASE i WHEN 3 THEN -9223372036854775807-1 ELSE i END) FROM (SELECT 1 AS i UNION ALL SELECT 2 UNION ALL SELECT 3)"); err == nil {
		t.Errorf("a query that broke off: %+v", s)
	}
}
