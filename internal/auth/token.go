package auth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"github.com/stetlog/stet/proof"
)

// The text of a token: stet1_, 32 random bytes, _, and the id of the log's key, both in base64url without padding. The
// second half is no secret: by it a machine that was given nothing but a token knows the log's key when it meets it.
const (
	tokenPrefix = "stet1_"
	secretLen   = 32 // bytes
	textLen     = 43 // characters of base64url for 32 bytes
	tokenLen    = len(tokenPrefix) + textLen + len("_") + textLen
)

// hash is SHA-256 of a token's secret. The secret is random and as long as the hash, so it needs no salt and no slow hash.
type hash = [sha256.Size]byte

// newToken makes a token for the log whose key has this id, and what is kept of it.
func newToken(random io.Reader, logID [sha256.Size]byte) (text string, kept hash, err error) {
	var secret [secretLen]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", hash{}, fmt.Errorf("no randomness for a token: %w", err)
	}
	b64 := base64.RawURLEncoding
	return tokenPrefix + b64.EncodeToString(secret[:]) + "_" + b64.EncodeToString(logID[:]), sha256.Sum256(secret[:]), nil
}

// parseToken takes a token apart. It says nothing about what is wrong with one that is none: a misspelt token is a secret
// too.
func parseToken(text string) (secret, logID [sha256.Size]byte, ok bool) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(text) != tokenLen || rest[textLen] != '_' {
		return secret, logID, false
	}
	b64 := base64.RawURLEncoding.Strict() // one token, one text
	for _, part := range []struct {
		text string
		to   []byte
	}{{rest[:textLen], secret[:]}, {rest[textLen+1:], logID[:]}} {
		// Decode skips line ends, which makes fewer bytes.
		if n, err := b64.Decode(part.to, []byte(part.text)); err != nil || n != len(part.to) {
			return hash{}, hash{}, false
		}
	}
	return secret, logID, true
}

// keyID is proof.KeyID in bytes.
func keyID(vkey string) hash {
	var id hash
	if _, err := hex.Decode(id[:], []byte(proof.KeyID(vkey))); err != nil {
		panic("proof.KeyID is not hexadecimal")
	}
	return id
}

// PinnedBy says whether the key of a log is the one that a token names. Its holder pins the key with it, before it believes
// anything that is signed.
func PinnedBy(token, logKey string) bool {
	_, id, ok := parseToken(token)
	return ok && id == keyID(logKey)
}
