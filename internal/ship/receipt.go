package ship

import (
	"errors"
	"fmt"

	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// errReceipt says that a receipt does not prove what it is said to prove.
var errReceipt = errors.New("the receipt does not hold")

// stubbed is an event of a batch that the server could not store.
type stubbed struct {
	seq   uint64 // stream_seq
	event []byte // ours
	why   wire.Stub
}

// checkBatch proves that a batch is in the tree of a checkpoint: the leaves are those of our own bytes under what the
// server says of them. It returns what stands as a stub. The checkpoint's own signature is the caller's to check.
func checkBatch(b *spool.Batch, seal proof.Seal, r *wire.Result, cp proof.Checkpoint) ([]stubbed, error) {
	if err := frame(r, seal.Stream, b.First, len(b.Events)+1); err != nil {
		return nil, err
	}
	stubs := r.Stubs
	var refused []stubbed
	leaves := make([]proof.Hash, 0, r.Count)
	var entry []byte
	for i, raw := range b.Events {
		n, seq := b.First+uint64(i), *r.Seq+uint64(i)
		if len(stubs) > 0 && stubs[0].Seq == n {
			e := proof.Entry{Seq: seq, ReceivedAt: r.ReceivedAt, Via: r.Via, Stub: &proof.Stub{
				Stream: seal.Stream, First: n, Last: n, Code: proof.StubRefused, Leaf: proof.LeafHash(raw), Reason: stubs[0].Reason}}
			if err := e.Check(); err != nil {
				return nil, fmt.Errorf("%w: a stub that is none: %w", errReceipt, err)
			}
			entry = e.Append(entry[:0])
			refused = append(refused, stubbed{n, raw, stubs[0]})
			stubs = stubs[1:]
		} else {
			entry = proof.AppendEventEntry(entry[:0], seq, r.ReceivedAt, r.Via, raw)
		}
		leaves = append(leaves, proof.LeafHash(entry))
	}
	if len(stubs) > 0 {
		return nil, fmt.Errorf("%w: a stub for number %d, which is not next in the batch", errReceipt, stubs[0].Seq)
	}
	last := *r.Seq + uint64(len(b.Events))
	if r.PrevSeq != nil && *r.PrevSeq >= *r.Seq {
		return nil, fmt.Errorf("%w: its previous seal stands behind it", errReceipt)
	}
	entry = proof.AppendSealEntry(entry[:0], last, r.ReceivedAt, r.Via, proof.SealEntry{PrevSeq: r.PrevSeq, Note: b.Seal})
	return refused, inTree(r, append(leaves, proof.LeafHash(entry)), cp)
}

// checkLoss proves that a declared loss is in the tree of a checkpoint.
func checkLoss(l *wire.Loss, r *wire.Result, cp proof.Checkpoint) error {
	if err := frame(r, l.Stream, l.First, 1); err != nil {
		return err
	}
	e := proof.Entry{Seq: *r.Seq, ReceivedAt: r.ReceivedAt, Via: r.Via,
		Stub: &proof.Stub{Stream: l.Stream, First: l.First, Last: l.Last, Code: proof.StubLost, Reason: l.Reason}}
	if err := e.Check(); err != nil {
		return fmt.Errorf("%w: %w", errReceipt, err)
	}
	return inTree(r, []proof.Hash{proof.LeafHash(e.Append(nil))}, cp)
}

// frame checks what all entries of an element share. What it accepts makes entries in their one form.
func frame(r *wire.Result, stream string, first uint64, entries int) error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: %s", errReceipt, fmt.Sprintf(format, args...))
	}
	switch {
	case r.Stream != stream || r.First != first:
		return bad("it is for number %d of another stream or batch", r.First)
	case r.Seq == nil:
		return bad("it does not say where the entries are")
	case r.Count != entries:
		return bad("it is over %d entries, the batch has %d", r.Count, entries)
	}
	if _, err := proof.ParseTime(r.ReceivedAt); err != nil {
		return bad("received_at: %v", err)
	}
	if _, err := proof.ParseVia(r.Via); err != nil {
		return bad("via: %v", err)
	}
	return nil
}

func inTree(r *wire.Result, leaves []proof.Hash, cp proof.Checkpoint) error {
	if err := proof.VerifyRange(*r.Seq, leaves, cp.Size, cp.Root, r.Proof); err != nil {
		return fmt.Errorf("%w: entries %d to %d are not those that were sent: %w", errReceipt, *r.Seq, *r.Seq+uint64(len(leaves))-1, err)
	}
	return nil
}
