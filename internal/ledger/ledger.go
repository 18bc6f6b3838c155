package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/segment"
	"github.com/stetlog/stet/proof"
)

// Options configure a ledger. FS, Origin, Signer, Verifier and Now must be set; the zero value of the rest is good.
type Options struct {
	FS       fsx.FS        // the store's directory; the caller holds the store's lock until Close has returned
	Origin   string        // identity of the log: the name of its key
	Signer   note.Signer   // the log's key; signs checkpoints and nothing else
	Verifier note.Verifier // its public half
	// Beside are older keys of the log that still sign: whoever knows only one of these can follow. May be empty.
	Beside []note.Signer
	Now    func() time.Time // wall clock for received_at; where it goes back, received_at stands still
	Rand   io.Reader        // salts of journal segments; nil for crypto/rand

	SegmentBytes int64 // journal segments end when they reach it; 0 for 64 MiB
	// Preallocate reserves this many bytes for each journal segment, so that a flush need not change the file's length. A
	// server sets it to SegmentBytes; 0 lets segments grow, as suits a short run.
	Preallocate int64

	// A publish begins as soon as somebody waits for it, yet no sooner than PublishBusy after the one before, and at the
	// latest PublishIdle after an append. 0 stands for 100 ms and 1 s.
	PublishBusy, PublishIdle time.Duration

	HeadStreams    int   // stream records kept in the head before half of them spill to a file; 0 for 4096
	MaxUnpublished int64 // bytes of memory for entries that wait to be published, before Append waits; 0 for 256 MiB
	Recent         int   // bytes of memory for what was published last, for Recent; 0 for none
	Workers        int   // goroutines that write files at a publish, most of them waiting for the disk; 0 for eight a processor
}

// The limits of one group, and of what may wait to get into one.
const (
	maxGroupBytes = 8 << 20
	// MaxWaiting is how many batches may be between queue and answer; the next ones wait for a place.
	MaxWaiting = 4096
)

// Ledger is an open ledger. All its methods are safe for concurrent use.
type Ledger struct {
	fsys     fsx.FS
	origin   string
	verifier note.Verifier
	now      func() time.Time
	rand     io.Reader

	segmentBytes, preallocate, maxUnpublished int64
	busy, idle                                time.Duration
	workers                                   int
	lot                                       int // bytes of entries that recovery publishes at once

	seals   proof.SealVerifier
	scratch sync.Pool // of *scratch
	zip     zipper
	streams *table
	bundles bundleCache
	recent  recent
	trails  trails

	slots     chan struct{} // one for each batch between queue and answer
	work      chan struct{} // one waiting token: something is queued, or closing
	flush     chan *group   // sequencer to flusher; closed when the sequencer is done
	dirty     chan struct{} // one waiting token: something is pending
	rekeys    chan *rekey   // to the publisher
	urgent    chan struct{} // one waiting token: somebody waits for a publish
	finish    chan struct{} // closed when the flusher is done and the last publish is due
	dead      chan struct{} // closed at the first failure
	sequencer sequencer     // owned by the sequencer
	journal   journal       // owned by the flusher
	publisher publisher     // owned by the publisher

	mu        sync.Mutex
	queue     []*request
	closed    bool
	failure   error
	flushed   chan struct{}   // closed and replaced at each flush, with durable
	released  chan struct{}   // the same at each publish, with published and backlog
	durable   uint64          // entries in the journal, flushed
	pending   []*group        // durable, not yet published, oldest first
	free      []*group        // buffers to use again
	freeBytes int             // capacity of these
	backlog   int64           // bytes of memory of what is pending
	segments  []segmentRef    // of this run, not yet removed
	writing   *segment.Writer // of the journal's last segment, for Look; nil where none is open
	lastMade  uint64          // highest number of a journal segment ever made
	published uint64          // entries under the head
	root      proof.Hash
	signed    []byte     // the checkpoint of published and root
	tiles     *treeTiles // of the tree that a proof was last made in; nil before the first
	done      chan struct{}
}

// Open recovers the ledger in o.FS and makes it ready, or creates it where there is none: no head, and nothing that
// could have been under one. Everything durable in the journal is published before it returns. It fails with an
// *IntegrityError where what is stored cannot have come from a crash.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	l, err := prepare(o)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	if err := l.recover(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger: %w", err), l.streams.close())
	}
	go l.sequencer.run()
	go l.flushGroups()
	go l.publisher.run()
	return l, nil
}

