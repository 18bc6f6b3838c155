package search

import (
	"strings"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
)

// Generators of queries in normal form, as Parse gives them.

func drawQuery(t *rapid.T) Query {
	if rapid.IntRange(0, 19).Draw(t, "empty") == 0 {
		return Query{}
	}
	return Query{drawNode(t, 3, "")}
}

// drawNode draws a node that may stand directly in an And, an Or, or anywhere.
func drawNode(t *rapid.T, depth int, in string) Node {
	kinds := []string{"term", "term", "term", "words"}
	if depth > 0 {
		for _, k := range []string{"and", "or", "not"} {
			if k != in {
				kinds = append(kinds, k)
			}
		}
	}
	switch kind := rapid.SampledFrom(kinds).Draw(t, "node"); kind {
	case "and":
		return And(drawNodes(t, depth-1, kind))
	case "or":
		return Or(drawNodes(t, depth-1, kind))
	case "not":
		return Not{drawNode(t, depth-1, "")}
	case "words":
		text := drawText(t)
		tokens := AppendTokens(nil, text)
		if len(tokens) == 0 {
			tokens = []string{"word"}
		}
		return Words{Tokens: tokens, Prefix: rapid.Bool().Draw(t, "prefix")}
	default:
		return drawTerm(t)
	}
}

func drawNodes(t *rapid.T, depth int, in string) []Node {
	all := make([]Node, rapid.IntRange(2, 3).Draw(t, "children"))
	for i := range all {
		all[i] = drawNode(t, depth, in)
	}
	return all
}

// drawText draws a short text in the form in which events hold text.
func drawText(t *rapid.T) string {
	raw := rapid.OneOf(
		rapid.SampledFrom([]string{"alice", "bob", "Alice", "a b", "a,b", `CORP\nora`, "x\ny", "a*", "*", `say "no"`, "(1)", ">5", "5..9", "-", "OR", "ab", "a",
			"失败了", "Straße", "naïve", "\u202eevil", "\xff", "a.b", "/srv/x", "“q”", "5", "true", "purge-old", "192.0.2.7"}),
		rapid.StringN(1, 6, 20),
	).Draw(t, "text")
	return event.Sanitize(raw)
}

func drawTerm(t *rapid.T) Term {
	f := rapid.SampledFrom(Fields()).Draw(t, "field")
	term := Term{Field: f}
	if fields[f].path {
		term.Path = []string{drawText(t)}
		for f == FieldParam && rapid.Bool().Draw(t, "deeper") && len(term.Path) < 4 {
			term.Path = append(term.Path, drawText(t))
		}
	}
	if f != FieldIs && f != FieldHas && rapid.IntRange(0, 5).Draw(t, "present") == 0 {
		term.Any = []Value{{Op: Present}}
		return term
	}
	if f == FieldReceived && rapid.IntRange(0, 3).Draw(t, "ago") == 0 {
		term.Any = []Value{{Op: Ago, Ago: time.Duration(rapid.Int64Range(1, int64(maxAgo/time.Second)).Draw(t, "seconds")) * time.Second}}
		return term
	}
	for range rapid.IntRange(1, 3).Draw(t, "values") {
		term.Any = append(term.Any, drawValue(t, f))
	}
	return term
}

func drawValue(t *rapid.T, f Field) Value {
	switch f.Kind() {
	case KindWord:
		return Value{Op: Equal, Text: rapid.SampledFrom(f.Words()).Draw(t, "word")}
	case KindInt:
		return drawInts(t, f)
	case KindTime:
		return drawTimes(t)
	case KindIP:
		return rapid.SampledFrom([]Value{
			{Op: Equal, Text: "192.0.2.7"}, {Op: Equal, Text: "2001:db8::1"}, {Op: Prefix, Text: "192.0."}, {Op: Prefix, Text: "2001:"},
			{Op: Network, Text: "192.0.2.0/24"}, {Op: Network, Text: "2001:db8::/32"}, {Op: Network, Text: "0.0.0.0/0"},
			{Op: Equal, Text: hmacPrefix + "0badcafe:00"},
		}).Draw(t, "ip")
	}
	if f == FieldParam && rapid.IntRange(0, 3).Draw(t, "ints") == 0 {
		return drawInts(t, f)
	}
	v := Value{Op: rapid.SampledFrom([]Op{Equal, Prefix}).Draw(t, "op"), Text: drawText(t)}
	if f == FieldEvent {
		v.Text = rapid.SampledFrom([]string{"job_failed", "job_succeeded", "job_lost", "sensitive_read", "own_type", "job_"}).Draw(t, "type")
	}
	return v
}

func drawInts(t *rapid.T, f Field) Value {
	lo, hi := fields[f].lo, fields[f].hi
	near := rapid.OneOf(rapid.Int64Range(max(lo, -10), min(hi, 10)), rapid.SampledFrom([]int64{lo, hi}), rapid.Int64Range(lo, hi))
	a, b := near.Draw(t, "a"), near.Draw(t, "b")
	return Value{Op: Ints, Min: min(a, b), Max: max(a, b)}
}

func drawTimes(t *rapid.T) Value {
	v := Value{Op: Times}
	switch rapid.IntRange(0, 2).Draw(t, "ends") {
	case 0:
		v.From = drawTime(t)
	case 1:
		v.Until = drawTime(t)
	default:
		if v.From = drawTime(t); !v.From.Before(latest) {
			v.From = earliest
		}
		v.Until = drawTime(t)
		if !v.From.Before(v.Until) {
			v.Until = v.From.Add(time.Nanosecond)
		}
	}
	return v
}

func drawTime(t *rapid.T) time.Time {
	unit := rapid.SampledFrom([]time.Duration{time.Nanosecond, time.Second, time.Minute, time.Hour, day}).Draw(t, "unit")
	near := rapid.Int64Range(int64(20000*day), int64(20060*day)) // weeks of 2024
	at := rapid.OneOf(near, near, rapid.Int64Range(0, int64(latest.Sub(earliest)))).Draw(t, "time")
	return earliest.Add(time.Duration(at)).Truncate(unit)
}

// short cuts what a query prints to a length that Parse takes.
func short(q Query) bool {
	return len(q.String()) <= MaxBytes && strings.Count(q.String(), ":")+1 <= MaxTerms
}
