package story

import (
	"encoding/json"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// SchemaJSON is the version of the structure that JSON makes. Within it members are only added.
const SchemaJSON = "stet.story/1"

// Document is a story for programs: what Render writes, with nothing folded away. Encode it without HTML escaping
// (json.Encoder.SetEscapeHTML(false)) to keep the events' exact bytes. All its text is printable.
type Document struct {
	Schema        string      `json:"schema"` // SchemaJSON
	InteractionID string      `json:"interaction_id"`
	EventCount    int         `json:"event_count"`
	Jobs          []JSONJob   `json:"jobs"`
	Orphans       []JSONJob   `json:"orphans"`
	Deeper        []JSONJob   `json:"deeper"` // jobs more than MaxNesting levels below those, each with its parent_id
	Loose         []JSONEntry `json:"loose"`
	Clocks        []JSONClock `json:"clocks"`
}

// MaxNesting is how many levels of children a Document holds in each other: a decoder's stack must not depend on what
// somebody has recorded. Jobs further below stand in Deeper.
const MaxNesting = 64

// JSONJob is a Job.
type JSONJob struct {
	ID           string      `json:"id"`
	Name         string      `json:"name"`
	ParentID     string      `json:"parent_id,omitempty"`
	RootID       string      `json:"root_id,omitempty"`
	OtherParents []string    `json:"other_parents,omitempty"` // which its events name beside parent_id
	State        State       `json:"state"`                   // of its last run
	Runs         []JSONRun   `json:"runs"`
	Notes        []JSONEntry `json:"notes"`
	Children     []JSONJob   `json:"children"`
	ChildrenLeft int         `json:"children_left"`
}

// JSONRun is a Run.
type JSONRun struct {
	ID            string       `json:"id,omitempty"`
	Attempt       int64        `json:"attempt,omitempty"`
	State         State        `json:"state"`
	StreamID      string       `json:"stream_id,omitempty"`
	KeyID         string       `json:"key_id,omitempty"`
	AppID         string       `json:"app_id,omitempty"`
	Environment   string       `json:"environment,omitempty"`
	Answers       []JSONAnswer `json:"answers"`
	Submission    JSONPhase    `json:"submission"`
	Authorization JSONPhase    `json:"authorization"`
	Execution     JSONPhase    `json:"execution"`
	Outcome       JSONPhase    `json:"outcome"`
	Heartbeats    []JSONEntry  `json:"heartbeats"`
	Snapshots     []JSONEntry  `json:"snapshots"`
	Lost          *JSONEntry   `json:"lost,omitempty"`
	Corrections   []JSONEntry  `json:"corrections"`
	Claims        []JSONEntry  `json:"foreign_claims"`
}

// JSONAnswer is an Answer.
type JSONAnswer struct {
	Question string `json:"question"`
	Text     string `json:"text"`
	Known    bool   `json:"known"`
}

// JSONPhase is a Phase: event, or missing with its words.
type JSONPhase struct {
	Event       *JSONEntry  `json:"event,omitempty"`
	Missing     Missing     `json:"missing,omitempty"`
	MissingText string      `json:"missing_text,omitempty"`
	Since       string      `json:"missing_since,omitempty"` // when the phase before it arrived
	More        []JSONEntry `json:"more"`
}

// JSONEntry is an Entry. Event is there where the Item had the exact bytes.
type JSONEntry struct {
	Seq         *uint64         `json:"seq"` // null: still in a spool
	EventID     string          `json:"event_id"`
	EventType   string          `json:"event_type"`
	Time        string          `json:"time"` // when it happened, as claimed
	ReceivedAt  string          `json:"received_at,omitempty"`
	Via         json.RawMessage `json:"via,omitempty"`
	KeyID       string          `json:"key_id,omitempty"`
	StoreKey    bool            `json:"store_key"`
	EventHash   string          `json:"event_hash,omitempty"` // RFC 6962 leaf hash, hexadecimal
	EntryHash   string          `json:"entry_hash,omitempty"`
	Standing    Standing        `json:"standing"`
	Sentence    string          `json:"sentence"`
	Event       json.RawMessage `json:"event,omitempty"`
	Corrections []JSONEntry     `json:"corrections,omitempty"`
	Copies      []JSONEntry     `json:"copies,omitempty"`
}

// JSONClock is a ClockNote; the events are named by their event_id.
type JSONClock struct {
	Earlier     string `json:"earlier,omitempty"`
	Later       string `json:"later"`
	ByMicros    int64  `json:"by_us"`
	Occurrences int    `json:"occurrences"`
	Text        string `json:"text"`
}

// JSON makes the structure for --json. Lists are empty rather than null.
func JSON(s Story) Document {
	d := Document{
		Schema:        SchemaJSON,
		InteractionID: words{escapedStory(s)}.text(s.InteractionID),
		EventCount:    len(s.Events),
		Loose:         each(s.Loose, jsonEntry),
		Clocks:        each(s.Clocks, jsonClock),
		Deeper:        []JSONJob{},
	}
	var deeper []*Job
	top := func(j *Job) JSONJob { return jsonJob(j, MaxNesting, &deeper) }
	d.Jobs, d.Orphans = each(s.Jobs, top), each(s.Orphans, top)
	for i := 0; i < len(deeper); i++ { // it grows
		d.Deeper = append(d.Deeper, top(deeper[i]))
	}
	return d
}

// each maps a list and never returns nil.
func each[A, B any](in []A, f func(A) B) []B {
	out := make([]B, len(in))
	for i, a := range in {
		out[i] = f(a)
	}
	return out
}

// jsonJob nests so many levels of children, and adds to deeper what is below them.
func jsonJob(j *Job, levels int, deeper *[]*Job) JSONJob {
	w := words{escapedJob(j)}
	children := []JSONJob{}
	if levels > 0 {
		children = each(j.Children, func(c *Job) JSONJob { return jsonJob(c, levels-1, deeper) })
	} else {
		*deeper = append(*deeper, j.Children...)
	}
	return JSONJob{
		ID:           w.text(j.ID),
		Name:         w.text(j.Name),
		ParentID:     w.text(j.ParentID),
		RootID:       w.text(j.RootID),
		OtherParents: texts(j.OtherParents, w),
		State:        j.Runs[len(j.Runs)-1].State(),
		Runs:         each(j.Runs, func(r *Run) JSONRun { return jsonRun(j, r, w) }),
		Notes:        each(j.Notes, jsonEntry),
		Children:     children,
		ChildrenLeft: j.ChildrenLeft,
	}
}

func jsonRun(j *Job, r *Run, w words) JSONRun {
	return JSONRun{
		ID:            w.text(r.ID),
		Attempt:       r.Attempt,
		State:         r.State(),
		StreamID:      idText(r.Stream),
		KeyID:         plain(r.KeyID, false),
		AppID:         w.text(r.AppID),
		Environment:   w.text(r.Environment),
		Answers:       each(j.Answers(r, nil), func(a Answer) JSONAnswer { return JSONAnswer(a) }),
		Submission:    jsonPhase(r.Submission),
		Authorization: jsonPhase(r.Authorization),
		Execution:     jsonPhase(r.Execution),
		Outcome:       jsonPhase(r.Outcome),
		Heartbeats:    each(r.Heartbeats, jsonEntry),
		Snapshots:     each(r.Snapshots, jsonEntry),
		Lost:          jsonEntryOrNil(r.Lost),
		Corrections:   each(r.Corrections, jsonEntry),
		Claims:        each(r.Claims, jsonEntry),
	}
}

func jsonPhase(p Phase) JSONPhase {
	return JSONPhase{
		Event:       jsonEntryOrNil(p.Event),
		Missing:     p.Missing,
		MissingText: p.Missing.String(),
		Since:       timeText(p.Since),
		More:        each(p.More, jsonEntry),
	}
}

func jsonEntryOrNil(e *Entry) *JSONEntry {
	if e == nil {
		return nil
	}
	x := jsonEntry(e)
	return &x
}

func jsonEntry(e *Entry) JSONEntry {
	x := JSONEntry{
		EventID:   idText(e.Event.EventID),
		EventType: wordsOf(e.Event).text(e.Event.EventType),
		Time:      event.FormatTime(e.When()),
		KeyID:     plain(e.KeyID, false),
		StoreKey:  e.StoreKey,
		EventHash: hashText(e.EventHash),
		EntryHash: hashText(e.EntryHash),
		Standing:  e.Standing,
		Sentence:  Sentence(e.Item),
	}
	if e.HasSeq {
		x.Seq = &e.Seq
	}
	x.ReceivedAt = timeText(e.ReceivedAt)
	if e.Via.Kind != "" {
		x.Via = e.Via.Append(nil)
	}
	if json.Valid(e.Raw) {
		x.Event = e.Raw
	}
	for _, c := range e.Corrections {
		x.Corrections = append(x.Corrections, jsonEntry(c))
	}
	for _, c := range e.Copies {
		x.Copies = append(x.Copies, jsonEntry(c))
	}
	return x
}

func jsonClock(n ClockNote) JSONClock {
	c := JSONClock{
		Later:       idText(n.Later.Event.EventID),
		ByMicros:    n.By.Microseconds(),
		Occurrences: n.Count,
		Text:        n.Text,
	}
	if n.Earlier != nil {
		c.Earlier = idText(n.Earlier.Event.EventID)
	}
	return c
}

func texts(in []string, w words) (out []string) {
	for _, s := range in {
		out = append(out, w.text(s))
	}
	return out
}

// timeText is a time as events have it, or "".
func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return event.FormatTime(t)
}

func idText(id event.UUID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}

func hashText(h proof.Hash) string {
	if h == (proof.Hash{}) {
		return ""
	}
	return h.Hex()
}
