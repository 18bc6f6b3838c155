// Package verify is the one verifier: whatever says "verified" in stet says it because this package did.
//
// It reads a log from its first entry to its last and believes nothing on the way. From the bytes of the entries it
// recomputes every hash up to the root that the checkpoint signs, and holds every stored tile, every stored partial
// and every checkpoint that somebody remembers against that. From the same bytes it follows what the entries say:
// batches whole and under their seals, streams without holes and in one hand, keys enrolled before they sign, time
// that does not run backwards. A store adds what surrounds its log: head, journal, table of streams, keys, spools.
//
// # Three answers
//
// Everything is Verified, Failed or NotChecked, and the three are never mixed. A file that is missing, or whose bytes
// are wrong, has Failed: somebody or something changed the log. A file that could not be read was NotChecked: nothing
// is known, and everything else is still checked as far as it can be without it. What follows from something that was
// not checked (a batch whose first half cannot be read) is not checked either; it is never a failure.
//
// # It only looks
//
// Nothing is written, created, locked or repaired, so that a verifier can be pointed at evidence, at a mounted backup
// or at a store in use. Of a store in use it takes a snapshot: the checkpoint first, then what lies below it. What the
// owner adds meanwhile is followed a bounded number of times, and never taken for damage.
package verify

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// State is the answer to one check. The order is that of Report.State: the greatest found wins.
type State int

// The three answers.
const (
	Verified   State = iota // it was looked at and is right; a Finding with it is a remark
	NotChecked              // it could not be looked at; Finding.What says why
	Failed                  // it was looked at and is wrong
)

// String returns the word that people are shown.
func (s State) String() string {
	switch s {
	case Verified:
		return "verified"
	case NotChecked:
		return "not checked"
	default:
		return "failed"
	}
}

// A Finding is one thing that somebody should know, in plain sentences. File and text may quote names from the log
// under verification; they are escaped, and fit for a terminal.
type Finding struct {
	State  State
	Seq    uint64 // the first entry concerned, when HasSeq
	HasSeq bool
	File   string // the file concerned, by its path in the store or log; "" where none is
	What   string // what is wrong, could not be looked at, or is remarkable
	Next   string // what to do about it; may be ""
}

// String returns the finding in one line.
func (f Finding) String() string {
	s := f.Where()
	if f.File != "" {
		s += " (" + f.File + ")"
	}
	s += ": " + f.What
	if f.Next != "" {
		s += " " + f.Next
	}
	return s
}

// Where returns the finding's state and the entry that it is about: "failed at seq 7".
func (f Finding) Where() string {
	if !f.HasSeq {
		return f.State.String()
	}
	return fmt.Sprintf("%s at seq %d", f.State, f.Seq)
}

// A Report is the outcome of a verification. Counts are of what was read, also where some of it failed.
type Report struct {
	Origin     string     // name of the log, as its checkpoint states it
	Size       uint64     // entries under the checkpoint
	Root       proof.Hash // the checkpoint's root; recomputed when State is Verified
	Checkpoint []byte     // the signed checkpoint as it was read; a caller that trusts the report remembers this
	LogKey     string     // verifier key of the log, when known: the newest, to which handovers lead from the one that LogKeyFrom vouches for
	LogKeyFrom string     // KeyPinned or KeyOwn: who vouches for it; "" when there is no key
	StoreKey   string     // verifier key that sealed entry 0 and enrolled the others

	Entries   uint64 // read, pending ones included
	Pending   uint64 // in the journal and not yet under a checkpoint, checked like the others
	Events    uint64
	Seals     uint64
	Refused   uint64 // stubs in place of refused events
	Losses    uint64 // declared losses
	Lost      uint64 // stream numbers in these losses
	Foreign   uint64 // events with a type that only the store may use, from others: shown as foreign claims
	Streams   uint64
	Open      uint64 // streams without a final seal
	Keys      uint64 // enrolled emitter keys
	Tiles     uint64 // files of hashes and entries compared, partial ones included
	Known     int    // checkpoints kept elsewhere that this log is consistent with
	Spools    int    // of a store: spools read
	Undrained uint64 // of a store: events in spools and not yet in the ledger

	LogKeys []LogKeyChange // how the log's key changed, in order, as the log itself says it

	Findings []Finding // the first MaxFindings, in the order they were found
	More     int       // findings beyond these

	worst State
}

