package ledger

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/stetlog/stet/internal/segment"
	"github.com/stetlog/stet/proof"
)

// A group is what one flush makes durable: the batches that had queued up.
type group struct {
	first    uint64    // seq of its first entry
	buf      []byte    // its entries as in a bundle: uint16 length and bytes, one after the other
	ends     []uint32  // end of each entry in buf
	frames   []frame   // one a batch
	changes  []record  // stream states that its entries led to, in order
	received string    // received_at of its entries
	at       time.Time // the same
	answers  []answer

	leaves []proof.Hash  // of its entries; may be read when hashed is closed
	hashed chan struct{} // closed by the sequencer
}

// A frame is a batch's part of a group's buffer.
type frame struct {
	key      uint64
	from, to uint32
}

type answer struct {
	r      *request
	placed Placed
}

func (g *group) size() uint64 { return uint64(len(g.ends)) }
func (g *group) end() uint64  { return g.first + g.size() }

// reset readies a group for other content, keeping its buffers.
func (g *group) reset(first uint64) {
	*g = group{
		first: first, buf: g.buf[:0], ends: g.ends[:0], frames: g.frames[:0], changes: g.changes[:0],
		answers: g.answers[:0], leaves: g.leaves[:0], hashed: make(chan struct{}),
	}
}

// entry returns the bytes of the entry with this seq, which it must hold.
func (g *group) entry(seq uint64) []byte {
	i := seq - g.first
	from := uint32(0)
	if i > 0 {
		from = g.ends[i-1]
	}
	return g.buf[from+2 : g.ends[i]]
}

// add appends one entry, which encode writes.
func (g *group) add(encode func(dst []byte, seq uint64) []byte) error {
	at := len(g.buf)
	g.buf = encode(append(g.buf, 0, 0), g.end())
	n := len(g.buf) - at - 2
	if n > proof.MaxEntry {
		g.buf = g.buf[:at]
		return fmt.Errorf("%w: entry %d has %d bytes, at most %d are allowed", ErrInvalid, g.end(), n, proof.MaxEntry)
	}
	binary.BigEndian.PutUint16(g.buf[at:], uint16(n))
	g.ends = append(g.ends, uint32(len(g.buf)))
	return nil
}

// hash computes the leaves, off the flush's path.
func (g *group) hash() {
	from := uint32(0)
	for _, end := range g.ends {
		g.leaves = append(g.leaves, proof.LeafHash(g.buf[from+2:end]))
		from = end
	}
	close(g.hashed)
}

// The sequencer puts batches in their one order.
type sequencer struct {
	l        *Ledger
	next     uint64    // seq of the next entry
	received string    // the last received_at given out; "" before the first
	at       time.Time // the same
}

// run takes what has queued up, until the ledger is closed and the queue empty, or the ledger fails.
func (s *sequencer) run() {
	l := s.l
	defer close(l.flush)
	for {
		select {
		case <-l.work:
		case <-l.dead:
			return
		}
		for {
			g, more := s.fill(nil)
			if g != nil {
				if !s.hand(g) {
					return
				}
			}
			if !more {
				break
			}
		}
		l.mu.Lock()
		over := l.closed && len(l.queue) == 0
		l.mu.Unlock()
		if over {
			return
		}
	}
}

// hand passes a group to the flusher. While that is busy with the one before, latecomers still get in.
func (s *sequencer) hand(g *group) bool {
	l := s.l
	work := l.work
	for {
		select {
		case l.flush <- g:
			g.hash()
			return true
		case <-work:
			before := g.size()
			if _, more := s.fill(g); more {
				wake(l.work)
				if g.size() == before { // what is next does not fit
					work = nil
				}
			}
		case <-l.dead:
			return false
		}
	}
}

