package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// Recorded is what became of an event that came unsealed.
type Recorded struct {
	Seq     uint64       // of its entry
	EventID event.UUID   // as recorded
	Changed []string     // paths that were redacted or sanitised on the way in, as via has them
	Err     *event.Error // why the schema refuses it; then it has no entry
}

// speaker is whose unsealed events share a stream.
type speaker struct{ sender, app, environment, host string }

// voices are the streams of a Hold that the server seals itself.
type voices struct {
	mu   sync.Mutex
	over bool
	most int    // of open
	turn uint64 // counts the uses of open
	open map[speaker]*voice
	self *voice // the store's own word

	door    note.Signer // of open; nil before the first
	doorKey string

	noted voiceNote
}

// voice is one stream that the server seals. Whoever has something to say gets in line; while one batch is on its way to
// the disk the next one gathers, so that many who speak at once share a signature and a flush.
type voice struct {
	h      *Held
	signer note.Signer
	vkey   string
	of     speaker
	stream event.UUID
	used   uint64 // the turn of its last use; guarded by voices.mu

	mu      sync.Mutex
	line    []*saying
	running bool
	over    bool
	idle    sync.WaitGroup

	// What follows belongs to run.
	next    uint64 // stream_seq of the next event
	prev    proof.Hash
	hasPrev bool
	noted   bool // in the voice file
	scratch event.Scratch
	spare   []byte // an arena to use again, while run runs
}

// saying is one call.
type saying struct {
	via     proof.Via
	own     bool // the server's own word, of which via says nothing more
	events  []*event.Event
	encoded chan struct{} // closed when events are not read any more
	done    chan error    // buffered
	out     []Recorded
}

// Record records the server's own events (stet's own types among them) in the server's own stream under the store's key,
// and returns when they are durable (L1): in order, all or none. What all of them share, such as the host, is filled in
// where it is missing. Calls at once share a flush.
func (h *Held) Record(ctx context.Context, events ...*event.Event) ([]uint64, error) {
	v, err := h.self()
	if err != nil {
		return nil, err
	}
	if err := h.room.takeReserved(len(events) << 10); err != nil {
		return nil, err
	}
	for _, e := range events {
		h.s.complete(e)
	}
	out, err := v.say(ctx, &saying{via: proof.Via{Kind: proof.ViaStore}, own: true, events: events})
	if errors.Is(err, errOver) {
		err = ErrClosed
	}
	if err != nil {
		return nil, err
	}
	seqs := make([]uint64, len(out))
	for i, r := range out {
		if r.Err != nil {
			return nil, r.Err
		}
		seqs[i] = r.Seq
	}
	return seqs, nil
}

// RecordFor records events of others that came unsealed, and returns when they are durable (L1). Each is judged alone: the
// results stand in the order of the events. They must be of this app and environment, and of no type that is the store's
// alone. A sender (see proof.Via.Sender), app and environment have a stream of its own for as long as the store is held; it is sealed by the
// server's door key, which is enrolled as any emitter's is, and not by the store's: what others say is not the store's
// word. Calls of one sender with the same via share a batch, and all calls at once share a flush.
//
// The entry of an event says in via which of its paths were redacted or sanitised here, not by the sender's own tools. The
// entries of a batch share their via, so that events of which different paths were changed stand in different batches, one
// behind the other.
//
// The events are the caller's until the call returns. An error is about the call as a whole: nothing, or something
// unknown, was recorded.
func (h *Held) RecordFor(ctx context.Context, via proof.Via, app, environment string, events []*event.Event) ([]Recorded, error) {
	if err := h.room.take(len(events) << 10); err != nil { // the encoder says how much it is, too late
		return nil, err
	}
	via.Changed = nil
	for {
		v, tired, err := h.voiceOf(speakerOf(via, app, environment, events))
		if err != nil {
			return nil, err
		}
		if tired != nil {
			if err := tired.end(ctx); err != nil {
				return nil, err
			}
		}
		if out, err := v.say(ctx, &saying{via: via, events: events}); !errors.Is(err, errOver) {
			return out, err
		}
	}
}

