package proof

import (
	"bytes"
	"fmt"
	"strconv"
	"time"
)

// MaxVia is the size limit of an entry's via member in bytes.
const MaxVia = 2 << 10

// MaxReason is the size limit of a stub's reason in bytes.
const MaxReason = 512

// An Entry is one leaf of a ledger: exactly one of an event, a seal, or a stub where an event could not be stored.
// All entries of a batch share ReceivedAt and Via and stand one after the other, the seal last.
type Entry struct {
	Seq        uint64     // index in the ledger, from 0
	ReceivedAt string     // when the ledger took it in; see FormatTime. Compares as text
	Via        []byte     // what the ledger knows of the sender: canonical bytes, see ParseVia. Aliases the input
	Event      []byte     // the emitter's exact bytes, or nil. Aliases the input
	Seal       *SealEntry // or nil
	Stub       *Stub      // or nil
}

// A SealEntry is a seal's place in the ledger.
type SealEntry struct {
	PrevSeq *uint64 // seq of the entry with this stream's previous seal; nil for the stream's first
	Note    []byte  // the signed seal, not yet opened; see OpenSeal. Its own copy, for in the entry it is escaped
}

// A Stub consumes stream numbers whose events are not in the ledger.
type Stub struct {
	Stream string // stream_id, a UUIDv7 in lower case
	First  uint64 // first stream_seq it stands for, from 1
	Last   uint64 // last stream_seq; equal to First for StubRefused
	Code   string // StubRefused or StubLost
	Leaf   Hash   // StubRefused: RFC 6962 leaf hash of the event's bytes, so that the seal's root can be recomputed
	Reason string // why, for people: plain text, at most MaxReason bytes, may be empty
}

// The codes of a stub.
const (
	StubRefused = "refused" // one event of a sealed batch could never be accepted; it stands in its place
	StubLost    = "lost"    // a declared loss, outside any batch
)

// timeLayout is RFC 3339 in UTC with nine fraction digits: thirty bytes, so that order of text is order of time.
const timeLayout = "2006-01-02T15:04:05.000000000Z"

// FormatTime returns t as entries write times. t must lie in the years 0 to 9999.
func FormatTime(t time.Time) string { return t.UTC().Format(timeLayout) }

// ParseTime is the strict inverse of FormatTime: it refuses other precisions, zones, leap seconds and dates that do not
// exist.
func ParseTime(s string) (time.Time, error) {
	if len(s) == len(timeLayout) {
		if t, err := time.Parse(timeLayout, s); err == nil && t.Format(timeLayout) == s {
			return t, nil
		}
	}
	return time.Time{}, malformed("time", "%s is not RFC 3339 in UTC with nine fraction digits and Z", clip(s))
}

// AppendEventEntry appends the entry of an event. It checks nothing, for the sake of the ledger's hot path: via must
// come from Via.Append, event must be the bytes of one JSON object that package event accepted, and the caller keeps
// the entry within MaxEntry. What it writes under these conditions ParseEntry accepts.
func AppendEventEntry(dst []byte, seq uint64, receivedAt string, via, event []byte) []byte {
	dst = appendEntryHead(dst, seq, receivedAt, via)
	dst = append(dst, `,"event":`...)
	dst = append(dst, event...)
	return append(dst, '}')
}

// AppendSealEntry appends the entry of a seal; the conditions are those of AppendEventEntry.
func AppendSealEntry(dst []byte, seq uint64, receivedAt string, via []byte, s SealEntry) []byte {
	dst = appendEntryHead(dst, seq, receivedAt, via)
	dst = append(dst, `,"seal":{"prev_seq":`...)
	if s.PrevSeq == nil {
		dst = append(dst, "null"...)
	} else {
		dst = strconv.AppendUint(dst, *s.PrevSeq, 10)
	}
	dst = append(dst, `,"note":`...)
	dst = appendString(dst, s.Note)
	return append(dst, "}}"...)
}

