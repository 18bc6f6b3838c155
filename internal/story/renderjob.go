package story

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// job writes one job. top says whether it stands at the head of a tree, where the five Ws are answered.
func (p *paper) job(j *Job, depth int, top, full bool) {
	indent := 2 * min(depth, maxIndent)
	pad := strings.Repeat(" ", indent)
	last := j.Runs[len(j.Runs)-1]
	p.line(pad, indent, p.title(j), stateStyle(last.State()))
	if top {
		p.answers(indent+2, j, last)
		p.write("\n")
	}
	for i, r := range j.Runs {
		if len(j.Runs) > 1 || r.Attempt > 1 {
			if i > 0 {
				p.write("\n")
			}
			p.line(pad+"  ", indent+2, attempt(r, i)+": "+p.stateWords(r), bold)
		}
		p.sealedBy(indent+2, r)
		p.run(indent+2, r)
	}
	for _, e := range j.Notes {
		if e.Standing == Foreign {
			p.claim(indent+2, e, "events of this type count from the store's key alone")
			continue
		}
		p.event(indent+2, "Note", e, yellow)
	}
	p.children(j, depth, full)
}

func (p *paper) children(j *Job, depth int, full bool) {
	indent := 2*min(depth, maxIndent) + 2
	pad := strings.Repeat(" ", indent)
	if len(j.Children)+j.ChildrenLeft == 0 {
		return
	}
	head := plural(len(j.Children)+j.ChildrenLeft, "job") + " started by " + jobTitle(j)
	p.write("\n")
	p.line(pad, indent, head, faint)
	for i, c := range j.Children {
		if i == p.limit && i > 0 {
			p.line(pad+"  ", indent+2, p.notShown(len(j.Children)-i+j.ChildrenLeft), faint)
			return
		}
		if full && depth < maxDepth {
			p.write("\n")
			p.job(c, depth+1, false, true)
			continue
		}
		p.line(pad+"  ", indent+2, p.title(c)+within(c), stateStyle(c.Runs[len(c.Runs)-1].State()))
	}
	if j.ChildrenLeft > 0 {
		p.line(pad+"  ", indent+2, "and "+plural(j.ChildrenLeft, "more job")+" not shown here", faint)
	}
}

// within says how much lies below a job that is shown in one line.
func within(j *Job) string {
	events, jobs := 0, -1
	for next := []*Job{j}; len(next) > 0; next = next[1:] {
		jobs++
		events += len(next[0].Own())
		jobs += next[0].ChildrenLeft
		next = append(next, next[0].Children...)
	}
	s := ", " + plural(events, "event")
	if jobs > 0 {
		s += ", " + plural(jobs, "job") + " below it"
	}
	return s
}

func jobTitle(j *Job) string {
	w := words{escaped: escapedJob(j)}
	if j.Name == "" {
		return "job " + w.name(j.ID)
	}
	return w.name(j.Name)
}

func escapedJob(j *Job) bool {
	for _, e := range j.Own() {
		return e.Event.Escaped
	}
	return true
}

// title is "backup: failed after 2.1 s with exit code 3".
func (p *paper) title(j *Job) string {
	s := jobTitle(j) + ": " + p.stateWords(j.Runs[len(j.Runs)-1])
	if len(j.Runs) > 1 {
		s += ", " + plural(len(j.Runs), "attempt")
	}
	return s
}

func attempt(r *Run, i int) string {
	n := r.Attempt
	if n == 0 {
		n = int64(i + 1)
	}
	return fmt.Sprintf("Attempt %d", n)
}