// speakerOf is whose stream events of a call are in. One peer of syslog hands on what many hosts say: each has its own.
func speakerOf(via proof.Via, app, environment string, events []*event.Event) speaker {
	of := speaker{sender: via.Sender(), app: app, environment: environment}
	if via.Kind == proof.ViaSyslog && len(events) > 0 && events[0].Host != nil {
		of.host = events[0].Host.Name
	}
	return of
}

// errOver says that a stream was closed for want of use before it could be used once more.
var errOver = errors.New("the stream was closed")

// maxVoices bounds how many senders of unsealed events have an open stream. The one that was silent for longest is closed
// when another comes.
const maxVoices = 1024

// voiceOf is the stream of a sender of unsealed events. tired is another one's, or nil: the caller must end it.
func (h *Held) voiceOf(of speaker) (v, tired *voice, err error) {
	h.own.mu.Lock()
	defer h.own.mu.Unlock()
	if h.own.over {
		return nil, nil, ErrClosed
	}
	if v := h.own.open[of]; v != nil {
		h.own.turn++
		v.used = h.own.turn
		return v, nil, nil
	}
	signer, vkey, err := h.voiceKey(false)
	if err != nil {
		return nil, nil, err
	}
	if v, err = h.voice(signer, vkey, of); err != nil {
		return nil, nil, err
	}
	if len(h.own.open) >= h.own.most {
		for _, x := range h.own.open {
			if tired == nil || x.used < tired.used {
				tired = x
			}
		}
		delete(h.own.open, tired.of)
	}
	h.own.turn++
	v.used = h.own.turn
	h.own.open[of] = v
	return v, tired, nil
}

// self is the stream of the store's own word.
func (h *Held) self() (*voice, error) {
	h.own.mu.Lock()
	defer h.own.mu.Unlock()
	if h.own.over {
		return nil, ErrClosed
	}
	if h.own.self == nil {
		signer, vkey, err := h.voiceKey(true)
		if err != nil {
			return nil, err
		}
		if h.own.self, err = h.voice(signer, vkey, speaker{app: storeApp}); err != nil {
			return nil, err
		}
	}
	return h.own.self, nil
}

// voiceKey is what the streams of the store's own word are sealed with, or those of others'. The caller holds own.mu, or is
// alone.
func (h *Held) voiceKey(self bool) (note.Signer, string, error) {
	if self {
		signer, err := h.keys.Store.NoteSigner()
		return signer, h.keys.Store.VKey, err
	}
	if h.own.door == nil {
		k, err := h.s.Door(keyfile.CleanName(proof.DoorKey + h.log.Load().now.Name))
		if err != nil {
			return nil, "", fmt.Errorf("the key for events that come unsealed: %w", err)
		}
		signer, err := k.NoteSigner()
		if err != nil {
			return nil, "", err
		}
		h.own.door, h.own.doorKey = signer, k.VKey
	}
	return h.own.door, h.own.doorKey, nil
}

func (h *Held) voice(signer note.Signer, vkey string, of speaker) (*voice, error) {
	var random [10]byte
	if _, err := io.ReadFull(h.s.rand, random[:]); err != nil {
		return nil, fmt.Errorf("make a stream id: %w", err)
	}
	return &voice{h: h, signer: signer, vkey: vkey, of: of, stream: event.NewUUIDv7(h.s.now(), random), next: 1}, nil
}

// say gets in line and waits.
func (v *voice) say(ctx context.Context, s *saying) ([]Recorded, error) {
	if len(s.events) == 0 {
		return nil, nil
	}
	s.encoded, s.done, s.out = make(chan struct{}), make(chan error, 1), make([]Recorded, len(s.events))
	v.mu.Lock()
	if v.over {
		v.mu.Unlock()
		return nil, errOver
	}
	v.line = append(v.line, s)
	if !v.running {
		v.running = true
		v.idle.Go(v.run)
	}
	v.mu.Unlock()
	select {
	case err := <-s.done:
		return s.out, err
	case <-ctx.Done():
	}
	if v.leave(s) {
		return nil, fmt.Errorf("not recorded: %w", context.Cause(ctx))
	}
	<-s.encoded // until then the events are read
	return nil, fmt.Errorf("the outcome is not known: %w", context.Cause(ctx))
}

