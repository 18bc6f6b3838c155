package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/foreign"
)

// What others wrote shares a target: a line of a crontab, what a command says it changed, a line that is imported. Which of
// them an input is for, its first argument says.
const (
	foreignCron = iota
	foreignImpact
	foreignImport
	foreignForms
)

func FuzzForeign(f *testing.F) {
	f.Add(byte(foreignCron), `cd / && "a b" 'c' \d >e 2>&1 <f; g # stet: h`, "")
	f.Add(byte(foreignCron), "a\nb # c\nd", "x")
	f.Add(byte(foreignCron), "\\", "")
	f.Add(byte(foreignCron), ">", "")
	f.Add(byte(foreignCron), strings.Repeat("\x9b", 200), "")
	f.Add(byte(foreignImpact), `{"summary":"3 rows","counts":{"rows":3}}`, "")
	f.Add(byte(foreignImpact), `{"counts":{"rows":-9007199254740993}}`, "")
	f.Add(byte(foreignImpact), " 3 rows deleted\n", "")
	f.Add(byte(foreignImpact), "{", "")
	f.Add(byte(foreignImport), `{"event_type":"data_read","app_id":"billing","timestamp":"2026-03-01T12:00:01Z"}`, "")
	f.Add(byte(foreignImport), `{"event_id":"01900000-0000-7000-8000-000000000001","app_id":"a b","environment":"x","references":[{"kind":"imported","value":"sha256:"}]}`, "app")
	f.Add(byte(foreignImport), `{"v":1,"seq":0,"received_at":"2026-03-01T12:00:01.000000000Z","via":{"kind":"store"},"event":{"event_type":"a"}}`, "")
	f.Add(byte(foreignImport), `{"v":1,"seq":0,"received_at":"2026-03-01T12:00:01.000000000Z","via":{"kind":"store"},"stub":{"stream_id":"01900000-0000-7000-8000-000000000001","first":1,"last":7,"code":"lost","reason":"lost"}}`, "")
	f.Fuzz(func(t *testing.T, form byte, a, b string) {
		switch form % foreignForms {
		case foreignCron:
			fuzzCron(t, a, b)
		case foreignImpact:
			fuzzImpact(t, []byte(a))
		case foreignImport:
			fuzzImport(t, []byte(a), b)
		}
	})
}

// fuzzCron: whatever stands in a crontab has a name.
func fuzzCron(t *testing.T, line, given string) {
	t.Helper()
	l := readLine(line, given)
	if l.name == "" || l.how == "" || len(l.name) > maxJobName {
		t.Errorf("%q, %q: %+v", line, given, l)
	}
}

// fuzzImpact: who says anything is heard, and what is kept of it fits an event.
func fuzzImpact(t *testing.T, b []byte) {
	t.Helper()
	i := impactOf(b)
	if (i == nil) != (len(b) <= maxImpact && len(bytes.TrimSpace(b)) == 0) {
		t.Fatalf("%q is read as %+v", b, i)
	}
	if i == nil {
		return
	}
	if len(i.Counts) > maxCounts || len(i.Summary) > maxImpact+256 {
		t.Errorf("%q: %d counts, a summary of %d bytes", b, len(i.Counts), len(i.Summary))
	}
	for name, n := range i.Counts {
		if n > event.MaxInt || n < -event.MaxInt {
			t.Errorf("%q: %d of %q cannot be recorded", b, n, name)
		}
	}
}

// fuzzImport: a line is taken, known already, or refused for a reason that is its own; it becomes an event of this process's
// stream that names its original, the same one each time, and is not taken twice.
func fuzzImport(t *testing.T, line []byte, app string) {
	t.Helper()
	parse := func(in *importer) (*pendingLine, bool, error) {
		p := &pendingLine{file: "f", line: 1}
		there, err := in.parse(p, line, map[uint64]int{})
		return p, there, err
	}
	in := &importer{cmd: &importCmd{App: app}, seen: newSeen()}
	p, there, err := parse(in)
	if err != nil {
		if !refusal(err) {
			t.Fatalf("%q: %v does not read as the line's fault", line, err)
		}
		return
	}
	if there {
		if in.report.Other != 1 {
			t.Fatalf("%q is there already, and nothing was", line)
		}
		return
	}
	e := p.event
	if e.EventID.IsZero() || !e.StreamID.IsZero() || e.StreamSeq != 0 || !e.Timestamp.IsZero() || e.Clock != nil {
		t.Errorf("%q has a place in a stream already: %+v", line, e)
	}
	named := e.Labels[foreign.Kind] != ""
	for _, r := range e.References {
		named = named || r.Kind == foreign.Kind
	}
	if !named {
		t.Errorf("%q does not name its original", line)
	}
	if key := p.key; key.app != app && word(key.app) != key.app {
		t.Errorf("%q goes to the stream of %q", line, key.app)
	}
	again, _, err := parse(&importer{cmd: in.cmd, seen: newSeen()})
	if err != nil || again.event.EventID != e.EventID || again.key != p.key {
		t.Errorf("%q is event %s of %+v, and then %s of %+v, %v", line, e.EventID, p.key, again.event.EventID, again.key, err)
	}
	if _, there, err := parse(in); !there || err != nil {
		t.Errorf("%q is taken twice: %v", line, err)
	}
}
