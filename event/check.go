package event

import (
	"bytes"
	"math/bits"
	"strconv"
	"time"
)

// Codec checks and writes events by the table and a catalogue. The zero value
// has the built-in catalogue, accepts unknown event types and keeps identities
// in the clear. A Codec is not changed by its methods.
type Codec struct {
	Catalogue *Catalogue // nil: the built-in one
	// Strict refuses event types that the catalogue does not have.
	Strict bool
	// IdentityKey, where set, replaces user_id, principal.id,
	// principal.on_behalf_of.id and source_ip by their HMAC. Keep at least 32
	// random bytes secret: an IP address is quickly guessed.
	IdentityKey []byte
	// RefuseSecrets lets Check refuse events with a secret or personal data in
	// plaintext, as the encoder would have masked them. For a clean event it costs half
	// as much again and does not allocate; where there is something to mask, a list of
	// texts in job.params (which may be a command line) or a JSON escape, it costs the
	// encoder's work.
	RefuseSecrets bool
}

// Ref is what a ledger or an index needs of a checked event. The byte slices
// alias the event, but for strings that were written with JSON escapes.
type Ref struct {
	EventID, StreamID UUID
	StreamSeq         uint64
	Timestamp         time.Time
	AppID             []byte
	Environment       []byte // nil where null
	EventType         []byte
	InteractionID     []byte
	JobID, RunID      []byte // nil where there is none
	Severity          Severity
	Security          bool
	Documented        bool // the catalogue has this type
	Reserved          bool // only a store's or server's own key may raise this type
	Minor             int  // N of stet.event/1.N
}

// Check scans one event, somebody else's exact bytes, against the whole schema.
// It keeps nothing, changes nothing, and does not allocate for an event whose
// strings need no JSON escapes, whose maps have at most 16 keys, and whose members
// are all known. Refusals are *Error.
func (c *Codec) Check(b []byte) (Ref, error) {
	var s scanner
	s.b, s.look = b, c.RefuseSecrets
	if err := c.check(&s, nil); err != nil {
		return Ref{}, err
	}
	ref := s.facts.ref()
	ref.Documented, ref.Reserved = s.known, s.typ.Reserved
	if s.suspect {
		if err := c.secrets(b); err != nil {
			return Ref{}, err
		}
	}
	return ref, nil
}

// Parse decodes one event as strictly as Check does with the built-in
// catalogue. Strings keep their escape of hidden characters, so that they may be
// shown, and Escaped is set, so that Append writes the same bytes again.
func Parse(b []byte) (*Event, error) {
	return (&Codec{}).Parse(b)
}

// Parse decodes one event as strictly as Check, by c's catalogue.
func (c *Codec) Parse(b []byte) (*Event, error) {
	s := &scanner{b: b, event: &Event{Escaped: true}}
	if err := c.check(s, s.event); err != nil {
		return nil, err
	}
	return s.event, nil
}

// check is Check without the conversion; it returns a typed error so that a nil
// one stays nil.
func (c *Codec) check(s *scanner, parent any) error {
	if len(s.b) > MaxBytes {
		return s.fail(ErrTooLarge, "is "+strconv.Itoa(len(s.b))+" bytes, at most "+strconv.Itoa(MaxBytes)+" are allowed", "shorten params, labels or snapshots")
	}
	if err := s.object(root, parent); err != nil {
		return err
	}
	if s.i != len(s.b) {
		return s.fail(ErrSyntax, "has bytes behind the closing brace", "send one event, without a line end")
	}
	if err := s.rules(c); err != nil {
		return err
	}
	return nil
}

