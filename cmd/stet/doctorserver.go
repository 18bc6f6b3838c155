package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

const (
	// askTimeout bounds how long doctor waits for a server's word.
	askTimeout = 5 * time.Second
	// flushTimeout bounds stet doctor --flush of a server's spools.
	flushTimeout = 10 * time.Minute
)

// server looks at the way to a server instead of at a store.
func (c *doctorCmd) server(e *env) error {
	d := &doctor{env: e}
	var err error
	if d.state, err = keyfile.StateDir(os.LookupEnv); err != nil {
		return err
	}
	conn, err := c.connect()
	switch {
	case errors.Is(err, ship.ErrAddress):
		return usage("doctor: %v", err)
	case errors.Is(err, fs.ErrNotExist):
		d.path, err = c.name(), nil
		d.ok("spool", "nothing was ever recorded for this server here")
	case err != nil:
		return err
	default:
		d.path, d.store = conn.Address.String(), conn.place
		defer func() { err = errors.Join(err, conn.close()) }()
		if c.Flush {
			d.send(conn)
			if c.recordAgain(d) {
				d.send(conn)
			}
		}
		d.met(conn)
		d.unsent(conn)
		d.trouble(conn)
		d.quarantine()
	}
	d.answers(c.storeFlag)
	d.store = nil // which is no store
	d.keys()
	d.clock()
	d.losses()
	d.system()
	return errors.Join(c.report(e, d), err)
}

// send sends what is spooled, and says what came of it.
func (d *doctor) send(c *connection) {
	ctx, cancel := context.WithTimeout(d.ctx, flushTimeout)
	defer cancel()
	r, err := c.Flush(ctx)
	switch {
	case err != nil:
		d.add(diagnosis{"spool", sevProblem, "sending what is spooled failed: " + err.Error(), "it is durable here, and not in the log", "stet doctor --flush, when that is put right"})
	case r.Busy:
		d.add(diagnosis{"spool", sevWarn, "another process is sending what is spooled", "", "stet doctor --flush"})
	default:
		d.ok("spool", "%s sent and proven to be in the log; %s of dead processes recorded as lost", plural(r.Events, "event"), plural(r.Lost, "run"))
	}
	for _, l := range r.Damaged {
		d.add(diagnosis{"spool", sevWarn, fmt.Sprintf("spool %s was damaged: %s", l.Stream, l.Why), "what is damaged is declared lost, and kept in " + spool.QuarantineDir, ""})
	}
	for _, l := range r.Left {
		d.add(diagnosis{"spool", sevProblem, fmt.Sprintf("spool %s was not sent: %s", l.Stream, l.Why), "it is durable here, and not in the log", ""})
	}
}

// met says what is known of the server.
func (d *doctor) met(c *connection) {
	s, err := ship.ReadServer(c.state, c.Address)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.add(diagnosis{"server", sevWarn, "the server was never met", "nothing is known of its log, and nothing was sent", "stet doctor --flush"})
		return
	case err != nil:
		d.add(diagnosis{"server", sevProblem, err.Error(), "nothing is sent before that is clear", ""})
		return
	}
	d.ok("server", "its log is pinned: %s", s.Key())
	file := firstOf(c.TokenFile, s.TokenFile)
	if file == "" {
		return
	}
	if _, err := ship.ReadToken(file); err != nil {
		d.add(diagnosis{"server", sevProblem, "the token: " + err.Error(), "nothing can be sent without it", ""})
		return
	}
	if fi, err := os.Stat(file); err == nil && fi.Mode().Perm()&0o077 != 0 {
		d.add(diagnosis{"server", sevWarn, fmt.Sprintf("%s can be read or written by others (mode %04o)", file, fi.Mode().Perm()), "whoever has the token can record in your application's name",
			"chmod 600 " + shellWord(file)})
	}
}

// unsent says how much is only on this computer, and how old the oldest of it is: a shipper that looks healthy and forwards
// nothing shows here (THREATS 12).
func (d *doctor) unsent(c *connection) {
	streams, err := spool.List(c.place, spool.Dir)
	if err != nil {
		d.unchecked("spool", "the spools", err)
		return
	}
	sent, err := c.Progress()
	if err != nil {
		sent = nil // which met has said
	}
	var all waiting
	for _, stream := range streams {
		w, _, err := d.spooledFrom(stream, sent[stream])
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			d.unchecked("spool", "spool "+stream, err)
			continue
		}
		all.add(w)
	}
	switch {
	case all.events == 0:
		d.ok("spool", "everything that was recorded here is in the server's log")
	case all.oldest.IsZero() || time.Since(all.oldest) > staleAfter:
		d.add(diagnosis{"spool", sevProblem, fmt.Sprintf("in %s: %v", plural(len(streams), "spool"), all), "they are durable here only: whoever takes this computer takes them", "stet doctor --flush"})
	default:
		d.add(diagnosis{"spool", sevWarn, fmt.Sprintf("in %s: %v", plural(len(streams), "spool"), all), "they are durable here only", "stet doctor --flush"})
	}
}