// stateWords says where a run stands.
func (p *paper) stateWords(r *Run) string {
	switch st := r.State(); st {
	case StateWaiting:
		return "not started yet" + p.since(r.Execution, ", %s after it was asked for")
	case StateUnstarted:
		return "never started" + p.since(r.Execution, ", asked for %s ago")
	case StateRunning:
		return "started, no outcome yet" + p.since(r.Outcome, " after %s")
	case StateSilent:
		return "started, and never reported an outcome" + p.since(r.Outcome, ", %s after it started")
	case StateLost:
		return "lost, its process is gone"
	case StateDenied:
		return "not allowed to run"
	case StateDuplicate:
		return "dropped as a duplicate"
	case StateSucceeded, StateFailed, StateAborted:
		e := r.Outcome.Event.Event
		s := string(st) + after(e)
		if e.StatusCode != "" && !(st == StateSucceeded && e.StatusCode == "0") {
			s += code(e.StatusCode, wordsOf(e))
		}
		if r.Lost != nil && (!r.Lost.HasSeq || !r.Outcome.Event.HasSeq || r.Lost.Seq < r.Outcome.Event.Seq) {
			s += ", after it had been recorded as lost"
		} else if r.Lost != nil {
			s += "; it was recorded as lost nevertheless"
		}
		return s + amended(r.Outcome.Event)
	}
	return "nothing that counts was reported"
}

// since says how long a phase has been missing, where that can be said.
func (p *paper) since(ph Phase, format string) string {
	if p.now.IsZero() || ph.Since.IsZero() {
		return ""
	}
	return fmt.Sprintf(format, duration(max(p.now.Sub(ph.Since), 0)))
}

// amended says that an event was corrected or reversed since, by somebody whose word counts.
func amended(e *Entry) string {
	var s string
	for _, c := range e.Corrections {
		switch {
		case c.Standing == Foreign:
		case c.Event.Corrects.Kind == "reversal":
			return ", reversed since"
		default:
			s = ", corrected since"
		}
	}
	return s
}

func stateStyle(s State) style {
	switch s {
	case StateSucceeded:
		return green
	case StateFailed, StateAborted, StateLost, StateSilent, StateDenied:
		return red
	}
	return yellow
}

// answers writes the head of a job: the five Ws, the code, and who is known to have sealed all that.
func (p *paper) answers(indent int, j *Job, r *Run) {
	write := func(label, text string) {
		head := fmt.Sprintf("%s%-7s", strings.Repeat(" ", indent), label)
		p.line(head, utf8.RuneCountInString(head), text, unstyled)
	}
	for _, a := range j.Answers(r, p.instant) {
		write(strings.ToUpper(a.Question[:1])+a.Question[1:], a.Text)
	}
	if j.ParentID != "" {
		text := "job " + (words{escapedJob(j)}).name(j.ParentID)
		switch parent := p.jobs[j.ParentID]; {
		case parent == nil:
			text += ", of which this story has no event"
		case below(j, j.ParentID):
			text += ", which stands below it: the line of parents goes round in a circle"
		default:
			text = p.title(parent) + ", " + text
		}
		write("Parent", text)
	}
	if len(j.OtherParents) > 0 {
		write("", "it also names "+list(j.OtherParents, words{escapedJob(j)})+": the parent that it named first counts")
	}
	speaker := r.LastSeen()
	if speaker == nil {
		return
	}
	p.topKey = speaker.KeyID
	text := seal(speaker.Item)
	if asked := j.asked(r); asked != nil && asked.KeyID != speaker.KeyID {
		text += "; the request " + seal(asked.Item)
	}
	write("Sealed", text+"; all above is what its sender claims")
}

// below reports whether a job with an id is j itself or hangs below it.
func below(j *Job, id string) bool {
	for next := []*Job{j}; len(next) > 0; next = next[1:] {
		if next[0].ID == id {
			return true
		}
		next = append(next, next[0].Children...)
	}
	return false
}

// sealedBy says who sealed a run, where that is not who sealed the one at the head.
func (p *paper) sealedBy(indent int, r *Run) {
	if e := r.LastSeen(); e != nil && e.KeyID != p.topKey {
		p.line(strings.Repeat(" ", indent), indent, "Sealed "+seal(e.Item), faint)
	}
}

