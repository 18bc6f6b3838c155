package proof

import (
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

const (
	chainLog  = "log.example/a"
	otherLog  = "log.example/b"
	chainTime = "2026-03-01T03:00:00.000000000Z"
)

// hand signs a handover between two of testSigner's keys of a log.
func hand(t testing.TB, log string, from, to byte, size uint64) []byte {
	t.Helper()
	old, oldKey := testSigner(t, from, log)
	next, nextKey := testSigner(t, to, log)
	msg, err := SignHandover(Handover{Old: oldKey, New: nextKey, Size: size, Time: chainTime}, old, next)
	if err != nil {
		t.Fatal(err)
	}
	return msg
}

// chainOf adds handovers one by one.
func chainOf(t testing.TB, notes ...[]byte) KeyChain {
	t.Helper()
	var c KeyChain
	for _, msg := range notes {
		var err error
		if c, err = c.Add(msg); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// TestHandoverNeedsBothKeys: whoever has only one of the two keys hands nothing over, nor does anybody else.
func TestHandoverNeedsBothKeys(t *testing.T) {
	old, oldKey := testSigner(t, 1, chainLog)
	next, nextKey := testSigner(t, 2, chainLog)
	stranger, strangerKey := testSigner(t, 3, chainLog)
	foreign, foreignKey := testSigner(t, 2, otherLog)
	h := Handover{Old: oldKey, New: nextKey, Size: 5, Time: chainTime}
	sign := func(text string, signers ...note.Signer) []byte { // not by SignHandover, which would refuse these
		t.Helper()
		msg, err := note.Sign(&note.Note{Text: text}, signers...)
		if err != nil {
			t.Fatal(err)
		}
		return msg
	}
	text := func(h Handover) string { return string(h.Append(nil)) }
	good := sign(text(h), old, next)
	one := string(good[:strings.LastIndex(string(good), "— ")])
	for _, tt := range []struct {
		name string
		msg  []byte
		want error
	}{
		{"both keys", good, nil},
		{"the old key only", sign(text(h), old), ErrMalformed},
		{"the new key only", sign(text(h), next), ErrMalformed},
		{"the old key and a stranger", sign(text(h), old, stranger), ErrSignature},
		{"a stranger and the new key", sign(text(h), stranger, next), ErrSignature},
		{"both in the other order", sign(text(h), next, old), ErrSignature},
		{"both, and a stranger", sign(text(h), old, next, stranger), ErrMalformed},
		{"the old key twice", []byte(one + one[strings.Index(one, "— "):]), ErrSignature},
		{"two logs", sign(text(Handover{Old: oldKey, New: foreignKey, Size: 5, Time: chainTime}), old, foreign), ErrMalformed},
		{"a key to itself", sign(text(Handover{Old: oldKey, New: oldKey, Size: 5, Time: chainTime}), old, stranger), ErrMalformed},
		{"a text that was altered", []byte(strings.Replace(string(good), "size 5", "size 6", 1)), ErrSignature},
		{"a key that was put in", []byte(strings.Replace(string(good), nextKey, strangerKey, 1)), ErrSignature},
		{"a size with a leading zero", sign(strings.Replace(text(h), "size 5", "size 05", 1), old, next), ErrMalformed},
		{"no time", sign(strings.Replace(text(h), chainTime, "today", 1), old, next), ErrMalformed},
		{"another line", sign(text(h)+"more\n", old, next), ErrMalformed},
		{"another version", sign(strings.Replace(text(h), "/v1", "/v2", 1), old, next), ErrMalformed},
		{"too long", append(good, make([]byte, MaxHandover)...), ErrMalformed},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := OpenHandover(tt.msg)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("%v, want %v\n%s", err, tt.want, tt.msg)
			}
			if err == nil && got != h {
				t.Errorf("it says %+v, want %+v", got, h)
			}
		})
	}
	if _, err := SignHandover(h, old, stranger); !errors.Is(err, ErrSignature) {
		t.Errorf("signed by a stranger in place of the new key: %v", err)
	}
	if _, err := SignHandover(Handover{Old: oldKey, New: foreignKey, Time: chainTime}, old, foreign); !errors.Is(err, ErrMalformed) {
		t.Errorf("signed for two logs: %v", err)
	}
}

