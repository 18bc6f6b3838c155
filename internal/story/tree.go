package story

import (
	"cmp"
	"slices"
)

// plant makes a tree of jobs. A job whose parent is not among them is an orphan. So is one whose line of parents comes
// back to itself, which only a lie can bring about: the circle is cut at the job that appeared first.
func plant(jobs []*Job) (roots, orphans []*Job) {
	byID := make(map[string]*Job, len(jobs))
	for _, j := range jobs {
		byID[j.ID] = j
	}
	for _, j := range jobs {
		parent := byID[j.ParentID]
		switch {
		case j.ParentID == "":
			roots = append(roots, j)
		case parent == nil || parent == j:
			orphans = append(orphans, j)
		default:
			parent.Children = append(parent.Children, j)
		}
	}
	reached := make(map[*Job]bool, len(jobs))
	reach := func(from []*Job) {
		for next := slices.Clone(from); len(next) > 0; {
			j := next[len(next)-1]
			next = next[:len(next)-1]
			if !reached[j] {
				reached[j] = true
				next = append(next, j.Children...)
			}
		}
	}
	reach(roots)
	reach(orphans)
	for _, j := range jobs { // what is left hangs in circles, or from one
		if reached[j] {
			continue
		}
		cut := earliestInCircle(j, byID)
		parent := byID[cut.ParentID]
		parent.Children = slices.DeleteFunc(parent.Children, func(c *Job) bool { return c == cut })
		orphans = append(orphans, cut)
		reach([]*Job{cut})
	}
	slices.SortFunc(orphans, func(a, b *Job) int { return cmp.Compare(a.first, b.first) })
	return roots, orphans
}

// earliestInCircle follows parents from j, whose line is known to end in a circle, and returns the job of the circle
// that appeared first.
func earliestInCircle(j *Job, byID map[string]*Job) *Job {
	seen := make(map[*Job]bool)
	for !seen[j] {
		seen[j] = true
		j = byID[j.ParentID]
	}
	first := j
	for next := byID[j.ParentID]; next != j; next = byID[next.ParentID] {
		if next.first < first.first {
			first = next
		}
	}
	return first
}
