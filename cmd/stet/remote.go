package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

// name is what was given as the store; "" for the default one.
func (f storeFlag) name() string {
	if f.Store != "" {
		return f.Store
	}
	return os.Getenv("STET_STORE")
}

// remote says whether the store is a server.
func (f storeFlag) remote() bool { return ship.IsAddress(f.name()) }

// recording are the options of a recorder whose command then brings in, or sends, what was recorded, and says what comes of
// that itself.
func (f storeFlag) recording(e *env, o stet.Options) stet.Options {
	o.TokenFile, o.SendWait = f.TokenFile, -1
	tell := o.OnLoss
	if tell == nil {
		tell = func(err error) { _, _ = fmt.Fprintf(e.stderr, "stet: %s\n", event.Sanitize(err.Error())) }
	}
	o.OnLoss = func(err error) {
		if !errors.Is(err, stet.ErrServer) {
			tell(err)
		}
	}
	return o
}

// connection is what this computer has of a server: its spools, and what it remembers.
type connection struct {
	ship.Shipper
	state, place *fsx.Dir
}

// connect opens the place of the server's spools, and the state directory. Nothing is sent or made. fs.ErrNotExist: nothing
// was ever recorded for this server here, nor asked of it.
func (f storeFlag) connect() (c *connection, err error) {
	a, err := ship.ParseAddress(f.name())
	if err != nil {
		return nil, err
	}
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	place, err := a.Place(state, os.Getenv("STET_SPOOL"))
	if err != nil {
		return nil, err
	}
	c = &connection{Shipper: ship.Shipper{Client: ship.NewClient(a), Address: a, Machine: origin.Detect(os.LookupEnv).Machine.Text, Now: time.Now}}
	if f.TokenFile != "" {
		if c.TokenFile, err = filepath.Abs(f.TokenFile); err != nil {
			return nil, err
		}
	}
	if c.state, err = fsx.OpenDir(state); err != nil {
		return nil, err
	}
	if c.place, err = fsx.OpenDir(place); err != nil {
		return nil, errors.Join(err, c.state.Close())
	}
	c.State, c.Place, c.Known = c.state, c.place, known.Dir{FS: c.state, Name: known.DirName}
	return c, nil
}

func (c *connection) close() error {
	c.Client.Close()
	return errors.Join(c.place.Close(), c.state.Close())
}

// sendTimeout bounds how long a command that has recorded something tries to send it: a job must not wait for the network.
const sendTimeout = 2 * time.Second

// errUnsent says that what was recorded is only on this computer.
var errUnsent = errors.New("what was recorded is durable here and not sent yet; the next stet command on this store sends it, or stet doctor --flush")

// send makes one attempt to send what was recorded, and says whether all of it is in the log now.
func (f storeFlag) send(ctx context.Context) (inLog bool, err error) {
	c, err := f.connect()
	if errors.Is(err, fs.ErrNotExist) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	r, err := c.Flush(ctx)
	var bad *ship.IntegrityError
	switch {
	case errors.As(err, &bad):
	case err != nil:
		err = fmt.Errorf("%w: %w", errUnsent, err)
	case len(r.Left) > 0:
		err = fmt.Errorf("%w: stream %s: %s", errUnsent, r.Left[0].Stream, r.Left[0].Why)
	}
	return err == nil && !r.Busy, errors.Join(err, c.close())
}

