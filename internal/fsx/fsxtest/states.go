package fsxtest

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"iter"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// Hash identifies what the disk holds as readers see it: names, lengths and bytes.
type Hash [sha256.Size]byte

// Hash returns the hash of the disk as readers see it now. On a disk that States yielded, all of it is durable.
func (m *Mem) Hash() Hash {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	return m.d.root.hash()
}

func (n *inode) hash() Hash {
	if !n.dir() {
		return n.live.hash()
	}
	h := sha256.New()
	for _, name := range slices.Sorted(maps.Keys(n.names)) {
		child := n.names[name]
		sum := child.hash()
		var b [9]byte
		binary.BigEndian.PutUint64(b[:], uint64(len(name)))
		if child.dir() {
			b[8] = 1
		}
		h.Write(b[:])
		h.Write([]byte(name))
		h.Write(sum[:])
	}
	return Hash(h.Sum(nil))
}

// Tree lists the disk as readers see it, a line a name, for messages.
func (m *Mem) Tree() string {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	var b strings.Builder
	var walk func(prefix string, n *inode)
	walk = func(prefix string, n *inode) {
		for _, name := range slices.Sorted(maps.Keys(n.names)) {
			if c := n.names[name]; c.dir() {
				fmt.Fprintf(&b, "%s%s/\n", prefix, name)
				walk(prefix+name+"/", c)
			} else {
				fmt.Fprintf(&b, "%s%s (%d bytes)\n", prefix, name, c.live.size)
			}
		}
	}
	walk("", m.d.root)
	return b.String()
}

// pending is one change that a crash may drop.
type pending struct {
	op     int
	naming *naming
	change *change
	node   *inode // of change
	parts  []part // what may remain of it; for a naming nothing or all
}

func (p pending) String() string {
	if p.naming != nil {
		return p.naming.String()
	}
	return p.change.String()
}

// part is what remains by a choice. Choices above those listed stand for a choice of sectors each.
func (p pending) part(choice int) part {
	if choice < len(p.parts) {
		return p.parts[choice]
	}
	all := p.change.all()
	all.sectors = uint64(choice)
	return all
}

func (p pending) choices() int {
	if p.naming != nil {
		return 2
	}
	return len(p.parts)
}

// pending lists the unsynced changes in the order in which they were made.
func (d *disk) pending() []pending {
	var ps []pending
	for _, c := range d.namings {
		if c.state != synced {
			ps = append(ps, pending{op: c.op, naming: c})
		}
	}
	for _, n := range d.touched {
		size := n.disk.size
		for _, c := range n.writes {
			if c.state != synced {
				ps = append(ps, pending{op: c.op, change: c, node: n, parts: c.parts(size)})
			}
		}
	}
	slices.SortStableFunc(ps, func(a, b pending) int { return cmp.Compare(a.op, b.op) })
	return ps
}

// States yields the disks that may be found after a crash, each as a new machine on which everything is durable,
// nothing is locked and operations count from 1. All combinations of the unsynced changes are tried where there are at
// most limit; otherwise first the telling ones (nothing, everything, every prefix with its last change torn in every
// way, every single loss, every single survivor) and then a sample that seed determines. At most limit are yielded, no
// two with the same content. Call it after a crash, or on a machine at rest to crash it in thought.
func (m *Mem) States(limit int, seed uint64) iter.Seq[*Mem] {
	return func(yield func(*Mem) bool) {
		m.d.mu.Lock()
		ps := m.d.pending()
		m.d.mu.Unlock()
		seen := map[Hash]bool{}
		for choice := range choices(ps, limit, seed) {
			s := m.survivor(ps, choice)
			h := s.Hash()
			if seen[h] {
				continue
			}
			seen[h] = true
			if !yield(s) || len(seen) >= limit {
				return
			}
		}
	}
}