// AppendStubEntry appends the entry of a stub; the conditions are those of AppendEventEntry.
func AppendStubEntry(dst []byte, seq uint64, receivedAt string, via []byte, s Stub) []byte {
	dst = appendEntryHead(dst, seq, receivedAt, via)
	dst = append(dst, `,"stub":{"stream_id":`...)
	dst = appendString(dst, s.Stream)
	dst = append(dst, `,"first":`...)
	dst = strconv.AppendUint(dst, s.First, 10)
	dst = append(dst, `,"last":`...)
	dst = strconv.AppendUint(dst, s.Last, 10)
	dst = append(dst, `,"code":`...)
	dst = appendString(dst, s.Code)
	if s.Code == StubRefused {
		dst = append(dst, `,"leaf":"`...)
		dst = append(dst, s.Leaf.Hex()...)
		dst = append(dst, '"')
	}
	dst = append(dst, `,"reason":`...)
	dst = appendString(dst, s.Reason)
	return append(dst, "}}"...)
}

func appendEntryHead(dst []byte, seq uint64, receivedAt string, via []byte) []byte {
	dst = append(dst, `{"v":1,"seq":`...)
	dst = strconv.AppendUint(dst, seq, 10)
	dst = append(dst, `,"received_at":"`...)
	dst = append(dst, receivedAt...)
	dst = append(dst, `","via":`...)
	return append(dst, via...)
}

// Append appends e in its one encoding, under the conditions of AppendEventEntry. Exactly one of Event, Seal and Stub
// must be set.
func (e Entry) Append(dst []byte) []byte {
	switch {
	case e.Seal != nil:
		return AppendSealEntry(dst, e.Seq, e.ReceivedAt, e.Via, *e.Seal)
	case e.Stub != nil:
		return AppendStubEntry(dst, e.Seq, e.ReceivedAt, e.Via, *e.Stub)
	default:
		return AppendEventEntry(dst, e.Seq, e.ReceivedAt, e.Via, e.Event)
	}
}

// ParseEntry reads an entry, forward, member after member. It accepts exactly the bytes that Entry.Append writes. An
// event must be one balanced JSON object, so that nothing can be smuggled behind it; what it says is for package event
// to judge, as a seal is for OpenSeal. Errors wrap ErrMalformed.
func ParseEntry(b []byte) (Entry, error) { return parseEntry(b, true, nil) }

// An EnvelopeParser is ParseEntry for whoever reads the event anyway: it looks at everything but the event, and takes
// what stands before the entry's last brace for it. Where package event accepts these bytes, ParseEntry accepts the entry;
// where it does not, only ParseEntry tells whether the event is wrong or there is no entry at all.
//
// The entries of a batch share received_at and via, which it compares with those of the entry before and reads where they
// differ. It refers to the last entry that it was given, which must not change meanwhile. The zero value is ready; it is not
// safe for concurrent use.
type EnvelopeParser struct {
	head []byte // of the entry before: from behind seq to the end of via; nil where it was none
	at   string
	via  int // bytes of via, at the end of head
}

// Parse reads one entry.
func (p *EnvelopeParser) Parse(b []byte) (Entry, error) { return parseEntry(b, false, p) }

