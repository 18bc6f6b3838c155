package stet_test

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// world is a Recorder on a disk in memory, and what it spooled.
type world struct {
	*stet.Recorder
	t    testing.TB
	disk *flaky

	mu     sync.Mutex
	losses []string
}

// open starts a Recorder in an environment without claims, and closes it at the end.
func open(t testing.TB, o stet.Options) *world {
	t.Helper()
	w := prepare(t, &o)
	w.start(o)
	return w
}

func prepare(t testing.TB, o *stet.Options) *world {
	t.Helper()
	if t, ok := t.(*testing.T); ok {
		for _, v := range []string{stet.EnvInteractionID, stet.EnvParentJobID, stet.EnvRootJobID, "STET_APP", "STET_APP_VERSION", "STET_ENV", "TRACEPARENT", "TRACESTATE"} {
			t.Setenv(v, "")
		}
	}
	w := &world{t: t, disk: &flaky{FS: fsxtest.New()}}
	if o.App == "" {
		o.App = "billing"
	}
	if o.OnLoss == nil {
		o.OnLoss = w.loss
	}
	return w
}

func (w *world) start(o stet.Options) {
	w.t.Helper()
	var err error
	if w.Recorder, err = stet.OpenOn(w.disk, o, w.disk.find); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = w.Close() })
}

func (w *world) loss(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.losses = append(w.losses, err.Error())
}

func (w *world) lost() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.losses)
}

// events reads back everything that is durable, stream by stream in the order of their making, and checks seals, numbers
// and the schema on the way.
func (w *world) events() []*event.Event {
	w.t.Helper()
	events, err := readSpools(w.disk.FS)
	if err != nil {
		w.t.Fatal(err)
	}
	return events
}

func readSpools(fsys fsx.FS) ([]*event.Event, error) {
	streams, err := fsys.ReadDir(spool.Dir)
	if err != nil {
		return nil, err
	}
	var all []*event.Event
	for _, s := range streams {
		next := uint64(1)
		report, err := spool.Read(fsys, spool.Dir, s.Name(), 1, func(b spool.Batch) error {
			seal, err := proof.OpenSeal(b.Seal)
			if err != nil {
				return err
			}
			if seal.First != next || seal.Count != len(b.Events) {
				return fmt.Errorf("the seal is for %d events from %d, the batch has %d from %d", seal.Count, seal.First, len(b.Events), next)
			}
			var leaves []proof.Hash
			for _, raw := range b.Events {
				e, err := event.Parse(raw)
				if err != nil {
					return fmt.Errorf("%w in %s", err, raw)
				}
				if e.StreamSeq != next || e.StreamID.String() != s.Name() || e.AppID != seal.App || e.Environment != seal.Environment {
					return fmt.Errorf("event %d of stream %s is not the seal's: %s", next, s.Name(), raw)
				}
				all = append(all, e)
				leaves = append(leaves, proof.LeafHash(raw))
				next++
			}
			if proof.RootOf(leaves) != seal.Root {
				return fmt.Errorf("the seal has another root")
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(report.Damaged) > 0 {
			return nil, fmt.Errorf("damage: %+v", report.Damaged)
		}
	}
	return all, nil
}

// of are the events of one type.
func (w *world) of(typ string) []*event.Event {
	w.t.Helper()
	var all []*event.Event
	for _, e := range w.events() {
		if e.EventType == typ {
			all = append(all, e)
		}
	}
	return all
}

func (w *world) only(typ string) *event.Event {
	w.t.Helper()
	all := w.of(typ)
	if len(all) != 1 {
		w.t.Fatalf("%d events of type %s, want one; there are %v", len(all), typ, w.types())
	}
	return all[0]
}

func (w *world) types() []string {
	var all []string
	for _, e := range w.events() {
		all = append(all, e.EventType)
	}
	return all
}

func (w *world) wantTypes(want ...string) {
	w.t.Helper()
	if got := w.types(); !slices.Equal(got, want) {
		w.t.Errorf("recorded is\n%v, want\n%v", got, want)
	}
}

// flaky is a disk that counts its flushes, and fails, hangs or is missing on demand.
type flaky struct {
	fsx.FS
	mu     sync.Mutex
	syncs  int
	broken error // every flush
	gone   error // the place cannot be found
	hang   chan struct{}
}

func (f *flaky) set(change func(*flaky)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

func (f *flaky) find() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.gone
}

func (f *flaky) flushes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.syncs
}

func (f *flaky) Create(name string, perm fs.FileMode) (fsx.File, error) {
	file, err := f.FS.Create(name, perm)
	if err != nil {
		return nil, err
	}
	return flakyFile{file, f}, nil
}

type flakyFile struct {
	fsx.File
	disk *flaky
}

func (f flakyFile) Sync() error {
	f.disk.mu.Lock()
	err, hang := f.disk.broken, f.disk.hang
	f.disk.syncs++
	f.disk.mu.Unlock()
	if hang != nil {
		<-hang
	}
	if err != nil {
		return err
	}
	return f.File.Sync()
}

var nothing = func(context.Context, *stet.Run) error { return nil }

func job(name string) stet.Job { return stet.Job{Name: name, Reason: "a test"} }

func has(list []string, part string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, part) })
}
