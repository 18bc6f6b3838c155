package ship

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
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
	At       string // RFC 3339, UTC, of the first time
	What     string // as IntegrityError has it
	Recorded bool   // an event about it was recorded
	Text     string // one line
	Note     string // the checkpoint that was offered, or ""
}

// append is the one form of an entry: a line of four parts, the note's lines each behind a tab, and an empty line.
func (t Trouble) append(dst []byte) []byte {
	state := "new"
	if t.Recorded {
		state = "recorded"
	}
	dst = fmt.Appendf(dst, "%s %s %s %s\n", t.At, t.What, state, t.Text)
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
		parts := strings.SplitN(line, " ", 4)
		if len(parts) != 4 {
			return nil, fmt.Errorf("%s/%s: %w", a.Dir(), troubleFile, ErrTrouble)
		}
		t := Trouble{At: parts[0], What: parts[1], Recorded: parts[2] == "recorded", Text: parts[3]}
		if notes != "" {
			t.Note = strings.ReplaceAll("\n"+notes, "\n\t", "\n")[1:] + "\n"
		}
		all = append(all, t)
	}
	return all, nil
}

// lockTrouble excludes others who change the file. Where it is taken the caller tries another time.
func lockTrouble(state fsx.FS, a Address) (io.Closer, error) {
	if err := fsx.MkdirAll(state, a.Dir(), 0o700); err != nil {
		return nil, err
	}
	return state.TryLock(a.Dir() + "/" + troubleFile + ".lock")
}

// Unrecorded is what was noted of a server and has no event yet.
func Unrecorded(state fsx.FS, a Address) ([]Trouble, error) {
	all, err := ReadTrouble(state, a)
	return slices.DeleteFunc(all, func(t Trouble) bool { return t.Recorded }), err
}

// Recorded notes that there are events about these, durably.
func Recorded(state fsx.FS, a Address, these []Trouble) (err error) {
	lock, err := lockTrouble(state, a)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	all, err := ReadTrouble(state, a)
	if err != nil {
		return err
	}
	b := []byte(troubleHeader + "\n\n")
	for _, t := range all {
		t.Recorded = t.Recorded || slices.Contains(these, t)
		b = t.append(b)
	}
	return fsx.Replace(state, a.Dir()+"/"+troubleFile, b, 0o600)
}

// noteTrouble writes an integrity failure down, durably, unless the same is there.
func noteTrouble(state fsx.FS, now time.Time, e *IntegrityError) (err error) {
	lock, err := lockTrouble(state, e.Address)
	if err != nil {
		return fmt.Errorf("not written down: %w", err)
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
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
	return fsx.Replace(state, e.Address.Dir()+"/"+troubleFile, b, 0o600)
}
