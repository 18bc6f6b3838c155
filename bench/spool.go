package main

import (
	"context"
	"crypto/rand"
	"errors"
	"io/fs"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"

	"github.com/stetlog/stet/bench/generate"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/store"
)

// stored is a store directory with one emitter's closed spool in it.
type stored struct {
	path, state string
	raw         int64 // bytes of the events
	events      int
}

// spooled makes a store below c.dir whose spool holds n batches of size events each.
func spooled(ctx context.Context, c config, name string, n, size int) (s stored, err error) {
	s = stored{path: filepath.Join(c.dir, name, "store"), state: filepath.Join(c.dir, name, "state"), events: n * size}
	if err := os.MkdirAll(s.path, 0o700); err != nil {
		return s, err
	}
	if err := os.Mkdir(s.state, 0o700); err != nil {
		return s, err
	}
	fsys, err := fsx.OpenDir(s.path)
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, fsys.Close()) }()
	signer, vkey, err := key("stet-emitter/bench/0")
	if err != nil {
		return s, err
	}
	em, err := emitter.Open(emitter.Options{FS: generate.Unsynced{FS: fsys}, Dir: spool.Dir, Signer: signer, Codec: &event.Codec{}, Clock: clock.New(), Rand: rand.Reader,
		Meta: spool.Meta{V: 1, StreamID: streamID(0).String(), Key: vkey, AppID: "billing", Environment: "production", Host: "bench", PID: 1, StartedAt: "2026-01-02T03:04:05.000000000Z"}})
	if err != nil {
		return s, err
	}
	rng := mathrand.New(mathrand.NewPCG(5, 6))
	for i := range n {
		batch := make([]*event.Event, size)
		for k := range batch {
			batch[k] = made(rng, i*size+k)
		}
		if err := em.Emit(ctx, batch...); err != nil {
			return s, errors.Join(err, em.Close())
		}
	}
	if err := em.Close(); err != nil {
		return s, err
	}
	_, err = spool.Read(fsys, spool.Dir, streamID(0).String(), 1, func(b spool.Batch) error {
		for _, e := range b.Events {
			s.raw += int64(len(e))
		}
		return nil
	})
	return s, err
}

// drain brings the spool into the log.
func (s stored) drain(ctx context.Context) (err error) {
	st, err := store.Open(s.path, s.state)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	d, err := st.Drain(ctx)
	if err != nil {
		return err
	}
	if d.Events < s.events || d.Refused > 0 || len(d.Left)+len(d.Damaged) > 0 {
		return errors.New("the store did not take in everything")
	}
	return nil
}

// du is the bytes of all files below a directory.
func du(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		fi, err := d.Info()
		if err == nil {
			n += fi.Size()
		}
		return err
	})
	return n, err
}
