package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/exhibit"
	"github.com/stetlog/stet/internal/exports"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/verifierpage"
)

// evidence writes a file of evidence: under another name first, and verified before it gets its own. That it was written is an
// event, which is durable before anybody has the file.
func (c *exportCmd) evidence(e *env) (err error) {
	if c.Out == "" {
		return usage("export: say what to write: -o FILE.zip for evidence, --format NAME, --tlog DIR or --json")
	}
	q, err := parseQuery(e, c.Query)
	if err != nil {
		return err
	}
	return c.file(func(tmp *os.File) (say func() error, err error) {
		s, done, err := c.reading(e)
		if err != nil {
			return nil, err
		}
		defer func() { err = errors.Join(err, done()) }()
		m, err := c.exhibit(e, s, q, tmp)
		if err != nil {
			return nil, err
		}
		if err := c.recordExport(e, m.Export()); err != nil {
			return nil, fmt.Errorf("export: nothing was written, because it could not be recorded: %w", err)
		}
		return func() error { return c.say(e, m.Manifest, s.Name) }, nil
	})
}

// file makes the file that was asked for, which must not exist: write writes it under another name, and it gets its own when write has
// succeeded. Then say is called.
func (c *exportCmd) file(write func(*os.File) (say func() error, err error)) error {
	if _, err := os.Lstat(c.Out); err == nil {
		return fmt.Errorf("export: %s exists; name a file that does not", c.Out)
	}
	tmp, err := os.CreateTemp(filepath.Dir(c.Out), ".stet-export-*")
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	defer func() {
		_ = tmp.Close()
		_ = os.Remove(tmp.Name()) // gone already where it has got its name
	}()
	say, err := write(tmp)
	if err != nil {
		return err
	}
	if err := errors.Join(tmp.Chmod(0o600), tmp.Sync(), tmp.Close(), os.Rename(tmp.Name(), c.Out)); err != nil {
		return fmt.Errorf("export: %w", err)
	}
	return say()
}

// exhibit writes and verifies the evidence.
func (c *exportCmd) exhibit(e *env, s *store.Reading, q search.Query, tmp *os.File) (m exports.Made, err error) {
	cp, note, err := s.Checkpoint(e.ctx)
	if err != nil {
		return m, err
	}
	log := exhibit.Log{Source: s.Source(), Signed: logread.Signed{Checkpoint: cp, Note: note, VKey: s.LogKey}}
	if log.Chain, err = logread.Keys(e.ctx, s.Source()); err != nil {
		return m, err
	}
	host := origin.Detect(os.LookupEnv)
	bar := newProgress(e.stderr, "entries")
	m, err = exports.Make(e.ctx, tmp, log, exhibit.Request{Query: q, Now: time.Now(), By: asker(host), Tool: event.Sanitize(strings.TrimSpace("stet " + host.Build.Version.Text)),
		Whole: c.Complete, Verifier: verifierpage.HTML(), Progress: bar.set}, evidence.Options{Progress: bar.set})
	bar.clear()
	switch {
	case errors.Is(err, exhibit.ErrNothing):
		return m, usage("export --complete: %v", err)
	case errors.Is(err, exports.ErrUnverified):
		return m, exit{exitIntegrity, fmt.Errorf("export: %w", err)}
	case errors.As(err, new(*logread.UnreadError)):
		return m, without("export: nothing was written", err)
	case err != nil:
		return m, fmt.Errorf("export: %w", err)
	}
	return m, nil
}

// asker is who asks, as this machine knows them.
func asker(o origin.Origin) string {
	who := "uid:" + strconv.Itoa(o.UID)
	if o.User.Text != "" {
		who = o.User.Text + " (" + who + ")"
	}
	if o.Hostname.Text != "" {
		who += " at " + o.Hostname.Text
	}
	return event.Sanitize(who)
}

// recordExport records the export: as an event of this program's, or, at a server, as one of the server's own, which knows
// who reads.
func (c *exportCmd) recordExport(e *env, x admin.Export) (err error) {
	if c.remote() {
		l, err := c.log(e)
		if err != nil {
			return err
		}
		_, err = admin.Client{Client: l.client}.RecordExport(e.ctx, x)
		return errors.Join(err, l.close())
	}
	rec, err := stet.Open(e.ctx, c.Store, c.recording(e, stet.Options{App: "stet", EntryPoint: &event.EntryPoint{Kind: "cli", Name: "stet export"}}))
	if err != nil {
		return err
	}
	if err := errors.Join(rec.Record(e.ctx, x.Event()), rec.Close()); err != nil {
		return err
	}
	c.tryBringIn(e)
	return nil
}

func (c *exportCmd) say(e *env, m evidence.Manifest, name string) error {
	_, err := fmt.Fprintf(e.stdout, "%s: %d entries found in entries %d to %d of %s, with %d seals\nverify it anywhere: stet verify %s --key %s\n",
		c.Out, m.Counts.Found, m.Searched.First, m.Searched.Last, name, m.Counts.Seals, c.Out, m.Log.Key)
	if m.Whole != nil && err == nil {
		_, err = fmt.Fprintf(e.stdout, "every entry from %d to %d is accounted for, %d of them by their hash alone\n", m.Whole.First, m.Whole.Last, m.Counts.Hidden)
	}
	return err
}
