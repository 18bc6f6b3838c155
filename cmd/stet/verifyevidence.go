package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// errNothingToVerify says that a file is nothing that can be verified.
var errNothingToVerify = errors.New("it is neither evidence (a zip that stet export made) nor a proof (that stet show --proof wrote), and a store or an exported log is a directory")

// evidenceFile opens a zip, or what is called one; nil where there is no file. A file that is neither is errNothingToVerify.
func evidenceFile(path string) (*os.File, error) {
	if fi, err := os.Stat(path); err != nil || !fi.Mode().IsRegular() {
		return nil, nil //nolint:nilerr // who opens it as a directory says what is wrong with it
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	var head [2]byte
	if n, err := f.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, f.Close())
	} else if string(head[:n]) != "PK" && !strings.HasSuffix(path, ".zip") {
		return nil, errors.Join(errNothingToVerify, f.Close())
	}
	return f, nil
}

// verifyEvidence verifies a file of evidence, by the key that is given, or that this computer remembers of its log. It asks
// nobody.
func (c *verifyCmd) verifyEvidence(e *env, path string, f *os.File) error {
	if c.Key != "" {
		if err := proof.CheckVKey(c.Key); err != nil {
			return usage("verify: --key: %v", err)
		}
	}
	fi, err := f.Stat()
	if err != nil {
		return exit{exitNotChecked, fmt.Errorf("verify %s: %w", path, err)}
	}
	o := evidence.Options{LogKey: c.Key}
	bar := newProgress(e.stderr, "entries")
	o.Progress = bar.set
	rep, err := evidence.Verify(e.ctx, f, fi.Size(), o)
	if err == nil && c.Key == "" && rep.AuthorUnknown {
		// What this computer has seen of the log vouches for its key as much as a person does.
		var last known.Checkpoint
		if last, err = rememberedLog(rep.Origin); err == nil && last.VKey != "" {
			o.LogKey, o.LogKeyFrom = last.VKey, "key that this computer remembers of the log"
			o.Known = []evidence.Known{{Checkpoint: last.Note, From: "this computer", LogKey: last.VKey}}
			rep, err = evidence.Verify(e.ctx, f, fi.Size(), o)
		}
	}
	bar.clear()
	if err != nil {
		return exit{exitNotChecked, fmt.Errorf("verify %s: %w", path, err)}
	}
	if c.JSON {
		err = printJSON(e, evidenceJSON(rep))
	} else {
		_, err = e.stdout.WriteString(evidenceText(path, rep))
	}
	switch {
	case err != nil:
		return err
	case rep.State() == evidence.Failed:
		return exit{code: exitIntegrity}
	case rep.State() == evidence.NotChecked:
		return exit{code: exitNotChecked}
	}
	return nil
}

// rememberedLog is what this computer has seen of a log; the zero value where that is nothing.
func rememberedLog(origin string) (last known.Checkpoint, err error) {
	state, err := keyfile.StateDir(os.LookupEnv)
	if err != nil {
		return last, err
	}
	fsys, err := fsx.OpenDir(state)
	if errors.Is(err, os.ErrNotExist) {
		return last, nil
	}
	if err != nil {
		return last, err
	}
	last, _, err = known.Dir{FS: fsys, Name: store.KnownDir}.Last(origin)
	return last, errors.Join(err, fsys.Close())
}

// hiddenMeans is what an entry that is shown by its hash alone shows. docs/spec/evidence.md says it at length.
const hiddenMeans = "a hash shows that an entry stands there, and the seal over it of which stream, application and key it is; not what it says, nor that the query does not find it"

func evidenceText(path string, r evidence.Report) string {
	var b strings.Builder
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	p("%s: %s", event.Sanitize(path), r.Word())
	for _, f := range r.Findings {
		p("  %s", f)
	}
	if r.More > 0 {
		p("  and %d more findings", r.More)
	}
	m := r.Manifest
	if m.Format == "" || r.Size == 0 {
		return b.String()
	}
	query := strconv.QuoteToGraphic(m.Asked.Query)
	if m.Asked.Query == "" {
		query = "everything"
	}
	p("asked    %s, by %s at %s (the word of whoever made the file)", query, m.Asked.By, m.Asked.At)
	p("entries  %d found, in exact bytes, under %d seals; %d more only to check these", r.Found, r.Seals, len(m.Context))
	if r.From != "" {
		p("received from %s to %s", r.From, r.Till)
	}
	if w := m.Whole; w != nil {
		p("whole    entries %d to %d are accounted for, %d of them by their hash alone: %s", w.First, w.Last, r.Hidden, hiddenMeans)
	} else {
		p("whole    no: what the query finds may have been left out by whoever made the file (stet export --complete)")
	}
	p("log      %s", r.Origin)
	p("under    the checkpoint over %d entries, root %s", r.Size, r.Root)
	if r.LogKey != "" {
		p("key      %s (%s)", r.LogKey, r.LogKeyFrom)
	}
	for _, k := range r.LogKeys {
		p("         since seq %d in the place of %s%s", k.Seq, k.Old, retired(k))
	}
	if r.State() == evidence.Failed {
		return b.String()
	}
	p("beside   the table and the stories in the file are for reading: their hashes are right, what they say is not proven")
	return b.String()
}

// evidenceVerdict is what stet verify --json prints of evidence: stet.verify-evidence/1.
type evidenceVerdict struct {
	Format   string            `json:"format"`
	State    string            `json:"state"` // verified, failed or not checked
	Word     string            `json:"word"`  // as people are told it: also "failed at seq N" and "consistent, author unknown"
	Origin   string            `json:"origin,omitempty"`
	Size     uint64            `json:"size"`
	Root     string            `json:"root,omitempty"`
	Key      string            `json:"key,omitempty"`
	KeyFrom  string            `json:"key_from,omitempty"`
	Found    uint64            `json:"found"`
	Seals    uint64            `json:"seals"`
	Hidden   uint64            `json:"hidden"`
	From     string            `json:"received_from,omitempty"`
	Till     string            `json:"received_till,omitempty"`
	Asked    evidence.Asked    `json:"asked"`
	Searched evidence.Searched `json:"searched"`
	Whole    *evidence.Whole   `json:"whole"`
	Findings []verifyFinding   `json:"findings"`
	More     int               `json:"more_findings,omitempty"`
}

func evidenceJSON(r evidence.Report) evidenceVerdict {
	v := evidenceVerdict{Format: "stet.verify-evidence/1", State: r.State().String(), Word: r.Word(), Origin: r.Origin, Size: r.Size, Key: r.LogKey, KeyFrom: r.LogKeyFrom,
		Found: r.Found, Seals: r.Seals, Hidden: r.Hidden, From: r.From, Till: r.Till, Asked: r.Manifest.Asked, Searched: r.Manifest.Searched, Whole: r.Manifest.Whole,
		Findings: []verifyFinding{}, More: r.More}
	if r.Size > 0 {
		v.Root = r.Root.String()
	}
	for _, f := range r.Findings {
		v.Findings = append(v.Findings, verifyFindingOf(f))
	}
	return v
}
