package index

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// A run is the entries of one chunk that have a term: as they are kept, in b, or in memory, in docs, where they ascend.
// From denseFrom on they are kept as a bitmap, below as differences: a bitmap is an eighth of a byte for each entry of the
// chunk, a difference is a byte or two for each entry of the run.
type run struct {
	chunk uint64
	n     int
	b     []byte
	docs  []uint16 // each by its lower chunkBits
}

const (
	denseFrom  = 4096
	denseBytes = chunkSize / 8
)

// errRun says that a run cannot be one.
var errRun = fmt.Errorf("%w: a run of entries cannot be one", ErrDamaged)

// bytes is the run as it is kept.
func (r run) bytes(buf []byte) []byte {
	if r.docs == nil {
		return append(buf, r.b...)
	}
	if len(r.docs) >= denseFrom {
		var s set
		for _, d := range r.docs {
			s.add(d)
		}
		for _, w := range s {
			buf = binary.LittleEndian.AppendUint64(buf, w)
		}
		return buf
	}
	next := 0
	for _, d := range r.docs {
		buf = binary.AppendUvarint(buf, uint64(int(d)-next))
		next = int(d) + 1
	}
	return buf
}

// addTo adds the entries to s. Whatever the bytes are, it returns.
func (r run) addTo(s *set) error {
	if r.docs == nil && r.n >= denseFrom {
		return r.words(func(i int, word uint64) { s[i] |= word })
	}
	return r.each(s.add)
}

// common is how many of the entries are in s.
func (r run) common(s *set) (n int, err error) {
	if r.docs == nil && r.n >= denseFrom {
		err = r.words(func(i int, word uint64) { n += bits.OnesCount64(s[i] & word) })
		return n, err
	}
	err = r.each(func(at uint16) { n += int(s[at>>6] >> (at & 63) & 1) })
	return n, err
}

// words calls fn for each word of a bitmap.
func (r run) words(fn func(i int, word uint64)) error {
	if len(r.b) != denseBytes {
		return fmt.Errorf("%w: a bitmap of %d bytes", errRun, len(r.b))
	}
	for i := range setWords {
		fn(i, binary.LittleEndian.Uint64(r.b[8*i:]))
	}
	return nil
}

// each calls fn for each entry of a run that is no bitmap, in order, as far as it can be one.
func (r run) each(fn func(at uint16)) error {
	for _, d := range r.docs {
		fn(d)
	}
	if r.docs != nil {
		return nil
	}
	b, next := r.b, uint64(0)
	for range r.n {
		var d uint64
		if len(b) > 0 && b[0] < 0x80 {
			d, b = uint64(b[0]), b[1:]
		} else {
			var size int
			if d, size = binary.Uvarint(b); size <= 0 {
				return fmt.Errorf("%w: it ends early", errRun)
			}
			b = b[size:]
		}
		if d >= chunkSize || next+d >= chunkSize {
			return fmt.Errorf("%w: it leaves its chunk", errRun)
		}
		fn(uint16(next + d))
		next += d + 1
	}
	if len(b) != 0 {
		return fmt.Errorf("%w: %d bytes follow", errRun, len(b))
	}
	return nil
}