// fill places queued requests into g, or into a new group, until that is full. more says that requests are left. When too
// much waits to be published it waits first: memory is bounded, and the disk sets the pace.
func (s *sequencer) fill(g *group) (_ *group, more bool) {
	l := s.l
	if g == nil && !s.room() {
		return nil, false
	}
	for {
		l.mu.Lock()
		n, bytes := 0, 0
		if g != nil {
			bytes = len(g.buf)
		}
		for n < len(l.queue) && (bytes == 0 || bytes+l.queue[n].bytes <= maxGroupBytes) {
			bytes += l.queue[n].bytes
			n++
		}
		taken := l.queue[:n:n]
		l.queue = l.queue[n:]
		more = len(l.queue) > 0
		var wider *group
		switch {
		case n == 0:
		case g == nil:
			g = l.newGroup(bytes)
		case bytes > cap(g.buf):
			wider = l.newGroup(bytes)
		}
		l.mu.Unlock()
		if n == 0 {
			return g, more
		}
		if len(g.ends) == 0 {
			g.reset(s.next)
			g.at, g.received = s.clock()
		}
		if wider != nil {
			g.buf, wider.buf = append(wider.buf, g.buf...), g.buf
			l.mu.Lock()
			l.recycle(wider)
			l.mu.Unlock()
		}
		for _, r := range taken {
			s.take(g, r)
		}
		if len(g.ends) > 0 || !more {
			break
		}
	}
	if len(g.ends) == 0 {
		l.mu.Lock()
		l.recycle(g)
		l.mu.Unlock()
		return nil, more
	}
	return g, more
}

// room waits until the backlog is below its bound; false when the ledger failed meanwhile.
func (s *sequencer) room() bool {
	l := s.l
	for {
		l.mu.Lock()
		full := l.backlog >= l.maxUnpublished
		changed := l.released
		l.mu.Unlock()
		if !full {
			return true
		}
		wake(l.urgent)
		select {
		case <-changed:
		case <-l.dead:
			return false
		}
	}
}

// clock gives the next received_at: now, or the last one where the clock went back or makes no sense. The text of a time
// sorts as the time does.
func (s *sequencer) clock() (time.Time, string) {
	now := s.l.now().UTC()
	if y := now.Year(); y < 0 || y > 9999 {
		now = time.Unix(0, 0).UTC()
	}
	if text := proof.FormatTime(now); text > s.received {
		s.at, s.received = now, text
	}
	return s.at, s.received
}

// take places one request, unless its caller has given up, and answers those that are refused.
func (s *sequencer) take(g *group, r *request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.taken {
		return
	}
	r.taken = true
	placed, older, err := s.place(g, r)
	r.batch = Batch{}
	if older != nil || err != nil {
		r.result <- result{older: older, err: err}
		return
	}
	g.answers = append(g.answers, answer{r, placed})
}

// place decides about a request and encodes its entries. What it refuses leaves the group as it was.
func (s *sequencer) place(g *group, r *request) (placed Placed, used *StreamState, err error) {
	state, known, err := s.l.streams.get(r.id)
	if err != nil {
		return Placed{}, nil, fmt.Errorf("append: look up stream %s: %w", r.id, err)
	}
	var older bool
	if r.loss != nil {
		older, err = state.admitLoss(known, r.loss.Stream, r.loss.First, r.loss.Last, r.loss.Owner)
	} else {
		older, err = state.admit(known, r.seal, r.hash)
	}
	if err != nil {
		return Placed{}, nil, fmt.Errorf("append: %w", err)
	}
	if older {
		return Placed{}, &state, nil
	}
	first, from, entries := g.end(), uint32(len(g.buf)), len(g.ends)
	if err := s.encode(g, r, state); err != nil {
		g.buf, g.ends = g.buf[:from], g.ends[:entries]
		return Placed{}, nil, err
	}
	g.frames = append(g.frames, frame{key: first, from: from, to: uint32(len(g.buf))})
	placed = Placed{First: first, Count: len(g.ends) - entries, ReceivedAt: g.at}
	if r.loss == nil && state.Sealed {
		placed.PrevSeq, placed.HasPrev = state.LastSealSeq, true
	}
	if r.loss != nil {
		state = state.lose(r.loss.Last, g.end()-1)
	} else {
		state = state.seal(r.seal, r.hash, g.end()-1)
	}
	s.l.streams.put(r.id, state)
	g.changes = append(g.changes, record{r.id, state})
	s.next = g.end()
	return placed, nil, nil
}

