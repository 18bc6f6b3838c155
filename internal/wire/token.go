package wire

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/stetlog/stet/proof"
)

// The text of a token: stet1_, 32 random bytes, _, and the id of the log's key, both in base64url without padding. The
// second half is no secret: by it a machine that was given nothing but a token knows the log's key when it meets it. See
// docs/spec/tokens.md.
const (
	tokenPrefix = "stet1_"
	tokenHalf   = 43 // characters of base64url for 32 bytes
	tokenLen    = len(tokenPrefix) + tokenHalf + len("_") + tokenHalf
)

// ErrToken says that what was given is no token. What it is instead is not repeated: a misspelt token is a secret too.
var ErrToken = errors.New("not a token of a stet server")

// FormatToken is the text of a token with this secret, for the log whose key has this id.
func FormatToken(secret, logID [sha256.Size]byte) string {
	b64 := base64.RawURLEncoding
	return tokenPrefix + b64.EncodeToString(secret[:]) + "_" + b64.EncodeToString(logID[:])
}

// ParseToken is the strict inverse of FormatToken: one token, one text. Its error is ErrToken.
func ParseToken(text string) (secret, logID [sha256.Size]byte, err error) {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(text) != tokenLen || rest[tokenHalf] != '_' {
		return secret, logID, ErrToken
	}
	b64 := base64.RawURLEncoding.Strict()
	for _, part := range []struct {
		text string
		to   []byte
	}{{rest[:tokenHalf], secret[:]}, {rest[tokenHalf+1:], logID[:]}} {
		// Decode skips line ends, which makes fewer bytes.
		if n, err := b64.Decode(part.to, []byte(part.text)); err != nil || n != len(part.to) {
			return [sha256.Size]byte{}, [sha256.Size]byte{}, ErrToken
		}
	}
	return secret, logID, nil
}

// Pins says whether the key of a log is the one that a token names. The token's holder pins the key by it, before it
// believes anything that is signed.
func Pins(token, logKey string) bool {
	_, id, err := ParseToken(token)
	return err == nil && hex.EncodeToString(id[:]) == proof.KeyID(logKey)
}
