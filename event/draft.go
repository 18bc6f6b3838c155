package event

import (
	"bytes"
	"math"
	"strconv"
	"time"
)

// MaxDraft bounds a draft, in bytes: what an event cannot hold of it is cut when
// it is written.
const MaxDraft = 1 << 20

// Limits of a draft beyond those of an event, which the encoder and the recorder
// have: only what would cost memory or time is refused here.
const (
	draftDepth = 32   // of job.params
	draftKeys  = 1024 // of one object or map
)

// ParseDraft reads an event that is not whole yet: a JSON object with members of
// stet.event/1, as a person or a script writes it. What is missing is for a
// Recorder to fill in. White space between tokens is allowed, and strings are
// what is meant, raw: Append redacts, escapes and cuts them as it does those of
// a Go program, and refuses what it refuses there with the same error. Times are
// any RFC 3339, and numbers in job.params may be fractions. Refused
// here, with a *Error, is only what an Event cannot carry: other members, other
// types, numbers out of range, ids and times that are none, a key twice.
func ParseDraft(b []byte) (*Event, error) {
	e, _, err := ReadDraft(b)
	return e, err
}

// ReadDraft is ParseDraft, and returns the draft without the white space between its tokens, which is the same for all
// that differ in nothing else.
func ReadDraft(b []byte) (e *Event, compacted []byte, err error) {
	s := &scanner{draft: true, event: &Event{}}
	if len(b) > MaxDraft {
		return nil, nil, s.fail(ErrTooLarge, "is "+strconv.Itoa(len(b))+" bytes, at most "+strconv.Itoa(MaxDraft)+" are allowed", "shorten params, labels or snapshots")
	}
	s.b = compact(b)
	if err := s.object(root, s.event); err != nil {
		return nil, nil, err
	}
	if s.i != len(s.b) {
		return nil, nil, s.fail(ErrSyntax, "has bytes behind the closing brace", "write one event")
	}
	if len(s.unknowns) > 0 {
		if n, _ := minorOf([]byte(s.event.Schema)); n == 0 {
			return nil, nil, s.fail(ErrUnknown, "is not a member of stet.event/1", "names match in exact case; put your own data into labels or job.params").
				within(string(safeName(s.unknowns[0].decode())))
		}
	}
	return s.event, s.b, nil
}

// compact takes the white space of RFC 8259 from between tokens, and leaves it
// where two would become one: the scanner refuses it there.
func compact(b []byte) []byte {
	out := make([]byte, 0, len(b))
	from := 0 // what is before it is in out
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			i = textEnd(b, i)
		case isSpace(c):
			out = append(out, b[from:i]...)
			next := i + 1
			for next < len(b) && isSpace(b[next]) {
				next++
			}
			if from = next; len(out) > 0 && next < len(b) && !ends(out[len(out)-1]) && !ends(b[next]) {
				from-- // they would become one
			}
			i = next - 1
		}
	}
	return append(out, b[from:]...)
}

// textEnd returns where the quote stands that ends the text which begins at b[i]; len(b) where there is none.
func textEnd(b []byte, i int) int {
	for i++; ; i++ {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		escapes := 0
		for escapes < n && b[i+n-1-escapes] == '\\' {
			escapes++
		}
		if i += n; escapes%2 == 0 {
			return i
		}
	}
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

// ends tells the characters of JSON that are tokens of their own.
func ends(c byte) bool {
	switch c {
	case '{', '}', '[', ']', ':', ',', '"':
		return true
	}
	return false
}

// most is a limit of the schema, or where the encoder enforces it the wider one that bounds memory.
func (s *scanner) most(strict, draft int) int {
	if s.draft {
		return draft
	}
	return strict
}

// anyTime reads any RFC 3339 time.
func (s *scanner) anyTime(f *field, parent any, raw []byte) *Error {
	t, err := time.Parse(time.RFC3339Nano, string(raw))
	if err != nil {
		return s.fail(ErrFormat, malformed(&field{kind: kindTime}, ""), "")
	}
	*f.at(parent).(*time.Time) = t
	return nil
}

// number reads any number of JSON that Go holds: an integer where it is one, else a fraction. What is beyond both stays
// text, as the encoder would write it.
func (s *scanner) number() (any, *Error) {
	start := s.i
	n, err := s.integer()
	if err == nil {
		return n, nil
	}
	for s.i = start; s.i < len(s.b); s.i++ {
		if c := s.b[s.i]; c-'0' > 9 && c != '-' && c != '+' && c != '.' && c|0x20 != 'e' {
			break
		}
	}
	word := string(s.b[start:s.i])
	if !jsonNumber(word) {
		s.i = start
		return nil, err
	}
	if i, perr := strconv.ParseInt(word, 10, 64); perr == nil && i != 0 {
		return i, nil
	}
	if u, perr := strconv.ParseUint(word, 10, 64); perr == nil && u != 0 {
		return u, nil
	}
	x, perr := strconv.ParseFloat(word, 64)
	switch {
	case perr != nil || math.IsInf(x, 0):
		s.i = start
		return nil, err
	case x == math.Trunc(x) && math.Abs(x) > MaxInt: // digits would be lost
		return word, nil
	}
	return x, nil
}

// jsonNumber tells whether a word of digits, signs, points and exponents is a number of RFC 8259. -0 is not taken: it
// would come back as 0.
func jsonNumber(w string) bool {
	digits := func() bool {
		n := 0
		for n < len(w) && w[n]-'0' <= 9 {
			n++
		}
		w = w[n:]
		return n > 0
	}
	if w == "-0" {
		return false
	}
	if w[0] == '-' {
		w = w[1:]
	}
	if len(w) > 1 && w[0] == '0' && w[1]-'0' <= 9 || !digits() {
		return false
	}
	if w != "" && w[0] == '.' {
		if w = w[1:]; !digits() {
			return false
		}
	}
	if w != "" && w[0]|0x20 == 'e' {
		if w = w[1:]; w != "" && (w[0] == '-' || w[0] == '+') {
			w = w[1:]
		}
		if !digits() {
			return false
		}
	}
	return w == ""
}
