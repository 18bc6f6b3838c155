package event

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"math/bits"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stetlog/stet/internal/redact"
)

// ellipsis ends a text that was cut.
const ellipsis = "…"

// Append writes e as one compact JSON event behind dst, members in the table's
// order and keys sorted, so that one event has one spelling. On the way it
//
//   - fills in what the catalogue says of the type, and excuses in absent what
//     is required and was not given,
//   - masks secrets and personal data, escapes what does not show itself, cuts
//     what is too long, and records each in redactions and sanitized,
//   - checks the outcome as Check does.
//
// It does not change e. On an error it returns dst as it was, and a *Error.
func (c *Codec) Append(dst []byte, e *Event) ([]byte, error) {
	return c.append(new(encoder), dst, e)
}

// Scratch is what writing an event needs in memory, some 5 KB, for whoever writes
// many. The zero value is ready. It serves one goroutine at a time. Between calls it
// holds on to nothing but texts in which there was nothing to mask: see redact.Memo.
type Scratch struct {
	w    encoder
	memo redact.Memo
}

// AppendWith is Append in memory that was used before.
func (c *Codec) AppendWith(x *Scratch, dst []byte, e *Event) ([]byte, error) {
	x.w.memo = &x.memo
	return c.append(&x.w, dst, e)
}

func (c *Codec) append(w *encoder, dst []byte, e *Event) ([]byte, error) {
	w.dst, w.codec, w.event = dst, c, *e
	w.marksR, w.marksS, w.facts = 0, 0, facts{}
	defer w.forget()
	if err := w.encode(); err != nil {
		return dst, err
	}
	var s scanner
	s.b = w.dst[len(dst):]
	if err := c.check(&s, nil); err != nil {
		return dst, err
	}
	return w.dst, nil
}

// forget drops what belongs to the caller.
func (w *encoder) forget() {
	w.dst, w.codec, w.typ, w.event, w.job, w.clock = nil, nil, nil, Event{}, Job{}, Clock{}
	clear(w.absent)
}

// encoder is one call of Append.
type encoder struct {
	dst   []byte
	codec *Codec
	event Event // a shallow copy: fields may be replaced, what they point to not
	typ   *Type
	memo  *redact.Memo // nil: none
	path  []step
	pathA [8]step

	absent []excuse // what absent will say

	found struct { // the last derived, see there
		of   map[string]string
		json []byte
	}

	job    Job // copies behind event's pointers, where something is filled in
	clock  Clock
	squash int // rounds of making job.params smaller
	marksR uint64
	marksS uint64
	facts  facts

	altered uint64 // texts that were masked, escaped or cut, in all calls
	chars   [64]byte
}

// excuse is a path in absent, and why.
type excuse struct{ path, why string }

type step struct {
	name  string
	index int // of an element, where name is ""
}

func (w *encoder) fail(c Refusal, detail, hint string) *Error {
	return &Error{Code: string(c), Path: w.where(), Detail: detail, Hint: hint}
}

func (w *encoder) where() string {
	var b []byte
	for _, p := range w.path {
		switch {
		case p.name == "":
			b = append(b, '[')
			b = strconv.AppendInt(b, int64(p.index), 10)
			b = append(b, ']')
		case len(b) > 0:
			b = append(b, '.')
			fallthrough
		default:
			b = append(b, p.name...)
		}
	}
	return string(b)
}

func (w *encoder) encode() error {
	w.path = w.pathA[:0]
	w.fill()
	e := &w.event
	w.facts.severity, w.facts.security, w.facts.event = int64(*e.Severity), e.Security, e
	w.survey(root, e)
	if e.Why != nil {
		w.facts.slots[slotTrigger] = word(w.chars[:0:32], e.Why.Trigger)
	}
	if e.Principal != nil {
		w.facts.slots[slotPrincipalType] = word(w.chars[32:32:64], e.Principal.Type)
	}
	if err := w.excuse(); err != nil {
		return err
	}
	// A record of one's own must not be shared with the caller's slice.
	e.Redactions, e.Sanitized = slices.Clip(e.Redactions), slices.Clip(e.Sanitized)
	if err := w.object(root, e); err != nil {
		return err
	}
	return nil
}

