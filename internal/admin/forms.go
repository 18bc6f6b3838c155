package admin

import (
	"errors"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/proof"
)

// The forms in which tokens and keys are asked for and told about; docs/spec/http.md describes them.
const (
	TokensPath = "/v1/tokens"
	KeysPath   = "/v1/keys"
	// LogKeysPath is where the log's own keys are administered. What anybody may know of them is at proof.KeyChainPath.
	LogKeysPath = "/v1/logkeys"
	// OldLogKeysPath is all of these but the newest.
	OldLogKeysPath = LogKeysPath + "/old"

	tokenFormat  = "stet.token/1"
	tokensFormat = "stet.tokens/1"
	keysFormat   = "stet.keys/1"

	logKeysFormat = "stet.log_keys/1"

	maxAnswer = auth.MaxTokens * 4 << 10
)

// tokenRequest asks for a token.
type tokenRequest struct {
	Name        string `json:"name,omitempty"`
	Role        string `json:"role"`
	App         string `json:"app,omitempty"`
	Environment string `json:"environment,omitempty"`
	ExpiresIn   int64  `json:"expires_in,omitempty"` // seconds; 0: never
}

// keyRequest asks for a key to be enrolled.
type keyRequest struct {
	Claim string `json:"claim"` // see auth.SignClaim
}

// tokenInfo is what is told about a token.
type tokenInfo struct {
	Name        string   `json:"name"`
	Role        string   `json:"role"`
	App         string   `json:"app,omitempty"`
	Environment string   `json:"environment,omitempty"`
	Created     string   `json:"created"`
	Expires     string   `json:"expires,omitempty"`
	Revoked     string   `json:"revoked,omitempty"`
	Untold      bool     `json:"untold,omitempty"` // revoked, and the log does not say so yet
	Keys        []string `json:"keys,omitempty"`   // verifier keys
}

func (i tokenInfo) token() (t auth.Token, err error) {
	at := func(s string) (t time.Time) {
		if s != "" {
			var perr error
			t, perr = event.ParseTime(s)
			err = errors.Join(err, perr)
		}
		return t
	}
	t = auth.Token{Name: i.Name, Role: auth.Role(i.Role), App: i.App, Environment: i.Environment, Created: at(i.Created), Expires: at(i.Expires),
		Revoked: at(i.Revoked), Untold: i.Untold, Keys: i.Keys}
	for _, k := range i.Keys {
		err = errors.Join(err, proof.CheckVKey(k))
	}
	return t, err
}

// newToken is the one answer that holds a token.
type newToken struct {
	Format string `json:"format"`
	Token  string `json:"token"`
	tokenInfo
}

type tokenList struct {
	Format string      `json:"format"`
	Tokens []tokenInfo `json:"tokens"`
}

type keyInfo struct {
	ID      string   `json:"id"`
	Key     string   `json:"key,omitempty"` // verifier key; "" where no token brought it
	Tokens  []string `json:"tokens,omitempty"`
	Revoked bool     `json:"revoked,omitempty"` // nothing that it seals is taken any more
}

type keyList struct {
	Format string    `json:"format"`
	Keys   []keyInfo `json:"keys"`
}

// logKeyInfo is what is told about a key of the log: see LogKey.
type logKeyInfo struct {
	ID    string `json:"id"`
	VKey  string `json:"key"`
	Since uint64 `json:"since"`
	Time  string `json:"time,omitempty"`
	Signs bool   `json:"signs"`
}

type logKeyList struct {
	Format string       `json:"format"`
	Keys   []logKeyInfo `json:"keys"`
}
