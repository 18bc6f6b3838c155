package main

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// The leanest SQLite that could answer most of the language: numbers in columns, texts interned, seven indexes, words in a
// contentless FTS5. Labels, parameters and the fields that few ask for are left out, to its advantage.
const schema = `
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000; PRAGMA locking_mode = EXCLUSIVE;
CREATE TABLE text (id INTEGER PRIMARY KEY, text TEXT NOT NULL);
CREATE TABLE entry (seq INTEGER PRIMARY KEY, received INTEGER, actor INTEGER, type INTEGER, app INTEGER, env INTEGER, host INTEGER,
	interaction INTEGER, job INTEGER, run INTEGER, status INTEGER, severity INTEGER, object INTEGER);
CREATE INDEX received ON entry (received);
CREATE INDEX actor ON entry (actor, seq);
CREATE INDEX type ON entry (type, seq);
CREATE INDEX app ON entry (app, seq);
CREATE INDEX interaction ON entry (interaction, seq);
CREATE INDEX job ON entry (job, seq);
CREATE INDEX object ON entry (object, seq);
CREATE VIRTUAL TABLE words USING fts5 (prose, content='', detail=none);`

var columns = []search.Field{search.FieldActor, search.FieldEvent, search.FieldApp, search.FieldEnv, search.FieldHost, search.FieldInteraction,
	search.FieldJob, search.FieldRun, search.FieldStatus}

// inSQLite measures what the same entries cost there.
func inSQLite(ctx context.Context, c config, t *table, log logAt, size uint64, b bare) (err error) {
	path := filepath.Join(c.dir, "index.sqlite")
	db, err := sql.Open("sqlite", path)
	if err != nil {
		return err
	}
	db.SetMaxOpenConns(1)
	defer func() { err = errors.Join(err, db.Close(), os.Remove(path)) }()
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}
	size = min(size, 400_000)
	start := time.Now()
	cost, err := perEntry(size, func() error { return fill(ctx, db, log, size) })
	if err != nil {
		return err
	}
	took := time.Since(start)
	fi, err := os.Stat(path)
	if err != nil {
		return err
	}
	t.row("SQLite with less in it, reading included", micros(cost), "%s at DESIGN's speed; %s on the wall; %d B an entry; %d entries",
		micros(time.Duration(float64(cost)/b.slower())), rate(perSecond(int(size), took)), fi.Size()/int64(size), size)
	return nil
}

// perTransaction is how many entries are committed together.
const perTransaction = 20_000

func fill(ctx context.Context, db *sql.DB, log logAt, size uint64) error {
	ids := map[string]int64{}
	for from := uint64(0); from < size; from += perTransaction {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if err := fillSome(ctx, tx, ids, log, from, min(from+perTransaction, size)); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
	return nil
}

func fillSome(ctx context.Context, tx *sql.Tx, ids map[string]int64, log logAt, from, to uint64) (err error) {
	entry, err := tx.PrepareContext(ctx, "INSERT INTO entry VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, entry.Close()) }()
	text, err := tx.PrepareContext(ctx, "INSERT INTO text VALUES (?,?)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, text.Close()) }()
	words, err := tx.PrepareContext(ctx, "INSERT INTO words (rowid, prose) VALUES (?,?)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, words.Close()) }()
	var texts, prose []string
	return logread.Entries(ctx, log.src, from, to, func(seq uint64, raw []byte) error {
		e, err := proof.ParseEntry(raw)
		if err != nil {
			return err
		}
		r, ok, err := search.NewRecord(e, "")
		if err != nil || !ok || r.Event == nil {
			return err
		}
		intern := func(f search.Field) (any, error) {
			if texts = r.AppendTexts(texts[:0], f, nil); len(texts) == 0 {
				return nil, nil
			}
			id, known := ids[texts[0]]
			if !known {
				id = int64(len(ids))
				ids[texts[0]] = id
				if _, err := text.ExecContext(ctx, id, texts[0]); err != nil {
					return nil, err
				}
			}
			return id, nil
		}
		row := []any{int64(seq), r.Received.UnixNano()}
		for _, f := range columns {
			id, err := intern(f)
			if err != nil {
				return err
			}
			row = append(row, id)
		}
		object, err := intern(search.FieldObject)
		if err != nil {
			return err
		}
		row = append(row, int64(*r.Event.Severity), object)
		if _, err := entry.ExecContext(ctx, row...); err != nil {
			return err
		}
		prose = r.AppendProse(prose[:0])
		_, err = words.ExecContext(ctx, int64(seq), strings.Join(prose, " "))
		return err
	})
}
