package ledger_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

func TestAppendPublishReopen(t *testing.T) {
	fsys := fsxtest.New()
	l := open(t, options(fsys))
	s := newStream("emitter", 1)
	if p := mustAppend(t, l, s.next(3, 100)); p.First != 0 || p.Count != 4 || p.Again {
		t.Fatalf("first batch placed at %+v", p)
	}
	if c := mustPublish(t, l); c.Size != 4 {
		t.Fatalf("checkpoint of %d entries, want 4", c.Size)
	}
	for range 100 {
		mustAppend(t, l, s.next(7, 100))
	}
	mustPublish(t, l)
	mustAppend(t, l, s.next(2, 100))
	mustClose(t, l)
	size, root := l.Head()
	if size != 4+800+3 {
		t.Fatalf("closed at size %d", size)
	}
	l = open(t, options(fsys))
	if s2, r2 := l.Head(); s2 != size || r2 != root {
		t.Fatalf("reopened at %d %s, closed at %d %s", s2, r2, size, root)
	}
	mustClose(t, l)
	if err := auditFiles(fsys, []proof.Checkpoint{opened(t, l.Checkpoint())}); err != nil {
		t.Error(err)
	}
}

// outcome is what became of an Append: how it was refused, or whether it was new.
func outcome(p ledger.Placed, err error) string {
	var hole *ledger.HoleError
	switch {
	case errors.As(err, &hole):
		return "hole, want " + string(rune('0'+hole.Expected))
	case errors.Is(err, ledger.ErrInvalid):
		return "invalid"
	case errors.Is(err, ledger.ErrConflict):
		return "conflict"
	case errors.Is(err, ledger.ErrNotOwner):
		return "not owner"
	case errors.Is(err, ledger.ErrFinal):
		return "final"
	case err != nil:
		return err.Error()
	case p.Again:
		return "again"
	}
	return "placed"
}

