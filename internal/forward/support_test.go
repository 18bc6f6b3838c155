package forward

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// tape is a log that was written before the test, and publishes as the test says.
type tape struct {
	src         logread.Source
	mu          sync.Mutex
	checkpoints []proof.Checkpoint // the log's sizes, in their order
	at          int
	rows        []Row // of the whole log, as JSON lines
}

func (l *tape) Checkpoint(context.Context) (proof.Checkpoint, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.checkpoints[l.at], nil
}

func (l *tape) Source() logread.Source { return l.src }

// upTo are the rows under a checkpoint.
func (l *tape) upTo(cp proof.Checkpoint) []Row {
	n := slices.IndexFunc(l.rows, func(r Row) bool { return r.Seq >= cp.Size })
	if n < 0 {
		n = len(l.rows)
	}
	return l.rows[:n]
}

func testKey(t testing.TB, name, seed string) keyfile.Key {
	t.Helper()
	k, err := keyfile.Generate(name, bytes.NewReader(bytes.Repeat([]byte(seed), ed25519.SeedSize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// record writes a log: a publication for each number, of so many events. The same text makes the same log.
func record(t testing.TB, text string, events ...int) *tape {
	t.Helper()
	disk := fsxtest.New()
	keys := store.Keys{Log: testKey(t, "log.example/"+text[:1], "l"), Store: testKey(t, "stet-store/a", "s")}
	s := store.New(disk, known.Dir{FS: disk, Name: "state"}, func(bool) (store.Keys, error) { return keys, nil })
	s.Door = func(name string) (keyfile.Key, error) { return testKey(t, name, "d"), nil }
	held, err := s.Hold(t.Context(), store.HoldOptions{Preallocate: -1, PublishBusy: time.Millisecond, PublishIdle: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	l := &tape{src: held.Source()}
	for _, n := range events {
		var all []*event.Event
		for i := range n {
			all = append(all, &event.Event{EventType: "shop_checkout", Description: fmt.Sprintf("%s %d", text, i), InteractionID: "i-1", CodeLocation: "shop.go:1",
				EntryPoint: &event.EntryPoint{Kind: "function", Name: "main"}})
		}
		if _, err := held.Record(t.Context(), all...); err != nil {
			t.Fatal(err)
		}
		if _, err := held.Everything(t.Context()); err != nil {
			t.Fatal(err)
		}
		cp, err := proof.ParseCheckpointText(held.Checkpoint())
		if err != nil {
			t.Fatal(err)
		}
		l.checkpoints = append(l.checkpoints, cp)
	}
	l.at = len(l.checkpoints) - 1
	if err := held.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.rows = rowsOf(t, l)
	return l
}

// rowsOf reads all rows of a log, other than a Forwarder does.
func rowsOf(t testing.TB, l *tape) (all []Row) {
	t.Helper()
	err := logread.Entries(t.Context(), l.src, 0, l.checkpoints[l.at].Size, func(seq uint64, raw []byte) error {
		row, err := convert.NewRow(raw, "")
		if err == nil && row.IsEvent() {
			all = append(all, Row{Seq: seq, Hash: proof.LeafHash(raw), Data: convert.JSONLines.Append(nil, row)})
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// receiver is a destination in memory. What it was sent it has when it is settled, or at once.
type receiver struct {
	mu    sync.Mutex
	got   []Row
	lazy  bool // what it was sent is safe only when somebody waits for that
	loses bool // and it loses that next time, once
	safe  int  // rows of got
	calls int
	// answer says what comes of rows, where it is given; call counts from 1.
	answer func(call int, rows []Row) Result
}

func (r *receiver) Send(ctx context.Context, rows []Row) Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls++
	var res Result
	if r.answer != nil {
		res = r.answer(r.calls, rows)
	}
	for _, row := range rows {
		left := slices.ContainsFunc(res.Left, func(x Row) bool { return x.Seq == row.Seq })
		refused := slices.ContainsFunc(res.Refused, func(x Refusal) bool { return x.First <= row.Seq && row.Seq <= x.Last })
		if !left && !refused {
			r.got = append(r.got, row)
		}
	}
	return res
}

func (r *receiver) Settle(_ context.Context, sent uint64, all bool) (uint64, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.lazy && !all {
		return 0, nil
	}
	if r.loses && all {
		r.loses = false
		r.got = r.got[:r.safe]
		return 0, fmt.Errorf("all is gone: %w", errLost)
	}
	r.safe = len(r.got)
	return sent, nil
}

func (r *receiver) Close() error { return nil }

// rows are those that the receiver has.
func (r *receiver) rows() []Row {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

// options of a forwarder of everything, once.
func options(l Log, to Destination, c *Cursor) Options {
	return Options{Log: l, Query: search.Query{}, Format: convert.JSONLines, To: to, Name: "test", Cursor: c, Once: true, Logger: slog.New(slog.DiscardHandler),
		Pause: func(int) time.Duration { return time.Millisecond }}
}

var use = Use{To: "00", Format: "jsonl"}

func openCursor(t testing.TB, fsys *fsxtest.Mem) *Cursor {
	t.Helper()
	c, err := Open(fsys, "test", use)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// same compares rows by all that a receiver gets to see.
func same(a, b []Row) bool {
	return slices.EqualFunc(a, b, func(a, b Row) bool { return a.Seq == b.Seq && a.Hash == b.Hash && bytes.Equal(a.Data, b.Data) })
}

// complete says what is wrong with what a receiver has got: each row must be there, and its first time in the order of the log.
func complete(want, got []Row) error {
	next := 0
	for _, row := range got {
		i, ok := slices.BinarySearchFunc(want, row.Seq, func(r Row, seq uint64) int { return int(r.Seq) - int(seq) })
		switch {
		case !ok || !same(want[i:i+1], []Row{row}):
			return fmt.Errorf("entry %d is not one of the log's", row.Seq)
		case i > next:
			return fmt.Errorf("entry %d came before entry %d", row.Seq, want[next].Seq)
		case i == next:
			next++
		}
	}
	if next < len(want) {
		return fmt.Errorf("entry %d did not come", want[next].Seq)
	}
	return nil
}