// TestEveryBitOfAHandover: no bit of a signed handover can be flipped.
func TestEveryBitOfAHandover(t *testing.T) {
	msg := hand(t, chainLog, 1, 2, 5)
	for i := range msg {
		msg[i] ^= 1
		if _, err := OpenHandover(msg); !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrSignature) {
			t.Fatalf("byte %d flipped: %v\n%s", i, err, msg)
		}
		msg[i] ^= 1
		if _, err := OpenHandover(msg[:i]); err == nil {
			t.Fatalf("cut to %d bytes it was accepted", i)
		}
	}
}

// TestKeyChainHasOneWay: handovers that are replayed, out of order, of another log, or beside another one, are no chain.
func TestKeyChainHasOneWay(t *testing.T) {
	ab, bc, ca, ac, cd := hand(t, chainLog, 1, 2, 5), hand(t, chainLog, 2, 3, 9), hand(t, chainLog, 3, 1, 20), hand(t, chainLog, 1, 3, 9), hand(t, chainLog, 3, 4, 12)
	for _, tt := range []struct {
		name  string
		notes [][]byte
		want  error
	}{
		{"three in order", [][]byte{ab, bc, cd}, nil},
		{"from a later key on", [][]byte{bc, cd}, nil},
		{"replayed", [][]byte{ab, ab}, ErrSignature},
		{"replayed later", [][]byte{ab, bc, ab}, ErrSignature},
		{"out of order", [][]byte{bc, ab}, ErrSignature},
		{"one left out", [][]byte{ab, cd}, ErrSignature},
		{"a fork", [][]byte{ab, ac}, ErrSignature},
		{"back to the first", [][]byte{ab, bc, ca}, ErrMalformed},
		{"sizes that fall", [][]byte{ab, hand(t, chainLog, 2, 3, 4)}, ErrMalformed},
		{"sizes that stand", [][]byte{ab, hand(t, chainLog, 2, 3, 5)}, ErrMalformed},
		{"another log's", [][]byte{ab, hand(t, otherLog, 2, 3, 9)}, ErrSignature},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := []byte(chainHeader)
			for _, msg := range tt.notes {
				text = append(append(text, msg...), '\n')
			}
			c, err := ParseKeyChain(text)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Fatalf("%v, want %v", err, tt.want)
			}
			if err == nil && string(c.Append(nil)) != string(text) {
				t.Errorf("it reads back as\n%s", c.Append(nil))
			}
		})
	}
	if _, err := ParseKeyChain([]byte(chainHeader)); !errors.Is(err, ErrMalformed) {
		t.Errorf("an empty chain in a file: %v", err)
	}
	if a, b := chainOf(t, ab), chainOf(t, ab, bc); !b.Continues(a) || a.Continues(b) || !a.Continues(KeyChain{}) || chainOf(t, ac).Continues(a) {
		t.Error("Continues is not: the same ones, and more")
	}
}

// TestKeyChainIsFollowedFromATrustedKey: a key counts where handovers lead to it from one that is trusted, and nowhere else.
func TestKeyChainIsFollowedFromATrustedKey(t *testing.T) {
	var keys [6]string
	for i := range keys {
		_, keys[i] = testSigner(t, byte(i), chainLog)
	}
	c := chainOf(t, hand(t, chainLog, 1, 2, 5), hand(t, chainLog, 2, 3, 9))
	for i, want := range []string{"", keys[3], keys[3], keys[3], "", ""} {
		got, err := c.Newest(keys[i])
		if got != want || (want == "") != errors.Is(err, ErrSignature) {
			t.Errorf("from key %d: %q, %v, want %q", i, got, err, want)
		}
	}
	if got, err := (KeyChain{}).Newest(keys[4]); err != nil || got != keys[4] {
		t.Errorf("without handovers: %q, %v", got, err)
	}
}

