package webui

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

const (
	// maxValue is how much of a value is shown, in characters; the exact bytes are below.
	maxValue = 1000
	// maxFields bounds the fields that are shown.
	maxFields = 500
	// maxBytes is how many of the exact bytes are shown; all of them are in the files beside.
	maxBytes = 16 << 10
)

// Where the truth of a value comes from.
const (
	claimed       = "claimed"       // its sender says so
	found         = "found"         // stet found it on the sender's machine, where nobody gave it
	authenticated = "authenticated" // it was held against a key, a token or the log itself
	missing       = "not given"
	unproven      = "not proven" // what is stored is not what was signed
)

// eventView is the page of an entry.
type eventView struct {
	Seq      uint64
	Kind     string // event, seal or stub
	Type     string
	Sentence string
	Tone     string
	At       moment
	Doubt    string // why it is not what was signed
	Groups   []fieldGroup
	More     bool
	Story    string // addresses; "" where there are none
	Job      string
	Before   string
	After    string
	Bytes    string // exact
	Length   int
	Left     int // of them, that are not shown
	Leaf     string
	Size     uint64
	Path     []string
	Note     string // the checkpoint
	Origin   string
	Root     string
	LogKey   string
	Seal     *sealView
	Source   string // address of what the browser checks
	Proof    string // address of the proof alone, as C2SP tlog-proof

	interaction string
	Evidence    []evidenceOf // files that can be had: it needs the right to read the whole log
}

// evidenceOf is a file of evidence that can be asked for.
type evidenceOf struct{ Words, Query string }

type fieldGroup struct {
	Words  string
	Fields []fieldView
}

type fieldView struct {
	Path, Value string
	Cut         int    // characters that are not shown
	Truth       string // claimed, found, authenticated, not given
	How         string
}

// sealView is what the seal over an event says.
type sealView struct {
	Seq         uint64
	Href        string
	App, Env    string
	Key, KeyID  string
	Stream      string
	First, Last uint64
	Count       int
	Root        string
	Clock       string
	Final       bool
	Text        string
}

func (u *UI) getEvent(v *visit) error {
	text := v.r.URL.Query().Get("seq")
	seq, err := strconv.ParseUint(text, 10, 53)
	if err != nil {
		return server.Refuse(wire.NotFound, "an entry is asked for by its number: event?seq=12")
	}
	e, err := ask[provenEntry](v, "/v1/entries/"+strconv.FormatUint(seq, 10))
	if err != nil {
		return err
	}
	l, err := v.log()
	if err != nil {
		return err
	}
	view := eventView{Seq: seq, Doubt: e.Doubt, Bytes: string(e.Entry), Length: len(e.Entry), Leaf: e.Leaf, Size: e.Size, Path: e.Proof, Note: e.Checkpoint,
		LogKey: l.LogKey, After: eventLink(seq + 1), Source: fmt.Sprintf("v1/entries/%d", seq), Proof: fmt.Sprintf("v1/entries/%d/proof", seq)}
	if seq > 0 {
		view.Before = eventLink(seq - 1)
	}
	if seq+1 >= e.Size {
		view.After = ""
	}
	if cp, err := proof.ParseCheckpointText([]byte(e.Checkpoint)); err == nil {
		view.Origin, view.Root = cp.Origin, cp.Root.String()
	}
	if e.Seal != nil && e.Doubt == "" {
		if view.Seal, err = v.seal(*e.Seal); err != nil {
			return err
		}
	}
	v.entry(&view, e, view.Seal != nil && view.Seal.Key == l.StoreKey)
	if view.Kind != "seal" && v.mayExport() { // no query finds a seal
		view.Evidence = append(view.Evidence, evidenceOf{"Evidence of this entry", "seq:" + strconv.FormatUint(seq, 10)})
		if view.interaction != "" {
			view.Evidence = append(view.Evidence, evidenceOf{"Evidence of its story", is(search.FieldInteraction, view.interaction)})
		}
	}
	return u.fit(v, "event", func(share int) (string, any) {
		return fmt.Sprintf("%s · entry %d", cut(view.Type, 80), seq), view.cut(share)
	})
}

