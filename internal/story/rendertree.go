package story

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"
)

// RenderTree writes the text of a tree: what its heads go back to, then a row a job. Its error is the writer's first.
func RenderTree(w io.Writer, t *Tree, o RenderOptions) error {
	p := newPaper(w, o)
	p.measure(t.Story.Events)
	id := words{escaped: escapedStory(*t.Story)}
	p.line("", 0, "Interaction "+id.name(t.Story.InteractionID)+", "+plural(t.Jobs, "job")+", "+plural(len(t.Story.Events), "event")+p.date(), bold)
	p.line("", 0, t.states(), unstyled)
	for _, a := range t.Ascents {
		p.write("\n")
		p.ascent(t, a)
	}
	if len(t.Ascents) == 0 && len(t.Branches) > 0 {
		if b := t.Branches[0].Job.beginnings(); len(b) > 0 {
			p.line("", 0, principalLine(b[0], true), unstyled)
		}
	}
	if len(t.Branches)+len(t.Orphans) > 0 {
		p.write("\n")
	}
	g := newGrid(p, t)
	g.rows(t.Branches, t.Left)
	if len(t.Orphans) > 0 {
		if len(t.Branches) > 0 {
			p.write("\n")
		}
		p.line("", 0, "Orphans: their parent is not in this interaction, or stands below them", yellow)
		g.rows(t.Orphans, t.OrphansLeft)
	}
	p.localOnly(o)
	return p.err
}

// states counts the jobs by where they stand.
func (t *Tree) states() string {
	var parts []string
	for _, s := range []State{StateSucceeded, StateFailed, StateAborted, StateDenied, StateDuplicate, StateLost, StateSilent, StateUnstarted,
		StateRunning, StateWaiting, StateUnclear} {
		if n := t.States[s]; n > 0 {
			parts = append(parts, number(n)+" "+stateName(s))
		}
	}
	return strings.Join(parts, ", ")
}

// stateName is a state in the words of a column.
func stateName(s State) string {
	switch s {
	case StateSilent:
		return "without outcome"
	case StateUnstarted:
		return "never started"
	}
	return string(s)
}

// ascentEnds is how many steps are written at either end of a long ascent.
const ascentEnds = 5

// ascent writes what a head goes back to, the first cause first, and on whose behalf all that is.
func (p *paper) ascent(t *Tree, a Ascent) {
	p.line("", 0, jobTitle(a.Of)+" goes back to, the first cause first:", bold)
	if a.More {
		p.line("  ", 2, "… it goes on, and was followed no further", yellow)
	}
	for i, s := range slices.Backward(a.Steps) {
		if n := len(a.Steps) - 2*ascentEnds; n > 1 && i >= ascentEnds && i < ascentEnds+n {
			if i == ascentEnds {
				p.line("  ", 2, "… "+number(n)+" steps between …", faint)
			}
			continue
		}
		p.step(t, s)
	}
	if top, ok := a.top(); ok {
		p.line("", 0, principalLine(top, a.ends()), unstyled)
	}
}

// top is the event that is furthest up, of those that were found.
func (a Ascent) top() (*Entry, bool) {
	for _, s := range slices.Backward(a.Steps) {
		if s.Entry != nil && !s.Circle {
			return s.Entry, true
		}
	}
	b := a.Of.beginnings()
	if len(b) == 0 {
		return nil, false
	}
	return b[0], true
}

// ends reports whether the ascent arrives at something that names no other cause.
func (a Ascent) ends() bool {
	if len(a.Steps) == 0 {
		return true
	}
	last := a.Steps[len(a.Steps)-1]
	return last.Story != nil && !last.Circle && !a.More
}

func principalLine(e *Entry, original bool) string {
	s := "Original principal"
	if !original {
		s = "Principal as far up as is known"
	}
	return s + ", as " + reference(e) + " claims: " + answerWho([]*Entry{e}).Text
}

