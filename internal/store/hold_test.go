package store

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// salted is random numbers of one process, the same each time.
type salted struct {
	n    byte
	used *atomic.Uint32
}

func (s salted) Read(b []byte) (int, error) {
	clear(b)
	b[0] = s.n
	binary.BigEndian.PutUint32(b[max(0, len(b)-4):], s.used.Add(1))
	return len(b), nil
}

// holdOn holds the store on a disk as the nth process that does.
func holdOn(fsys fsx.FS, n int) (*Held, error) {
	s := storeOn(fsys)
	s.rand = salted{byte(n), new(atomic.Uint32)}
	// What the clock would do in between is done when it is asked for.
	return s.Hold(context.Background(), HoldOptions{Preallocate: -1, PublishBusy: 1, PublishIdle: time.Hour, LookEvery: time.Hour, Keep: -1})
}

var holders atomic.Int32

// hold holds the store on a disk, for a test.
func hold(t testing.TB, fsys fsx.FS) *Held {
	t.Helper()
	h, err := holdOn(fsys, int(holders.Add(1)))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func closeHeld(t testing.TB, h *Held) {
	t.Helper()
	if err := h.Close(context.Background()); err != nil {
		t.Fatalf("close: %v", err)
	}
}

// remote is an emitter that sends its batches to a server.
type remote struct {
	t       testing.TB
	key     keyfile.Key
	app     string
	stream  event.UUID
	next    uint64
	prev    proof.Hash
	hasPrev bool
}

func newRemote(t testing.TB, n int, keyName string) *remote {
	id, err := event.ParseUUID(streamID(n))
	if err != nil {
		t.Fatal(err)
	}
	return &remote{t: t, key: key(keyName), app: "shop", stream: id, next: 1}
}

// event is the bytes of the stream's event number seq.
func (r *remote) event(seq uint64, typ string) []byte {
	r.t.Helper()
	p := &process{stream: r.stream.String(), said: int(seq) - 1}
	e := p.base(typ)
	e.AppID, e.Timestamp, e.StreamID, e.StreamSeq = r.app, day, r.stream, seq
	e.Clock, e.Severity = &event.Clock{Confidence: "unknown"}, nil
	b, err := (&event.Codec{}).Append(nil, e)
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

// say seals n ordinary events.
func (r *remote) say(n int) Sealed {
	var events [][]byte
	for i := range n {
		events = append(events, r.event(r.next+uint64(i), "shop_checkout"))
	}
	return r.seal(events, false)
}

// seal seals events, whatever they are, as the stream's next.
func (r *remote) seal(events [][]byte, final bool) Sealed {
	r.t.Helper()
	var leaves []proof.Hash
	for _, e := range events {
		leaves = append(leaves, proof.LeafHash(e))
	}
	signer, err := r.key.NoteSigner()
	if err != nil {
		r.t.Fatal(err)
	}
	seal := proof.Seal{App: r.app, Environment: "test", Key: r.key.VKey, Stream: r.stream.String(), First: r.next, Count: len(events),
		Root: proof.RootOf(leaves), Prev: r.prev, HasPrev: r.hasPrev, Final: final, Clock: proof.Clock{State: "unknown", Source: "none"}}
	msg, err := proof.SignSeal(seal, signer)
	if err != nil {
		r.t.Fatal(err)
	}
	b := spool.Batch{First: r.next, Events: events, Seal: msg}
	r.next, r.prev, r.hasPrev = b.Next(), proof.SealHash(msg), true
	return Sealed{Batch: b}
}

var viaHTTP = proof.Via{Kind: proof.ViaHTTP, Addr: "192.0.2.7", Token: "web"}

// received is what an emitter does with a receipt: it believes it only where its own bytes, and what the receipt states
// beside them, lead to the checkpoint.
func received(b Sealed, rec ledger.Receipt) error {
	at := proof.FormatTime(rec.ReceivedAt)
	stubs := map[uint64]proof.Stub{}
	for _, s := range rec.Stubs {
		stubs[s.First] = s
	}
	var leaves []proof.Hash
	for i, e := range b.Batch.Events {
		seq := rec.First + uint64(i)
		if s, ok := stubs[b.Batch.First+uint64(i)]; ok {
			if s.Leaf != proof.LeafHash(e) {
				return fmt.Errorf("the stub of number %d stands for other bytes", s.First)
			}
			leaves = append(leaves, proof.LeafHash(proof.AppendStubEntry(nil, seq, at, rec.Via, s)))
			continue
		}
		leaves = append(leaves, proof.LeafHash(proof.AppendEventEntry(nil, seq, at, rec.Via, e)))
	}
	last := rec.First + uint64(len(leaves))
	leaves = append(leaves, proof.LeafHash(proof.AppendSealEntry(nil, last, at, rec.Via, proof.SealEntry{PrevSeq: rec.Prev(), Note: b.Batch.Seal})))
	cp, err := proof.ParseCheckpointText(rec.Checkpoint)
	if err != nil {
		return err
	}
	return proof.VerifyRange(rec.First, leaves, cp.Size, cp.Root, rec.Proof)
}

func mustReceive(t testing.TB, b Sealed, rec ledger.Receipt) {
	t.Helper()
	if err := received(b, rec); err != nil {
		t.Errorf("the receipt of number %d: %v", b.Batch.First, err)
	}
}

func placeOne(t testing.TB, h *Held, b Sealed) Placed {
	t.Helper()
	return h.Place(context.Background(), viaHTTP, []Sealed{b})[0]
}

func TestPlace(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	if _, err := storeOn(m).Hold(context.Background(), HoldOptions{}); !errors.Is(err, ErrBusy) {
		t.Errorf("a second Hold: %v", err)
	}
	if d, err := storeOn(m).Drain(context.Background()); err != nil || !d.Busy {
		t.Errorf("a drain beside the server: %+v, %v", d, err)
	}
	r := newRemote(t, 1, "stet-emitter/web1/0")
	batches := []Sealed{r.say(3), r.say(1), r.say(100), r.seal(nil, true)}
	placed := h.Place(context.Background(), viaHTTP, batches)
	for i, p := range placed {
		if p.Err != nil || p.Again || len(p.Stubs) > 0 || p.Count != len(batches[i].Batch.Events)+1 {
			t.Fatalf("batch %d: %+v", i, p)
		}
	}
	receipts, _, err := h.Receipts(context.Background(), placed)
	if err != nil {
		t.Fatal(err)
	}
	for i, rec := range receipts {
		mustReceive(t, batches[i], rec)
		if one, err := h.Receipt(context.Background(), placed[i].Seal.Stream, placed[i].Seal.First); err != nil {
			t.Error(err)
		} else if diff := cmp.Diff(rec, one); diff != "" {
			t.Errorf("asked for again, the receipt of batch %d differs (-then +now):\n%s", i, diff)
		}
	}
	again := h.Place(context.Background(), proof.Via{Kind: proof.ViaHTTP, Addr: "192.0.2.8"}, batches)
	receipts, _, err = h.Receipts(context.Background(), again)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range again {
		if p.Err != nil || !p.Again || p.First != placed[i].First {
			t.Errorf("batch %d again: %+v", i, p)
		}
		mustReceive(t, batches[i], receipts[i])
	}
	closeHeld(t, h)
	mustVerify(t, m)
}

func TestRecord(t *testing.T) {
	m := fsxtest.New()
	for range 2 {
		h := hold(t, m)
		for _, typ := range []string{"sys_startup", "config_changed", "sys_shutdown"} {
			seqs, err := h.Record(context.Background(), &event.Event{EventType: typ, InteractionID: "serve"})
			if err != nil || len(seqs) != 1 {
				t.Fatalf("%s: %v, %v", typ, seqs, err)
			}
		}
		closeHeld(t, h)
	}
	mustVerify(t, m)
}

func TestPlaceRefuses(t *testing.T) {
	no := errors.New("no")
	m := fsxtest.New()
	h := hold(t, m)
	defer closeHeld(t, h)
	if p := placeOne(t, h, newRemote(t, 1, "stet-emitter/web1/0").say(2)); p.Err != nil {
		t.Fatal(p.Err)
	}
	for name, c := range map[string]struct {
		batch func() Sealed
		want  error
	}{
		"a stream of another key": {func() Sealed { return newRemote(t, 1, "stet-emitter/web2/0").say(2) }, ledger.ErrNotOwner},
		"other content under the same numbers": {func() Sealed {
			r := newRemote(t, 1, "stet-emitter/web1/0")
			return r.seal([][]byte{r.event(1, "shop_refund"), r.event(2, "shop_refund")}, false)
		}, ledger.ErrConflict},
		"a batch that the caller may not place": {func() Sealed {
			b := newRemote(t, 2, "stet-emitter/web1/0").say(1)
			b.May = func(s proof.Seal) error {
				if s.App != "shop" {
					t.Errorf("asked about app %q", s.App)
				}
				return no
			}
			return b
		}, no},
		"events that are not those under the seal": {func() Sealed {
			r := newRemote(t, 3, "stet-emitter/web1/0")
			b := r.say(1)
			b.Batch.Events = [][]byte{r.event(1, "shop_refund")}
			return b
		}, ledger.ErrInvalid},
		"fewer events than the seal says": {func() Sealed {
			b := newRemote(t, 4, "stet-emitter/web1/0").say(2)
			b.Batch.Events = b.Batch.Events[:1]
			return b
		}, ledger.ErrInvalid},
	} {
		if p := placeOne(t, h, c.batch()); !errors.Is(p.Err, c.want) {
			t.Errorf("%s: %v, want %v", name, p.Err, c.want)
		}
	}
	r := newRemote(t, 5, "stet-emitter/web1/0")
	first := r.say(3)
	var hole *ledger.HoleError
	if p := placeOne(t, h, r.say(1)); !errors.As(p.Err, &hole) || hole.Expected != 1 {
		t.Errorf("a batch behind a hole: %v", p.Err)
	}
	if p := placeOne(t, h, first); p.Err != nil {
		t.Errorf("the one in front of it: %v", p.Err)
	}
}

// An event that nobody can accept keeps its number, as a stub, and the stream goes on; that it was refused is on record
// once, and its bytes are kept. A batch that is not placed leaves no trace of any of that.
func TestPlaceRefusesEvents(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	ctx := context.Background()
	r := newRemote(t, 1, "stet-emitter/web1/0")
	foreign := newRemote(t, 2, "stet-emitter/web1/0")
	bad := []byte(`{"x":1}`)
	batches := []Sealed{
		r.say(1),
		r.seal([][]byte{bad, r.event(3, "shop_checkout"), foreign.event(4, "shop_checkout"), r.event(5, "stream_gap"), r.event(6, "key_revoked")}, false),
		r.say(2),
	}
	for _, b := range []Sealed{
		{Batch: batches[1].Batch}, // behind a hole
		{Batch: batches[1].Batch, May: func(proof.Seal) error { return errors.New("no") }},
	} {
		if p := placeOne(t, h, b); p.Err == nil {
			t.Errorf("placed: %+v", p)
		}
	}
	if _, err := h.l.Publish(ctx); err != nil {
		t.Fatal(err)
	}
	if got := mustRead(t, storeOn(m)); got.types["event_refused"] != 0 || len(got.enrols) != 1 {
		t.Errorf("what was not placed left %v, and %d keys", got.types, len(got.enrols))
	}
	for _, again := range []bool{false, true} {
		placed := h.Place(ctx, viaHTTP, batches)
		receipts, _, err := h.Receipts(ctx, placed)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range placed {
			if p.Err != nil || p.Again != again {
				t.Errorf("batch %d: %+v", i, p)
			}
			mustReceive(t, batches[i], receipts[i])
		}
		var got []string
		for _, s := range placed[1].Stubs {
			got = append(got, fmt.Sprintf("%d %s %s", s.Seq, s.Why.Code, s.Why.Path))
		}
		if diff := cmp.Diff([]string{"2 missing schema", "4 contradiction stream_id", "5 contradiction event_type", "6 contradiction event_type"}, got); diff != "" {
			t.Errorf("refused (-want +got):\n%s", diff)
		}
	}
	closeHeld(t, h)
	got := mustRead(t, storeOn(m))
	if got.types["event_refused"] != 4 || len(got.stubs) != 4 || got.types["shop_checkout"] != 4 {
		t.Errorf("the log has %v and %d stubs", got.types, len(got.stubs))
	}
	if kept, err := fsx.ReadFile(m, spool.QuarantineDir+"/"+r.stream.String()+"-2.json", 1000); err != nil || string(kept) != string(bad) {
		t.Errorf("in quarantine: %q, %v", kept, err)
	}
	mustVerify(t, m)
}

// unsealed is an event that came to the door without a seal.
func unsealed(typ string) *event.Event {
	e := (&process{}).base(typ)
	e.EventID = event.UUID{}
	return e
}

func TestRecordFor(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	ctx := context.Background()
	other := unsealed("shop_checkout")
	other.AppID = "bank"
	out, err := h.RecordFor(ctx, viaHTTP, "shop", "test", []*event.Event{
		unsealed("shop_checkout"), other, unsealed("job_lost"), unsealed(""), unsealed("shop_refund"),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"", "contradiction app_id", "contradiction event_type", "missing event_type", ""}
	var got []string
	for _, r := range out {
		if r.Err == nil {
			got = append(got, "")
			continue
		}
		got = append(got, r.Err.Code+" "+r.Err.Path)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("refused (-want +got):\n%s", diff)
	}
	if out[4].Seq != out[0].Seq+1 || out[0].EventID.IsZero() {
		t.Errorf("accepted: %+v, %+v", out[0], out[4])
	}
	closeHeld(t, h)
	mustVerify(t, m)
	if got := mustRead(t, storeOn(m)); got.types["shop_checkout"] != 1 || got.types["shop_refund"] != 1 {
		t.Errorf("the log holds %v", got.types)
	}
}

// What came unsealed is told by its entry and its seal: the query language knows the door's key by its name.
func TestSearchKnowsWhatCameUnsealed(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	out, err := h.RecordFor(t.Context(), viaHTTP, "shop", "test", []*event.Event{unsealed("shop_checkout")})
	if err != nil {
		t.Fatal(err)
	}
	closeHeld(t, h)
	s := storeOn(m)
	cp, _, err := s.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	q, err := search.Parse("is:unsealed")
	if err != nil {
		t.Fatal(err)
	}
	var seqs []uint64
	_, err = search.NewScanner(s.Source(), q, time.Now()).Back(t.Context(), cp, func(h search.Hit) error {
		seqs = append(seqs, h.Seq)
		return nil
	})
	if err != nil || len(seqs) != 1 || seqs[0] != out[0].Seq {
		t.Errorf("found %v, want %d: %v", seqs, out[0].Seq, err)
	}
}

// What was changed of an event, and not by its sender, is told, and is in the via of its own entry and of no other's; all of one call keep their order.
func TestRecordForSaysWhatWasChanged(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	events := []*event.Event{unsealed("shop_a"), unsealed("shop_b"), unsealed("shop_c"), unsealed("shop_d"), unsealed("shop_e")}
	for i, labels := range []map[string]string{1: {"password": "x"}, 2: {"password": "y"}, 3: {"a": "x\ry"}, 4: nil} {
		events[i].Labels = labels
	}
	events[3].Description = "token ghp_abcdefghijklmnopqrstuvwxyz0123456789"
	events[4].Redactions = []event.Redaction{{Path: "labels.b", Rule: "mine", Action: "masked"}} // by the sender's own tools
	changed := [][]string{nil, {"labels.password"}, {"labels.password"}, {"description", "labels.a"}, nil}
	out, err := h.RecordFor(context.Background(), viaHTTP, "shop", "test", events)
	if err != nil {
		t.Fatal(err)
	}
	closeHeld(t, h)
	mustVerify(t, m)
	for i, r := range out {
		if i > 0 && r.Seq <= out[i-1].Seq {
			t.Errorf("event %d is entry %d, behind %d", i, r.Seq, out[i-1].Seq)
		}
		raw, err := logread.Entry(context.Background(), storeOn(m).Source(), r.Seq)
		if err != nil {
			t.Fatal(err)
		}
		e, err := proof.ParseEntry(raw)
		if err != nil {
			t.Fatal(err)
		}
		via, err := proof.ParseVia(e.Via)
		if diff := cmp.Diff(changed[i], r.Changed); diff != "" {
			t.Errorf("event %d: the answer: %s", i, diff)
		}
		if diff := cmp.Diff(changed[i], via.Changed); err != nil || diff != "" {
			t.Errorf("event %d: %v %s", i, err, diff)
		}
	}
}

// What is recorded beside a server is drained by it: who finds the store taken goes away, also in the last moment, and the
// runs of the dead are closed through the server's ledger.
func TestDrainThroughAServer(t *testing.T) {
	m := fsxtest.New()
	ctx := context.Background()
	dying := m.Process()
	dead := begin(dying, 2)
	dead.start("b")
	dying.Kill()
	living := begin(m, 3)
	living.start("e")
	h := hold(t, m)
	d, err := h.Drain(ctx)
	if err != nil || d.Events != 2 || d.Lost != 1 || len(d.Left)+len(d.Damaged) != 0 {
		t.Errorf("drained %+v, %v", d, err)
	}
	if again, err := h.Drain(ctx); err != nil || again.Events+again.Lost != 0 || again.Size != d.Size {
		t.Errorf("again: %+v, %v", again, err)
	}
	living.end("e")
	living.close()
	if d, err := storeOn(m).Drain(ctx); err != nil || !d.Busy {
		t.Errorf("beside the server: %+v, %v", d, err)
	}
	closeHeld(t, h)
	if _, err := h.Drain(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
	if err := h.Close(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("closed twice: %v", err)
	}
	if left, err := spool.List(m, spool.Dir); err != nil || len(left) != 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
	dead.close() // ends its goroutine
	if err := sound(m, append(dead.acked, living.acked...), nil); err != nil {
		t.Error(err)
	}
}
