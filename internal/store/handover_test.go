package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// follow is a client: it trusts one key of the log, reads chain and checkpoint as anybody can, and says which key it has come
// to.
func follow(fsys fsx.FS, trusted string) (proof.Checkpoint, string, error) {
	src := logread.Store(fsys)
	chain, err := logread.Keys(context.Background(), src)
	if err != nil {
		return proof.Checkpoint{}, "", err
	}
	msg, err := src.Fetch(context.Background(), logread.CheckpointPath)
	if err != nil {
		return proof.Checkpoint{}, "", err
	}
	return chain.OpenCheckpoint(msg, trusted)
}

func mustFollow(t testing.TB, fsys fsx.FS, trusted, want string) {
	t.Helper()
	if _, got, err := follow(fsys, trusted); err != nil || got != want {
		t.Errorf("followed from %s: %s, %v, want %s", trusted, got, err, want)
	}
}

// pinnedTo verifies the store for somebody who has pinned a key.
func pinnedTo(t testing.TB, fsys fsx.FS, vkey string) verify.Report {
	t.Helper()
	rep, err := verify.Store(t.Context(), fsys, verify.Options{Workers: 1, LogKey: vkey})
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func exists(t testing.TB, fsys fsx.FS, name string) bool {
	t.Helper()
	_, err := fsys.Stat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// signers says which keys have signed the present checkpoint.
func signersOf(t testing.TB, h *Held) (by []string) {
	t.Helper()
	for _, vkey := range h.LogKeys().All() {
		if _, _, err := (proof.KeyChain{}).OpenCheckpoint(h.Checkpoint(), vkey); err == nil {
			by = append(by, vkey)
		}
	}
	return by
}

// TestTheLogsKeyIsRotatedAndRetired walks through the life of a log's keys.
func TestTheLogsKeyIsRotatedAndRetired(t *testing.T) {
	m := fsxtest.New()
	r := newRemote(t, 1, "stet-emitter/web1/0")
	first := key(logName).VKey
	h := hold(t, m)
	place := func(h *Held) {
		t.Helper()
		if p := placeOne(t, h, r.say(1)); p.Err != nil {
			t.Fatal(p.Err)
		}
		if _, err := h.l.Publish(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	place(h)
	if got := h.LogKeys(); got.Newest() != first || len(got.Beside) != 0 || got.Chain.Len() != 0 {
		t.Errorf("before: %+v", got)
	}
	if _, err := h.RetireLogKeys(t.Context(), "root"); !errors.Is(err, ErrKeys) {
		t.Errorf("retired the only key: %v", err)
	}
	turned, err := h.RotateLogKey(t.Context(), "root")
	if err != nil {
		t.Fatal(err)
	}
	second := turned.Newest()
	if second == first || !slices.Equal(turned.Beside, []string{first}) || turned.Chain.Len() != 1 {
		t.Fatalf("rotated: %+v", turned)
	}
	if by := signersOf(t, h); !slices.Equal(by, []string{first, second}) {
		t.Errorf("signed by %v, want both", by)
	}
	place(h)
	closeHeld(t, h)
	for _, trusted := range []string{first, second} {
		mustFollow(t, m, trusted, second)
		rep := pinnedTo(t, m, trusted)
		if rep.State() != verify.Verified || rep.LogKey != second || len(rep.LogKeys) != 1 || rep.LogKeys[0].Old != first || rep.LogKeys[0].New != second || len(rep.Findings) > 0 {
			t.Errorf("verified from %s: %v, key %s, changes %+v, %v", trusted, rep.State(), rep.LogKey, rep.LogKeys, rep.Findings)
		}
	}
	if rep := pinnedTo(t, m, key("stranger").VKey); rep.State() != verify.Failed {
		t.Errorf("verified from a stranger's key: %v", rep.State())
	}
	if last, _, err := storeOn(m).Known.Last(logName); err != nil || last.VKey != second {
		t.Errorf("remembered is %s, %v, want the new key", last.VKey, err)
	}
	if got := mustRead(t, storeOn(m)); got.types["key_rotated"] != 1 {
		t.Errorf("the log has %v", got.types)
	}

	// A drain signs with both keys, too.
	p := begin(m, 5)
	p.note()
	p.close()
	noneFailed(t, p)
	mustDrain(t, storeOn(m))
	mustFollow(t, m, first, second)

	h = hold(t, m)
	if by := signersOf(t, h); !slices.Equal(by, []string{first, second}) {
		t.Errorf("opened again: signed by %v, want both", by)
	}
	if turned, err = h.RotateLogKey(t.Context(), "root"); err != nil {
		t.Fatal(err)
	}
	third := turned.Newest()
	if by := signersOf(t, h); !slices.Equal(by, []string{first, second, third}) {
		t.Errorf("rotated again: signed by %v, want all three", by)
	}
	gone, err := h.RetireLogKeys(t.Context(), "root")
	if err != nil || !slices.Equal(gone, []string{first, second}) {
		t.Fatalf("retired %v, %v", gone, err)
	}
	if by := signersOf(t, h); !slices.Equal(by, []string{third}) {
		t.Errorf("retired: signed by %v, want the newest alone", by)
	}
	place(h)
	closeHeld(t, h)
	for name, want := range map[string]bool{"keys/log.key": false, "keys/log-1.key": false, "keys/log-2.key": true} {
		if got := exists(t, m, name); got != want {
			t.Errorf("%s is there: %v, want %v", name, got, want)
		}
	}
	for _, trusted := range []string{first, second, third} {
		mustFollow(t, m, trusted, third)
		if rep := pinnedTo(t, m, trusted); rep.State() != verify.Verified || rep.LogKey != third || len(rep.LogKeys) != 2 || rep.LogKeys[0].Retired == 0 || rep.LogKeys[1].Retired == 0 {
			t.Errorf("verified from %s: %v, key %s, changes %+v, %v", trusted, rep.State(), rep.LogKey, rep.LogKeys, rep.Findings)
		}
	}
	mustVerify(t, m)
	h = hold(t, m)
	place(h)
	closeHeld(t, h)
	mustVerify(t, m)
}

// TestAnOldCopyIsARollbackAfterARotation: what stood in the store before its key was rotated is not taken back, not even by
// the old key's signature.
func TestAnOldCopyIsARollbackAfterARotation(t *testing.T) {
	m := fsxtest.New()
	closeHeld(t, hold(t, m))
	old := copied(t, m)
	h := hold(t, m)
	if _, err := h.RotateLogKey(t.Context(), "root"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.RetireLogKeys(t.Context(), "root"); err != nil {
		t.Fatal(err)
	}
	closeHeld(t, h)
	s := storeOn(old)
	s.Known = known.Dir{FS: m, Name: "state"} // this computer's memory is not in the copy
	before, err := fsx.ReadFile(old, ledger.HeadFile, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	var bad *ledger.IntegrityError
	if _, err := s.Hold(t.Context(), HoldOptions{Preallocate: -1}); !errors.As(err, &bad) || !errors.Is(err, known.ErrContradiction) {
		t.Errorf("held: %v, want an integrity failure", err)
	}
	if _, err := s.Drain(t.Context()); !errors.As(err, &bad) {
		t.Errorf("drained: %v, want an integrity failure", err)
	}
	if now, err := fsx.ReadFile(old, ledger.HeadFile, 1<<20); err != nil || string(now) != string(before) {
		t.Errorf("something was added to it: %v", err)
	}
	last, _, err := s.Known.Last(logName)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := verify.Store(t.Context(), old, verify.Options{Workers: 1, Known: []verify.Known{{Checkpoint: last.Note, From: "this computer"}}})
	if err != nil || rep.State() != verify.Failed {
		t.Errorf("verified: %v, %v, want failed", rep.State(), err)
	}
}

// TestKeysThatDoNotFit: a store whose keys are not those that its chain names is not opened, and fails to verify.
func TestKeysThatDoNotFit(t *testing.T) {
	base := fsxtest.New()
	h := hold(t, base)
	for range 2 {
		if _, err := h.RotateLogKey(t.Context(), "root"); err != nil {
			t.Fatal(err)
		}
	}
	closeHeld(t, h)
	read := func(name string) []byte {
		t.Helper()
		b, err := fsx.ReadFile(base, name, int64(proof.MaxKeyChain))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	chain, err := proof.ParseKeyChain(read(chainFile))
	if err != nil {
		t.Fatal(err)
	}
	_, one := chain.At(0)
	short, err := (proof.KeyChain{}).Add(one)
	if err != nil {
		t.Fatal(err)
	}
	_, stranger, err := keyfile.GenerateFile(logName, strings.NewReader(strings.Repeat("s", 32)))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name     string
		change   func(m *fsxtest.Mem) error
		verifies bool
		opens    bool
	}{
		{"nothing", func(*fsxtest.Mem) error { return nil }, true, true},
		{"the newest key is missing", func(m *fsxtest.Mem) error { return m.Remove("keys/log-2.key") }, false, false},
		{"the newest key is another", func(m *fsxtest.Mem) error { return fsx.Replace(m, "keys/log-2.key", stranger, 0o600) }, false, false},
		{"an older key is another", func(m *fsxtest.Mem) error { return fsx.Replace(m, "keys/log-1.key", stranger, 0o600) }, false, false},
		{"the newest key can be read by others", func(m *fsxtest.Mem) error {
			return errors.Join(m.Remove("keys/log-2.key"), fsx.Replace(m, "keys/log-2.key", read("keys/log-2.key"), 0o644))
		}, false, false},
		{"no key at all", func(m *fsxtest.Mem) error { return fsx.Replace(m, "keys/log-2.key", []byte("x"), 0o600) }, false, false},
		{"the chain is damaged", func(m *fsxtest.Mem) error { return fsx.Replace(m, chainFile, read(chainFile)[1:], 0o644) }, false, false},
		{"the chain begins elsewhere", func(m *fsxtest.Mem) error {
			_, msg := chain.At(1)
			c, err := (proof.KeyChain{}).Add(msg)
			return errors.Join(err, fsx.Replace(m, chainFile, c.Append(nil), 0o644))
		}, false, false},
		// By itself that looks like a change which was cut short, and the log says how it goes on. This computer knows better.
		{"the chain was put back", func(m *fsxtest.Mem) error { return fsx.Replace(m, chainFile, short.Append(nil), 0o644) }, true, false},
		{"the chain was put back, and nothing is remembered", func(m *fsxtest.Mem) error {
			s := storeOn(m)
			return errors.Join(m.Rename("state", "gone"), fsx.Replace(s.FS, chainFile, short.Append(nil), 0o644))
		}, true, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := copied(t, base)
			if err := tt.change(m); err != nil {
				t.Fatal(err)
			}
			rep := pinnedTo(t, m, key(logName).VKey)
			if got := rep.State() == verify.Verified; got != tt.verifies {
				t.Errorf("verify: %v, %v", rep.State(), rep.Findings)
			}
			h, err := holdOn(m, 77)
			if (err == nil) != tt.opens {
				t.Fatalf("held: %v, want it %v", err, tt.opens)
			}
			if err == nil {
				if got := h.LogKeys().Chain.Len(); got != 2 {
					t.Errorf("it opens with %d handovers", got)
				}
				closeHeld(t, h)
			}
		})
	}
}

// turns is what somebody who changes a log's keys was told, and what a client has seen meanwhile.
type turns struct {
	rotated, retired bool
	trusted          []string // keys that a client has come to trust
	seen             [][]byte // checkpoints
}

func (c turns) clone() turns {
	c.trusted, c.seen = slices.Clone(c.trusted), slices.Clone(c.seen)
	return c
}

// look is a client's.
func (c *turns) look(m *fsxtest.Mem, h *Held) error {
	_, vkey, err := follow(m, c.trusted[len(c.trusted)-1])
	if errors.Is(err, proof.ErrSignature) || errors.Is(err, proof.ErrMalformed) {
		return fmt.Errorf("a client cannot follow: %w", err)
	}
	if err != nil {
		return nil //nolint:nilerr // the disk failed
	}
	c.trusted, c.seen = append(c.trusted, vkey), append(c.seen, h.Checkpoint())
	return nil
}

// TestKeysAreChangedWholeOrNotAtAll: wherever a change of the log's keys is cut short, or the disk fails it, the store opens
// again, no key that it needs is lost, whoever trusted any key of the log can follow, also before it is opened again, and
// the log says of each change once.
func TestKeysAreChangedWholeOrNotAtAll(t *testing.T) {
	first := key(logName).VKey
	base := fsxtest.New()
	closeHeld(t, hold(t, base))
	sound := map[string]bool{}
	p := fsxtest.Plan{
		Start: func() *fsxtest.Mem { return copied(t, base) },
		Run: func(m *fsxtest.Mem) any {
			c := turns{trusted: []string{first}}
			h, err := holdOn(m, 200)
			if err != nil {
				return c
			}
			_, err = h.RotateLogKey(t.Context(), "root")
			c.rotated = err == nil
			if c.rotated {
				if err := c.look(m, h); err != nil {
					t.Error(err)
				}
				_, err = h.RetireLogKeys(t.Context(), "root")
				c.retired = err == nil
			}
			if c.retired {
				if err := c.look(m, h); err != nil {
					t.Error(err)
				}
			}
			_ = h.Close(context.Background())
			return c.clone()
		},
		Check: func(m *fsxtest.Mem, was any) error {
			c := was.(turns).clone()
			id := fmt.Sprintf("%x %v %v %d", m.Hash(), c.rotated, c.retired, len(c.seen))
			if sound[id] {
				return nil
			}
			sound[id] = true
			for _, trusted := range c.trusted {
				if _, _, err := follow(m, trusted); err != nil {
					return fmt.Errorf("before it is opened again: %w", err)
				}
			}
			h, err := holdOn(m, 201)
			if err != nil {
				return err
			}
			keys := h.LogKeys()
			got, err := read(storeOn(m))
			if err != nil {
				return err
			}
			switch n := keys.Chain.Len(); {
			case n != got.types["key_rotated"]:
				return fmt.Errorf("%d handovers, and the log has %v", n, got.types)
			case n > 1 || c.rotated && n == 0:
				return fmt.Errorf("%d handovers, acknowledged: %v", n, c.rotated)
			case got.types["key_revoked"] > 1 || c.retired && (got.types["key_revoked"] == 0 || len(keys.Beside) > 0):
				return fmt.Errorf("retired: %v, the log has %v, and %d old keys sign", c.retired, got.types, len(keys.Beside))
			case (got.types["key_revoked"] == 1) != (n == 1 && len(keys.Beside) == 0):
				return fmt.Errorf("the log has %v, and %d old keys sign", got.types, len(keys.Beside))
			}
			if _, err := m.Stat("keys/log.key"); (err == nil) != (got.types["key_revoked"] == 0) {
				return fmt.Errorf("the first key: %w, and the log has %v", err, got.types)
			}
			// Whatever was cut short can be done again.
			if _, err := h.RotateLogKey(context.Background(), "root"); err != nil {
				return err
			}
			if err := h.Close(context.Background()); err != nil {
				return err
			}
			for _, trusted := range append(c.trusted, keys.Newest()) {
				if _, _, err := follow(m, trusted); err != nil {
					return fmt.Errorf("after it was opened again: %w", err)
				}
			}
			return verified(m, c.seen)
		},
		MaxStates: 100,
	}
	fsxtest.Explore(t, p)
	fsxtest.Faults(t, p, 3)
}