// TestAppendRules plays scripts against a ledger. Each step says what comes out of it, right away, after a publish, and
// after the ledger was opened again: the rules do not depend on where a stream's state is kept.
func TestAppendRules(t *testing.T) {
	type step struct {
		do   func(l *ledger.Ledger) (ledger.Placed, error)
		want string
	}
	add := func(b ledger.Batch) func(*ledger.Ledger) (ledger.Placed, error) {
		return func(l *ledger.Ledger) (ledger.Placed, error) { return l.Append(background, b) }
	}
	lose := func(id string, first, last uint64, owner proof.Hash) func(*ledger.Ledger) (ledger.Placed, error) {
		return func(l *ledger.Ledger) (ledger.Placed, error) {
			return l.AppendLoss(background, viaStore, ledger.Loss{Stream: id, First: first, Last: last, Reason: "lost", Owner: owner})
		}
	}
	none := proof.Hash{}
	owner := func(name string) proof.Hash { _, vkey := key(name); return ledger.OwnerOf(vkey, "app", "test") }
	scripts := map[string]func() []step{
		"a stream starts with 1": func() []step {
			s := newStream("a", 1)
			s.skip(1)
			return []step{{add(s.next(1, 50)), "hole, want 1"}}
		},
		"numbers are contiguous": func() []step {
			s := newStream("a", 1)
			first := s.next(2, 50)
			second := s.next(1, 50)
			third := s.next(1, 50)
			return []step{
				{add(first), "placed"}, {add(third), "hole, want 3"}, {add(second), "placed"}, {add(third), "placed"},
				{add(first), "again"}, {add(second), "again"}, {add(third), "again"},
			}
		},
		"the same numbers under another seal": func() []step {
			s, fork := newStream("a", 1), newStream("a", 1)
			one := s.next(2, 50)
			other := fork.next(2, 200)
			return []step{{add(one), "placed"}, {add(other), "conflict"}, {add(fork.next(1, 50)), "conflict"}}
		},
		"numbers that overlap": func() []step {
			s, fork := newStream("a", 1), newStream("a", 1)
			fork.next(1, 50)
			return []step{{add(s.next(2, 50)), "placed"}, {add(fork.next(2, 50)), "conflict"}}
		},
		"another seal is continued": func() []step {
			s, fork := newStream("a", 1), newStream("a", 1)
			fork.next(2, 200)
			return []step{{add(s.next(2, 50)), "placed"}, {add(fork.next(1, 50)), "conflict"}}
		},
		"another key": func() []step {
			s, thief := newStream("a", 1), newStream("b", 1)
			thief.next(2, 50)
			return []step{{add(s.next(2, 50)), "placed"}, {add(thief.next(1, 50)), "not owner"}, {add(newStream("b", 1).next(2, 50)), "not owner"}}
		},
		"another application": func() []step {
			s, t := newStream("a", 1), newStream("a", 1)
			t.seal.App = "another"
			return []step{{add(s.next(2, 50)), "placed"}, {add(t.next(2, 50)), "not owner"}}
		},
		"another environment": func() []step {
			s, t := newStream("a", 1), newStream("a", 1)
			t.seal.Environment = "production"
			return []step{{add(s.next(2, 50)), "placed"}, {add(t.next(2, 50)), "not owner"}}
		},
		"nothing after the end": func() []step {
			s := newStream("a", 1)
			first := s.next(1, 50)
			end := s.batch(1, 50, func(s *proof.Seal) { s.Final = true })
			return []step{
				{add(first), "placed"}, {add(end), "placed"}, {add(s.batch(1, 50, func(s *proof.Seal) { s.Final = false })), "final"},
				{add(s.batch(0, 0, func(s *proof.Seal) { s.Final = true })), "final"}, {lose(s.id, 4, 4, none), "final"},
				{add(first), "again"}, {add(end), "again"},
			}
		},
		"an idle stream ends": func() []step {
			s := newStream("a", 1)
			first := s.next(1, 50)
			end := s.batch(0, 0, func(s *proof.Seal) { s.Final = true })
			return []step{{add(first), "placed"}, {add(end), "placed"}, {add(end), "again"}, {add(first), "again"}}
		},
		"a stream ends before it began": func() []step {
			s := newStream("a", 1)
			end := s.batch(0, 0, func(s *proof.Seal) { s.Final = true })
			return []step{{add(end), "placed"}, {add(end), "again"}, {add(newStream("a", 1).next(1, 50)), "final"}}
		},
		"a loss consumes numbers": func() []step {
			s := newStream("a", 1)
			first := s.next(1, 50)
			s.skip(3)
			after := s.next(1, 50)
			return []step{
				{add(first), "placed"}, {add(after), "hole, want 2"}, {lose(s.id, 3, 4, none), "hole, want 2"},
				{lose(s.id, 2, 4, owner("b")), "not owner"}, {lose(s.id, 2, 4, owner("a")), "placed"}, {lose(s.id, 2, 4, none), "again"},
				{add(after), "placed"}, {lose(s.id, 2, 4, none), "again"}, {lose(s.id, 2, 3, none), "conflict"},
				{lose(s.id, 1, 1, none), "conflict"}, {lose(s.id, 4, 9, none), "conflict"},
			}
		},
		"the seal of what was lost is continued": func() []step {
			s := newStream("a", 1)
			first := s.next(1, 50)
			s.next(3, 50) // lost with its seal
			after := s.next(1, 50)
			fork := newStream("a", 1)
			fork.next(5, 50)
			return []step{
				{add(first), "placed"}, {lose(s.id, 2, 4, none), "placed"}, {add(after), "placed"},
				{add(fork.next(1, 50)), "conflict"}, {add(s.next(1, 50)), "placed"},
			}
		},
		"two losses": func() []step {
			s := newStream("a", 1)
			first := s.next(1, 50)
			s.skip(5)
			after := s.next(1, 50)
			return []step{
				{add(first), "placed"}, {lose(s.id, 2, 3, none), "placed"}, {lose(s.id, 4, 6, none), "placed"}, {add(after), "placed"},
				{lose(s.id, 2, 3, none), "again"}, {lose(s.id, 4, 6, none), "again"}, {lose(s.id, 2, 6, none), "conflict"},
			}
		},
		"what was declared lost turns up": func() []step {
			s := newStream("a", 1)
			late := s.next(2, 50)
			return []step{{lose(s.id, 1, 2, none), "placed"}, {add(late), "conflict"}, {add(s.next(1, 50)), "placed"}, {lose(s.id, 1, 2, none), "again"}}
		},
		"refused events": func() []step {
			s := newStream("a", 1)
			b := s.next(3, 50)
			leaf := proof.LeafHash(b.Items[1].Event)
			b.Items[1] = ledger.Item{Stub: &ledger.Stub{Leaf: leaf, Reason: "too \"long\""}}
			lying := b
			lying.Items = append([]ledger.Item(nil), b.Items...)
			lying.Items[1] = ledger.Item{Stub: &ledger.Stub{Leaf: proof.LeafHash(nil)}}
			return []step{{add(lying), "invalid"}, {add(b), "placed"}, {add(b), "again"}}
		},
	}
	invalid := map[string]func(b *ledger.Batch){
		"an event was changed":     func(b *ledger.Batch) { b.Items[0].Event = []byte(`{"other":1}`) },
		"events were swapped":      func(b *ledger.Batch) { b.Items[0], b.Items[1] = b.Items[1], b.Items[0] },
		"an event is missing":      func(b *ledger.Batch) { b.Items = b.Items[1:] },
		"an event is no object":    func(b *ledger.Batch) { b.Items[0].Event = []byte(`]`) },
		"an item is empty":         func(b *ledger.Batch) { b.Items[0] = ledger.Item{} },
		"an item is both":          func(b *ledger.Batch) { b.Items[0].Stub = &ledger.Stub{} },
		"the seal's signature":     func(b *ledger.Batch) { b.Seal[len(b.Seal)-10] ^= 1 },
		"the seal's text":          func(b *ledger.Batch) { b.Seal[20] ^= 1 },
		"no seal":                  func(b *ledger.Batch) { b.Seal = nil },
		"no via":                   func(b *ledger.Batch) { b.Via = nil },
		"a via with another space": func(b *ledger.Batch) { b.Via = []byte(`{"kind": "store"}`) },
		"a reason with a newline": func(b *ledger.Batch) {
			b.Items[0] = ledger.Item{Stub: &ledger.Stub{Leaf: proof.LeafHash(b.Items[0].Event), Reason: "a\nb"}}
		},
		"a reason that is too long": func(b *ledger.Batch) {
			b.Items[0] = ledger.Item{Stub: &ledger.Stub{Leaf: proof.LeafHash(b.Items[0].Event), Reason: strings.Repeat("a", 513)}}
		},
	}
	for name, change := range invalid {
		scripts["invalid: "+name] = func() []step {
			b := newStream("a", 1).next(2, 50)
			change(&b)
			return []step{{add(b), "invalid"}, {add(newStream("a", 1).next(2, 50)), "placed"}}
		}
	}
	scripts["invalid: a seal over what could not be read back from an entry"] = func() []step {
		event := []byte(`{"a":1}}`)
		b := newStream("a", 1).batch(1, 50, func(s *proof.Seal) { s.Root = proof.RootOf([]proof.Hash{proof.LeafHash(event)}) })
		b.Items[0].Event = event
		return []step{{add(b), "invalid"}, {add(newStream("a", 1).next(2, 50)), "placed"}}
	}
	scripts["invalid: an event too long for an entry"] = func() []step {
		return []step{{add(newStream("a", 1).next(1, proof.MaxEntry-50)), "invalid"}}
	}
	scripts["invalid: a batch of too many bytes"] = func() []step {
		return []step{{add(newStream("a", 1).next(22, 50_000)), "invalid"}, {add(newStream("a", 1).next(20, 50_000)), "placed"}}
	}
	for name, script := range scripts {
		t.Run(name, func(t *testing.T) {
			for _, mode := range []string{"in the journal", "published", "reopened", "spilled"} {
				fsys := fsxtest.New()
				o := options(fsys)
				o.HeadStreams = 2
				l := open(t, o)
				for i, s := range script() {
					if got := outcome(s.do(l)); got != s.want {
						t.Fatalf("%s: step %d: %s, want %s", mode, i, got, s.want)
					}
					switch mode {
					case "published":
						mustPublish(t, l)
					case "reopened":
						mustClose(t, l)
						l = open(t, o)
					case "spilled":
						for j := range 3 {
							mustAppend(t, l, newStream("others", 100+10*i+j).next(1, 30))
						}
						mustPublish(t, l)
					}
				}
				mustClose(t, l)
				if err := auditFiles(fsys, nil); err != nil {
					t.Fatalf("%s: %v", mode, err)
				}
			}
		})
	}
}

