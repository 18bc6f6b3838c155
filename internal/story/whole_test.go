package story

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

// fataler is what a test, a property and a fuzz target have in common.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkWhole asserts that every event of the items has exactly one place in the story's tree.
func checkWhole(t fataler, items []Item, s Story) {
	t.Helper()
	places := make(map[*Entry]int)
	var put func(list []*Entry)
	put = func(list []*Entry) {
		for _, e := range list {
			places[e]++
			if places[e] > 1 {
				t.Fatalf("event %s stands in %d places", e.Event.EventID, places[e])
			}
			put(e.Corrections)
			put(e.Copies)
		}
	}
	put(s.Loose)
	for _, j := range s.all() {
		put(j.Own())
	}
	for _, e := range s.Events {
		if places[e] != 1 {
			t.Fatalf("event %s (%s) has no place in the story", e.Event.EventID, e.Event.EventType)
		}
	}
	if len(places) != len(s.Events) || len(order(items)) != len(s.Events) {
		t.Fatalf("%d events in, %d in order, %d placed", len(order(items)), len(s.Events), len(places))
	}
}

// checkPrintable asserts that nothing leaves but printable characters and the line feeds between our own lines.
func checkPrintable(t fataler, text string) {
	t.Helper()
	if !utf8.ValidString(text) {
		t.Fatalf("invalid UTF-8 leaves: %q", text)
	}
	for _, r := range text {
		if r != '\n' && (!unicode.IsGraphic(r) || unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp)) {
			t.Fatalf("%U leaves: %q", r, text)
		}
	}
}

// rows finds the references that stand in the column for them: one for each event that is written.
func rows(text string) []string {
	var refs []string
	for line := range strings.SplitSeq(text, "\n") {
		for _, f := range strings.Fields(line) {
			if len(f) > 1 && f[0] == '#' && strings.Trim(f[1:], "0123456789") == "" {
				refs = append(refs, f)
				break
			}
		}
	}
	return refs
}

func TestPlainIsInjective(t *testing.T) {
	seen := make(map[string]string)
	for _, s := range []string{"a", `\`, `\\`, `\n`, "\n", "\r", "\x1b", `\x1b`, "\u202e", `\u202e`, "\xff", `\xff`, "\ue000", `\u{e000}`, "é", "e\u0301"} {
		p := plain(s, false)
		if was, ok := seen[p]; ok {
			t.Errorf("%q and %q both read %s", was, s, p)
		}
		seen[p] = s
		checkPrintable(t, p)
	}
}