// rules checks what holds between fields.
func (s *scanner) rules(c *Codec) *Error {
	fa := &s.facts
	// Everything else hangs on these.
	if miss := root.core &^ fa.seen[root.id]; miss != 0 {
		f := root.fields[bits.TrailingZeros64(miss)]
		if fa.excused(f.path) {
			return s.fail(ErrExcuse, "is excused, but must be there", "").within(f.path)
		}
		return s.fail(ErrMissing, "is not there", "every event must have it").within(f.path)
	}
	if len(s.unknowns) > 0 {
		if n, _ := minorOf(fa.slots[slotSchema].decode()); n == 0 {
			return s.fail(ErrUnknown, "is not a member of stet.event/1", "names match in exact case; put your own data into labels or job.params").
				within(string(safeName(s.unknowns[0].decode())))
		}
	}
	name := fa.slots[slotType].decode()
	t, known := c.catalogue().lookup(name)
	s.typ, s.known = t, known
	if !known && c.Strict {
		return s.fail(ErrUnknownType, notInCatalogue, addToCatalogue).within("event_type")
	}
	if err := fa.missing(t, func(f *field, path string, hard, soft bool) *Error {
		switch {
		case soft || !hard && fa.excused(path):
			return nil
		case f != nil && fa.null[f.object]>>f.bit&1 == 1:
			return s.fail(ErrNull, "is null and not excused", "say why in absent").within(path)
		case hard:
			return s.fail(ErrMissing, "is not there", "events of this type must have it").within(path)
		}
		return s.fail(ErrMissing, "is not there", "give it, or write null and say why in absent").within(path)
	}); err != nil {
		return err
	}
	for i := range fa.null {
		if fa.null[i] == 0 {
			continue
		}
		for _, f := range objects[i].fields {
			if fa.null[i]>>f.bit&1 == 1 && !fa.excused(f.path) {
				return s.fail(ErrNull, "is null and not excused", "leave it out, or say why in absent").within(f.path)
			}
		}
	}
	if known {
		if fa.severity > int64(t.Severity) {
			return s.fail(ErrLowered, "is less severe than its type's "+strconv.Itoa(int(t.Severity)), "an event may raise its type's severity, not lower it").within("severity")
		}
		if t.Security && !fa.security {
			return s.fail(ErrLowered, "is false, but its type is security relevant", "").within("security")
		}
	}
	return s.contradictions(t)
}

// contradictions refuses what cannot be true at once. Wall clocks may run
// backwards, and then the event must say that its clock is not to be trusted.
func (s *scanner) contradictions(t *Type) *Error {
	fa := &s.facts
	started, ended := fa.slots[slotStarted], fa.slots[slotEnded]
	if before(ended, started) && !fa.doubtful() {
		return s.fail(ErrContradicts, "is before timing.started_at", "where the clock was set back, clock.confidence is low").within("timing.ended_at")
	}
	if before(fa.slots[slotLast], fa.slots[slotFirst]) && !fa.doubtful() {
		return s.fail(ErrContradicts, "is before repeat.first", "where the clock was set back, clock.confidence is low").within("repeat.last")
	}
	if t.status != "" && !fa.slots[slotStatus].is(t.status) {
		return s.fail(ErrContradicts, "is not "+t.status+", as the event's type says", "").within("status")
	}
	if p := fa.slots[slotPhase]; t.phase != "" && p.n > 0 && !p.is(t.phase) {
		return s.fail(ErrContradicts, "is not "+t.phase+", as the event's type says", "").within("job.phase")
	}
	return nil
}

// doubtful tells whether the emitter itself does not vouch for its clock.
func (fa *facts) doubtful() bool {
	c := fa.slots[slotConfidence]
	return c.n == 0 || c.is("low") || c.is("unknown")
}

// before compares two times, which have one length and sort as text.
func before(a, b text) bool {
	return a.n == timeLen && b.n == timeLen && bytes.Compare(a.decode(), b.decode()) < 0
}

func (fa *facts) ref() Ref {
	get := func(s slot) []byte {
		if fa.slots[s].n == 0 {
			return nil
		}
		return fa.slots[s].decode()
	}
	r := Ref{
		EventID:       fa.eventID,
		StreamID:      fa.streamID,
		StreamSeq:     uint64(fa.seq),
		AppID:         get(slotApp),
		Environment:   get(slotEnvironment),
		EventType:     get(slotType),
		InteractionID: get(slotInteraction),
		JobID:         get(slotJobID),
		RunID:         get(slotRun),
		Severity:      Severity(fa.severity),
		Security:      fa.security,
	}
	r.Timestamp, _ = parseTime(get(slotTimestamp))
	r.Minor, _ = minorOf(get(slotSchema))
	return r
}

func setOther(p any, b []byte) {
	switch p := p.(type) {
	case *UUID:
		*p, _ = parseUUID(b)
	case *time.Time:
		*p, _ = parseTime(b)
	}
}