func (s *sequencer) encode(g *group, r *request, state StreamState) error {
	b := r.batch
	if s.next+uint64(len(b.Items)) >= proof.MaxSize {
		return fmt.Errorf("append: the ledger is full: %d entries", s.next)
	}
	if r.loss != nil {
		return g.add(func(dst []byte, seq uint64) []byte {
			return proof.AppendStubEntry(dst, seq, g.received, b.Via, r.loss.stub())
		})
	}
	for i, item := range b.Items {
		err := g.add(func(dst []byte, seq uint64) []byte {
			if item.Stub != nil {
				return proof.AppendStubEntry(dst, seq, g.received, b.Via, refused(r.seal, i, item.Stub))
			}
			return proof.AppendEventEntry(dst, seq, g.received, b.Via, item.Event)
		})
		if err != nil {
			return err
		}
	}
	var prev *uint64
	if state.Sealed {
		prev = &state.LastSealSeq
	}
	return g.add(func(dst []byte, seq uint64) []byte {
		return proof.AppendSealEntry(dst, seq, g.received, b.Via, proof.SealEntry{PrevSeq: prev, Note: b.Seal})
	})
}

// newGroup returns a group whose buffer has room for n bytes of entries, at least one, and at most for twice as many, because a
// small group in a large buffer would hold memory that the bounds are there for. Sizes are powers of two, so that buffers
// fit again. l.mu is held.
func (l *Ledger) newGroup(n int) *group {
	size := max(smallGroup, 1<<bits.Len(uint(n-1)))
	at := -1
	for i, g := range l.free {
		if cap(g.buf) == size {
			at = i // the last one, so that those which are too many come first
		}
	}
	var g *group
	if at >= 0 {
		g = l.free[at]
		l.free = slices.Delete(l.free, at, at+1)
		l.freeBytes -= cap(g.buf)
	} else {
		g = &group{buf: make([]byte, 0, size)}
	}
	g.reset(0)
	return g
}

// smallGroup is the size of the smallest buffer, in bytes.
const smallGroup = 2 << 10

// maxFreeBytes bounds the buffers that are kept for later, in bytes; maxFree how many.
const (
	maxFreeBytes = 8 * maxGroupBytes
	maxFree      = 256
)

// recycle keeps a group's buffers for later. l.mu is held.
func (l *Ledger) recycle(g *group) {
	l.free = append(l.free, g)
	l.freeBytes += cap(g.buf)
	l.trim()
}

// trim drops those buffers that nobody has needed for longest, where too many are kept: what waits and what is kept for
// later have one bound together. l.mu is held.
func (l *Ledger) trim() {
	most := min(maxFreeBytes, int(max(l.maxUnpublished-l.backlog, 0)))
	old := 0
	for ; l.freeBytes > most || len(l.free)-old > maxFree; old++ {
		l.freeBytes -= cap(l.free[old].buf)
	}
	l.free = slices.Delete(l.free, 0, old)
}

// flushGroups is the flusher: it makes group after group durable and answers. The first error ends the ledger, and with it
// every group behind.
func (l *Ledger) flushGroups() {
	defer close(l.finish)
	var answers []answer // taken from each group before the publisher can see it, and given back to the next one
	for g := range l.flush {
		if err := l.journal.write(g); err != nil {
			l.fail(fmt.Errorf("journal: %w", err))
			break
		}
		answers, g.answers = g.answers, answers[:0]
		l.mu.Lock()
		l.pending = append(l.pending, g)
		l.backlog += int64(cap(g.buf))
		l.trim()
		l.durable = g.end()
		much := l.backlog >= maxFreeBytes/2
		broadcast(&l.flushed)
		l.mu.Unlock()
		wake(l.dirty) // before whoever is answered can ask for a publish
		for _, a := range answers {
			a.r.result <- result{placed: a.placed}
		}
		clear(answers)
		if much { // so that buffers come back in time to be used again
			wake(l.urgent)
		}
	}
	if err := l.journal.close(); err != nil {
		l.fail(fmt.Errorf("close the journal: %w", err))
	}
}

// segmentStarted, segmentClosing and segmentEnded keep the list of this run's segments for the publisher, which removes
// them, and for Look.
func (l *Ledger) segmentStarted(number uint64, w *segment.Writer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = w
	l.segments = append(l.segments, segmentRef{number, openEnd})
	l.lastMade = number
}

func (l *Ledger) segmentClosing() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.writing = nil
}

func (l *Ledger) segmentEnded(end uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments[len(l.segments)-1].end = end
}
