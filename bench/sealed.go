package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// A template is an event of the pool without its place in a stream, so that the next one costs a copy.
type template struct{ before, after []byte }

// templates cuts events where they name their stream and number, which they do next to each other.
func templates(events [][]byte) ([]template, error) {
	all := make([]template, len(events))
	for i, e := range events {
		at := fmt.Appendf(nil, "%s\",\"stream_seq\":%d", streamID(0), i+1)
		before, after, ok := bytes.Cut(e, at)
		if !ok {
			return nil, fmt.Errorf("event %d does not name its stream", i)
		}
		all[i] = template{before, after}
	}
	return all, nil
}

// A sender is one stream of batches of the same size, sealed beforehand. Its bodies are put together when they are sent,
// out of templates: all of them would not fit into memory.
type sender struct {
	templates []template
	offset    int // of its first event in templates
	size      int // events a batch
	stream    string
	seals     [][]byte
	acked     []acked // the first of them, as far as the server has said so
	refused   bool    // the next one was; where the server had no time left, it may be there all the same

	arena  []byte
	events [][]byte
	body   []byte
}

// acked is where a batch stands, as its receipt says.
type acked struct{ first, count uint64 }

// batch is the k-th batch; its bytes are valid until the next call.
func (e *sender) batch(k int) *spool.Batch {
	first := uint64(k*e.size + 1)
	e.arena, e.events = e.arena[:0], e.events[:0]
	for i := range e.size {
		t, from := e.templates[(e.offset+k*e.size+i)%len(e.templates)], len(e.arena)
		e.arena = append(append(append(e.arena, t.before...), e.stream...), `","stream_seq":`...)
		e.arena = append(strconv.AppendUint(e.arena, first+uint64(i), 10), t.after...)
		e.events = append(e.events, e.arena[from:])
	}
	b := &spool.Batch{First: first, Events: e.events}
	if k < len(e.seals) {
		b.Seal = e.seals[k]
	}
	return b
}

// next is the body of the first batch that is not acknowledged; false where there is none left.
func (e *sender) next() (_ []byte, more bool, err error) {
	if len(e.acked) == len(e.seals) {
		return nil, false, nil
	}
	e.body, err = wire.Append(e.body[:0], []wire.Element{{Batch: e.batch(len(e.acked))}})
	return e.body, true, err
}

// senders seals batches for n streams, total in all, on all processors. name tells streams of several calls apart.
func senders(ctx context.Context, name string, n, total, size int, pool []template) ([]*sender, error) {
	signer, vkey, err := key("stet-emitter/bench/0")
	if err != nil {
		return nil, err
	}
	all := make([]*sender, n)
	errs := make([]error, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for p := range errs {
		wg.Go(func() {
			for i := p; i < n && ctx.Err() == nil && errs[p] == nil; i += len(errs) {
				all[i] = &sender{templates: pool, offset: i * 131, size: size, stream: derived(name, i).String()}
				errs[p] = all[i].seal(max(total/n, 1), signer, vkey)
			}
		})
	}
	wg.Wait()
	return all, errors.Join(append(errs, ctx.Err())...)
}

func (e *sender) seal(n int, signer note.Signer, vkey string) error {
	s := proof.Seal{App: "billing", Environment: "production", Key: vkey, Stream: e.stream, First: 1, Count: e.size, Clock: proof.Clock{State: proof.ClockUnknown}}
	leaves := make([]proof.Hash, 0, e.size)
	for k := range n {
		leaves = leaves[:0]
		for _, raw := range e.batch(k).Events {
			leaves = append(leaves, proof.LeafHash(raw))
		}
		s.Root = proof.RootOf(leaves)
		msg, err := proof.SignSeal(s, signer)
		if err != nil {
			return err
		}
		e.seals = append(e.seals, msg)
		s.First, s.Prev, s.HasPrev = s.Next(), proof.SealHash(msg), true
	}
	return nil
}

// checkEvery is how many receipts go unchecked for one that is checked, which costs as much as the rest of the load.
const checkEvery = 16

// take takes the answer to next's body. Some receipts are checked as an emitter checks them: from its own bytes to the root
// of a checkpoint under the log's key.
func (e *sender) take(answer []byte, log note.Verifier) error {
	r, err := wire.ParseReceipts(answer)
	if err != nil {
		return err
	}
	again := e.refused && len(r.Results) == 1 && r.Results[0].Status == wire.Again
	if len(r.Results) != 1 || r.Results[0].Status != wire.Placed && !again || r.Results[0].Seq == nil {
		return fmt.Errorf("batch %d of stream %s: %.300s", len(e.acked), e.stream, answer)
	}
	got, k := r.Results[0], len(e.acked)
	if k%checkEvery == 0 {
		if err := e.check(k, got, r.Checkpoint, log); err != nil {
			return fmt.Errorf("receipt of batch %d of stream %s: %w", k, e.stream, err)
		}
	}
	e.acked, e.refused = append(e.acked, acked{*got.Seq, uint64(got.Count)}), false
	return nil
}

func (e *sender) check(k int, r wire.Result, checkpoint string, log note.Verifier) error {
	cp, err := proof.OpenCheckpoint([]byte(checkpoint), log.Name(), log)
	if err != nil {
		return err
	}
	b := e.batch(k)
	var entry []byte
	leaves := make([]proof.Hash, 0, e.size+1)
	for _, raw := range b.Events {
		entry = proof.AppendEventEntry(entry[:0], *r.Seq+uint64(len(leaves)), r.ReceivedAt, r.Via, raw)
		leaves = append(leaves, proof.LeafHash(entry))
	}
	entry = proof.AppendSealEntry(entry[:0], *r.Seq+uint64(len(leaves)), r.ReceivedAt, r.Via, proof.SealEntry{PrevSeq: r.PrevSeq, Note: b.Seal})
	leaves = append(leaves, proof.LeafHash(entry))
	if len(leaves) != r.Count {
		return fmt.Errorf("%d entries where there are %d", r.Count, len(leaves))
	}
	return proof.VerifyRange(*r.Seq, leaves, cp.Size, cp.Root, r.Proof)
}
