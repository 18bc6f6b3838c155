package store

import (
	"context"
	"fmt"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// The kinds of acts: what the store itself records. Each act has a stream of its own, whose id is derived from what it
// is about, and which it closes. So the rule that a stream's numbers are used once makes the act happen once, also when
// a crash makes the store begin it again.
const (
	actEnrol      = "enrol"      // subject: id of the key
	actClose      = "close"      // subject: the dead stream
	actRefuse     = "refuse"     // subject: stream and number of the refused event
	actQuarantine = "quarantine" // subject: stream and segment
)

// act records events about a subject, sealed by the store's own key, all or none, once. More than a batch takes are
// recorded in several batches; the order of events must be the same each time.
func (r *drain) act(ctx context.Context, kind, subject string, time48 [6]byte, events []*event.Event) error {
	stream := event.DeriveUUID(kind, subject, time48)
	state, ok, err := r.l.Stream(stream.String())
	if err != nil {
		return err
	}
	if ok && state.Final {
		return nil
	}
	done := 0
	if ok {
		done = int(state.Next - 1)
	}
	if done > len(events) {
		return fmt.Errorf("stream %s has %d events where at most %d are possible", stream, done, len(events))
	}
	signer, err := r.keys.Store.NoteSigner()
	if err != nil {
		return err
	}
	now, ev := r.s.now(), r.s.clock.Evidence()
	// The last batch is cut first so that one loop serves: an act of no events still closes its stream.
	for first := true; first || done < len(events); first = false {
		n := min(len(events)-done, batchEvents)
		seal := proof.Seal{App: storeApp, Key: r.keys.Store.VKey, Stream: stream.String(), First: uint64(done + 1), Count: n,
			Prev: state.LastSeal, HasPrev: state.Sealed, Final: done+n == len(events),
			Clock: proof.Clock{State: string(ev.State), OffsetUS: ev.OffsetUS, MaxErrorUS: ev.MaxErrorUS, MonotonicUS: ev.MonotonicUS, Source: ev.Source, BootID: ev.BootID}}
		items := make([]ledger.Item, n)
		leaves := make([]proof.Hash, n)
		for i, e := range events[done : done+n] {
			e.Timestamp, e.StreamID, e.StreamSeq = now, stream, uint64(done+i+1)
			maxError := ev.ErrorUS()
			e.Clock = &event.Clock{Confidence: string(ev.Confidence()), MaxErrorUS: &maxError}
			if e.EventID.IsZero() {
				e.EventID = event.DeriveUUID("event", fmt.Sprintf("%s/%d", stream, e.StreamSeq), time48)
			}
			b, err := r.s.codec.Append(nil, e)
			if err != nil {
				return fmt.Errorf("%s: %w", e.EventType, err)
			}
			items[i].Event, leaves[i] = b, proof.LeafHash(b)
		}
		seal.Root = proof.RootOf(leaves)
		note, err := proof.SignSeal(seal, signer)
		if err != nil {
			return err
		}
		if _, err := r.l.Append(ctx, ledger.Batch{Via: proof.Via{Kind: proof.ViaStore}.Append(nil), Items: items, Seal: note}); err != nil {
			return err
		}
		done += n
		state.LastSeal, state.Sealed = proof.SealHash(note), true
	}
	return nil
}

// batchEvents keeps a batch of the store's own events below proof.MaxBatchBytes: each is far smaller than 8 KiB.
const batchEvents = 100

// storeApp is the app_id of the store's own events.
const storeApp = "stet"

// own makes an event of the store's own.
func (s *Store) own(typ string) *event.Event { return s.sign(&event.Event{EventType: typ}) }

// sign fills into an event what all of the store's own share: where the store is, and that it speaks for itself.
func (s *Store) sign(e *event.Event) *event.Event {
	b := s.base()
	e.AppID, e.AppVersion, e.Environment, e.Host = b.AppID, b.AppVersion, b.Environment, b.Host
	e.UserID, e.SourceIP, e.Principal = b.UserID, b.SourceIP, b.Principal
	e.CodeLocation = "internal/store"
	e.EntryPoint = &event.EntryPoint{Kind: "function", Name: "drain"}
	for path, excuse := range e.Absent {
		b.Absent[path] = excuse
	}
	e.Absent, e.Derived = b.Absent, b.Derived
	for _, m := range []map[string]string{e.Absent, e.Derived} {
		delete(m, "entry_point")
		delete(m, "entry_point.name")
	}
	return e
}

// enrol records a key before the first batch that it sealed. Entry 0 of a ledger enrols the store's own key, and is
// sealed by it; from then on the store's word counts for the others. Whoever can write into a store's spool directory is
// its owner, so here every key that comes is taken.
func (r *drain) enrol(ctx context.Context, vkey string) error {
	if r.enrolled[vkey] {
		return nil
	}
	id := proof.KeyID(vkey)
	e := r.s.own("emitter_enrolled")
	e.InteractionID = id
	e.Object = &event.Object{Type: "emitter_key", ID: id}
	e.Action = "enrol"
	if err := r.act(ctx, actEnrol, id, [6]byte{}, []*event.Event{e}); err != nil {
		return err
	}
	r.enrolled[vkey] = true
	return nil
}

// refuse makes the stub of an event that can never be accepted. Its bytes are kept in quarantine and the reason is
// recorded before the stub takes the event's number, so that a crash in between repeats both.
func (r *drain) refuse(ctx context.Context, stream string, seq uint64, raw []byte, why error) (*ledger.Stub, error) {
	subject := fmt.Sprintf("%s-%d", stream, seq)
	if err := r.s.quarantine(subject+".json", raw); err != nil {
		return nil, err
	}
	e := r.s.own("event_refused")
	e.InteractionID = stream
	e.Object = &event.Object{Type: "event", ID: subject}
	e.Action = "refuse"
	e.Status, e.StatusReason = event.StatusDenied, why.Error()
	if err := r.act(ctx, actRefuse, subject, time48(stream), []*event.Event{e}); err != nil {
		return nil, err
	}
	r.d.Refused++
	return &ledger.Stub{Leaf: proof.LeafHash(raw), Reason: why.Error()}, nil
}

// time48 is what a derived id inherits from the stream it is about, so that it sorts beside it.
func time48(stream string) [6]byte {
	id, err := event.ParseUUID(stream)
	if err != nil {
		return [6]byte{}
	}
	return id.Time48()
}