// trouble says how the server contradicted itself.
func (d *doctor) trouble(c *connection) {
	all, err := ship.ReadTrouble(c.state, c.Address)
	if err != nil {
		d.unchecked("server", "what was noted of it", err)
	}
	for _, t := range all {
		d.add(diagnosis{"server", sevProblem, fmt.Sprintf("integrity failure at %s (%s): %s", t.At, t.What, t.Text), "the server's log was rewritten, forked or restored from an older copy, or something between lies",
			"ask who runs it; the evidence is in " + shellWord(d.state+"/"+c.Address.Dir()) + ", and goes when you have moved the file away"})
	}
}

// answers asks the server for its checkpoint and holds that against what this computer has seen.
func (d *doctor) answers(f storeFlag) {
	ctx, cancel := context.WithTimeout(d.ctx, askTimeout)
	defer cancel()
	asked := *d.env
	asked.ctx = ctx
	l, err := f.log(&asked)
	if err != nil {
		d.silent(err)
		return
	}
	defer func() { _ = l.close() }() // read only
	d.expiry(ctx, l)
	v, err := note.NewVerifier(l.key)
	if err != nil {
		d.unchecked("server", "its key", err)
		return
	}
	src := logread.NewRemote(l.client.Fetch)
	msg, err := src.Fetch(ctx, logread.CheckpointPath)
	if err != nil {
		d.silent(err)
		return
	}
	cp, err := proof.OpenCheckpoint(msg, v.Name(), v)
	seen := false
	if err == nil {
		_, seen, err = l.memory().Last(cp.Origin)
	}
	if err == nil {
		err = l.memory().Agrees(known.Checkpoint{Checkpoint: cp, VKey: l.key, Note: msg}, logread.Hashes(ctx, src, cp.Size))
	}
	switch {
	case errors.Is(err, known.ErrContradiction), errors.Is(err, proof.ErrSignature), errors.Is(err, proof.ErrMalformed):
		d.add(diagnosis{"memory", sevProblem, err.Error(), "the log was cut, forked or restored from an older copy", "stet verify " + shellWord(d.path)})
	case err != nil:
		d.silent(err)
	case seen:
		d.ok("memory", "the server answers: %s under a signed checkpoint, in agreement with what this computer has seen", plural(cp.Size, "entry"))
	default:
		d.add(diagnosis{"memory", sevWarn, fmt.Sprintf("the server answers: %s under a signed checkpoint, and this computer has seen none of this log before", plural(cp.Size, "entry")),
			"a log that was rewritten, or restored from an older copy, would not be noticed here", "stet verify " + shellWord(f.name())})
	}
}

// expiresSoon is how long before a token's end doctor begins to warn: time for somebody to ask for another one.
const expiresSoon = 14 * 24 * time.Hour

// expiry asks the server when the token runs out that this computer comes with. Nothing is said where it does not, or where the
// server does not say: what else is asked tells whether it answers.
func (d *doctor) expiry(ctx context.Context, l *remoteLog) {
	said, err := l.client.Log(ctx)
	if err != nil || said.TokenExpires == "" {
		return
	}
	end, err := time.Parse(time.RFC3339, said.TokenExpires)
	if err != nil {
		return // ParseLog has seen it
	}
	d.expires(end, time.Now())
}

func (d *doctor) expires(end, now time.Time) {
	left := end.Sub(now).Truncate(time.Minute)
	if left > expiresSoon {
		d.ok("server", "the token is good until %s", end.UTC().Format(time.RFC3339))
		return
	}
	in := max(0, left).String()
	if days := uint64(max(0, left).Hours() / 24); days > 1 {
		in = plural(days, "day")
	}
	d.add(diagnosis{"server", sevWarn, fmt.Sprintf("the token runs out at %s, in %s", end.UTC().Format(time.RFC3339), in),
		"then nothing is sent any more; it stays here", "ask for a new one, stet admin token create, and put it into the token's file, or connect with stet enrol"})
}

// silent says that a server could not be asked.
func (d *doctor) silent(err error) {
	var lie *ship.IntegrityError
	if errors.As(err, &lie) {
		d.add(diagnosis{"server", sevProblem, err.Error(), "this is not the server that it is taken for", ""})
		return
	}
	d.add(diagnosis{"server", sevProblem, err.Error(), "what is recorded stays on this computer meanwhile", ""})
}
