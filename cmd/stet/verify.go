package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/internal/ship"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/verify"
	"github.com/stetlog/stet/proof"
)

type verifyCmd struct {
	storeFlag
	What string `arg:"" optional:"" help:"A store, a server, evidence, an exported log, or a proof that stet show --proof wrote; otherwise the store." placeholder:"PATH"`
	Key  string `help:"The log's verifier key, known to you from elsewhere." placeholder:"VKEY"`
	JSON bool   `help:"Print JSON."`
}

func (c *verifyCmd) Run(e *env) (err error) {
	if ship.IsAddress(c.What) || c.What == "" && c.remote() {
		return c.verifyServer(e)
	}
	path := c.What
	if path == "" {
		if path, err = stet.StorePath(c.Store); err != nil {
			return err
		}
	}
	if text, err := tlogProofFile(path); err == nil && text != nil {
		return c.verifyProof(e, path, text)
	}
	if f, err := evidenceFile(path); err != nil {
		return exit{exitNotChecked, fmt.Errorf("verify %s: %w", path, err)}
	} else if f != nil {
		return errors.Join(c.verifyEvidence(e, path, f), f.Close())
	}
	dir, err := fsx.OpenDir(path)
	if err != nil {
		return exit{exitNotChecked, fmt.Errorf("verify %s: %w", path, err)}
	}
	defer func() { err = errors.Join(err, dir.Close()) }()
	r, remembered, err := c.verify(e, dir)
	if err != nil {
		return exit{exitNotChecked, fmt.Errorf("verify %s: %w", path, err)}
	}
	return c.report(e, path, r, memory{before: remembered})
}

// report prints what was found and chooses the exit code.
func (c *verifyCmd) report(e *env, path string, r verify.Report, m memory) error {
	if err := c.print(e, path, r, m); err != nil {
		return err
	}
	switch r.State() {
	case verify.Failed:
		return exit{code: exitIntegrity}
	case verify.NotChecked:
		return exit{code: exitNotChecked}
	}
	return nil
}

// verify says also whether this computer remembers the log.
func (c *verifyCmd) verify(e *env, dir *fsx.Dir) (r verify.Report, remembered bool, err error) {
	isStore, err := isStore(dir)
	if err != nil {
		return r, false, err
	}
	o := verify.Options{LogKey: c.Key, Machine: origin.Detect(os.LookupEnv).Machine.Text}
	last, remembered, err := c.known(dir, isStore)
	if err != nil {
		return r, false, err
	}
	if remembered {
		o.Known = []verify.Known{{Checkpoint: last.Note, From: "this computer", LogKey: last.VKey}}
		if o.LogKey == "" && !isStore {
			o.LogKey = last.VKey // pinned when this computer first saw the log
		}
	}
	bar := newProgress(e.stderr, "entries")
	defer bar.clear()
	o.Progress = bar.set
	if isStore {
		r, err = verify.Store(e.ctx, dir, o)
	} else {
		r, err = verify.Log(e.ctx, logread.NewDir(dir, ".", logread.Plain), o)
	}
	return r, remembered, err
}

