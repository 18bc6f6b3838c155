package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/proof"
)

type enrolCmd struct {
	URL       string `arg:"" name:"url" help:"The server: https://HOST[:PORT], http://127.0.0.1:PORT or unix:/PATH."`
	TokenFile string `help:"A file with a writer's token." required:"" placeholder:"FILE" env:"STET_TOKEN_FILE"`
	Rotate    bool   `help:"Make a new key, have it take the old one's place, and use it from now on."`
	JSON      bool   `help:"Print JSON."`
}

// Help says what enrolling does.
func (enrolCmd) Help() string {
	return `It makes this user's key on this host where there is none, proves to the server that it has it, and pins the key of the
server's log: that which the token names. From then on stet run --store URL needs no more than the address.

A key that was replaced stays good for what it has sealed already, until stet admin key revoke. Programs that run go on with
it until they are started anew.`
}

// enrolled is what enrol prints: stet.enrol/1.
type enrolled struct {
	Format  string `json:"format"`
	Server  string `json:"server"`
	LogKey  string `json:"log_key"` // pinned
	Key     string `json:"key"`     // verifier key of this host and user
	KeyID   string `json:"key_id"`
	Replace string `json:"replaced_key_id,omitempty"`
}

func (c *enrolCmd) Run(e *env) error {
	a, err := ship.ParseAddress(c.URL)
	if err != nil {
		return usage("enrol: %v", err)
	}
	token, err := ship.ReadToken(c.TokenFile)
	if err != nil {
		return err
	}
	file, err := filepath.Abs(c.TokenFile)
	if err != nil {
		return err
	}
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return err
	}
	client := ship.NewClient(a)
	defer client.Close()
	server, err := c.meet(e.ctx, state, a, client, token)
	if err != nil {
		return err
	}
	server.TokenFile, server.Token = file, ""
	key, old, err := c.key(state)
	if err != nil {
		return err
	}
	claim, err := auth.SignClaim(token, key, old)
	if err != nil {
		return err
	}
	if _, err := (admin.Client{Client: client.With(token)}).EnrolKey(e.ctx, claim); err != nil {
		return err
	}
	// The server is written down last but for the key: whoever is interrupted before that begins again, and finds all as it was.
	if err := remember(state, server); err != nil {
		return err
	}
	out := enrolled{Format: "stet.enrol/1", Server: a.String(), LogKey: server.Key(), Key: key.VKey, KeyID: key.ID()}
	if c.Rotate {
		if err := keyfile.TakeNextEmitter(state); err != nil {
			return err
		}
		out.Replace = old.ID()
		c.others(e, state, a)
	}
	if c.JSON {
		return printJSON(e, out)
	}
	place := ""
	if c.Rotate {
		place = fmt.Sprintf(", in the place of %s, which is good until stet admin key revoke", old.ID()[:16])
	}
	_, err = fmt.Fprintf(e.stdout, "enrolled at %s: key %s (%s)%s; its log's key %s is pinned\n", a, key.ID()[:16], key.Name, place, proof.KeyID(server.Key())[:16])
	return err
}

// meet finds out, without showing the token, whether the server keeps the log that the token names and that is pinned here,
// if any is.
func (c *enrolCmd) meet(ctx context.Context, state string, a ship.Address, client *ship.Client, token string) (s ship.Server, err error) {
	before := ship.Server{Address: a}
	dir, err := fsx.OpenDir(state)
	switch {
	case err == nil:
		known, rerr := ship.ReadServer(dir, a)
		if rerr == nil {
			before = known
		}
		if err = dir.Close(); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
			err = rerr
		}
	case errors.Is(err, fs.ErrNotExist):
		err = nil
	}
	if err != nil {
		return s, err
	}
	s, err = ship.Acquaint(ctx, client, before, token)
	var lie *ship.IntegrityError
	if errors.As(err, &lie) || errors.Is(err, ship.ErrOtherLog) {
		err = exit{exitIntegrity, fmt.Errorf("%w. The token was not sent; perhaps it is a token of another server, or this is not the server that you mean", err)}
	}
	return s, err
}

// key is the key to enrol, and the one whose place it takes.
func (c *enrolCmd) key(state string) (key, old keyfile.Key, err error) {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown" // it only names a key
	}
	key, err = keyfile.Emitter(state, host, rand.Reader)
	if err != nil || !c.Rotate {
		return key, keyfile.Key{}, err
	}
	old = key
	key, err = keyfile.NextEmitter(state, host, rand.Reader)
	return key, old, err
}

func remember(state string, s ship.Server) (err error) {
	dir, err := fsx.OpenDir(state)
	if err != nil {
		return err
	}
	return errors.Join(ship.WriteServer(dir, s), dir.Close())
}

// others says where else this host's key was enrolled: they have to hear of the new one too.
func (c *enrolCmd) others(e *env, state string, here ship.Address) {
	all, err := os.ReadDir(filepath.Join(state, "servers"))
	if err != nil {
		return
	}
	for _, d := range all {
		if d.Name() != here.Name() {
			_, _ = fmt.Fprintf(e.stderr, "stet: the server in %s knows the old key only; run stet enrol for it as well\n", filepath.Join(state, "servers", d.Name()))
		}
	}
}
