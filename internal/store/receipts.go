package store

import (
	"context"

	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// Receipts returns the receipts of what Place has placed, in order: a zero one where there is an error. All proofs lead to
// one checkpoint (L2), for which it waits, and which is returned also where nothing was placed. It costs little for what
// was just placed; for what was there already the log is read.
func (h *Held) Receipts(ctx context.Context, placed []Placed) ([]ledger.Receipt, []byte, error) {
	out := make([]ledger.Receipt, len(placed))
	var in []ledger.Placed
	var at []int
	for i, p := range placed {
		if p.Err != nil {
			continue
		}
		out[i] = ledger.Receipt{Placed: p.Placed, Via: p.Via, Stubs: p.stubs()}
		if p.Again { // by whom, and what was refused then, only the log knows
			rec, err := h.l.Find(ctx, p.Seal.Stream, p.Seal.First)
			if err != nil {
				return nil, nil, err
			}
			rec.Again = true
			out[i] = rec
		}
		in, at = append(in, out[i].Placed), append(at, i)
	}
	proofs, checkpoint, err := h.l.Prove(ctx, in)
	if err != nil {
		return nil, nil, err
	}
	for j, i := range at {
		out[i].Proof, out[i].Checkpoint = proofs[j], checkpoint
	}
	return out, checkpoint, nil
}

func (p Placed) stubs() []proof.Stub {
	var all []proof.Stub
	for _, s := range p.Stubs {
		all = append(all, proof.Stub{Stream: p.Seal.Stream, First: s.Seq, Last: s.Seq, Code: proof.StubRefused, Leaf: s.Leaf, Reason: s.Reason})
	}
	return all
}

// Receipt returns the receipt of the batch of a stream that starts with number first, whoever asks; ledger.ErrUnknown where
// there is none. It waits for a publish (L2) where the batch is not under a checkpoint yet. An old batch of a long stream
// costs a read for each batch after it.
func (h *Held) Receipt(ctx context.Context, stream string, first uint64) (ledger.Receipt, error) {
	return h.l.Receipt(ctx, stream, first)
}

// Stream says how far a stream is in the log; false where the log has never heard of it.
func (h *Held) Stream(ctx context.Context, stream string) (ledger.StreamState, bool, error) {
	return h.l.Stream(ctx, stream)
}
