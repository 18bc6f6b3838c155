package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/verify"
)

// verification measures the verifier over a store, nothing left out: checkpoint, every tile and bundle, every hash, every
// seal, every event against the schema, every stream's numbering.
func verification(ctx context.Context, c config, t *table) (err error) {
	const size = 100
	s, err := spooled(ctx, c, "verify", c.events/size, size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(filepath.Dir(s.path))) }()
	if err := s.drain(ctx); err != nil {
		return err
	}
	b, err := measure(c)
	if err != nil {
		return err
	}
	fsys, err := fsx.OpenDir(s.path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	for _, workers := range []int{1, 0} {
		var best, cpu time.Duration
		for range 3 { // the fastest: what makes one slower is somebody else's work
			start, before := time.Now(), used()
			r, err := verify.Store(ctx, fsys, verify.Options{Workers: workers})
			if err != nil {
				return err
			}
			if r.State() != verify.Verified || r.Events < uint64(s.events) {
				return fmt.Errorf("%v: %v", r.State(), r.Findings)
			}
			if took := time.Since(start); best == 0 || took < best {
				best = took
			}
			if took := used() - before; cpu == 0 || took < cpu {
				cpu = took
			}
		}
		n := workers
		if n == 0 {
			n = runtime.GOMAXPROCS(0)
		}
		per := cpu / time.Duration(s.events)
		t.row(fmt.Sprintf("full verification, %d workers", n), rate(perSecond(s.events, best)), "CPU %s an event: %s on %d free processors, %s at DESIGN's speed",
			micros(per), rate(float64(n)/per.Seconds()), n, rate(float64(n)/per.Seconds()*b.slower()))
	}
	return nil
}

// atRest compares what a log takes on the disk (tiles and checkpoint included, journal empty) with its events' raw JSON.
func atRest(ctx context.Context, c config, t *table) error {
	for _, size := range []int{1, 10, 100, 1000} {
		if err := rest(ctx, c, t, size); err != nil {
			return err
		}
	}
	return nil
}

func rest(ctx context.Context, c config, t *table, size int) (err error) {
	s, err := spooled(ctx, c, fmt.Sprintf("rest-%d", size), max(c.events/10/size, 1), size)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(filepath.Dir(s.path))) }()
	if err := s.drain(ctx); err != nil {
		return err
	}
	tiles, err := du(filepath.Join(s.path, "log"))
	if err != nil {
		return err
	}
	t.row(fmt.Sprintf("log / raw JSON, batches of %d", size), fmt.Sprintf("%.3f", float64(tiles)/float64(s.raw)),
		"%d events of %d B take %d B each", s.events, s.raw/int64(s.events), tiles/int64(s.events))
	return nil
}

// drain measures what a long spool of one-event batches costs: an emitter that was slow enough to be alone every time.
func drain(ctx context.Context, c config, t *table) (err error) {
	b, err := measure(c)
	if err != nil {
		return err
	}
	s, err := spooled(ctx, c, "drain", c.batches, 1)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(filepath.Dir(s.path))) }()
	start, before := time.Now(), used()
	if err := s.drain(ctx); err != nil {
		return err
	}
	took, cpu := time.Since(start), (used()-before)/time.Duration(c.batches)
	t.row(fmt.Sprintf("drain %d batches of one event", c.batches), micros(took), "CPU %s a batch, %s of it the signature",
		micros(cpu), percent(b.verify.Seconds()/cpu.Seconds()))
	return nil
}
