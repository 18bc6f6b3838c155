package story

// DiffJSON is the version of the structure that JSONDifferences makes. Within it members are only added.
const DiffJSON = "stet.diff/1"

// DiffDocument are the differences of a story for programs.
type DiffDocument struct {
	Schema        string           `json:"schema"` // DiffJSON
	InteractionID string           `json:"interaction_id"`
	Differences   []JSONDifference `json:"differences"`
	Left          int              `json:"left"`
}

// JSONDifference is a Difference.
type JSONDifference struct {
	Of          string       `json:"of"`
	JobID       string       `json:"job_id"`
	JobName     string       `json:"job_name"`
	Attempts    [2]int64     `json:"attempts"` // of states twice the same
	From        string       `json:"from,omitempty"`
	To          string       `json:"to,omitempty"` // ids of the events that say so
	NotRecorded string       `json:"not_recorded,omitempty"`
	Changes     []JSONChange `json:"changes"`
	Left        int          `json:"left"`
}

// JSONChange is a Change.
type JSONChange struct {
	How  How    `json:"how"`
	Path string `json:"path"`
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	Note string `json:"note,omitempty"`
}

// JSONDifferences makes the structure for --diff --json of what Differences returned.
func JSONDifferences(s Story, all []Difference, left int) DiffDocument {
	return DiffDocument{
		Schema:        DiffJSON,
		InteractionID: words{escapedStory(s)}.text(s.InteractionID),
		Left:          left,
		Differences: each(all, func(d Difference) JSONDifference {
			w := words{escapedJob(d.Job)}
			x := JSONDifference{Of: d.Of, JobID: w.text(d.Job.ID), JobName: w.text(d.Job.Name), NotRecorded: d.NotRecorded, Left: d.Left,
				Attempts: [2]int64{max(d.Earlier.Attempt, 1), max(d.Later.Attempt, 1)},
				Changes:  each(d.Changes, func(c Change) JSONChange { return JSONChange(c) })}
			if d.From != nil {
				x.From = idText(d.From.Event.EventID)
			}
			if d.To != nil {
				x.To = idText(d.To.Event.EventID)
			}
			return x
		}),
	}
}