func (p *paper) step(t *Tree, s Step) {
	head := fmt.Sprintf("  %-*s  ", p.refWidth, "")
	if s.Entry != nil {
		head = fmt.Sprintf("  %-*s  ", p.refWidth, ref(s.Entry))
	}
	var text string
	switch {
	case s.Story == nil:
		text = s.missing()
	case s.Job != nil:
		text = p.title(s.Job) + ", job " + (words{escapedJob(s.Job)}).name(s.Job.ID)
	default:
		text = strings.TrimRight(Sentence(s.Entry.Item), ".")
	}
	if s.Entry != nil {
		w := wordsOf(s.Entry.Event)
		text += ", in " + w.name(s.Entry.Event.AppID)
	}
	if s.Story != nil && s.Story.InteractionID != t.Story.InteractionID {
		text += ", interaction " + (words{escapedStory(*s.Story)}).name(s.Story.InteractionID)
	}
	st := unstyled
	if s.Circle {
		text, st = text+": here the line comes back to itself", yellow
	}
	if s.Story == nil {
		st = yellow
	}
	p.line(head, utf8.RuneCountInString(head), text, st)
}

// missing says what a step names that was not found.
func (s Step) missing() string {
	w := words{escaped: true}
	if s.By != nil {
		w = wordsOf(s.By.Event)
	}
	var text string
	switch s.How {
	case ByParent:
		text = "job " + w.name(s.JobID)
	case ByCausation:
		text = "event " + s.Event.String()
	default:
		text = "event"
		if s.Type != "" {
			text = w.name(s.Type)
		}
		text += " " + w.name(s.Ref) + " of " + w.name(s.System)
		if s.Event.IsZero() {
			return text + ", another system"
		}
	}
	if s.Unsought {
		return text + ", which is not in this interaction; other ones were not looked at"
	}
	return text + ", which is not in this log"
}

func (p *paper) localOnly(o RenderOptions) {
	if o.LocalOnly {
		p.write("\n")
		p.line("", 0, "Local only: whoever owns this store's key could have rewritten all of this, unless a checkpoint of it is known elsewhere.", faint)
	}
}

// grid is the table of a tree.
type grid struct {
	p    *paper
	apps bool // there are several applications
	envs bool // there are several environments
	wide [4]int
}

// The columns of a grid, behind the reference.
const (
	colJob = iota
	colState
	colTries
	colTook
)

var colNames = [...]string{"job", "state", "tries", "took"}

func newGrid(p *paper, t *Tree) *grid {
	g := &grid{p: p}
	for i, name := range colNames {
		g.wide[i] = len(name)
	}
	p.refWidth = 1
	apps, envs := make(map[string]bool), make(map[string]bool)
	for _, b := range slices.Concat(t.Branches, t.Orphans) {
		if e := b.Job.head(); e != nil {
			p.refWidth = max(p.refWidth, utf8.RuneCountInString(ref(e)))
		}
		apps[b.Job.last().AppID], envs[b.Job.last().Environment] = true, true
		for i, c := range g.cells(b) {
			n := utf8.RuneCountInString(c)
			if i == colJob {
				n += indentOf(b.Depth)
			}
			g.wide[i] = max(g.wide[i], n)
		}
	}
	g.apps, g.envs = len(apps) > 1, len(envs) > 1
	if p.width > 0 { // what is left is for who
		g.wide[colJob] = min(g.wide[colJob], max(p.width*2/5, 20))
		g.wide[colState] = min(g.wide[colState], max(p.width/4, 12))
	}
	return g
}

// head is the event that a row refers to.
func (j *Job) head() *Entry {
	if b := j.beginnings(); len(b) > 0 {
		return b[0]
	}
	if own := j.Own(); len(own) > 0 {
		return own[0]
	}
	return nil
}

// where is the application of a job's last run, and its environment, where these differ in the tree.
func (g *grid) where(j *Job) (s string) {
	w := words{escapedJob(j)}
	if g.apps {
		s = ", " + w.name(j.last().AppID)
	}
	if g.envs {
		s += " in " + w.name(j.last().Environment)
	}
	return s
}

func indentOf(depth int) int { return 2 * min(depth, maxIndent+1) }

func (g *grid) cells(b Branch) [4]string {
	r := b.Job.last()
	took := ""
	if o := r.Outcome.Event; o != nil {
		took = strings.TrimPrefix(after(o.Event), " after ")
	}
	return [...]string{colJob: jobTitle(b.Job), colState: g.p.shortState(r), colTries: fmt.Sprint(len(b.Job.Runs)), colTook: took}
}

// shortState is where a run stands, for a column.
func (p *paper) shortState(r *Run) string {
	st := r.State()
	s := stateName(st)
	switch st {
	case StateFailed, StateAborted:
		e := r.Outcome.Event.Event
		if e.StatusCode != "" {
			s += "," + strings.TrimPrefix(strings.TrimPrefix(code(e.StatusCode, wordsOf(e)), " with"), " by signal")
		}
	case StateWaiting, StateUnstarted:
		s += p.since(r.Execution, ", %s")
	case StateRunning, StateSilent:
		s += p.since(r.Outcome, ", %s")
	}
	if r.Outcome.Event != nil {
		s += strings.TrimSuffix(amended(r.Outcome.Event), " since")
	}
	return s
}

