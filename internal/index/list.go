package index

// lists are the entries that have each term of a chunk, while it grows: numbers one behind the other in blocks, which become
// larger with the list. Nothing of them is a pointer.
type lists struct {
	all  []list
	room []uint16 // of all blocks
}

// A list is the entries of one term, which ascend. Most terms have one.
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

// add appends an entry, which must not be less than the last; it may be the same.
func (ls *lists) add(term uint32, doc uint16) {
	l := &ls.all[term]
	switch {
	case l.n == 0:
		l.n, l.last = 1, doc
		return
	case l.last == doc:
		return
	case l.n == 1:
		l.head = ls.block(firstBlock)
		ls.room[l.head] = l.last
		l.next, l.left = l.head+1, firstBlock-1
	case l.left == 0:
		size := blockAfter(l.n)
		at := ls.block(size)
		ls.room[l.next], ls.room[l.next+1] = uint16(at), uint16(at>>16)
		l.next, l.left = at, uint16(size)
	}
	ls.room[l.next] = doc
	l.next++
	l.left--
	l.n++
	l.last = doc
}

// block makes room for a block.
func (ls *lists) block(size int) uint32 {
	at := len(ls.room)
	ls.room = append(ls.room, make([]uint16, size+linkSize)...)
	return uint32(at)
}

// appendTo appends the entries of a term.
func (ls *lists) appendTo(dst []uint16, term uint32) []uint16 {
	l := ls.all[term]
	if l.n <= 1 {
		return append(dst, l.last)
	}
	at, size := l.head, firstBlock
	for n := uint32(0); ; {
		here := min(size, int(l.n-n))
		dst = append(dst, ls.room[at:int(at)+here]...)
		if n += uint32(here); n == l.n {
			return dst
		}
		link := int(at) + size
		at, size = uint32(ls.room[link])|uint32(ls.room[link+1])<<16, blockAfter(n)
	}
}