// fill puts in what the type says and the caller did not.
func (w *encoder) fill() {
	e := &w.event
	w.typ, _ = w.codec.catalogue().types[e.EventType]
	if w.typ == nil {
		w.typ = unknownType
	}
	if e.Schema == "" {
		e.Schema = SchemaV1
	}
	if e.Severity == nil {
		e.Severity = &w.typ.Severity
	}
	e.Security = e.Security || w.typ.Security
	if e.Description == "" {
		e.Description = w.typ.Description
		if !e.Escaped {
			e.Description = Sanitize(e.Description)
		}
	}
	if e.Status == "" {
		e.Status = w.typ.status
	}
	if e.Job != nil && e.Job.Phase == "" && w.typ.phase != "" {
		w.job = *e.Job
		w.job.Phase = w.typ.phase
		e.Job = &w.job
	}
	backwards := e.Timing != nil && !e.Timing.EndedAt.IsZero() && e.Timing.EndedAt.Before(e.Timing.StartedAt) ||
		e.Repeat != nil && e.Repeat.Last.Before(e.Repeat.First)
	if backwards && e.Clock != nil && e.Clock.Confidence != "low" && e.Clock.Confidence != "unknown" {
		w.clock = *e.Clock
		w.clock.Confidence = "low"
		e.Clock = &w.clock
		e.Derived = with(e.Derived, "clock.confidence", "the wall clock ran backwards")
	}
}

// with returns a copy of m that also has k.
func with(m map[string]string, k, v string) map[string]string {
	n := make(map[string]string, len(m)+4)
	for mk, mv := range m {
		n[mk] = mv
	}
	n[k] = v
	return n
}

// survey notes which fields of an object are given, and of those in it, and tells
// whether any is.
func (w *encoder) survey(o *object, parent any) bool {
	var seen uint64
	for _, f := range o.fields {
		if w.given(f, parent) {
			seen |= 1 << f.bit
		}
	}
	w.facts.seen[o.id] = seen
	return seen != 0
}

// word is a short text, kept in buf.
func word(buf []byte, s string) text {
	v := append(buf, s...)
	return text{raw: v, n: len(v)}
}

// given tells a given field from a zero one.
func (w *encoder) given(f *field, parent any) bool {
	switch f.kind {
	case kindObject:
		p := f.open(parent, false)
		return p != nil && w.survey(f.sub, p)
	case kindList:
		n, _ := f.list(parent, -1)
		return n > 0
	}
	return f.given(parent)
}

// excuse says what absent will say: what is required and was not given is named
// there, as not provided, and an excuse for what was given is dropped.
func (w *encoder) excuse() error {
	e := &w.event
	w.absent = w.absent[:0]
	for path, why := range e.Absent {
		if f := lookup(path); f == nil || !w.facts.has(f) {
			w.absent = append(w.absent, excuse{path, why})
		}
	}
	if err := w.facts.missing(w.typ, func(f *field, path string, hard, soft bool) *Error {
		if hard {
			return &Error{Code: string(ErrMissing), Path: path, Detail: "is not there", Hint: "events of type " + short(e.EventType) + " must have it"}
		}
		if w.excused(path) {
			return nil
		}
		why := AbsentNotProvided
		if f != nil && f.kind == kindIdentity && e.Principal != nil && e.Principal.Type == "unauthenticated" {
			why = AbsentUnauthenticated
		}
		w.absent = append(w.absent, excuse{path, why})
		return nil
	}); err != nil {
		return err
	}
	slices.SortFunc(w.absent, func(a, b excuse) int { return strings.Compare(a.path, b.path) })
	return nil
}

// excused tells whether absent will name path or an object that it is in.
func (w *encoder) excused(path string) bool {
	for i := range w.absent {
		if rest, ok := strings.CutPrefix(path, w.absent[i].path); ok && (rest == "" || rest[0] == '.') {
			return true
		}
	}
	return false
}

func short(s string) string { return Sanitize(s[:min(len(s), 64)]) }

// covered tells whether m names path or an object that it is in.
func covered(m map[string]string, path string) bool {
	if len(m) == 0 {
		return false
	}
	for i := 0; i <= len(path); i++ {
		if i == len(path) || path[i] == '.' {
			if _, ok := m[path[:i]]; ok {
				return true
			}
		}
	}
	return false
}

