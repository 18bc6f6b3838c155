package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/ship"
)

// Client asks a server for what an Office does. All methods are safe for concurrent use.
type Client struct{ *ship.Client }

// errAnswer says that an answer is none that a server of stet gives.
var errAnswer = errors.New("the server's answer is not of the expected form")

func (c Client) ask(ctx context.Context, method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	b, err := c.JSON(ctx, method, path, body, maxAnswer)
	if err != nil {
		return err
	}
	if json.Unmarshal(b, out) != nil {
		return errAnswer
	}
	return nil
}

// CreateToken asks for a token and returns its text.
func (c Client) CreateToken(ctx context.Context, s auth.Spec) (text string, t auth.Token, err error) {
	var n newToken
	err = c.ask(ctx, http.MethodPost, TokensPath, tokenRequest{Name: s.Name, Role: string(s.Role), App: s.App, Environment: s.Environment,
		ExpiresIn: int64(s.Expires / time.Second)}, &n)
	if err == nil && (n.Format != tokenFormat || ship.CheckToken(n.Token) != nil) {
		err = errAnswer
	}
	if err == nil {
		t, err = n.token()
	}
	return n.Token, t, err
}

// ListTokens asks for all tokens.
func (c Client) ListTokens(ctx context.Context) ([]auth.Token, error) {
	return c.tokens(ctx, http.MethodGet, TokensPath)
}

// RevokeToken shuts a token out.
func (c Client) RevokeToken(ctx context.Context, name string) (auth.Token, error) {
	all, err := c.tokens(ctx, http.MethodDelete, TokensPath+"/"+url.PathEscape(name))
	if err == nil && len(all) != 1 {
		err = errAnswer
	}
	if err != nil {
		return auth.Token{}, err
	}
	return all[0], nil
}

func (c Client) tokens(ctx context.Context, method, path string) ([]auth.Token, error) {
	var l tokenList
	if err := c.ask(ctx, method, path, nil, &l); err != nil {
		return nil, err
	}
	if l.Format != tokensFormat {
		return nil, errAnswer
	}
	var all []auth.Token
	for _, i := range l.Tokens {
		t, err := i.token()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errAnswer, err)
		}
		all = append(all, t)
	}
	return all, nil
}

// EnrolKey sends a claim, and returns the id of the key that was enrolled.
func (c Client) EnrolKey(ctx context.Context, claim []byte) (Key, error) {
	all, err := c.keys(ctx, http.MethodPost, KeysPath, keyRequest{Claim: string(claim)})
	return one(all, err)
}

// ListKeys asks for the keys of all tokens.
func (c Client) ListKeys(ctx context.Context) ([]Key, error) {
	return c.keys(ctx, http.MethodGet, KeysPath, nil)
}

// RevokeKey revokes a key by its id or the beginning of that.
func (c Client) RevokeKey(ctx context.Context, id string) (Key, error) {
	all, err := c.keys(ctx, http.MethodDelete, KeysPath+"/"+url.PathEscape(id), nil)
	return one(all, err)
}

func one(all []Key, err error) (Key, error) {
	if err == nil && len(all) != 1 {
		err = errAnswer
	}
	if err != nil {
		return Key{}, err
	}
	return all[0], nil
}

func (c Client) keys(ctx context.Context, method, path string, in any) ([]Key, error) {
	var l keyList
	if err := c.ask(ctx, method, path, in, &l); err != nil {
		return nil, err
	}
	if l.Format != keysFormat {
		return nil, errAnswer
	}
	var all []Key
	for _, k := range l.Keys {
		all = append(all, Key{ID: k.ID, VKey: k.Key, Tokens: k.Tokens, Revoked: k.Revoked})
	}
	return all, nil
}
