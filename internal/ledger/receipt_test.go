package ledger_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// Prove answers for many batches at once what Receipt answers for each, in one tree, across tiles.
func TestProve(t *testing.T) {
	l := open(t, options(fsxtest.New()))
	defer mustClose(t, l)
	a, b := newStream("a", 1), newStream("b", 2)
	var batches []ledger.Batch
	var placed []ledger.Placed
	for i := range 40 {
		for _, s := range []*stream{a, b} {
			batch := s.next(1+i%17, 100)
			batches, placed = append(batches, batch), append(placed, mustAppend(t, l, batch))
		}
	}
	proofs, checkpoint, err := l.Prove(t.Context(), placed)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range placed {
		r := ledger.Receipt{Placed: p, Via: batches[i].Via, Proof: proofs[i], Checkpoint: checkpoint}
		if err := proves(r, batches[i]); err != nil {
			t.Errorf("batch %d: %v", i, err)
		}
		seal, err := proof.ParseSeal(batches[i].Seal)
		if err != nil {
			t.Fatal(err)
		}
		one, err := l.Receipt(t.Context(), seal.Stream, seal.First)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(one, r); diff != "" {
			t.Errorf("batch %d (-Receipt +Prove):\n%s", i, diff)
		}
	}
	size, _ := l.Head()
	if _, _, err := l.Prove(t.Context(), []ledger.Placed{{First: size, Count: 1}}); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("what is not there: %v", err)
	}
	if none, _, err := l.Prove(t.Context(), nil); err != nil || len(none) != 0 {
		t.Errorf("nothing: %v, %v", none, err)
	}
}

// A proof over a tile that was altered is not handed out: it would make the emitter accuse the log of a fork.
func TestProveFindsDamage(t *testing.T) {
	m := fsxtest.New()
	l := open(t, options(m))
	s := newStream("a", 1)
	first := mustAppend(t, l, s.next(3, 100))
	size := mustPublish(t, l).Size
	name := "log/" + proof.TilePath(0, 0, int(size))
	b, err := fsx.ReadFile(m, name, proof.TileBytes)
	if err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if err := fsx.Replace(m, name, b, 0o444); err != nil {
		t.Fatal(err)
	}
	var damage *ledger.IntegrityError
	if _, _, err := l.Prove(t.Context(), []ledger.Placed{first}); !errors.As(err, &damage) {
		t.Errorf("got %v, want an integrity failure", err)
	}
	mustClose(t, l)
}
