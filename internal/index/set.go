package index

import "math/bits"

// The log is looked at in chunks of so many entries, from 0. Everything that a query does is done a chunk at a time, with
// sets of entries as bitmaps: so AND, OR, NOT and counting are exact and take a microsecond a chunk, however many match.
const (
	chunkBits = 16
	chunkSize = 1 << chunkBits
	setWords  = chunkSize / 64
)

// A set is some entries of one chunk, each by its lower chunkBits.
type set [setWords]uint64

func (s *set) add(at uint16)      { s[at>>6] |= 1 << (at & 63) }
func (s *set) has(at uint16) bool { return s[at>>6]>>(at&63)&1 == 1 }

func (s *set) and(o *set) {
	for i := range s {
		s[i] &= o[i]
	}
}

func (s *set) or(o *set) {
	for i := range s {
		s[i] |= o[i]
	}
}

func (s *set) andNot(o *set) {
	for i := range s {
		s[i] &^= o[i]
	}
}

// fill adds the entries from ≤ at < to.
func (s *set) fill(from, to int) {
	for i := from; i < to; {
		if i&63 == 0 && to-i >= 64 {
			s[i>>6] = ^uint64(0)
			i += 64
			continue
		}
		s.add(uint16(i))
		i++
	}
}

func (s *set) count() (n int) {
	for _, w := range s {
		n += bits.OnesCount64(w)
	}
	return n
}

func (s *set) empty() bool {
	for _, w := range s {
		if w != 0 {
			return false
		}
	}
	return true
}
