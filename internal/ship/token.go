package ship

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/stetlog/stet/internal/wire"
)

// ErrToken says that what was given is no token. What it is instead is not repeated.
var ErrToken = wire.ErrToken

// maxTokenFile bounds a token's file in bytes: a token and white space.
const maxTokenFile = 1024

// CheckToken refuses what is no token. Its error wraps ErrToken and does not repeat it.
func CheckToken(token string) error {
	_, _, err := wire.ParseToken(token)
	return err
}

// Pins says whether a token names this log key.
func Pins(token, logKey string) bool { return wire.Pins(token, logKey) }

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
