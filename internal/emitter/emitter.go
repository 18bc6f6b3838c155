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
	"strings"
	"sync"
	"sync/atomic"
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
	// Room bounds what is spooled; nil: nothing does. Events that it has no room for take no number: their caller gets its
	// error, which wraps spool.ErrFull, and the stream goes on.
	Room *spool.Room
}

// ErrClosed says that the emitter was closed before the event came.
var ErrClosed = errors.New("the recorder is closed")

// ErrUnknown says that a wait ended before its outcome was known.
var ErrUnknown = errors.New("the outcome is not known")

// ErrFailed says that a write to the spool failed earlier; the stream takes no more events. Whether the event that met
// the failure is durable is unknown.
var ErrFailed = errors.New("the spool cannot be written any more")

// Emitter is one stream. All methods are safe for concurrent use.
type Emitter struct {
	o       Options
	stream  event.UUID
	queue   chan *request
	closing chan struct{} // closed by the first Close
	once    sync.Once     // closes it
	done    chan struct{} // closed when the committer has ended

	closeErr error // set by the committer before done is closed

	results  sync.Pool    // of chan error, empty, for another request
	answered atomic.Int64 // callers who have their answer and have not run since: see gather

	opened  time.Time    // with its monotonic reading
	writing atomic.Int64 // when what the disk is asked for now was asked, in nanoseconds after opened, from 1; 0: there is none
}

// request is one call of Emit. mu guards the events, which belong to the caller: the committer reads them while holding
// it, and not at all once the caller has taken them back.
type request struct {
	mu       sync.Mutex
	taken    bool // encoded, answered, or given up: the committer leaves the events alone from now on
	events   []*event.Event
	reserved bool       // may use the room's reserve
	result   chan error // buffered: the committer never waits for a caller that gave up
}

// answer tells the caller how it went.
func (e *Emitter) answer(r *request, err error) {
	e.answered.Add(1)
	r.result <- err
}

// giveUp takes the events back; false where they are encoded already, and will become durable or not.
func (r *request) giveUp() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken {
		return false
	}
	r.taken, r.events = true, nil // a place in the queue is all that a caller who left still costs
	return true
}

// Open starts a new stream in a new spool. The spool is durable, and locked by this process, when Open returns.
func Open(o Options) (*Emitter, error) {
	stream, err := event.ParseUUID(o.Meta.StreamID)
	if err != nil {
		return nil, fmt.Errorf("open stream: %w", err)
	}
	if id := fmt.Sprintf("%s+%08x+", o.Signer.Name(), o.Signer.KeyHash()); !strings.HasPrefix(o.Meta.Key, id) {
		return nil, fmt.Errorf("open stream %s: the signer is %s, the stream is to be sealed by %s", stream, id, o.Meta.Key)
	}
	// A stream is opened for an outcome too.
	o.Room.Look()
	if err := o.Room.Take(spool.Footprint, true); err != nil {
		return nil, err
	}
	w, err := spool.Create(o.FS, o.Dir, o.Meta, func() (salt [8]byte, err error) {
		_, err = io.ReadFull(o.Rand, salt[:])
		return salt, err
	})
	if err != nil {
		return nil, err
	}
	e := &Emitter{o: o, stream: stream, opened: time.Now(), queue: make(chan *request, queueDepth),
		closing: make(chan struct{}), done: make(chan struct{})}
	e.results.New = func() any { return make(chan error, 1) }
	go e.commitLoop(w)
	return e, nil
}

// Stream is the id of this emitter's stream.
func (e *Emitter) Stream() event.UUID { return e.stream }

// waits runs what asks the disk, and lets Waiting know.
func (e *Emitter) waits(ask func()) {
	e.writing.Store(int64(time.Since(e.opened) + 1))
	ask()
	e.writing.Store(0)
}

// Waiting is for how long the disk has not answered; 0 where nothing is asked of it.
func (e *Emitter) Waiting() time.Duration {
	since := e.writing.Load()
	if since == 0 {
		return 0
	}
	return time.Since(e.opened) + 1 - time.Duration(since)
}

