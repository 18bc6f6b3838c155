package admin

import (
	"context"

	"github.com/stetlog/stet/internal/auth"
)

// Here is an Office for who holds the store: what Client is for who asks a server.
type Here struct {
	*Office
	By
}

// CreateToken makes a token and returns its text.
func (h Here) CreateToken(ctx context.Context, s auth.Spec) (text string, t auth.Token, err error) {
	return h.Office.CreateToken(ctx, h.By, s)
}

// ListTokens lists all tokens.
func (h Here) ListTokens(context.Context) ([]auth.Token, error) { return h.Tokens.List(), nil }

// RevokeToken shuts a token out.
func (h Here) RevokeToken(ctx context.Context, name string) (auth.Token, error) {
	return h.Office.RevokeToken(ctx, h.By, name)
}

// ListKeys lists the keys of all tokens.
func (h Here) ListKeys(ctx context.Context) ([]Key, error) { return h.Keys(ctx) }

// RevokeKey revokes a key by its id or the beginning of that.
func (h Here) RevokeKey(ctx context.Context, id string) (Key, error) {
	return h.Office.RevokeKey(ctx, h.By, id)
}
