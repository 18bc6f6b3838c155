package ledger

import (
	"context"
	"slices"
	"sort"
	"sync"
)

// A trail is the way back along a stream's seals, as far as somebody went: a run of them without a gap, the newest first.
// What is in it never changes.
type trail []step

// step is one seal.
type step struct {
	first uint64  // stream_seq that its batch starts with
	seq   uint64  // ledger seq of its entry
	prev  *uint64 // of the seal before; nil: it is the first
}

// reaches is the index of the newest seal that starts with number first or before; the length where none does.
func (t trail) reaches(first uint64) int {
	return sort.Search(len(t), func(i int) bool { return t[i].first <= first })
}

// walk returns a stream's trail from the seal at seq, or a newer one, back to number first, or to the stream's beginning.
// It reads only seals that nobody walked to before, and keeps its way also where ctx ends it. Otherwise an emitter that sends
// many batches again, because an answer was lost, would have the way read anew for each of them: the longer its stream,
// the longer each request, until none is done in time.
func (l *Ledger) walk(ctx context.Context, stream string, seq, first uint64) (t trail, err error) {
	known := l.trails.get(stream)
	had := len(known)
	for {
		if len(known) > 0 && seq <= known[0].seq {
			if t == nil {
				t = known // clipped: to add to it copies it
			} else {
				t = append(t, known...)
			}
			known = nil
		} else {
			at, err := l.sealAt(seq, stream)
			if err != nil {
				return nil, err
			}
			if at.prevSeq != nil && *at.prevSeq >= seq {
				return nil, damagedAt(seq, logDir, "its previous seal stands behind it")
			}
			t = append(t, step{at.seal.First, seq, at.prevSeq})
		}
		last := t[len(t)-1]
		done := last.prev == nil || len(known) == 0 && last.first <= first
		err := ctx.Err()
		if len(known) == 0 && len(t) > had && (done || err != nil) {
			l.trails.put(stream, t)
		}
		if done || err != nil {
			return t, err
		}
		seq = *last.prev
	}
}

// Bounds of what is kept.
const (
	maxSteps  = 1 << 19 // of all trails; one takes some 32 bytes
	maxTrails = 1024
)

// trails keeps the trails that were walked last. The zero value is ready; it is safe for concurrent use.
type trails struct {
	mu    sync.Mutex
	by    map[string]trail
	order []string // most recently used last
	steps int
}

func (c *trails) get(stream string) trail {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.by[stream]
	if t != nil {
		c.touch(stream)
	}
	return slices.Clip(t)
}

func (c *trails) touch(stream string) {
	if i := slices.Index(c.order, stream); i >= 0 {
		c.order = slices.Delete(c.order, i, i+1)
	}
	c.order = append(c.order, stream)
}

func (c *trails) put(stream string, t trail) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = map[string]trail{}
	}
	t = t[:min(len(t), maxSteps)]
	c.steps += len(t) - len(c.by[stream])
	c.by[stream] = t
	c.touch(stream)
	for c.steps > maxSteps || len(c.order) > maxTrails {
		c.steps -= len(c.by[c.order[0]])
		delete(c.by, c.order[0])
		c.order = c.order[1:]
	}
}
