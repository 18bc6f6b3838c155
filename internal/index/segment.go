package index

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sort"
	"strings"
	"sync/atomic"

	"github.com/stetlog/stet/internal/fsx"
)

func damaged(name, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrDamaged, name, fmt.Sprintf(format, args...))
}

// A segment is an open segment file. Nothing of it changes; it is safe for concurrent use. Its first terms of blocks are in
// memory: with the terms that events have that is about a byte an event.
type segment struct {
	meta
	name   string
	f      fsx.File
	blocks []block
	ends   int64 // of the blocks
	bytes  int64 // of the file
	users  atomic.Int64
}

// A block is where some terms begin.
type block struct {
	first string
	off   int64
	size  int // of what describes its terms
}

// openSegment reads a whole file once: its sum must be right.
func openSegment(fsys fsx.FS, name string) (_ *segment, err error) {
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	s := &segment{name: name, f: f}
	s.users.Store(1)
	if err := s.load(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return s, nil
}

// maxHead bounds what of a segment is kept in memory, in bytes.
const maxHead = 1 << 30

func (s *segment) load() error {
	size, err := s.f.Size()
	if err != nil {
		return err
	}
	s.bytes = size
	end := size - int64(tailBytes)
	if end < int64(len(magic)) {
		return damaged(s.name, "%d bytes", size)
	}
	tail := make([]byte, tailBytes)
	if err := readFull(s.f, tail, end); err != nil {
		return err
	}
	heads, length := int64(binary.LittleEndian.Uint32(tail)), int64(binary.LittleEndian.Uint32(tail[4:]))
	if string(tail[12:]) != magic || heads+length > end || heads+length > maxHead {
		return damaged(s.name, "it has no end")
	}
	sum := crc32.New(castagnoli)
	buf := make([]byte, 1<<20)
	for off := int64(0); off < size-4-int64(len(magic)); off += int64(len(buf)) {
		buf = buf[:min(int64(len(buf)), size-4-int64(len(magic))-off)]
		if err := readFull(s.f, buf, off); err != nil {
			return err
		}
		_, _ = sum.Write(buf) // a hash does not fail
	}
	if sum.Sum32() != binary.LittleEndian.Uint32(tail[8:]) {
		return damaged(s.name, "its sum is wrong")
	}
	b := make([]byte, heads+length)
	if err := readFull(s.f, b, end-heads-length); err != nil {
		return err
	}
	if err := json.Unmarshal(b[heads:], &s.meta); err != nil {
		return damaged(s.name, "%v", err)
	}
	if s.Version != version || s.From%chunkSize != 0 || s.To <= s.From || len(s.Times) != int((s.To-1)/chunkSize-s.From/chunkSize)+1 {
		return damaged(s.name, "version %d, %d to %d, times of %d chunks", s.Version, s.From, s.To, len(s.Times))
	}
	s.ends = end - heads - length
	for c := (cursor{b: b[:heads]}); len(c.b) > 0; {
		first := c.bytes()
		bl := block{string(first), int64(c.number()), int(c.number())}
		if c.bad || bl.off < 0 || bl.size < 0 || bl.off+int64(bl.size) > s.ends {
			return damaged(s.name, "block %d lies nowhere", len(s.blocks))
		}
		s.blocks = append(s.blocks, bl)
	}
	return nil
}

func (s *segment) span() (from, to uint64) { return s.From, s.To }

func (s *segment) acquire() { s.users.Add(1) }

// release closes the file when nobody uses it any more.
func (s *segment) release() {
	if s.users.Add(-1) == 0 {
		_ = s.f.Close() // read only: nothing to lose
	}
}

// A cursor takes numbers and bytes off b. What cannot be right sets bad.
type cursor struct {
	b   []byte
	bad bool
}

func (c *cursor) number() uint64 {
	n, size := binary.Uvarint(c.b)
	if size <= 0 || n > 1<<62 {
		c.b, c.bad = nil, true
		return 0
	}
	c.b = c.b[size:]
	return n
}

func (c *cursor) take(n uint64) []byte {
	if n > uint64(len(c.b)) {
		c.b, c.bad = nil, true
		return nil
	}
	out := c.b[:n:n]
	c.b = c.b[n:]
	return out
}

func (c *cursor) bytes() []byte { return c.take(c.number()) }

// A posting says which entries have a term.
type posting struct {
	n    int    // how many
	only uint64 // the entry, where n is 1
	off  int64  // of the runs
	size int
}

// read reads part of the file, which ends before the heads.
func (s *segment) read(off int64, size int) ([]byte, error) {
	if off < 0 || size < 0 || off > s.ends || int64(size) > s.ends-off {
		return nil, damaged(s.name, "%d bytes at %d are not in it", size, off)
	}
	b := make([]byte, size)
	err := readFull(s.f, b, off)
	if errors.Is(err, io.ErrUnexpectedEOF) { // it was longer when it was opened
		err = damaged(s.name, "it was cut")
	}
	return b, err
}

// terms calls fn for every term of a block, in order, until it returns false.
func (s *segment) terms(bl block, fn func(term []byte, p posting) bool) (more bool, err error) {
	b, err := s.read(bl.off, bl.size)
	if err != nil {
		return false, err
	}
	return s.termsIn(bl, b, fn)
}

// termsIn is terms of a block that was read.
func (s *segment) termsIn(bl block, b []byte, fn func(term []byte, p posting) bool) (more bool, err error) {
	c := cursor{b: b}
	n, length := c.number(), c.number()
	if c.bad || n > blockTerms || length != uint64(len(c.b)) {
		return false, damaged(s.name, "a block of %d terms", n)
	}
	off := bl.off + int64(bl.size)
	var term []byte
	for range n {
		shared := c.number()
		if shared > uint64(len(term)) {
			return false, damaged(s.name, "a term shares more than there is")
		}
		term = append(term[:shared], c.bytes()...)
		p := posting{n: int(c.number())}
		if p.n == 1 {
			p.only = s.From + c.number()
		} else {
			p.off, p.size = off, int(c.number())
			off += int64(p.size)
		}
		if c.bad || p.only >= s.To {
			return false, damaged(s.name, "a block ends early")
		}
		if !fn(term, p) {
			return false, nil
		}
	}
	return true, nil
}

func (s *segment) find(term string) ([]run, error) {
	i := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].first > term })
	if i == 0 {
		return nil, nil
	}
	var p posting
	if _, err := s.terms(s.blocks[i-1], func(t []byte, at posting) bool {
		if string(t) == term {
			p = at
		}
		return string(t) < term
	}); err != nil {
		return nil, err
	}
	return s.runs(p)
}

