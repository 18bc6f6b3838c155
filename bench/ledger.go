package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
)

// shapes are the columns of DESIGN's table.
func shapes() []shape { return []shape{{1, 1}, {64, 1}, {64, 100}, {1024, 1}, {1024, 100}} }

// prepared bounds how many batches are sealed in advance for one measurement: it ends early when they are used up.
const prepared = 300_000

// ledgers measures the ledger in process, durable, tiles and compression included, beside the limit program.
func ledgers(ctx context.Context, c config, t *table) error {
	events, err := pool(10_000)
	if err != nil {
		return err
	}
	t.printf("  %-28s %10s %9s %9s   %10s %9s %10s %9s   %8s %9s\n", "", "limit", "p50", "CPU", "durable", "p50", "published", "CPU", "of limit", "by CPU")
	for _, s := range shapes() {
		if !c.shapes.MatchString(s.String()) {
			continue
		}
		most := 40_000 // batches a second: what two processors can verify
		if s.batch > 1 {
			most = 4000
		}
		l, err := prepare(ctx, s, min(prepared, int(float64(most)*c.duration.Seconds())), events)
		if err != nil {
			return err
		}
		lim, err := runLimit(c, l)
		if err != nil {
			return err
		}
		got, err := runLedger(ctx, c, l)
		if err != nil {
			return err
		}
		t.printf("  %-28s %10s %9s %9s   %10s %9s %10s %9s   %8s %9s\n", s, rate(lim.durable), micros(lim.wait), micros(lim.cpu), rate(got.durable), micros(got.wait),
			rate(got.published), micros(got.cpu), percent(got.published/lim.durable), percent(lim.cpu.Seconds()/got.cpu.Seconds()))
	}
	return nil
}

// speed is events a second.
type speed struct {
	durable   float64       // acknowledged
	published float64       // with all tiles, bundles and the checkpoint written, the last publish included
	wait      time.Duration // median, of one call
	cpu       time.Duration // processor time, an event
}

func inDir(c config, name string, fn func(fsys fsx.FS) error) (err error) {
	path := filepath.Join(c.dir, name)
	if err := os.Mkdir(path, 0o700); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(path)) }()
	fsys, err := fsx.OpenDir(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	return fn(fsys)
}

func runLimit(c config, l load) (s speed, err error) {
	err = inDir(c, "limit", func(fsys fsx.FS) error {
		lim, err := newLimit(fsys)
		if err != nil {
			return err
		}
		before := used()
		events, took, wait, err := l.drive(c.duration, lim.append)
		err = errors.Join(err, lim.close())
		s = speed{durable: perSecond(events, took), wait: wait, cpu: (used() - before) / time.Duration(max(events, 1))}
		return err
	})
	return s, err
}

func runLedger(ctx context.Context, c config, l load) (s speed, err error) {
	err = inDir(c, "ledger", func(fsys fsx.FS) error {
		led, err := openLedger(ctx, fsys)
		if err != nil {
			return err
		}
		start, before := time.Now(), used()
		events, took, wait, err := l.drive(c.duration, func(b ledger.Batch) error {
			_, err := led.Append(ctx, b)
			return err
		})
		if err == nil {
			_, err = led.Publish(ctx)
		}
		s = speed{durable: perSecond(events, took), published: perSecond(events, time.Since(start)), wait: wait, cpu: (used() - before) / time.Duration(max(events, 1))}
		return errors.Join(err, led.Close())
	})
	return s, err
}

const logName = "log.example/bench"

func openLedger(ctx context.Context, fsys fsx.FS) (*ledger.Ledger, error) {
	signer, vkey, err := key(logName)
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return nil, err
	}
	return ledger.Open(ctx, ledger.Options{FS: fsys, Origin: logName, Signer: signer, Verifier: verifier, Now: time.Now,
		SegmentBytes: 64 << 20, Preallocate: 64 << 20})
}