// prepare makes a ledger that has not looked at its files.
func prepare(o Options) (*Ledger, error) {
	if o.FS == nil || o.Signer == nil || o.Verifier == nil || o.Now == nil {
		return nil, errors.New("FS, Signer, Verifier and Now must be set")
	}
	if o.Origin == "" || o.Signer.Name() != o.Origin || o.Verifier.Name() != o.Origin || o.Signer.KeyHash() != o.Verifier.KeyHash() {
		return nil, fmt.Errorf("signer %s and verifier %s must be one key, named as the origin %q", o.Signer.Name(), o.Verifier.Name(), o.Origin)
	}
	if err := checkSigners(o.Origin, o.Beside...); err != nil {
		return nil, err
	}
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	headStreams := orDefault(o.HeadStreams, 4096)
	if headStreams < 2 || headStreams > MaxHeadStreams {
		return nil, fmt.Errorf("HeadStreams is %d, allowed are 2 to %d", o.HeadStreams, MaxHeadStreams)
	}
	l := &Ledger{
		fsys: o.FS, origin: o.Origin, verifier: o.Verifier, now: o.Now, rand: o.Rand,
		segmentBytes: orDefault(o.SegmentBytes, 64<<20), preallocate: o.Preallocate,
		maxUnpublished: orDefault(o.MaxUnpublished, 256<<20),
		busy:           orDefault(o.PublishBusy, 100*time.Millisecond),
		idle:           orDefault(o.PublishIdle, time.Second),
		workers:        orDefault(o.Workers, 8*runtime.GOMAXPROCS(0)),
		lot:            maxRecovered,
		streams:        newTable(o.FS, headStreams),
		recent:         recent{most: o.Recent},
		slots:          make(chan struct{}, MaxWaiting),
		work:           make(chan struct{}, 1),
		flush:          make(chan *group),
		dirty:          make(chan struct{}, 1),
		rekeys:         make(chan *rekey),
		urgent:         make(chan struct{}, 1),
		finish:         make(chan struct{}),
		dead:           make(chan struct{}),
		flushed:        make(chan struct{}),
		released:       make(chan struct{}),
		done:           make(chan struct{}),
	}
	l.journal.l, l.sequencer.l, l.publisher.l = l, l, l
	l.publisher.signers = append([]note.Signer{o.Signer}, o.Beside...)
	l.publisher.dirs = dirs{fsys: o.FS, known: make(map[string]bool)}
	return l, nil
}

func orDefault[T int | int64 | time.Duration](v, def T) T {
	if v <= 0 {
		return def
	}
	return v
}

// Append places a sealed batch and returns when it is durable in the journal (L1). The same batch again (stream, first
// number, seal) is placed once, and answered with Again. It is Check, Enqueue and Wait in one.
//
// Errors: ErrInvalid, ErrNotOwner, ErrConflict, ErrFinal, *HoleError say that the batch was refused, ErrClosed and an error
// of ctx before it was taken that it was not stored; ErrFailed, and an error of ctx after that, that the outcome is not
// known. Append the same batch again to find out.
func (l *Ledger) Append(ctx context.Context, b Batch) (Placed, error) {
	c, err := l.Check(b)
	if err != nil {
		return Placed{}, err
	}
	return l.submit(ctx, c.r)
}

// Checked is a batch whose seal, root and entries are sound. It is enqueued at most once.
type Checked struct{ r *request }

// Check does the part of Append that costs the processor, and nothing else: it opens the batch's seal and recomputes its
// root. Many batches can be checked at once, also those of one stream. Its error is ErrInvalid.
func (l *Ledger) Check(b Batch) (*Checked, error) {
	r, err := l.check(b)
	if err != nil {
		return nil, fmt.Errorf("append: %w", err)
	}
	return &Checked{r}, nil
}

// Waiting is a batch in line. Wait must be called once for each: until then it takes one of MaxWaiting places.
type Waiting struct {
	l *Ledger
	r *request
}

// Enqueue gets a checked batch in line and returns: it waits for a place, not for the disk. Nothing is durable, and
// nothing acknowledged, before Wait says so. Batches are placed in the order of the calls, so that whoever has many of one
// stream can have them flushed together. Its errors are those of Append for a batch that was not stored.
func (l *Ledger) Enqueue(ctx context.Context, c *Checked) (*Waiting, error) {
	if err := l.enqueue(ctx, c.r); err != nil {
		return nil, err
	}
	return &Waiting{l, c.r}, nil
}

// Wait returns when the batch is durable in the journal (L1), or with one of Append's errors.
func (w *Waiting) Wait(ctx context.Context) (Placed, error) { return w.l.await(ctx, w.r) }

// AppendLoss declares that numbers of a stream will never come, so that the stream can go on behind them. Durability and
// errors are Append's; a loss that was declared before, with the same numbers, is answered with Again.
func (l *Ledger) AppendLoss(ctx context.Context, via []byte, loss Loss) (Placed, error) {
	r, err := checkLoss(via, loss)
	if err != nil {
		return Placed{}, fmt.Errorf("append loss: %w", err)
	}
	return l.submit(ctx, r)
}

func (l *Ledger) submit(ctx context.Context, r *request) (Placed, error) {
	if err := l.enqueue(ctx, r); err != nil {
		return Placed{}, err
	}
	return l.await(ctx, r)
}