// leave takes a saying out of the line; false where it is under way.
func (v *voice) leave(s *saying) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i, x := range v.line {
		if x == s {
			v.line = append(v.line[:i], v.line[i+1:]...)
			return true
		}
	}
	return false
}

// run takes what is in line until nothing is. Where several were answered together, who is about to get in line goes first:
// this goroutine would run before all of them, and each would be left for the next seal and the next flush.
func (v *voice) run() {
	for last := 0; ; {
		if last > 1 {
			runtime.Gosched()
		}
		v.mu.Lock()
		all := v.line
		v.line = nil
		if v.running = len(all) > 0; !v.running {
			v.spare = nil
		}
		v.mu.Unlock()
		if len(all) == 0 {
			return
		}
		v.record(all)
		last = len(all)
	}
}

// maxSpare bounds the arena that a stream in use keeps for its next batch, in bytes.
const maxSpare = 256 << 10

// part is a batch that is being put together.
type part struct {
	via   []byte
	arena []byte // the events, one behind the other
	ends  []int
	out   []*Recorded // of each event
}

// record makes batches of what was said, and waits for the disk once. What it holds of the caller's events it lets go of
// before that.
func (v *voice) record(all []*saying) {
	parts := v.encode(all)
	for _, s := range all {
		close(s.encoded)
	}
	err := v.place(parts)
	if v.spare = nil; err == nil && len(parts) > 0 && cap(parts[0].arena) <= maxSpare { // else it may be read still
		v.spare = parts[0].arena
	}
	for _, s := range all {
		s.done <- err
	}
}

func (v *voice) encode(all []*saying) []*part {
	now, ev := v.h.s.now(), v.h.s.clock.Evidence()
	clock := emitter.EventClock(ev)
	next := v.next
	var parts []*part
	var p *part
	for _, s := range all {
		unchanged := s.via.Append(nil)
		for i, e := range s.events {
			out := &s.out[i]
			if out.Err = v.refuses(e); out.Err != nil {
				continue
			}
			if e.EventID.IsZero() {
				var random [10]byte
				if _, err := io.ReadFull(v.h.s.rand, random[:]); err != nil {
					out.Err = &event.Error{Code: "internal", Detail: "no random numbers: " + err.Error()}
					continue
				}
				e.EventID = event.NewUUIDv7(now, random)
			}
			e.Timestamp, e.StreamID, e.StreamSeq, e.Clock = now, v.stream, next, clock
			arena := v.spare[:0] // of the first part
			if p != nil {
				arena = p.arena
			}
			b, err := v.h.s.codec.AppendWith(&v.scratch, arena, e)
			if err == nil && !s.own {
				out.Changed, err = changed(v.h.s.codec, e, b[len(arena):])
			}
			if err != nil {
				if !errors.As(err, &out.Err) {
					out.Err = &event.Error{Detail: err.Error()}
				}
				continue
			}
			via := unchanged
			if len(out.Changed) > 0 {
				v := s.via
				v.Changed = out.Changed
				via = v.Append(nil)
			}
			switch {
			case p == nil:
				p = &part{via: via}
				parts = append(parts, p)
			case string(p.via) != string(via) || len(p.ends) == proof.MaxBatch || len(b) > proof.MaxBatchBytes:
				p = &part{via: via}
				parts = append(parts, p)
				b = bytes.Clone(b[len(arena):])
			}
			p.arena, p.ends, p.out = b, append(p.ends, len(b)), append(p.out, out)
			out.EventID = e.EventID
			next++
		}
	}
	return parts
}

// refuses says why an event cannot be said in this stream, whatever the schema says.
func (v *voice) refuses(e *event.Event) *event.Error {
	switch {
	case e.AppID != v.of.app:
		return &event.Error{Code: string(event.ErrContradicts), Path: "app_id", Detail: "is not the application that this sender writes for"}
	case e.Environment != v.of.environment:
		return &event.Error{Code: string(event.ErrContradicts), Path: "environment", Detail: "is not the environment that this sender writes for"}
	}
	if v.vkey == v.h.keys.Store.VKey {
		return nil
	}
	catalogue := v.h.s.codec.Catalogue
	if catalogue == nil {
		catalogue = event.Builtin()
	}
	if t, ok := catalogue.Lookup(e.EventType); ok && t.Reserved || aboutKeys(e.EventType) {
		return &event.Error{Code: string(event.ErrContradicts), Path: "event_type", Detail: "may be raised only by the store itself"}
	}
	return nil
}

