// Package indextest draws events in which values come again, and queries that ask for what is in them, for tests that hold
// what finds them against a scan.
package indextest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/search"
)

func texts() []string {
	return []string{"alice", "bob", "Alice B", "card declined", "declined card", "a\\b", "x\ny", "失败了", "Straße 5", "5", "-5", "true", "", "a", "ab", "abc", "192.0.2.7", "purge-old"}
}

// ID is the nth id of a kind.
func ID(kind string, n int) event.UUID {
	return event.DeriveUUID(kind, fmt.Sprint(n), [6]byte{1, 2, byte(n >> 8), byte(n)})
}

// Event draws the nth event, logged up to two hours before now.
func Event(t *rapid.T, n int, now time.Time) *event.Event {
	pick := func(all ...string) string { return rapid.SampledFrom(all).Draw(t, "pick") }
	text := func() string { return Text(t) }
	some := func() bool { return rapid.Bool().Draw(t, "some") }
	e := &event.Event{EventID: ID("event", n), Timestamp: now.Add(-time.Duration(rapid.Int64Range(0, int64(2*time.Hour)).Draw(t, "before"))),
		InteractionID: pick("i1", "i2", "i3"), AppID: pick("app1", "app2"), Environment: pick("", "production", "test"),
		UserID: text(), SourceIP: pick("", "192.0.2.7", "192.0.2.77", "2001:db8::1"), EventType: pick("sensitive_read", "job_started", "job_failed", "own_type", "job_lost"),
		Description: text() + " " + text(), Status: pick("", "success", "failure"), StatusReason: text(), StreamID: ID("stream", 1), StreamSeq: uint64(n),
		Action: text(), Object: &event.Object{Type: "file", ID: text()}, Security: some()}
	least := 2 // an event may not lower its type's
	if e.EventType == "own_type" {
		least = 7
	}
	e.Severity = new(event.Severity(rapid.IntRange(0, least).Draw(t, "severity")))
	if some() {
		e.Labels = map[string]string{pick("k", "k2", "a.b"): text(), "k3": text()}
	}
	if some() {
		e.Host = &event.Host{Name: pick("node", "node-1"), IP: pick("", "10.0.0.1")}
		e.Principal = &event.Principal{Type: "user", ID: text()}
	}
	if some() {
		e.EventTime = e.Timestamp.Add(-time.Duration(rapid.Int64Range(0, int64(48*time.Hour)).Draw(t, "happened")))
	}
	if e.EventType[:3] == "job" {
		e.Job = &event.Job{ID: pick("j1", "j2"), RunID: pick("r1", "r2"), Name: pick("purge", "mail"), Attempt: rapid.Int64Range(1, 3).Draw(t, "attempt"),
			Params: map[string]any{"n": rapid.Int64Range(-3, 300).Draw(t, "n"), "deep": map[string]any{"s": text(), "list": []any{int64(5), text(), some(), []any{"in"}}}}}
		if some() {
			e.Job.ParentID, e.Job.RootID = pick("j1", "j2"), "j1"
		}
		e.Why = &event.Why{Trigger: pick("schedule", "manual"), Reason: text(), Reference: text()}
		if e.EventType == "job_failed" {
			e.Status = "failure"
			e.References = []event.Reference{{Kind: "ticket", Value: fmt.Sprint("T-", n%3)}}
			e.Before, e.After = &event.Snapshot{Summary: text()}, &event.Snapshot{Object: text(), Digest: ""}
		}
	}
	return e
}

// Text draws a text.
func Text(t *rapid.T) string { return rapid.SampledFrom(texts()).Draw(t, "text") }

