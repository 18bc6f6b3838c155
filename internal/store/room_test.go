package store

import (
	"context"
	"errors"
	"math/rand/v2"
	"path"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/segment"
	"github.com/stetlog/stet/proof"
)

// bulky seals n events of about a kilobyte each that compress badly.
func (r *remote) bulky(n int, rng *rand.Rand) Sealed {
	var events [][]byte
	for i := range n {
		seq := r.next + uint64(i)
		p := &process{stream: r.stream.String(), said: int(seq) - 1}
		e := p.base("shop_checkout")
		var words strings.Builder
		for range 100 {
			for range 8 {
				words.WriteByte(byte('a' + rng.IntN(26)))
			}
			words.WriteByte(' ')
		}
		e.Description, e.Timestamp, e.StreamID, e.StreamSeq, e.Clock = words.String(), day, r.stream, seq, &event.Clock{Confidence: "unknown"}
		b, err := (&event.Codec{}).Append(nil, e)
		if err != nil {
			r.t.Fatal(err)
		}
		events = append(events, b)
	}
	return r.seal(events, false)
}

// On a disk that fills up, batches are refused before the journal can tear: what was taken is published to the last of it,
// what is there can be read, and when there is room again the same batch is taken. Nothing is published in between, so
// that the most that can wait does.
func TestAlmostFull(t *testing.T) {
	const size = 20 << 20
	m := fsxtest.New()
	m.Limit(size)
	ctx := context.Background()
	s := storeOn(m)
	h, err := s.Hold(ctx, HoldOptions{PublishIdle: time.Hour, LookEvery: time.Hour, SegmentBytes: 1 << 20, MaxUnpublished: 2 << 20, Keep: 8 << 20})
	if err != nil {
		t.Fatal(err)
	}
	r, rng := newRemote(t, 1, "stet-emitter/web1/0"), rand.New(rand.NewPCG(1, 2))
	var refused Sealed
	var last Placed
	for n := 0; ; n++ {
		if n > size>>20 {
			t.Fatal("more was taken than the disk holds")
		}
		refused = r.bulky(650, rng)
		p := placeOne(t, h, refused)
		if errors.Is(p.Err, ErrFull) {
			break
		}
		if p.Err != nil {
			t.Fatal(p.Err)
		}
		last = p
	}
	if last.Count == 0 {
		t.Fatal("nothing was taken")
	}
	if err := h.Ready(); !errors.Is(err, ErrFull) {
		t.Errorf("ready: %v", err)
	}
	if _, err := h.RecordFor(ctx, viaHTTP, "shop", "test", []*event.Event{unsealed("shop_checkout")}); !errors.Is(err, ErrFull) {
		t.Errorf("events of others: %v", err)
	}
	if _, err := h.Lose(ctx, viaHTTP, ledger.Loss{}); !errors.Is(err, ErrFull) {
		t.Errorf("a declared loss: %v", err)
	}
	if _, err := h.Gone(ctx, viaHTTP, r.stream.String(), "", nil); !errors.Is(err, ErrFull) {
		t.Errorf("a dead stream: %v", err)
	}
	if _, err := h.Drain(ctx); !errors.Is(err, ErrFull) {
		t.Errorf("local spools: %v", err)
	}
	if _, err := h.Record(ctx, &event.Event{EventType: "config_changed", InteractionID: "disk"}); err != nil {
		t.Errorf("the server's own word: %v", err)
	}
	if _, err := h.Receipt(ctx, last.Seal.Stream, last.Seal.First); err != nil {
		t.Errorf("a receipt: %v", err)
	}
	m.Limit(4 * size)
	h.room.look()
	if err := h.Ready(); err != nil {
		t.Errorf("with room again: %v", err)
	}
	if p := placeOne(t, h, refused); p.Err != nil {
		t.Errorf("with room again: %v", p.Err)
	}
	closeHeld(t, h)
	mustVerify(t, m)
}

