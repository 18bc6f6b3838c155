package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/stetlog/stet/bench/generate"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/index"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// indexing measures the index over a generated log of c.events: what it costs to make, how large it is, and the four questions
// that must not take longer than 50 ms. Beside it stands what SQLite would cost for less: see sqlite.go.
func indexing(ctx context.Context, c config, t *table) (err error) {
	fsys, err := generated(ctx, c, "index", generate.Config{Seed: 1, Events: c.events})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	b, err := measure(c)
	if err != nil {
		return err
	}
	log := logAt{logread.Store(fsys)}
	cp, err := log.Head(ctx)
	if err != nil {
		return err
	}
	reading, err := perEntry(cp.Size, func() error {
		return logread.Entries(ctx, log.src, 0, cp.Size, func(uint64, []byte) error { return nil })
	})
	if err != nil {
		return err
	}
	t.row("read the log, one core", micros(reading), "%s at DESIGN's speed", micros(time.Duration(float64(reading)/b.slower())))
	if err := os.RemoveAll(filepath.Join(fsys.path, index.Dir)); err != nil {
		return err
	}
	x, err := index.Open(fsys, indexedLog)
	if err != nil {
		return err
	}
	start := time.Now()
	cost, err := perEntry(cp.Size, func() error {
		return errors.Join(x.Catch(ctx, log, nil), x.Save(), x.Close())
	})
	if err != nil {
		return err
	}
	size, err := du(filepath.Join(fsys.path, index.Dir))
	if err != nil {
		return err
	}
	t.row("make the index, reading included", micros(cost), "%s at DESIGN's speed; %s on the wall; %d B an entry",
		micros(time.Duration(float64(cost)/b.slower())), rate(perSecond(int(cp.Size), time.Since(start))), size/int64(cp.Size))
	start = time.Now()
	if x, err = index.Open(fsys, indexedLog); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, x.Close()) }()
	t.row("open it, every byte checked", micros(time.Since(start)), "%d entries", x.Indexed())
	stories, err := some(ctx, x, log)
	if err != nil {
		return err
	}
	if err := ask(t, "", stories, b.slower(), used, answerer(ctx, x, log)); err != nil {
		return err
	}
	if err := inPostgres(ctx, c, t, log, cp.Size, stories, b); err != nil {
		return err
	}
	return inSQLite(ctx, c, t, log, cp.Size, b)
}

// indexedLog stands for the key of the log.
const indexedLog = "generated.example/log"

// generatedLog is a generated log in a directory.
type generatedLog struct {
	*fsx.Dir
	path string
	kept bool
}

