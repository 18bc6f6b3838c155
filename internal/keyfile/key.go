package keyfile

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"golang.org/x/mod/sumdb/note"
)

// ErrFormat says that a file is not a key file of a version this program reads.
var ErrFormat = errors.New("not a stet key file")

// ErrName says that a key name cannot stand in a signed note (C2SP signed-note:
// not empty, no space, no plus sign) or is longer than [MaxName].
var ErrName = errors.New("bad key name")

// MaxName is the longest key name in bytes.
const MaxName = 255

const (
	header     = "stet/key/v1"
	private    = "PRIVATE+KEY+"
	algEd25519 = 1
)

// A Key is a named Ed25519 key pair. The zero value signs nothing. Copies share
// the private key; all methods may be used from several goroutines at once.
//
// A Key may be printed: the private half is held where neither fmt nor a JSON
// encoder can reach it.
type Key struct {
	Name   string        // as it stands in signatures, e.g. stet-emitter/db1/1000
	VKey   string        // the verifier key in note form: name+hash+base64
	Signer crypto.Signer // Public returns an ed25519.PublicKey
}

// Generate makes a new key in memory from 32 bytes of random, or from
// crypto/rand when random is nil.
func Generate(name string, random io.Reader) (Key, error) {
	seed, err := newSeed(name, random)
	if err != nil {
		return Key{}, err
	}
	return fromSeed(name, seed)
}

// GenerateFile is Generate, and returns also what is to stand in the key's file: for whoever writes it by other means than
// [LoadOrCreate], with mode 0600.
func GenerateFile(name string, random io.Reader) (Key, []byte, error) {
	seed, err := newSeed(name, random)
	if err != nil {
		return Key{}, nil, err
	}
	text, err := encode(name, seed)
	if err != nil {
		return Key{}, nil, err
	}
	k, err := fromSeed(name, seed)
	return k, text, err
}

// ID is the key's identity everywhere in stet: the SHA-256 of the verifier key's
// text, 64 lower-case hex digits. The first 16 are its short form.
func (k Key) ID() string {
	sum := sha256.Sum256([]byte(k.VKey))
	return hex.EncodeToString(sum[:])
}

// NoteSigner returns the key in the form that [note.Sign] takes.
func (k Key) NoteSigner() (note.Signer, error) {
	if k.Signer == nil {
		return nil, errors.New("keyfile: the key is empty: load or generate one first")
	}
	v, err := note.NewVerifier(k.VKey)
	if err != nil {
		return nil, fmt.Errorf("keyfile: verifier key of %q: %w", k.Name, err)
	}
	return noteSigner{Verifier: v, signer: k.Signer}, nil
}

// noteSigner borrows name and hash from the verifier of the same key, so that
// the two can never disagree.
type noteSigner struct {
	note.Verifier
	signer crypto.Signer
}

func (s noteSigner) Sign(msg []byte) ([]byte, error) {
	return s.signer.Sign(nil, msg, crypto.Hash(0))
}

// signer hides the private key in a closure: fmt prints an unexported field by
// reflection, past any String method, but it cannot look into a function.
type signer struct {
	public ed25519.PublicKey
	sign   func(message []byte, opts crypto.SignerOpts) ([]byte, error)
}

func (s signer) Public() crypto.PublicKey { return s.public }

// Sign signs the message itself: opts must say crypto.Hash(0) (or Ed25519ph's
// options), as for ed25519.PrivateKey. The reader is not used.
func (s signer) Sign(_ io.Reader, message []byte, opts crypto.SignerOpts) ([]byte, error) {
	return s.sign(message, opts)
}

func newSeed(name string, random io.Reader) ([]byte, error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	if random == nil {
		random = rand.Reader
	}
	// The seed is read here and not by ed25519.GenerateKey, which is free to
	// ignore the reader it is given: tests need keys they can predict.
	seed := make([]byte, ed25519.SeedSize)
	if _, err := io.ReadFull(random, seed); err != nil {
		return nil, fmt.Errorf("keyfile: no randomness for the key %q: %w", name, err)
	}
	return seed, nil
}

