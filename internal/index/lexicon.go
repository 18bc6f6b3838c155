package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// A lexicon is the terms of a chunk, each numbered when it first comes, from 0. Hundreds of thousands are there, most of them
// once: so they lie one behind the other, and nothing of them is a pointer.
type lexicon struct {
	seed  maphash.Seed
	slots []slot        // a power of two of them, where to look for a term: from its hash on, up to a free one
	text  []byte        // of all terms
	ends  []int         // of each term in text
	kinds [256][]uint32 // the terms that begin with a byte
}

// A slot is free or has a term, and the lower half of its hash.
type slot struct{ hash, term uint32 } // the term's number + 1; 0: free

const firstSlots = 1 << 12

func newLexicon() lexicon {
	return lexicon{seed: maphash.MakeSeed(), slots: make([]slot, firstSlots)}
}

func (l *lexicon) term(n uint32) []byte {
	start := 0
	if n > 0 {
		start = l.ends[n-1]
	}
	return l.text[start:l.ends[n]]
}

// at is the slot that has the term, or the free one for it.
func (l *lexicon) at(hash uint32, term []byte) int {
	for i := int(hash) & (len(l.slots) - 1); ; i = (i + 1) & (len(l.slots) - 1) {
		if s := l.slots[i]; s.term == 0 || s.hash == hash && bytes.Equal(l.term(s.term-1), term) {
			return i
		}
	}
}

// find looks a term up.
func (l *lexicon) find(term []byte) (n uint32, there bool) {
	n = l.slots[l.at(uint32(maphash.Bytes(l.seed, term)), term)].term
	return n - 1, n > 0
}

// number looks a term up, and makes it where it is new.
func (l *lexicon) number(term []byte) uint32 {
	hash := uint32(maphash.Bytes(l.seed, term))
	i := l.at(hash, term)
	if n := l.slots[i].term; n > 0 {
		return n - 1
	}
	n := uint32(len(l.ends))
	l.text = append(l.text, term...)
	l.ends = append(l.ends, len(l.text))
	l.kinds[term[0]] = append(l.kinds[term[0]], n)
	l.slots[i] = slot{hash, n + 1}
	if 2*len(l.ends) > len(l.slots) {
		l.grow()
	}
	return n
}

func (l *lexicon) grow() {
	old := l.slots
	l.slots = make([]slot, 2*len(old))
	for _, s := range old {
		if s.term == 0 {
			continue
		}
		i := int(s.hash) & (len(l.slots) - 1)
		for l.slots[i].term > 0 {
			i = (i + 1) & (len(l.slots) - 1)
		}
		l.slots[i] = s
	}
}

// sorted returns the terms that begin so, which is at least a byte, in the order of their bytes.
func (l *lexicon) sorted(prefix []byte) []uint32 {
	var out []uint32
	for _, n := range l.kinds[prefix[0]] {
		if bytes.HasPrefix(l.term(n), prefix) {
			out = append(out, n)
		}
	}
	keys := make([]sortKey, len(out))
	for i, n := range out {
		keys[i].term = n
	}
	l.sort(keys, len(prefix))
	for i, k := range keys {
		out[i] = k.term
	}
	return out
}

// A sortKey is a term, and eight bytes of it in the order of their numbers: terms that begin alike are compared by them, and
// those that are equal there by the next eight.
type sortKey struct {
	word uint64
	size uint8 // bytes of it that the term has
	term uint32
}

// sort sorts terms, which have the same first bytes up to from.
func (l *lexicon) sort(keys []sortKey, from int) {
	for i := range keys {
		k := &keys[i]
		rest := l.term(k.term)[from:]
		if len(rest) >= 8 {
			k.word, k.size = binary.BigEndian.Uint64(rest), 8
			continue
		}
		var b [8]byte
		k.size = uint8(copy(b[:], rest))
		k.word = binary.BigEndian.Uint64(b[:])
	}
	slices.SortFunc(keys, func(a, b sortKey) int {
		if a.word != b.word {
			return cmp.Compare(a.word, b.word)
		}
		return int(a.size) - int(b.size) // those that end here come first, and differ in their length
	})
	for len(keys) > 0 {
		n := 1
		for n < len(keys) && keys[n].word == keys[0].word && keys[n].size == keys[0].size {
			n++
		}
		if n > 1 {
			l.sort(keys[:n], from+8)
		}
		keys = keys[n:]
	}
}
