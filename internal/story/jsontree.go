package story

// TreeJSON is the version of the structure that JSONTree makes. Within it members are only added.
const TreeJSON = "stet.tree/1"

// TreeDocument is a Tree for programs.
type TreeDocument struct {
	Schema        string        `json:"schema"` // TreeJSON
	InteractionID string        `json:"interaction_id"`
	EventCount    int           `json:"event_count"`
	JobCount      int           `json:"job_count"`
	States        map[State]int `json:"states"`
	Ascents       []JSONAscent  `json:"ascents"`
	Branches      []JSONBranch  `json:"branches"`
	Left          int           `json:"left"`
	Orphans       []JSONBranch  `json:"orphans"`
	OrphansLeft   int           `json:"orphans_left"`
}

// JSONBranch is a Branch: its parent stands before it, one level higher.
type JSONBranch struct {
	ID            string  `json:"id"`
	Name          string  `json:"name"`
	ParentID      string  `json:"parent_id,omitempty"`
	RootID        string  `json:"root_id,omitempty"`
	Depth         int     `json:"depth"`
	State         State   `json:"state"` // of its last run
	Attempts      int     `json:"attempts"`
	DurationUS    *int64  `json:"duration_us"`             // of its last run, where that said so
	MissingSince  string  `json:"missing_since,omitempty"` // since when the next word of a run that is open is missing
	Who           string  `json:"who"`
	AppID         string  `json:"app_id,omitempty"`
	Environment   string  `json:"environment,omitempty"`
	Seq           *uint64 `json:"seq"` // of the event it began with; null: in a spool
	EventID       string  `json:"event_id,omitempty"`
	ChildrenLeft  int     `json:"children_left"`
	ChildrenAfter string  `json:"children_after,omitempty"` // id of the last child shown, where there are more
	Below         int     `json:"below"`
}

// JSONAscent is an Ascent, the nearest step first.
type JSONAscent struct {
	Of        string     `json:"of"`
	Steps     []JSONStep `json:"steps"`
	More      bool       `json:"more"`
	Original  bool       `json:"original"`  // the last step was found and names no other cause
	Principal string     `json:"principal"` // of the first cause that was found, in words
}

// JSONStep is a Step.
type JSONStep struct {
	How           string     `json:"how"`
	Found         bool       `json:"found"`
	Unsought      bool       `json:"unsought,omitempty"`
	Circle        bool       `json:"circle,omitempty"`
	JobID         string     `json:"job_id,omitempty"` // what is named, or what was found
	EventID       string     `json:"event_id,omitempty"`
	System        string     `json:"system,omitempty"`
	Reference     string     `json:"reference,omitempty"`
	InteractionID string     `json:"interaction_id,omitempty"`
	Entry         *JSONEntry `json:"entry,omitempty"` // without the event's bytes
}

// JSONTree makes the structure for --tree --json. Lists are empty rather than null.
func JSONTree(t *Tree) TreeDocument {
	return TreeDocument{
		Schema:        TreeJSON,
		InteractionID: words{escapedStory(*t.Story)}.text(t.Story.InteractionID),
		EventCount:    len(t.Story.Events),
		JobCount:      t.Jobs,
		States:        t.States,
		Ascents:       each(t.Ascents, jsonAscent),
		Branches:      each(t.Branches, jsonBranch),
		Left:          t.Left,
		Orphans:       each(t.Orphans, jsonBranch),
		OrphansLeft:   t.OrphansLeft,
	}
}

func jsonBranch(b Branch) JSONBranch {
	j, r, w := b.Job, b.Job.last(), words{escapedJob(b.Job)}
	x := JSONBranch{
		ID: w.text(j.ID), Name: w.text(j.Name), ParentID: w.text(j.ParentID), RootID: w.text(j.RootID),
		Depth: b.Depth, State: r.State(), Attempts: len(j.Runs), AppID: w.text(r.AppID), Environment: w.text(r.Environment),
		ChildrenLeft: b.Left, Below: b.Below,
	}
	if o := r.Outcome.Event; o != nil && o.Event.Timing != nil {
		x.DurationUS = o.Event.Timing.DurationUS
	}
	switch x.State {
	case StateWaiting, StateUnstarted:
		x.MissingSince = timeText(r.Execution.Since)
	case StateRunning, StateSilent:
		x.MissingSince = timeText(r.Outcome.Since)
	}
	if e := j.head(); e != nil {
		x.Who, x.EventID = who(e.Event), idText(e.Event.EventID)
		if e.HasSeq {
			x.Seq = &e.Seq
		}
	}
	if b.Left > 0 && b.After != nil {
		x.ChildrenAfter = words{escapedJob(b.After)}.text(b.After.ID)
	}
	return x
}

func jsonAscent(a Ascent) JSONAscent {
	x := JSONAscent{Of: words{escapedJob(a.Of)}.text(a.Of.ID), Steps: each(a.Steps, jsonStep), More: a.More, Original: a.ends()}
	if e, ok := a.top(); ok {
		x.Principal = answerWho([]*Entry{e}).Text
	}
	return x
}

func jsonStep(s Step) JSONStep {
	w := words{escaped: true}
	if s.By != nil {
		w = wordsOf(s.By.Event)
	}
	x := JSONStep{How: s.How, Found: s.Story != nil, Unsought: s.Unsought, Circle: s.Circle, JobID: w.text(s.JobID), EventID: idText(s.Event),
		System: w.text(s.System), Reference: w.text(s.Ref)}
	if s.Job != nil {
		x.JobID = words{escapedJob(s.Job)}.text(s.Job.ID)
	}
	if s.Story != nil {
		x.InteractionID = words{escapedStory(*s.Story)}.text(s.Story.InteractionID)
	}
	if s.Entry != nil {
		entry := jsonEntry(&Entry{Item: s.Entry.Item, Standing: s.Entry.Standing})
		entry.Event = nil
		x.Entry, x.EventID = &entry, idText(s.Entry.Event.EventID)
	}
	return x
}
