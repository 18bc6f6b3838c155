package ledger_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// TestManyWriters lets 64 goroutines append, publish, retry and ask for receipts at once, with limits so small that every
// kind of work overlaps with every other, and then audits what they made.
func TestManyWriters(t *testing.T) {
	fsys := fsxtest.New()
	o := options(fsys)
	o.Workers, o.HeadStreams, o.SegmentBytes, o.MaxUnpublished = 4, 16, 20_000, 50_000
	l := open(t, o)
	const writers, batches = 64, 6
	var mu sync.Mutex
	placed := map[uint64]string{} // first seq → whose
	var signed []proof.Checkpoint
	var wg sync.WaitGroup
	for w := range writers {
		s := newStream(fmt.Sprint("emitter", w%4), w)
		wg.Go(func() {
			number := uint64(1)
			for i := range batches {
				b := s.next(1+(w+i)%4, 80)
				p, err := l.Append(t.Context(), b)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if was, ok := placed[p.First]; ok {
					t.Errorf("%s and %s are both at %d", was, s.id, p.First)
				}
				placed[p.First] = s.id
				mu.Unlock()
				switch (w + i) % 6 {
				case 0:
					c, err := l.Publish(t.Context())
					if err != nil {
						t.Error(err)
						return
					}
					c2 := opened(t, c)
					if c2.Size < p.First+uint64(p.Count) {
						t.Errorf("a publish of %d entries after an append at %d", c2.Size, p.First)
					}
					mu.Lock()
					signed = append(signed, c2)
					mu.Unlock()
				case 1:
					again, err := l.Append(t.Context(), b)
					if err != nil || again.First != p.First || !again.Again {
						t.Errorf("again: %+v, %v, first %+v", again, err, p)
					}
				case 2:
					if r, err := l.Receipt(t.Context(), s.id, number); err != nil || r.Placed != p {
						t.Errorf("receipt: %+v, %v, want %+v", r.Placed, err, p)
					}
				case 3:
					if state, ok, err := l.Stream(background, s.id); err != nil || !ok || state.Next != number+uint64(len(b.Items)) {
						t.Errorf("stream: %+v, %v, %v", state, ok, err)
					}
				}
				number += uint64(len(b.Items))
			}
		})
	}
	wg.Wait()
	mustClose(t, l)
	if err := auditFiles(fsys, signed); err != nil {
		t.Error(err)
	}
	if len(placed) != writers*batches {
		t.Errorf("%d batches are placed, want %d", len(placed), writers*batches)
	}
}

// TestOneStreamManySenders: whoever sends the same batch at the same time, it is placed once.
func TestOneStreamManySenders(t *testing.T) {
	l := open(t, options(fsxtest.New()))
	defer mustClose(t, l)
	s := newStream("a", 1)
	for range 20 {
		b := s.next(2, 50)
		var mu sync.Mutex
		var fresh int
		at := map[uint64]bool{}
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				p, err := l.Append(t.Context(), b)
				if err != nil {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				at[p.First] = true
				if !p.Again {
					fresh++
				}
			})
		}
		wg.Wait()
		if fresh != 1 || len(at) != 1 {
			t.Fatalf("placed %d times, at %v", fresh, at)
		}
	}
}

// A gate is a file system whose syncs of some files wait, as long as a test holds it shut.
type gate struct {
	fsx.FS
	hold func(name string)
}

type gatedFile struct {
	fsx.File
	name string
	hold func(string)
}

func (g gate) Create(name string, perm fs.FileMode) (fsx.File, error) {
	f, err := g.FS.Create(name, perm)
	return gatedFile{f, name, g.hold}, err
}

func (f gatedFile) Sync() error { f.hold(f.name); return f.File.Sync() }

// TestGroupCommit: what queues up behind a flush shares the next one.
func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		mem := fsxtest.New()
		flushes := 0
		o := options(gate{mem, func(name string) {
			if name == "journal/000001.j" {
				flushes++
				time.Sleep(10 * time.Millisecond) // of the test's bubble: what a flush costs
			}
		}})
		l := open(t, o)
		const writers = 100
		var wg sync.WaitGroup
		start := time.Now()
		for i := range writers {
			s := newStream("a", i)
			wg.Go(func() { mustAppend(t, l, s.next(1, 50)) })
		}
		wg.Wait()
		// One for the segment's header, one for whoever came first, and one or two for all others.
		if took := time.Since(start); flushes > 4 || took > 40*time.Millisecond {
			t.Errorf("%d flushes in %v for %d appends", flushes, took, writers)
		}
		mustClose(t, l)
	})
}

