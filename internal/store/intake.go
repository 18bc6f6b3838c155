package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

const (
	// defaultWindow is how many batches of a stream may be on their way into the journal at once. The ledger flushes those
	// that come together with one fdatasync, which is what a spool of many small batches costs.
	defaultWindow = 256
	// maxWindowBytes bounds the memory of a window.
	maxWindowBytes = 1 << 20
	// smallBatch is the most bytes of a batch that goes with others. A larger one is worth a flush of its own, and would take
	// so long to check that its followers came before it.
	smallBatch = 32 << 10
)

// intake brings the batches of one stream into the journal, in order. What a batch claims is not believed before the
// ledger, or sound, has checked its seal; what follows from a claim (a declared loss, a key's enrolment, a refusal) waits
// for that.
type intake struct {
	r      *drain
	stream string
	via    []byte
	next   uint64     // the stream_seq that the ledger must get next
	window []*pending // checked by themselves, and not in the journal yet; in order
	bytes  int        // of window
	sure   bool       // what is missing is missing: the spool does not change, or was looked at twice
	fatal  error      // the ledger's, the store's or the context's
}

// pending is a batch on its way.
type pending struct {
	batch ledger.Batch
	seal  proof.Seal // parsed; its signature is the ledger's to check
	err   error      // the ledger's answer
	again bool       // it was there already
}

func (r *drain) intake(stream string, next uint64) *intake {
	via := proof.Via{Kind: proof.ViaSpool, UID: r.s.owner(stream)}
	return &intake{r: r, stream: stream, via: via.Append(nil), next: next}
}

// errUnsure ends a reading of a living stream that found numbers missing.
var errUnsure = errors.New("numbers are missing while the owner writes")

// read drains the spool from in.next on. gone says that its owner is dead, so that it does not change any more. While the
// owner writes, a reader can see a later frame before all of an earlier one. But a write that was still under way is over
// when a later one is seen, so a hole counts when it is there again.
func (in *intake) read(ctx context.Context, gone bool) (report spool.Report, err error) {
	for in.sure = gone; ; in.sure = true {
		report, err = spool.Read(in.r.s.FS, spool.Dir, in.stream, in.next, func(b spool.Batch) error {
			err := in.add(ctx, b)
			if err != nil && !errors.Is(err, errUnsure) {
				in.fatal = err
			}
			return err
		})
		if in.fatal == nil {
			in.fatal = in.flush(ctx)
		}
		if in.fatal != nil || !errors.Is(err, errUnsure) {
			return report, err
		}
	}
}

// add takes one batch from the spool.
func (in *intake) add(ctx context.Context, b spool.Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	seal, err := in.r.seals.Parse(b.Seal)
	if err == nil && (seal.Stream != in.stream || seal.First != b.First || seal.Count != len(b.Events)) {
		err = fmt.Errorf("its seal is over %d events from %d of stream %s", seal.Count, seal.First, seal.Stream)
	}
	if err != nil {
		if err := in.flush(ctx); err != nil {
			return err
		}
		return in.reject(ctx, b.First, err)
	}
	p, refused := in.pending(b, seal)
	size := len(b.Seal)
	for _, e := range b.Events {
		size += len(e)
	}
	// Whatever needs more than an Append needs to know that all before is in the journal.
	alone := size > smallBatch || len(refused) > 0 || !in.r.isGood(seal.Key) || seal.First != in.expected()
	if alone || in.bytes+size > maxWindowBytes || len(in.window) >= in.r.s.window {
		if err := in.flush(ctx); err != nil {
			return err
		}
	}
	if len(in.window) == 0 && seal.First != in.next { // also where what was in front of it has just been refused
		if alone = true; seal.First > in.next && !in.sure {
			return errUnsure
		}
	}
	if alone {
		if err := in.prepare(ctx, p, refused); err != nil {
			var no *refusal
			if errors.As(err, &no) {
				return in.reject(ctx, b.First, no.why)
			}
			return err
		}
	}
	in.window, in.bytes = append(in.window, p), in.bytes+size
	if size > smallBatch {
		return in.flush(ctx)
	}
	return nil
}

// expected is the number that the next batch must begin with if all that waits is taken.
func (in *intake) expected() uint64 {
	if n := len(in.window); n > 0 {
		return in.window[n-1].seal.Next()
	}
	return in.next
}

