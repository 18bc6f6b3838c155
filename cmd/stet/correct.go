package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

type correctCmd struct {
	storeFlag
	Which    string   `arg:"" name:"entry" help:"What is to be corrected: an entry's number, or its event's id."`
	Reason   string   `help:"What was wrong with it." required:"" placeholder:"TEXT"`
	Reversal bool     `help:"What the event tells was undone, rather than told wrongly."`
	Status   string   `help:"The right outcome: success, failure, aborted, denied, pending or unknown." placeholder:"S"`
	Code     string   `help:"The right error code." placeholder:"CODE"`
	Impact   string   `help:"What was really changed." placeholder:"TEXT"`
	Count    []string `help:"How much of it, by what." placeholder:"WHAT=N"`
	User     string   `help:"Who corrects; otherwise the login user." placeholder:"ID"`
	JSON     bool     `help:"Print what was recorded as JSON."`
}

// Help explains what a correction is.
func (correctCmd) Help() string {
	return `The event stays as it is, and so does its proof. The correction is an event of its own that names it by id, number and hash;
stet story shows both. It counts as the word of whoever made the event where it is made under the same key, which is where
the same user corrects on the same host; from others it is kept and shown as a claim.

At a server, --token-file is the token to read with, an auditor's; the correction is sent with the token that this computer records
with, which must be for the event's application.`
}

// corrected is what correct prints: stet.correct/1.
type corrected struct {
	Format    string `json:"format"`
	Kind      string `json:"kind"` // correction or reversal
	Of        uint64 `json:"of_seq"`
	OfEvent   string `json:"of_event_id"`
	EntryHash string `json:"of_entry_hash"`
	Foreign   bool   `json:"foreign"`            // under another key than the event's: it will be shown as a claim
	InLog     bool   `json:"in_log"`             // false: durable in the spool, and another stet command brings it in
	Seq       uint64 `json:"seq,omitempty"`      // of the correction, once in the log
	EventID   string `json:"event_id,omitempty"` // the same
}

func (c *correctCmd) Run(e *env) (err error) {
	log, done, err := c.reading(e)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	f, err := find(e, log, c.Which)
	if err != nil {
		return err
	}
	if f.entry.Event == nil {
		return fmt.Errorf("entry %d is no event but a seal or a stub; there is nothing in it to correct", f.seq)
	}
	wrong, err := event.Parse(f.entry.Event)
	if err != nil {
		return exit{exitIntegrity, fmt.Errorf("entry %d: %w", f.seq, err)}
	}
	correction, err := c.correction(f, wrong)
	if err != nil {
		return err
	}
	out := corrected{Format: "stet.correct/1", Kind: correction.Kind, Of: f.seq, OfEvent: wrong.EventID.String(), EntryHash: correction.EntryHash}
	if out.Foreign, err = c.foreign(e, log, f); err != nil {
		return err
	}
	own, err := c.writing()
	if err != nil {
		return err
	}
	if err := own.record(e, c.User, wrong, correction); err != nil {
		return err
	}
	if own.tryBringIn(e) {
		if err := out.look(e, log, f.cp.Size); err != nil {
			return err
		}
	}
	return out.print(e, c.JSON)
}

// correction is what is to be said of an event.
func (c *correctCmd) correction(f found, wrong *event.Event) (stet.Correction, error) {
	raw := func(s string) string { // the correction is escaped when it is written
		if meant, ok := event.Unsanitize(s); ok {
			return meant
		}
		return s
	}
	n := stet.Correction{EventID: wrong.EventID, Seq: &f.seq, EntryHash: "sha256:" + f.leaf.Hex(), Kind: "correction", Reason: c.Reason,
		InteractionID: raw(wrong.InteractionID), Status: c.Status, Code: c.Code}
	if c.Reversal {
		n.Kind = "reversal"
	}
	if j := wrong.Job; j != nil && j.ID != "" {
		n.JobID, n.RunID, n.JobName = raw(j.ID), raw(j.RunID), raw(j.Name)
	} else {
		n.EventType = wrong.EventType
	}
	if c.Impact != "" || len(c.Count) > 0 {
		n.Impact = &event.Impact{Summary: c.Impact, Counts: map[string]int64{}}
	}
	for _, one := range c.Count {
		what, text, ok := strings.Cut(one, "=")
		count, err := strconv.ParseInt(text, 10, 64)
		if !ok || what == "" || err != nil {
			return n, usage("correct: --count %q: say WHAT=N, for example rows=900", one)
		}
		n.Impact.Counts[what] = count
	}
	return n, nil
}

