package published

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// Taker is given the entries of a log, in their order.
type Taker interface {
	// Take is given the next entry, which must not be used when it has returned. An error ends the reading.
	Take(e *Entry) error
	// Caught is called when everything under a checkpoint was given, and is what that says. Until then it is not proven.
	Caught(cp proof.Checkpoint) error
}

// ErrOther says that the entries of a log are not those under its checkpoint.
var ErrOther = errors.New("the log's entries are not those under its checkpoint")

// A Reader reads a log in order. After an error it is of no more use. It is for one goroutine at a time.
type Reader struct {
	src  logread.Source
	at   uint64      // entries that were read
	tree *proof.Tree // of these

	waiting []waiting // for their seal
	used    [][]byte  // bundles that they lie in
	free    [][]byte

	envelopes proof.EnvelopeParser
	seals     proof.SealVerifier
	events    event.Reader
	entry     Entry // the one that is given

	received     time.Time // of the entry before
	receivedAt   string
	key, keyID   string         // of the last seal
	last         *search.Record // the one before, and what it was made of
	lastReceived string
	lastVia      string
}

// waiting is an entry whose seal has not come.
type waiting struct {
	seq   uint64
	raw   []byte
	leaf  proof.Hash
	entry proof.Entry
	err   error // it cannot be read
}

// NewReader reads a log of size entries from from on, which may be within a batch, and may be the end.
func NewReader(ctx context.Context, src logread.Source, from, size uint64) (*Reader, error) {
	if from > size {
		return nil, fmt.Errorf("%w: entry %d is to be read next, and there are %d", ErrOther, from, size)
	}
	r := &Reader{src: src, at: from, tree: &proof.Tree{}}
	if from == 0 {
		return r, nil
	}
	edge, err := logread.Hashes(ctx, src, size).ReadHashes(proof.EdgeNodes(from))
	if err == nil {
		r.tree, err = proof.NewTreeFrom(from, edge)
	}
	if err != nil {
		return nil, fmt.Errorf("read the log's hashes: %w", err)
	}
	return r, nil
}

// Read gives a Taker everything up to a checkpoint that it was not given. ErrOther: it is not what the checkpoint says.
func (r *Reader) Read(ctx context.Context, cp proof.Checkpoint, to Taker) error {
	for r.at < cp.Size {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := r.bundle(ctx, cp.Size, to); err != nil {
			return err
		}
	}
	switch {
	case r.tree.Size() != cp.Size || r.tree.Root() != cp.Root:
		return fmt.Errorf("%w of size %d", ErrOther, cp.Size)
	case len(r.waiting) > 0:
		return fmt.Errorf("entry %d: no seal follows", r.waiting[0].seq)
	}
	return to.Caught(cp)
}

// bundle reads the rest of a bundle.
func (r *Reader) bundle(ctx context.Context, size uint64, to Taker) error {
	t, first := logread.Bundle(r.at, size)
	last := first + uint64(t.Width)
	whole, err := r.fetch(ctx, t)
	if err != nil {
		return logread.Unreadable(r.at, last, err)
	}
	r.envelopes = proof.EnvelopeParser{} // it refers to what it has read, of which the memory may be another's by now
	b := whole
	for seq := first; seq < last; seq++ {
		var raw []byte
		if raw, b, err = proof.NextBundleEntry(b); err != nil {
			return logread.Unreadable(seq, last, &logread.DamageError{File: t.Path(), Reason: err.Error()})
		}
		if seq < r.at {
			continue
		}
		w := waiting{seq: seq, raw: raw, leaf: proof.LeafHash(raw)}
		r.tree.Append(w.leaf)
		r.at = seq + 1
		if err := r.take(w, size, to); err != nil {
			return err
		}
	}
	if len(b) > 0 {
		return logread.Unreadable(first, last, &logread.DamageError{File: t.Path(), Reason: fmt.Sprintf("%d bytes follow its %d entries", len(b), t.Width)})
	}
	r.used = append(r.used, whole)
	if len(r.waiting) == 0 {
		r.free, r.used = append(r.free, r.used...), r.used[:0]
	}
	return nil
}

// fetch reads a bundle into memory that nothing else uses.
func (r *Reader) fetch(ctx context.Context, t proof.Tile) ([]byte, error) {
	into, ok := r.src.(interface {
		FetchInto(ctx context.Context, path string, buf []byte) ([]byte, error)
	})
	if !ok {
		return r.src.Fetch(ctx, t.Path())
	}
	var buf []byte
	if n := len(r.free); n > 0 {
		buf, r.free = r.free[n-1], r.free[:n-1]
	}
	return into.FetchInto(ctx, t.Path(), buf)
}

// take gives an entry, or has it wait for its seal. One that cannot be read is given as such, with those around it.
func (r *Reader) take(w waiting, size uint64, to Taker) error {
	if w.entry, w.err = r.envelopes.Parse(w.raw); w.err == nil && w.entry.Seq != w.seq {
		w.err = fmt.Errorf("it says that it is entry %d", w.entry.Seq)
	}
	switch {
	case w.err == nil && w.entry.Seal != nil:
		return r.sealed(w, size, to)
	case w.err == nil && w.entry.Stub != nil && w.entry.Stub.Code == proof.StubLost && len(r.waiting) == 0:
		return r.give(w, nil, size, to) // no seal is over it
	case len(r.waiting) > proof.MaxBatch:
		return fmt.Errorf("entry %d: no seal follows", r.waiting[0].seq)
	}
	r.waiting = append(r.waiting, w)
	return nil
}

// errUnsealed says that no seal is over an entry.
var errUnsealed = errors.New("no seal is over it")

// sealed gives the entries of a batch, and its seal.
func (r *Reader) sealed(w waiting, size uint64, to Taker) error {
	seal, err := r.seals.Parse(w.entry.Seal.Note)
	if w.err = err; err == nil && r.key != seal.Key {
		r.key, r.keyID = seal.Key, proof.KeyID(seal.Key)
	}
	for i, x := range r.waiting {
		switch {
		case x.err == nil && err != nil:
			x.err = err
		case x.err == nil && len(r.waiting)-i > seal.Count:
			x.err = errUnsealed
		}
		if err := r.give(x, nil, size, to); err != nil {
			return err
		}
	}
	clear(r.waiting)
	r.waiting = r.waiting[:0]
	return r.give(w, &seal, size, to)
}

func (r *Reader) give(w waiting, seal *proof.Seal, size uint64, to Taker) error {
	if w.entry.ReceivedAt != r.receivedAt {
		at, err := proof.ParseTime(w.entry.ReceivedAt)
		if err == nil {
			r.received, r.receivedAt = at, w.entry.ReceivedAt
		} else if w.err == nil {
			w.err = err
		}
	}
	r.entry = Entry{Seq: w.seq, Received: r.received, Raw: w.raw, Event: w.entry.Event, Leaf: w.leaf, Seal: seal, Key: r.key, KeyID: r.keyID, Of: size, r: r, entry: w.entry, err: w.err}
	if seal == nil && w.entry.Stub != nil && w.entry.Stub.Code == proof.StubLost {
		r.entry.Key, r.entry.KeyID = "", ""
	}
	return to.Take(&r.entry)
}