// pending copies a batch out of the reader's memory and checks its events: the door. An event that the schema can never
// accept is marked, so that it does not block its stream.
func (in *intake) pending(b spool.Batch, seal proof.Seal) (p *pending, refused map[int]error) {
	stream, _ := event.ParseUUID(seal.Stream) // which proof.ParseSeal has held to the form
	p = &pending{seal: seal, batch: ledger.Batch{Via: in.via, Seal: bytes.Clone(b.Seal), Items: make([]ledger.Item, len(b.Events))}}
	for i, raw := range b.Events {
		p.batch.Items[i].Event = bytes.Clone(raw)
		if err := in.r.check(raw, seal, stream, b.First+uint64(i)); err != nil {
			if refused == nil {
				refused = map[int]error{}
			}
			refused[i] = err
		}
	}
	return p, refused
}

// refusal says that a batch cannot be taken as it is; others can.
type refusal struct{ why error }

func (e *refusal) Error() string { return e.why.Error() }

// prepare does what must be in the journal before the batch: declares lost what is missing in front of it, enrols its
// key, and makes stubs of its refused events. Nothing waits in front of the batch. The batch must be good for that: a
// *refusal says that it is not.
func (in *intake) prepare(ctx context.Context, p *pending, refused map[int]error) error {
	if err := in.sound(ctx, p); err != nil {
		return err
	}
	r := in.r
	if p.seal.First > in.next {
		if err := in.lose(ctx, p.seal); err != nil {
			return err
		}
	}
	if err := r.enrol(ctx, p.seal.Key, ""); err != nil {
		return fmt.Errorf("enrol %s: %w", p.seal.Key, err)
	}
	for i := range p.batch.Items {
		why := refused[i]
		if why == nil {
			continue
		}
		item := &p.batch.Items[i]
		stub := stubOf(item.Event, why)
		if err := r.refuse(ctx, p.seal, p.seal.First+uint64(i), item.Event, stub, why, true); err != nil {
			return err
		}
		in.r.d.Refused++
		*item = ledger.Item{Stub: stub}
	}
	return nil
}

// sound checks by hand all that the ledger will check of a batch, except for missing numbers. A *refusal says that it is
// not sound.
func (in *intake) sound(ctx context.Context, p *pending) error {
	seal, err := in.r.seals.Open(p.batch.Seal)
	if err != nil {
		return &refusal{err}
	}
	leaves := make([]proof.Hash, len(p.batch.Items))
	for i, item := range p.batch.Items {
		leaves[i] = proof.LeafHash(item.Event)
	}
	if proof.RootOf(leaves) != seal.Root {
		return &refusal{errors.New("its events are not those that were sealed")}
	}
	switch gone, err := in.r.isRevoked(ctx, proof.KeyID(seal.Key)); {
	case err != nil:
		return err
	case gone:
		return &refusal{revoked(seal.Key)}
	}
	state, known, err := in.r.l.Stream(ctx, in.stream)
	if err != nil || !known {
		return err
	}
	switch owner := ledger.OwnerOf(seal.Key, seal.App, seal.Environment); {
	case state.Sealed && state.Owner != owner:
		return &refusal{ledger.ErrNotOwner}
	case state.Sealed && state.LastSeal == proof.SealHash(p.batch.Seal):
		return nil
	case state.Final:
		return &refusal{ledger.ErrFinal}
	case seal.First < state.Next:
		return &refusal{fmt.Errorf("%w: number %d is there already", ledger.ErrConflict, seal.First)}
	case seal.First == state.Next && !state.AfterLoss && (seal.HasPrev != state.Sealed || seal.Prev != state.LastSeal):
		return &refusal{fmt.Errorf("%w: it does not continue the last seal", ledger.ErrConflict)}
	}
	return nil
}

// lose declares the numbers lost that are missing in front of a batch that is sound.
func (in *intake) lose(ctx context.Context, seal proof.Seal) error {
	_, err := in.r.l.AppendLoss(ctx, proof.Via{Kind: proof.ViaStore}.Append(nil), ledger.Loss{Stream: in.stream, First: in.next, Last: seal.First - 1,
		Reason: "the stream's spool was damaged there", Owner: ledger.OwnerOf(seal.Key, seal.App, seal.Environment)})
	if err != nil {
		return fmt.Errorf("declare %d to %d lost: %w", in.next, seal.First-1, err)
	}
	in.next = seal.First
	return nil
}

