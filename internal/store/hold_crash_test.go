package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// parcel is what two emitters have to send: one goes on, one is to be shut out at the end. The second batch of the first
// has an event that nobody can accept.
type parcel struct {
	kept, shut []Sealed
	key        string // of shut
}

var parcels = sync.OnceValue(func() parcel {
	t := &testing.T{}
	a, b := newRemote(t, 1, "stet-emitter/web1/0"), newRemote(t, 2, "stet-emitter/web2/0")
	p := parcel{key: b.key.VKey}
	p.kept = append(p.kept, a.say(2))
	p.kept = append(p.kept, a.seal([][]byte{a.event(3, "shop_checkout"), []byte(`{"x":1}`), a.event(5, "shop_checkout")}, false))
	p.kept = append(p.kept, a.say(1), a.seal(nil, true))
	p.shut = append(p.shut, b.say(1), b.say(2))
	return p
})

// told of a server: what its callers were told is durable.
type served struct {
	first    map[string]uint64 // stream/first → ledger seq
	receipts map[string]ledger.Receipt
	said     []string // event ids
	seen     [][]byte // checkpoints
	revoked  bool
}

func (c served) clone() served {
	n := served{first: map[string]uint64{}, receipts: map[string]ledger.Receipt{}, revoked: c.revoked}
	for k, v := range c.first {
		n.first[k] = v
	}
	for k, v := range c.receipts {
		n.receipts[k] = v
	}
	n.said = append(n.said, c.said...)
	n.seen = append(n.seen, c.seen...)
	return n
}

func nameOf(b Sealed) string {
	seal, err := proof.ParseSeal(b.Batch.Seal)
	if err != nil {
		panic(err)
	}
	return fmt.Sprintf("%s/%d", seal.Stream, seal.First)
}

// send places batches and takes their receipts, and notes what it was told. It says what no server may answer.
func (c *served) send(h *Held, batches ...Sealed) error {
	ctx := context.Background()
	placed := h.Place(ctx, viaHTTP, batches)
	for i, p := range placed {
		name := nameOf(batches[i])
		before, there := c.first[name]
		switch {
		case p.Err == nil && there && (p.First != before || !p.Again):
			return fmt.Errorf("batch %s was at seq %d and is now %+v", name, before, p.Placed)
		case p.Err == nil:
			c.first[name] = p.First
		case errors.Is(p.Err, ledger.ErrFailed), errors.Is(p.Err, ledger.ErrClosed):
		case errors.Is(p.Err, ErrRevoked) && !there:
		case there:
			return fmt.Errorf("batch %s was at seq %d and now: %w", name, before, p.Err)
		default: // what is behind it cannot follow
		}
	}
	receipts, checkpoint, err := h.Receipts(ctx, placed)
	if err != nil {
		return nil //nolint:nilerr // the disk failed; what was claimed stays claimed
	}
	c.seen = append(c.seen, checkpoint)
	for i, rec := range receipts {
		if placed[i].Err != nil {
			continue
		}
		if err := received(batches[i], rec); err != nil {
			return fmt.Errorf("the receipt of %s: %w", nameOf(batches[i]), err)
		}
		c.receipts[nameOf(batches[i])] = rec
	}
	return nil
}

// long says whether there is time for all of a server's life.
func long() bool { return os.Getenv("STET_LONG") != "" || os.Getenv("STET_CRASH_STATES") != "" }

// serve is the nth server on a disk: it takes what comes, speaks for itself and for others, revokes a key and closes.
// It goes on after errors, as those do who send.
func (c *served) serve(m *fsxtest.Mem, n int) error {
	h, err := holdOn(m, n)
	if err != nil {
		return nil //nolint:nilerr // the disk failed
	}
	ctx := context.Background()
	p := parcels()
	errs := []error{c.send(h, p.kept[0], p.shut[0]), c.send(h, p.kept[1], p.kept[2])}
	if out, err := h.RecordFor(ctx, viaHTTP, "shop", "test", []*event.Event{unsealed("shop_checkout"), unsealed("shop_refund")}); err == nil {
		c.said = append(c.said, out[0].EventID.String(), out[1].EventID.String())
	}
	if long() {
		own := &event.Event{EventType: "sys_startup", InteractionID: fmt.Sprintf("serve-%d", n)}
		if _, err := h.Record(ctx, own); err == nil {
			c.said = append(c.said, own.EventID.String())
		}
		errs = append(errs, c.send(h, p.shut[1]))
	}
	if err := h.Revoke(ctx, proof.KeyID(p.key), "root"); err == nil {
		c.revoked = true
	}
	_ = h.Close(ctx)
	return errors.Join(errs...)
}

