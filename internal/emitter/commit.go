package emitter

import (
	"fmt"
	"runtime"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/spool"
	"github.com/stetlog/stet/proof"
)

// committer is the state of the stream. Only the goroutine in commitLoop touches it.
type committer struct {
	e       *Emitter
	w       *spool.Writer
	next    uint64 // stream_seq of the next event, from 1
	prev    proof.Hash
	hasPrev bool
	failed  error
	alone   int // batches since gather looked around

	clock   *event.Clock // what the batch's events say of it
	scratch event.Scratch
	arena   []byte // the batch's events, one behind the other
	ends    []int  // where each event ends in arena
	leaves  []proof.Hash
	waiting []*request
}

func (e *Emitter) commitLoop(w *spool.Writer) {
	defer close(e.done)
	c := &committer{e: e, w: w, next: 1}
	var carry *request // what did not fit into the last batch
	for {
		r := carry
		if r == nil {
			r = e.receive()
		}
		if r == nil {
			break
		}
		c.look()
		c.clock = EventClock(e.o.Clock.Evidence())
		c.take(r)
		carry = c.gather()
		c.commit(false)
	}
	if c.next > 1 { // a stream in which nothing was said needs no end
		c.commit(true)
	}
	e.closeErr = c.failed
	if err := w.Close(); err != nil && e.closeErr == nil {
		e.closeErr = fmt.Errorf("close the spool: %w", err)
	}
}

// lookAround is how many batches in a row are sealed without looking for others who have something to say.
const lookAround = 16

// gather takes what has queued up behind the batch's first request, and returns what did not fit.
//
// Goroutines that share a processor would never queue up: a caller wakes this one, which runs before all others, answers
// and wakes the caller, who runs before all others. So it lets them go first, once a batch, where callers were answered
// who have not run since, and now and then in any case. Not always: where all processors are busy with other work, that
// is a place at the end of the line.
func (c *committer) gather() (carry *request) {
	e := c.e
	for yielded := false; len(c.ends) < proof.MaxBatch; {
		r := e.queued()
		switch {
		case r != nil && !c.take(r):
			return r
		case r != nil:
		case yielded:
			return nil
		case e.answered.Load() <= 0 && c.alone < lookAround:
			c.alone++
			return nil
		default:
			runtime.Gosched()
			yielded, c.alone = true, 0
		}
	}
	return nil
}

// receive waits for a request; nil when the emitter is closed and the queue empty.
func (e *Emitter) receive() *request {
	select {
	case r := <-e.queue:
		return r
	case <-e.closing:
		return e.queued()
	}
}

// queued returns a request that waits already, or nil.
func (e *Emitter) queued() *request {
	select {
	case r := <-e.queue:
		return r
	default:
		return nil
	}
}

// take encodes a request's events into the batch. It returns false where the batch is full; the request then starts the
// next one. A request that the schema refuses is answered at once and leaves no trace; one that its caller has taken back
// leaves none either.
func (c *committer) take(r *request) (fits bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken {
		return true
	}
	defer func() { r.taken = fits }()
	if c.failed != nil {
		c.e.answer(r, c.failed)
		return true
	}
	n, size := len(c.ends), len(c.arena)
	if n > 0 && n+len(r.events) > proof.MaxBatch {
		return false
	}
	undo := func() { c.ends, c.arena = c.ends[:n], c.arena[:size] }
	for _, ev := range r.events {
		ev.StreamSeq, ev.Clock = c.next+uint64(len(c.ends)), c.clock
		b, err := c.e.o.Codec.AppendWith(&c.scratch, c.arena, ev)
		if err != nil {
			undo()
			c.e.answer(r, err)
			return true
		}
		c.arena = b
		c.ends = append(c.ends, len(b))
	}
	if len(c.arena) > proof.MaxBatchBytes {
		undo()
		if n > 0 {
			return false
		}
		c.e.answer(r, fmt.Errorf("emit %d events at once: they exceed the batch limit of %d bytes", len(r.events), proof.MaxBatchBytes))
		return true
	}
	if err := c.e.o.Room.Take(int64(len(c.arena)-size), r.reserved); err != nil {
		undo()
		c.e.answer(r, err)
		return true
	}
	c.waiting = append(c.waiting, r)
	return true
}

// look keeps what is known of the room for spools fresh. It comes before a request is taken, and not in between: whoever
// gives up waiting must be able to take his events back while the disk hangs.
func (c *committer) look() {
	if c.failed == nil {
		c.e.waits(c.e.o.Room.Look)
	}
}

// commit seals and writes the batch and answers everybody in it. A final seal may be empty.
func (c *committer) commit(final bool) {
	if len(c.ends) == 0 && !final {
		return
	}
	err := c.failed
	if err == nil {
		if c.e.waits(func() { err = c.write(final) }); err != nil {
			err = fmt.Errorf("%w: %w", ErrFailed, err)
			c.failed = err
		}
	}
	for _, r := range c.waiting {
		c.e.answer(r, err)
	}
	c.next += uint64(len(c.ends))
	c.waiting, c.ends, c.arena = c.waiting[:0], c.ends[:0], c.arena[:0]
}

func (c *committer) write(final bool) error {
	b := spool.Batch{First: c.next, Events: make([][]byte, len(c.ends))}
	c.leaves = c.leaves[:0]
	start := 0
	for i, end := range c.ends {
		b.Events[i] = c.arena[start:end]
		c.leaves = append(c.leaves, proof.LeafHash(b.Events[i]))
		start = end
	}
	m, ev := c.e.o.Meta, c.e.o.Clock.Evidence()
	seal := proof.Seal{
		App: m.AppID, Environment: m.Environment, Key: m.Key, Stream: m.StreamID,
		First: c.next, Count: len(c.ends), Root: proof.RootOf(c.leaves),
		Prev: c.prev, HasPrev: c.hasPrev, Final: final,
		Clock: SealClock(ev),
	}
	note, err := proof.SignSeal(seal, c.e.o.Signer)
	if err != nil {
		return err
	}
	b.Seal = note
	_ = c.e.o.Room.Take(int64(len(note)), true) // counted; what is decided about its events is decided
	if err := c.w.Add(b); err != nil {
		return err
	}
	if err := c.w.Commit(); err != nil {
		return err
	}
	c.prev, c.hasPrev = proof.SealHash(note), true
	return nil
}
