package fsxtest

import (
	"fmt"
	"io/fs"
	"slices"
)

// state says what a crash does to a change.
type state uint8

const (
	dirty  state = iota // may be lost; the next sync makes it durable
	lost                // may be lost, and no later sync changes that: its own sync failed
	synced              // survives
)

// inode is a file or a directory, whatever names it has. live is what a reader sees, disk is what survives a crash for
// certain; between them stand the changes in writes (files) and in the disk's own list of name changes (directories).
type inode struct {
	id   int
	mode fs.FileMode // with fs.ModeDir for a directory

	names, namesDisk map[string]*inode // of a directory

	live, disk content // of a file
	writes     []*change
	alloc      int64 // bytes of space taken, from the start of the file
	linked     bool
}

func (n *inode) dir() bool { return n.mode.IsDir() }

// change is one write, truncation or reservation of a file.
type change struct {
	op    int // number of the operation
	state state
	kind  Kind
	off   int64 // of a write
	data  []byte
	size  int64 // after a truncation or reservation
}

// sector is the unit that a disk writes whole or not at all, in bytes.
const sector = 512

// part is what remains of a change after a crash: nothing, all, or for a write a range of its bytes, its length only, or
// an arbitrary choice of its sectors.
type part struct {
	from, to int    // of data
	length   bool   // the file grew though the bytes did not arrive
	sectors  uint64 // not 0: determines which sectors of the range stay
}

// parts are the remains worth trying, nothing first and all second.
func (c *change) parts(before int64) []part {
	n := len(c.data)
	p := []part{{}, c.all()}
	if c.kind != OpWrite {
		return p
	}
	if c.off+int64(n) > before {
		p = append(p, part{length: true})
	}
	first := sector - int(c.off%sector) // the first sector boundary inside the write
	if first >= n {
		return p
	}
	boundaries := []int{first}
	last := first + (n-1-first)/sector*sector
	middle := first + (last-first)/2/sector*sector
	for _, b := range []int{middle, last} {
		if !slices.Contains(boundaries, b) {
			boundaries = append(boundaries, b)
		}
	}
	for _, b := range boundaries {
		p = append(p, part{to: b}, part{from: b, to: n, length: true})
	}
	if len(boundaries) > 1 {
		p = append(p, part{to: first, length: true}) // the first sector and the length
	}
	return p
}

// apply puts what remains of the change into a file.
func (c *change) apply(to *content, p part) {
	if p == (part{}) {
		return
	}
	switch c.kind {
	case OpWrite:
		for i := p.from; i < p.to; {
			next := min(p.to, i+sector-int((c.off+int64(i))%sector))
			if p.sectors == 0 {
				next = p.to
			}
			if p.sectors == 0 || splitmix(p.sectors+uint64(i))&1 == 0 {
				to.writeAt(c.data[i:next], c.off+int64(i))
			}
			i = next
		}
		if end := c.off + int64(len(c.data)); p.length && end > to.size {
			to.truncate(end)
		}
	case OpTruncate:
		to.truncate(c.size)
	case OpPreallocate:
		if c.size > to.size {
			to.truncate(c.size)
		}
	}
}

func (c *change) all() part { return part{to: len(c.data), length: true} }

// spans says whether the write is in at least three sectors, so that parts does not cover what may remain of it.
func (c *change) spans() bool {
	return c.kind == OpWrite && len(c.data) > 0 && (c.off+int64(len(c.data))-1)/sector-c.off/sector >= 2
}

// splitmix is the SplitMix64 hash: it turns a choice of sectors into one bit a sector.
func splitmix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

func (c *change) String() string {
	if c.kind == OpWrite {
		return fmt.Sprintf("#%d %s [%d,%d)", c.op, c.kind, c.off, c.off+int64(len(c.data)))
	}
	return fmt.Sprintf("#%d %s %d", c.op, c.kind, c.size)
}

// settle marks the dirty changes and folds what is certain into the disk's content.
func (n *inode) settle(to state) {
	for _, c := range n.writes {
		if c.state == dirty {
			c.state = to
		}
	}
	for len(n.writes) > 0 && n.writes[0].state == synced {
		n.writes[0].apply(&n.disk, n.writes[0].all())
		n.writes = n.writes[1:]
	}
}

// naming is one change of names: a creation, a removal or a rename.
type naming struct {
	op       int
	state    state
	kind     Kind
	node     *inode
	from, to *inode // directories; nil where there is none
	old, new string
	waits    []*inode // the directories whose sync is missing
}

func (c *naming) String() string {
	switch c.kind {
	case OpRename:
		return fmt.Sprintf("#%d rename %s to %s", c.op, c.old, c.new)
	case OpRemove:
		return fmt.Sprintf("#%d remove %s", c.op, c.old)
	}
	return fmt.Sprintf("#%d %s %s", c.op, c.kind, c.new)
}

// apply changes the names in a tree; names gives the table of a directory. A change whose premise was itself lost has
// no effect: nothing can be renamed that is not there.
func (c *naming) apply(names func(*inode) map[string]*inode) {
	if c.from != nil {
		t := names(c.from)
		if t[c.old] != c.node {
			return
		}
		delete(t, c.old)
	}
	if c.to != nil {
		names(c.to)[c.new] = c.node
	}
}
