package auth

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/wire"
)

func pair(t testing.TB, name string) keyfile.Key {
	t.Helper()
	k, err := keyfile.Generate(name, &chance{n: uint64(len(name)) * 1000})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestClaims(t *testing.T) {
	w := newWorld(t)
	logKey := vkey("log.example/a")
	mine, other := w.create(Spec{Role: Writer, App: "billing"}), w.create(Spec{Role: Writer, App: "billing"})
	id := w.identity(mine)
	key, old, third := pair(t, "emitter/key"), pair(t, "emitter/older"), pair(t, "emitter/the-third")
	sign := func(token string, key, old keyfile.Key) []byte {
		t.Helper()
		b, err := SignClaim(token, key, old)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	alone, rotation := sign(mine, key, keyfile.Key{}), sign(mine, key, old)
	for _, tt := range []struct {
		name  string
		claim []byte
		old   string
	}{{"a first key", alone, ""}, {"a key in the place of another", rotation, old.VKey}} {
		gotKey, gotOld, err := OpenClaim(id, []string{logKey}, tt.claim)
		if err != nil || gotKey != key.VKey || gotOld != tt.old {
			t.Errorf("%s: %q, %q, %v", tt.name, gotKey, gotOld, err)
		}
		scan(t, tt.name, tt.claim, mine)
		if h := w.now.Load().records[0].Hash; bytes.Contains(tt.claim, []byte(h)) {
			t.Errorf("%s: what is kept of the token is in the claim", tt.name)
		}
	}
	signedBy := func(text string, keys ...keyfile.Key) []byte {
		var signers []note.Signer
		for _, k := range keys {
			s, err := k.NoteSigner()
			if err != nil {
				t.Fatal(err)
			}
			signers = append(signers, s)
		}
		b, err := note.Sign(&note.Note{Text: text}, signers...)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	text, _, _ := strings.Cut(string(rotation), "\n\n")
	text += "\n"
	for name, claim := range map[string][]byte{
		"another's token":                   sign(other, key, keyfile.Key{}),
		"by a third":                        signedBy(text, third),
		"without the old key's word":        signedBy(text, key),
		"without the new key's":             signedBy(text, old),
		"with a third's in its place":       signedBy(text, key, third),
		"the key in its own place":          signedBy(strings.Replace(text, old.VKey, key.VKey, 1), key),
		"no key":                            signedBy(strings.Replace(text, key.VKey, "", 1), key, old),
		"a line more":                       signedBy(text+"more\n", key, old),
		"a line less":                       signedBy(strings.TrimSuffix(text, "old "+old.VKey+"\n"), key, old),
		"another purpose":                   signedBy(strings.Replace(text, "enrol", "seal", 1), key, old),
		"no signature":                      []byte(text + "\n"),
		"nothing":                           nil,
		"cut":                               rotation[:len(rotation)-9],
		"a flipped bit":                     flip(rotation, len(rotation)-20),
		"larger than allowed":               append(bytes.Clone(rotation), bytes.Repeat([]byte("— x AAAA\n"), MaxClaim/9)...),
		"for another log":                   signedBy(strings.Replace(text, "log ", "log 0", 1), key, old),
		"a key in a form of its own":        signedBy(strings.Replace(text, key.VKey, strings.Replace(key.VKey, "+", "+0", 1), 1), key, old),
		"of nobody, who has no token":       signedBy(claimText(strings.Repeat("0", 64), bound(hash{}), key.VKey, ""), key),
		"of what is not allowed in a token": signedBy(strings.Replace(text, "token ", "token  ", 1), key, old),
	} {
		if _, _, err := OpenClaim(id, []string{logKey}, claim); !errors.Is(err, ErrClaim) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := OpenClaim(id, []string{vkey("log.example/b")}, alone); !errors.Is(err, ErrClaim) {
		t.Errorf("at another log: %v", err)
	}
	if _, err := SignClaim("stet1_x", key, keyfile.Key{}); !errors.Is(err, wire.ErrToken) {
		t.Errorf("with what is no token: %v", err)
	}
}

func flip(b []byte, at int) []byte {
	b = bytes.Clone(b)
	b[at] ^= 4
	return b
}

func FuzzOpenClaim(f *testing.F) {
	w := newWorld(f)
	token := w.create(Spec{Role: Writer, App: "billing"})
	id := w.identity(token)
	key, old := pair(f, "emitter/key"), pair(f, "emitter/older")
	for _, o := range []keyfile.Key{{}, old} {
		b, err := SignClaim(token, key, o)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, claim []byte) {
		got, _, err := OpenClaim(id, []string{vkey("log.example/a")}, claim)
		if err == nil && got != key.VKey {
			t.Errorf("a claim of nobody's was believed")
		}
		if err != nil && !errors.Is(err, ErrClaim) {
			t.Errorf("an error of another kind: %v", err)
		}
	})
}
