package intake

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/redact"
)

// Bounds of an original among the labels of its event, below those of SCHEMA: 64 of them, of 8 KiB together.
const (
	wholeLabels = 7 << 10 // bytes of JSON
	leastLabels = 512     // with less no original is left
	restRoom    = 2 << 10 // of these, for what has no label of its own, where something has not
	maxLabels   = 60
)

// labelRest is the label that holds, as JSON, the values of an original that have no label of their own.
const labelRest = "stet.original"

// original puts a record's values among the labels of its event, each under its path, so that it is found, and masked where its name
// says so. What does not fit stands together under one label, cut where even that is too much, which Sanitized says.
func (r *Record) original(e *event.Event, room int) {
	all := slices.DeleteFunc(slices.Clone(r.Fields.Leaves), convert.Leaf.Void)
	total := 0
	for _, l := range all {
		total += labelLen(l)
	}
	if total > room || len(all) > maxLabels {
		room -= restRoom
	}
	labels, rest := map[string]string{}, convert.Record{}
	var rules []string
	for _, l := range all {
		_, twice := labels[l.Key]
		if n := labelLen(l); !twice && l.Key != "" && len(l.Key) <= event.MaxKeyBytes && len(labels) < maxLabels && n <= room {
			labels[l.Key] = l.Text
			room -= n
			continue
		}
		safe, found := masked(l)
		rest.Leaves = append(rest.Leaves, safe)
		rules = append(rules, found...)
	}
	e.Labels = labels
	if len(rest.Leaves) == 0 {
		return
	}
	text := string(rest.Append(nil))
	short := fit(text, max(room, 0)+restRoom-2*len(labelRest))
	if short != text {
		e.Sanitized = append(e.Sanitized, event.Sanitized{Path: "labels." + labelRest, OriginalLen: uint64(len(text))})
	}
	slices.Sort(rules)
	for _, rule := range slices.Compact(rules) {
		e.Redactions = append(e.Redactions, event.Redaction{Path: "labels." + labelRest, Rule: rule, Action: "masked"})
	}
	labels[labelRest] = short
}

// masked is a value without secrets, and under which rules what was one.
func masked(l convert.Leaf) (_ convert.Leaf, rules []string) {
	if rule, hit := redact.Key(l.Key); hit && !redact.Void(l.Text) {
		l.Text, rules = redact.Mask(rule), append(rules, rule)
	}
	for _, text := range []*string{&l.Key, &l.Text} {
		safe, finds := redact.Text(*text)
		*text = safe
		for _, f := range finds {
			rules = append(rules, f.Rule)
		}
	}
	return l, rules
}

// labelLen is how many bytes of JSON a value has as a label.
func labelLen(l convert.Leaf) int { return jsonLen(l.Key) + jsonLen(l.Text) + 2 }

// jsonLen is how many bytes of JSON a text has in an event.
func jsonLen(s string) int {
	safe := event.Sanitize(s)
	return len(safe) + 2 + strings.Count(safe, `"`) + strings.Count(safe, `\`)
}

// fit cuts a text at a rune's boundary so that it has at most so many bytes of JSON.
func fit(s string, most int) string {
	if jsonLen(s) <= most {
		return s
	}
	const mark = "…"
	low, high := 0, min(len(s), most) // as long as low fits, and high does not
	for low < high-1 {
		n := (low + high) / 2
		if jsonLen(s[:n]) <= most-len(mark) {
			low = n
		} else {
			high = n
		}
	}
	for low > 0 && !utf8.RuneStart(s[low]) {
		low--
	}
	return s[:low] + mark
}
