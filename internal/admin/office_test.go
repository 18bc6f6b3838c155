package admin

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/proof"
)

func TestEveryChangeIsAnEvent(t *testing.T) {
	w := newWorld(t)
	text, writer := w.create(auth.Spec{Role: auth.Writer, App: "billing", Environment: "production", Expires: 90 * 24 * time.Hour, Name: "w"})
	made := w.log.took()
	if len(made) != 1 || made[0].EventType != "token_created" || made[0].Object.ID != "w" || made[0].UserID != "uid:0" ||
		made[0].Labels["role"] != "writer" || made[0].Labels["app"] != "billing" || made[0].Labels["environment"] != "production" || !strings.HasPrefix(made[0].Labels["expires"], "2026-05-30T") {
		t.Errorf("a token was made: %+v", made)
	}

	one, two := key(t, "emitter/one"), key(t, "emitter/two")
	for _, step := range []struct {
		name     string
		key, old keyfile.Key
		want     error
		told     []string
	}{
		{"the first key", one, keyfile.Key{}, nil, []string{"emitter_enrolled"}},
		{"once more", one, keyfile.Key{}, nil, []string{"emitter_enrolled"}}, // the real log says it once
		{"rotation from a key of somebody else", two, key(t, "emitter/stranger"), auth.ErrKey, nil},
		{"rotation", two, one, nil, []string{"emitter_enrolled", "key_rotated"}},
	} {
		claim, err := auth.SignClaim(text, step.key, step.old)
		if err != nil {
			t.Fatal(err)
		}
		id, err := w.Tokens.Authenticate(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := w.EnrolKey(t.Context(), By{Identity: id}, claim)
		if !errors.Is(err, step.want) || err == nil && got.ID != proof.KeyID(step.key.VKey) {
			t.Errorf("%s: %+v, %v; want %v", step.name, got, err, step.want)
		}
		equal(t, step.name, w.log.told(), step.told...)
	}
	if _, err := w.RevokeKey(t.Context(), root(), one.ID()[:16]); err != nil {
		t.Error(err)
	}
	equal(t, "a key was revoked", w.log.told(), "key_revoked")
	for _, id := range []string{"", "x", one.ID()[:15], strings.Repeat("0", 16), one.ID() + "0"} {
		if _, err := w.RevokeKey(t.Context(), root(), id); !errors.Is(err, ErrNoKey) {
			t.Errorf("revoke %q: %v", id, err)
		}
	}
	for range 2 {
		if _, err := w.RevokeToken(t.Context(), root(), "w"); err != nil {
			t.Error(err)
		}
	}
	equal(t, "a token was revoked, twice", w.log.told(), "token_revoked")
	if _, err := w.Tokens.Authenticate(text); !errors.Is(err, auth.ErrRevoked) {
		t.Errorf("the revoked token: %v", err)
	}
	claim, err := auth.SignClaim(text, two, one)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.EnrolKey(t.Context(), writer, claim); !errors.Is(err, auth.ErrKey) && !errors.Is(err, auth.ErrNotAllowed) {
		t.Errorf("a key for a token that was revoked meanwhile: %v", err)
	}
	scan(t, "the log", w.log.bytes, text)
}

func key(t testing.TB, name string) keyfile.Key {
	t.Helper()
	k, err := keyfile.Generate(name, nil)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestWhoMayNotEnrol(t *testing.T) {
	w := newWorld(t)
	k := key(t, "emitter/one")
	for _, s := range []auth.Spec{{Role: auth.Reader, App: "billing"}, {Role: auth.Auditor}, {Role: auth.Admin}} {
		text, by := w.create(s)
		claim, err := auth.SignClaim(text, k, keyfile.Key{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.EnrolKey(t.Context(), by, claim); !errors.Is(err, auth.ErrNotAllowed) {
			t.Errorf("a %s: %v", s.Role, err)
		}
	}
	text, _ := w.create(auth.Spec{Role: auth.Writer, App: "billing"})
	_, other := w.create(auth.Spec{Role: auth.Writer, App: "payroll"})
	claim, err := auth.SignClaim(text, k, keyfile.Key{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.EnrolKey(t.Context(), other, claim); !errors.Is(err, auth.ErrClaim) {
		t.Errorf("with another's claim: %v", err)
	}
	if _, err := w.EnrolKey(t.Context(), root(), claim); !errors.Is(err, auth.ErrNotAllowed) {
		t.Errorf("without a token: %v", err)
	}
	if all, err := w.Keys(t.Context()); len(all) != 0 || err != nil {
		t.Errorf("keys there are: %v, %v", all, err)
	}
}

// Nobody holds a token that the log does not know, and a token is shut out even where the log cannot be told.
func TestWhenTheLogFails(t *testing.T) {
	w := newWorld(t)
	old, _ := w.create(auth.Spec{Role: auth.Admin, Name: "old"})
	w.log.told()
	w.log.fails = errDisk
	text, _, err := w.CreateToken(t.Context(), root(), auth.Spec{Role: auth.Admin, Name: "new"})
	if !errors.Is(err, errDisk) || text != "" {
		t.Errorf("a token of which the log was not told is handed out: %v", err)
	}
	if list := w.Tokens.List(); len(list) != 2 || list[1].Revoked.IsZero() {
		t.Errorf("it is still good: %+v", list)
	}
	if _, err := w.RevokeToken(t.Context(), root(), "old"); !errors.Is(err, errDisk) || !strings.Contains(err.Error(), "is shut out") {
		t.Errorf("revocation: %v", err)
	}
	if _, err := w.Tokens.Authenticate(old); !errors.Is(err, auth.ErrRevoked) {
		t.Errorf("the token that was revoked while the log was gone: %v", err)
	}
	w.log.fails = nil
	w.reopen()
	for range 2 {
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	equal(t, "the next server", w.log.told(), "token_revoked", "token_revoked")
}

// A crash at any moment leaves no token that the log does not know of, and no revocation of which it is never told.
func TestChangesSurviveCrashes(t *testing.T) {
	// The log is on another disk here: each of its events is durable.
	type claims struct {
		log     *fakeLog
		handed  string
		revoked bool
	}
	p := fsxtest.Plan{
		Run: func(fsys *fsxtest.Mem) any {
			c := claims{log: &fakeLog{}}
			w := &world{t: t, log: c.log, disk: fsys}
			tokens, err := auth.Open(fsys, auth.Options{LogKeys: []string{vkey("log.example/a")}, Now: func() time.Time { return noon }})
			if err != nil {
				return c
			}
			w.Office = &Office{Log: w.log, Tokens: tokens, FS: fsys}
			if c.handed, _, err = w.CreateToken(t.Context(), root(), auth.Spec{Role: auth.Admin, Name: "a"}); err != nil {
				return c
			}
			_, err = w.RevokeToken(t.Context(), root(), "a")
			c.revoked = err == nil
			return c
		},
		Check: func(fsys *fsxtest.Mem, acked any) error {
			c := acked.(claims)
			w := &world{t: t, log: &fakeLog{}, disk: fsys}
			w.reopen()
			if err := w.Settle(t.Context()); err != nil {
				return err
			}
			said := map[string]bool{}
			for _, e := range append(c.log.events, w.log.events...) {
				said[e.EventType] = true
			}
			if c.handed == "" {
				return nil
			}
			_, err := w.Tokens.Authenticate(c.handed)
			switch {
			case !said["token_created"]:
				return errors.New("a token was handed out and the log does not know of it")
			case c.revoked && !errors.Is(err, auth.ErrRevoked):
				return errors.New("a token that was revoked is good again")
			case errors.Is(err, auth.ErrRevoked) && !said["token_revoked"]:
				return errors.New("a token is shut out and the log does not know of it")
			}
			return nil
		},
	}
	fsxtest.Explore(t, p)
}
