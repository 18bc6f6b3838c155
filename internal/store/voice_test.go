package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/proof"
)

// sealsIn counts the seals of a log, by app and whether they end a stream.
func sealsIn(t *testing.T, s *Store) (seals map[string]int, finals map[string]int) {
	t.Helper()
	seals, finals = map[string]int{}, map[string]int{}
	err := s.Entries(context.Background(), func(_ uint64, raw []byte) error {
		e, err := proof.ParseEntry(raw)
		if err != nil || e.Seal == nil {
			return err
		}
		seal, err := proof.ParseSeal(e.Seal.Note)
		seals[seal.App]++
		if seal.Final {
			finals[seal.App]++
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return seals, finals
}

// openStreams are those that no final seal closes.
func openStreams(t *testing.T, s *Store) map[string]string {
	t.Helper()
	open := map[string]string{}
	err := s.Entries(context.Background(), func(_ uint64, raw []byte) error {
		e, err := proof.ParseEntry(raw)
		if err != nil || e.Seal == nil {
			return err
		}
		seal, err := proof.ParseSeal(e.Seal.Note)
		if open[seal.Stream] = seal.App; seal.Final {
			delete(open, seal.Stream)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return open
}

// Who speaks while others wait for the disk shares the next batch with all who do: one signature and one flush.
func TestGroupCommit(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	ctx := context.Background()
	say := func() {
		out, err := h.RecordFor(ctx, viaHTTP, "shop", "test", []*event.Event{unsealed("shop_checkout")})
		if err != nil || out[0].Err != nil {
			t.Error(out, err)
		}
	}
	say() // opens the stream
	const others = 100
	release := m.HangAt(len(m.Ops()) + 1) // the first write or sync of the next one
	var all sync.WaitGroup
	all.Go(say)
	v, _, err := h.voiceOf(speaker{viaHTTP.Sender(), "shop", "test", ""})
	if err != nil {
		t.Fatal(err)
	}
	waiting := func() int {
		v.mu.Lock()
		defer v.mu.Unlock()
		if !v.running {
			return -1
		}
		return len(v.line)
	}
	for waiting() != 0 { // until the first is under way
		runtime.Gosched()
	}
	for range others {
		all.Go(say)
	}
	for waiting() != others {
		runtime.Gosched()
	}
	release()
	all.Wait()
	closeHeld(t, h)
	seals, finals := sealsIn(t, storeOn(m))
	if seals["shop"] != 4 || finals["shop"] != 1 { // the first, the one that hung, all others, the end
		t.Errorf("%d batches, %d of them final; want 4 and 1", seals["shop"], finals["shop"])
	}
	mustVerify(t, m)
}

// A sender's events go on in one stream as long as the store is held, and in a new one after that; each stream begins with
// number 1 and is closed. No number is used twice, also where the one before was killed.
func TestStreamsOfAServer(t *testing.T) {
	m := fsxtest.New()
	ctx := context.Background()
	const lives = 3
	for n := range lives {
		p := m.Process()
		h := hold(t, p)
		for range 2 {
			for _, via := range []proof.Via{viaHTTP, {Kind: proof.ViaHTTP, Token: "other"}} {
				if _, err := h.RecordFor(ctx, via, "shop", "test", []*event.Event{unsealed("shop_checkout")}); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := h.Record(ctx, &event.Event{EventType: "config_changed", InteractionID: "x"}); err != nil {
				t.Fatal(err)
			}
		}
		if n == 1 {
			p.Kill()
			_ = h.Close(ctx) // ends its goroutines; the process is dead
			continue
		}
		closeHeld(t, h)
	}
	got := mustRead(t, storeOn(m))
	if got.types["shop_checkout"] != 4*lives || got.types["config_changed"] != 2*lives {
		t.Errorf("recorded %v", got.types)
	}
	if got.types["emitter_enrolled"] != 2 { // the store's and the door's
		t.Errorf("%d keys were enrolled", got.types["emitter_enrolled"])
	}
	_, finals := sealsIn(t, storeOn(m))
	if finals["shop"] != 2*lives {
		t.Errorf("%d streams were closed", finals["shop"])
	}
	if got.types["sys_crash"] != 1 {
		t.Errorf("that one was killed is recorded %d times", got.types["sys_crash"])
	}
	if open := openStreams(t, storeOn(m)); len(open) > 0 {
		t.Errorf("still open: %v", open)
	}
	if _, err := m.Stat(voiceFile); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the note of open streams: %v", err)
	}
	mustVerify(t, m)
}

// There are at most so many open streams: the one that was silent for longest is closed, and its sender gets another one.
func TestManySenders(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	const most = 4
	h.own.most = most
	ctx := context.Background()
	say := func(n int) {
		via := proof.Via{Kind: proof.ViaHTTP, Token: fmt.Sprintf("t%d", n)}
		if out, err := h.RecordFor(ctx, via, "shop", "test", []*event.Event{unsealed("shop_checkout")}); err != nil || out[0].Err != nil {
			t.Fatal(out, err)
		}
	}
	for n := range most {
		say(n)
	}
	say(0) // so that 1 is the one that was silent for longest
	say(most)
	say(0)
	say(1)
	if n := len(h.own.open); n != most {
		t.Errorf("%d streams are open", n)
	}
	closeHeld(t, h)
	seals, finals := sealsIn(t, storeOn(m))
	if want := most + 2; finals["shop"] != want { // the last sender's, and the second one of sender 1
		t.Errorf("%d streams were closed, want %d; %d seals", finals["shop"], want, seals["shop"])
	}
	mustVerify(t, m)
}

// Who gives up waiting gets the events back; where they were under way already, that is said.
func TestGivingUp(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	if _, err := h.RecordFor(context.Background(), viaHTTP, "shop", "test", []*event.Event{unsealed("shop_checkout")}); err != nil {
		t.Fatal(err)
	}
	release := m.HangAt(len(m.Ops()) + 1)
	ctx, cancel := context.WithCancelCause(context.Background())
	enough := errors.New("enough")
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if _, err := h.RecordFor(ctx, viaHTTP, "shop", "test", []*event.Event{unsealed("shop_refund")}); !errors.Is(err, enough) {
				t.Error(err)
			}
		})
	}
	cancel(enough)
	all.Wait()
	release()
	closeHeld(t, h)
	if n := mustRead(t, storeOn(m)).types["shop_refund"]; n > 3 {
		t.Errorf("%d events, 3 were said", n)
	}
	mustVerify(t, m)
}

// Events of one call that differ in what was changed of them stand in batches of their own, however many.
func TestManyViasAtOnce(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	const n = 2*maxTogether + 1
	var events []*event.Event
	for i := range n {
		e := unsealed("shop_checkout")
		e.Labels = map[string]string{fmt.Sprintf("x%d", i): "a\rb"}
		events = append(events, e)
	}
	out, err := h.RecordFor(context.Background(), viaHTTP, "shop", "test", events)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range out {
		if r.Err != nil || i > 0 && r.Seq != out[i-1].Seq+2 { // its event and its seal
			t.Fatalf("event %d: %+v behind %+v", i, r, out[max(0, i-1)])
		}
	}
	closeHeld(t, h)
	mustVerify(t, m)
}

// More calls at once than the ledger has places do not wait for each other for ever.
func TestALongLine(t *testing.T) {
	l := newLine()
	var all sync.WaitGroup
	for range 64 {
		all.Go(func() {
			for range 10 {
				if err := l.take(context.Background(), maxTogether); err != nil {
					t.Error(err)
				}
				l.give(maxTogether)
			}
		})
	}
	all.Wait()
	for range maxSetAside / maxTogether {
		if err := l.take(context.Background(), maxTogether); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := l.take(ctx, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("no place, and no time to wait: %v", err)
	}
	l.give(maxTogether)
	if err := l.take(context.Background(), 2); err != nil {
		t.Error(err)
	}
}

func FuzzVoiceFile(f *testing.F) {
	f.Add([]byte(`{"v":1,"pid":7,"boot_id":"b","started_at":"2026-01-02T15:04:05.000000000Z","streams":[{"stream_id":"01980000-0000-7000-8000-000000000001","app_id":"shop","environment":"","self":false}]}` + "\n"))
	f.Add([]byte(`{"v":2}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		v, err := parseVoices(b)
		if err != nil {
			return
		}
		m := fsxtest.New()
		s := storeOn(m)
		if err := fsx.Replace(m, voiceFile, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if again, digest, err := s.readVoices(); err != nil || digest == "" || len(again.Streams) != len(v.Streams) {
			t.Errorf("%q is read as %+v, %v", b, again, err)
		}
	})
}
