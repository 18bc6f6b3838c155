package store

import (
	"context"
	"errors"
	"runtime"
	"sync"
	"testing"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

func TestEnrol(t *testing.T) {
	m := fsxtest.New()
	ctx := context.Background()
	vkey := key("stet-emitter/web1/0").VKey
	for range 2 {
		h := hold(t, m)
		for range 2 {
			if err := h.Enrol(ctx, vkey, "token web"); err != nil {
				t.Fatal(err)
			}
		}
		if ok, err := h.Enrolled(t.Context(), proof.KeyID(vkey)); !ok || err != nil {
			t.Errorf("enrolled: %t, %v", ok, err)
		}
		if err := h.Enrol(ctx, "no key", "token web"); err == nil {
			t.Error("what is no key was enrolled")
		}
		closeHeld(t, h)
	}
	if got := mustRead(t, storeOn(m)); got.enrols[proof.KeyID(vkey)] != 1 {
		t.Errorf("enrolled %v", got.enrols)
	}
}

// An event about a key names on whose word it was, and not whoever started the server.
func TestWhoseWordAKeyStandsBy(t *testing.T) {
	d := &desk{s: storeOn(fsxtest.New())}
	d.s.where.LoginUser = origin.Value{Text: "whoever-started-it", How: "login"}
	for by, want := range map[string]string{"boss": "boss", "": "whoever-started-it"} {
		e := d.aboutKey("key_revoked", "revoke", "id", by)
		if found := e.Derived["user_id"] != ""; e.UserID != want || found != (by == "") {
			t.Errorf("on the word of %q: user_id %q, found: %v", by, e.UserID, found)
		}
	}
}

// A key that was revoked seals nothing more, whichever way it comes; what it sealed before stays, and its receipts too.
func TestRevoke(t *testing.T) {
	m := fsxtest.New()
	ctx := context.Background()
	h := hold(t, m)
	r := newRemote(t, 1, "stet-emitter/web1/0")
	id := proof.KeyID(r.key.VKey)
	if err := h.Revoke(ctx, id, "root"); !errors.Is(err, ledger.ErrUnknown) {
		t.Errorf("a key that is not enrolled: %v", err)
	}
	if err := h.Revoke(ctx, proof.KeyID(h.Marker().StoreKey), "root"); err == nil {
		t.Error("the store's own key was revoked")
	}
	before := r.say(3)
	if p := placeOne(t, h, before); p.Err != nil {
		t.Fatal(p.Err)
	}
	local := begin(m, 7)
	noneFailed(t, local)
	for range 2 {
		if err := h.Revoke(ctx, id, "root"); err != nil {
			t.Fatal(err)
		}
	}
	after := r.say(1)
	for _, when := range []string{"at once", "after a restart"} {
		if p := placeOne(t, h, after); !errors.Is(p.Err, ErrRevoked) {
			t.Errorf("%s: %v", when, p.Err)
		}
		p := placeOne(t, h, before)
		if p.Err != nil || !p.Again {
			t.Errorf("%s, what came before: %+v", when, p)
		}
		rec, _, err := h.Receipts(ctx, []Placed{p})
		if err != nil {
			t.Fatal(err)
		}
		mustReceive(t, before, rec[0])
		if err := h.Enrol(ctx, r.key.VKey, "token web"); !errors.Is(err, ErrRevoked) {
			t.Errorf("%s, enrolled again: %v", when, err)
		}
		if ok, err := h.Enrolled(t.Context(), id); ok || err != nil {
			t.Errorf("%s, enrolled: %t, %v", when, ok, err)
		}
		closeHeld(t, h)
		h = hold(t, m)
	}
	// The spool of a local process of that key is evidence.
	local.note()
	local.close()
	noneFailed(t, local)
	d, err := h.Drain(ctx)
	if err != nil || len(d.Damaged) != 1 || d.Events != 0 {
		t.Errorf("drained %+v, %v", d, err)
	}
	if left, err := spool.List(m, spool.Dir); err != nil || len(left) != 0 {
		t.Errorf("left in the spool: %v, %v", left, err)
	}
	closeHeld(t, h)
	mustVerify(t, m)
}

// Who sends while the key is revoked is placed before it or refused: a batch behind it would make the log fail to verify.
func TestRevokeWhileSending(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	ctx := context.Background()
	r := newRemote(t, 1, "stet-emitter/web1/0")
	if p := placeOne(t, h, r.say(1)); p.Err != nil {
		t.Fatal(p.Err)
	}
	var batches []Sealed
	for range 64 {
		batches = append(batches, r.say(1))
	}
	var all sync.WaitGroup
	all.Go(func() {
		for _, b := range batches {
			if p := placeOne(t, h, b); p.Err != nil {
				if !errors.Is(p.Err, ErrRevoked) {
					t.Error(p.Err)
				}
				return
			}
		}
	})
	if err := h.Revoke(ctx, proof.KeyID(r.key.VKey), "root"); err != nil {
		t.Error(err)
	}
	all.Wait()
	closeHeld(t, h)
	mustVerify(t, m)
}

// A key is shut out before its revocation is on its way to the disk: what it seals meanwhile would come behind it.
func TestRevokedBeforeItIsRecorded(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	ctx := context.Background()
	r := newRemote(t, 1, "stet-emitter/web1/0")
	if p := placeOne(t, h, r.say(1)); p.Err != nil {
		t.Fatal(p.Err)
	}
	release := m.HangAt(len(m.Ops()) + 1)
	var all sync.WaitGroup
	all.Go(func() {
		if err := h.Revoke(ctx, proof.KeyID(r.key.VKey), "root"); err != nil {
			t.Error(err)
		}
	})
	for h.State().Waiting == 0 { // until the record is on its way
		runtime.Gosched()
	}
	all.Go(func() {
		if p := placeOne(t, h, r.say(1)); !errors.Is(p.Err, ErrRevoked) {
			t.Errorf("a batch behind the revocation: %+v", p)
		}
	})
	release()
	all.Wait()
	closeHeld(t, h)
	mustVerify(t, m)
}

func TestRotated(t *testing.T) {
	m := fsxtest.New()
	h := hold(t, m)
	ctx := context.Background()
	old, fresh := newRemote(t, 1, "stet-emitter/web1/0"), newRemote(t, 2, "stet-emitter/web1/1")
	if p := placeOne(t, h, old.say(1)); p.Err != nil {
		t.Fatal(p.Err)
	}
	for range 2 {
		if err := h.Rotated(ctx, old.key.VKey, fresh.key.VKey, "token web"); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []*remote{old, fresh} {
		if p := placeOne(t, h, r.say(1)); p.Err != nil {
			t.Error(p.Err)
		}
	}
	closeHeld(t, h)
	if got := mustRead(t, storeOn(m)); got.types["key_rotated"] != 1 || got.enrols[proof.KeyID(fresh.key.VKey)] != 1 {
		t.Errorf("recorded %v", got.types)
	}
	mustVerify(t, m)
}
