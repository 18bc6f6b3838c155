package story

import (
	"encoding/json"

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
	Loose         []JSONEntry `json:"loose"`
	Clocks        []JSONClock `json:"clocks"`
}

// JSONJob is a Job.
type JSONJob struct {
	ID           string      `json:"id"`
	Name         string      `json:"name"`
	ParentID     string      `json:"parent_id,omitempty"`
	RootID       string      `json:"root_id,omitempty"`
	State        State       `json:"state"` // of its last run
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
		Jobs:          each(s.Jobs, jsonJob),
		Orphans:       each(s.Orphans, jsonJob),
		Loose:         each(s.Loose, jsonEntry),
		Clocks:        each(s.Clocks, jsonClock),
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

func jsonJob(j *Job) JSONJob {
	w := words{escapedJob(j)}
	return JSONJob{
		ID:           w.text(j.ID),
		Name:         w.text(j.Name),
		ParentID:     w.text(j.ParentID),
		RootID:       w.text(j.RootID),
		State:        j.Runs[len(j.Runs)-1].State(),
		Runs:         each(j.Runs, func(r *Run) JSONRun { return jsonRun(j, r, w) }),
		Notes:        each(j.Notes, jsonEntry),
		Children:     each(j.Children, jsonJob),
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
	if !e.ReceivedAt.IsZero() {
		x.ReceivedAt = event.FormatTime(e.ReceivedAt)
	}
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