// TestKeyChainOpensCheckpoints walks through who may sign before, during and after a change of keys.
func TestKeyChainOpensCheckpoints(t *testing.T) {
	c := chainOf(t, hand(t, chainLog, 1, 2, 5), hand(t, chainLog, 2, 3, 9))
	var keys [5]string
	var signers [5]note.Signer
	for i := range keys {
		signers[i], keys[i] = testSigner(t, byte(i), chainLog)
	}
	for _, tt := range []struct {
		name    string
		size    uint64
		by      []int
		trusted int
		now     bool // as the log's present checkpoint
		older   int  // the key that OpenOlder says; 0: refused
	}{
		{"the newest", 20, []int{3}, 1, true, 3},
		{"the newest, trusted", 20, []int{3}, 3, true, 3},
		{"the last two", 20, []int{2, 3}, 1, true, 3},
		{"the one before", 20, []int{2}, 1, false, 2},
		{"the first", 20, []int{1}, 1, false, 1},
		{"the first, the newest trusted", 3, []int{1}, 3, false, 1},
		{"nobody of these", 20, []int{4}, 1, false, 0},
		{"the newest, a stranger trusted", 20, []int{3}, 4, false, 0},
		{"the newest, before its time", 9, []int{3}, 1, false, 0},
		{"the second, before its time", 5, []int{2}, 1, false, 0},
		{"the second, then the first too", 5, []int{1, 2}, 1, false, 1},
		{"the newest as soon as it may", 10, []int{3}, 1, true, 3},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var by []note.Signer
			for _, i := range tt.by {
				by = append(by, signers[i])
			}
			msg, err := SignCheckpoint(Checkpoint{Origin: chainLog, Size: tt.size, Root: Hash{1}}, by...)
			if err != nil {
				t.Fatal(err)
			}
			cp, key, err := c.OpenCheckpoint(msg, keys[tt.trusted])
			if (err == nil) != tt.now || err != nil && !errors.Is(err, ErrSignature) {
				t.Errorf("now: %v, want accepted %v", err, tt.now)
			}
			if err == nil && (key != keys[3] || cp.Size != tt.size) {
				t.Errorf("now: size %d by %s", cp.Size, key)
			}
			_, key, err = c.OpenOlder(msg, keys[tt.trusted])
			if (err == nil) != (tt.older > 0) || err == nil && key != keys[tt.older] {
				t.Errorf("older: by %q, %v, want key %d", key, err, tt.older)
			}
			if got := SignedByOthers(msg, chainLog, keys[1], keys[2], keys[3]); got != (tt.by[0] == 4) {
				t.Errorf("signed by others: %v", got)
			}
		})
	}
}

// TestKeyChainIsBounded: no log has more handovers than a reader must take.
func TestKeyChainIsBounded(t *testing.T) {
	notes := make([][]byte, MaxHandovers+1)
	for i := range notes {
		old, oldKey := numbered(t, i)
		next, nextKey := numbered(t, i+1)
		var err error
		if notes[i], err = SignHandover(Handover{Old: oldKey, New: nextKey, Size: uint64(i), Time: chainTime}, old, next); err != nil {
			t.Fatal(err)
		}
	}
	c := chainOf(t, notes[:MaxHandovers]...)
	if _, err := c.Add(notes[MaxHandovers]); !errors.Is(err, ErrMalformed) {
		t.Errorf("one more: %v", err)
	}
	if _, err := ParseKeyChain(append(c.Append(nil), append(notes[MaxHandovers], '\n')...)); !errors.Is(err, ErrMalformed) {
		t.Errorf("one more in a file: %v", err)
	}
	if got, err := ParseKeyChain(c.Append(nil)); err != nil || got.Len() != MaxHandovers {
		t.Errorf("%d handovers read back, %v", got.Len(), err)
	}
}

func numbered(t testing.TB, n int) (note.Signer, string) {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	binary.BigEndian.PutUint32(seed, uint32(n))
	s, vkey, err := NewSigner(chainLog, ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey
}
