package policy

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/redact"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/proof"
)

// Options say how to judge.
type Options struct {
	Name      string           // of the log, for people
	Ledger    bool             // entries of a ledger, not lines of a file
	Map       convert.Map      // of a file: which keys hold which fields
	Catalogue *event.Catalogue // an organisation's own types; nil: the built-in ones alone
	Places    int              // how many places a finding names at most
}

// maxEntry is SCHEMA's bound of an event, in bytes of a line.
const maxEntry = event.MaxBytes

// Linter judges one log. Hand it all lines or entries in order, then the stories, then ask for the report.
type Linter struct {
	o         Options
	catalogue *event.Catalogue
	refusing  event.Codec // finds what an encoder would have masked
	codec     event.Codec
	results   []Result
	index     map[string]int
	names     map[string]string // key of the log → field
	memo      redact.Memo
	seen      seen
	found     []leak // in the event that is being judged
	lines     int
	records   int
	last      time.Time // the latest time in the log: the ledger's own, or what lines claim
	unsealed  []Place   // events whose seal has not come yet
}

// New makes a Linter.
func New(o Options) *Linter {
	l := &Linter{o: o, catalogue: o.Catalogue, index: map[string]int{}, names: map[string]string{}, seen: newSeen()}
	for _, field := range convert.Fields() {
		for _, key := range o.Map[field] {
			if l.names[key] == "" {
				l.names[key] = field
			}
		}
	}
	if l.catalogue == nil {
		l.catalogue = event.Builtin()
	}
	l.codec = event.Codec{Catalogue: l.catalogue}
	l.refusing = event.Codec{Catalogue: l.catalogue, RefuseSecrets: true}
	for i, r := range rules() {
		l.results = append(l.results, Result{Rule: r})
		l.index[r.ID] = i
	}
	return l
}

func (l *Linter) result(id string) *Result { return &l.results[l.index[id]] }

// count takes one verdict.
func (l *Linter) count(id string, at Place, v verdict) {
	r := l.result(id)
	switch v.state {
	case Pass:
		r.Pass++
	case Fail, NotChecked:
		r.addTally(v.state, v.what, l.o.Places, tally{1, []Place{at}})
	}
}

// Long counts a line that is too long to be read.
func (l *Linter) Long(number int) {
	l.lines++
	at := Place{Line: number}
	l.count("format", at, fails("is too long to be read, so nothing else of it was checked"))
	l.count("size", at, fails("is longer than 60 KiB"))
}

// Line judges a line of a file, and returns what it says of jobs, for a fold.
func (l *Linter) Line(number int, line []byte) []story.Item {
	at := Place{Line: number}
	l.lines++
	if len(line) > maxEntry {
		l.count("size", at, fails("is longer than 60 KiB"))
	} else {
		l.count("size", at, pass)
	}
	records, seal, err := l.read(at, line)
	if err != nil {
		l.count("format", at, fails(err.Error()))
		return nil
	}
	l.count("format", at, pass)
	if seal {
		return nil
	}
	for i := range records {
		l.judge(&records[i])
		l.count("sealed", at, notChecked("a file of lines carries no seals: record into a store, or verify the log that they are from"))
	}
	return items(records)
}

// Items is what a line says of jobs, without judging it: for who reads a log again.
func (l *Linter) Items(number int, line []byte) []story.Item {
	records, seal, err := l.read(Place{Line: number}, line)
	if err != nil || seal {
		return nil
	}
	return items(records)
}

// read makes records of a line: an event of stet's own, one in an exported entry, or somebody else's.
func (l *Linter) read(at Place, line []byte) (records []Record, other bool, err error) {
	raw := bytes.TrimSpace(line)
	if bytes.HasPrefix(raw, []byte(`{"v":1,"seq":`)) {
		if e, err := proof.ParseEntry(raw); err == nil {
			if e.Event == nil {
				return nil, true, nil
			}
			raw = e.Event
		}
	}
	found, err := convert.ReadLine(raw)
	if err != nil {
		return nil, false, err
	}
	own := false
	if len(found) == 1 {
		if schema, ok := found[0].Leaf("schema"); ok && schema.Text == event.SchemaV1 {
			_, err := l.codec.Check(raw)
			own = err == nil
		}
	}
	for i := range found {
		r := Record{Record: &found[i], place: at, fields: l.o.Map, names: l.names}
		if own {
			r.raw = raw
		}
		if v, ok := r.value("event_type"); ok {
			r.typ, r.known = l.catalogue.Lookup(v.Text)
		}
		records = append(records, r)
	}
	return records, false, nil
}

// Entry judges an entry of a ledger. An error says that it cannot be read, which is for stet verify to judge.
func (l *Linter) Entry(seq uint64, raw []byte) error {
	e, err := proof.ParseEntry(raw)
	if err != nil {
		return fmt.Errorf("entry %d: %w", seq, err)
	}
	at := Place{Seq: seq, HasSeq: true}
	l.lines++
	if t, err := event.ParseTime(e.ReceivedAt); err == nil {
		l.last = t
	}
	switch {
	case e.Seal != nil:
		for _, p := range l.unsealed {
			l.count("sealed", p, pass)
		}
		l.unsealed = l.unsealed[:0]
	case e.Event != nil:
		records, _, err := l.read(at, e.Event)
		if err == nil && (len(records) != 1 || !records[0].native()) {
			err = errors.New("it is no event of " + event.SchemaV1)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		l.count("format", at, pass)
		l.count("size", at, pass)
		l.unsealed = append(l.unsealed, at)
		l.judge(&records[0])
	}
	return nil
}

// Sealed judges an entry, an event's, whose seal somebody else has found.
func (l *Linter) Sealed(seq uint64, raw []byte) error {
	err := l.Entry(seq, raw)
	for _, p := range l.unsealed {
		l.count("sealed", p, pass)
	}
	l.unsealed = l.unsealed[:0]
	return err
}

// judge asks the rules about one event.
func (l *Linter) judge(r *Record) {
	l.records++
	if v, ok := r.value("timestamp"); ok && !l.o.Ledger {
		if t, form := convert.ReadTime(v.Text); form != convert.TimeUnknown && t.After(l.last) {
			l.last = t
		}
	}
	l.found = l.leaks(r)
	for i := range l.results {
		if check := l.results[i].event; check != nil {
			l.count(l.results[i].ID, r.place, check(l, r))
		}
	}
	l.count("flood", r.place, l.flood(r))
	l.note(r)
}

// Report ends the judging.
func (l *Linter) Report() Report {
	for _, p := range l.unsealed {
		l.count("sealed", p, fails("no seal stands behind it"))
	}
	l.unsealed = nil
	l.finish()
	out := Report{Name: l.o.Name, Ledger: l.o.Ledger, Lines: l.lines, Records: l.records}
	states := map[string]State{}
	for _, r := range l.results {
		r.Findings, r.Reasons = findings(r.whats), findings(r.whys)
		if r.Pass+r.Fail+r.NotChecked == 0 {
			r.Reasons = []Finding{{What: "nothing in this log that the rule is about"}}
		}
		states[r.ID] = r.State()
		out.Rules = append(out.Rules, r)
	}
	for _, q := range Requirements() {
		out.Requirements = append(out.Requirements, Met{q, worst(q.Rules, states)})
	}
	return out
}