// honoured holds a disk on which no server runs against what callers were told.
func (c served) honoured(m *fsxtest.Mem) error {
	c = c.clone()
	h, err := holdOn(m, 9)
	if err != nil {
		return err
	}
	p := parcels()
	ctx := context.Background()
	for i, b := range append(append([]Sealed{}, p.kept...), p.shut...) {
		if err := c.send(h, b); err != nil {
			return err
		}
		if _, there := c.first[nameOf(b)]; !there && i < len(p.kept) {
			return fmt.Errorf("batch %s cannot be placed", nameOf(b))
		}
	}
	for name, was := range c.receipts {
		var stream string
		var first uint64
		if _, err := fmt.Sscanf(name, "%36s/%d", &stream, &first); err != nil {
			return err
		}
		rec, err := h.Receipt(ctx, stream, first)
		if err != nil || rec.First != was.First || !rec.ReceivedAt.Equal(was.ReceivedAt) || string(rec.Via) != string(was.Via) {
			return fmt.Errorf("the receipt of %s was %+v and is %+v, %w", name, was, rec, err)
		}
	}
	ok, err := h.Enrolled(ctx, proof.KeyID(p.key))
	if err != nil || ok && c.revoked {
		return fmt.Errorf("the key that was revoked is good again: %t, %w", ok, err)
	}
	if err := h.Close(ctx); err != nil {
		return err
	}
	got, err := read(storeOn(m))
	if err != nil {
		return err
	}
	for _, id := range c.said {
		if got.events[id] == 0 {
			return fmt.Errorf("acknowledged event %s is lost", id)
		}
	}
	for id, n := range got.events {
		if n != 1 {
			return fmt.Errorf("event %s is there %d times", id, n)
		}
	}
	for id, n := range got.enrols {
		if n != 1 {
			return fmt.Errorf("key %s was enrolled %d times", id, n)
		}
	}
	if len(got.stubs) != 1 || got.types["event_refused"] != 1 || got.types["key_revoked"] > 1 {
		return fmt.Errorf("the log has %v and stubs %v", got.types, got.stubs)
	}
	return verified(m, c.seen)
}

// TestAServerHonoursItsWordAfterACrash: whatever a server has answered holds for the next one: a batch that is sent again
// stands where it stood, its receipt can be had again, what was refused is on record once, a key that was revoked stays so.
func TestAServerHonoursItsWordAfterACrash(t *testing.T) {
	sound := map[string]bool{}
	plan := fsxtest.Plan{
		Start: func() *fsxtest.Mem {
			m := fsxtest.New()
			if _, err := keysOn(m)(true); err != nil {
				panic(err)
			}
			return m
		},
		Run: func(m *fsxtest.Mem) any {
			c := served{}.clone()
			if err := c.serve(m, 1); err != nil {
				t.Errorf("the first server: %v", err)
			}
			return c
		},
		Again: func(m *fsxtest.Mem, was any) any {
			c := was.(served).clone()
			if n := len(m.Ops()); n%3 != 0 { // the next process does not live long either
				m.CrashAt(n + 1 + n*7%60)
			}
			if err := c.serve(m, 2); err != nil {
				t.Errorf("the second server: %v", err)
			}
			return c
		},
		Check: func(m *fsxtest.Mem, was any) error {
			c := was.(served)
			id := fmt.Sprintf("%x %v %d %d %q %t", m.Hash(), c.first, len(c.receipts), len(c.seen), c.said, c.revoked)
			if sound[id] { // for the same claim, however it came about
				return nil
			}
			sound[id] = true
			return c.honoured(m)
		},
		MaxStates: 120,
		Seed:      1,
	}
	if !long() {
		plan.Again = nil
	}
	fsxtest.Explore(t, plan)
	if long() {
		fsxtest.Faults(t, plan, 100)
	}
}

// TestTheDeadAreClosedOnce: wherever a server that closes a dead emitter's stream is cut short, or its disk fails it, each
// run that the emitter left open is recorded as lost once afterwards, by whoever is asked again; where there is time,
// also where that takes more than one batch.
func TestTheDeadAreClosedOnce(t *testing.T) {
	runs := 2
	if long() {
		runs = actBatch + 1
	}
	r := newRemote(t, 1, "stet-emitter/web1/0")
	base := fsxtest.New()
	h := hold(t, base)
	var starts [][]byte
	for n := range runs {
		starts = append(starts, r.begins(uint64(n)+1, fmt.Sprintf("r%d", n)))
	}
	if p := placeOne(t, h, r.seal(starts, false)); p.Err != nil {
		t.Fatal(p.Err)
	}
	closeHeld(t, h)
	ctx := context.Background()
	gone := func(m *fsxtest.Mem, n int) (lost int, err error) {
		h, err := holdOn(m, n)
		if err != nil {
			return 0, err
		}
		lost, err = h.Gone(ctx, viaHTTP, r.stream.String(), "process 4711 is gone", nil)
		return lost, errors.Join(err, h.Close(ctx))
	}
	sound := map[fsxtest.Hash]bool{}
	p := fsxtest.Plan{
		Start: func() *fsxtest.Mem { return copied(t, base) },
		Run: func(m *fsxtest.Mem) any {
			_, err := gone(m, 200)
			return err == nil
		},
		Check: func(m *fsxtest.Mem, was any) error {
			if sound[m.Hash()] {
				return nil
			}
			sound[m.Hash()] = true
			if n, err := gone(m, 201); err != nil || n != runs {
				return fmt.Errorf("%d runs are lost, want %d: %w", n, runs, err)
			}
			got, err := read(storeOn(m))
			if err != nil {
				return err
			}
			for n := range runs {
				if run := fmt.Sprintf("r%d", n); got.lost[run] != 1 {
					return fmt.Errorf("run %s was lost %d times", run, got.lost[run])
				}
			}
			return verified(m, nil)
		},
		MaxStates: 100,
	}
	fsxtest.Explore(t, p)
	fsxtest.Faults(t, p, 10)
}