// verifyServer verifies the log that a server serves, over its tiles, against the key that is pinned for it and what this
// computer has seen. It believes the server nothing. What it has verified is remembered, outside of any store: whoever
// verifies again notices that the log was rewritten meanwhile, also where nothing is recorded.
func (c *verifyCmd) verifyServer(e *env) (err error) {
	f := c.storeFlag
	if c.What != "" {
		f.Store = c.What
	}
	name := f.name()
	l, err := f.log(e)
	if err != nil {
		var lie *ship.IntegrityError
		if errors.As(err, &lie) {
			return exit{exitIntegrity, err}
		}
		return exit{exitNotChecked, fmt.Errorf("verify %s: %w", name, err)}
	}
	defer func() { err = errors.Join(err, l.close()) }()
	o := verify.Options{LogKey: c.Key}
	if o.LogKey == "" {
		o.LogKey = l.key
	}
	origin, _, _ := strings.Cut(o.LogKey, "+")
	last, remembered, err := l.memory().Last(origin)
	if err != nil {
		return exit{exitNotChecked, fmt.Errorf("verify %s: %w", name, err)}
	}
	if remembered {
		o.Known = []verify.Known{{Checkpoint: last.Note, From: "this computer", LogKey: last.VKey}}
	}
	bar := newProgress(e.stderr, "entries")
	defer bar.clear()
	o.Progress = bar.set
	r, err := verify.Log(e.ctx, logread.NewRemote(l.client.Fetch), o)
	if err != nil {
		return exit{exitNotChecked, fmt.Errorf("verify %s: %w", name, err)}
	}
	if l.claimed && c.Key == "" {
		r.LogKeyFrom = "the server's own word, pinned nowhere"
	}
	kept := false
	if r.State() == verify.Verified && r.Size > 0 {
		if err := l.remember(e.ctx, r); err != nil {
			_, _ = fmt.Fprintf(e.stderr, "stet: what was verified cannot be remembered here, so the next look at this log is not held against it: %v\n", err)
		} else {
			kept = true
		}
	}
	return c.report(e, name, r, memory{remembered, kept})
}

// memory says what this computer remembers of a log.
type memory struct {
	before bool // it had seen the log
	kept   bool // it keeps what was verified now
}

// isStore tells a store from an exported log. A store that has only been spooled to, because nobody lived to bring that
// in, is one too.
func isStore(dir *fsx.Dir) (bool, error) {
	is, err := logread.IsStore(dir)
	if errors.Is(err, logread.ErrNoLog) {
		if _, serr := dir.Stat(spool.Dir); serr == nil {
			return true, nil
		}
	}
	return is, err
}

// known is what this computer has seen of the log before; ok is false where that is nothing. Nothing is remembered of a
// directory here: draining does that, and a copy or a backup says nothing of what it is a copy of.
func (c *verifyCmd) known(dir *fsx.Dir, isStore bool) (last known.Checkpoint, ok bool, err error) {
	name, err := logOrigin(dir, isStore)
	if err != nil {
		return last, false, nil //nolint:nilerr // what cannot be read is for the verifier to say
	}
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return last, false, err
	}
	fsys, err := fsx.OpenDir(state)
	if errors.Is(err, os.ErrNotExist) {
		return last, false, nil
	}
	if err != nil {
		return last, false, err
	}
	last, ok, err = known.Dir{FS: fsys, Name: store.KnownDir}.Last(name)
	return last, ok, errors.Join(err, fsys.Close())
}

// logOrigin is the name of the log in dir, as far as it says one.
func logOrigin(dir *fsx.Dir, isStore bool) (string, error) {
	name := logread.CheckpointPath
	if isStore {
		if m, err := store.ReadMarker(dir); err == nil {
			return m.Origin, nil
		}
		name = logread.StoreLog + "/" + name
	}
	msg, err := fsx.ReadFile(dir, name, proof.MaxCheckpoint)
	if err != nil {
		return "", err
	}
	line, _, _ := strings.Cut(string(msg), "\n")
	return line, nil
}

func (c *verifyCmd) print(e *env, path string, r verify.Report, m memory) error {
	if c.JSON {
		out := reportJSON(r)
		out.Kept = m.kept
		return printJSON(e, out)
	}
	var b strings.Builder
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format, args...) }
	p("%s: %s\n", path, r.State())
	for _, f := range r.Findings {
		p("  %s\n", f)
	}
	if r.More > 0 {
		p("  and %d more findings\n", r.More)
	}
	if r.Size > 0 {
		p("log      %s\n", r.Origin)
		p("size     %d entries: %d events in %d sealed batches of %d streams (%d still open), %d refused, %d lost\n",
			r.Size, r.Events, r.Seals, r.Streams, r.Open, r.Refused, r.Lost)
		p("root     %s\n", r.Root)
		if r.LogKey != "" {
			p("key      %s (%s)\n", r.LogKey, r.LogKeyFrom)
		}
		for _, k := range r.LogKeys {
			p("         since seq %d in the place of %s%s\n", k.Seq, k.Old, retired(k))
		}
		p("emitters %d keys, enrolled by the store itself\n", r.Keys)
	}
	if r.Pending > 0 || r.Undrained > 0 {
		p("pending  %d entries in the journal, %d events in %d spools: durable, not yet under a checkpoint\n", r.Pending, r.Undrained, r.Spools)
	}
	switch {
	case r.Known > 0:
		p("known    consistent with the checkpoint that this computer kept\n")
	case m.kept:
		p("known    this computer had seen nothing of this log; it remembers this checkpoint from now on\n")
	case m.before, r.LogKeyFrom == verify.KeyPinned, r.Origin == "": // of a log that has not said its name nothing is known
	default:
		p("known    local only: no checkpoint of this log was kept elsewhere on this computer, so whoever owns its key could have rewritten it\n")
	}
	_, err := e.stdout.WriteString(b.String())
	return err
}

