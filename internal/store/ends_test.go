package store

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// begins makes the bytes of the start of a run.
func (r *remote) begins(seq uint64, run string) []byte {
	r.t.Helper()
	p := &process{stream: r.stream.String(), said: int(seq) - 1}
	e := p.base("job_started")
	e.Job = &event.Job{ID: "job-" + run, RunID: run, Name: "nightly", Phase: "execution", Attempt: 1}
	e.Absent["job.code_digest"], e.Absent["job.env_digest"] = "unavailable", "unavailable"
	e.Timestamp, e.StreamID, e.StreamSeq, e.Clock = day, r.stream, seq, &event.Clock{Confidence: "unknown"}
	b, err := (&event.Codec{}).Append(nil, e)
	if err != nil {
		r.t.Fatal(err)
	}
	return b
}

func TestGone(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	ctx := context.Background()
	r := newRemote(t, 1, "stet-emitter/web1/0")
	if p := placeOne(t, h, r.seal([][]byte{r.begins(1, "a"), r.begins(2, "b")}, false)); p.Err != nil {
		t.Fatal(p.Err)
	}
	via := viaHTTP
	via.Token = "writer-shop-1a2b3c4d"
	no := errors.New("no")
	refuse := func(s proof.Seal) error {
		if s.Key != r.key.VKey || s.App != "shop" {
			t.Errorf("asked about %+v", s)
		}
		return no
	}
	if n, err := h.Gone(ctx, viaHTTP, r.stream.String(), "process 4711 is gone", refuse); n != 0 || !errors.Is(err, no) {
		t.Errorf("from somebody else: %d, %v", n, err)
	}
	if n, err := h.Gone(ctx, viaHTTP, streamID(9), "", nil); n != 0 || !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("a stream that is not there: %d, %v", n, err)
	}
	for _, when := range []string{"at first", "again", "after a restart"} {
		if when == "after a restart" {
			closeHeld(t, h)
			h = hold(t, m)
		}
		if n, err := h.Gone(ctx, via, r.stream.String(), "process 4711 is gone", nil); n != 2 || err != nil {
			t.Errorf("%s: %d, %v", when, n, err)
		}
	}
	closeHeld(t, h)
	got := mustRead(t, storeOn(m))
	if got.lost["a"] != 1 || got.lost["b"] != 1 {
		t.Errorf("lost: %v", got.lost)
	}
	// Whose word it is can be read: a token's own name has digits, as a secret has.
	if want := "process 4711 is gone (said by writer-shop-1a2b3c4d)"; !slices.Contains(got.reasons, want) {
		t.Errorf("the reasons are %q, want %q", got.reasons, want)
	}
	mustVerify(t, m)
}

func TestLose(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	ctx := context.Background()
	r := newRemote(t, 1, "stet-emitter/web1/0")
	first := r.say(2)
	if p := placeOne(t, h, first); p.Err != nil {
		t.Fatal(p.Err)
	}
	_ = r.say(3) // is lost
	loss := ledger.Loss{Stream: r.stream.String(), First: 3, Last: 5, Reason: "the spool was damaged there", Owner: ledger.OwnerOf(r.key.VKey, "bank", "test")}
	if _, err := h.Lose(ctx, viaHTTP, loss); !errors.Is(err, ledger.ErrNotOwner) {
		t.Errorf("from somebody else: %v", err)
	}
	loss.Owner = ledger.OwnerOf(r.key.VKey, "shop", "test")
	for i, again := range []bool{false, true} {
		if p, err := h.Lose(ctx, viaHTTP, loss); err != nil || p.Again != again {
			t.Errorf("call %d: %+v, %v", i, p, err)
		}
	}
	if p := placeOne(t, h, r.say(1)); p.Err != nil {
		t.Errorf("behind the loss: %v", p.Err)
	}
	closeHeld(t, h)
	mustVerify(t, m)
}