// Who vouches for the log's key.
const (
	KeyPinned = "key pinned by you"
	KeyOwn    = "the store's own key"
)

// MaxFindings bounds Report.Findings: one broken file can break all that is built on it.
const MaxFindings = 100

// State is the answer for the whole: Failed wins over NotChecked, that over Verified.
func (r Report) State() State { return r.worst }

// First returns the first finding of the state that State returns.
func (r Report) First() (Finding, bool) {
	for _, f := range r.Findings {
		if f.State == r.worst && f.State != Verified {
			return f, true
		}
	}
	return Finding{}, false
}

// A Known is a checkpoint that somebody kept: this computer, an emitter, a witness, a printed page.
type Known struct {
	Checkpoint []byte // the signed note
	From       string // whose it is, for the report: "this computer"
	LogKey     string // the log's key that they count on, from which handovers must lead to the present one; "": any that signed
}

// Options say how to verify. The zero value verifies everything that needs no knowledge from outside.
type Options struct {
	// LogKey is the log's verifier key (vkey), pinned by whoever asks: any that it has had, from which handovers lead to the
	// newest. When it is empty Store takes the store's own, which proves only that the store agrees with itself, and Log
	// cannot check the checkpoint's signature.
	LogKey string
	// Known are checkpoints of this log that were kept elsewhere; those of other logs are left out of account.
	Known []Known
	// Codec checks events. The zero value (nil) is that of the schema without an organisation's catalogue.
	Codec *event.Codec
	// Progress is told how many of how many entries were checked, from one goroutine, some hundred entries apart.
	Progress func(done, total uint64)
	// Workers is how many goroutines read, unpack and hash; 0 is one a processor. Memory is about two bundles each.
	Workers int
	// Machine is this machine's identity as spools state it. A spool of another machine is not checked, because only
	// its own machine can tell whether it is alive. When empty every spool is read.
	Machine string
}

// maxFindingText bounds a sentence that quotes an error, in bytes.
const maxFindingText = 600

// add records a finding.
func (r *Report) add(f Finding) {
	r.worst = max(r.worst, f.State)
	if len(f.What) > maxFindingText {
		f.What = f.What[:maxFindingText] + "…"
	}
	f.What, f.File = printable(f.What), printable(f.File)
	if len(r.Findings) < MaxFindings {
		r.Findings = append(r.Findings, f)
		return
	}
	r.More++
	if f.State == Failed { // the first failure must be named, however many remarks came before it
		if _, ok := r.First(); !ok {
			r.Findings[MaxFindings-1] = f
		}
	}
}

func (r *Report) failSeq(seq uint64, file, format string, args ...any) {
	r.add(Finding{State: Failed, Seq: seq, HasSeq: true, File: file, What: fmt.Sprintf(format, args...), Next: nextFailed})
}

func (r *Report) fail(file, format string, args ...any) {
	r.add(Finding{State: Failed, File: file, What: fmt.Sprintf(format, args...), Next: nextFailed})
}

func (r *Report) skip(file, format string, args ...any) {
	r.add(Finding{State: NotChecked, File: file, What: fmt.Sprintf(format, args...), Next: nextSkipped})
}

func (r *Report) note(file, format string, args ...any) {
	r.add(Finding{State: Verified, File: file, What: fmt.Sprintf(format, args...)})
}

// nextUnread is what to do where something could not be read.
func nextUnread(err error) string {
	if errors.Is(err, fs.ErrPermission) {
		return nextSkipped
	}
	return "Put that right and verify again."
}

const (
	nextFailed  = "Keep a copy of it as it is, and compare it with a backup or an export; stet repairs nothing."
	nextSkipped = "Make it readable to this user and verify again."
)
