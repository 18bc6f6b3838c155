package ship

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/stetlog/stet/proof"
)

// ErrToken says that what was given is no token. What it is instead is not repeated.
var ErrToken = errors.New("not a token of a stet server")

const (
	tokenPrefix = "stet1_"
	tokenHalf   = 43 // characters of base64url for 32 bytes
	tokenLen    = len(tokenPrefix) + tokenHalf + 1 + tokenHalf
	// maxTokenFile bounds a token's file in bytes: a token and white space.
	maxTokenFile = 1024
)

// tokenLog is the part of a token that names the log's key: the SHA-256 of its verifier key.
func tokenLog(token string) (id [sha256.Size]byte, err error) {
	if len(token) != tokenLen || !strings.HasPrefix(token, tokenPrefix) || token[tokenLen-tokenHalf-1] != '_' {
		return id, ErrToken
	}
	b64 := base64.RawURLEncoding.Strict()
	if _, err := b64.DecodeString(token[len(tokenPrefix) : len(tokenPrefix)+tokenHalf]); err != nil {
		return id, ErrToken
	}
	b, err := b64.DecodeString(token[tokenLen-tokenHalf:])
	if err != nil || len(b) != len(id) {
		return id, ErrToken
	}
	copy(id[:], b)
	return id, nil
}

// CheckToken refuses what is no token. Its error wraps ErrToken and does not repeat it.
func CheckToken(token string) error {
	_, err := tokenLog(token)
	return err
}

// Pins says whether a token names this log key.
func Pins(token, logKey string) bool {
	id, err := tokenLog(token)
	return err == nil && hex.EncodeToString(id[:]) == proof.KeyID(logKey)
}

// ReadToken reads a token's file: the token, with white space around it.
func ReadToken(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	b, err := io.ReadAll(io.LimitReader(f, maxTokenFile))
	if err != nil {
		return "", fmt.Errorf("read the token: %w", err)
	}
	token := strings.TrimSpace(string(b))
	if err := CheckToken(token); err != nil {
		return "", fmt.Errorf("%s: %w", file, err)
	}
	return token, nil
}
