package event

import "unsafe"

// A Reader parses events one after the other into memory that it uses again, for
// whoever is done with one before the next: an index, a count. It is not safe for
// concurrent use; the zero value is ready.
type Reader struct {
	scanner scanner
	event   Event
	spare   spare
}

// spare is what an event was decoded into, for the next one.
type spare struct {
	objects [objectCount]any // by number: what open made
}

// Parse is the function of that name. The event is good until the next call, and
// no longer than b stays as it is: its texts are parts of b.
func (r *Reader) Parse(b []byte) (*Event, error) {
	e := &r.event
	clear(e.Absent)
	clear(e.Derived)
	clear(e.Labels)
	*e = Event{Escaped: true, Absent: e.Absent, Derived: e.Derived, Labels: e.Labels,
		References: e.References[:0], Redactions: e.Redactions[:0], Sanitized: e.Sanitized[:0]}
	r.scanner = scanner{b: b, event: e, spare: &r.spare}
	if err := (&Codec{}).check(&r.scanner, e); err != nil {
		return nil, err
	}
	return e, nil
}

// open makes the struct behind an object's Go field.
func (s *scanner) open(f *field, parent any) any {
	if s.spare == nil {
		return f.open(parent, true)
	}
	used := &s.spare.objects[f.sub.id]
	if *used == nil {
		*used = f.open(parent, true)
	} else {
		f.again(parent, *used)
	}
	return *used
}

// string is a text as Go has it: a copy, but for a Reader, which lends the event's
// own bytes to texts that stand there as they are.
func (s *scanner) string(t text) string {
	if s.spare == nil || t.escaped || len(t.raw) == 0 {
		return string(t.decode())
	}
	return unsafe.String(&t.raw[0], len(t.raw))
}