// generated opens a generated log, and makes it where there is none: in c.log, or under a name in a directory that Close removes.
func generated(ctx context.Context, c config, name string, g generate.Config) (_ *generatedLog, err error) {
	l := &generatedLog{path: c.log, kept: c.log != ""}
	if !l.kept {
		l.path = filepath.Join(c.dir, name)
	}
	_, serr := os.Stat(l.path)
	if err := os.MkdirAll(l.path, 0o700); err != nil {
		return nil, err
	}
	if l.Dir, err = fsx.OpenDir(l.path); err != nil {
		return nil, err
	}
	if serr != nil {
		err = generate.Store(ctx, l.Dir, g)
	}
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

func (l *generatedLog) Close() error {
	err := l.Dir.Close()
	if !l.kept {
		err = errors.Join(err, os.RemoveAll(l.path))
	}
	return err
}

// logAt is a log on the disk.
type logAt struct{ src *logread.Dir }

func (l logAt) Source() logread.Source { return l.src }

func (l logAt) Head(ctx context.Context) (proof.Checkpoint, error) {
	msg, err := l.src.Fetch(ctx, logread.CheckpointPath)
	if err != nil {
		return proof.Checkpoint{}, err
	}
	return proof.ParseCheckpointText(msg)
}

// perEntry is the processor time of fn for each of n entries.
func perEntry(n uint64, fn func() error) (time.Duration, error) {
	before := used()
	err := fn()
	return (used() - before) / time.Duration(n), err
}

// questions is how often each question is asked, of something else each time.
const questions = 200

// asked is a question with its particulars, in both languages.
type asked struct {
	query string
	limit int // of rows; 0: counts by type
	sql   string
	args  []any
}

// A question draws particulars each time.
type question struct {
	what string
	draw func() asked
}

// theQuestions are the four that must not take longer than 50 ms. They draw the same particulars in each run.
func theQuestions(stories []string) []question {
	const found = "SELECT seq, received, emitter, event FROM event WHERE "
	rng := rand.New(rand.NewPCG(7, 8))
	actor := rand.NewZipf(rng, 1.2, 4, 4999)
	day := func(n int) time.Time { return logBegin.Add(time.Duration(n) * 24 * time.Hour) }
	return []question{
		{"a story, all of it", func() asked {
			id := stories[rng.IntN(len(stories))]
			return asked{"interaction:" + id, index.MaxRows, found + "event->>'interaction_id' = $1 ORDER BY seq DESC LIMIT 1000", []any{id}}
		}},
		{"an actor's last 100 in a week", func() asked {
			from, who := rng.IntN(23), generate.Actor(int(actor.Uint64()))
			return asked{fmt.Sprintf("actor:%s received:%s..%s", who, day(from).Format(time.DateOnly), day(from+6).Format(time.DateOnly)), 100,
				found + "event->>'user_id' = $1 AND received >= $2 AND received < $3 ORDER BY seq DESC LIMIT 100", []any{who, day(from), day(from + 7)}}
		}},
		{"a day's counts by type", func() asked {
			from := rng.IntN(30)
			return asked{"received:" + day(from).Format(time.DateOnly), 0,
				"SELECT event->>'event_type', count(*) FROM event WHERE received >= $1 AND received < $2 GROUP BY 1", []any{day(from), day(from + 1)}}
		}},
		{"a rare word", func() asked {
			return asked{generate.Rare, 100, found + wordsOf + " @@ to_tsquery('simple', $1) ORDER BY seq DESC LIMIT 100", []any{generate.Rare}}
		}},
	}
}

// logBegin is when a generated log begins.
var logBegin = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// some are stories of the log.
func some(ctx context.Context, x *index.Index, log logAt) (stories []string, err error) {
	jobs, err := search.Parse("event:job_submitted")
	if err != nil {
		return nil, err
	}
	page, err := x.Find(ctx, log, jobs, logBegin, index.Everything(), index.MaxRows)
	if err != nil {
		return nil, err
	}
	for _, r := range page.Rows {
		stories = append(stories, r.Record.Event.InteractionID)
	}
	if len(stories) == 0 {
		return nil, errors.New("the log has no jobs")
	}
	return stories, nil
}

// ask asks each question again and again, and prints what one costs. cpu is the processor time used so far.
func ask(t *table, of string, stories []string, slower float64, cpu func() time.Duration, answer func(asked) (rows int, err error)) error {
	for _, q := range theQuestions(stories) {
		var times []time.Duration
		rows, before := 0, cpu()
		for range questions {
			a := q.draw()
			start := time.Now()
			n, err := answer(a)
			if err != nil {
				return fmt.Errorf("%s: %w", q.what, err)
			}
			times = append(times, time.Since(start))
			rows += n
		}
		cost := (cpu() - before) / questions
		half := median(times)
		t.row(of+q.what+", p99", micros(times[len(times)*99/100]), "p50 %s; CPU %s, %s at DESIGN's speed; %.1f rows", micros(half), micros(cost),
			micros(time.Duration(float64(cost)/slower)), float64(rows)/questions)
	}
	return nil
}

// answerer asks the index.
func answerer(ctx context.Context, x *index.Index, log logAt) func(asked) (int, error) {
	all, now := index.Everything(), logBegin.Add(31*24*time.Hour)
	return func(a asked) (int, error) {
		q, err := search.Parse(a.query)
		if err != nil {
			return 0, err
		}
		if a.limit == 0 {
			f, err := x.Facets(ctx, log, q, now, all, search.FieldEvent, nil)
			return len(f.Values), err
		}
		p, err := x.Find(ctx, log, q, now, all, a.limit)
		return len(p.Rows), err
	}
}