// TestEnqueue: getting in line waits for nobody, batches of one stream are placed in the order of the line, and none is
// acknowledged before its flush is over.
func TestEnqueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var flushed atomic.Bool
		l := open(t, options(gate{fsxtest.New(), func(name string) {
			if name == "journal/000001.j" {
				time.Sleep(10 * time.Millisecond) // of the test's bubble
				flushed.Store(true)
			}
		}}))
		s := newStream("a", 1)
		start := time.Now()
		var line []*ledger.Waiting
		for range 20 {
			c, err := l.Check(s.next(2, 50))
			if err != nil {
				t.Fatal(err)
			}
			w, err := l.Enqueue(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			line = append(line, w)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("getting in line took %v: it waited for the disk", took)
		}
		if flushed.Load() {
			t.Fatal("the test's disk was too fast to show anything")
		}
		for i, w := range line {
			p, err := w.Wait(t.Context())
			if err != nil || p.First != uint64(3*i) || p.Count != 3 || p.Again {
				t.Errorf("batch %d: %+v, %v", i, p, err)
			}
			if i == 0 && !flushed.Load() {
				t.Error("acknowledged before the flush")
			}
		}
		mustClose(t, l)
	})
}

// TestEnqueueGivesUp: whoever stops waiting is told that the outcome is not known, and its place goes to others; a batch
// that is not sound never gets in line.
func TestEnqueueGivesUp(t *testing.T) {
	l := open(t, options(fsxtest.New()))
	bad := newStream("a", 1).next(1, 50)
	bad.Items[0].Event = []byte(`{}`)
	if _, err := l.Check(bad); !errors.Is(err, ledger.ErrInvalid) {
		t.Errorf("a batch that was altered: %v", err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for i := range ledger.MaxWaiting + 1 { // with a place lost each time, the last would wait for ever
		c, err := l.Check(newStream("a", 2+i).next(1, 50))
		if err != nil {
			t.Fatal(err)
		}
		w, err := l.Enqueue(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Wait(gone); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	mustClose(t, l)
	c, err := l.Check(newStream("a", 1).next(1, 50))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Enqueue(t.Context(), c); !errors.Is(err, ledger.ErrClosed) {
		t.Errorf("behind Close: %v", err)
	}
}

// TestPublishTiming: a publish begins at once when somebody waits for it and nothing was published lately; two begin at
// least the busy interval apart; and without anybody waiting an append is published after the idle interval.
func TestPublishTiming(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(fsxtest.New())
		o.PublishBusy, o.PublishIdle = 100*time.Millisecond, time.Second
		l := open(t, o)
		defer mustClose(t, l)
		s := newStream("a", 1)
		start := time.Now()
		at := func(want time.Duration, what string) {
			t.Helper()
			if got := time.Since(start); got != want {
				t.Errorf("%s at %v, want %v", what, got, want)
			}
		}
		mustAppend(t, l, s.next(1, 50))
		mustPublish(t, l)
		at(0, "the first publish")
		mustAppend(t, l, s.next(1, 50))
		mustPublish(t, l)
		at(100*time.Millisecond, "the second publish")
		mustPublish(t, l)
		at(100*time.Millisecond, "a publish of nothing new")
		time.Sleep(400 * time.Millisecond)
		mustAppend(t, l, s.next(1, 50))
		size, _ := l.Head()
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		if now, _ := l.Head(); now != size {
			t.Errorf("published %v after the append, without anybody waiting", time.Since(start)-500*time.Millisecond)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if now, _ := l.Head(); now != size+2 {
			t.Errorf("not published a second after the append")
		}
	})
}

// TestDeadlines: nobody waits longer than its context says, whatever the disk does; and what came of it can be found out
// by appending the same batch again.
func TestDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stuck := make(chan struct{})
		o := options(gate{fsxtest.New(), func(name string) {
			if name == "journal/000001.j" {
				<-stuck
			}
		}})
		l := open(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		s, s2 := newStream("a", 1), newStream("a", 2)
		b, b2 := s.next(3, 50), s2.next(3, 50)
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := l.Append(ctx, b); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("append on a stuck disk: %v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() {
			if _, err := l.Append(ctx, b2); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("append behind it: %v", err)
			}
		})
		wg.Wait()
		for _, batch := range []ledger.Batch{b, b2} { // their bytes are ours again
			for _, item := range batch.Items {
				clear(item.Event)
			}
		}
		close(stuck)
		synctest.Wait()
		p, err := l.Append(t.Context(), newStream("a", 1).next(3, 50))
		if err != nil || !p.Again {
			t.Errorf("the first batch again: %+v, %v", p, err)
		}
		mustClose(t, l)
	})
}