// Emit makes the events durable, all or none, contiguous and in order, and fills their EventID where it is zero, and
// Timestamp, StreamID, StreamSeq and Clock; the caller must not touch them until Emit returns. It returns an *event.Error
// where the schema refuses one of them (nothing was recorded), ErrFailed or ErrClosed. Where ctx ends first, its cause is
// returned: with ErrUnknown where the events may still become durable, without where they will not.
func (e *Emitter) Emit(ctx context.Context, events ...*event.Event) error {
	return e.emit(ctx, false, events)
}

// EmitReserved is Emit for what must be said also where the room for spools is nearly used up: outcomes, security events,
// the loss of others.
func (e *Emitter) EmitReserved(ctx context.Context, events ...*event.Event) error {
	return e.emit(ctx, true, events)
}

func (e *Emitter) emit(ctx context.Context, reserved bool, events []*event.Event) error {
	if len(events) == 0 || len(events) > proof.MaxBatch {
		return fmt.Errorf("emit %d events at once: allowed are 1 to %d", len(events), proof.MaxBatch)
	}
	now := e.o.Clock.Now().Wall
	for _, x := range events {
		if x.EventID.IsZero() {
			id, err := e.NewID(now)
			if err != nil {
				return err
			}
			x.EventID = id
		}
		x.Timestamp = now
		x.StreamID = e.stream
	}
	r := &request{events: events, reserved: reserved, result: e.results.Get().(chan error)}
	select {
	case <-e.closing: // even where there is a place in the queue
		return ErrClosed
	default:
	}
	select {
	case e.queue <- r:
	case <-e.closing:
		return ErrClosed
	case <-ctx.Done():
		return fmt.Errorf("not recorded: waiting for a place in the queue: %w", context.Cause(ctx))
	}
	select {
	case err := <-r.result:
		e.answered.Add(-1)
		e.results.Put(r.result)
		return err
	case <-e.done: // the committer may have ended without seeing r
		if r.giveUp() {
			return ErrClosed
		}
		return <-r.result
	case <-ctx.Done():
		if r.giveUp() {
			return fmt.Errorf("not recorded: waiting for the spool: %w", context.Cause(ctx))
		}
		e.answered.Add(-1) // the answer will find nobody
		return fmt.Errorf("%w: waiting for the spool: %w", ErrUnknown, context.Cause(ctx))
	}
}

// EventClock is what an event says of the clock: the full evidence stands once in its seal.
func EventClock(ev clock.Evidence) *event.Clock {
	c := &event.Clock{Confidence: string(ev.Confidence())}
	if ev.State != clock.Unknown {
		maxError := ev.ErrorUS()
		c.MaxErrorUS = &maxError
	}
	return c
}

// SealClock is the clock evidence of a seal.
func SealClock(ev clock.Evidence) proof.Clock {
	return proof.Clock{State: string(ev.State), OffsetUS: ev.OffsetUS, MaxErrorUS: ev.MaxErrorUS,
		MonotonicUS: ev.MonotonicUS, Source: ev.Source, BootID: ev.BootID}
}

// NewID returns a fresh UUIDv7 for the given time.
func (e *Emitter) NewID(t time.Time) (event.UUID, error) {
	var random [10]byte
	if _, err := io.ReadFull(e.o.Rand, random[:]); err != nil {
		return event.UUID{}, fmt.Errorf("make an id: %w", err)
	}
	return event.NewUUIDv7(t, random), nil
}

// Close makes durable what was handed in, seals the stream as final where anything was recorded in it, and gives up the
// spool's lock. It returns the error that ended the stream, if one did. Later calls return the same. It waits for the disk
// as long as that takes: see CloseContext.
func (e *Emitter) Close() error { return e.CloseContext(context.Background()) }

// CloseContext is Close with a bound on the wait. Where ctx ends first, its cause is returned with ErrUnknown, and the
// closing goes on by itself.
func (e *Emitter) CloseContext(ctx context.Context) error {
	e.once.Do(func() { close(e.closing) })
	select {
	case <-e.done:
		return e.closeErr
	case <-ctx.Done():
		return fmt.Errorf("%w: closing the spool: %w", ErrUnknown, context.Cause(ctx))
	}
}
