package forward

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stetlog/stet/proof"
)

// Row is one entry on its way.
type Row struct {
	Seq  uint64
	Hash proof.Hash // the entry's leaf hash
	// Received is the entry's received_at.
	Received time.Time
	Data     []byte // in the destination's format, without an end of line; it holds no line break
}

// Limits of what is handed over at once.
const (
	maxRows  = 500
	maxBytes = 1 << 20 // of rows' data; one row may have more
)

// A Destination takes rows in order. It is for one goroutine.
type Destination interface {
	// Send hands rows over, once: whoever calls it tries again. What it says of rows is about all of them, in any order.
	Send(ctx context.Context, rows []Row) Result
	// Settle says up to which seq everything that was handed over is safe with the receiver, where everything before sent was
	// handed over. With all it waits until that is sent. Its error wraps errLost where what is not safe must be sent again, all of
	// it in its order.
	Settle(ctx context.Context, sent uint64, all bool) (safe uint64, err error)
	// Close ends it at once.
	Close() error
}

// Result is what came of handing rows over.
type Result struct {
	Left    []Row         // not taken, as far as is known, and to be sent again, in their order
	Refused []Refusal     // that will never be taken, in their order
	Err     error         // why rows are left; nil: they need not wait. errLost: some that came before must be sent again, too
	Wait    time.Duration // what the receiver asks for before they are
}

// Refusal is a row that the receiver will not take, whenever it is sent.
type Refusal struct {
	First, Last uint64 // seqs; where the receiver does not say which of several rows it is, not the same
	Rows        int    // how many of them
	Why         string // printable, at most maxWhy bytes: somebody else's words
}

const maxWhy = 256

// errLost says that a receiver may not have what it was sent since the last time that something was safe.
var errLost = errors.New("what is not known to be safe is sent again")

// RefusedError ends a forwarder: the receiver takes a row that is to come next at no time.
type RefusedError struct {
	Refusal
	To string // the destination, as it may be told
}

func (e *RefusedError) Error() string {
	which := fmt.Sprintf("entry %d", e.First)
	if e.First != e.Last {
		which = fmt.Sprintf("%d of the entries %d to %d", e.Rows, e.First, e.Last)
	}
	return fmt.Sprintf("%s refuses %s: %s; nothing behind is sent until it takes that, or the forwarder is told to skip what is refused", e.To, which, e.Why)
}

// acknowledged is the part of destinations whose receiver says that it has something: what they have sent is safe.
type acknowledged struct{}

func (acknowledged) Settle(_ context.Context, sent uint64, _ bool) (uint64, error) { return sent, nil }
