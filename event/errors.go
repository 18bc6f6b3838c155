package event

// A Refusal is a code that names one reason for a refusal. Codes are part of
// the format: they stand in stubs and problems, and never change their meaning.
// Each is itself an error, so that errors.Is(err, event.ErrTooLong) decides.
type Refusal string

// The codes.
const (
	ErrSyntax      Refusal = "syntax"           // not compact JSON, or cut short
	ErrTooLarge    Refusal = "too_large"        // the whole event, params or labels exceed their bytes
	ErrDepth       Refusal = "too_deep"         // nested too deeply
	ErrKeys        Refusal = "too_many_keys"    // too many keys in an object
	ErrItems       Refusal = "too_many_items"   // too many elements in an array
	ErrDuplicate   Refusal = "duplicate_key"    // a key twice in one object
	ErrUTF8        Refusal = "invalid_utf8"     // not UTF-8, or a lone surrogate
	ErrControl     Refusal = "control_char"     // a decoded string holds a character of Cc, Cf, Zl or Zp
	ErrNumber      Refusal = "number"           // not an integer with |n| ≤ 2^53−1
	ErrRange       Refusal = "out_of_range"     // an integer outside what the field allows
	ErrSchema      Refusal = "schema"           // not a version of stet.event/1
	ErrUnknown     Refusal = "unknown_field"    // a member that this version does not have
	ErrType        Refusal = "wrong_type"       // another JSON type than the field's
	ErrTooLong     Refusal = "too_long"         // a string exceeds its bytes
	ErrEnum        Refusal = "not_in_list"      // not one of the values of a closed list
	ErrFormat      Refusal = "format"           // not a UUIDv7, time, IP, digest, hex or name as demanded
	ErrMissing     Refusal = "missing"          // a required field is neither there nor excused
	ErrNull        Refusal = "null"             // null without an excuse in absent, or where null has no meaning
	ErrExcuse      Refusal = "excuse"           // an excuse for a field that must be there
	ErrUnknownType Refusal = "unknown_type"     // event_type is not in the catalogue, and the catalogue is strict
	ErrLowered     Refusal = "severity_lowered" // less severe, or less of a security event, than its type
	ErrContradicts Refusal = "contradiction"    // two fields cannot both be true
	ErrCatalogue   Refusal = "catalogue"        // a catalogue file that does not hold
	ErrValue       Refusal = "unsupported"      // a Go value that has no form in an event (NaN, a channel)
	ErrSecret      Refusal = "secret"           // a secret or personal data in plaintext
)

// Error makes a code usable as a sentinel.
func (c Refusal) Error() string { return "event: " + string(c) }

// Refusals lists all codes in the order of the specification.
func Refusals() []Refusal {
	return []Refusal{ErrSyntax, ErrTooLarge, ErrDepth, ErrKeys, ErrItems, ErrDuplicate, ErrUTF8,
		ErrControl, ErrNumber, ErrRange, ErrSchema, ErrUnknown, ErrType, ErrTooLong, ErrEnum,
		ErrFormat, ErrMissing, ErrNull, ErrExcuse, ErrUnknownType, ErrLowered, ErrContradicts,
		ErrCatalogue, ErrValue, ErrSecret}
}

// Error is a refusal: what is wrong, where, and what to do about it. It never
// quotes the value it is about, which may be secret or hostile.
type Error struct {
	Code   string // one of the Refusal constants
	Path   string // of the field, such as job.params.limit or references[2].kind; "" is the whole event
	Detail string // what is wrong
	Hint   string // what to do next; may be ""
	Offset int    // byte in the event where the scanner stood; 0 from the encoder
}

// Error reads "event: job.name: too_long: is 200 bytes, at most 128 are allowed (hint)".
func (e *Error) Error() string {
	s := "event: "
	if e.Path != "" {
		s += e.Path + ": "
	}
	s += e.Code
	if e.Detail != "" {
		s += ": " + e.Detail
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap returns the code as a Refusal, for errors.Is.
func (e *Error) Unwrap() error { return Refusal(e.Code) }