// cut leaves out what there is no room for, with one share-th of it.
func (w eventView) cut(share int) eventView {
	w.Sentence = cut(w.Sentence, maxValue/share)
	if most := maxBytes / share; len(w.Bytes) > most {
		w.Bytes = strings.ToValidUTF8(w.Bytes[:most], "")
		w.Left = w.Length - len(w.Bytes)
	}
	left := maxFields / share
	var groups []fieldGroup
	for _, g := range w.Groups {
		n := min(len(g.Fields), left)
		left, w.More = left-n, w.More || n < len(g.Fields)
		g.Fields = slices.Clone(g.Fields[:n])
		for i, f := range g.Fields {
			if short := cut(f.Value, maxValue/share); short != f.Value {
				g.Fields[i].Value, g.Fields[i].Cut = short, f.Cut+len(f.Value)-len(short)
			}
		}
		groups = append(groups, g)
	}
	w.Groups = groups
	return w
}

// entry fills in what an entry says.
func (v *visit) entry(view *eventView, e provenEntry, storeKey bool) {
	entry, err := proof.ParseEntry(e.Entry)
	if err != nil {
		view.Kind, view.Type, view.Tone = "entry", "unreadable entry", "bad"
		view.Sentence = "What is stored here cannot be read as an entry."
		return
	}
	view.At = v.atText(entry.ReceivedAt)
	log := fieldGroup{Words: "The log's own word", Fields: []fieldView{
		{Path: "seq", Value: strconv.FormatUint(entry.Seq, 10), Truth: authenticated, How: "its place in the log"},
		{Path: "received_at", Value: entry.ReceivedAt, Truth: authenticated, How: "the log's clock"},
	}}
	for _, f := range flatten(entry.Via) {
		f.Path, f.Truth, f.How = "via."+f.Path, authenticated, "who the sender was, as the log found"
		log.Fields = append(log.Fields, f)
	}
	switch {
	case entry.Seal != nil:
		view.Kind, view.Type = "seal", "seal"
		view.Sentence = "A seal: an emitter's signature over the events before it."
		view.Groups = []fieldGroup{log}
	case entry.Stub != nil:
		view.Kind, view.Type, view.Tone, view.Sentence = "stub", "stub", "warn", stubSentence(entry.Stub)
		view.Groups = []fieldGroup{log}
	default:
		view.Kind = "event"
		v.event(view, entry, storeKey)
		view.Groups = append(view.Groups, log)
	}
	if view.Doubt == "" {
		return
	}
	view.Tone = "bad"
	for _, g := range view.Groups { // nothing was held against anything
		for i := range g.Fields {
			g.Fields[i].Truth, g.Fields[i].How = unproven, ""
		}
	}
}

// event fills in what an event says.
func (v *visit) event(view *eventView, entry proof.Entry, storeKey bool) {
	ev, err := event.Parse(entry.Event)
	if err != nil {
		view.Type, view.Tone, view.Sentence = "unreadable event", "bad", "The event cannot be read."
		return
	}
	view.Type, view.Tone, view.Sentence = ev.EventType, toneOf(ev), story.Sentence(story.Item{Seq: entry.Seq, HasSeq: true, StoreKey: storeKey, Raw: entry.Event, Event: ev})
	view.Story, view.interaction = link("story", "interaction", ev.InteractionID), ev.InteractionID
	if ev.Job != nil {
		view.Job = link("lineage", "job", ev.Job.ID)
	}
	all := flatten(entry.Event)
	if len(all) > maxFields {
		all, view.More = all[:maxFields], true
	}
	all = slices.DeleteFunc(all, func(f fieldView) bool { // they say how the others are known, and that is what they are shown as
		return strings.HasPrefix(f.Path, "absent.") || strings.HasPrefix(f.Path, "derived.")
	})
	for i := range all {
		all[i].judge(ev)
	}
	view.Groups = grouped(all)
}

// judge says where the truth of a field of an event comes from.
func (f *fieldView) judge(e *event.Event) {
	f.Truth = claimed
	if how, ok := under(e.Derived, f.Path); ok {
		f.Truth, f.How = found, how
	}
	if f.Value == "null" {
		if why, ok := under(e.Absent, f.Path); ok {
			f.Value, f.Truth, f.How = "—", missing, strings.ReplaceAll(why, "_", " ")
		}
	}
	switch f.Path {
	case "app_id", "environment", "stream_id", "stream_seq":
		if f.Truth != missing {
			f.Truth, f.How = authenticated, "held against the seal"
		}
	}
}