// seal says what is known of a sender without believing it.
func seal(it Item) string {
	var s string
	switch {
	case it.StoreKey:
		s = "by the store's own key"
	case it.KeyID == "":
		s = "by nobody"
	default:
		s = "by key " + plain(shortKey(it.KeyID), false)
	}
	if !it.HasSeq {
		return s + ", still in its spool"
	}
	v := it.Via
	switch {
	case v.Kind == "":
		return s
	case v.UID != nil && v.Kind == "spool":
		s += fmt.Sprintf(", from the spool of uid %d", *v.UID)
	case v.UID != nil:
		s += fmt.Sprintf(", through %s from uid %d", plain(v.Kind, false), *v.UID)
	default:
		s += ", through " + plain(v.Kind, false)
	}
	if v.Addr != "" {
		s += " at " + plain(v.Addr, false)
	}
	if v.Token != "" {
		s += " with token " + quote(plain(v.Token, false))
	}
	return s
}

// run writes the four phases of a run in order.
func (p *paper) run(indent int, r *Run) {
	p.phase(indent, "Submission", &r.Submission)
	p.phase(indent, "Authorization", &r.Authorization)
	p.phase(indent, "Execution", &r.Execution)
	p.heartbeats(indent, r.Heartbeats)
	for _, e := range r.Snapshots {
		p.event(indent, "  snapshot", e, unstyled)
	}
	p.phase(indent, "Outcome", &r.Outcome)
	if r.Lost != nil {
		p.event(indent, "  lost", r.Lost, red)
	}
	for _, e := range r.Corrections {
		p.event(indent, "  corrected", e, yellow)
	}
	for _, e := range r.Claims {
		why := "it comes neither from the stream that started this run nor from its application under the same key"
		if reserved(e.Event.EventType) {
			why = "events of this type count from the store's key alone"
		}
		p.claim(indent, e, why)
	}
}

// missed is what a phase that is missing lacks, by its label.
func missed(label string) string {
	if label == "Execution" {
		return "start"
	}
	return strings.ToLower(label)
}

func (p *paper) phase(indent int, label string, ph *Phase) {
	if ph.Event == nil {
		text := capital(ph.Missing.String()) + p.since(*ph, ": no "+missed(label)+" after %s") + "."
		p.row(indent, label, "missing", "", text, yellow)
	} else {
		p.event(indent, label, ph.Event, outcomeStyle(ph.Event))
	}
	for _, e := range ph.More {
		st := unstyled
		if e.Standing == Again || reserved(e.Event.EventType) {
			st = yellow
		}
		p.event(indent, "", e, st)
	}
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

func outcomeStyle(e *Entry) style {
	switch e.Event.EventType {
	case "job_succeeded":
		return green
	case "job_failed", "job_aborted", "job_denied":
		return red
	case "job_authorization_unchecked":
		return yellow
	}
	return unstyled
}

// heartbeats folds signs of life into one line, with the last of them in full. One that was corrected, or recorded twice,
// stands alone.
func (p *paper) heartbeats(indent int, beats []*Entry) {
	var folded []*Entry
	flush := func() {
		switch n := len(folded); {
		case n == 1:
			p.event(indent, "  heartbeat", folded[0], unstyled)
		case n > 1:
			last := folded[n-1]
			text := plural(n, "heartbeat") + ", the first at " + p.clock(folded[0].When()) + ", the last at " + p.clock(last.When()) +
				missingNumbers(folded) + "."
			p.row(indent, "  heartbeats", p.clock(last.When()), ref(last), text, unstyled)
			p.detail(indent, "The last: "+Sentence(last.Item), faint)
			for _, d := range details(last.Item) {
				p.detail(indent, d, faint)
			}
		}
		folded = nil
	}
	for _, e := range beats {
		if len(e.Corrections)+len(e.Copies) > 0 {
			flush()
			p.event(indent, "  heartbeat", e, unstyled)
			continue
		}
		folded = append(folded, e)
	}
	flush()
}

// missingNumbers counts the heartbeats that must have been lost on the way, by their own numbers.
func missingNumbers(beats []*Entry) string {
	var prev, missing uint64
	for _, e := range beats {
		if e.Event.Heartbeat == nil {
			continue
		}
		n := e.Event.Heartbeat.N
		if prev > 0 && n > prev+1 {
			missing += n - prev - 1
		}
		prev = n
	}
	if missing == 0 {
		return ""
	}
	return ", " + number(missing) + " missing between them"
}