func parseEntry(b []byte, readEvent bool, before *EnvelopeParser) (Entry, error) {
	const what = "entry"
	if len(b) > MaxEntry {
		return Entry{}, malformed(what, "%d bytes, at most %d are allowed", len(b), MaxEntry)
	}
	var e Entry
	c := cursor{b: b}
	c.literal(`{"v":1,"seq":`)
	e.Seq = c.number(0, MaxSize-1)
	head := c.i
	if before != nil && before.head != nil && c.why == "" && bytes.HasPrefix(b[c.i:], before.head) {
		c.i += len(before.head)
		e.ReceivedAt, e.Via = before.at, b[c.i-before.via:c.i:c.i]
	} else {
		c.literal(`,"received_at":"`)
		at := c.take(len(timeLayout))
		c.literal(`","via":`)
		start := c.i
		c.via(nil)
		e.Via = b[start:c.i:c.i]
		if c.why == "" && !validTime(at) {
			return Entry{}, malformed(what, "received_at %s is not RFC 3339 in UTC with nine fraction digits and Z", clip(at))
		}
		e.ReceivedAt = string(at)
		if before != nil && c.why == "" {
			*before = EnvelopeParser{b[head:c.i], e.ReceivedAt, len(e.Via)}
		}
	}
	switch {
	case c.try(`,"event":`):
		if readEvent {
			e.Event = c.object()
		} else {
			e.Event = c.rest()
		}
	case c.try(`,"seal":{"prev_seq":`):
		s := new(SealEntry)
		if !c.try("null") {
			prev := c.number(0, MaxSize-1)
			s.PrevSeq = &prev
		}
		c.literal(`,"note":`)
		s.Note = c.text(MaxSeal, true)
		c.literal("}")
		if c.why == "" && s.PrevSeq != nil && *s.PrevSeq >= e.Seq {
			c.fail("prev_seq is not below seq")
		}
		e.Seal = s
	case c.try(`,"stub":{"stream_id":`):
		e.Stub = c.stub()
		c.literal("}")
	default:
		c.fail("want an event, a seal or a stub")
	}
	c.literal("}")
	if c.why == "" && c.i != len(b) {
		c.fail("bytes follow the entry")
	}
	if c.why != "" {
		return Entry{}, malformed(what, "at byte %d: %s", c.i, c.why)
	}
	return e, nil
}

func (c *cursor) stub() *Stub {
	s := new(Stub)
	id := c.text(36, false)
	if c.why == "" && !isUUIDv7(id) {
		c.fail("stream_id is not a UUIDv7 in lower case")
	}
	s.Stream = string(id)
	c.literal(`,"first":`)
	s.First = c.number(1, MaxSize)
	c.literal(`,"last":`)
	s.Last = c.number(s.First, MaxSize)
	c.literal(`,"code":`)
	switch {
	case c.try(`"` + StubRefused + `","leaf":"`):
		s.Code = StubRefused
		if s.First != s.Last {
			c.fail("a refused event is one event: first and last differ")
		}
		leaf, ok := parseHashHex(c.take(2 * HashSize))
		if !ok {
			c.fail("leaf is not 64 lower-case hexadecimal digits")
		}
		s.Leaf = leaf
		c.literal(`"`)
	case c.try(`"` + StubLost + `"`):
		s.Code = StubLost
	default:
		c.fail("code is neither refused nor lost")
	}
	c.literal(`,"reason":`)
	s.Reason = string(c.text(MaxReason, false))
	return s
}

// validTime reports whether b is a time as FormatTime writes it. It is time.Parse without its cost: an entry a
// microsecond is what a verifier has.
func validTime(b []byte) bool {
	if len(b) != len(timeLayout) {
		return false
	}
	for i, want := range []byte(timeLayout) {
		if digit := want >= '0' && want <= '9'; digit != (b[i] >= '0' && b[i] <= '9') || !digit && b[i] != want {
			return false
		}
	}
	two := func(i int) int { return int(b[i]-'0')*10 + int(b[i+1]-'0') }
	year, month, day := two(0)*100+two(2), two(5), two(8)
	if month < 1 || month > 12 || two(11) > 23 || two(14) > 59 || two(17) > 59 {
		return false
	}
	days := [...]int{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}[month-1]
	if month == 2 && year%4 == 0 && (year%100 != 0 || year%400 == 0) {
		days = 29
	}
	return day >= 1 && day <= days
}

// Check refuses an entry that Append would write in bytes which ParseEntry does not accept: for callers that build
// entries from outside values and are not on the hot path.
func (e Entry) Check() error {
	set := 0
	for _, is := range [...]bool{e.Event != nil, e.Seal != nil, e.Stub != nil} {
		if is {
			set++
		}
	}
	if set != 1 {
		return malformed("entry", "seq %d has %d of event, seal and stub, want one", e.Seq, set)
	}
	if _, err := ParseEntry(e.Append(nil)); err != nil {
		return fmt.Errorf("entry %d cannot be written: %w", e.Seq, err)
	}
	return nil
}
