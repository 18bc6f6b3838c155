package server

import (
	"context"

	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// Log is a store that is held open. All its methods are safe for concurrent use.
type Log interface {
	Intake
	Reader
	Condition
}

// Intake takes what emitters send. Nothing here is retried; the same batch again is placed once.
type Intake interface {
	intake.Log
	// Place judges batches and makes what it takes durable (L1). It returns one Placed for each, in order, and reads their
	// bytes until it returns.
	Place(ctx context.Context, via proof.Via, batches []store.Sealed) []store.Placed
}

// Ends takes what emitters say of what they have no bytes of.
type Ends interface {
	// Lose places an emitter's declared loss, durably (L1).
	Lose(ctx context.Context, via proof.Via, loss ledger.Loss) (ledger.Placed, error)
	// Gone closes the stream of a dead process and returns how many runs are recorded as lost with it, by this call or an
	// earlier one. may is asked with the stream's last seal.
	Gone(ctx context.Context, via proof.Via, stream, evidence string, may func(proof.Seal) error) (lost int, err error)
}

// Reader reads what is there.
type Reader interface {
	Source() *logread.Dir
	// Checkpoint is the newest signed one. It is never nil.
	Checkpoint() []byte
	// Marker says which log this is, and which keys it began with.
	Marker() store.Marker
	// Stream says how far a stream is; false where there is none.
	Stream(ctx context.Context, stream string) (ledger.StreamState, bool, error)
	// Receipts are of what Place has placed, in order, all to one signed checkpoint (L2), for which it waits. Where there is an
	// error, or nothing to prove, there is a zero receipt.
	Receipts(ctx context.Context, placed []store.Placed) (receipts []ledger.Receipt, checkpoint []byte, err error)
	// Receipt is of the batch of a stream that begins with number first, with its seal; ledger.ErrUnknown.
	Receipt(ctx context.Context, stream string, first uint64) (ledger.Receipt, error)
}

// Condition tells how the log fares.
type Condition interface {
	State() ledger.State
	// Ready is nil while batches are taken. It wraps store.ErrFull where the disk is nearly full, which passes; anything else
	// stays until the store is opened again, and then Failed is closed.
	Ready() error
	Failed() <-chan struct{}
}

// Source gives the log's files; see logread.
type Source interface {
	logread.Source
	Packed(ctx context.Context, t proof.Tile) ([]byte, error)
}
