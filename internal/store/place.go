package store

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// maxTogether is how many batches of one call wait for the disk together.
const maxTogether = 256

// Sealed is a batch as its emitter sealed it, and whether it may come.
type Sealed struct {
	Batch spool.Batch // not copied: it must not change until Place has returned
	// May is asked before anything else is done about the batch, with what its seal claims: whether this caller may place
	// it. Its error refuses the batch. The claim is checked after that, and no claim that fails has any effect. Nil: yes.
	May func(proof.Seal) error
}

// Refused is an event of a batch that was placed: one that can never be accepted, and for which a stub stands in the log.
type Refused struct {
	Seq    uint64      // stream_seq
	Leaf   proof.Hash  // of its exact bytes
	Reason string      // as the stub states it
	Why    event.Error // for whoever can mend it: code, path, detail and hint
}

// Placed says what became of a batch.
type Placed struct {
	ledger.Placed
	Seal  proof.Seal // as far as it could be read
	Via   []byte     // as the entries state it; nil where the batch was there already
	Stubs []Refused  // events of the batch that were refused; in order
	// Err says that the batch is not in the log, or that this is not known: an error of May, ledger.ErrInvalid, ErrConflict,
	// ErrNotOwner, ErrFinal, *ledger.HoleError, ErrFailed, or the context's.
	Err error
}

// work is a batch under way.
type work struct {
	events  [][]byte
	batch   ledger.Batch
	checked *ledger.Checked
	waiting *ledger.Waiting
	out     *Placed
}

// Place judges sealed batches and makes those durable that it takes (L1). The results stand in the order of the batches.
// Batches of one stream must come in order. Seals and events are checked on all processors, the batches get in line in
// order, and the disk is waited for once.
//
// An event that the schema can never accept keeps its number, and a stub takes its place: that it was refused is recorded,
// and its bytes go to quarantine. The key of a batch is enrolled before its first batch. A batch that was placed before is
// answered with Again, whatever became of the answer, also after a crash.
func (h *Held) Place(ctx context.Context, via proof.Via, batches []Sealed) []Placed {
	out := make([]Placed, len(batches))
	text := via.Append(nil)
	for from := 0; from < len(batches); from += maxTogether {
		to := min(from+maxTogether, len(batches))
		h.place(ctx, via, text, batches[from:to], out[from:to])
	}
	return out
}

func (h *Held) place(ctx context.Context, via proof.Via, text []byte, batches []Sealed, out []Placed) {
	all := make([]work, len(batches))
	each(len(batches), runtime.GOMAXPROCS(0), func(i int) {
		w := &all[i]
		w.out = &out[i]
		w.batch.Via = text
		w.out.Err = h.judge(w, batches[i])
	})
	if err := h.line.take(ctx, len(all)); err != nil {
		for i := range out {
			if out[i].Err == nil {
				out[i].Err = err
			}
		}
		return
	}
	defer h.line.give(len(all))
	sent := 0
	for i := range all {
		w := &all[i]
		if w.out.Err != nil {
			continue
		}
		if len(w.out.Stubs) == 0 && h.isGood(w.out.Seal.Key) {
			w.waiting, w.out.Err = h.enqueue(ctx, w.checked, w.out.Seal.Key)
			continue
		}
		// What is recorded about a batch stands before it, and only where the batch can follow; to know that, all before it
		// must be in.
		for ; sent < i; sent++ {
			all[sent].wait(ctx)
		}
		w.waiting, w.out.Err = h.introduce(ctx, via, w)
	}
	for ; sent < len(all); sent++ {
		all[sent].wait(ctx)
	}
}

// wait waits for the disk.
func (w *work) wait(ctx context.Context) {
	if w.waiting == nil {
		return
	}
	w.out.Placed, w.out.Err = w.waiting.Wait(ctx)
	if w.out.Err == nil && !w.out.Again {
		w.out.Via = w.batch.Via
	}
}

