package ghosts

import (
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/story"
)

// JSON is a Ghost for programs, on the command line and over HTTP alike.
type JSON struct {
	What        string      `json:"what"`
	Type        string      `json:"type"`
	Rule        string      `json:"rule,omitempty"`
	Open        bool        `json:"open"` // nothing came after all
	Since       string      `json:"since"`
	AgeSeconds  int64       `json:"age_s"`
	Recorded    bool        `json:"recorded"` // as entry seq; else found by reading the log
	Seq         *uint64     `json:"seq"`      // null where it is not recorded
	Evidence    []uint64    `json:"evidence"` // the entries that it rests on
	Text        string      `json:"text"`     // one sentence
	Interaction string      `json:"interaction_id"`
	JobID       string      `json:"job_id,omitempty"`
	JobName     string      `json:"job_name,omitempty"`
	RunID       string      `json:"run_id,omitempty"`
	Attempt     int64       `json:"attempt,omitempty"`
	AppID       string      `json:"app_id,omitempty"` // of the job, where the finding says it
	Answer      *JSONAnswer `json:"answer,omitempty"`
}

// JSONAnswer is an Answer.
type JSONAnswer struct {
	Type     string   `json:"type"`
	At       string   `json:"at"`
	Recorded bool     `json:"recorded"`
	Seq      *uint64  `json:"seq"`
	Evidence []uint64 `json:"evidence"`
	Text     string   `json:"text"`
}

// ToJSON makes the structure. Its texts are printable.
func (g *Ghost) ToJSON(now time.Time) JSON {
	e := g.Event
	x := JSON{What: g.What, Type: g.Type, Rule: g.Rule, Open: g.Answer == nil, Since: event.FormatTime(g.Since), AgeSeconds: int64(now.Sub(g.Since) / time.Second),
		Recorded: g.Recorded, Evidence: g.Evidence, Text: text(e), Interaction: story.Text(e, e.InteractionID), AppID: story.Text(e, App(e))}
	if g.Recorded {
		x.Seq = &g.Seq
	}
	if j := e.Job; j != nil {
		x.JobID, x.JobName, x.RunID, x.Attempt = story.Text(e, j.ID), story.Text(e, j.Name), story.Text(e, j.RunID), j.Attempt
	}
	if a := g.Answer; a != nil {
		x.Answer = &JSONAnswer{Type: a.Type, At: event.FormatTime(a.At), Recorded: a.Recorded, Evidence: a.Evidence, Text: text(a.Event)}
		if a.Recorded {
			x.Answer.Seq = &a.Seq
		}
	}
	return x
}

// App is the application of the job that a finding is about, where it says so: the finding itself is the store's.
func App(e *event.Event) string {
	for _, r := range e.References {
		if r.Kind == "app" {
			return r.Value
		}
	}
	return ""
}

// text says in one sentence which job it is and what is known of it, in the words of the finding.
func text(e *event.Event) string {
	s := "a job without a name"
	if j := e.Job; j != nil && j.Name != "" {
		s = story.Name(e, j.Name)
	} else if j != nil {
		s = "job " + story.Name(e, j.ID)
	}
	if app := App(e); app != "" {
		s += ", in " + story.Name(e, app)
	}
	if e.StatusReason != "" {
		s += ": " + story.Phrase(e, e.StatusReason)
	}
	return s + "."
}
