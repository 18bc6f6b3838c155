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

// part is what remains of a change after a crash: nothing, all, or for a write a range of its bytes, or its length only.
type part struct {
	from, to int  // of data
	length   bool // the file grew though the bytes did not arrive
}

// parts are the remains worth trying, nothing first and all second.
func (c *change) parts(before int64) []part {
	n := len(c.data)
	p := []part{{}, {0, n, true}}
	if c.kind != OpWrite {
		return p
	}
	if c.off+int64(n) > before {
		p = append(p, part{0, 0, true})
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
		p = append(p, part{0, b, false}, part{b, n, true})
	}
	if len(boundaries) > 1 {
		p = append(p, part{0, first, true}) // the first sector and the length
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
		to.writeAt(c.data[p.from:p.to], c.off+int64(p.from))
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

func (c *change) all() part { return part{0, len(c.data), true} }

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
