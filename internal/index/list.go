package index

// A list is the entries of one term while a chunk grows: they ascend, and lie in blocks of the lexicon's room, which become
// larger with the list. Most terms have one entry.
type list struct {
	n    uint32 // entries
	head uint32 // first block, where there are two entries or more
	next uint32 // where the next entry goes
	left uint16 // how many fit in before the block ends
	last uint16 // the last entry
}

const (
	firstBlock = 4
	lastBlock  = 1024
	linkSize   = 2 // behind each block: where the next one lies
)

// blockAfter is how many entries the block behind n entries holds.
func blockAfter(n uint32) int { return min(max(int(n), firstBlock), lastBlock) }

// add appends an entry to the list of a term. It must not be less than the last; it may be the same.
func (l *lexicon) add(n uint32, doc uint16) {
	t := &l.terms[n]
	switch {
	case t.n == 0:
		t.n, t.last = 1, doc
		return
	case t.last == doc:
		return
	case t.n == 1:
		t.head = l.block(firstBlock)
		l.room[t.head] = t.last
		t.next, t.left = t.head+1, firstBlock-1
	case t.left == 0:
		size := blockAfter(t.n)
		at := l.block(size)
		l.room[t.next], l.room[t.next+1] = uint16(at), uint16(at>>16)
		t.next, t.left = at, uint16(size)
	}
	l.room[t.next] = doc
	t.next++
	t.left--
	t.n++
	t.last = doc
}

// block makes room for a block.
func (l *lexicon) block(size int) uint32 {
	at := len(l.room)
	l.room = append(l.room, make([]uint16, size+linkSize)...)
	return uint32(at)
}

// appendDocs appends the entries of a term.
func (l *lexicon) appendDocs(dst []uint16, n uint32) []uint16 {
	t := &l.terms[n]
	if t.n == 1 {
		return append(dst, t.last)
	}
	at, size := t.head, firstBlock
	for n := uint32(0); n < t.n; {
		here := min(size, int(t.n-n))
		dst = append(dst, l.room[at:int(at)+here]...)
		if n += uint32(here); n < t.n {
			link := int(at) + size
			at, size = uint32(l.room[link])|uint32(l.room[link+1])<<16, blockAfter(n)
		}
	}
	return dst
}
