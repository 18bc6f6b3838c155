package search

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
)

func TestTokens(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"", ""},
		{"Card declined: 4711!", "card declined 4711"},
		{"job_failed/shop-2", "job failed shop 2"},
		{"uid:0@web1", "uid 0 web1"},
		{"STRASSE Straße ÄÖ", "strasse straße äö"},
		{"nai\u0308ve", "nai\u0308ve"}, // a mark belongs to its letter
		{"任务失败了 ok", "任 务 失 败 了 ok"},
		{"abc漢def", "abc 漢 def"},
		{"٣٤ ½", "٣٤ ½"},
		{`C:\dir\new`, `c dir new`},
		{"line\nnext\ttab\x1b[31mred\u202eevil\U000e0041x\xffy", "line next tab 31mred evil x y"},
	} {
		if got := strings.Join(AppendTokens(nil, event.Sanitize(c.text)), " "); got != c.want {
			t.Errorf("%q: %q, want %q", c.text, got, c.want)
		}
	}
}

// However a text is written, the tokens are those of what the application wrote, and splitting them again changes nothing.
func FuzzTokens(f *testing.F) {
	for _, s := range []string{"", "Card declined", `C:\dir\new`, "任务失败了", "a\u0308\u200bb", "İIıi", "ǅ ß\xff", `\`, `\u00`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		tokens := AppendTokens(nil, event.Sanitize(raw))
		if got, want := " "+strings.Join(tokens, " ")+" ", tokensOf(event.Sanitize(raw)); got != want && len(tokens) > 0 {
			t.Fatalf("%q: %q, want %q", raw, got, want)
		}
		if again := AppendTokens(nil, strings.Join(tokens, " ")); !slices.Equal(again, tokens) {
			t.Fatalf("%q: %q and then %q", raw, tokens, again)
		}
		AppendTokens(nil, raw) // also of what no event holds
	})
}

func TestResolve(t *testing.T) {
	now := time.Date(2026, 3, 2, 12, 0, 0, 0, time.FixedZone("", 3600))
	for typed, want := range map[string]string{
		"":                               "",
		"since:1d":                       "after:2026-03-01T11:00Z",
		"a OR -(since:2h b)":             "a OR -(after:2026-03-02T09:00Z b)",
		"since:36500d":                   "after:1970-01-01",
		"actor:alice after:2026-01-01 x": "actor:alice after:2026-01-01 x",
	} {
		q := mustParse(t, typed)
		before := q.String()
		if got := q.Resolve(now).String(); got != want {
			t.Errorf("%s: %s, want %s", typed, got, want)
		}
		if q.String() != before {
			t.Errorf("%s was changed to %s", before, q)
		}
	}
}

func TestBounds(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 3, day, 0, 0, 0, 0, time.UTC) }
	all := Query{}.Bounds()
	for typed, want := range map[string]Bounds{
		"":                                    all,
		"actor:alice":                         all,
		"seq:5..9":                            {First: 5, Last: 9},
		"seq:5..9,20 job:x":                   {First: 5, Last: 20},
		"seq:>4 seq:<8":                       {First: 5, Last: 7},
		"seq:5 OR seq:7":                      all,
		"-seq:5..9":                           all,
		"seq:*":                               all,
		"after:2026-03-01":                    {Last: all.Last, From: at(1)},
		"after:2026-03-01 before:2026-03-04":  {Last: all.Last, From: at(1), Until: at(4)},
		"received:2026-03-01,2026-03-03":      {Last: all.Last, From: at(1), Until: at(4)},
		"received:2026-03-01,<2026-02-01":     {Last: all.Last, Until: at(2)},
		"received:2026-03-02,>=2026-03-01":    {Last: all.Last, From: at(1)},
		"before:2026-03-04 before:2026-03-02": {Last: all.Last, Until: at(2)},
		"time:2026-03-01":                     all, // an event's claim bounds nothing
	} {
		if diff := cmp.Diff(want, mustParse(t, typed).Bounds()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", typed, diff)
		}
	}
}

// TestPhrases: words in quotes are found one behind the other in one text, the last of them also by its beginning.
func TestPhrases(t *testing.T) {
	for _, c := range []struct {
		query, text string
		want        bool
	}{
		{`"card declined"`, "the Card, declined", true},
		{`"card declined"`, "the card was declined", false},
		{`"card declined"`, "the bank declined", false},
		{`"card declined"`, "declined card", false},
		{`"card declined"`, "card", false},
		{`"card declined"`, "card declinedly", false},
		{`"card was declined"`, "a card was declined today", true},
		{`"card was declined"`, "a card is declined today", false},
		{`declin*`, "the card was declined", true},
		{`eclin*`, "the card was declined", false},
	} {
		m := NewMatcher(mustParse(t, c.query), time.Unix(0, 0))
		if got := m.Match(&Record{Event: &event.Event{Description: c.text}}); got != c.want {
			t.Errorf("%s finds %q: %v, want %v", c.query, c.text, got, c.want)
		}
	}
}