// rows writes branches of one list, and how many of its heads are left out.
func (g *grid) rows(branches []Branch, left int) {
	if len(branches) == 0 {
		return
	}
	who := "who"
	if g.apps {
		who += ", application"
	}
	g.line("", "", colNames, who, unstyled)
	var open []Branch        // the line of parents at hand
	var bars [maxIndent]bool // levels on which more follows
	for _, b := range branches {
		open = g.close(open, b.Depth, bars)
		if b.Depth < maxIndent {
			bars[b.Depth] = b.Depth > 0 && !b.Last
		}
		g.branch(b, bars)
		open = append(open, b)
	}
	g.close(open, 0, bars)
	if left > 0 {
		last := branches[slices.IndexFunc(branches, func(b Branch) bool { return b.Depth == 0 }):]
		for _, b := range slices.Backward(last) {
			if b.Depth == 0 {
				g.more("", left, b.Job)
				return
			}
		}
	}
}

// close ends the branches from a level on: what is left out of them is said behind what is shown of them.
func (g *grid) close(open []Branch, depth int, bars [maxIndent]bool) []Branch {
	for len(open) > 0 && open[len(open)-1].Depth >= depth {
		b := open[len(open)-1]
		open = open[:len(open)-1]
		if b.Left > 0 && b.After != nil {
			g.more(twigs(b.Depth+1, true, bars), b.Left, b.After)
		}
	}
	return open
}

func (g *grid) more(twigs string, n int, after *Job) {
	p := g.p
	head := strings.Repeat(" ", p.refWidth+2) + twigs
	p.line(head, utf8.RuneCountInString(head), "… "+number(n)+" more: stet story --tree --children-after "+(words{escapedJob(after)}).name(after.ID), faint)
}

// twigs draws a row's place in the tree. Levels deeper than there is room for are numbered.
func twigs(depth int, last bool, bars [maxIndent]bool) string {
	if depth > maxIndent {
		return strings.Repeat("  ", maxIndent-1) + fmt.Sprintf("%d· ", depth)
	}
	if depth == 0 {
		return ""
	}
	var b strings.Builder
	for level := 1; level < depth; level++ {
		if bars[level] {
			b.WriteString("│ ")
		} else {
			b.WriteString("  ")
		}
	}
	if last {
		return b.String() + "└ "
	}
	return b.String() + "├ "
}

// branch writes one job.
func (g *grid) branch(b Branch, bars [maxIndent]bool) {
	place, by := "-", "?"
	if e := b.Job.head(); e != nil {
		place, by = ref(e), who(e.Event)
	}
	by += g.where(b.Job)
	cells := g.cells(b)
	if b.Left > 0 && b.After == nil {
		cells[colJob] += fmt.Sprintf(" (+%s)", number(b.Below))
	}
	g.line(place, twigs(b.Depth, b.Last, bars), cells, by, stateStyle(b.Job.State()))
}

// line writes one row: the state in its style, all else plain.
func (g *grid) line(place, twigs string, cells [4]string, who string, st style) {
	p := g.p
	n := utf8.RuneCountInString(twigs)
	var b strings.Builder
	fmt.Fprintf(&b, "%-*s  %s", p.refWidth, place, twigs)
	for i, c := range cells {
		room := g.wide[i]
		if i == colJob {
			room -= n
		}
		c = cut(c, room)
		pad := strings.Repeat(" ", max(room-utf8.RuneCountInString(c), 0))
		switch i {
		case colTries, colTook:
			b.WriteString(pad + c)
		case colState:
			b.WriteString(p.paint(c, st) + pad)
		default:
			b.WriteString(c + pad)
		}
		b.WriteString("  ")
	}
	used := p.refWidth + 2
	for _, n := range g.wide {
		used += n + 2
	}
	if p.width > 0 {
		who = cut(who, max(p.width-used, 8))
	}
	p.write(strings.TrimRight(b.String()+who, " ") + "\n")
}

// cut makes a text fit into a column.
func cut(s string, width int) string {
	if utf8.RuneCountInString(s) <= width {
		return s
	}
	runes := []rune(s)
	return string(runes[:max(width-1, 0)]) + "…"
}
