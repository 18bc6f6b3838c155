package server

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"testing"

	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
)

// What is sent is placed once, however often it comes, and each answer proves it to whoever has the bytes.
func TestBatchesArePlacedOnceAndProven(t *testing.T) {
	w := newWorld(t, nil)
	s := newSender(t, "shop")
	sent := []wire.Element{s.say(3), s.say(1), s.seal(nil, true)}
	first := receipts(t, w.post("writer", sent...))
	again := receipts(t, w.post("writer", sent...))
	for i, e := range sent {
		for _, a := range []struct {
			want string
			got  wire.Receipts
		}{{wire.Placed, first}, {wire.Again, again}} {
			r := a.got.Results[i]
			if r.Status != a.want {
				t.Errorf("batch %d is %+v, want %s", i, r, a.want)
			}
			if err := checkReceipt(e, r, a.got.Checkpoint); err != nil {
				t.Errorf("batch %d, %s: %v", i, a.want, err)
			}
		}
		if *first.Results[i].Seq != *again.Results[i].Seq {
			t.Errorf("batch %d stands at %d and at %d", i, *first.Results[i].Seq, *again.Results[i].Seq)
		}
	}
	one := receipts(t, w.do("writer", http.MethodGet, "/v1/receipts/"+s.stream.String()+"/4", nil))
	if err := checkReceipt(sent[1], one.Results[0], one.Checkpoint); err != nil {
		t.Errorf("the receipt that was asked for later: %v", err)
	}
}

// Each element is judged by itself, with a code that says why.
func TestElementsAreJudgedAlone(t *testing.T) {
	var holes []string
	w := newWorld(t, func(o *Options) {
		o.Hole = func(stream string, expected, got uint64) {
			holes = append(holes, fmt.Sprintf("%s: %d before %d", stream, got, expected))
		}
	})
	s := newSender(t, "shop")
	one, two, three := s.say(1), s.say(1), s.say(1)
	good := newStream(t, s.key, "shop")

	got := receipts(t, w.post("writer", one, three, good.say(2))).Results
	if got[0].Status != wire.Placed || got[2].Status != wire.Placed {
		t.Errorf("the hole kept others out: %+v", got)
	}
	if got[1].Code != wire.StreamHole || got[1].Expected != 2 {
		t.Errorf("a hole: %+v", got[1])
	}
	if n := w.server.gaps.count(); n != 1 {
		t.Errorf("%d streams have gaps", n)
	}
	if want := s.stream.String() + ": 3 before 2"; len(holes) != 1 || holes[0] != want {
		t.Errorf("told of the holes %q, want %q", holes, want)
	}
	got = receipts(t, w.post("writer", two, three)).Results
	if got[0].Status != wire.Placed || got[1].Status != wire.Placed || w.server.gaps.count() != 0 {
		t.Errorf("the hole was filled: %+v", got)
	}

	fork := *s
	fork.next = 2
	if got = receipts(t, w.post("writer", fork.say(1))).Results; got[0].Code != wire.StreamConflict {
		t.Errorf("other content under the same number: %+v", got)
	}
	bad := s.say(1)
	bad.Batch.Events[0] = append([]byte(nil), bad.Batch.Events[0]...)
	bad.Batch.Events[0][len(bad.Batch.Events[0])-2] ^= 1
	if got = receipts(t, w.post("writer", bad)).Results; got[0].Code != wire.InvalidBatch {
		t.Errorf("an event that is not the sealed one: %+v", got)
	}
}

// A token writes for its application, under its own keys, and nowhere else.
func TestWhoMaySendWhat(t *testing.T) {
	w := newWorld(t, nil)
	s := newSender(t, "shop")
	if got := receipts(t, w.post("writer", s.say(1))).Results[0]; got.Status != wire.Placed {
		t.Fatalf("a token's first key: %+v", got)
	}
	for _, tc := range []struct {
		name, token string
		element     wire.Element
		want        wire.Code
	}{
		{"another application", "writer", newStream(t, s.key, "bank").say(1), wire.NotAllowed},
		{"another key", "writer", newSender(t, "shop").say(1), wire.KeyNotEnrolled},
		{"another's stream", "other", s.say(1), wire.NotAllowed},
		{"a reader", "reader", newSender(t, "shop").say(1), wire.NotAllowed},
		{"an auditor", "auditor", newSender(t, "shop").say(1), wire.NotAllowed},
		{"an administrator", "admin", newSender(t, "shop").say(1), wire.NotAllowed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got := receipts(t, w.post(tc.token, tc.element))
			if r := got.Results[0]; r.Status != wire.Refused || r.Code != tc.want || got.Checkpoint != "" {
				t.Errorf("got %+v, want %s", r, tc.want)
			}
		})
	}
}

// A token's first key counts once its seal is seen to be its own: nobody binds another's key by naming it.
func TestClaimedKeyIsNotBound(t *testing.T) {
	w := newWorld(t, nil)
	s := newSender(t, "shop")
	forged := s.say(1)
	seal := bytes.Clone(forged.Batch.Seal)
	if at := len(seal) - 20; seal[at] != 'A' { // within the signature
		seal[at] = 'A'
	} else {
		seal[at] = 'B'
	}
	forged.Batch.Seal = seal
	if got := receipts(t, w.post("writer", forged)).Results[0]; got.Code != wire.InvalidBatch {
		t.Errorf("a seal that does not verify: %+v", got)
	}
	if got := receipts(t, w.post("writer", newSender(t, "shop").say(1))).Results[0]; got.Status != wire.Placed {
		t.Errorf("the token's own key came second: %+v", got)
	}
}

// lookingLog calls look when receipts are waited for.
type lookingLog struct {
	*store.Held
	look func()
}

func (l *lookingLog) Receipts(ctx context.Context, placed []store.Placed) ([]ledger.Receipt, []byte, error) {
	l.look()
	return l.Held.Receipts(ctx, placed)
}

// Whoever waits for a receipt holds no memory of bodies: others have it, and what they write there changes no answer.
func TestBodyIsGoneBeforeTheReceipt(t *testing.T) {
	l := &lookingLog{}
	w := newWorld(t, func(o *Options) {
		l.Held = o.Log.(*store.Held)
		o.Log = l
	})
	looked := 0
	l.look = func() {
		looked++
		if n := w.server.bodies.mem.used.Load(); n != 0 {
			t.Errorf("%d bytes of bodies are held", n)
		}
		b, err := w.server.bodies.get()
		if err != nil {
			t.Error(err)
			return
		}
		defer b.free()
		for i := range b.b[:cap(b.b)] {
			b.b[:cap(b.b)][i] = 'x'
		}
	}
	s := newSender(t, "shop")
	got := receipts(t, w.post("writer", s.say(3), s.say(2)))
	if looked != 1 || len(got.Results) != 2 {
		t.Fatalf("%d looks, %+v", looked, got)
	}
	for _, r := range got.Results {
		if r.Status != wire.Placed || r.Stream != s.stream.String() {
			t.Errorf("%+v", r)
		}
	}
	if n := w.server.bodies.mem.used.Load(); n != 0 {
		t.Errorf("%d bytes of bodies are held in the end", n)
	}
}
