package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// ErrRevoked says that a key was revoked: nothing that it seals is taken any more.
var ErrRevoked = errors.New("the key was revoked")

func revoked(vkey string) error {
	return fmt.Errorf("%w: %s; enrol another one, what it seals is taken", ErrRevoked, proof.KeyID(vkey))
}

const (
	// maxReference bounds the value of an event's reference, in bytes (SCHEMA).
	maxReference = 256
	// maxGood bounds how many keys are remembered as good; others are looked up in the ledger again.
	maxGood = 100_000
)

func (r *desk) isGood(vkey string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.good[vkey]
}

// enrol records a key before the first batch that it sealed; ErrRevoked where it was revoked. Entry 0 of a ledger enrols
// the store's own key, and is sealed by it; from then on the store's word counts for the others. by says on whose word;
// "": whoever can write into a store's spool directory is its owner, so there every key that comes is taken.
func (r *desk) enrol(ctx context.Context, vkey, by string) error {
	if r.isGood(vkey) {
		return nil
	}
	id := proof.KeyID(vkey)
	gone, err := r.isRevoked(ctx, id)
	if err != nil {
		return err
	}
	if gone {
		return revoked(vkey)
	}
	e := r.aboutKey("emitter_enrolled", "enrol", id, by)
	if len(vkey) <= maxReference { // otherwise every seal that it makes still says it
		e.References = append(e.References, event.Reference{Kind: "vkey", Value: vkey})
	}
	if _, err := r.act(ctx, actEnrol, id, [6]byte{}, []*event.Event{e}); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.revoked[id] { // meanwhile
		return revoked(vkey)
	}
	if len(r.good) < maxGood {
		r.good[vkey] = true
	}
	return nil
}

// isRevoked says whether a key was revoked, in this run or before.
func (r *desk) isRevoked(ctx context.Context, id string) (bool, error) {
	r.mu.RLock()
	known := r.revoked[id]
	r.mu.RUnlock()
	if known {
		return true, nil
	}
	_, _, there, err := r.actStream(ctx, actRevoke, id, [6]byte{})
	if err != nil || !there {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.revoked[id] = true
	return true, nil
}

// revoke records that a key is not to be trusted from here on. It is shut out first, so that nothing that it sealed can
// come behind that record, also where the record fails.
func (r *desk) revoke(ctx context.Context, id, by string) error {
	if id == proof.KeyID(r.keys.Store.VKey) {
		return fmt.Errorf("key %s is the store's own, whose word all others stand by: it cannot be revoked", id)
	}
	_, _, there, err := r.actStream(ctx, actEnrol, id, [6]byte{})
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("%w: no key %s is enrolled", ledger.ErrUnknown, id)
	}
	r.mu.Lock()
	r.revoked[id] = true
	for vkey := range r.good {
		if proof.KeyID(vkey) == id {
			delete(r.good, vkey)
		}
	}
	r.mu.Unlock()
	_, err = r.act(ctx, actRevoke, id, [6]byte{}, []*event.Event{r.aboutKey("key_revoked", "revoke", id, by)})
	return err
}

// aboutKey makes an event of the store's own about a key.
func (r *desk) aboutKey(typ, action, id, by string) *event.Event {
	e := r.s.own(typ)
	e.InteractionID = id
	e.Object = &event.Object{Type: "emitter_key", ID: id}
	e.Action = action
	if by != "" {
		e.UserID = by
		delete(e.Absent, "user_id")
		delete(e.Derived, "user_id")
		e.References = append(e.References, event.Reference{Kind: "by", Value: by[:min(len(by), maxReference)]})
	}
	return e
}

// Enrolled says whether a key is enrolled in the log of a store that only is read: whose marker and head these are. vkey is
// the key in its verifier form.
func Enrolled(fsys fsx.FS, m Marker, h ledger.Head, vkey string) (bool, error) {
	look := func(id string) (ledger.StreamState, bool, error) { return ledger.LookupStream(fsys, h, id) }
	_, _, there, err := findAct(look, m.StoreKey, actEnrol, proof.KeyID(vkey), [6]byte{})
	return there, err
}

// Enrol enrols a key, once, before anything that it sealed has come: by says on whose word. ErrRevoked where it was
// revoked.
func (h *Held) Enrol(ctx context.Context, vkey, by string) error {
	if err := proof.CheckVKey(vkey); err != nil {
		return err
	}
	return h.enrol(ctx, vkey, by)
}

// Enrolled says whether a key is enrolled, and not revoked. id is its proof.KeyID.
func (h *Held) Enrolled(ctx context.Context, id string) (bool, error) {
	_, _, there, err := h.actStream(ctx, actEnrol, id, [6]byte{})
	if err != nil || !there {
		return false, err
	}
	gone, err := h.isRevoked(ctx, id)
	return !gone, err
}

// Revoked says whether a key was revoked. id is its proof.KeyID.
func (h *Held) Revoked(ctx context.Context, id string) (bool, error) { return h.isRevoked(ctx, id) }

// Revoke revokes an enrolled key, once. id is its proof.KeyID; ledger.ErrUnknown where no such key is enrolled. What it
// sealed before stays good; from now on nothing that it seals is taken, also where the record of it fails: then Revoke must
// be called again.
func (h *Held) Revoke(ctx context.Context, id, by string) error { return h.revoke(ctx, id, by) }

// Rotated enrols a key, and records that it takes the place of another, once. The old one is not revoked: what it has
// sealed and not sent yet is still to come.
func (h *Held) Rotated(ctx context.Context, old, vkey, by string) error {
	if err := h.Enrol(ctx, vkey, by); err != nil {
		return err
	}
	from, to := proof.KeyID(old), proof.KeyID(vkey)
	e := h.aboutKey("key_rotated", "rotate", from, by)
	e.References = append(e.References, event.Reference{Kind: "replaced_by", Value: to})
	_, err := h.act(ctx, actRotate, from+"\n"+to, [6]byte{}, []*event.Event{e})
	return err
}
