package store

import (
	"context"
	"fmt"
	"maps"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// The kinds of acts: what the store itself records. Each act has a stream of its own, whose id is derived from what it
// is about, and which it closes. So the rule that a stream's numbers are used once makes the act happen once, also when
// a crash makes the store begin it again.
const (
	actEnrol      = "enrol"      // subject: id of the key
	actRevoke     = "revoke"     // subject: id of the key
	actRotate     = "rotate"     // subject: ids of the old key and the new one
	actHandOver   = "logkey"     // subject: ids of the log's old key and of its new one
	actRetire     = "retire"     // subject: id of an old key of the log
	actClose      = "close"      // subject: the dead stream
	actRefuse     = "refuse"     // subject: stream and number of the refused event
	actReject     = "reject"     // subject: the stream whose spool holds what cannot be taken
	actQuarantine = "quarantine" // subject: stream and segment
	actLeft       = "left"       // subject: digest of what a server left open
	actFind       = "find"       // subject: type of the finding and what it is about
)

const (
	// actBatch keeps a batch of the store's own events below proof.MaxBatchBytes: each is far smaller than 8 KiB.
	actBatch = 100
	// storeApp is the app_id of the store's own events. They have no environment.
	storeApp = "stet"
	// maxSquatted bounds how many ids an act tries that somebody else has taken.
	maxSquatted = 16
)

// actStream finds the stream of an act, and how far it is. Its id is no secret, so somebody else may have opened a
// stream under it, to keep the act from happening: then the next id is the act's. Whose a stream is never changes, so
// that every round comes to the same one.
func (r *desk) actStream(ctx context.Context, kind, subject string, time48 [6]byte) (id event.UUID, state ledger.StreamState, there bool, err error) {
	find := func(id string) (ledger.StreamState, bool, error) { return r.l.Stream(ctx, id) }
	return findAct(find, r.keys.Store.VKey, kind, subject, time48)
}

func findAct(find func(id string) (ledger.StreamState, bool, error), storeKey, kind, subject string, time48 [6]byte) (id event.UUID, state ledger.StreamState, there bool, err error) {
	mine := ledger.OwnerOf(storeKey, storeApp, "")
	for i := range maxSquatted {
		name := subject
		if i > 0 {
			name = fmt.Sprintf("%s\n%d", subject, i)
		}
		id = event.DeriveUUID(kind, name, time48)
		state, there, err = find(id.String())
		if err != nil || !there || state.Owner == mine {
			return id, state, there, err
		}
	}
	return id, state, false, &ledger.IntegrityError{File: "streams", Reason: fmt.Sprintf("all ids for the act %q about %s are taken by others", kind, subject)}
}

// acted says whether an act has begun.
func (r *desk) acted(ctx context.Context, kind, stream string) (bool, error) {
	_, _, there, err := r.actStream(ctx, kind, stream, time48(stream))
	return there, err
}

// act records events about a subject, sealed by the store's own key, all or none, once. More than a batch takes are
// recorded in several batches; the order of events must be the same each time. It returns how many were recorded now.
func (r *desk) act(ctx context.Context, kind, subject string, time48 [6]byte, events []*event.Event) (int, error) {
	alone := r.acting.of(kind, subject)
	alone.Lock()
	defer alone.Unlock()
	stream, state, there, err := r.actStream(ctx, kind, subject, time48)
	if err != nil || there && state.Final {
		return 0, err
	}
	before := 0
	if there {
		before = int(state.Next - 1)
	}
	if before >= len(events) {
		return 0, &ledger.IntegrityError{File: "streams", Reason: fmt.Sprintf("stream %s of the act %q about %s has %d events and is open, where %d are all", stream, kind, subject, before, len(events))}
	}
	signer, err := r.keys.Store.NoteSigner()
	if err != nil {
		return 0, err
	}
	prev, hasPrev := state.LastSeal, state.Sealed
	for done := before; done < len(events); {
		n := min(len(events)-done, actBatch)
		now, ev := r.s.now(), r.s.clock.Evidence()
		seal := proof.Seal{App: storeApp, Key: r.keys.Store.VKey, Stream: stream.String(), First: uint64(done + 1), Count: n,
			Prev: prev, HasPrev: hasPrev, Final: done+n == len(events), Clock: emitter.SealClock(ev)}
		items := make([]ledger.Item, n)
		leaves := make([]proof.Hash, n)
		for i, e := range events[done : done+n] {
			e.Timestamp, e.StreamID, e.StreamSeq = now, stream, uint64(done+i+1)
			e.Clock = emitter.EventClock(ev)
			if e.EventID.IsZero() {
				e.EventID = event.DeriveUUID("event", fmt.Sprintf("%s/%d", stream, e.StreamSeq), time48)
			}
			b, err := r.s.codec.Append(nil, e)
			if err != nil {
				return done - before, fmt.Errorf("the store's own %s: %w", e.EventType, err)
			}
			items[i].Event, leaves[i] = b, proof.LeafHash(b)
		}
		seal.Root = proof.RootOf(leaves)
		note, err := proof.SignSeal(seal, signer)
		if err != nil {
			return done - before, err
		}
		if _, err := r.l.Append(ctx, ledger.Batch{Via: proof.Via{Kind: proof.ViaStore}.Append(nil), Items: items, Seal: note}); err != nil {
			return done - before, err
		}
		done += n
		prev, hasPrev = proof.SealHash(note), true
	}
	return len(events) - before, nil
}

// own makes an event of the store's own.
func (s *Store) own(typ string) *event.Event { return s.sign(&event.Event{EventType: typ}) }

// sign fills into an event what all of the store's own share: where the store is, and that it speaks for itself.
func (s *Store) sign(e *event.Event) *event.Event {
	b := s.base()
	e.AppID, e.AppVersion, e.Environment, e.Host = b.AppID, b.AppVersion, b.Environment, b.Host
	e.UserID, e.SourceIP, e.Principal = b.UserID, b.SourceIP, b.Principal
	e.CodeLocation = "internal/store"
	e.EntryPoint = &event.EntryPoint{Kind: "function", Name: "drain"}
	maps.Copy(b.Absent, e.Absent)
	e.Absent, e.Derived = b.Absent, b.Derived
	for _, m := range []map[string]string{e.Absent, e.Derived} {
		delete(m, "entry_point")
		delete(m, "entry_point.name")
	}
	return e
}

// complete fills into an event of a server's own what the caller has not said: where the store is, and that it speaks for
// itself.
func (s *Store) complete(e *event.Event) {
	b := s.base()
	e.AppID, e.AppVersion, e.Environment = b.AppID, b.AppVersion, b.Environment
	if e.Host == nil {
		e.Host = b.Host
	}
	if e.Principal == nil {
		e.Principal = b.Principal
	} else {
		delete(b.Derived, "principal")
	}
	if e.CodeLocation == "" {
		e.CodeLocation = "internal/store"
	}
	if e.EntryPoint == nil {
		e.EntryPoint = &event.EntryPoint{Kind: "function", Name: "serve"}
	}
	excused := e.Absent
	e.Absent, e.Derived = b.Absent, b.Derived
	for _, x := range []struct {
		path string
		to   *string
		ours string
	}{{"user_id", &e.UserID, b.UserID}, {"source_ip", &e.SourceIP, b.SourceIP}} {
		switch {
		case *x.to != "":
			delete(e.Absent, x.path)
			delete(e.Derived, x.path)
		case excused[x.path] != "": // nobody is not whoever started the server
			delete(e.Derived, x.path)
		default:
			*x.to = x.ours
		}
	}
	maps.Copy(e.Absent, excused)
	for _, m := range []map[string]string{e.Absent, e.Derived} {
		delete(m, "entry_point")
		delete(m, "entry_point.name")
	}
}

// time48 is what a derived id inherits from the stream it is about, so that it sorts beside it.
func time48(stream string) [6]byte {
	id, err := event.ParseUUID(stream)
	if err != nil {
		return [6]byte{}
	}
	return id.Time48()
}
