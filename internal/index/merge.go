package index

import (
	"bytes"
)

// merge writes the segments, which follow each other, as one. What their terms have in each chunk is copied as it is.
func merge(w *writer, all []*segment) error {
	var streams []*stream
	for _, s := range all {
		st := &stream{s: s}
		if err := st.next(); err != nil {
			return err
		}
		if st.at < len(st.terms) {
			streams = append(streams, st)
		}
	}
	h := heap(streams)
	for i := len(h)/2 - 1; i >= 0; i-- {
		h.down(i)
	}
	var term []byte
	var runs []run
	for len(h) > 0 {
		term = append(term[:0], h[0].term()...)
		n := 0
		var only uint64
		runs = runs[:0]
		for len(h) > 0 && bytes.Equal(h[0].term(), term) {
			st := h[0]
			p := st.terms[st.at].p
			n, only = n+p.n, p.only
			var err error
			if runs, err = st.s.appendRuns(runs, p, st.posting(p)); err != nil {
				return err
			}
			if st.at++; st.at == len(st.terms) {
				if err := st.next(); err != nil {
					return err
				}
			}
			if st.at == len(st.terms) {
				h[0] = h[len(h)-1]
				h = h[:len(h)-1]
			}
			h.down(0)
		}
		w.begin(term, n)
		if n == 1 {
			w.one(only)
			continue
		}
		w.many(runs...)
	}
	for _, s := range all {
		for _, t := range s.Times {
			b, err := s.read(t.Off, t.Len)
			if err != nil {
				return err
			}
			w.times(b, t.First, t.Last)
		}
	}
	return nil
}

// A stream gives the terms of a segment, a block at a time.
type stream struct {
	s     *segment
	block int
	off   int64  // of raw
	raw   []byte // what the block's terms say and have; not used again, for runs are parts of it
	text  []byte
	terms []streamed
	at    int
}

type streamed struct {
	from, to int // in text
	p        posting
}

func (s *stream) term() []byte { t := s.terms[s.at]; return s.text[t.from:t.to] }

// posting is the bytes of a posting of the block.
func (s *stream) posting(p posting) []byte {
	if p.n <= 1 {
		return nil
	}
	return s.raw[p.off-s.off:][:p.size:p.size]
}

// next reads the next block; without one, no term is left.
func (s *stream) next() error {
	s.text, s.terms, s.at = s.text[:0], s.terms[:0], 0
	if s.block == len(s.s.blocks) {
		return nil
	}
	bl, end := s.s.blocks[s.block], s.s.end(s.block)
	s.block++
	b, err := s.s.read(bl.off, int(end-bl.off))
	if err != nil {
		return err
	}
	if bl.size > len(b) {
		return damaged(s.s.name, "block %d reaches into the next", s.block-1)
	}
	s.off, s.raw = bl.off, b
	whole := true
	if _, err := s.s.termsIn(bl, b[:bl.size], func(term []byte, p posting) bool {
		from := len(s.text)
		s.text = append(s.text, term...)
		s.terms = append(s.terms, streamed{from, len(s.text), p})
		whole = p.n <= 1 || p.off >= bl.off && int64(p.size) <= end-p.off
		return whole
	}); err != nil {
		return err
	}
	if !whole {
		return damaged(s.s.name, "the entries of block %d reach into the next", s.block-1)
	}
	return nil
}

// heap keeps the stream with the least term first, of equal ones that with the first entries.
type heap []*stream

func (h heap) less(a, b int) bool {
	c := bytes.Compare(h[a].term(), h[b].term())
	return c < 0 || c == 0 && h[a].s.From < h[b].s.From
}

func (h heap) down(i int) {
	for {
		least := i
		for _, child := range [2]int{2*i + 1, 2*i + 2} {
			if child < len(h) && h.less(child, least) {
				least = child
			}
		}
		if least == i {
			return
		}
		h[i], h[least] = h[least], h[i]
		i = least
	}
}
