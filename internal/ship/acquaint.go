package ship

import (
	"context"
	"errors"
	"fmt"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

// ErrOtherLog says that a token names no key that the log has ever had.
var ErrOtherLog = errors.New("the token is for another log")

// Acquaint finds out which log a server keeps, without showing it the token, and returns what is to be known of it; nothing
// is written. before is what was known: where that has no key yet, the log's key is the one that the token names, or, without
// a token, on this machine only, the one that the server says. A key that has taken its place since is followed to. The
// token must name a key of the same log: a stranger's is an *IntegrityError where the server is met for the first time.
func Acquaint(ctx context.Context, c *Client, before Server, token string) (Server, error) {
	if before.LogKey != "" && (token == "" || before.Pins(token)) {
		return before, nil
	}
	c = c.With("")
	a := before.Address
	said, err := c.Log(ctx)
	if err != nil {
		return before, err
	}
	chain, err := c.Keys(ctx)
	if err != nil {
		return before, keysError(a, err)
	}
	all := []string{said.LogKey}
	if chain.Len() > 0 {
		h, _ := chain.At(0)
		all = chain.Keys(h.Old)
	}
	named := ""
	for _, vkey := range all {
		if Pins(token, vkey) {
			named = vkey
		}
	}
	switch {
	case before.LogKey != "":
		// The token may be older than what is pinned, or newer: both are keys of one log where handovers lead from one to the
		// other.
		moved, err := before.follow(chain)
		if err != nil {
			return before, keysError(a, err)
		}
		if named == "" {
			return before, fmt.Errorf("%s: %w than the one that this computer knows there, %s: use a token of that log", a, ErrOtherLog, before.Key())
		}
		return moved, nil
	case token == "" && !a.Local():
		return before, fmt.Errorf("no token for %s: say --token-file or STET_TOKEN_FILE, or connect this machine with stet enrol", a)
	case token == "":
		before.LogKey = said.LogKey
		return before, nil
	case named == "":
		return before, &IntegrityError{a, WhatKey, fmt.Errorf("it keeps the log of %s, and %w", said.LogKey, ErrOtherLog), nil}
	}
	before.LogKey = named
	before.Chain, _ = chain.From(named)
	return before, nil
}

// keysError is an integrity failure where a chain of keys is not what it must be.
func keysError(a Address, err error) error {
	if errors.Is(err, proof.ErrSignature) || errors.Is(err, proof.ErrMalformed) {
		return &IntegrityError{a, WhatKey, err, nil}
	}
	return err
}

// follow returns what is known of a server when its chain of keys is followed from the pinned key. The chain must have all
// that was followed before: its error wraps proof.ErrSignature, and nobody follows a fork.
func (s Server) follow(served proof.KeyChain) (Server, error) {
	part, ok := served.From(s.LogKey)
	if !ok || !part.Continues(s.Chain) {
		return s, fmt.Errorf("%w: its chain of keys does not lead from %s, which this computer knows, to others", proof.ErrSignature, s.Key())
	}
	s.Chain = part
	return s, nil
}

// writeKeys writes down how the server's log came to its key, durably, where that was not known before. It comes after the
// checkpoint that the key has signed was found to continue the history: whoever has stolen an older key cannot have a machine
// count on his own without that.
func (p *pass) writeKeys() error {
	if p.server.Chain.Len() <= p.written {
		return nil
	}
	if err := fsx.Replace(p.s.State, p.s.Address.Dir()+"/"+keysFile, p.server.Chain.Append(nil), 0o600); err != nil {
		return err
	}
	p.written = p.server.Chain.Len()
	return nil
}

// follow asks the server how its log's key has changed, once a pass, and follows from the key that this computer knows.
func (p *pass) follow(ctx context.Context) error {
	if p.followed {
		return nil
	}
	chain, err := p.client.Keys(ctx)
	var moved Server
	if err == nil {
		moved, err = p.server.follow(chain)
	}
	if err != nil {
		return keysError(p.s.Address, err)
	}
	p.server, p.served, p.followed = moved, chain, true
	return nil
}