// place seals the parts one behind the other, gets them in line, and waits for the disk, once for as many as may be in line
// together. What follows a part that could not get in line does not either, and its numbers are given out again.
func (v *voice) place(parts []*part) error {
	parts = slices.DeleteFunc(parts, func(p *part) bool { return len(p.ends) == 0 })
	for some := range slices.Chunk(parts, maxTogether) {
		if err := v.placeSome(context.Background(), some); err != nil {
			return err
		}
	}
	return nil
}

func (v *voice) placeSome(ctx context.Context, parts []*part) (failed error) {
	if err := v.h.line.take(ctx, len(parts)); err != nil {
		return err
	}
	defer v.h.line.give(len(parts))
	waiting := make([]*ledger.Waiting, 0, len(parts))
	for _, p := range parts {
		w, err := v.enqueue(ctx, p, false)
		if err != nil {
			failed = err
			break
		}
		waiting = append(waiting, w)
	}
	for i, w := range waiting {
		placed, err := w.Wait(ctx)
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		for j, out := range parts[i].out {
			out.Seq = placed.First + uint64(j)
		}
	}
	return failed
}

func (v *voice) enqueue(ctx context.Context, p *part, final bool) (*ledger.Waiting, error) {
	items := make([]ledger.Item, len(p.ends))
	leaves := make([]proof.Hash, len(p.ends))
	from := 0
	for i, end := range p.ends {
		items[i].Event = p.arena[from:end:end]
		leaves[i] = proof.LeafHash(items[i].Event)
		from = end
	}
	seal := proof.Seal{App: v.of.app, Environment: v.of.environment, Key: v.vkey, Stream: v.stream.String(), First: v.next, Count: len(items),
		Root: proof.RootOf(leaves), Prev: v.prev, HasPrev: v.hasPrev, Final: final, Clock: emitter.SealClock(v.h.s.clock.Evidence())}
	msg, err := proof.SignSeal(seal, v.signer)
	if err != nil {
		return nil, err
	}
	if err := v.h.enrol(ctx, v.vkey, "the server itself"); err != nil {
		return nil, err
	}
	if !v.noted {
		if err := v.h.own.noted.add(v.h.s, v.sealed()); errors.Is(err, syscall.ENOSPC) {
			return nil, fmt.Errorf("%w: note that stream %s is open: %w", ErrFull, v.stream, err)
		} else if err != nil {
			return nil, fmt.Errorf("note that stream %s is open: %w", v.stream, err)
		}
		v.noted = true
	}
	c, err := v.h.l.Check(ledger.Batch{Via: p.via, Items: items, Seal: msg})
	if err != nil {
		return nil, err
	}
	w, err := v.h.enqueue(ctx, c, v.vkey)
	if err != nil {
		return nil, err
	}
	v.next, v.prev, v.hasPrev = seal.Next(), proof.SealHash(msg), true
	return w, nil
}

// end waits for what was said and closes the stream, where anything was said in it.
func (v *voice) end(ctx context.Context) error {
	v.mu.Lock()
	v.over = true
	v.mu.Unlock()
	v.idle.Wait()
	if !v.hasPrev {
		return nil
	}
	w, err := v.enqueue(ctx, &part{via: proof.Via{Kind: proof.ViaStore}.Append(nil)}, true)
	if err != nil {
		return err
	}
	if _, err = w.Wait(ctx); err == nil {
		v.h.own.noted.drop(v.stream.String())
	}
	return err
}

// end closes all streams.
func (vs *voices) end(ctx context.Context) error {
	vs.mu.Lock()
	vs.over = true
	all := make([]*voice, 0, len(vs.open)+1)
	for _, v := range vs.open {
		all = append(all, v)
	}
	if vs.self != nil {
		all = append(all, vs.self)
	}
	vs.mu.Unlock()
	var errs []error
	for _, v := range all {
		errs = append(errs, v.end(ctx))
	}
	return errors.Join(errs...)
}
