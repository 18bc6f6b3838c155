package story

import (
	"fmt"
	"slices"
)

// Bounds of a Tree where its options say nothing.
const (
	DefaultChildren = 20  // of one job
	DefaultRows     = 500 // in all
)

// TreeOptions say which part of a story's jobs a Tree shows.
type TreeOptions struct {
	Job      string // id of the job at its head; "": all that nothing in the story started, and the orphans
	After    string // id of a job: what stands behind it among those that the same job started; not with Job
	Children int    // of one job at most; 0: DefaultChildren
	Rows     int    // jobs in all at most; 0: DefaultRows
}

// Tree is the lineage of a story's jobs, a row a job, of a size that does not depend on the story: what is not in it is
// counted where it is missing.
type Tree struct {
	Story       *Story
	Jobs        int           // of the story
	States      map[State]int // of the story's jobs, by their last run
	Branches    []Branch      // parents before their children
	Left        int           // jobs beside the last head that are not shown
	Orphans     []Branch      // jobs whose parent is not in the story, and what is below them
	OrphansLeft int           // orphans that are not shown
	Ascents     []Ascent      // what the heads go back to, once Ascend has found it
}

// Branch is a job in a Tree.
type Branch struct {
	Job   *Job
	Depth int  // below the head
	Last  bool // it is the last of its parent's children
	Left  int  // children that are not shown
	After *Job // the last child that is, behind which those are; nil where none is shown
	Below int  // jobs below it, shown or not
}

// NoJobError says that a story has no job of an id.
type NoJobError struct{ ID, InteractionID string }

func (e *NoJobError) Error() string {
	return fmt.Sprintf("there is no job %q in interaction %q", plain(e.ID, true), plain(e.InteractionID, true))
}

// Tree shows part of the lineage. The rows that there are room for go to the levels from the top, so that a wide branch
// hides no other. Its error is a *NoJobError.
func (s *Story) Tree(o TreeOptions) (*Tree, error) {
	t := &Tree{Story: s, States: make(map[State]int)}
	parents, below := make(map[*Job]*Job), make(map[*Job]int)
	all := s.all()
	byID := make(map[string]*Job, len(all))
	for _, j := range all {
		t.States[j.State()]++
		byID[j.ID] = j
		for _, c := range j.Children {
			parents[c] = j
		}
	}
	t.Jobs = len(all)
	for _, j := range slices.Backward(all) { // children before their parents
		if p := parents[j]; p != nil {
			below[p] += below[j] + 1
		}
	}
	p := picker{children: o.Children, rows: o.Rows, below: below, shown: make(map[*Job]int)}
	if p.children <= 0 {
		p.children = DefaultChildren
	}
	if p.rows <= 0 {
		p.rows = DefaultRows
	}
	heads, orphans := s.Jobs, s.Orphans
	if id := o.Job + o.After; id != "" {
		j := byID[id]
		if j == nil {
			return nil, &NoJobError{id, s.InteractionID}
		}
		switch {
		case o.After == "":
			heads, orphans = []*Job{j}, nil
		case parents[j] != nil:
			heads, orphans = behind(parents[j].Children, j), nil
		case slices.Contains(orphans, j):
			heads, orphans = nil, behind(orphans, j)
		default:
			heads, orphans = behind(heads, j), nil
		}
	}
	kept := min(len(orphans), max(p.rows/4, 1)) // rows for orphans, however many heads there are
	p.rows -= kept
	top := p.pick(heads)
	p.rows += kept
	strays := p.pick(orphans)
	t.Left, t.OrphansLeft = len(heads)-len(top), len(orphans)-len(strays)
	p.deepen(append(slices.Clone(top), strays...))
	t.Branches, t.Orphans = p.list(top), p.list(strays)
	return t, nil
}

// State is where the job stands: its last run.
func (j *Job) State() State { return j.last().State() }

func (j *Job) last() *Run { return j.Runs[len(j.Runs)-1] }

func behind(jobs []*Job, j *Job) []*Job { return jobs[slices.Index(jobs, j)+1:] }

// picker chooses the jobs that a tree shows.
type picker struct {
	children, rows int
	below          map[*Job]int
	shown          map[*Job]int // how many of a job's children
}

// pick takes as many jobs from the front of a list as there is room for.
func (p *picker) pick(jobs []*Job) []*Job {
	n := min(len(jobs), p.children, p.rows)
	p.rows -= n
	return jobs[:n]
}

// deepen takes children of what was picked, a level at a time.
func (p *picker) deepen(level []*Job) {
	for len(level) > 0 && p.rows > 0 {
		var next []*Job
		for _, j := range level {
			picked := p.pick(j.Children)
			p.shown[j] = len(picked)
			next = append(next, picked...)
		}
		level = next
	}
}

// list makes rows of what was picked, each job's children behind it.
func (p *picker) list(heads []*Job) (rows []Branch) {
	type open struct {
		jobs  []*Job
		depth int
		left  int // more of them, which are not shown
	}
	for stack := []open{{heads, 0, 0}}; len(stack) > 0; {
		at := &stack[len(stack)-1]
		if len(at.jobs) == 0 {
			stack = stack[:len(stack)-1]
			continue
		}
		j, n := at.jobs[0], p.shown[at.jobs[0]]
		at.jobs = at.jobs[1:]
		left := len(j.Children) + j.ChildrenLeft - n
		b := Branch{Job: j, Depth: at.depth, Last: len(at.jobs)+at.left == 0, Left: left, Below: p.below[j] + j.ChildrenLeft}
		if n > 0 {
			b.After = j.Children[n-1]
		}
		rows = append(rows, b)
		stack = append(stack, open{j.Children[:n], at.depth + 1, left})
	}
	return rows
}