// foreign says whether this user's key on this host is another than that which sealed the event.
func (c *correctCmd) foreign(e *env, s *store.Reading, f found) (bool, error) {
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return false, err
	}
	key, err := keyfile.Load(filepath.Join(state, "emitter.key"))
	if errors.Is(err, os.ErrNotExist) {
		return true, nil // it will be made
	}
	if err != nil {
		return false, err
	}
	sealed, err := sealOf(e, s, f)
	return sealed.Key != key.VKey, err
}

// sealOf returns the seal of the batch that an entry belongs to: the next one.
func sealOf(e *env, s *store.Reading, f found) (seal proof.Seal, err error) {
	end := min(f.cp.Size, f.seq+proof.MaxBatch+1)
	err = logread.Entries(e.ctx, s.Source(), f.seq, end, func(seq uint64, raw []byte) error {
		entry, err := proof.ParseEntry(raw)
		if err != nil || entry.Seal == nil {
			return err
		}
		if seal, err = proof.ParseSeal(entry.Seal.Note); err == nil {
			err = errFound
		}
		return err
	})
	if errors.Is(err, errFound) {
		return seal, nil
	}
	return seal, errors.Join(err, exit{exitIntegrity, fmt.Errorf("entry %d has no seal behind it", f.seq)})
}

// writing is the store as the correction is recorded for it: at a server with the token that this computer records with,
// where the one that the command was given is for reading.
func (c *correctCmd) writing() (storeFlag, error) {
	own := c.storeFlag
	if !own.remote() || own.TokenFile == "" {
		return own, nil
	}
	own.TokenFile = ""
	return own, os.Unsetenv("STET_TOKEN_FILE") // where it may stand, too
}

// record records the correction in the name of the application that made the event.
func (f storeFlag) record(e *env, user string, wrong *event.Event, n stet.Correction) error {
	// What this process was given for its own events says nothing about those of the application.
	if err := os.Unsetenv("STET_ENV"); err != nil {
		return err
	}
	rec, err := stet.Open(e.ctx, f.Store, f.recording(e, stet.Options{App: wrong.AppID, Environment: wrong.Environment, AppVersion: wrong.AppVersion,
		EntryPoint: &event.EntryPoint{Kind: "cli", Name: "stet correct"}, Derived: map[string]string{"app_id": "the event that is corrected"}}))
	if err != nil {
		return err
	}
	ctx := e.ctx
	if user != "" {
		ctx = stet.WithUser(ctx, user)
	}
	return errors.Join(rec.Correct(ctx, n), rec.Close())
}

// look finds the correction in the log, behind the entries that were there before it.
func (x *corrected) look(e *env, s *store.Reading, from uint64) error {
	cp, _, err := s.Checkpoint(e.ctx)
	if err != nil {
		return err
	}
	return logread.Entries(e.ctx, s.Source(), from, cp.Size, func(seq uint64, raw []byte) error {
		entry, err := proof.ParseEntry(raw)
		if err != nil || entry.Event == nil {
			return err
		}
		ev, err := event.Parse(entry.Event)
		if err == nil && ev.Corrects != nil && ev.Corrects.EntryHash == x.EntryHash {
			x.InLog, x.Seq, x.EventID = true, seq, ev.EventID.String()
		}
		return err
	})
}

func (x *corrected) print(e *env, asJSON bool) error {
	if x.Foreign {
		_, _ = fmt.Fprintf(e.stderr, "stet: entry %d was recorded under another key than yours: this will be shown as a claim beside it, not as its own correction\n", x.Of)
	}
	if asJSON {
		return printJSON(e, x)
	}
	where := "durable in the spool; the next stet command brings it into the log"
	if x.InLog {
		where = fmt.Sprintf("entry %d, event %s", x.Seq, x.EventID)
	}
	_, err := fmt.Fprintf(e.stdout, "%s of entry %d (event %s) recorded: %s\n", x.Kind, x.Of, x.OfEvent, where)
	return err
}
