package fsxtest

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// machine identifies a disk with all that is unsynced on it: on two machines with the same hash, whose processes are
// dead, the same program does the same and leaves the same to a crash. Operation numbers do not count.
func (m *Mem) machine() Hash {
	m.d.mu.Lock()
	defer m.d.mu.Unlock()
	h := new(strings.Builder)
	paths := map[*inode]string{}
	tree(h, "live", m.d.root, func(n *inode) (map[string]*inode, *content) { return n.names, &n.live }, paths)
	tree(h, "disk", m.d.root, func(n *inode) (map[string]*inode, *content) { return n.namesDisk, &n.disk }, paths)
	for _, c := range m.d.namings {
		fmt.Fprintf(h, "%s %d %q %q %s %s %s", c.kind, c.state, c.old, c.new, paths[c.node], paths[c.from], paths[c.to])
		for _, n := range c.waits {
			fmt.Fprintf(h, " %s", paths[n])
		}
		fmt.Fprintln(h)
	}
	for _, n := range m.d.touched {
		fmt.Fprintf(h, "%s\n", paths[n])
		for _, c := range n.writes {
			fmt.Fprintf(h, "%s %d %d %d %x\n", c.kind, c.state, c.off, c.size, sha256.Sum256(c.data))
		}
	}
	return Hash(sha256.Sum256([]byte(h.String())))
}

// tree writes what a view of the disk holds, and notes by which name each inode is found first. What no view reaches any
// more has the name "".
func tree(h *strings.Builder, view string, root *inode, look func(*inode) (map[string]*inode, *content), paths map[*inode]string) {
	var walk func(path string, n *inode)
	walk = func(path string, n *inode) {
		if _, ok := paths[n]; !ok {
			paths[n] = view + path
		}
		names, bytes := look(n)
		if !n.dir() {
			fmt.Fprintf(h, "%s%s %s %v %x\n", view, path, paths[n], n.mode, bytes.hash())
			return
		}
		fmt.Fprintf(h, "%s%s/ %s %v\n", view, path, paths[n], n.mode)
		for _, name := range slices.Sorted(maps.Keys(names)) {
			walk(path+"/"+name, names[name])
		}
	}
	walk("", root)
}
