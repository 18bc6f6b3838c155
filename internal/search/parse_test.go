package search

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
)

func mustParse(t testing.TB, text string) Query {
	t.Helper()
	q, err := Parse(text)
	if err != nil {
		t.Fatalf("Parse(%q): %v", text, err)
	}
	return q
}

func TestPrintThenParseIsTheSameQuery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		q := drawQuery(t)
		if !short(q) {
			t.Skip("longer than a query may be")
		}
		text := q.String()
		got, err := Parse(text)
		if err != nil {
			t.Fatalf("Parse(%q): %v", text, err)
		}
		if diff := cmp.Diff(q, got); diff != "" {
			t.Fatalf("%q parses to another query (-made +parsed):\n%s", text, diff)
		}
	})
}

// What somebody types prints to something that means the same, and that prints to itself.
func FuzzParse(f *testing.F) {
	for _, c := range spellings {
		f.Add(c.typed)
	}
	for _, c := range wrong {
		f.Add(c.typed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		q, err := Parse(text)
		if err != nil {
			var e *Error
			if !errors.As(err, &e) {
				t.Fatalf("Parse(%q): %T", text, err)
			}
			if e.At > e.End || e.End > len(text) || e.What == "" || e.Query != text {
				t.Fatalf("Parse(%q): %+v points nowhere", text, e)
			}
			for _, said := range []string{e.Error(), strings.Replace(e.Caret(), "\n", "", 1)} {
				if !utf8.ValidString(said) || strings.ContainsFunc(said, event.Hidden) {
					t.Fatalf("Parse(%q) says %q, which a terminal would obey", text, said)
				}
			}
			return
		}
		printed := q.String()
		again, err := Parse(printed)
		if err != nil {
			t.Fatalf("Parse(%q) prints %q: %v", text, printed, err)
		}
		if diff := cmp.Diff(q, again); diff != "" {
			t.Fatalf("%q prints %q, which is another query:\n%s", text, printed, diff)
		}
		if again.String() != printed {
			t.Fatalf("%q prints %q and then %q", text, printed, again.String())
		}
	})
}
