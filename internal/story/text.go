package story

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
)

// The one escaper. A parsed event already carries the escape of SCHEMA "Sanitising", in which a backslash always begins
// an escape, and that is the form shown: what is on the screen is what is in the ledger, and nothing is escaped twice.
// An event that was never encoded gets the same form here. What is then still not printable (a code point that is not
// assigned or for private use, and whatever a broken reader let through) becomes \u{N}, which package event never writes.

// plain returns s with everything escaped that a terminal could act on or a reader could not see. escaped says that s
// carries the event's own escape, so that its backslashes stay as they are.
func plain(s string, escaped bool) string {
	if !escaped {
		s = event.Sanitize(s)
	}
	if !strings.ContainsFunc(s, func(r rune) bool { return r == utf8.RuneError || !unicode.IsGraphic(r) }) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		case unicode.IsGraphic(r):
			b.WriteRune(r)
		default:
			fmt.Fprintf(&b, `\u{%x}`, r)
		}
		i += n
	}
	return b.String()
}

// words turns one event's strings into text.
type words struct{ escaped bool }

func wordsOf(e *event.Event) words { return words{e.Escaped} }

// text is s, safe, for a place that is labelled as the event's own words.
func (w words) text(s string) string { return plain(s, w.escaped) }

// name is s for the middle of a sentence: bare where it is one word, quoted where it could be taken for ours.
func (w words) name(s string) string {
	s = w.text(s)
	if isName(s) && !ours(s) {
		return s
	}
	return quote(s)
}

// ours reports whether a word is one that stet itself says of people it cannot name.
func ours(s string) bool {
	return strings.EqualFold(s, "somebody") || strings.EqualFold(s, "nobody")
}

// phrase is s for the end of a sentence: bare where it is plain words, quoted where it could be taken for another
// sentence.
func (w words) phrase(s string) string {
	s = w.text(s)
	if isPhrase(s) {
		return s
	}
	return quote(s)
}

// quote cannot be closed from inside: read from the left, a backslash of the text is always part of an escape, so the one
// that stands before a quotation mark is ours.
func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `\"`) + `"` }

func isName(s string) bool {
	for _, r := range s {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("._@:/+-#", r) {
			return false
		}
	}
	return s != "" && endsInWord(s)
}

func isPhrase(s string) bool {
	for i, r := range s {
		switch {
		case unicode.IsLetter(r), unicode.IsDigit(r), strings.ContainsRune("_@/+-#%=", r):
		case r == '\'':
		case strings.ContainsRune(".,:;!?", r): // inside a word (1.5, 10:30) or, where no sentence or item ends, after one
			if next := s[i+1:]; next == "" || r != ',' && r != ':' && next[0] == ' ' {
				return false
			}
		case r == ' ':
			if i == 0 || s[i-1] == ' ' {
				return false
			}
		default:
			return false
		}
	}
	return s != "" && endsInWord(s)
}

func endsInWord(s string) bool {
	r, _ := utf8.DecodeLastRuneInString(s)
	return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '%'
}

// sentence ends clauses with exactly one full stop.
func sentence(s string) string { return strings.TrimRight(s, ".") + "." }
