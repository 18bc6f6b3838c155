package proof

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// TestNewSignerIsANoteSigner: the same key gives the same vkey, key hash and signatures as golang.org/x/mod's note.
func TestNewSignerIsANoteSigner(t *testing.T) {
	seed := bytes.Repeat([]byte{7}, ed25519.SeedSize)
	skey, vkey, err := note.GenerateKey(bytes.NewReader(seed), "example.com/log")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	ours, ourKey, err := NewSigner("example.com/log", ed25519.NewKeyFromSeed(seed))
	if err != nil {
		t.Fatal(err)
	}
	if ourKey != vkey || ours.Name() != theirs.Name() || ours.KeyHash() != theirs.KeyHash() {
		t.Errorf("vkey %s, want %s", ourKey, vkey)
	}
	a, err1 := note.Sign(&note.Note{Text: "x\n"}, ours)
	b, err2 := note.Sign(&note.Note{Text: "x\n"}, theirs)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a, b) {
		t.Errorf("signed %s, want %s", a, b)
	}
	if err := CheckVKey(vkey); err != nil {
		t.Error(err)
	}
}

// sick is a crypto.Signer that fails or answers rubbish, as one behind a wire may.
type sick struct {
	pub crypto.PublicKey
	sig []byte
	err error
}

func (s sick) Public() crypto.PublicKey                                  { return s.pub }
func (s sick) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) { return s.sig, s.err }

func TestSickSigner(t *testing.T) {
	pub := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public()
	gone := errors.New("token removed")
	for name, c := range map[string]struct {
		key  sick
		want error
	}{
		"fails":         {sick{pub: pub, err: gone}, gone},
		"answers short": {sick{pub: pub, sig: make([]byte, 63)}, ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			signer, vkey, err := NewSigner("log", c.key)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := SignCheckpoint(Checkpoint{Origin: "log", Root: EmptyRoot()}, signer); !errors.Is(err, c.want) {
				t.Errorf("SignCheckpoint: %v, want %v", err, c.want)
			}
			s, _ := testSeal(t)
			s.Key = vkey
			if _, err := SignSeal(s, signer); !errors.Is(err, c.want) {
				t.Errorf("SignSeal: %v, want %v", err, c.want)
			}
		})
	}
}

func TestNewSignerRefuses(t *testing.T) {
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	for _, name := range []string{"", "a b", "a+b", "a\tb", "a\u00a0b", "a\u202eb", "a\x00b", "a\xffb", strings.Repeat("a", MaxKeyName+1)} {
		if _, _, err := NewSigner(name, key); !errors.Is(err, ErrMalformed) {
			t.Errorf("name %q: %v", name, err)
		}
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := NewSigner("log", p256); !errors.Is(err, ErrMalformed) {
		t.Errorf("an ECDSA key: %v", err)
	}
}

// TestCheckVKeyRefuses: a key has one spelling, because its KeyID hashes the spelling. x/mod takes most of these.
func TestCheckVKeyRefuses(t *testing.T) {
	_, vkey := testSigner(t, 1, "log")
	hash, key, _ := strings.Cut(strings.TrimPrefix(vkey, "log+"), "+")
	for name, bad := range map[string]string{
		"empty":                "",
		"no hash":              "log++" + key,
		"hash in upper case":   "log+" + strings.ToUpper(hash) + "+" + key,
		"hash of another":      "log+00000000+" + key,
		"another name":         "lag+" + hash + "+" + key,
		"padding":              vkey + "=",
		"a line feed":          vkey + "\n",
		"a carriage return in": "log+" + hash + "+" + key[:4] + "\r" + key[4:43],
		"another algorithm":    "log+" + hash + "+" + "B" + key[1:],
		"cut":                  vkey[:len(vkey)-4],
	} {
		if err := CheckVKey(bad); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s (%q): %v", name, bad, err)
		}
	}
}