// retired says whether a key whose place another took may still sign.
func retired(k verify.LogKeyChange) string {
	if k.Retired == 0 {
		return ", which may sign beside it"
	}
	return fmt.Sprintf(", which signs no more since seq %d", k.Retired)
}

// verifyReport is what --json prints: stet.verify/1.
type verifyReport struct {
	Format   string          `json:"format"`
	State    string          `json:"state"`
	Origin   string          `json:"origin"`
	Size     uint64          `json:"size"`
	Root     string          `json:"root"`
	Key      string          `json:"key,omitempty"`
	KeyFrom  string          `json:"key_from,omitempty"`
	LogKeys  []verifyLogKey  `json:"log_key_changes,omitempty"`
	Events   uint64          `json:"events"`
	Seals    uint64          `json:"seals"`
	Streams  uint64          `json:"streams"`
	Open     uint64          `json:"open_streams"`
	Refused  uint64          `json:"refused"`
	Lost     uint64          `json:"lost"`
	Foreign  uint64          `json:"foreign"`
	Keys     uint64          `json:"keys"`
	Pending  uint64          `json:"pending"`
	Unsent   uint64          `json:"undrained"`
	Known    int             `json:"known_checkpoints"`
	Kept     bool            `json:"remembered,omitempty"` // this computer keeps the checkpoint of a server that was verified
	Findings []verifyFinding `json:"findings"`
	More     int             `json:"more_findings,omitempty"`
}

// verifyLogKey is one change of the log's key, as the log says it.
type verifyLogKey struct {
	Seq     uint64  `json:"seq"`
	Old     string  `json:"old"`
	New     string  `json:"new"`
	Time    string  `json:"time"`
	Retired *uint64 `json:"retired,omitempty"` // seq from which on the old one signs no more
}

type verifyFinding struct {
	State string  `json:"state"`
	Seq   *uint64 `json:"seq,omitempty"`
	File  string  `json:"file,omitempty"`
	What  string  `json:"what"`
	Next  string  `json:"next,omitempty"`
}

func reportJSON(r verify.Report) verifyReport {
	v := verifyReport{Format: "stet.verify/1", State: r.State().String(), Origin: r.Origin, Size: r.Size, Root: r.Root.String(), Key: r.LogKey, KeyFrom: r.LogKeyFrom,
		Events: r.Events, Seals: r.Seals, Streams: r.Streams, Open: r.Open, Refused: r.Refused, Lost: r.Lost, Foreign: r.Foreign, Keys: r.Keys,
		Pending: r.Pending, Unsent: r.Undrained, Known: r.Known, Findings: []verifyFinding{}, More: r.More}
	for _, k := range r.LogKeys {
		change := verifyLogKey{Seq: k.Seq, Old: k.Old, New: k.New, Time: k.Time}
		if k.Retired > 0 {
			change.Retired = &k.Retired
		}
		v.LogKeys = append(v.LogKeys, change)
	}
	for _, f := range r.Findings {
		v.Findings = append(v.Findings, verifyFindingOf(f))
	}
	return v
}

func verifyFindingOf(f verify.Finding) verifyFinding {
	v := verifyFinding{State: f.State.String(), File: f.File, What: f.What, Next: f.Next}
	if f.HasSeq {
		v.Seq = &f.Seq
	}
	return v
}
