package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// copied returns the disk as it is now, as a backup has it. Nothing on it may be unsynced.
func copied(t testing.TB, m *fsxtest.Mem) *fsxtest.Mem {
	t.Helper()
	for c := range m.States(1, 0) {
		return c
	}
	t.Fatal("no state")
	return nil
}

// said adds an ended stream of n events, each a batch.
func said(t testing.TB, fsys fsx.FS, stream, n int) {
	t.Helper()
	p := begin(fsys, stream)
	for range n {
		p.note()
	}
	p.close()
	noneFailed(t, p)
}

// TestDamageOfTheStoreIsAnIntegrityFailure: what the store itself must keep is not mended, and nothing is added to it.
func TestDamageOfTheStoreIsAnIntegrityFailure(t *testing.T) {
	remove := func(names ...string) func(testing.TB, *fsxtest.Mem, *Store) {
		return func(t testing.TB, m *fsxtest.Mem, _ *Store) {
			for _, name := range names {
				if err := m.Remove(name); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	other := func(log, store string) func(testing.TB, *fsxtest.Mem, *Store) {
		return func(_ testing.TB, _ *fsxtest.Mem, s *Store) {
			s.keys = func(bool) (Keys, error) { return Keys{Log: key(log), Store: key(store)}, nil }
		}
	}
	flip := func(name string, at int) func(testing.TB, *fsxtest.Mem, *Store) {
		return func(t testing.TB, m *fsxtest.Mem, _ *Store) {
			rewrite(t, m, name, func(b []byte) []byte { b[at] ^= 1; return b })
		}
	}
	for _, tt := range []struct {
		name   string
		damage func(testing.TB, *fsxtest.Mem, *Store)
		file   string
	}{
		{"another store key", other(logName, "stet-store/other"), markerFile},
		{"another log key", other("stet.local/other", storeName), markerFile},
		{"a missing log key", remove("keys/log.key"), "keys/log.key"},
		{"a missing store key", remove("keys/store.key"), "keys"},
		{"a damaged marker", flip(markerFile, 3), markerFile},
		{"a damaged key in the marker", flip(markerFile, 80), markerFile},
		{"a longer marker", func(t testing.TB, m *fsxtest.Mem, _ *Store) {
			rewrite(t, m, markerFile, func(b []byte) []byte { return append(b, make([]byte, maxMarker)...) })
		}, markerFile},
		{"no marker", remove(markerFile), markerFile},
		{"a damaged head", flip(ledger.HeadFile, 40), ledger.HeadFile},
		{"no head", remove(ledger.HeadFile), ledger.HeadFile},
		{"no head and no log", remove(ledger.HeadFile, "log/checkpoint"), ledger.HeadFile},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := fsxtest.New()
			said(t, m, 1, 1)
			mustDrain(t, storeOn(m))
			said(t, m, 2, 1)
			s := storeOn(m)
			tt.damage(t, m, s)
			before := m.Hash()
			_, err := s.Drain(t.Context())
			var integrity *ledger.IntegrityError
			if !errors.As(err, &integrity) || integrity.File != tt.file {
				t.Errorf("drain: %v, want an integrity failure of %s", err, tt.file)
			}
			if m.Hash() != before {
				t.Errorf("something was changed:\n%s", m.Tree())
			}
		})
	}
}

// TestNothingIsWrittenBehindOrBesideWhatIsKnown: a backup that is put back, and a log that went another way, are refused
// before anything is signed (THREATS 5 and 6).
func TestNothingIsWrittenBehindOrBesideWhatIsKnown(t *testing.T) {
	memory := fsxtest.New()
	with := func(m *fsxtest.Mem, memory *fsxtest.Mem) *Store {
		s := storeOn(m)
		s.Known = known.Dir{FS: memory, Name: "state"}
		return s
	}
	m := fsxtest.New()
	said(t, m, 1, 1)
	mustDrain(t, with(m, memory))
	backup, fork := copied(t, m), copied(t, m)
	said(t, m, 2, 1)
	mustDrain(t, with(m, memory))
	said(t, fork, 3, 5)
	mustDrain(t, with(fork, fsxtest.New())) // on a computer that remembers nothing

	for name, m := range map[string]*fsxtest.Mem{"behind": backup, "beside": fork} {
		t.Run(name, func(t *testing.T) {
			said(t, m, 4, 1)
			before, remembered := m.Hash(), memory.Hash()
			_, err := with(m, memory).Drain(t.Context())
			var integrity *ledger.IntegrityError
			if !errors.As(err, &integrity) || !errors.Is(err, known.ErrContradiction) {
				t.Errorf("drain: %v, want a contradiction, as an integrity failure", err)
			}
			if m.Hash() != before || memory.Hash() != remembered {
				t.Error("something was changed")
			}
		})
	}
}

// TestTheSameBatchAgain: a spool that comes again, because its removal was lost, is placed once (THREATS 10).
func TestTheSameBatchAgain(t *testing.T) {
	m := fsxtest.New()
	f := newForge(t, m, streamID(5))
	for range 3 {
		f.batch(trouble{})
	}
	f.die()
	segment := "spool/" + streamID(5) + "/000001.seg"
	b, err := fsx.ReadFile(m, segment, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	first := mustDrain(t, storeOn(m))
	if err := fsx.MkdirAll(m, "spool/"+streamID(5), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := fsx.Replace(m, segment, b, 0o600); err != nil {
		t.Fatal(err)
	}
	d := mustDrain(t, storeOn(m))
	if first.Batches != 3 || d.Batches != 0 || d.Size != first.Size || len(d.Damaged)+len(d.Left) > 0 {
		t.Errorf("first %+v, then %+v: want 3 batches, then none", first, d)
	}
	if n := mustRead(t, storeOn(m)).types["shop_checkout"]; n != 3 {
		t.Errorf("%d events, want 3", n)
	}
	mustVerify(t, m)
}

// TestManyLostRuns needs more than one batch of the store's own events.
func TestManyLostRuns(t *testing.T) {
	const runs = 2*actBatch + 17
	m := fsxtest.New()
	dying := m.Process()
	p := begin(dying, 1)
	for i := range runs {
		p.start(fmt.Sprint("run-", i))
	}
	noneFailed(t, p)
	dying.Kill()
	p.close()
	d := mustDrain(t, storeOn(m))
	if d.Lost != runs {
		t.Errorf("%d runs were recorded as lost, want %d", d.Lost, runs)
	}
	p.err = nil
	if err := sound(m, p.acked, [][]byte{d.Checkpoint}); err != nil {
		t.Error(err)
	}
}

// TestDetachedRunsAreNotLost: that the process which recorded their start is gone says nothing of them, whether it closed
// its stream or died.
func TestDetachedRunsAreNotLost(t *testing.T) {
	detached := func(p *process, run string) {
		e := p.base("job_started")
		e.Job = &event.Job{ID: "job-" + run, RunID: run, Name: "nightly", Phase: "execution", Attempt: 1}
		e.Absent["job.code_digest"], e.Absent["job.env_digest"] = "unavailable", "unavailable"
		e.References = []event.Reference{{Kind: event.ReferenceDetached, Value: "does not end with process 4711"}}
		p.emit(e)
	}
	m := fsxtest.New()
	ending := begin(m, 1)
	detached(ending, "run-1")
	ending.close()
	dying := m.Process()
	p := begin(dying, 2)
	detached(p, "run-2")
	p.start("run-3")
	noneFailed(t, ending, p)
	dying.Kill()
	p.close()
	mustDrain(t, storeOn(m))
	if got := mustRead(t, storeOn(m)).lost; len(got) != 1 || got["run-3"] != 1 {
		t.Errorf("lost are %v, want run-3, which its process kept to itself", got)
	}
	mustVerify(t, m)
}

// TestSquattedActs: somebody opens the stream that the store would close a dead process's with. The loss is recorded
// nevertheless, once.
func TestSquattedActs(t *testing.T) {
	m := fsxtest.New()
	dead := streamID(1)
	squat := newForge(t, m, event.DeriveUUID(actClose, dead, time48(dead)).String())
	squat.batch(trouble{})
	squat.die()
	mustDrain(t, storeOn(m))
	dying := m.Process()
	p := begin(dying, 1)
	p.start("a")
	noneFailed(t, p)
	dying.Kill()
	p.close()
	if d := mustDrain(t, storeOn(m)); d.Lost != 1 {
		t.Errorf("drained %+v, want one loss", d)
	}
	if err := sound(m, p.acked, nil); err != nil {
		t.Error(err)
	}
}

// TestWhatIsNotOursIsLeft: another machine's spool, and one that cannot be read, are named and do not keep the others.
func TestWhatIsNotOursIsLeft(t *testing.T) {
	m := fsxtest.New()
	k := key("stet-emitter/web2/0")
	foreign := meta(streamID(1), k.VKey)
	foreign.Host, foreign.MachineID = "web2", strings.Repeat("0", 32)
	w, err := spool.Create(m, spool.Dir, foreign, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	said(t, m, 2, 3)
	d := mustDrain(t, storeOn(m))
	if len(d.Left) != 1 || d.Left[0].Stream != streamID(1) || !strings.Contains(d.Left[0].Why, "another machine, web2") || d.Events != 3 {
		t.Errorf("drained %+v, want 3 events, and the other machine's spool left", d)
	}
	if streams, err := spool.List(m, spool.Dir); err != nil || len(streams) != 1 {
		t.Errorf("spools: %v, %v, want the other machine's", streams, err)
	}
}

// TestTrimmingTheLiving: what the log has of a living process's spool goes, segment by segment.
func TestTrimmingTheLiving(t *testing.T) {
	m := fsxtest.New()
	f := newForge(t, m.Process(), streamID(5))
	large := trouble{event: func(e *event.Event) {
		e.Labels = map[string]string{}
		for i := range 14 {
			e.Labels[fmt.Sprint("pad", i)] = strings.Repeat("x", 500)
		}
	}}
	n := 0
	for ; ; n++ {
		f.batch(large)
		f.commit()
		if _, err := m.Stat("spool/" + streamID(5) + "/000002.seg"); err == nil {
			break
		}
	}
	s := storeOn(m)
	s.window = defaultWindow
	if d := mustDrain(t, s); d.Batches != n+1 || len(d.Left) > 0 {
		t.Fatalf("drained %+v, want %d batches", d, n+1)
	}
	if _, err := m.Stat("spool/" + streamID(5) + "/000001.seg"); err == nil {
		t.Error("the first segment is still there, and the log has all of it")
	}
	f.batch(large)
	f.die()
	mustDrain(t, s)
	mustVerify(t, m)
	if got := mustRead(t, s); got.types["shop_checkout"] != n+2 || len(got.reasons) > 0 {
		t.Errorf("the log has %v, want %d events and no complaint", got.types, n+2)
	}
}

// TestManySmallBatches go into the journal in order, however many are on their way at once, and a broken one among them
// costs nothing but itself.
func TestManySmallBatches(t *testing.T) {
	m := fsxtest.New()
	f := newForge(t, m, streamID(5))
	for i := range 1000 {
		if i == 333 || i == 334 {
			f.batch(trouble{note: func(b []byte) []byte { b[len(b)-10] ^= 1; return b }})
		} else {
			f.batch(trouble{})
		}
	}
	f.die()
	s := storeOn(m)
	s.window = defaultWindow
	d := mustDrain(t, s)
	got := mustRead(t, s)
	if d.Batches != 998 || got.types["shop_checkout"] != 998 || len(got.stubs) != 1 || got.stubs[0].First != 334 || got.stubs[0].Last != 335 {
		t.Errorf("drained %+v, stubs %v: want 998 batches, and 334 to 335 lost", d, got.stubs)
	}
	mustVerify(t, m)
}

// TestDrainersAtOnce: processes come and go, each draining when it is done, as stet run does. Whatever was said is in the
// log once when the last has gone.
func TestDrainersAtOnce(t *testing.T) {
	dir, err := fsx.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := dir.Close(); err != nil {
			t.Error(err)
		}
	}()
	for name, fsys := range map[string]fsx.FS{"memory": fsxtest.New(), "directory": dir} {
		t.Run(name, func(t *testing.T) {
			const processes, each = 24, 3
			var all sync.WaitGroup
			for i := range processes {
				all.Go(func() {
					p := begin(fsys, i)
					for range each {
						p.note()
					}
					p.close()
					if p.err != nil {
						t.Error(p.err)
					}
					s := storeOn(fsys)
					s.window = defaultWindow
					if _, err := s.Drain(context.Background()); err != nil {
						t.Error(err)
					}
				})
			}
			all.Wait()
			s := storeOn(fsys)
			got := mustRead(t, s)
			if n := got.types["shop_checkout"]; n != processes*each {
				t.Errorf("%d events, want %d: somebody was turned away and nobody looked again", n, processes*each)
			}
			for id, n := range got.events {
				if n != 1 {
					t.Errorf("event %s is there %d times", id, n)
				}
			}
			mustVerify(t, fsys)
			d := mustDrain(t, s)
			if d.Batches > 0 || len(d.Left) > 0 {
				t.Errorf("drained once more: %+v, want nothing to do", d)
			}
		})
	}
}

// TestCancelled: a drain that is told to stop stops, and the next one goes on.
func TestCancelled(t *testing.T) {
	m := fsxtest.New()
	said(t, m, 1, 3)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := storeOn(m).Drain(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("drain: %v, want context.Canceled", err)
	}
	if err := sound(m, nil, nil); err != nil {
		t.Error(err)
	}
	if n := mustRead(t, storeOn(m)).types["shop_checkout"]; n != 3 {
		t.Errorf("%d events, want 3", n)
	}
}

// TestPlain: what a hostile spool can say fits a stub and shows in a terminal.
func TestPlain(t *testing.T) {
	for _, s := range []string{"", "as it is", "\x1b[2J\r\n", "naïve \u202e", strings.Repeat(`"`, 2000), string([]byte{0xff, 0xfe})} {
		stub := proof.Stub{Stream: streamID(1), First: 1, Last: 1, Code: proof.StubLost, Reason: plain(s)}
		e := proof.Entry{Seq: 1, ReceivedAt: proof.FormatTime(day), Via: proof.Via{Kind: proof.ViaStore}.Append(nil), Stub: &stub}
		if err := e.Check(); err != nil {
			t.Errorf("plain(%.20q) = %.20q: %v", s, plain(s), err)
		}
	}
}

// TestASpoolGoesAfterMemory stops the machine at every operation of a drain: a spool that is gone then is under a
// checkpoint that this computer remembers (invariant 8), however much of it a journal may hold.
func TestASpoolGoesAfterMemory(t *testing.T) {
	start := fsxtest.New()
	said(t, start, 1, 2)
	mustDrain(t, storeOn(start))
	size := uint64(0)
	if last, ok, err := (known.Dir{FS: start, Name: "state"}).Last(logName); err != nil || !ok {
		t.Fatalf("nothing is remembered: %v", err)
	} else {
		size = last.Size
	}
	said(t, start, 2, 2)
	for op := 1; ; op++ {
		m := copied(t, start)
		m.CrashAt(op)
		_, err := storeOn(m).Drain(t.Context())
		if len(m.Ops()) < op {
			if err != nil || op < 50 {
				t.Fatalf("after %d operations: %v", op-1, err)
			}
			break
		}
		for disk := range m.States(8, 1) {
			report, err := spool.Read(disk, spool.Dir, streamID(2), 1, func(spool.Batch) error { return nil })
			if err == nil && report.Next == 3 && len(report.Damaged) == 0 {
				continue
			}
			last, _, err := (known.Dir{FS: disk, Name: "state"}).Last(logName)
			if err != nil || last.Size <= size {
				t.Fatalf("crash at operation %d: the spool is not whole, and %d entries are remembered, as before: %v", op, last.Size, err)
			}
		}
	}
}

// doorway lets something happen just before the store's lock is let go for the first time.
type doorway struct {
	fsx.FS
	meanwhile func()
}

type door struct {
	io.Closer
	before func()
}

func (d *doorway) TryLock(name string) (io.Closer, error) {
	lock, err := d.FS.TryLock(name)
	if err != nil || name != lockFile || d.meanwhile == nil {
		return lock, err
	}
	before := d.meanwhile
	d.meanwhile = nil
	return door{lock, before}, nil
}

func (d door) Close() error {
	d.before()
	return d.Closer.Close()
}

// TestTheHolderLooksAgain: whoever was turned away by the lock has spooled what the holder may have looked past already
// (invariant 7).
func TestTheHolderLooksAgain(t *testing.T) {
	m := fsxtest.New()
	said(t, m, 1, 1)
	turnedAway := false
	d := mustDrain(t, storeOn(&doorway{FS: m, meanwhile: func() {
		said(t, m, 2, 1)
		turnedAway = mustDrain(t, storeOn(m)).Busy
	}}))
	if !turnedAway || d.Events != 2 || mustRead(t, storeOn(m)).types["shop_checkout"] != 2 {
		t.Errorf("the other was turned away: %v; drained %+v, want both events", turnedAway, d)
	}
}
