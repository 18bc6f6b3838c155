package ledger

import (
	"errors"
	"fmt"

	"github.com/stetlog/stet/internal/segment"
	"github.com/stetlog/stet/proof"
)

// What a caller decides by. An error that wraps none of these, no *HoleError and no *IntegrityError, is a read error or
// the context's: nothing was stored because of it.
var (
	// ErrInvalid: the batch cannot be taken by any ledger at any time. Sending it again is useless.
	ErrInvalid = errors.New("invalid batch")
	// ErrConflict: the stream has other content under these numbers, or continues another seal. Sending it again is useless.
	ErrConflict = errors.New("stream conflict")
	// ErrNotOwner: another key, application or environment opened this stream.
	ErrNotOwner = errors.New("the stream belongs to somebody else")
	// ErrFinal: the stream was closed.
	ErrFinal = errors.New("the stream is closed")
	// ErrUnknown: the ledger has no such batch.
	ErrUnknown = errors.New("no such batch in the ledger")
	// ErrFailed is terminal: whether what was being appended is durable is not known. Close the ledger and open it again; the
	// same batch can then be sent again and is placed once.
	ErrFailed = errors.New("the ledger has stopped after an error")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("the ledger is closed")
)

// HoleError says that numbers before the batch are missing. Send those first.
type HoleError struct {
	Stream   string
	Expected uint64 // the stream_seq that must come next
	Got      uint64
}

func (e *HoleError) Error() string {
	return fmt.Sprintf("stream %s has a hole: number %d must come next, not %d", e.Stream, e.Expected, e.Got)
}

// IntegrityError says that what is stored is not what was stored: damage or tampering, not a crash. Nothing was changed
// because of it. Keep the store as it is and run stet verify on it.
type IntegrityError struct {
	Seq    uint64 // the first entry concerned, when HasSeq
	HasSeq bool
	File   string // path in the store
	Reason string
	Err    error // what found it, or nil
}

func (e *IntegrityError) Error() string {
	where := e.File
	if e.HasSeq {
		where = fmt.Sprintf("%s, entry %d", e.File, e.Seq)
	}
	if e.Err != nil {
		return fmt.Sprintf("integrity failure in %s: %s: %v", where, e.Reason, e.Err)
	}
	return fmt.Sprintf("integrity failure in %s: %s", where, e.Reason)
}

// Unwrap returns what found the damage.
func (e *IntegrityError) Unwrap() error { return e.Err }

// damaged makes an IntegrityError of a whole file.
func damaged(file, format string, args ...any) error {
	return &IntegrityError{File: file, Reason: fmt.Sprintf(format, args...)}
}

// damagedAt makes an IntegrityError that names an entry.
func damagedAt(seq uint64, file, format string, args ...any) error {
	return &IntegrityError{Seq: seq, HasSeq: true, File: file, Reason: fmt.Sprintf(format, args...)}
}

// asIntegrity turns what the readers below us report as damage into an IntegrityError; other errors, such as a failed
// read, pass.
func asIntegrity(file string, err error) error {
	var corrupt *segment.CorruptError
	switch {
	case errors.As(err, &corrupt):
		return &IntegrityError{File: corrupt.File, Reason: "damaged segment", Err: err}
	case errors.Is(err, proof.ErrMalformed), errors.Is(err, proof.ErrSignature), errors.Is(err, proof.ErrProof):
		return &IntegrityError{File: file, Reason: "it does not read as what it must be", Err: err}
	}
	return err
}