func fromSeed(name string, seed []byte) (Key, error) {
	key := ed25519.NewKeyFromSeed(seed)
	public := key.Public().(ed25519.PublicKey)
	vkey, err := note.NewEd25519VerifierKey(name, public)
	if err != nil {
		return Key{}, fmt.Errorf("keyfile: verifier key of %q: %w", name, err)
	}
	return Key{Name: name, VKey: vkey, Signer: signer{
		public: public,
		sign: func(message []byte, opts crypto.SignerOpts) ([]byte, error) {
			return key.Sign(nil, message, opts)
		},
	}}, nil
}

// encode is the whole file for a seed.
func encode(name string, seed []byte) ([]byte, error) {
	k, err := fromSeed(name, seed)
	if err != nil {
		return nil, err
	}
	hash, _, ok := strings.Cut(strings.TrimPrefix(k.VKey, name+"+"), "+")
	if !ok {
		return nil, fmt.Errorf("keyfile: verifier key of %q has no hash", name)
	}
	data := base64.StdEncoding.EncodeToString(append([]byte{algEd25519}, seed...))
	return []byte(header + "\n" + private + name + "+" + hash + "+" + data + "\n"), nil
}

// Parse reads a key file's bytes and accepts exactly what was written: one form
// for one key. Its errors say which part is wrong and never what it says.
func Parse(text []byte) (Key, error) {
	first, rest, _ := strings.Cut(string(text), "\n")
	if first != header {
		return Key{}, fmt.Errorf("%w: the first line is not %q", ErrFormat, header)
	}
	line, rest, ended := strings.Cut(rest, "\n")
	if !ended || rest != "" {
		return Key{}, fmt.Errorf("%w: it must be exactly two lines", ErrFormat)
	}
	body, ok := strings.CutPrefix(line, private)
	if !ok {
		return Key{}, fmt.Errorf("%w: the second line is no private key", ErrFormat)
	}
	// The base64 may itself hold plus signs; name and hash cannot.
	parts := strings.SplitN(body, "+", 3)
	if len(parts) != 3 {
		return Key{}, fmt.Errorf("%w: the private key is cut short", ErrFormat)
	}
	name, hash, data := parts[0], parts[1], parts[2]
	if err := checkName(name); err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	raw, err := base64.StdEncoding.Strict().DecodeString(data)
	if err != nil || len(raw) != 1+ed25519.SeedSize {
		// base64's own error would quote an offset only, but nothing of the key
		// material is worth the risk of quoting.
		return Key{}, fmt.Errorf("%w: the private key is not base64 of %d bytes", ErrFormat, 1+ed25519.SeedSize)
	}
	if raw[0] != algEd25519 {
		return Key{}, fmt.Errorf("%w: key algorithm %d is not Ed25519 (%d)", ErrFormat, raw[0], algEd25519)
	}
	k, err := fromSeed(name, raw[1:])
	if err != nil {
		return Key{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if !strings.HasPrefix(k.VKey, name+"+"+hash+"+") {
		return Key{}, fmt.Errorf("%w: the private key does not match its own hash", ErrFormat)
	}
	// encoding/base64 skips line ends, so a carriage return would pass unseen.
	if again, err := encode(name, raw[1:]); err != nil || !bytes.Equal(again, text) {
		return Key{}, fmt.Errorf("%w: the private key is not in its one form", ErrFormat)
	}
	return k, nil
}

func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: it is empty", ErrName)
	case len(name) > MaxName:
		return fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrName, len(name), MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: not valid UTF-8", ErrName)
	case CleanName(name) != name:
		return fmt.Errorf("%w %q: only visible ASCII without spaces and '+' is allowed", ErrName, name)
	}
	return nil
}

// CleanName makes any text fit to stand in a key name: bytes that are not
// visible ASCII, spaces and plus signs become '_', and what is beyond [MaxName]
// is cut. A host named by its owner must not be able to end a line of a note.
func CleanName(s string) string {
	if len(s) > MaxName {
		s = s[:MaxName]
	}
	b := []byte(s)
	for i, c := range b {
		if c <= ' ' || c > '~' || c == '+' {
			b[i] = '_'
		}
	}
	return string(b)
}
