package event

import (
	"bytes"
	"encoding/json"
	"strconv"
)

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
	var compact bytes.Buffer
	compact.Grow(len(b))
	if err := json.Compact(&compact, b); err != nil {
		return nil, s.fail(ErrSyntax, "is not JSON: "+err.Error(), "")
	}
	s.b = compact.Bytes()
	if err := s.object(root, s.event); err != nil {
		return nil, err
	}
	if s.unknowns > 0 {
		if n, _ := minorOf([]byte(s.event.Schema)); n == 0 {
			return nil, s.fail(ErrUnknown, "is not a member of stet.event/1", "names match in exact case; put your own data into labels or job.params").
				within(string(safeName(s.names[0].decode())))
		}
	}
	return s.event, nil
}