// TestAgainIsTheFirstPlacement: an answer that was lost is the same when it is asked for again, whatever happened since.
func TestAgainIsTheFirstPlacement(t *testing.T) {
	l := open(t, options(fsxtest.New()))
	s := newStream("a", 1)
	var batches []ledger.Batch
	var first []ledger.Placed
	for i := range 40 {
		b := s.next(1+i%5, 50)
		batches = append(batches, b)
		first = append(first, mustAppend(t, l, b))
		if i%7 == 0 {
			mustPublish(t, l)
		}
	}
	for i, b := range batches {
		want := first[i]
		want.Again = true
		if diff := cmp.Diff(want, mustAppend(t, l, b)); diff != "" {
			t.Errorf("batch %d (-first +again):\n%s", i, diff)
		}
	}
	mustClose(t, l)
}

// TestReceipt rebuilds a batch's entries from the emitter's own bytes and checks them against nothing but the receipt.
func TestReceipt(t *testing.T) {
	l := open(t, options(fsxtest.New()))
	defer mustClose(t, l)
	s := newStream("a", 1)
	var batches []ledger.Batch
	for i := range 300 {
		if i == 200 {
			mustPublish(t, l)
		}
		b := s.next(1+i%3, 50)
		if i%10 == 4 {
			b.Items[0] = ledger.Item{Stub: &ledger.Stub{Leaf: proof.LeafHash(b.Items[0].Event), Reason: "refused"}}
		}
		batches = append(batches, b)
		mustAppend(t, l, b)
	}
	number := uint64(1)
	for i, b := range batches {
		r, err := l.Receipt(t.Context(), s.id, number)
		if err != nil {
			t.Fatal(err)
		}
		if err := proves(r, b); err != nil {
			t.Fatalf("batch %d: %v", i, err)
		}
		number += uint64(len(b.Items))
	}
	for _, first := range []uint64{0, 3, number, 1 << 60} { // 3 is inside a batch
		if _, err := l.Receipt(t.Context(), s.id, first); !errors.Is(err, ledger.ErrUnknown) {
			t.Errorf("receipt for number %d: %v, want %v", first, err, ledger.ErrUnknown)
		}
	}
	if _, err := l.Receipt(t.Context(), newStream("a", 2).id, 1); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("receipt for an unknown stream: %v", err)
	}
}

