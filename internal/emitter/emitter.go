// Package emitter numbers events, seals them in batches and makes them durable in a spool: acknowledgement level L0.
//
// Many goroutines hand events in; one goroutine, the committer, owns the stream. It takes what has queued up, at most
// proof.MaxBatch events or proof.MaxBatchBytes, encodes and numbers them, seals the batch with one signature, and
// writes batch and seal with one fdatasync. So nothing is ever durable and unsealed, nobody has to seal for the dead,
// and the cost of signature and flush is shared by all who were waiting.
//
// An event that the schema refuses takes no number: its caller gets the error, the others go on. The first failed write
// or flush ends the stream for good, because nobody knows what the disk holds; a new emitter is a new stream.
package emitter

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// queueDepth is how many callers may wait for the committer before the next one blocks on its context.
const queueDepth = 1024

// Options say what a stream is. All fields without a stated zero are required.
type Options struct {
	FS     fsx.FS
	Dir    string // the spool directory within FS
	Meta   spool.Meta
	Signer note.Signer // the emitter's key; Meta.Key is its verifier key
	Codec  *event.Codec
	Clock  *clock.Clock
	Rand   io.Reader // crypto/rand.Reader outside tests
}

// ErrClosed says that the emitter was closed before the event came.
var ErrClosed = errors.New("the recorder is closed")

// ErrFailed says that a write to the spool failed earlier; the stream takes no more events. Whether the event that met
// the failure is durable is unknown.
var ErrFailed = errors.New("the spool cannot be written any more")

// Emitter is one stream. All methods are safe for concurrent use.
type Emitter struct {
	o      Options
	stream event.UUID
	queue  chan *request
	done   chan struct{} // closed when the committer has ended

	mu     sync.RWMutex // held for reading while handing in, for writing by Close
	closed bool

	closeErr error // set by the committer before done is closed
}

type request struct {
	events []*event.Event
	result chan error // buffered: the committer never waits for a caller that gave up
}

// Open starts a new stream in a new spool. The spool is durable, and locked by this process, when Open returns.
func Open(o Options) (*Emitter, error) {
	stream, err := event.ParseUUID(o.Meta.StreamID)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	w, err := spool.Create(o.FS, o.Dir, o.Meta, func() (salt [8]byte, err error) {
		_, err = io.ReadFull(o.Rand, salt[:])
		return salt, err
	})
	if err != nil {
		return nil, err
	}
	e := &Emitter{o: o, stream: stream, queue: make(chan *request, queueDepth), done: make(chan struct{})}
	go e.commitLoop(w)
	return e, nil
}

// Stream is the id of this emitter's stream.
func (e *Emitter) Stream() event.UUID { return e.stream }

// Emit makes the events durable, all or none, contiguous and in order, and fills their EventID, Timestamp, StreamID,
// StreamSeq and Clock; the caller must not touch them until Emit returns. It returns an *event.Error where the schema
// refuses one of them (nothing was recorded), ErrFailed or ErrClosed. Where ctx ends first, its error is returned and
// the outcome is unknown: the events may still become durable.
func (e *Emitter) Emit(ctx context.Context, events ...*event.Event) error {
	if len(events) == 0 || len(events) > proof.MaxBatch {
		return fmt.Errorf("emit %d events at once: allowed are 1 to %d", len(events), proof.MaxBatch)
	}
	now := e.o.Clock.Now().Wall
	ev := e.o.Clock.Evidence()
	for _, x := range events {
		id, err := e.NewID(now)
		if err != nil {
			return err
		}
		if x.EventID.IsZero() {
			x.EventID = id
		}
		x.Timestamp = now
		x.StreamID = e.stream
		x.Clock = clockOf(ev)
	}
	r := &request{events: events, result: make(chan error, 1)}
	if err := e.submit(ctx, r); err != nil {
		return err
	}
	select {
	case err := <-r.result:
		return err
	case <-ctx.Done():
		return fmt.Errorf("waiting for the spool: %w", context.Cause(ctx))
	}
}

// clockOf is what an event says of the clock: the full evidence stands once in the seal.
func clockOf(ev clock.Evidence) *event.Clock {
	c := &event.Clock{Confidence: string(ev.Confidence())}
	if ev.State != clock.Unknown {
		maxError := ev.ErrorUS()
		c.MaxErrorUS = &maxError
	}
	return c
}

// submit hands r to the committer. The read lock keeps Close from closing the queue under a sender.
func (e *Emitter) submit(ctx context.Context, r *request) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	if e.closed {
		return ErrClosed
	}
	select {
	case e.queue <- r:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("waiting for a place in the queue: %w", context.Cause(ctx))
	}
}

// NewID returns a fresh UUIDv7 for the given time.
func (e *Emitter) NewID(t time.Time) (event.UUID, error) {
	var random [10]byte
	if _, err := io.ReadFull(e.o.Rand, random[:]); err != nil {
		return event.UUID{}, fmt.Errorf("make an id: %w", err)
	}
	return event.NewUUIDv7(t, random), nil
}

// Close makes durable what was handed in, seals the stream as final and gives up the spool's lock. It returns the error
// that ended the stream, if one did. Later calls return the same.
func (e *Emitter) Close() error {
	e.mu.Lock()
	if !e.closed {
		e.closed = true
		close(e.queue)
	}
	e.mu.Unlock()
	<-e.done
	return e.closeErr
}
