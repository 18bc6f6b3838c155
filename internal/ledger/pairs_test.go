package ledger_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// tiny runs into every limit with a few batches: each begins a journal segment, which is reserved ahead, and the third
// stream does not fit into the head.
func tiny(o *ledger.Options) { o.SegmentBytes, o.Preallocate, o.HeadStreams = 700, 1024, 2 }

// An act is what an emitter's side wants of a ledger until it has it.
type act func(*toil, *ledger.Ledger) error

// toil is the work of several processes on one ledger: each opens it, goes on with the acts where the last one stopped,
// and closes it. It implements fsxtest.World.
type toil struct {
	claim
	notary *notary
	opened map[string]proof.Checkpoint // checkpoints that were verified before
	lives  [][]act                     // of one undisturbed process each
	life   int
	at     int // of the life's acts
	wrong  error
}

func newToil() *toil {
	signer, _ := key(origin)
	w := &toil{notary: &notary{Signer: signer}, opened: map[string]proof.Checkpoint{}}
	a, b, c := newStream("emitter", 1), newStream("emitter", 2), newStream("other", 3)
	a1, b1 := a.next(2, 60), b.next(1, 60)
	lost := ledger.Loss{Stream: a.id, First: a.seal.Next(), Last: a.seal.Next() + 3, Reason: "a damaged spool segment"}
	a.skip(4)
	a2 := a.next(1, 60)
	c1 := c.batch(1, 60, func(s *proof.Seal) { s.Final = true })
	w.lives = [][]act{
		{put(a1), put(b1), publish, lose(lost), put(a2)},
		{put(c1), receive(a1, a.id, 1), receive(c1, c.id, 1)},
	}
	return w
}

func put(b ledger.Batch) act {
	return func(w *toil, l *ledger.Ledger) error {
		p, err := l.Append(background, b)
		if err == nil {
			p.Again = false // it may have been there since before a fault
			w.acked = append(w.acked, acked{batch: b, placed: p})
		}
		return err
	}
}

func lose(loss ledger.Loss) act {
	return func(w *toil, l *ledger.Ledger) error {
		p, err := l.AppendLoss(background, viaStore, loss)
		if err == nil {
			p.Again = false
			w.acked = append(w.acked, acked{loss: &loss, placed: p})
		}
		return err
	}
}

func publish(w *toil, l *ledger.Ledger) error {
	msg, err := l.Publish(background)
	if err == nil {
		w.seen(msg)
	}
	return err
}

// receive takes a receipt and checks it with the emitter's own bytes.
func receive(b ledger.Batch, stream string, first uint64) act {
	return func(w *toil, l *ledger.Ledger) error {
		r, err := l.Receipt(background, stream, first)
		if err != nil {
			return err
		}
		w.seen(r.Checkpoint)
		if err := proves(r, b); err != nil {
			w.wrong = fmt.Errorf("receipt for number %d of stream %s: %w", first, stream, err)
		}
		return nil
	}
}

// seen takes a checkpoint that was handed out: it must be one of those that the log's key made.
func (w *toil) seen(msg []byte) {
	c, ok := w.opened[string(msg)]
	var err error
	if !ok {
		_, vkey := key(origin)
		c, err = proof.OpenCheckpoint(msg, origin, verifier(vkey))
		w.opened[string(msg)] = c
	}
	w.notary.mu.Lock()
	defer w.notary.mu.Unlock()
	switch {
	case err != nil:
		w.wrong = fmt.Errorf("a checkpoint was handed out: %w", err)
	case !slices.Contains(w.notary.signed, c):
		w.wrong = fmt.Errorf("a checkpoint over %d entries was handed out that was never signed", c.Size)
	}
}

// Live implements fsxtest.World.
func (w *toil) Live(fsys *fsxtest.Mem) (bool, error) {
	o := options(fsys)
	o.Now, o.Signer = func() time.Time { return epoch }, w.notary
	tiny(&o)
	l, err := ledger.Open(background, o)
	if err != nil {
		return false, err
	}
	w.seen(l.Checkpoint())
	for _, do := range w.lives[w.life][w.at:] {
		if err = do(w, l); err != nil {
			break
		}
		w.at++
	}
	if cerr := l.Close(); err == nil {
		err = cerr
	}
	w.seen(l.Checkpoint())
	if err == nil {
		w.life, w.at = w.life+1, 0
	}
	return w.life == len(w.lives), err
}

// Facts implements fsxtest.World.
func (w *toil) Facts() string {
	w.notary.mu.Lock()
	defer w.notary.mu.Unlock()
	roots := map[proof.Checkpoint]bool{}
	for _, c := range w.notary.signed {
		roots[c] = true
	}
	w.signed = nil
	for c := range roots {
		w.signed = append(w.signed, c)
	}
	slices.SortFunc(w.signed, func(a, b proof.Checkpoint) int {
		return slices.Compare(append([]byte{byte(a.Size)}, a.Root[:]...), append([]byte{byte(b.Size)}, b.Root[:]...))
	})
	facts := fmt.Sprint(w.life, w.at, w.wrong, w.signed)
	for _, a := range w.acked {
		facts += fmt.Sprintf(" %+v", a.placed)
	}
	return facts
}

// Audit implements fsxtest.World.
func (w *toil) Audit(fsys *fsxtest.Mem) error {
	if w.wrong != nil {
		return w.wrong
	}
	w.Facts()
	return audit(fsys, w.claim, tiny)
}

// TestEveryFaultAndPairsOfThem: THREATS 1, 2, 7, 8. Nothing acknowledged is lost or altered, no size is signed twice,
// every receipt holds, and each fault costs one process at most.
func TestEveryFaultAndPairsOfThem(t *testing.T) {
	fsxtest.Pairs(t, fsxtest.Lives{World: func() fsxtest.World { return newToil() }, Share: 200})
}
