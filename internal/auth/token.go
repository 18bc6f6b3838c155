package auth

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// hash is SHA-256 of a token's secret, which is all that is kept of it. The secret is random and as long as the hash, so it
// needs no salt and no slow hash.
type hash = [sha256.Size]byte

// newToken makes a token for the log whose key has this id, and what is kept of it.
func newToken(random io.Reader, logID hash) (text string, kept hash, err error) {
	var secret [sha256.Size]byte
	if _, err := io.ReadFull(random, secret[:]); err != nil {
		return "", hash{}, fmt.Errorf("no randomness for a token: %w", err)
	}
	return wire.FormatToken(secret, logID), sha256.Sum256(secret[:]), nil
}

// keyID is proof.KeyID in bytes.
func keyID(vkey string) hash {
	var id hash
	if _, err := hex.Decode(id[:], []byte(proof.KeyID(vkey))); err != nil {
		panic("proof.KeyID is not hexadecimal")
	}
	return id
}
