package event

import "strconv"

// MaxDraft bounds a draft, in bytes: what an event cannot hold of it is cut when
// it is written.
const MaxDraft = 1 << 20

// ParseDraft reads an event that is not whole yet: a JSON object with members of
// stet.event/1, as a person or a script writes it. What is missing is for a
// Recorder to fill in. White space between tokens is allowed, and strings are
// what is meant, raw: Append redacts, escapes and cuts them as it does those of
// a Go program, and refuses what it refuses there with the same error. Refused
// here, with a *Error, is only what an Event cannot carry: other members, other
// types, numbers out of range, ids and times that are none, a key twice.
func ParseDraft(b []byte) (*Event, error) {
	s := &scanner{draft: true, event: &Event{}}
	if len(b) > MaxDraft {
		return nil, s.fail(ErrTooLarge, "is "+strconv.Itoa(len(b))+" bytes, at most "+strconv.Itoa(MaxDraft)+" are allowed", "shorten params, labels or snapshots")
	}
	s.b = compact(b)
	if err := s.object(root, s.event); err != nil {
		return nil, err
	}
	if s.i != len(s.b) {
		return nil, s.fail(ErrSyntax, "has bytes behind the closing brace", "write one event")
	}
	if s.unknowns > 0 {
		if n, _ := minorOf([]byte(s.event.Schema)); n == 0 {
			return nil, s.fail(ErrUnknown, "is not a member of stet.event/1", "names match in exact case; put your own data into labels or job.params").
				within(string(safeName(s.names[0].decode())))
		}
	}
	return s.event, nil
}

// compact takes the white space of RFC 8259 from between tokens, and leaves it
// where two would become one: the scanner refuses it there.
func compact(b []byte) []byte {
	out := make([]byte, 0, len(b))
	quoted := false
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case quoted && c == '\\' && i+1 < len(b):
			out = append(out, c)
			i++
			c = b[i]
		case c == '"':
			quoted = !quoted
		case !quoted && isSpace(c):
			next := i + 1
			for next < len(b) && isSpace(b[next]) {
				next++
			}
			apart := len(out) > 0 && next < len(b) && !ends(out[len(out)-1]) && !ends(b[next])
			i = next - 1
			if !apart {
				continue
			}
		}
		out = append(out, c)
	}
	return out
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