// choices yields for each pending change what remains of it: 0 nothing, 1 all, above that the torn variants. The slice
// is reused.
func choices(ps []pending, limit int, seed uint64) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		total := 1
		for _, p := range ps {
			if total *= p.choices(); total > limit {
				break
			}
		}
		c := make([]int, len(ps))
		tries := 2 * limit // duplicates are dropped by the caller, so try more often
		if total <= limit {
			for range total {
				if !yield(c) {
					return
				}
				for i := range c { // count up
					if c[i]++; c[i] < ps[i].choices() {
						break
					}
					c[i] = 0
				}
			}
			if !slices.ContainsFunc(ps, func(p pending) bool { return p.change != nil && p.change.spans() }) {
				return // that was all
			}
		} else {
			for c := range telling(ps) {
				if !yield(c) {
					return
				}
			}
		}
		r := rand.New(rand.NewPCG(seed, uint64(len(ps))))
		for range tries {
			for i, p := range ps {
				if p.change != nil && p.change.spans() && r.IntN(2) == 0 {
					c[i] = 1<<16 + r.IntN(1<<30)
				} else {
					c[i] = r.IntN(p.choices())
				}
			}
			if !yield(c) {
				return
			}
		}
	}
}

// telling yields the choices that find most mistakes.
func telling(ps []pending) iter.Seq[[]int] {
	return func(yield func([]int) bool) {
		c := make([]int, len(ps))
		for i := range len(ps) + 1 { // every prefix
			clear(c)
			for j := range i {
				c[j] = 1
			}
			if !yield(c) {
				return
			}
			if i == len(ps) {
				break
			}
			for v := 2; v < ps[i].choices(); v++ {
				if c[i] = v; !yield(c) {
					return
				}
			}
		}
		for i := range ps { // every single loss, whole or in part
			for j := range c {
				c[j] = 1
			}
			for v := range ps[i].choices() {
				if c[i] = v; v != 1 && !yield(c) {
					return
				}
			}
		}
		for i := range ps { // every single survivor
			clear(c)
			if c[i] = 1; !yield(c) {
				return
			}
		}
	}
}

// survivor builds the machine that finds the disk with these remains.
func (m *Mem) survivor(ps []pending, choice []int) *Mem {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	named := make(map[*naming]bool)
	parts := make(map[*change]part)
	for i, p := range ps {
		if p.naming != nil {
			named[p.naming] = choice[i] == 1
		} else {
			parts[p.change] = p.part(choice[i])
		}
	}
	tables := map[*inode]map[string]*inode{}
	table := func(n *inode) map[string]*inode {
		t, ok := tables[n]
		if !ok {
			t = maps.Clone(n.namesDisk)
			tables[n] = t
		}
		return t
	}
	for _, c := range m.d.namings {
		if c.state == synced || named[c] {
			c.apply(table)
		}
	}
	s := New()
	s.d.limit = m.d.limit
	var build func(from, to *inode)
	build = func(from, to *inode) {
		t := tables[from]
		if t == nil {
			t = from.namesDisk
		}
		for _, name := range slices.Sorted(maps.Keys(t)) {
			old := t[name]
			n := s.d.inode(old.mode)
			n.linked = true
			to.names[name], to.namesDisk[name] = n, n
			if old.dir() {
				build(old, n)
				continue
			}
			if len(old.writes) == 0 {
				old.disk.hash() // once, for all states that share these bytes
			}
			n.disk = old.disk.share()
			for _, c := range old.writes {
				if c.state == synced {
					c.apply(&n.disk, c.all())
				} else {
					c.apply(&n.disk, parts[c])
				}
			}
			n.live = n.disk.share()
			n.alloc = n.live.size
			s.d.used += n.alloc
		}
	}
	build(m.d.root, s.d.root)
	choice = slices.Clone(choice)
	s.origin = func() string { return account(ps, choice) }
	return s
}

// account says in words what a choice kept.
func account(ps []pending, choice []int) string {
	if len(ps) == 0 {
		return "everything was synced"
	}
	var b strings.Builder
	for i, p := range ps {
		if i > 0 {
			b.WriteString("; ")
		}
		b.WriteString(p.String())
		switch choice[i] {
		case 0:
			b.WriteString(" lost")
		case 1:
			b.WriteString(" kept")
		default:
			t := p.part(choice[i])
			fmt.Fprintf(&b, " torn: bytes %d to %d kept", t.from, t.to)
			if t.sectors != 0 {
				fmt.Fprintf(&b, " in part, choice of sectors %d", t.sectors)
			} else if t.length {
				b.WriteString(", and the length")
			}
		}
	}
	return b.String()
}
