package index

import (
	"encoding/binary"
	"fmt"
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
	for _, d := range r.docs {
		s.add(d)
	}
	if r.docs != nil {
		return nil
	}
	b := r.b
	if r.n >= denseFrom {
		if len(b) != denseBytes {
			return fmt.Errorf("%w: a bitmap of %d bytes", errRun, len(b))
		}
		for i := range s {
			s[i] |= binary.LittleEndian.Uint64(b[8*i:])
		}
		return nil
	}
	next := uint64(0)
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
		s.add(uint16(next + d))
		next += d + 1
	}
	if len(b) != 0 {
		return fmt.Errorf("%w: %d bytes follow", errRun, len(b))
	}
	return nil
}