// flush brings the window into the journal.
func (in *intake) flush(ctx context.Context) error {
	for len(in.window) > 0 {
		in.append(ctx)
		done := 0
		for _, p := range in.window {
			if p.err != nil {
				break
			}
			in.next = p.seal.Next()
			done++
			if !p.again {
				in.r.d.Batches++
				in.r.d.Events += len(p.batch.Items)
			}
		}
		if in.window = in.window[done:]; len(in.window) == 0 {
			break
		}
		p := in.window[0]
		var hole *ledger.HoleError
		switch {
		case errors.As(p.err, &hole) && done > 0:
			// Those in front of it are placed now: again, from here.
		case errors.As(p.err, &hole) || refuses(p.err):
			in.window = in.window[1:]
			if err := in.reject(ctx, p.seal.First, p.err); err != nil {
				return err
			}
			if err := in.behindRejected(ctx); err != nil {
				return err
			}
		default:
			return p.err
		}
	}
	in.window, in.bytes = nil, 0
	return nil
}

// behindRejected readies what waits behind a batch that was not taken: its numbers are lost.
func (in *intake) behindRejected(ctx context.Context) error {
	for len(in.window) > 0 {
		err := in.prepare(ctx, in.window[0], nil)
		var no *refusal
		if !errors.As(err, &no) {
			return err
		}
		first := in.window[0].seal.First
		in.window = in.window[1:]
		if err := in.reject(ctx, first, no.why); err != nil {
			return err
		}
	}
	return nil
}

// refuses says that the ledger will never take a batch.
func refuses(err error) bool {
	for _, no := range []error{ledger.ErrInvalid, ledger.ErrConflict, ledger.ErrNotOwner, ledger.ErrFinal, ErrRevoked} {
		if errors.Is(err, no) {
			return true
		}
	}
	return false
}

// append hands the window to the ledger: seals are checked on all processors, then the batches get in line one behind the
// other, and only then is the disk waited for, so that the ledger flushes them together. One that was not sound leaves
// a hole, which the ledger refuses those behind it for.
func (in *intake) append(ctx context.Context) {
	l := in.r.l
	checked := make([]*ledger.Checked, len(in.window))
	workers := min(runtime.GOMAXPROCS(0), len(in.window))
	var all sync.WaitGroup
	for w := range workers {
		all.Go(func() {
			for i := w; i < len(in.window); i += workers {
				checked[i], in.window[i].err = l.Check(in.window[i].batch)
			}
		})
	}
	all.Wait()
	waiting := make([]*ledger.Waiting, len(in.window))
	for i, p := range in.window {
		if p.err == nil {
			waiting[i], p.err = in.r.enqueue(ctx, checked[i], p.seal.Key)
		}
	}
	for i, w := range waiting {
		if w != nil {
			p := in.window[i]
			var placed ledger.Placed
			placed, p.err = w.Wait(ctx)
			p.again = placed.Again
		}
	}
}

// reject gives a batch up. What it holds is lost to the log once a later batch shows how far the stream went; the spool
// as a whole becomes evidence.
func (in *intake) reject(ctx context.Context, first uint64, why error) error {
	typ := "spool_quarantined"
	for _, conflict := range []error{ledger.ErrConflict, ledger.ErrNotOwner, ledger.ErrFinal} {
		if errors.Is(why, conflict) {
			typ = "event_conflict"
		}
	}
	return in.r.reject(ctx, in.stream, typ, fmt.Sprintf("the batch from number %d on: %v", first, why))
}

// check is the door: the schema, and that the event is what its seal says it is. stream is the seal's.
func (r *desk) check(raw []byte, seal proof.Seal, stream event.UUID, seq uint64) error {
	ref, err := r.s.codec.Check(raw)
	if err != nil {
		return err
	}
	refuse := func(path, detail string) error {
		return &event.Error{Code: string(event.ErrContradicts), Path: path, Detail: detail}
	}
	switch {
	case ref.StreamID != stream:
		return refuse("stream_id", "is not the stream of its seal")
	case ref.StreamSeq != seq:
		return refuse("stream_seq", "is not the number under its seal")
	case string(ref.AppID) != seal.App:
		return refuse("app_id", "is not the application of its seal")
	case string(ref.Environment) != seal.Environment:
		return refuse("environment", "is not the environment of its seal")
	}
	if (ref.Reserved || aboutKeys(string(ref.EventType))) && seal.Key != r.keys.Store.VKey {
		return refuse("event_type", "may be raised only by the store itself")
	}
	return nil
}

// aboutKeys says whether a type tells a verifier which keys to trust, whatever a catalogue says of it.
func aboutKeys(eventType string) bool {
	return eventType == "key_revoked" || eventType == "key_rotated"
}

// owner is the user that a spool belongs to, which the kernel says; nil where it does not.
func (s *Store) owner(stream string) *uint32 {
	fi, err := s.FS.Stat(spool.Dir + "/" + stream)
	if err != nil {
		return nil
	}
	uid, ok := fsx.Owner(fi)
	if !ok {
		return nil
	}
	n := uint32(uid)
	return &n
}
