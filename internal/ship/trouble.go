package ship

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/stetlog/stet/internal/fsx"
)

// IntegrityError says that a server contradicts what it has proven, or cannot prove what it says. Nothing was trimmed
// because of it. Tell a person: this is what the log is for.
type IntegrityError struct {
	Address Address
	What    string // rollback or fork, key, signature, receipt, forgotten
	Err     error
	Note    []byte // the checkpoint that was offered, as evidence; nil where there is none
}

// The kinds of IntegrityError.
const (
	WhatHistory   = "history"   // a fork or a rollback: the checkpoint does not continue what this computer has seen
	WhatKey       = "key"       // the server says that its log has another key than the pinned one
	WhatSignature = "signature" // the checkpoint is not signed by the pinned key
	WhatReceipt   = "receipt"   // the receipt does not lead from our bytes to the checkpoint
	WhatForgotten = "forgotten" // the server asks for numbers that it had proven to hold
)

func (e *IntegrityError) Error() string {
	return fmt.Sprintf("integrity failure of %s (%s): %v; nothing was removed here: ask who runs it, and keep %s/%s", e.Address, e.What, e.Err, e.Address.Dir(), troubleFile)
}

// Unwrap returns what was found.
func (e *IntegrityError) Unwrap() error { return e.Err }

const (
	troubleFile   = "trouble"
	troubleHeader = "stet/trouble/v1"
	maxTrouble    = 256 << 10 // bytes; what comes then is left out: the first are the evidence
)

// Trouble is one entry of the file "trouble": how a server contradicted itself. Entries are only added.
type Trouble struct {
	At   string // RFC 3339, UTC, of the first time
	What string // as IntegrityError has it
	Text string // one line
	Note string // the checkpoint that was offered, or ""
}

// append is the one form of an entry: a line of three parts, the note's lines each behind a tab, and an empty line.
func (t Trouble) append(dst []byte) []byte {
	dst = fmt.Appendf(dst, "%s %s %s\n", t.At, t.What, t.Text)
	for line := range strings.Lines(t.Note) {
		dst = append(append(dst, '\t'), strings.TrimSuffix(line, "\n")...)
		dst = append(dst, '\n')
	}
	return append(dst, '\n')
}

// ErrTrouble says that the file "trouble" cannot be read as what it must be.
var ErrTrouble = errors.New("not a file of integrity failures of a version that this stet knows")

// ReadTrouble reads what was noted of a server, oldest first; nothing where nothing was.
func ReadTrouble(state fsx.FS, a Address) ([]Trouble, error) {
	b, err := fsx.ReadFile(state, a.Dir()+"/"+troubleFile, maxTrouble)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	text, ok := strings.CutPrefix(string(b), troubleHeader+"\n\n")
	if !ok {
		return nil, fmt.Errorf("%s/%s: %w", a.Dir(), troubleFile, ErrTrouble)
	}
	var all []Trouble
	for entry := range strings.SplitSeq(strings.TrimSuffix(text, "\n\n"), "\n\n") {
		line, notes, _ := strings.Cut(entry, "\n")
		parts := strings.SplitN(line, " ", 3)
		if len(parts) != 3 {
			return nil, fmt.Errorf("%s/%s: %w", a.Dir(), troubleFile, ErrTrouble)
		}
		t := Trouble{At: parts[0], What: parts[1], Text: parts[2]}
		if notes != "" {
			t.Note = strings.ReplaceAll("\n"+notes, "\n\t", "\n")[1:] + "\n"
		}
		all = append(all, t)
	}
	return all, nil
}

// noteTrouble writes an integrity failure down, durably, unless the same is there. The caller holds the place's lock.
func noteTrouble(state fsx.FS, now time.Time, e *IntegrityError) error {
	all, err := ReadTrouble(state, e.Address)
	if err != nil {
		return err
	}
	t := Trouble{At: now.UTC().Format(time.RFC3339), What: e.What, Text: shown(e.Err.Error()), Note: string(e.Note)}
	b := []byte(troubleHeader + "\n\n")
	for _, old := range all {
		if old.What == t.What && old.Text == t.Text {
			return nil
		}
		b = old.append(b)
	}
	if b = t.append(b); len(b) > maxTrouble {
		return nil
	}
	if err := fsx.MkdirAll(state, e.Address.Dir(), 0o700); err != nil {
		return err
	}
	return fsx.Replace(state, e.Address.Dir()+"/"+troubleFile, b, 0o600)
}