// object writes an object that was surveyed.
func (w *encoder) object(o *object, parent any) *Error {
	w.dst = append(w.dst, '{')
	comma := false
	seen := w.facts.seen[o.id]
	for left := seen | o.demanded | o.late; left != 0; left &= left - 1 {
		f := o.fields[bits.TrailingZeros64(left)]
		set := seen>>f.bit&1 == 1
		switch f.kind {
		case kindReason:
			set = len(w.absent) > 0
		case kindList:
			w.count(f)
			set = w.given(f, parent)
		}
		null := !set && f.need == always
		if !set && f.need == core {
			w.path = append(w.path, step{name: f.name})
			return w.fail(ErrMissing, "is not there", "this member is what makes its object mean something")
		}
		if !set && !null {
			continue
		}
		if comma {
			w.dst = append(w.dst, ',')
		}
		comma = true
		w.dst = append(w.dst, f.lead...)
		if null {
			w.dst = append(w.dst, "null"...)
			continue
		}
		w.path = append(w.path, step{name: f.name})
		if err := w.value(f, parent); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	if o.id == 0 {
		for _, m := range w.event.Unknown {
			name := m.Name
			w.dst = append(w.dst, ',')
			w.dst = appendQuoted(w.dst, Sanitize(name))
			w.dst = append(w.dst, ':')
			w.dst = append(w.dst, m.Value...)
		}
	}
	w.dst = append(w.dst, '}')
	return nil
}

// count puts behind the marks how many there was no room for.
func (w *encoder) count(f *field) {
	switch {
	case f.path == "redactions" && w.marksR > 0:
		w.event.Redactions = append(w.event.Redactions, Redaction{Path: "*", Rule: "more", Action: "counted", Count: w.marksR})
	case f.path == "sanitized" && w.marksS > 0:
		w.event.Sanitized = append(w.event.Sanitized, Sanitized{Path: "*", Count: w.marksS})
	}
}

func (w *encoder) value(f *field, parent any) *Error {
	switch f.kind {
	case kindObject:
		p := f.open(parent, false)
		if p == nil {
			return w.fail(ErrMissing, "is not there", "")
		}
		return w.object(f.sub, p)
	case kindList:
		return w.list(f, parent)
	case kindTexts:
		w.dst = append(w.dst, '[')
		for i, s := range *f.at(parent).(*[]string) {
			if i > 0 {
				w.dst = append(w.dst, ',')
			}
			w.path = append(w.path, step{index: i})
			w.text(s, f.size, kindText)
			w.path = w.path[:len(w.path)-1]
		}
		w.dst = append(w.dst, ']')
		return nil
	case kindReason:
		w.excuses()
		return nil
	case kindMap:
		if f.name == "labels" {
			return w.texts(*f.at(parent).(*map[string]string), true)
		}
		return w.derived(*f.at(parent).(*map[string]string))
	case kindCounts:
		return w.counts(*f.at(parent).(*map[string]int64))
	case kindParams:
		return w.params(*f.at(parent).(*map[string]any), f.size)
	}
	switch p := f.at(parent).(type) {
	case *string:
		w.str(f, parent, *p)
	case *UUID:
		w.dst = append(w.dst, '"')
		w.dst = append(p.appendTo(w.dst), '"')
	case *time.Time:
		if y := p.UTC().Year(); y < 0 || y > 9999 {
			return w.fail(ErrFormat, "is a time outside the years 0000 to 9999", "")
		}
		w.dst = append(w.dst, '"')
		w.dst = append(AppendTime(w.dst, *p), '"')
	case *int64:
		w.dst = strconv.AppendInt(w.dst, *p, 10)
	case **int64:
		w.dst = strconv.AppendInt(w.dst, **p, 10)
	case *uint64:
		w.dst = strconv.AppendUint(w.dst, *p, 10)
	case **uint64:
		w.dst = strconv.AppendUint(w.dst, **p, 10)
	case **Severity:
		w.dst = strconv.AppendInt(w.dst, int64(**p), 10)
	case *bool:
		w.dst = strconv.AppendBool(w.dst, *p)
	case **bool:
		w.dst = strconv.AppendBool(w.dst, **p)
	}
	return nil
}

// str writes a string as its row's kind demands.
func (w *encoder) str(f *field, parent any, s string) {
	switch f.kind {
	case kindText, kindID:
		if f.path == "references[].value" {
			if rule, hit := redact.Key(parent.(*Reference).Kind); hit && s != redact.Mask(rule) {
				s = redact.Mask(rule)
				w.masked(rule, "masked")
			}
		}
		w.text(s, int(f.max), f.kind)
	case kindIdentity, kindSource:
		if len(w.codec.IdentityKey) > 0 && !validHMAC(s) {
			s = HMAC(w.codec.IdentityKey, s)
			w.masked("identity", "hashed")
		}
		if f.kind == kindIdentity {
			w.text(s, int(f.max), f.kind)
			return
		}
		fallthrough
	default:
		w.dst = appendForm(w.dst, s) // judged by the check that follows
	}
}

// appendForm writes a string of a restricted form, harmlessly also where it is not of that form.
func appendForm(dst []byte, s string) []byte {
	for i := range len(s) {
		if redact.Class(s[i])&redact.Stop != 0 {
			return appendQuoted(dst, string(appendSafe(nil, s, true)))
		}
	}
	dst = append(dst, '"')
	dst = append(dst, s...)
	return append(dst, '"')
}

// HMAC returns hmac-sha256:ID:HEX of a value that could be guessed: a session id,
// a user. ID is the first 8 hex digits of HMAC(key, "stet/key-id"), so that
// values under different keys are not compared.
func HMAC(key []byte, value string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("stet/key-id"))
	id := h.Sum(nil)
	h.Reset()
	h.Write([]byte(value))
	return "hmac-sha256:" + hex.EncodeToString(id[:4]) + ":" + hex.EncodeToString(h.Sum(nil))
}

