package alert

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"log/slog"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/webhook"
	"github.com/stetlog/stet/proof"
)

// MaxBody bounds a message in bytes; the specification asks for less than 20 kB.
const MaxBody = 20 << 10

// The types of messages.
const (
	typeMatched = "alert.matched"
	typeTest    = "alert.test"
)

// payload is the body of a message, in the structure that the specification recommends.
type payload struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"` // received_at of the last entry; of a test: now
	Data      data   `json:"data"`
}

type data struct {
	Alert string `json:"alert"`
	Query string `json:"query"`
	Log   string `json:"log"`            // the log's name
	Test  bool   `json:"test,omitempty"` // nothing has happened

	Count   uint64    `json:"count"`
	First   uint64    `json:"first"` // seq
	Last    uint64    `json:"last"`
	FirstAt string    `json:"first_received_at,omitempty"`
	LastAt  string    `json:"last_received_at,omitempty"`
	Entries []summary `json:"entries"` // the first ones
}

// summary is what a message tells of an entry: enough to decide who gets up. The entry itself is in the log.
type summary struct {
	Seq         uint64  `json:"seq"`
	EntryHash   string  `json:"entry_hash,omitempty"` // RFC 6962 leaf hash, hex
	ReceivedAt  string  `json:"received_at,omitempty"`
	EventType   string  `json:"event_type,omitempty"` // "stub" where an event could not be stored
	Severity    *int    `json:"severity,omitempty"`
	App         string  `json:"app_id,omitempty"`
	Environment string  `json:"environment,omitempty"`
	Interaction string  `json:"interaction_id,omitempty"`
	Job         *jobRef `json:"job,omitempty"`
	Description string  `json:"description,omitempty"`
	Sentence    string  `json:"sentence,omitempty"`
	Unread      bool    `json:"unread,omitempty"` // it could not be read, or is not what the log's hashes say
}

type jobRef struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// maxText bounds a text of a summary in bytes.
const maxText = 512

// body makes the message about a fold. What it says of an entry is what the log has, held against its hashes.
func (a *Alerts) body(ctx context.Context, r rule, f *fold) ([]byte, error) {
	cp, err := proof.ParseCheckpointText(a.o.Log.Checkpoint())
	if err != nil {
		return nil, err
	}
	p := payload{Type: typeMatched, Timestamp: f.LastAt, Data: data{Alert: r.Name, Query: r.Query, Log: cp.Origin, Count: f.Count, First: f.First,
		Last: f.Last, FirstAt: f.FirstAt, LastAt: f.LastAt, Entries: []summary{}}}
	for _, seq := range f.Entries {
		s := summary{Seq: seq, Unread: true}
		one := search.Query{Root: search.Term{Field: search.FieldSeq, Any: []search.Value{{Op: search.Ints, Min: int64(seq), Max: int64(seq)}}}}
		_, err := search.NewScanner(a.o.Source, one, time.Time{}).Back(ctx, cp, func(h search.Hit) error {
			s = a.summarise(h)
			return search.ErrStop
		})
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			a.o.Logger.Error("an entry that an alert tells of cannot be read", slog.String("alert", r.Name), slog.Uint64("seq", seq), slog.Any("error", err))
		}
		p.Data.Entries = append(p.Data.Entries, s)
	}
	for {
		b, err := json.Marshal(p)
		if err != nil || len(b) <= MaxBody || len(p.Data.Entries) == 0 {
			return b, err
		}
		p.Data.Entries = p.Data.Entries[:len(p.Data.Entries)-1]
	}
}

func testBody(r rule, log string, now time.Time) ([]byte, error) {
	return json.Marshal(payload{Type: typeTest, Timestamp: event.FormatTime(now), Data: data{Alert: r.Name, Query: r.Query, Log: log, Test: true, Entries: []summary{}}})
}

func (a *Alerts) summarise(h search.Hit) summary {
	hash := proof.LeafHash(h.Raw)
	s := summary{Seq: h.Seq, EntryHash: hex.EncodeToString(hash[:]), ReceivedAt: event.FormatTime(h.Received), EventType: "stub"}
	e := h.Event
	if e == nil {
		s.Sentence = "An event could not be stored here; a stub stands in its place."
		return s
	}
	s.EventType, s.App, s.Environment, s.Interaction = e.EventType, e.AppID, e.Environment, webhook.Cut(e.InteractionID, maxText)
	s.Description = webhook.Cut(e.Description, maxText)
	if e.Severity != nil {
		n := int(*e.Severity)
		s.Severity = &n
	}
	if e.Job != nil {
		s.Job = &jobRef{ID: e.Job.ID, Name: e.Job.Name}
	}
	s.Sentence = webhook.Cut(story.Sentence(story.Item{Seq: h.Seq, HasSeq: true, ReceivedAt: h.Received, Via: h.Via, KeyID: proof.KeyID(h.Key),
		StoreKey: h.Key == a.o.StoreKey, EntryHash: hash, Event: e}), maxText)
	return s
}
