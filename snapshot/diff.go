package snapshot

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stetlog/stet/event"
)

// Changes are what differs between two states of a tree. Entries of every kind are compared; Files and the words of Impact
// speak of regular files first, because most people mean these.
type Changes struct {
	Added, Removed, Changed []string // paths from the root, sorted: new, gone, and different in kind, mode, content or target
	files                   [3]int64 // of these, regular files
}

// Diff compares two states of one tree. ok is false where it cannot tell, because one of them had more than Keep entries.
// A file that was renamed is one removed and one added.
func Diff(before, after *Files) (c Changes, ok bool) {
	if before.kept == nil || after.kept == nil {
		return c, false
	}
	for _, at := range slices.Sorted(maps.Keys(before.kept)) {
		sum, there := after.kept[at]
		switch {
		case !there:
			c.Removed = append(c.Removed, at)
			c.count(1, before.kind[at])
		case sum != before.kept[at]:
			c.Changed = append(c.Changed, at)
			c.count(2, before.kind[at]|after.kind[at])
		}
	}
	for _, at := range slices.Sorted(maps.Keys(after.kept)) {
		if _, there := before.kept[at]; !there {
			c.Added = append(c.Added, at)
			c.count(0, after.kind[at])
		}
	}
	return c, true
}

func (c *Changes) count(which int, kind byte) {
	if kind == 'f' {
		c.files[which]++
	}
}

// Impact says it for an outcome: "3 files changed, 1 removed", with counts files_added, files_removed, files_changed and,
// for directories, links and all else, others_changed.
func (c Changes) Impact() *event.Impact {
	added, removed, changed := c.files[0], c.files[1], c.files[2]
	other := int64(len(c.Added)+len(c.Removed)+len(c.Changed)) - added - removed - changed
	i := &event.Impact{Counts: map[string]int64{"files_added": added, "files_removed": removed, "files_changed": changed, "others_changed": other}}
	var words []string
	for _, w := range []struct {
		n    int64
		what string
	}{{added, "added"}, {changed, "changed"}, {removed, "removed"}} {
		switch {
		case w.n == 0:
		case len(words) == 0:
			words = append(words, many(w.n, "file", "files")+" "+w.what)
		default:
			words = append(words, strings.TrimSpace(many(w.n, "", ""))+" "+w.what)
		}
	}
	if other > 0 {
		words = append(words, fmt.Sprintf("%d directories, links or others differ", other))
	}
	if i.Summary = strings.Join(words, ", "); i.Summary == "" {
		i.Summary = "no file changed"
	}
	return i
}
