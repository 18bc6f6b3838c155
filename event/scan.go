package event

import (
	"encoding/binary"
	"math/bits"
	"net/netip"
	"strconv"
	"unicode/utf8"

	"github.com/stetlog/stet/internal/redact"
)

// maxMinor bounds N of "stet.event/1.N".
const maxMinor = 9999

// text is a JSON string as it stands in an event.
type text struct {
	raw     []byte // between the quotes
	n       int    // bytes once decoded
	escaped bool   // raw holds backslashes
}

// scanner reads compact JSON forward, once, and keeps only offsets. With a
// parent it also decodes, which is Parse.
type scanner struct {
	b        []byte
	i        int
	facts    facts
	unknowns []text // names of the root's unknown members, for a newer minor
	event    *Event // where Parse keeps unknown members; nil in Check
	spare    *spare // of a Reader; or nil
	draft    bool   // see ParseDraft
	look     bool   // for secrets, see inspect
	suspect  bool   // there may be one
	typ      *Type  // of the event, from the catalogue
	known    bool   // the catalogue has it
}

func (s *scanner) fail(c Refusal, detail, hint string) *Error {
	return &Error{Code: string(c), Detail: detail, Hint: hint, Offset: s.i}
}

func (s *scanner) eat(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

func (s *scanner) syntax(want string) *Error {
	if s.i >= len(s.b) {
		return s.fail(ErrSyntax, "ends where "+want+" should follow", "send whole events")
	}
	return s.fail(ErrSyntax, "has no "+want+" at byte "+strconv.Itoa(s.i), "events are compact JSON without white space between tokens")
}

// within puts the name of an outer field before the path of an error.
func (e *Error) within(name string) *Error {
	switch {
	case e.Path == "":
		e.Path = name
	case e.Path[0] == '[':
		e.Path = name + e.Path
	default:
		e.Path = name + "." + e.Path
	}
	return e
}

// expect consumes a name and its colon where they stand as the encoder writes
// them: a row of the table, spelt without escapes, not before those that came.
// Nearly all do, and are compared, a word at a time, and not scanned; nil leaves
// the rest to find.
func (s *scanner) expect(o *object, next *int) *field {
	b := s.b[s.i:]
	if len(b) < 8 {
		return nil
	}
	word := binary.LittleEndian.Uint64(b)
	for i := *next; i < len(o.heads); i++ {
		if h := &o.heads[i]; word&h.mask == h.word && len(b) >= h.size && string(b[8:max(h.size, 8)]) == h.rest {
			*next = i + 1
			s.i += h.size
			return o.fields[i]
		}
	}
	return nil
}

// find returns the row called raw. Members mostly come in the table's order, so
// the search goes on where the last one ended.
func (o *object) find(raw []byte, next *int) *field {
	for i := *next; i < len(o.fields); i++ {
		if f := o.fields[i]; f.name == string(raw) {
			*next = i + 1
			return f
		}
	}
	for i, f := range o.fields[:*next] {
		if f.name == string(raw) {
			*next = i + 1
			return f
		}
	}
	return nil
}

func (s *scanner) object(o *object, parent any) *Error {
	if !s.eat('{') {
		return s.wrongType("an object")
	}
	var seen, null uint64
	next := 0
	for first := true; ; first = false {
		if first && s.eat('}') {
			break
		}
		f := s.expect(o, &next)
		if f == nil {
			var err *Error
			if f, err = s.member(o, &next); err != nil {
				return err
			}
		}
		switch {
		case f == nil: // unknown, and kept
		case (seen|null)>>f.bit&1 == 1:
			return s.fail(ErrDuplicate, "is there twice", "write every member once").within(f.name)
		case s.literal("null"):
			null |= 1 << f.bit
		default:
			seen |= 1 << f.bit
			if err := s.value(f, parent); err != nil {
				return err.within(f.name)
			}
		}
		if s.eat(',') {
			continue
		}
		if s.eat('}') {
			break
		}
		return s.syntax("comma or closing brace")
	}
	s.facts.seen[o.id], s.facts.null[o.id] = seen, null
	if o.id == 0 || s.draft {
		return nil
	}
	if miss := o.core &^ seen; miss != 0 {
		return s.fail(ErrMissing, "is not there", "this member is what makes its object mean something").within(o.fields[bits.TrailingZeros64(miss)].name)
	}
	return nil
}

// member scans a name and its colon, whatever they are. It returns nil for an
// unknown member of the root, which it scans to its end.
func (s *scanner) member(o *object, next *int) (*field, *Error) {
	name, err := s.text()
	if err != nil {
		return nil, err
	}
	raw := name.raw
	if name.escaped {
		raw = name.decode()
	}
	f := o.find(raw, next)
	if !s.eat(':') {
		return nil, s.syntax("colon")
	}
	switch {
	case f == nil && o.id == 0:
		if err := s.unknown(name); err != nil {
			return nil, err.within(string(safeName(raw)))
		}
	case f == nil:
		return nil, s.fail(ErrUnknown, "is not a member of this object", "names match in exact case; newer minor schemas add members at the top only").
			within(string(safeName(raw)))
	}
	return f, nil
}

func safeName(raw []byte) []byte { return raw[:min(len(raw), MaxKeyBytes)] }

// wrongType tells another JSON type from broken JSON.
func (s *scanner) wrongType(want string) *Error {
	if s.i < len(s.b) {
		switch c := s.b[s.i]; {
		case c == '{', c == '[', c == '"', c == '-', c >= '0' && c <= '9', c == 't', c == 'f', c == 'n':
			return s.fail(ErrType, "is not "+want, "")
		}
	}
	return s.syntax(want)
}

func (s *scanner) literal(word string) bool {
	if len(s.b)-s.i >= len(word) && string(s.b[s.i:s.i+len(word)]) == word {
		s.i += len(word)
		return true
	}
	return false
}

func (s *scanner) unknown(name text) *Error {
	if len(s.unknowns) == MaxKeys {
		return s.fail(ErrKeys, "too many members that this version does not know", "")
	}
	for _, n := range s.unknowns {
		if n.equal(name) {
			return s.fail(ErrDuplicate, "is there twice", "write every member once")
		}
	}
	if name.n > MaxKeyBytes {
		return s.tooLong(name.n, MaxKeyBytes)
	}
	s.unknowns = append(s.unknowns, name)
	start := s.i
	if err := s.any(MaxParamsDepth, false, nil); err != nil {
		return err
	}
	if s.event != nil {
		s.event.Unknown = append(s.event.Unknown, Member{string(name.decode()), string(s.b[start:s.i])})
	}
	return nil
}

func (s *scanner) tooLong(n int, limit int64) *Error {
	return s.fail(ErrTooLong, "is "+strconv.Itoa(n)+" bytes, at most "+strconv.FormatInt(limit, 10)+" are allowed",
		"cut it, and say so in sanitized")
}

// value scans one member's value; parent is nil unless it is to be decoded.
func (s *scanner) value(f *field, parent any) *Error {
	start := s.i
	switch f.kind {
	case kindObject:
		var p any
		if parent != nil {
			p = s.open(f, parent)
		}
		return s.object(f.sub, p)
	case kindList:
		return s.list(f, parent)
	case kindTexts:
		return s.texts(f, parent)
	case kindMap, kindReason, kindCounts:
		return s.pairs(f, parent)
	case kindParams:
		if s.i >= len(s.b) || s.b[s.i] != '{' {
			return s.wrongType("an object")
		}
		var p map[string]any
		if parent != nil {
			p = make(map[string]any)
			*f.at(parent).(*map[string]any) = p
		}
		if err := s.any(s.most(MaxParamsDepth, draftDepth), true, p); err != nil {
			return err
		}
		if n := s.i - start; n > f.size && !s.draft {
			return s.fail(ErrTooLarge, "is "+strconv.Itoa(n)+" bytes of JSON, at most "+strconv.Itoa(f.size)+" are allowed", "")
		}
		s.facts.params = s.b[start:s.i]
		return nil
	case kindInt:
		n, err := s.integer()
		if err != nil {
			return err
		}
		if n < f.min || n > f.max {
			return s.fail(ErrRange, "is not in "+strconv.FormatInt(f.min, 10)+" to "+strconv.FormatInt(f.max, 10), "")
		}
		s.facts.number(f.slot, n)
		if parent != nil {
			setInt(f.at(parent), n)
		}
		return nil
	case kindBool:
		v := s.literal("true")
		if !v && !s.literal("false") {
			return s.wrongType("true or false")
		}
		if v {
			s.facts.number(f.slot, 1)
		}
		if parent != nil {
			switch p := f.at(parent).(type) {
			case *bool:
				*p = v
			case **bool:
				*p = new(v)
			}
		}
		return nil
	}
	t, err := s.text()
	if err != nil {
		if err.Code == string(ErrSyntax) && start < len(s.b) && s.b[start] != '"' {
			return s.wrongType("a string")
		}
		return err
	}
	raw := t.raw
	if t.escaped && f.kind > kindIdentity {
		raw = t.decode()
	}
	if s.draft && f.kind == kindTime {
		return s.anyTime(f, parent, raw)
	}
	if !s.draft || f.kind == kindUUID {
		if err := s.form(f, raw, t.n); err != nil {
			return err
		}
	}
	if f.kind <= kindID {
		s.inspect(t)
		if f.path == "references[].kind" {
			s.promises(t)
		}
	}
	if f.slot != slotNone {
		s.facts.slots[f.slot] = t
	}
	if parent != nil {
		s.setText(f.at(parent), t)
	}
	return nil
}

func setInt(p any, n int64) {
	switch p := p.(type) {
	case *int64:
		*p = n
	case **int64:
		*p = &n
	case *uint64:
		*p = uint64(n)
	case **uint64:
		u := uint64(n)
		*p = &u
	case **Severity:
		v := Severity(n)
		*p = &v
	}
}

// What a core member must not be: the values that are Go's for a text or a time that was not given.
const (
	saysNothing = "is empty"
	zeroTime    = "0001-01-01T00:00:00.000000000Z"
)

// form checks a string against its row; raw is decoded but for free text.
func (s *scanner) form(f *field, raw []byte, n int) *Error {
	switch f.kind {
	case kindText, kindID, kindIdentity:
		if int64(n) > f.max {
			return s.tooLong(n, f.max)
		}
		if n == 0 && f.need == core {
			return s.fail(ErrMissing, saysNothing, "") // as it is for the encoder, which cannot tell it from none
		}
		return nil
	case kindName:
		if int64(n) > f.max {
			return s.tooLong(n, f.max)
		}
	case kindEnum:
		for _, v := range f.enum {
			if v == string(raw) {
				return nil
			}
		}
		return s.fail(ErrEnum, "is not one of the allowed values", "see docs/spec/event.md")
	case kindSchema:
		if _, ok := minorOf(raw); !ok {
			return s.fail(ErrSchema, "is not stet.event/1 or stet.event/1.N", "")
		}
		return nil
	case kindTime:
		if f.need == core && string(raw) == zeroTime {
			return s.fail(ErrMissing, saysNothing, "")
		}
		if validTime(raw) {
			return nil
		}
	case kindUUID:
		if u, ok := parseUUID(raw); ok && u.IsV7() {
			switch f.slot {
			case slotEventID:
				s.facts.eventID = u
			case slotStream:
				s.facts.streamID = u
			}
			return nil
		}
	}
	if why := malformed(f, raw); why != "" {
		return s.fail(ErrFormat, why, "")
	}
	return nil
}

// minorOf returns N of "stet.event/1.N", 0 for "stet.event/1".
func minorOf(raw []byte) (int, bool) {
	if len(raw) < len(SchemaV1) || string(raw[:len(SchemaV1)]) != SchemaV1 {
		return 0, false
	}
	raw = raw[len(SchemaV1):]
	if len(raw) == 0 {
		return 0, true
	}
	if len(raw) < 2 || len(raw) > 5 || raw[0] != '.' || raw[1] == '0' {
		return 0, false
	}
	n := 0
	for _, c := range raw[1:] {
		if c-'0' > 9 {
			return 0, false
		}
		n = n*10 + int(c-'0')
	}
	return n, n <= maxMinor
}

// malformed says what is wrong with a string of a restricted form, or "".
func malformed[B []byte | string](f *field, v B) string {
	switch f.kind {
	case kindName:
		if f.slot == slotType {
			if !validTypeName(v) {
				return "does not match ^[a-z][a-z0-9_]*$"
			}
		} else if !validAppID(v) {
			return "does not match ^[A-Za-z0-9._-]+$"
		}
	case kindTime:
		if len(v) != timeLen {
			return "is not a time such as 2026-01-02T15:04:05.000000000Z"
		}
		var b [timeLen]byte
		copy(b[:], v)
		if !validTime(b[:]) {
			return "is not a time such as 2026-01-02T15:04:05.000000000Z"
		}
	case kindUUID:
		if len(v) != 36 {
			return "is not a UUID of 36 lower-case characters"
		}
		var b [36]byte
		copy(b[:], v)
		if u, ok := parseUUID(b[:]); !ok || !u.IsV7() {
			return "is not a UUID of version 7 in 36 lower-case characters"
		}
	case kindIP:
		if !validIP(v) {
			return "is not a canonical IP address"
		}
	case kindSource:
		if !validIP(v) && !validHMAC(v) {
			return "is neither a canonical IP address nor hmac-sha256:id:hex"
		}
	case kindDigest:
		if !validSHA256(v) && !validHMAC(v) {
			return "is neither sha256:hex nor hmac-sha256:id:hex"
		}
	case kindHMAC:
		if !validHMAC(v) {
			return "is not hmac-sha256:id:hex"
		}
	case kindHex:
		if int64(len(v)) != f.max || !isHex(v) {
			return "is not " + strconv.FormatInt(f.max, 10) + " lower-case hex digits"
		}
		if f.min > 0 {
			zero := true
			for i := 0; i < len(v); i++ {
				zero = zero && v[i] == '0'
			}
			if zero {
				return "is all zero, which means no id"
			}
		}
	}
	return ""
}

func isHex[B []byte | string](v B) bool {
	for i := 0; i < len(v); i++ {
		if hexValue[v[i]] > 15 {
			return false
		}
	}
	return true
}

func validTypeName[B []byte | string](v B) bool {
	for i := 0; i < len(v); i++ {
		c := v[i]
		if (c < 'a' || c > 'z') && (i == 0 || (c < '0' || c > '9') && c != '_') {
			return false
		}
	}
	return len(v) > 0
}

func validAppID[B []byte | string](v B) bool {
	for i := 0; i < len(v); i++ {
		c := v[i]
		if (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(v) > 0
}

// validIP accepts the one spelling that netip writes; an address with a zone
// names an interface of one machine and is no source.
func validIP[B []byte | string](v B) bool {
	if len(v) == 0 || len(v) > 45 {
		return false
	}
	if plainIPv4(v) {
		return true
	}
	var buf [48]byte
	a, err := netip.ParseAddr(string(v))
	return err == nil && a.Zone() == "" && string(a.AppendTo(buf[:0])) == string(v)
}

// plainIPv4 recognises the common case without an allocation.
func plainIPv4[B []byte | string](v B) bool {
	parts, n, digits := 0, 0, 0
	for i := 0; i <= len(v); i++ {
		if i == len(v) || v[i] == '.' {
			if digits == 0 || n > 255 {
				return false
			}
			parts++
			n, digits = 0, 0
			continue
		}
		c := v[i] - '0'
		if c > 9 || digits > 0 && n == 0 || digits == 3 {
			return false
		}
		n, digits = n*10+int(c), digits+1
	}
	return parts == 4
}

func validSHA256[B []byte | string](v B) bool {
	const p = "sha256:"
	return len(v) == len(p)+64 && string(v[:len(p)]) == p && isHex(v[len(p):])
}

// validHMAC checks hmac-sha256:<8 hex of the key's id>:<64 hex>.
func validHMAC[B []byte | string](v B) bool {
	const p = "hmac-sha256:"
	return len(v) == len(p)+8+1+64 && string(v[:len(p)]) == p &&
		isHex(v[len(p):len(p)+8]) && v[len(p)+8] == ':' && isHex(v[len(p)+9:])
}

func (s *scanner) setText(p any, t text) {
	switch p := p.(type) {
	case *string:
		*p = s.string(t)
	default:
		setOther(p, t.decode())
	}
}

func (s *scanner) list(f *field, parent any) *Error {
	if !s.eat('[') {
		return s.wrongType("an array")
	}
	if s.eat(']') {
		return nil
	}
	for i := 0; ; i++ {
		if int64(i) == f.max {
			return s.fail(ErrItems, "has more than "+strconv.FormatInt(f.max, 10)+" elements", "")
		}
		var p any
		if parent != nil {
			_, p = f.list(parent, i)
		}
		if err := s.object(f.sub, p); err != nil {
			return err.within("[" + strconv.Itoa(i) + "]")
		}
		if nulls := s.facts.null[f.sub.id]; nulls != 0 {
			name := f.sub.fields[bits.TrailingZeros64(nulls)].name
			return s.fail(ErrNull, "is null", "leave it out").within(name).within("[" + strconv.Itoa(i) + "]")
		}
		if s.eat(']') {
			return nil
		}
		if !s.eat(',') {
			return s.syntax("comma or closing bracket")
		}
	}
}

func (s *scanner) texts(f *field, parent any) *Error {
	if !s.eat('[') {
		return s.wrongType("an array")
	}
	if s.eat(']') {
		return nil
	}
	for i := 0; ; i++ {
		if int64(i) == f.max {
			return s.fail(ErrItems, "has more than "+strconv.FormatInt(f.max, 10)+" elements", "")
		}
		if s.i < len(s.b) && s.b[s.i] != '"' {
			return s.wrongType("a string").within("[" + strconv.Itoa(i) + "]")
		}
		t, err := s.text()
		if err == nil && t.n > f.size && !s.draft {
			err = s.tooLong(t.n, int64(f.size))
		}
		if err != nil {
			return err.within("[" + strconv.Itoa(i) + "]")
		}
		s.inspect(t)
		if parent != nil {
			p := f.at(parent).(*[]string)
			*p = append(*p, s.string(t))
		}
		if s.eat(']') {
			return nil
		}
		if !s.eat(',') {
			return s.syntax("comma or closing bracket")
		}
	}
}

// pairs scans a map of one level: texts, reasons or integers.
func (s *scanner) pairs(f *field, parent any) *Error {
	start := s.i
	if !s.eat('{') {
		return s.wrongType("an object")
	}
	most := int(f.max)
	if f.kind != kindReason {
		most = s.most(most, draftKeys)
	}
	var first [fewKeys]text
	keys := first[:0]
	for !s.eat('}') {
		if len(keys) > 0 && !s.eat(',') {
			return s.syntax("comma or closing brace")
		}
		if len(keys) == most {
			return s.fail(ErrKeys, "has more than "+strconv.Itoa(most)+" keys", "")
		}
		k, err := s.key(keys)
		if err != nil {
			return err
		}
		keys = append(keys, k)
		if f.kind != kindReason {
			s.inspect(k)
		}
		if f.name == "labels" {
			s.promises(k)
		}
		if f.kind == kindCounts {
			v, err := s.integer()
			if err != nil {
				return err.within(string(safeName(k.raw)))
			}
			if parent != nil {
				p := f.at(parent).(*map[string]int64)
				if *p == nil {
					*p = make(map[string]int64)
				}
				(*p)[string(k.decode())] = v
			}
			continue
		}
		if s.i < len(s.b) && s.b[s.i] != '"' {
			return s.wrongType("a string").within(string(safeName(k.raw)))
		}
		v, err := s.text()
		if err != nil {
			return err.within(string(safeName(k.raw)))
		}
		if f.kind == kindMap {
			s.inspect(v)
		}
		if f.kind == kindReason {
			raw := v.raw
			if v.escaped {
				raw = v.decode()
			}
			known := false
			for _, e := range f.enum {
				known = known || e == string(raw)
			}
			if !known && !s.draft {
				return s.fail(ErrEnum, "is not one of the allowed reasons", "see docs/spec/event.md").within(string(safeName(k.raw)))
			}
			s.facts.excuse(k)
		}
		if parent != nil {
			p := f.at(parent).(*map[string]string)
			if *p == nil {
				*p = make(map[string]string)
			}
			(*p)[s.string(k)] = s.string(v)
		}
	}
	if f.size > 0 && s.i-start > f.size && !s.draft {
		return s.fail(ErrTooLarge, "is "+strconv.Itoa(s.i-start)+" bytes of JSON, at most "+strconv.Itoa(f.size)+" are allowed", "")
	}
	if f.name == "labels" {
		s.facts.labels = s.b[start:s.i]
	}
	return nil
}

// fewKeys are what a map has without an allocation for what it has had.
const fewKeys = 16

// key scans `"key":` and refuses one that is among those before it.
func (s *scanner) key(before []text) (text, *Error) {
	k, err := s.text()
	if err != nil {
		return k, err
	}
	if k.n > MaxKeyBytes && !s.draft {
		return k, s.tooLong(k.n, MaxKeyBytes).within(string(safeName(k.raw)))
	}
	for i := range before {
		if before[i].equal(k) {
			return k, s.fail(ErrDuplicate, "is there twice", "write every key once").within(string(safeName(k.raw)))
		}
	}
	if !s.eat(':') {
		return k, s.syntax("colon")
	}
	return k, nil
}

// any scans free JSON. With decode, members of the outermost object go to into
// and deeper values are built.
func (s *scanner) any(depth int, decode bool, into map[string]any) *Error {
	_, err := s.build(depth, decode && into != nil, into)
	return err
}

func (s *scanner) build(depth int, decode bool, into map[string]any) (any, *Error) {
	if s.i >= len(s.b) {
		return nil, s.syntax("a value")
	}
	switch c := s.b[s.i]; {
	case c == '"':
		t, err := s.text()
		if err != nil {
			return nil, err
		}
		s.inspect(t)
		s.promises(t) // {"name":"DB_PASSWORD","value":"…"}
		if !decode {
			return nil, nil
		}
		return s.string(t), nil
	case c == '{':
		if depth == 0 {
			return nil, s.fail(ErrDepth, "is nested more than "+strconv.Itoa(MaxParamsDepth)+" deep", "")
		}
		return s.buildObject(depth, decode, into)
	case c == '[':
		if depth == 0 {
			return nil, s.fail(ErrDepth, "is nested more than "+strconv.Itoa(MaxParamsDepth)+" deep", "")
		}
		return s.buildArray(depth, decode)
	case s.literal("true"):
		return true, nil
	case s.literal("false"):
		return false, nil
	case s.literal("null"):
		return nil, nil
	case s.draft && (c == '-' || c-'0' <= 9):
		return s.number()
	case c == '-' || c-'0' <= 9:
		start := s.i
		n, err := s.integer()
		if err != nil {
			return nil, err
		}
		if n <= -100_000_000 || n >= 100_000_000 { // it may be somebody's card, see encoder.int
			s.inspect(text{raw: s.b[start:s.i]})
		}
		if !decode {
			return nil, nil
		}
		return n, nil
	}
	return nil, s.syntax("a value")
}

func (s *scanner) buildObject(depth int, decode bool, into map[string]any) (any, *Error) {
	s.i++
	if decode && into == nil {
		into = make(map[string]any)
	}
	var first [fewKeys]text
	keys, most := first[:0], s.most(MaxKeys, draftKeys)
	for !s.eat('}') {
		if len(keys) > 0 && !s.eat(',') {
			return nil, s.syntax("comma or closing brace")
		}
		if len(keys) == most {
			return nil, s.fail(ErrKeys, "has more than "+strconv.Itoa(most)+" keys", "")
		}
		k, err := s.key(keys)
		if err != nil {
			return nil, err
		}
		keys = append(keys, k)
		s.inspect(k)
		s.promises(k)
		v, err := s.build(depth-1, decode, nil)
		if err != nil {
			return nil, err.within(string(safeName(k.raw)))
		}
		if decode {
			into[s.string(k)] = v
		}
	}
	if !decode {
		return nil, nil
	}
	return into, nil
}

func (s *scanner) buildArray(depth int, decode bool) (any, *Error) {
	s.i++
	var list []any
	if decode {
		list = []any{}
	}
	for n := 0; !s.eat(']'); n++ {
		if n > 0 && !s.eat(',') {
			return nil, s.syntax("comma or closing bracket")
		}
		if s.look && s.i < len(s.b) && s.b[s.i] == '"' {
			s.suspect = true // it may be a command line, in which one word says what the next one is
		}
		v, err := s.build(depth-1, decode, nil)
		if err != nil {
			return nil, err.within("[" + strconv.Itoa(n) + "]")
		}
		if decode {
			list = append(list, v)
		}
	}
	if !decode {
		return nil, nil
	}
	return list, nil
}

// integer scans a number of JSON that is an integer with |n| ≤ 2^53−1. -0 is
// refused: it would come back as 0.
func (s *scanner) integer() (int64, *Error) {
	start := s.i
	negative := s.eat('-')
	digits := s.i
	var n int64
	for s.i < len(s.b) && s.b[s.i]-'0' <= 9 {
		if s.i-digits < 17 {
			n = n*10 + int64(s.b[s.i]-'0')
		}
		s.i++
	}
	count := s.i - digits
	switch {
	case count == 0:
		if negative {
			return 0, s.syntax("digit")
		}
		return 0, s.wrongType("a number")
	case s.b[digits] == '0' && (count > 1 || negative):
		s.i = start
		return 0, s.fail(ErrNumber, "has a leading zero or is -0", "write integers plainly")
	case s.i < len(s.b) && (s.b[s.i] == '.' || s.b[s.i]|0x20 == 'e'):
		s.i = start
		return 0, s.fail(ErrNumber, "is not an integer", "write fractions as strings, or in a smaller unit")
	case count > 16 || n > MaxInt:
		s.i = start
		return 0, s.fail(ErrNumber, "is beyond 2^53−1", "write it as a string")
	}
	if negative {
		n = -n
	}
	return n, nil
}

// text scans a string. It stops only at bytes that need a look, which it finds
// eight at a time, and the last few by the class table that redaction uses.
func (s *scanner) text() (text, *Error) {
	if !s.eat('"') {
		return text{}, s.syntax("string")
	}
	start := s.i
	b := s.b
	i := s.i
	for len(b)-i >= 8 {
		if at := stops(binary.LittleEndian.Uint64(b[i:])); at != 0 {
			i += bits.TrailingZeros64(at) / 8
			break
		}
		i += 8
	}
	for i < len(b) && redact.Class(b[i])&redact.Stop == 0 {
		i++
	}
	s.i = i
	if i < len(b) && b[i] == '"' {
		s.i++
		return text{raw: b[start:i], n: i - start}, nil
	}
	return s.slowText(start)
}

// every has one byte in all eight of a word.
const every = 0x0101010101010101

// stops sets the highest bit of a byte of word that is one of redact.Stop; of
// those behind the first it may set more. Sums do not reach into the next byte
// while bytes are below 0x80, and 0x80 itself is one to stop at.
func stops(word uint64) uint64 {
	const low = every * 0x7f
	plain := (word + every*0x60) & // not below 0x20
		(word ^ every*'"' + low) & // not the quote
		(word ^ every*'\\' + low) // not the backslash
	return (word | (word + every) | ^plain) & (every * 0x80)
}

func (s *scanner) slowText(start int) (text, *Error) {
	n := s.i - start
	escaped := false
	for s.i < len(s.b) {
		c := s.b[s.i]
		if c == '"' {
			s.i++
			return text{raw: s.b[start : s.i-1], n: n, escaped: escaped}, nil
		}
		r, size := rune(c), 1
		switch {
		case c == '\\':
			escaped = true
			var err *Error
			if r, size, err = s.escape(); err != nil {
				return text{}, err
			}
		case c >= utf8.RuneSelf:
			r, size = utf8.DecodeRune(s.b[s.i:])
			if r == utf8.RuneError && size == 1 {
				return text{}, s.fail(ErrUTF8, "holds a byte that is not UTF-8", `write it as \xNN, escaped: see "Sanitising"`)
			}
		}
		if c < 0x20 || !s.draft && (c == 0x7f || (c >= utf8.RuneSelf || c == '\\') && Hidden(r)) {
			return text{}, s.fail(ErrControl, "holds the character U+"+hex4(r), `escape what does not show itself: see "Sanitising"`)
		}
		n += utf8.RuneLen(r)
		s.i += size
	}
	return text{}, s.syntax("closing quote")
}

func hex4(r rune) string {
	h := strconv.FormatInt(int64(r), 16)
	for len(h) < 4 {
		h = "0" + h
	}
	return h
}

// escape reads the JSON escape at s.i.
func (s *scanner) escape() (rune, int, *Error) {
	r, size, ok := unescape(s.b[s.i:])
	if ok {
		return r, size, nil
	}
	if size > 0 {
		return 0, 0, s.fail(ErrUTF8, "holds a lone surrogate", "")
	}
	return 0, 0, s.syntax("valid escape")
}

// unescape decodes one escape of RFC 8259. A lone surrogate gives size > 0 and
// false, a broken escape size 0 and false.
func unescape(b []byte) (r rune, size int, ok bool) {
	if len(b) < 2 {
		return 0, 0, false
	}
	switch b[1] {
	case '"', '\\', '/':
		return rune(b[1]), 2, true
	case 'b':
		return '\b', 2, true
	case 'f':
		return '\f', 2, true
	case 'n':
		return '\n', 2, true
	case 'r':
		return '\r', 2, true
	case 't':
		return '\t', 2, true
	case 'u':
		r, ok := u16(b)
		if !ok {
			return 0, 0, false
		}
		if r < 0xd800 || r > 0xdfff {
			return r, 6, true
		}
		low, ok := u16(b[6:])
		if r > 0xdbff || !ok || low < 0xdc00 || low > 0xdfff {
			return 0, 6, false
		}
		return (r-0xd800)<<10 + (low - 0xdc00) + 0x10000, 12, true
	}
	return 0, 0, false
}

func u16(b []byte) (r rune, ok bool) {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	for _, c := range b[2:6] {
		v := c
		if v >= 'A' && v <= 'F' {
			v |= 0x20
		}
		if hexValue[v] > 15 {
			return 0, false
		}
		r = r<<4 | rune(hexValue[v])
	}
	return r, true
}

// decode returns the string's bytes; they alias the event unless it is escaped.
func (t text) decode() []byte {
	if !t.escaped {
		return t.raw
	}
	out := make([]byte, 0, t.n)
	for b := t.raw; len(b) > 0; {
		if b[0] != '\\' {
			out = append(out, b[0])
			b = b[1:]
			continue
		}
		r, size, _ := unescape(b)
		out = utf8.AppendRune(out, r)
		b = b[size:]
	}
	return out
}

// equal compares decoded strings.
func (t text) equal(u text) bool {
	if t.n != u.n {
		return false
	}
	if !t.escaped && !u.escaped {
		return string(t.raw) == string(u.raw)
	}
	return string(t.decode()) == string(u.decode())
}

func (t text) is(s string) bool {
	if t.n != len(s) {
		return false
	}
	if !t.escaped {
		return string(t.raw) == s
	}
	return string(t.decode()) == s
}