func (w *encoder) list(f *field, parent any) *Error {
	n, _ := f.list(parent, -1)
	w.dst = append(w.dst, '[')
	for i := range n {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		_, p := f.list(parent, i)
		w.path = append(w.path, step{index: i})
		w.survey(f.sub, p)
		if err := w.object(f.sub, p); err != nil {
			return err
		}
		w.path = w.path[:len(w.path)-1]
	}
	w.dst = append(w.dst, ']')
	return nil
}

// text writes free text: masked, escaped, cut at limit, quoted.
func (w *encoder) text(s string, limit int, k kind) {
	look := redact.Look(s)
	if look == 0 && len(s) <= limit {
		w.dst = append(w.dst, '"')
		w.dst = append(w.dst, s...)
		w.dst = append(w.dst, '"')
		return
	}
	w.dst = appendQuoted(w.dst, w.clean(s, look, limit, k))
}

// clean returns s masked, escaped and cut, and records what it did.
func (w *encoder) clean(s string, look redact.Bits, limit int, k kind) string {
	if k != kindIdentity && look&redact.Suspect != 0 {
		var finds []redact.Find
		if len(w.typ.PersonalData) > 0 && w.typ.keeps(w.where()) {
			s, finds = redact.Secrets(s)
		} else {
			s, finds = w.memo.Text(s)
		}
		for _, f := range finds {
			w.masked(f.Rule, "masked")
		}
	}
	n := len(s)
	changed := false
	if look&redact.Unsafe != 0 {
		safe := string(appendSafe(nil, s, w.event.Escaped))
		changed, s = safe != s, safe
	}
	if len(s) > limit {
		s, changed = cut(s, limit, k), true
	}
	if changed {
		w.sanitized(n)
	}
	return s
}

// cut shortens s to at most limit bytes, at a rune's boundary. Identifiers keep
// 64 bits of their digest, so that two long ones stay two.
func cut(s string, limit int, k kind) string {
	mark := ellipsis
	if k == kindID || k == kindIdentity {
		h := sha256.Sum256([]byte(s))
		mark += hex.EncodeToString(h[:8])
	}
	n := max(limit-len(mark), 0)
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + mark
}

// masked records a redaction at the current path, once a path and rule.
func (w *encoder) masked(rule, action string) {
	w.altered++
	p := markPath(w.where())
	for _, r := range w.event.Redactions {
		if r.Path == p && r.Rule == rule {
			return
		}
	}
	if n := len(w.event.Redactions); n >= MaxMarks {
		w.marksR++
		return
	}
	w.event.Redactions = append(w.event.Redactions, Redaction{Path: p, Rule: rule, Action: action})
}

func (w *encoder) sanitized(n int) {
	w.altered++
	if len(w.event.Sanitized) >= MaxMarks {
		w.marksS++
		return
	}
	w.event.Sanitized = append(w.event.Sanitized, Sanitized{Path: markPath(w.where()), OriginalLen: uint64(n)})
}

// markPath makes a path fit its own row; keys in it are clean already.
func markPath(p string) string {
	if len(p) > 256 {
		return cut(p, 256, kindText)
	}
	return p
}

// keeps tells whether the catalogue names a path, or one above it, as a lawful
// place of personal data.
func (t *Type) keeps(path string) bool { return covered(t.PersonalData, path) }
