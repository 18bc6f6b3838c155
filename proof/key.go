package proof

import (
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// MaxKeyName is the size limit of a key name, which is also a checkpoint's origin, in bytes.
const MaxKeyName = 255

// algEd25519 is the signature type identifier of plain Ed25519 notes (C2SP signed-note).
const algEd25519 = 1

// keySigner is a note.Signer over any crypto.Signer.
type keySigner struct {
	name string
	hash uint32
	key  crypto.Signer
}

func (s *keySigner) Name() string    { return s.name }
func (s *keySigner) KeyHash() uint32 { return s.hash }

func (s *keySigner) Sign(msg []byte) ([]byte, error) {
	// Hash 0 asks for plain Ed25519 over the message itself; RFC 8032 takes no randomness.
	sig, err := s.key.Sign(nil, msg, crypto.Hash(0))
	if err != nil {
		return nil, fmt.Errorf("sign with key %s: %w", s.name, err)
	}
	if len(sig) != ed25519.SignatureSize {
		return nil, fmt.Errorf("sign with key %s: %w: %d bytes of signature, Ed25519 has %d", s.name, ErrSignature, len(sig), ed25519.SignatureSize)
	}
	return sig, nil
}

// NewSigner makes a note signer, and the verifier key (vkey) that goes with it, of an Ed25519 key that may live behind
// any crypto.Signer. Signatures and vkey are those of golang.org/x/mod/sumdb/note, algorithm 1. The signer is safe for
// concurrent use when k is.
func NewSigner(name string, k crypto.Signer) (signer note.Signer, vkey string, err error) {
	if why := checkKeyName(name); why != "" {
		return nil, "", malformed("key name", "%s %s", clip(name), why)
	}
	pub, ok := k.Public().(ed25519.PublicKey)
	if !ok || len(pub) != ed25519.PublicKeySize {
		return nil, "", malformed("key", "%s is a %T, notes are signed with Ed25519", name, k.Public())
	}
	hash := keyHash(name, pub)
	vkey = fmt.Sprintf("%s+%08x+%s", name, hash, base64.StdEncoding.EncodeToString(append([]byte{algEd25519}, pub...)))
	return &keySigner{name: name, hash: hash, key: k}, vkey, nil
}

// KeyID returns the identifier of a key everywhere in stet: the SHA-256 of the vkey string in 64 hexadecimal digits.
// Unlike the 32-bit hash inside the vkey nobody can find a second key for it.
func KeyID(vkey string) string {
	sum := sha256.Sum256([]byte(vkey))
	return hex.EncodeToString(sum[:])
}

// CheckVKey refuses a verifier key that is not in canonical form: name+hash+base64, eight lower-case hexadecimal
// digits, Ed25519. Its error wraps ErrMalformed.
func CheckVKey(vkey string) error {
	_, err := parseVKey(vkey)
	return err
}

// verifierKey is a vkey taken apart.
type verifierKey struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

// parseVKey is stricter than note.NewVerifier: a key has one spelling, because KeyID hashes the spelling.
func parseVKey(vkey string) (verifierKey, error) {
	const what = "verifier key"
	name, rest, _ := strings.Cut(vkey, "+")
	hash16, key64, _ := strings.Cut(rest, "+")
	if why := checkKeyName(name); why != "" {
		return verifierKey{}, malformed(what, "%s: the name %s", clip(vkey), why)
	}
	const keyLen = 1 + ed25519.PublicKeySize
	var raw [keyLen]byte
	if len(key64) != 44 {
		return verifierKey{}, malformed(what, "%s: %d characters of key, an Ed25519 key has 44", clip(vkey), len(key64))
	}
	if n, err := strict64.Decode(raw[:], []byte(key64)); err != nil || n != keyLen {
		return verifierKey{}, malformed(what, "%s: the key is not canonical base64 of %d bytes", clip(vkey), keyLen)
	}
	if raw[0] != algEd25519 {
		return verifierKey{}, malformed(what, "%s: algorithm %d, want %d (Ed25519)", clip(vkey), raw[0], algEd25519)
	}
	v := verifierKey{name: name, key: ed25519.PublicKey(raw[1:])}
	v.hash = keyHash(name, v.key)
	if want := fmt.Sprintf("%08x", v.hash); hash16 != want {
		return verifierKey{}, malformed(what, "%s: its hash says %s, it should be %s", clip(vkey), clip(hash16), want)
	}
	return v, nil
}

// keyHash is the key ID of C2SP signed-note: the first four bytes of SHA-256(name || LF || algorithm || key).
func keyHash(name string, pub ed25519.PublicKey) uint32 {
	b := make([]byte, 0, MaxKeyName+2+ed25519.PublicKeySize)
	b = append(b, name...)
	b = append(b, '\n', algEd25519)
	b = append(b, pub...)
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint32(sum[:])
}

// checkKeyName returns why a key name cannot be used, or "". Beyond C2SP signed-note (not empty, no Unicode space, no
// plus) it bounds the length and refuses control and format characters, which have no business in a terminal.
func checkKeyName(name string) string {
	switch {
	case name == "":
		return "is empty"
	case len(name) > MaxKeyName:
		return "is longer than " + strconv.Itoa(MaxKeyName) + " bytes"
	case !utf8.ValidString(name):
		return "is not UTF-8"
	}
	for _, r := range name {
		if r == '+' || unicode.IsSpace(r) || !plainRune(r) {
			return "holds " + strconv.QuoteRuneToASCII(r) + ", which no key name may hold"
		}
	}
	return ""
}

// plainRune reports whether r may stand in a line of text: not in Cc, Cf, Zl or Zp, the classes that SCHEMA escapes
// because they rearrange or hide what a reader sees.
func plainRune(r rune) bool {
	if r < 0x7f {
		return r >= 0x20
	}
	return !unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)
}

// plainText reports whether s is UTF-8 of plain runes only.
func plainText[T ~string | ~[]byte](s T) bool {
	ascii := true
	for i := range len(s) {
		if c := s[i]; c >= 0x80 {
			ascii = false
		} else if c < 0x20 || c == 0x7f {
			return false
		}
	}
	if ascii {
		return true
	}
	text := string(s)
	if !utf8.ValidString(text) {
		return false
	}
	for _, r := range text {
		if !plainRune(r) {
			return false
		}
	}
	return true
}