// TestReceivedAtNeverDecreases: the clock goes back, within a run and over a restart, and far out of range.
func TestReceivedAtNeverDecreases(t *testing.T) {
	fsys := fsxtest.New()
	now := epoch
	o := options(fsys)
	o.Now = func() time.Time { return now }
	s := newStream("a", 1)
	l := open(t, o)
	var got []string
	for _, next := range []time.Time{
		epoch, epoch.Add(-time.Hour), epoch.Add(time.Nanosecond), {}, epoch.AddDate(-3000, 0, 0), epoch.AddDate(10, 0, 0),
		epoch.AddDate(9000, 0, 0), epoch,
	} {
		now = next
		got = append(got, proof.FormatTime(mustAppend(t, l, s.next(1, 50)).ReceivedAt))
		mustClose(t, l)
		l = open(t, o)
	}
	mustClose(t, l)
	want := []string{
		"2026-03-01T12:00:00.000000000Z", "2026-03-01T12:00:00.000000000Z", "2026-03-01T12:00:00.000000001Z",
		"2026-03-01T12:00:00.000000001Z", "2026-03-01T12:00:00.000000001Z", "2036-03-01T12:00:00.000000000Z",
		"2036-03-01T12:00:00.000000000Z", "2036-03-01T12:00:00.000000000Z",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestStream(t *testing.T) {
	l := open(t, options(fsxtest.New()))
	defer mustClose(t, l)
	s := newStream("a", 1)
	if _, ok, err := l.Stream(t.Context(), s.id); ok || err != nil {
		t.Fatalf("an unknown stream: %v, %v", ok, err)
	}
	if _, _, err := l.Stream(t.Context(), "no uuid"); !errors.Is(err, ledger.ErrInvalid) {
		t.Fatalf("not an id: %v", err)
	}
	mustAppend(t, l, s.next(3, 50))
	got, ok, err := l.Stream(t.Context(), s.id)
	want := ledger.StreamState{
		Owner: ledger.OwnerOf(s.seal.Key, "app", "test"), Next: 4, Sealed: true, LastSeal: proof.SealHash(s.last), LastSealSeq: 3,
	}
	if got != want || !ok || err != nil {
		t.Fatalf("%+v, %v, %v, want %+v", got, ok, err, want)
	}
}

func TestClosed(t *testing.T) {
	l := open(t, options(fsxtest.New()))
	s := newStream("a", 1)
	mustAppend(t, l, s.next(1, 50))
	mustClose(t, l)
	for name, call := range map[string]func() error{
		"Append":  func() error { _, err := l.Append(t.Context(), s.next(1, 50)); return err },
		"Receipt": func() error { _, err := l.Receipt(t.Context(), newStream("a", 1).id, 1); return err },
		"Stream":  func() error { _, _, err := l.Stream(t.Context(), s.id); return err },
		"Close":   l.Close,
	} {
		if err := call(); !errors.Is(err, ledger.ErrClosed) {
			t.Errorf("%s after Close: %v, want %v", name, err, ledger.ErrClosed)
		}
	}
	if c := opened(t, l.Checkpoint()); c.Size != 2 {
		t.Errorf("the last checkpoint has %d entries", c.Size)
	}
}

func TestOpenRefusesOptions(t *testing.T) {
	signer, vkey := key("another")
	for name, change := range map[string]func(*ledger.Options){
		"no FS":            func(o *ledger.Options) { o.FS = nil },
		"no clock":         func(o *ledger.Options) { o.Now = nil },
		"another signer":   func(o *ledger.Options) { o.Signer = signer },
		"another verifier": func(o *ledger.Options) { o.Verifier = verifier(vkey) },
		"no origin":        func(o *ledger.Options) { o.Origin = "" },
		"one stream":       func(o *ledger.Options) { o.HeadStreams = 1 },
	} {
		o := options(fsxtest.New())
		change(&o)
		if l, err := ledger.Open(t.Context(), o); err == nil {
			mustClose(t, l)
			t.Errorf("%s: opened", name)
		}
	}
}