// TestFullDisk: at every size that the disk can have, the ledger says so before it acknowledges, stops, and goes on when
// there is room again.
func TestFullDisk(t *testing.T) {
	free := fsxtest.New()
	run := func(w *worker) {
		s := newStream("a", 1)
		for i := range 6 {
			w.append(s.next(2, 200))
			if i%2 == 1 {
				w.publish()
			}
		}
		w.close()
	}
	w := work(free, small)
	run(w)
	if w.err != nil {
		t.Fatal(w.err)
	}
	step := free.Used()/25 + 1
	for limit := int64(0); limit < 2*free.Used(); limit += step {
		fsys := fsxtest.New()
		fsys.Limit(limit + 1)
		w := work(fsys, small)
		run(w)
		failed := w.err
		c := w.done().(claim)
		if failed != nil && len(c.acked) > 0 && !errors.Is(failed, ledger.ErrFailed) {
			t.Errorf("disk of %d bytes: %v, want %v", limit, failed, ledger.ErrFailed)
		}
		fsys.Limit(0)
		if err := audit(fsys, c, small); err != nil {
			t.Errorf("disk of %d bytes, %v: %v", limit, failed, err)
		}
	}
}

// dirSyncs notes which directories are synced.
type dirSyncs struct {
	fsx.FS
	mu    sync.Mutex
	names []string
}

func (d *dirSyncs) SyncDir(name string) error {
	d.mu.Lock()
	d.names = append(d.names, name)
	d.mu.Unlock()
	return d.FS.SyncDir(name)
}

// TestAHeadVouchesForItsDirectories: what a run adds to a log lies mostly where the last one's tiles do, and no head is
// written before those directories are durable; a short run does not sync them all again. Those that are new it does.
func TestAHeadVouchesForItsDirectories(t *testing.T) {
	d := &dirSyncs{FS: fsxtest.New()}
	l := open(t, options(d))
	s := newStream("a", 1)
	add := func(batches, events int) (synced map[string]int) {
		d.names = nil
		for range batches {
			mustAppend(t, l, s.next(events, 50))
		}
		mustPublish(t, l)
		synced = map[string]int{}
		for _, name := range d.names {
			synced[name]++
		}
		return synced
	}
	parents := []string{"log/tile", "log/tile/0", "log/tile/entries"}
	first := add(1, 10)
	for _, dir := range parents {
		if first[dir] == 0 {
			t.Errorf("%s was made, and not made durable", dir)
		}
	}
	mustClose(t, l)
	l = open(t, options(d))
	again := add(1, 10)
	for _, dir := range parents {
		if again[dir] > 0 {
			t.Errorf("%s was synced again, where the head already stands on it", dir)
		}
	}
	if again["log/tile/0/000.p"] == 0 || again["log/tile/entries/000.p"] == 0 {
		t.Errorf("new tiles without a sync of their directory: %v", again)
	}
	mustClose(t, l)
	l = open(t, options(d))
	full := add(1, 300) // a full tile, a second one, and a level above
	for _, dir := range []string{"log/tile", "log/tile/0", "log/tile/entries", "log/tile/1/000.p"} {
		if full[dir] == 0 {
			t.Errorf("%s got something new and was not synced: %v", dir, full)
		}
	}
	mustClose(t, l)
}