func (s *segment) scan(prefix string, fn func(term []byte, runs func() ([]run, error)) error) error {
	i := sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].first > prefix })
	for i = max(i-1, 0); i < len(s.blocks); i++ {
		if first := s.blocks[i].first; first > prefix && !strings.HasPrefix(first, prefix) {
			return nil
		}
		var stop error
		var behind []byte // what the block's terms have, once it is asked for: most often of all of them
		more, err := s.terms(s.blocks[i], func(t []byte, p posting) bool {
			if !bytes.HasPrefix(t, []byte(prefix)) {
				return string(t) < prefix
			}
			stop = fn(t, func() (_ []run, err error) {
				if p.n <= 1 {
					return s.appendRuns(nil, p, nil)
				}
				begin := s.blocks[i].off + int64(s.blocks[i].size)
				if behind == nil {
					if behind, err = s.read(begin, int(s.end(i)-begin)); err != nil {
						return nil, err
					}
				}
				at := p.off - begin
				if int64(p.size) > int64(len(behind))-at {
					return nil, damaged(s.name, "the entries of block %d reach into the next", i)
				}
				return s.appendRuns(nil, p, behind[at:at+int64(p.size):at+int64(p.size)])
			})
			return stop == nil
		})
		if err != nil || stop != nil {
			return errors.Join(err, stop)
		}
		if !more {
			return nil
		}
	}
	return nil
}

// end is where a block ends, with what its terms have.
func (s *segment) end(block int) int64 {
	if block+1 < len(s.blocks) {
		return s.blocks[block+1].off
	}
	return s.Times[0].Off // the times lie behind the blocks
}

// runs reads the runs of a posting, by chunk.
func (s *segment) runs(p posting) ([]run, error) {
	if p.n <= 1 {
		return s.appendRuns(nil, p, nil)
	}
	b, err := s.read(p.off, p.size)
	if err != nil {
		return nil, err
	}
	return s.appendRuns(nil, p, b)
}

// appendRuns appends the runs of a posting, of which b was read; they are parts of b.
func (s *segment) appendRuns(dst []run, p posting, b []byte) ([]run, error) {
	switch p.n {
	case 0:
		return dst, nil
	case 1:
		return append(dst, run{chunk: p.only / chunkSize, n: 1, docs: []uint16{uint16(p.only % chunkSize)}}), nil
	}
	c := cursor{b: b}
	n := c.number()
	if n > uint64(len(s.Times)) {
		return nil, damaged(s.name, "a term in %d chunks", n)
	}
	was := len(dst)
	for range n {
		at, docs, size := c.number(), c.number(), c.number()
		if c.bad || at >= uint64(len(s.Times)) || docs > chunkSize || size > uint64(p.size) {
			return nil, damaged(s.name, "the runs of a term cannot be")
		}
		dst = append(dst, run{chunk: s.From/chunkSize + at, n: int(docs), b: b[:size]}) // its length only; below it gets its place
	}
	for i := was; i < len(dst); i++ {
		dst[i].b = c.take(uint64(len(dst[i].b)))
	}
	if c.bad || len(c.b) > 0 || !slices.IsSortedFunc(dst[was:], func(a, b run) int { return int(a.chunk) - int(b.chunk) }) {
		return nil, damaged(s.name, "the runs of a term have another length")
	}
	return dst, nil
}

// readFull fills b.
func readFull(f fsx.File, b []byte, off int64) error {
	if n, err := f.ReadAt(b, off); n < len(b) {
		if err == nil || errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return err
	}
	return nil
}