// under finds a path, or the one that it lies under.
func under(m map[string]string, path string) (string, bool) {
	for {
		if how, ok := m[path]; ok {
			return how, true
		}
		i := strings.LastIndexByte(path, '.')
		if i < 0 {
			return "", false
		}
		path = path[:i]
	}
}

// groups are the questions that the members of an event answer.
var groups = [...]struct{ words, members string }{
	{"What", " event_type severity security description action object status status_reason status_code impact corrects repeat "},
	{"Who", " user_id principal source_ip source session_hash "},
	{"When", " timestamp event_time timing clock "},
	{"Where", " app_id app_version environment host code_location entry_point target "},
	{"Why", " why causation_id "},
	{"Job", " job interaction_id authorization heartbeat "},
	{"Data", " before after "},
}

func grouped(all []fieldView) (out []fieldGroup) {
	used := make([]bool, len(all))
	for _, g := range groups {
		one := fieldGroup{Words: g.words}
		for i, f := range all {
			member, _, _ := strings.Cut(f.Path, ".")
			if !used[i] && strings.Contains(g.members, " "+member+" ") {
				one.Fields, used[i] = append(one.Fields, f), true
			}
		}
		if len(one.Fields) > 0 {
			out = append(out, one)
		}
	}
	rest := fieldGroup{Words: "Else"}
	for i, f := range all {
		if !used[i] {
			rest.Fields = append(rest.Fields, f)
		}
	}
	if len(rest.Fields) > 0 {
		out = append(out, rest)
	}
	return out
}

// flatten lists the values of a JSON object by their paths, in its order.
func flatten(b []byte) (out []fieldView) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var walk func(path string) bool
	walk = func(path string) bool {
		t, err := d.Token()
		if err != nil {
			return false
		}
		switch x := t.(type) {
		case json.Delim:
			n := 0
			for d.More() {
				sub := strconv.Itoa(n)
				if x == '{' {
					key, err := d.Token()
					if err != nil {
						return false
					}
					sub, _ = key.(string)
				}
				if path != "" {
					sub = path + "." + sub
				}
				if n++; !walk(sub) {
					return false
				}
			}
			_, err = d.Token()
			if n == 0 && path != "" {
				out = append(out, fieldView{Path: path, Value: map[json.Delim]string{'{': "{}", '[': "[]"}[x]})
			}
			return err == nil
		case string:
			out = append(out, value(path, x))
		case nil:
			out = append(out, fieldView{Path: path, Value: "null"})
		default:
			out = append(out, fieldView{Path: path, Value: fmt.Sprint(x)})
		}
		return true
	}
	walk("")
	return out
}

// value is a text, cut where it is very long.
func value(path, text string) fieldView {
	f := fieldView{Path: cut(path, 200), Value: text}
	if n := len(text); n > maxValue {
		f.Value = strings.ToValidUTF8(text[:maxValue], "") // an event's texts are all but ASCII where they are long
		f.Cut = n - len(f.Value)
	}
	return f
}

// seal asks for a seal.
func (v *visit) seal(seq uint64) (*sealView, error) {
	e, err := ask[provenEntry](v, "/v1/entries/"+strconv.FormatUint(seq, 10))
	if err != nil {
		return nil, err
	}
	s, note, ok := sealIn(e.Entry)
	if !ok {
		return nil, nil // it is in doubt by itself, which its own page says
	}
	out := &sealView{Seq: seq, Href: eventLink(seq), App: s.App, Env: s.Environment, Key: s.Key, KeyID: proof.KeyID(s.Key), Stream: s.Stream, First: s.First, Last: s.Next() - 1,
		Count: s.Count, Root: s.Root.String(), Final: s.Final, Text: string(note)}
	return out, nil
}

// sealIn is the seal that an entry is.
func sealIn(raw []byte) (s proof.Seal, note []byte, ok bool) {
	entry, err := proof.ParseEntry(raw)
	if err != nil || entry.Seal == nil {
		return s, nil, false
	}
	s, err = proof.ParseSeal(entry.Seal.Note)
	return s, entry.Seal.Note, err == nil
}