// sendFirst sends what is spooled here before somebody reads. The command's own token is a reader's, and no word on who
// records here: what this computer knows of the server says which token is for sending. Where it knows none, what is
// spooled waits for who records next.
func (f storeFlag) sendFirst(ctx context.Context) error {
	if f.TokenFile != "" {
		c, err := f.connect()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		server, err := ship.ReadServer(c.state, c.Address)
		if err := errors.Join(err, c.close()); err != nil || server.Token == "" && server.TokenFile == "" {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		f.TokenFile = ""
	}
	_, err := f.send(ctx)
	return err
}

// reading opens the log for reading: a directory's, of which what is spooled is brought in first, or a server's, to which
// what is spooled here is sent first. done must be called.
func (f storeFlag) reading(e *env) (r *store.Reading, done func() error, err error) {
	if !f.remote() {
		s, err := f.open(e)
		if err != nil {
			return nil, nil, err
		}
		if r, err = s.Reading(); err != nil {
			return nil, nil, errors.Join(err, s.Close())
		}
		return r, s.Close, nil
	}
	f.sendBefore(e)
	r, l, err := f.readingServer(e)
	if err != nil {
		return nil, nil, err
	}
	return r, l.close, nil
}

// sendBefore sends what is spooled here, and says what hinders that.
func (f storeFlag) sendBefore(e *env) {
	if err := f.sendFirst(e.ctx); err != nil {
		_, _ = fmt.Fprintf(e.stderr, "stet: %v\n", err)
	}
}

// readingServer is reading of a server's log, where nothing is sent first.
func (f storeFlag) readingServer(e *env) (r *store.Reading, l *remoteLog, err error) {
	l, err = f.log(e)
	if err != nil {
		return nil, nil, fmt.Errorf("read the log of %s: %w", f.name(), err)
	}
	r, err = store.ReadingOf(l.address.String(), logread.NewRemote(l.client.Fetch), l.key, l.memory())
	if err != nil {
		return nil, nil, errors.Join(err, l.close())
	}
	return r, l, nil
}

// remoteLog is a server's log to be read.
type remoteLog struct {
	address ship.Address
	client  *ship.Client
	key     string   // verifier key of the log: the newest that this computer has come to
	claimed bool     // it is the server's own word, and pinned nowhere
	state   *fsx.Dir // nil: there is no state directory yet
}

func (l *remoteLog) close() error {
	l.client.Close()
	if l.state == nil {
		return nil
	}
	return l.state.Close()
}

// memory is what this computer has seen of logs.
func (l *remoteLog) memory() known.Dir {
	if l.state == nil {
		return known.Dir{FS: noFS{}, Name: known.DirName}
	}
	return known.Dir{FS: l.state, Name: known.DirName}
}

// remember keeps the checkpoint that a verified log has, for what is seen of that log later. The state directory is made where
// there is none.
func (l *remoteLog) remember(ctx context.Context, r verify.Report) (err error) {
	if l.state == nil {
		dir, err := keyfile.StateDir(os.LookupEnv)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if l.state, err = fsx.OpenDir(dir); err != nil {
			l.state = nil
			return err
		}
	}
	src := logread.NewRemote(l.client.Fetch)
	now := known.Checkpoint{Checkpoint: proof.Checkpoint{Origin: r.Origin, Size: r.Size, Root: r.Root}, Note: r.Checkpoint, VKey: r.LogKey}
	if now.Chain, err = logread.Keys(ctx, src); err != nil {
		return err
	}
	err = l.memory().Advance(now, logread.Hashes(ctx, src, r.Size))
	if last, ok, lerr := l.memory().Last(r.Origin); err != nil && lerr == nil && ok && last.Size > r.Size {
		return nil // somebody else here has seen more of it meanwhile
	}
	return err
}

// log finds out which log a server keeps, and which token is for it. Nothing is written: whoever only reads pins nothing, so
// the key is the one that is pinned, or the one that the token names, or, on this machine, the one that the server says.
func (f storeFlag) log(e *env) (*remoteLog, error) {
	a, err := ship.ParseAddress(f.name())
	if err != nil {
		return nil, err
	}
	dir, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return nil, err
	}
	l := &remoteLog{address: a, client: ship.NewClient(a)}
	var server ship.Server
	if l.state, err = fsx.OpenDir(dir); err == nil {
		server, err = ship.ReadServer(l.state, a)
	} else {
		l.state = nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		server = ship.Server{Address: a}
	} else if err != nil {
		return nil, errors.Join(err, l.close())
	}
	token := server.Token
	if file := firstOf(f.TokenFile, server.TokenFile); file != "" {
		if token, err = ship.ReadToken(file); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	l.client = l.client.With(token)
	fresh := server.LogKey == ""
	if server, err = ship.Acquaint(e.ctx, l.client, server, token); err != nil {
		return nil, errors.Join(err, l.close())
	}
	l.key, l.claimed = server.Key(), fresh && token == ""
	return l, nil
}

func firstOf(all ...string) string {
	for _, s := range all {
		if s != "" {
			return s
		}
	}
	return ""
}
