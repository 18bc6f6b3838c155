package emitter

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// counter is a source of randomness that never gives the same twice, for any number of goroutines.
type counter struct{ n atomic.Uint64 }

func (c *counter) Read(b []byte) (int, error) {
	clear(b)
	copy(b, fmt.Append(nil, c.n.Add(1)))
	return len(b), nil
}

var day = time.Date(2026, 3, 1, 3, 0, 0, 0, time.UTC)

const streamID = "019ca756-a780-7bcf-81b3-3d16da490657"

func options(t testing.TB, fsys fsx.FS) Options {
	t.Helper()
	k, err := keyfile.Generate("stet-emitter/web1/0", strings.NewReader(strings.Repeat("k", 32)))
	if err != nil {
		t.Fatal(err)
	}
	var signer note.Signer
	if signer, err = k.NoteSigner(); err != nil {
		t.Fatal(err)
	}
	return Options{FS: fsys, Dir: spool.Dir, Signer: signer, Codec: &event.Codec{}, Clock: clock.New(), Rand: &counter{},
		Meta: spool.Meta{V: 1, StreamID: streamID, Key: k.VKey, AppID: "shop", Environment: "test", Host: "web1", PID: 1, StartedAt: event.FormatTime(day)}}
}

func open(t testing.TB, fsys fsx.FS) *Emitter {
	t.Helper()
	e, err := Open(options(t, fsys))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// checkout is an event of about size bytes.
func checkout(size int) *event.Event {
	sev := event.Severity(6)
	e := &event.Event{
		InteractionID: "order-1", AppID: "shop", AppVersion: "1.4.2", Environment: "test", CodeLocation: "shop.go:1",
		EntryPoint: &event.EntryPoint{Kind: "function", Name: "main"}, Host: &event.Host{Name: "web1", IP: "192.0.2.1"},
		Principal: &event.Principal{Type: "service_account", ID: "uid:0@web1"},
		Absent:    map[string]string{"user_id": "not_applicable", "source_ip": "not_applicable"},
		EventType: "shop_checkout", Severity: &sev, Description: "something happened",
	}
	for i := 0; size > 0; i++ {
		n := min(size, 500)
		if e.Labels == nil {
			e.Labels = map[string]string{}
		}
		e.Labels[fmt.Sprint("pad", i)] = strings.Repeat("x", n)
		size -= n
	}
	return e
}

// bad is an event that the schema refuses.
func bad() *event.Event {
	e := checkout(0)
	e.EventType = "No Such Thing"
	return e
}

// batch is what a spool holds, checked against its seal.
type batch struct {
	seal   proof.Seal
	events [][]byte
	ids    []string
}

// spooled reads the whole spool and holds it to what an emitter promises: contiguous numbers, events that are where they
// say, each seal over exactly its events and continuing the one before, batches within their limits, and nothing behind
// the final one.
func spooled(t testing.TB, fsys fsx.FS) (all []batch) {
	t.Helper()
	got, err := readSpool(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func readSpool(fsys fsx.FS) (all []batch, err error) {
	var prev proof.Hash
	next, final := uint64(1), false
	_, err = spool.Read(fsys, spool.Dir, streamID, 1, func(b spool.Batch) error {
		seal, err := proof.OpenSeal(b.Seal)
		if err != nil {
			return err
		}
		got := batch{seal: seal}
		var leaves []proof.Hash
		size := 0
		for i, raw := range b.Events {
			ref, err := (&event.Codec{}).Check(raw)
			if err != nil {
				return err
			}
			if ref.StreamSeq != b.First+uint64(i) || ref.StreamID.String() != streamID {
				return fmt.Errorf("event %d says that it is %d of %s", b.First+uint64(i), ref.StreamSeq, ref.StreamID)
			}
			leaves = append(leaves, proof.LeafHash(raw))
			got.events = append(got.events, bytes.Clone(raw))
			got.ids = append(got.ids, ref.EventID.String())
			size += len(raw)
		}
		switch {
		case final:
			return errors.New("a batch stands behind the final one")
		case seal.First != next || seal.First != b.First || seal.Count != len(b.Events):
			return fmt.Errorf("the seal is over %d events from %d, number %d comes next and %d are there", seal.Count, seal.First, next, len(b.Events))
		case proof.RootOf(leaves) != seal.Root:
			return errors.New("the seal is over other events")
		case seal.HasPrev != (next > 1) || seal.Prev != prev:
			return errors.New("the seal does not continue the one before")
		case size > proof.MaxBatchBytes || len(leaves) > proof.MaxBatch:
			return fmt.Errorf("a batch of %d events and %d bytes", len(leaves), size)
		case seal.Count == 0 && !seal.Final:
			return errors.New("an empty seal")
		}
		prev, next, final = proof.SealHash(b.Seal), seal.Next(), seal.Final
		all = append(all, got)
		return nil
	})
	return all, err
}

func TestAStream(t *testing.T) {
	m := fsxtest.New()
	e := open(t, m)
	for range 3 {
		if err := e.Emit(t.Context(), checkout(0)); err != nil {
			t.Fatal(err)
		}
	}
	if got := spooled(t, m); len(got) != 3 { // durable, and readable, when Emit returned
		t.Errorf("%d batches before Close, want 3", len(got))
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	got := spooled(t, m)
	if len(got) != 4 || !got[3].seal.Final || got[3].seal.Count != 0 {
		t.Errorf("%d batches, want 3 of one event and the end", len(got))
	}
	if err := e.Emit(t.Context(), checkout(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("emit after Close: %v, want ErrClosed", err)
	}
	if err := e.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if own, err := spool.Own(m, spool.Dir, streamID); err != nil {
		t.Errorf("the lock is not free after Close: %v", err)
	} else if err := own.Close(); err != nil {
		t.Error(err)
	}
}

func TestNothingSaidNothingSealed(t *testing.T) {
	m := fsxtest.New()
	e := open(t, m)
	if err := e.Emit(t.Context(), bad()); err == nil {
		t.Error("a refused event was taken")
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if got := spooled(t, m); len(got) != 0 {
		t.Errorf("%d batches in a stream without events, want none", len(got))
	}
}

func TestARefusedEventTakesNoNumber(t *testing.T) {
	m := fsxtest.New()
	e := open(t, m)
	steps := []struct {
		events []*event.Event
		ok     bool
	}{
		{[]*event.Event{checkout(0)}, true},
		{[]*event.Event{bad()}, false},
		{[]*event.Event{checkout(0), bad(), checkout(0)}, false}, // all or none
		{[]*event.Event{checkout(0), checkout(0)}, true},
		{nil, false},
		{make([]*event.Event, proof.MaxBatch+1), false},
	}
	for i, s := range steps {
		if err := e.Emit(t.Context(), s.events...); (err == nil) != s.ok {
			t.Errorf("step %d: %v", i, err)
		}
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	got := spooled(t, m)
	if n := got[len(got)-1].seal.First; n != 4 {
		t.Errorf("the stream ends before number %d, want 4", n)
	}
}

func TestLimitsOfABatch(t *testing.T) {
	many := func(n, size int) (all []*event.Event) {
		for range n {
			all = append(all, checkout(size))
		}
		return all
	}
	for _, tt := range []struct {
		name   string
		events []*event.Event
		ok     bool
	}{
		{"1,000 events", many(proof.MaxBatch, 0), true},
		{"nearly 1 MiB", many(130, 7000), true},
		{"more than 1 MiB", many(150, 7000), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := fsxtest.New()
			e := open(t, m)
			if err := e.Emit(t.Context(), tt.events...); (err == nil) != tt.ok {
				t.Errorf("emit: %v", err)
			}
			if err := e.Emit(t.Context(), checkout(0)); err != nil { // the stream goes on
				t.Error(err)
			}
			if err := e.Close(); err != nil {
				t.Fatal(err)
			}
			spooled(t, m)
		})
	}
}

// TestCallersShareBatches: where many goroutines have to share one processor and a flush costs nothing, they share
// signatures all the same.
func TestCallersShareBatches(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	fsys := fsxtest.New()
	e := open(t, fsys)
	const callers, each = 32, 10
	var wg sync.WaitGroup
	for range callers {
		wg.Go(func() {
			for range each {
				if err := e.Emit(t.Context(), checkout(0)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := e.answered.Load(); n != 0 {
		t.Errorf("%d callers are still taken for waiting to run", n)
	}
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	if n := len(spooled(t, fsys)); n > callers*each/4 {
		t.Errorf("%d events in %d batches", callers*each, n)
	}
}

// TestManyGoroutines: whoever waits together shares a flush, and gets contiguous numbers.
func TestManyGoroutines(t *testing.T) {
	const goroutines, each = 64, 20
	m := fsxtest.New()
	slow := &gate{FS: m}
	e := open(t, slow)
	release := slow.close()
	var all sync.WaitGroup
	var acked sync.Map
	for range goroutines {
		all.Go(func() {
			for range each {
				x := checkout(0)
				if err := e.Emit(context.Background(), x); err != nil {
					t.Error(err)
					return
				}
				acked.Store(x.EventID.String(), x.StreamSeq)
			}
		})
	}
	release()
	all.Wait()
	if err := e.Close(); err != nil {
		t.Fatal(err)
	}
	got := spooled(t, m)
	n := 0
	for _, b := range got {
		for i, id := range b.ids {
			n++
			if seq, ok := acked.Load(id); !ok || seq != b.seal.First+uint64(i) {
				t.Errorf("event %s stands at %d, its caller was told %v", id, b.seal.First+uint64(i), seq)
			}
		}
	}
	if n != goroutines*each {
		t.Errorf("%d events, want %d", n, goroutines*each)
	}
	t.Logf("%d events in %d batches", n, len(got))
}

// gate is a disk whose syncs wait while it is closed.
type gate struct {
	fsx.FS
	mu    sync.Mutex
	wait  chan struct{} // nil: open
	stuck chan struct{} // told when a sync begins to wait; may be nil
}

func (g *gate) close() (open func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.wait = make(chan struct{})
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		close(g.wait)
		g.wait = nil
	})
}

func (g *gate) Create(name string, perm fs.FileMode) (fsx.File, error) {
	f, err := g.FS.Create(name, perm)
	if err != nil {
		return nil, err
	}
	return &gated{f, g}, nil
}

type gated struct {
	fsx.File
	g *gate
}

func (f *gated) Sync() error {
	f.g.mu.Lock()
	wait, stuck := f.g.wait, f.g.stuck
	f.g.mu.Unlock()
	if wait != nil {
		if stuck != nil {
			stuck <- struct{}{}
		}
		<-wait
	}
	return f.File.Sync()
}

// TestDeadlineWhileTheDiskHangs: no call waits longer than its context, whatever the disk does (THREATS 16), and what it
// says of the outcome is true.
func TestDeadlineWhileTheDiskHangs(t *testing.T) {
	m := fsxtest.New()
	g := &gate{FS: m, stuck: make(chan struct{})}
	e := open(t, g)
	release := g.close()
	defer release()
	late := errors.New("too late")
	first, cancelFirst := context.WithCancelCause(t.Context())
	firstErr := make(chan error)
	go func() { firstErr <- e.Emit(first, checkout(0)) }()
	<-g.stuck // the first batch is on its way to the disk
	cancelFirst(late)
	if err := <-firstErr; !errors.Is(err, late) || !errors.Is(err, ErrUnknown) {
		t.Errorf("what is on its way: %v, want the cause, and that the outcome is unknown", err)
	}
	second, cancelSecond := context.WithCancelCause(t.Context())
	cancelSecond(late)
	taken := checkout(0)
	if err := e.Emit(second, taken); !errors.Is(err, late) || errors.Is(err, ErrUnknown) {
		t.Errorf("what only waits: %v, want the cause, and that nothing is recorded", err)
	}
	taken.EventType = "the caller's own again" // what the committer reads now would be seen by the race detector
	closing, cancelClose := context.WithCancelCause(t.Context())
	cancelClose(late)
	if err := e.CloseContext(closing); !errors.Is(err, late) || !errors.Is(err, ErrUnknown) {
		t.Errorf("close: %v, want the cause", err)
	}
	if err := e.Emit(t.Context(), checkout(0)); !errors.Is(err, ErrClosed) {
		t.Errorf("emit while closing: %v, want ErrClosed", err)
	}
	g.mu.Lock()
	g.stuck = nil
	g.mu.Unlock()
	release()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if got := spooled(t, m); len(got) != 2 || got[0].seal.Count != 1 {
		t.Errorf("%d batches, want the first event's and the end", len(got))
	}
}

// TestNobodyGetsAnothersAnswer: whoever gave up leaves his answer to nobody: not to the next caller, whose own events fail.
func TestNobodyGetsAnothersAnswer(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // what one caller leaves the next one finds
	m := fsxtest.New()
	g := &gate{FS: m, stuck: make(chan struct{})}
	e := open(t, g)
	release := g.close()
	defer release()
	ctx, cancel := context.WithCancel(t.Context())
	first, second := make(chan error, 1), make(chan error, 1)
	go func() { first <- e.Emit(ctx, checkout(0)) }()
	<-g.stuck
	cancel()
	if err := <-first; !errors.Is(err, ErrUnknown) {
		t.Errorf("the first: %v, want ErrUnknown", err)
	}
	go func() { second <- e.Emit(context.Background(), checkout(0)) }()
	for len(e.queue) == 0 {
		runtime.Gosched()
	}
	m.FailAt(len(m.Ops())+4, errors.New("i/o error"), false) // behind the sync of the first batch and two looks at its file: the write of the second
	g.mu.Lock()
	g.stuck = nil
	g.mu.Unlock()
	release()
	if err := <-second; !errors.Is(err, ErrFailed) {
		t.Errorf("the second: %v, want ErrFailed", err)
	}
	if err := e.Close(); !errors.Is(err, ErrFailed) {
		t.Errorf("close: %v, want ErrFailed", err)
	}
	if got := spooled(t, m); len(got) != 1 {
		t.Errorf("%d batches, want the first", len(got))
	}
}

// TestQueueIsBounded: with the disk hanging and the queue full, the next caller waits for a place no longer than its
// context.
func TestQueueIsBounded(t *testing.T) {
	g := &gate{FS: fsxtest.New(), stuck: make(chan struct{})}
	e := open(t, g)
	release := g.close()
	late := errors.New("too late")
	ctx, cancel := context.WithCancelCause(t.Context())
	var all sync.WaitGroup
	emit := func(ctx context.Context) {
		all.Go(func() {
			if err := e.Emit(ctx, checkout(0)); !errors.Is(err, late) {
				t.Errorf("emit: %v, want the cause", err)
			}
		})
	}
	emit(ctx)
	<-g.stuck
	for range queueDepth + 50 {
		emit(ctx)
	}
	cancel(late)
	all.Wait()
	g.mu.Lock()
	g.stuck = nil
	g.mu.Unlock()
	release()
	if err := e.Close(); err != nil {
		t.Error(err)
	}
}

// TestAFailedSyncEndsTheStream: nobody is told that anything is durable after it, and a new stream works.
func TestAFailedSyncEndsTheStream(t *testing.T) {
	for _, persisted := range []bool{false, true} {
		m := fsxtest.New()
		e := open(t, m)
		if err := e.Emit(t.Context(), checkout(0)); err != nil {
			t.Fatal(err)
		}
		m.FailAt(len(m.Ops())+2, errors.New("i/o error"), persisted) // after the write its sync
		if err := e.Emit(t.Context(), checkout(0)); !errors.Is(err, ErrFailed) {
			t.Errorf("emit: %v, want ErrFailed", err)
		}
		ops := len(m.Ops())
		if err := e.Emit(t.Context(), checkout(0)); !errors.Is(err, ErrFailed) {
			t.Errorf("the next emit: %v, want ErrFailed", err)
		}
		for _, op := range m.Ops()[ops:] {
			t.Errorf("the disk was touched after the failure: %v", op)
		}
		if err := e.Close(); !errors.Is(err, ErrFailed) {
			t.Errorf("close: %v, want ErrFailed", err)
		}
		o := options(t, m)
		o.Meta.StreamID = "019ca756-a780-7bcf-81b3-3d16da490658"
		next, err := Open(o)
		if err != nil {
			t.Fatal(err)
		}
		if err := next.Emit(t.Context(), checkout(0)); err != nil {
			t.Errorf("a new stream: %v", err)
		}
		if err := next.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestAnotherKeyThanItSays: a stream that nobody could verify does not get its first batch.
func TestAnotherKeyThanItSays(t *testing.T) {
	o := options(t, fsxtest.New())
	k, err := keyfile.Generate("stet-emitter/web1/1", nil)
	if err != nil {
		t.Fatal(err)
	}
	o.Meta.Key = k.VKey
	if e, err := Open(o); err == nil {
		t.Error("a stream was opened whose signer is not the key that it names")
		_ = e.Close() // only to end its goroutine
	}
}

// TestAnyMixOfRequests: whatever is asked for, by however many, the spool is a sound stream of exactly what was
// acknowledged.
func TestAnyMixOfRequests(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		m := fsxtest.New()
		e := open(t, m)
		var mu sync.Mutex
		acked := map[string]bool{}
		var all sync.WaitGroup
		for range rapid.IntRange(1, 6).Draw(r, "goroutines") {
			var work [][]*event.Event
			for range rapid.IntRange(0, 5).Draw(r, "requests") {
				var events []*event.Event
				for range rapid.SampledFrom([]int{1, 1, 1, 2, 5, 150}).Draw(r, "events") {
					events = append(events, checkout(rapid.SampledFrom([]int{0, 0, 100, 2000}).Draw(r, "size")))
				}
				if rapid.IntRange(0, 4).Draw(r, "bad") == 0 {
					events[len(events)-1] = bad()
				}
				work = append(work, events)
			}
			all.Go(func() {
				for _, events := range work {
					if e.Emit(context.Background(), events...) != nil {
						continue
					}
					mu.Lock()
					for _, x := range events {
						acked[x.EventID.String()] = true
					}
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if err := e.Close(); err != nil {
			r.Fatal(err)
		}
		got, err := readSpool(m)
		if err != nil {
			r.Fatal(err)
		}
		n := 0
		for _, b := range got {
			for _, id := range b.ids {
				if n++; !acked[id] {
					r.Fatalf("event %s is there, and was not acknowledged", id)
				}
			}
		}
		if n != len(acked) {
			r.Fatalf("%d events are there, %d were acknowledged", n, len(acked))
		}
	})
}

// TestNothingAcknowledgedIsLost: at every operation of a stream, a crash and a fault.
func TestNothingAcknowledgedIsLost(t *testing.T) {
	p := fsxtest.Plan{
		Run: func(m *fsxtest.Mem) any {
			e, err := Open(options(t, m))
			if err != nil {
				return 0
			}
			n := 0
			for e.Emit(context.Background(), checkout(900)) == nil {
				if n++; n == 4 {
					break
				}
			}
			_ = e.Close() // fails where the disk has
			return n
		},
		Check: func(m *fsxtest.Mem, acked any) error {
			got, err := readSpool(m)
			if err != nil && acked.(int) > 0 {
				return err
			}
			n := 0
			for _, b := range got {
				n += len(b.events)
			}
			if n < acked.(int) {
				return fmt.Errorf("%d events, %d were acknowledged", n, acked)
			}
			return nil
		},
		MaxStates: 600,
	}
	fsxtest.Explore(t, p)
	fsxtest.Faults(t, p, 30)
}

func TestCleanApp(t *testing.T) {
	for in, want := range map[string]string{
		"backup.sh": "backup.sh", "my app": "my-app", "": "unknown", "---": "unknown", "naïve": "na-ve",
		strings.Repeat("x", 200): strings.Repeat("x", 128), "\x1b[2J": "2J", "a/b": "a-b",
	} {
		if got := CleanApp(in); got != want {
			t.Errorf("CleanApp(%q) = %q, want %q", in, got, want)
		}
	}
}
