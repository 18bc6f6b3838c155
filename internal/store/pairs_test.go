package store

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/spool"
)

// still is a clock that stands, so that the same work leaves the same bytes however often a fault made it begin again.
func still() *clock.Clock {
	return clock.From(clock.Sources{
		Wall:   func() time.Time { return day },
		Mono:   func() time.Duration { return 0 },
		Boot:   func() (string, bool) { return "", false },
		Uptime: func() (time.Duration, bool) { return 0, false },
		Kernel: func() (clock.Kernel, bool) { return clock.Kernel{}, false },
	})
}

// shift is the whole way of events through several processes: one dies with a run open, one lives while others drain and
// closes its stream, and what is drained is removed. A recorder whose stream failed goes on with another, as package stet
// does. It implements fsxtest.World.
type shift struct {
	claim
	parts   []func(*shift, *fsxtest.Mem) error
	at      int
	streams int
}

func newShift() *shift {
	return &shift{parts: []func(*shift, *fsxtest.Mem) error{dies, drains, livesOn, drains}}
}

// begins starts a stream that nobody used before.
func (w *shift) begins(fsys *fsxtest.Mem) *process {
	w.streams++
	k := key("stet-emitter/web1/0")
	p := &process{stream: streamID(w.streams), vkey: k.VKey}
	if p.signer, p.err = k.NoteSigner(); p.err == nil {
		p.em, p.err = emitter.Open(emitter.Options{FS: fsys, Dir: spool.Dir, Signer: p.signer, Codec: &event.Codec{}, Clock: still(), Rand: zeros{}, Meta: meta(p.stream, k.VKey)})
	}
	return p
}

// ends takes what the process was told into the facts, and its error.
func (w *shift) ends(fsys *fsxtest.Mem, p *process) error {
	w.acked = append(w.acked, p.acked...)
	fsys.Kill()
	err := p.err
	p.close() // ends the goroutine; the process is dead
	return err
}

func dies(w *shift, fsys *fsxtest.Mem) error {
	p := w.begins(fsys)
	p.start(fmt.Sprintf("b%d", w.streams))
	return w.ends(fsys, p)
}

func drains(w *shift, fsys *fsxtest.Mem) error {
	s := storeOn(fsys)
	s.clock = still()
	d, err := s.Drain(context.Background())
	if err == nil && !d.Busy && !slices.ContainsFunc(w.seen, func(b []byte) bool { return string(b) == string(d.Checkpoint) }) {
		w.seen = append(w.seen, d.Checkpoint)
	}
	return err
}

func livesOn(w *shift, fsys *fsxtest.Mem) error {
	p := w.begins(fsys)
	run := fmt.Sprintf("e%d", w.streams)
	p.start(run)
	if p.err == nil {
		other := fsys.Process()
		p.err = drains(w, other)
		other.Kill()
	}
	p.end(run)
	if p.err == nil {
		p.close()
	}
	return w.ends(fsys, p)
}

// Live implements fsxtest.World.
func (w *shift) Live(fsys *fsxtest.Mem) (bool, error) {
	err := w.parts[w.at](w, fsys)
	if err == nil {
		w.at++
	}
	return w.at == len(w.parts), err
}

// Facts implements fsxtest.World.
func (w *shift) Facts() string { return fmt.Sprintf("%d %d %q %q", w.at, w.streams, w.acked, w.seen) }

// Audit implements fsxtest.World.
func (w *shift) Audit(fsys *fsxtest.Mem) error { return sound(fsys, w.acked, slices.Clone(w.seen)) }

// TestEveryFaultAndPairsOfThem: THREATS 1, 2, 7, 8, over spool, journal, tiles, head and known checkpoints alike. What was
// acknowledged to a job is in the log once, verified, with every checkpoint that was handed out; every dead process's run
// has one outcome; no failed call looks like damage; and each fault costs one process at most.
func TestEveryFaultAndPairsOfThem(t *testing.T) {
	fsxtest.Pairs(t, fsxtest.Lives{
		Start: func() *fsxtest.Mem { // keys without a marker are how a store begins
			m := fsxtest.New()
			if _, err := keysOn(m)(true); err != nil {
				t.Error(err)
			}
			return m
		},
		World: func() fsxtest.World { return newShift() }, Share: 2000})
}