// Query draws a query of values that are in the log, and of some that are not.
func Query(t *rapid.T, all []*search.Record, depth int) search.Node {
	kinds := []string{"term", "term", "words"}
	if depth > 0 {
		kinds = append(kinds, "and", "or", "not")
	}
	children := func() (nodes []search.Node) {
		for range rapid.IntRange(2, 3).Draw(t, "children") {
			nodes = append(nodes, Query(t, all, depth-1))
		}
		return nodes
	}
	switch rapid.SampledFrom(kinds).Draw(t, "node") {
	case "and":
		return search.And(children())
	case "or":
		return search.Or(children())
	case "not":
		return search.Not{Of: Query(t, all, depth-1)}
	case "words":
		r := rapid.SampledFrom(all).Draw(t, "record")
		tokens := search.AppendTokens(nil, rapid.SampledFrom(append(r.AppendProse(nil), "nothing")).Draw(t, "prose"))
		if len(tokens) == 0 {
			tokens = []string{"declined"}
		}
		from := rapid.IntRange(0, len(tokens)-1).Draw(t, "from")
		tokens = tokens[from : from+rapid.IntRange(1, min(3, len(tokens)-from)).Draw(t, "tokens")]
		if rapid.IntRange(0, 3).Draw(t, "other") == 0 {
			tokens = []string{tokens[0], "card"}
		}
		return search.Words{Tokens: tokens, Prefix: rapid.Bool().Draw(t, "prefix")}
	}
	term := search.Term{Field: rapid.SampledFrom(search.Fields()).Draw(t, "field")}
	switch term.Field {
	case search.FieldLabel:
		term.Path = []string{rapid.SampledFrom([]string{"k", "k2", "k3", "a.b", "none"}).Draw(t, "label")}
	case search.FieldParam:
		term.Path = rapid.SampledFrom([][]string{{"n"}, {"deep", "s"}, {"deep", "list"}, {"deep", "list", "1"}, {"deep", "list", "3"}, {"deep"}, {"none"}}).Draw(t, "param")
	}
	closed := term.Field == search.FieldIs || term.Field == search.FieldHas
	if !closed && rapid.IntRange(0, 4).Draw(t, "present") == 0 {
		term.Any = []search.Value{{Op: search.Present}}
		return term
	}
	for range rapid.IntRange(1, 2).Draw(t, "values") {
		term.Any = append(term.Any, drawValue(t, all, term))
	}
	return term
}

func drawValue(t *rapid.T, all []*search.Record, term search.Term) search.Value {
	r := rapid.SampledFrom(all).Draw(t, "record")
	if term.Field.Kind() == search.KindTime {
		at, ok := r.Time(term.Field)
		if !ok {
			at = r.Received
		}
		at = at.Add(rapid.SampledFrom([]time.Duration{0, 1, -1, time.Hour, -time.Minute}).Draw(t, "off"))
		if rapid.Bool().Draw(t, "hour") {
			at = at.Truncate(time.Hour)
		}
		switch rapid.IntRange(0, 2).Draw(t, "ends") {
		case 0:
			return search.Value{Op: search.Times, From: at}
		case 1:
			return search.Value{Op: search.Times, Until: at}
		}
		return search.Value{Op: search.Times, From: at, Until: at.Add(time.Duration(rapid.Int64Range(1, int64(5*time.Hour)).Draw(t, "width")))}
	}
	ints := r.AppendInts(nil, term.Field, term.Path)
	if term.Field.Kind() == search.KindInt || len(ints) > 0 && rapid.Bool().Draw(t, "ints") {
		lo := int64(1)
		if len(ints) > 0 {
			lo = ints[0]
		}
		return search.Value{Op: search.Ints, Min: lo, Max: lo + rapid.Int64Range(0, 3).Draw(t, "width")}
	}
	if term.Field == search.FieldIP && rapid.Bool().Draw(t, "network") {
		return search.Value{Op: search.Network, Text: rapid.SampledFrom([]string{"192.0.2.0/24", "192.0.2.7/32", "0.0.0.0/0", "::/0"}).Draw(t, "net")}
	}
	values := append(r.AppendTexts(nil, term.Field, term.Path), "nothing")
	v := search.Value{Op: search.Equal, Text: values[0]}
	if term.Field.Kind() == search.KindWord {
		v.Text = rapid.SampledFrom(term.Field.Words()).Draw(t, "word")
		return v
	}
	if len(v.Text) > 1 && rapid.Bool().Draw(t, "begins") {
		return search.Value{Op: search.Prefix, Text: v.Text[:rapid.IntRange(1, len(v.Text)).Draw(t, "length")]}
	}
	return v
}