// Others fill a disk at once, between two looks at it: the journal's next segment has no room, or the files that are published.
// What is under way waits, everything else is refused, what is there can be read; with room again it goes on, and nothing
// that was taken is missing.
func TestFilledByOthersAtOnce(t *testing.T) {
	for name, o := range map[string]HoldOptions{
		"the journal":        {PublishIdle: time.Hour, SegmentBytes: 128 << 10},
		"what is published":  {SegmentBytes: 4 << 20},
		"and it is not told": {SegmentBytes: 128 << 10, Keep: -1},
	} {
		t.Run(name, func(t *testing.T) {
			m, ctx := fsxtest.New(), t.Context()
			o.LookEvery = time.Hour
			h, err := storeOn(m).Hold(ctx, o)
			if err != nil {
				t.Fatal(err)
			}
			r, rng := newRemote(t, 1, "stet-emitter/web1/0"), rand.New(rand.NewPCG(1, 2))
			first := placeOne(t, h, r.bulky(40, rng))
			if first.Err != nil {
				t.Fatal(first.Err)
			}
			if _, _, err := h.Receipts(ctx, []Placed{first}); err != nil {
				t.Fatal(err)
			}
			m.Limit(m.Used()) // from now on all of it is somebody else's
			done := make(chan error, 1)
			go func() {
				var placed []Placed
				var err error
				for err == nil && len(placed) < 4 {
					p := placeOne(t, h, r.bulky(100, rng))
					placed, err = append(placed, p), p.Err
				}
				if errors.Is(err, ErrFull) { // the others waited already: it comes again another time
					placed, err = placed[:len(placed)-1], nil
				}
				_, _, rerr := h.Receipts(ctx, placed)
				done <- errors.Join(err, rerr)
			}()
			for deadline := time.Now().Add(time.Minute); !stuck(h); time.Sleep(time.Millisecond) {
				select {
				case <-h.Failed():
					t.Fatal("the log has stopped: ", h.Ready())
				default:
				}
				if time.Now().After(deadline) {
					t.Fatal("nothing waits for room")
				}
			}
			if err := h.Ready(); !errors.Is(err, ErrFull) {
				t.Fatalf("ready: %v", err)
			}
			if p := placeOne(t, h, newRemote(t, 2, "stet-emitter/web2/0").say(1)); !errors.Is(p.Err, ErrFull) {
				t.Errorf("a batch: %v", p.Err)
			}
			if _, err := h.Record(ctx, &event.Event{EventType: "config_changed", InteractionID: "disk"}); !errors.Is(err, ErrFull) {
				t.Errorf("the server's own word, which would wait too: %v", err)
			}
			// The stream of what waits is waited for as long as the caller likes; all else is there.
			soon, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			if _, err := h.Receipt(soon, first.Seal.Stream, first.Seal.First); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a receipt of the stream that waits: %v", err)
			}
			if _, err := h.Source().Fetch(ctx, "checkpoint"); err != nil {
				t.Errorf("the checkpoint: %v", err)
			}
			m.Limit(0)
			if err := <-done; err != nil {
				t.Errorf("with room again: %v", err)
			}
			if err := h.Ready(); err != nil {
				t.Errorf("with room again: %v", err)
			}
			closeHeld(t, h)
			mustVerify(t, m)
		})
	}
}

// stuck says whether a write of the ledger waits for room.
func stuck(h *Held) bool {
	h.room.mu.Lock()
	defer h.room.mu.Unlock()
	return h.room.stuck > 0
}

// A store that closes while the disk is full waits for nobody, and what it acknowledged is there when it is opened again.
func TestClosedWhileTheDiskIsFull(t *testing.T) {
	m, ctx := fsxtest.New(), t.Context()
	h, err := storeOn(m).Hold(ctx, HoldOptions{PublishIdle: time.Hour, LookEvery: time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	r := newRemote(t, 1, "stet-emitter/web1/0")
	b := r.say(2)
	p := placeOne(t, h, b)
	if p.Err != nil {
		t.Fatal(p.Err)
	}
	m.Limit(m.Used())
	if err := h.Close(ctx); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("closed on a full disk: %v", err)
	}
	m.Limit(0)
	h, err = storeOn(m).Hold(ctx, HoldOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if again := placeOne(t, h, b); again.Err != nil || !again.Again || again.First != p.First {
		t.Errorf("what was acknowledged is not there: %+v", again)
	}
	closeHeld(t, h)
	mustVerify(t, m)
}

// THREATS 15: a journal segment that is removed or replaced under a server that has nothing to do ends it; what can be read
// stays readable.
func TestALiveSegmentIsTakenAway(t *testing.T) {
	for name, take := range map[string]func(t *testing.T, m *fsxtest.Mem, file string){
		"removed": func(t *testing.T, m *fsxtest.Mem, file string) {
			if err := m.Remove(file); err != nil {
				t.Fatal(err)
			}
		},
		"replaced": func(t *testing.T, m *fsxtest.Mem, file string) {
			f, err := m.Create(file+".new", 0o600)
			if err == nil {
				err = errors.Join(f.Close(), m.Rename(file+".new", file))
			}
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := fsxtest.New()
			ctx := context.Background()
			h, err := storeOn(m).Hold(ctx, HoldOptions{Preallocate: -1, LookEvery: time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			r := newRemote(t, 1, "stet-emitter/web1/0")
			b := r.say(2)
			p := placeOne(t, h, b)
			if _, _, err := h.Receipts(ctx, []Placed{p}); err != nil {
				t.Fatal(err)
			}
			files, err := m.ReadDir("journal")
			if err != nil || len(files) != 1 {
				t.Fatalf("the journal is %v, %v", files, err)
			}
			take(t, m, path.Join("journal", files[0].Name()))
			select {
			case <-h.Failed():
			case <-time.After(30 * time.Second):
				t.Fatal("nobody noticed")
			}
			if err := h.Ready(); !errors.Is(err, ledger.ErrFailed) || !errors.Is(err, segment.ErrGone) {
				t.Errorf("ready: %v", err)
			}
			if p := placeOne(t, h, r.say(1)); !errors.Is(p.Err, ledger.ErrFailed) {
				t.Errorf("a batch: %v", p.Err)
			}
			if _, err := h.Record(ctx, &event.Event{EventType: "config_changed", InteractionID: "x"}); !errors.Is(err, ledger.ErrFailed) {
				t.Errorf("the server's own word: %v", err)
			}
			cp, err := proof.ParseCheckpointText(h.Checkpoint())
			if err != nil || cp.Size < p.First+uint64(p.Count) {
				t.Errorf("the checkpoint is %+v, %v", cp, err)
			}
			if _, err := h.Source().Fetch(ctx, proof.EntriesPath(0, int(cp.Size))); err != nil {
				t.Errorf("reading: %v", err)
			}
			if err := h.Close(ctx); !errors.Is(err, ledger.ErrFailed) {
				t.Errorf("close: %v", err)
			}
		})
	}
}
