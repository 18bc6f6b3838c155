package index

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"hash/maphash"
	"slices"
)

// A lexicon is the terms of a chunk, each numbered when it first comes, from 0, with the entries that have it. Hundreds of
// thousands are there, most of them once: so they lie one behind the other, and nothing of them is a pointer.
type lexicon struct {
	seed  maphash.Seed
	slots []slot // a power of two of them, where to look for a term: from its hash on, up to a free one
	terms []term
	text  []byte        // of all terms
	room  []uint16      // of all lists
	kinds [256][]uint32 // the terms that begin with a byte
}

// A slot is free or has a term, and the lower half of its hash.
type slot struct{ hash, term uint32 } // the term's number + 1; 0: free

type term struct {
	at   int // in text
	size uint32
	list
}

// newLexicon makes one that has room for as many terms as the one before it had, which may be nil.
func newLexicon(before *lexicon) *lexicon {
	l := &lexicon{seed: maphash.MakeSeed(), slots: make([]slot, 1<<12)}
	if before == nil {
		return l
	}
	l.slots = make([]slot, len(before.slots))
	l.terms = make([]term, 0, cap(before.terms))
	l.text = make([]byte, 0, cap(before.text))
	l.room = make([]uint16, 0, cap(before.room))
	return l
}

func (l *lexicon) bytes(n uint32) []byte { t := &l.terms[n]; return l.text[t.at : t.at+int(t.size)] }

// is says whether term n has these bytes.
func (l *lexicon) is(n uint32, text []byte) bool {
	t := &l.terms[n]
	return int(t.size) == len(text) && bytes.Equal(l.text[t.at:t.at+len(text)], text)
}

func (l *lexicon) hash(text []byte) uint32 { return uint32(maphash.Bytes(l.seed, text)) }

// near touches the slot where the search for a hash begins.
func (l *lexicon) near(hash uint32) uint32 { return l.slots[int(hash)&(len(l.slots)-1)].hash }

// at is the slot that has the term, or the free one for it.
func (l *lexicon) at(hash uint32, text []byte) int {
	for i := int(hash) & (len(l.slots) - 1); ; i = (i + 1) & (len(l.slots) - 1) {
		if s := l.slots[i]; s.term == 0 || s.hash == hash && l.is(s.term-1, text) {
			return i
		}
	}
}

// find looks a term up.
func (l *lexicon) find(text []byte) (n uint32, there bool) {
	n = l.slots[l.at(l.hash(text), text)].term
	return n - 1, n > 0
}

// number looks a term up by its hash, and makes it where it is new.
func (l *lexicon) number(hash uint32, text []byte) uint32 {
	i := l.at(hash, text)
	if n := l.slots[i].term; n > 0 {
		return n - 1
	}
	n := uint32(len(l.terms))
	l.terms = append(l.terms, term{at: len(l.text), size: uint32(len(text))})
	l.text = append(l.text, text...)
	l.kinds[text[0]] = append(l.kinds[text[0]], n)
	l.slots[i] = slot{hash, n + 1}
	if 2*len(l.terms) > len(l.slots) {
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
func (l *lexicon) sorted(prefix []byte) []sortKey {
	var keys []sortKey
	for _, n := range l.kinds[prefix[0]] {
		if bytes.HasPrefix(l.bytes(n), prefix) {
			keys = append(keys, sortKey{term: n})
		}
	}
	l.sort(keys, len(prefix))
	return keys
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
		rest := l.bytes(k.term)[from:]
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
