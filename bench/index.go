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
	dir := c.log
	if dir == "" {
		dir = filepath.Join(c.dir, "index")
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	fsys, err := generated(ctx, dir, c.events)
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
	if err := os.RemoveAll(filepath.Join(dir, index.Dir)); err != nil {
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
	size, err := du(filepath.Join(dir, index.Dir))
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
	if err := ask(ctx, x, log, t, b.slower()); err != nil {
		return err
	}
	return inSQLite(ctx, c, t, log, cp.Size, b)
}

// indexedLog stands for the key of the log.
const indexedLog = "generated.example/log"

// generated opens a generated log, and makes it where there is none.
func generated(ctx context.Context, dir string, events int) (*fsx.Dir, error) {
	_, serr := os.Stat(dir)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	fsys, err := fsx.OpenDir(dir)
	if err == nil && serr != nil {
		err = generate.Store(ctx, fsys, generate.Config{Seed: 1, Events: events})
	}
	return fsys, err
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

func ask(ctx context.Context, x *index.Index, log logAt, t *table, slower float64) error {
	rng := rand.New(rand.NewPCG(7, 8))
	begin := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	now := begin.Add(31 * 24 * time.Hour)
	var stories []string
	all := index.Everything()
	jobs, err := search.Parse("event:job_submitted")
	if err != nil {
		return err
	}
	page, err := x.Find(ctx, log, jobs, now, all, index.MaxRows)
	if err != nil {
		return err
	}
	for _, r := range page.Rows {
		stories = append(stories, r.Record.Event.InteractionID)
	}
	if len(stories) == 0 {
		return errors.New("the log has no jobs")
	}
	find := func(query string, limit int) (int, error) {
		q, err := search.Parse(query)
		if err != nil {
			return 0, err
		}
		p, err := x.Find(ctx, log, q, now, all, limit)
		return len(p.Rows), err
	}
	actor := rand.NewZipf(rng, 1.2, 4, 4999)
	for _, q := range []struct {
		what string
		ask  func() (int, error)
	}{
		{"a story, all of it", func() (int, error) {
			return find(fmt.Sprintf("interaction:%s", stories[rng.IntN(len(stories))]), index.MaxRows)
		}},
		{"an actor's last 100 in a week", func() (int, error) {
			from := begin.Add(time.Duration(rng.IntN(23)) * 24 * time.Hour)
			return find(fmt.Sprintf("actor:%s received:%s..%s", generate.Actor(int(actor.Uint64())), from.Format(time.DateOnly), from.Add(6*24*time.Hour).Format(time.DateOnly)), 100)
		}},
		{"a day's counts by type", func() (int, error) {
			q, err := search.Parse("received:" + begin.Add(time.Duration(rng.IntN(30))*24*time.Hour).Format(time.DateOnly))
			if err != nil {
				return 0, err
			}
			f, err := x.Facets(ctx, log, q, now, all, search.FieldEvent, nil)
			return len(f.Values), err
		}},
		{"a rare word", func() (int, error) { return find(generate.Rare, 100) }},
	} {
		var times []time.Duration
		rows, before := 0, used()
		for range questions {
			start := time.Now()
			n, err := q.ask()
			if err != nil {
				return err
			}
			times = append(times, time.Since(start))
			rows += n
		}
		cpu := (used() - before) / questions
		half := median(times)
		t.row(q.what+", p99", micros(times[len(times)*99/100]), "p50 %s; CPU %s, %s at DESIGN's speed; %.1f rows", micros(half), micros(cpu),
			micros(time.Duration(float64(cpu)/slower)), float64(rows)/questions)
	}
	return nil
}