// each calls fn for 0 to n-1, so many at once.
func each(n, workers int, fn func(i int)) {
	if workers = min(workers, n); workers < 2 {
		for i := range n {
			fn(i)
		}
		return
	}
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < n; i += workers {
				fn(i)
			}
		})
	}
	all.Wait()
}

// judge checks a batch by itself: that the caller may place it, its events, its seal. Events that can never be accepted
// become stubs.
func (h *Held) judge(w *work, s Sealed) error {
	seal, err := h.seals.Parse(s.Batch.Seal)
	if err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrInvalid, err)
	}
	w.out.Seal = seal
	if seal.First != s.Batch.First || seal.Count != len(s.Batch.Events) {
		return fmt.Errorf("%w: %d events from number %d under a seal over %d from %d", ledger.ErrInvalid, len(s.Batch.Events), s.Batch.First, seal.Count, seal.First)
	}
	if s.May != nil {
		if err := s.May(seal); err != nil {
			return err
		}
	}
	stream, err := event.ParseUUID(seal.Stream)
	if err != nil {
		return fmt.Errorf("%w: %w", ledger.ErrInvalid, err)
	}
	size := len(s.Batch.Seal)
	for _, raw := range s.Batch.Events {
		size += len(raw)
	}
	if err := h.room.take(size); err != nil {
		return err
	}
	w.events, w.batch.Seal = s.Batch.Events, s.Batch.Seal
	w.batch.Items = make([]ledger.Item, len(s.Batch.Events))
	for i, raw := range s.Batch.Events {
		seq := seal.First + uint64(i)
		err := h.check(raw, seal, stream, seq)
		if err == nil {
			w.batch.Items[i].Event = raw
			continue
		}
		stub := stubOf(raw, err)
		w.batch.Items[i].Stub = stub
		w.out.Stubs = append(w.out.Stubs, Refused{Seq: seq, Leaf: stub.Leaf, Reason: stub.Reason, Why: reasonOf(err)})
	}
	w.checked, err = h.l.Check(w.batch)
	return err
}

// reasonOf is what the schema said of an event.
func reasonOf(err error) event.Error {
	var why *event.Error
	if errors.As(err, &why) {
		return *why
	}
	return event.Error{Detail: err.Error()}
}

// introduce records what must stand in the log before a batch that was judged: that its key is enrolled, and which of its
// events were refused. It does so only where the batch can follow. Then it gets the batch in line.
func (h *Held) introduce(ctx context.Context, via proof.Via, w *work) (*ledger.Waiting, error) {
	seal := w.out.Seal
	state, known, err := h.l.Stream(ctx, seal.Stream)
	if err != nil {
		return nil, err
	}
	older, err := state.Admits(known, seal, w.batch.Seal)
	if err != nil {
		return nil, err
	}
	if older {
		// It is there already, or a conflict; either way it will not be placed, so its key does not matter any more.
		return h.l.Enqueue(ctx, w.checked)
	}
	if err := h.enrol(ctx, seal.Key, by(via)); err != nil {
		return nil, err
	}
	errs := make([]error, len(w.out.Stubs))
	each(len(errs), maxRefusing, func(i int) {
		x := w.out.Stubs[i]
		at := x.Seq - seal.First
		errs[i] = h.refuse(ctx, seal, x.Seq, w.events[at], w.batch.Items[at].Stub, &x.Why, false)
	})
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return h.enqueue(ctx, w.checked, seal.Key)
}

// maxRefusing is how many refused events of a batch are recorded at once: each waits for the disk, and those that come
// together share its flushes.
const maxRefusing = 32

// by is on whose word something is recorded: a token by its bare name, because what follows the word "token" in a text is
// taken for a secret and masked.
func by(via proof.Via) string {
	switch {
	case via.Token != "":
		return via.Token
	case via.UID != nil:
		return fmt.Sprintf("uid %d", *via.UID)
	}
	return via.Kind
}
