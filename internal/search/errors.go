package search

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
)

// An Error says what is wrong with a query, where, and what may be meant. Its texts quote the query only escaped.
type Error struct {
	Query   string // as it was given: may hold anything
	At, End int    // the bytes of Query that are meant, At ≤ End ≤ len(Query)
	What    string // what is wrong
	Hint    string // what to write instead; may be empty
}

func (e *Error) Error() string {
	s := fmt.Sprintf("query, column %d: %s", utf8.RuneCountInString(e.Query[:e.At])+1, e.What)
	if e.Hint != "" {
		s += "; " + e.Hint
	}
	return s
}

// caretRoom is how many characters of a query are shown on each side of the place that is meant.
const caretRoom = 48

// Caret shows the place on two lines, the query and below it a caret, for a font in which all characters are of one
// width. No byte of the query that could move a cursor is in it.
func (e *Error) Caret() string {
	head, mid, tail := []rune(visible(e.Query[:e.At])), []rune(visible(e.Query[e.At:e.End])), []rune(visible(e.Query[e.End:]))
	if len(head) > caretRoom {
		head = append([]rune("…"), head[len(head)-caretRoom:]...)
	}
	if len(mid) > caretRoom {
		mid, tail = append(mid[:caretRoom:caretRoom], '…'), nil
	}
	if len(tail) > caretRoom {
		tail = append(tail[:caretRoom:caretRoom], '…')
	}
	return string(head) + string(mid) + string(tail) + "\n" + strings.Repeat(" ", len(head)) + strings.Repeat("^", max(len(mid), 1))
}

// visible replaces every space by a plain one, and what does not show itself by U+FFFD.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case event.Hidden(r) || !unicode.IsGraphic(r):
			return utf8.RuneError
		}
		return r
	}, s)
}

// nearest finds what of all a misspelled word may have been meant to be; "" where nothing is near.
func nearest(word string, all []string) string {
	best, least := "", len(word)/3+2 // one letter of a short word, two of a longer one
	least = min(least, 3)
	for _, candidate := range all {
		if d := distance(word, candidate); d < least {
			best, least = candidate, d
		}
	}
	return best
}

// distance counts the letters that must be put in, left out, replaced or swapped with their neighbour to make b of a.
func distance(a, b string) int {
	const most = 64 // a longer word is not a misspelled one
	if len(a) > most || len(b) > most {
		return most
	}
	var older, old, row [most + 1]int
	for j := range len(b) + 1 {
		row[j] = j
	}
	for i := range len(a) {
		older, old = old, row
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(old[j]+cost, old[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
	}
	return row[len(b)]
}