// enqueue takes one of the places, which await gives back.
func (l *Ledger) enqueue(ctx context.Context, r *request) error {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return fmt.Errorf("append: not stored: %w", ctx.Err())
	case <-l.dead:
		return l.failed()
	}
	l.mu.Lock()
	if l.closed || l.failure != nil {
		l.mu.Unlock()
		<-l.slots
		return l.failed()
	}
	l.queue = append(l.queue, r)
	l.mu.Unlock()
	wake(l.work)
	return nil
}

func (l *Ledger) await(ctx context.Context, r *request) (Placed, error) {
	defer func() { <-l.slots }()
	var res result
	select {
	case res = <-r.result:
	case <-ctx.Done():
		r.release()
		return Placed{}, fmt.Errorf("append: the outcome is not known, append the batch again: %w", ctx.Err())
	case <-l.dead:
		r.release()
		select { // it may have become durable just before
		case res = <-r.result:
		default:
			return Placed{}, l.failed()
		}
	}
	if res.older != nil {
		return l.again(ctx, r, *res.older)
	}
	return res.placed, res.err
}

// Publish returns when everything that Append placed before the call is under a durable, signed checkpoint (L2), and
// returns such a checkpoint: the newest. Concurrent calls share one publish.
func (l *Ledger) Publish(ctx context.Context) ([]byte, error) {
	l.mu.Lock()
	target := l.durable
	l.mu.Unlock()
	var signed []byte
	err := l.wait(ctx, &l.released, func() bool {
		signed = l.signed
		if l.published < target {
			wake(l.urgent)
			return false
		}
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("publish: %w", err)
	}
	return bytes.Clone(signed), nil
}

// wait returns when ok is true, which is called with l.mu held, and again after every change that one of the ledger's channels
// tells of. Many wait for a publish, and between two of these are many flushes, which must not wake them.
func (l *Ledger) wait(ctx context.Context, told *chan struct{}, ok func() bool) error {
	for {
		l.mu.Lock()
		if ok() {
			l.mu.Unlock()
			return nil
		}
		changed := *told
		l.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		case <-l.dead:
			return l.failed()
		case <-l.done:
			l.mu.Lock()
			defer l.mu.Unlock()
			if ok() { // by the last publish
				return nil
			}
			return ErrClosed
		}
	}
}

// Published returns how many entries are under the newest checkpoint, once there are more than seen. Errors are those of
// Publish.
func (l *Ledger) Published(ctx context.Context, seen uint64) (size uint64, err error) {
	err = l.wait(ctx, &l.released, func() bool {
		size = l.published
		return size > seen
	})
	return size, err
}

// Head returns what is committed: entries and root.
func (l *Ledger) Head() (size uint64, root proof.Hash) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.published, l.root
}

// Checkpoint returns the newest signed checkpoint. It is never nil.
func (l *Ledger) Checkpoint() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.signed)
}

// Stream returns how far a stream is, counting only what is durable; false where the ledger has never heard of it. It waits
// for a batch that is being flushed.
func (l *Ledger) Stream(ctx context.Context, id string) (StreamState, bool, error) {
	sid, err := parseStreamID(id)
	if err != nil {
		return StreamState{}, false, err
	}
	if err := l.ready(); err != nil {
		return StreamState{}, false, err
	}
	s, ok, err := l.streams.get(sid)
	if err != nil || !ok {
		return StreamState{}, false, err
	}
	if err := l.waitDurable(ctx, s.last()); err != nil {
		return StreamState{}, false, err
	}
	return s, true, nil
}

func (l *Ledger) waitDurable(ctx context.Context, seq uint64) error {
	return l.wait(ctx, &l.flushed, func() bool { return seq < l.durable })
}

// Close publishes what is not yet published, removes the journal, and closes all files. After a failure it only closes,
// and returns ErrFailed. Calls that are under way end with an answer; later ones with ErrClosed.
func (l *Ledger) Close() error {
	l.mu.Lock()
	again := l.closed
	l.closed = true
	l.mu.Unlock()
	if again {
		<-l.done
		return ErrClosed
	}
	wake(l.work)
	<-l.done
	err := l.streams.close()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		err = errors.Join(fmt.Errorf("close: %w: %w", ErrFailed, l.failure), err)
	}
	return err
}

// fail ends the ledger. Only the first error counts: the others follow from it.
func (l *Ledger) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure == nil {
		l.failure = err
		close(l.dead)
	}
}

// ready says why the ledger cannot be asked any more, or nil.
func (l *Ledger) ready() error {
	l.mu.Lock()
	stopped := l.closed || l.failure != nil
	l.mu.Unlock()
	if stopped {
		return l.failed()
	}
	return nil
}

// failed says why nothing can be appended any more.
func (l *Ledger) failed() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failure != nil {
		return fmt.Errorf("%w: %w", ErrFailed, l.failure)
	}
	return ErrClosed
}

// broadcast wakes everybody who waits for this channel of the ledger's. l.mu is held.
func broadcast(told *chan struct{}) {
	close(*told)
	*told = make(chan struct{})
}

// wake leaves a token in a channel with room for one.
func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
