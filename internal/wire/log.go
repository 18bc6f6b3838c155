package wire

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/stetlog/stet/proof"
)

// LogFormat is the format member of Log.
const LogFormat = "stet.log/1"

// LogPath is where a server says which log it keeps, to anybody who asks.
const LogPath = "/v1/log"

// Log is the answer to GET /v1/log. A client believes it where the token it was given names the key (see docs/spec/wire.md),
// or takes it once and never another one.
type Log struct {
	Format string `json:"format"`
	Origin string `json:"origin"`
	LogKey string `json:"log_key"` // verifier key; its name is the origin
	// StoreKey is the verifier key of the server's own events; "" where it does not say.
	StoreKey string `json:"store_key,omitempty"`
	// TokenExpires is when the token that the request came with runs out, as time.RFC3339; "" where it does not, or where there
	// was none.
	TokenExpires string `json:"token_expires,omitempty"`
}

// Append appends the answer as JSON.
func (l Log) Append(dst []byte) ([]byte, error) {
	l.Format = LogFormat
	b, err := json.Marshal(l)
	return append(dst, b...), err
}

// ParseLog reads the answer. Errors wrap ErrMalformed.
func ParseLog(b []byte) (Log, error) {
	var l Log
	if len(b) > MaxClaim || json.Unmarshal(b, &l) != nil || l.Format != LogFormat {
		return Log{}, fmt.Errorf("%w: this is not %s", ErrMalformed, LogFormat)
	}
	if err := proof.CheckVKey(l.LogKey); err != nil {
		return Log{}, fmt.Errorf("%w: log_key is no verifier key", ErrMalformed)
	}
	if l.StoreKey != "" && proof.CheckVKey(l.StoreKey) != nil {
		return Log{}, fmt.Errorf("%w: store_key is no verifier key", ErrMalformed)
	}
	if name, _, _ := strings.Cut(l.LogKey, "+"); name != l.Origin {
		return Log{}, fmt.Errorf("%w: the origin is not the name of its key", ErrMalformed)
	}
	if _, err := time.Parse(time.RFC3339, l.TokenExpires); err != nil && l.TokenExpires != "" {
		return Log{}, fmt.Errorf("%w: token_expires is no time", ErrMalformed)
	}
	return l, nil
}
