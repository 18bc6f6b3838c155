package event

import (
	"encoding/binary"
	"time"
)

// kind is the JSON shape of a field and how its value is treated.
type kind uint8

const (
	kindText     kind = iota // free text: redacted, escaped, cut
	kindID                   // an identifier: as text, but cut so that different ones stay different
	kindIdentity             // who: as an identifier, but kept from value patterns, or HMACed
	kindName                 // restricted characters; never altered
	kindEnum                 // a closed list
	kindTime
	kindUUID   // version 7
	kindIP     // canonical address
	kindSource // canonical address, or its HMAC
	kindDigest // sha256:hex or hmac-sha256:id:hex
	kindHMAC   // hmac-sha256:id:hex
	kindHex    // lower hex of exactly max characters, not all zero where min is 1
	kindInt
	kindBool
	kindObject
	kindList   // of objects
	kindTexts  // of texts
	kindMap    // text → text
	kindCounts // text → integer
	kindReason // path → a closed list
	kindParams // any JSON within limits
	kindSchema // "stet.event/1" or a newer minor
)

// need says when a field must be there.
type need uint8

const (
	optional need = iota
	always        // must be there; null only with an excuse in absent
	core          // must be there and be known
)

// field is one row of the table.
type field struct {
	name string
	kind kind
	max  int64    // bytes of a text, elements of a list, keys of a map, greatest integer
	min  int64    // least integer
	size int      // bytes of a map or params as JSON
	enum []string // kindEnum, kindReason
	need need
	when string // in words: when it is required
	from string // where the demand comes from
	doc  string
	sub  *object // kindObject, kindList
	slot slot    // what the rules want to know of it

	// at returns a pointer to the Go field, given a pointer to its struct.
	at func(parent any) any
	// given tells a Go field that is given from a zero one; not for objects and
	// lists of them.
	given func(parent any) bool
	// open returns a pointer to the struct behind an object's Go field, or nil
	// where there is none and create is false.
	open func(parent any, create bool) any
	// again puts a struct that open has made before, emptied, behind an object's Go
	// field.
	again func(parent, used any)
	// list returns length and a pointer to element i of a list of objects; with
	// i == -1 only the length, with i == length it appends one.
	list func(parent any, i int) (int, any)

	object int    // number of the object this row is in
	bit    uint   // its bit there
	path   string // dotted
	lead   string // how it begins: `"name":`
}

// object is an ordered set of rows: the canonical order of its members.
type object struct {
	fields   []*field
	id       int
	heads    []head // of fields, in their order
	core     uint64 // bits of those that are core
	demanded uint64 // bits of those that are not optional
	late     uint64 // bits of those that grow while an event is written
}

// head is how a member begins: `"name":`.
type head struct {
	word, mask uint64 // its first eight bytes, and which of these it has
	rest       string // what follows them
	size       int    // bytes in all
}

func headOf(name string) head {
	text := `"` + name + `":`
	var word, mask [8]byte
	for i := range min(copy(word[:], text), len(mask)) {
		mask[i] = 0xff
	}
	return head{binary.LittleEndian.Uint64(word[:]), binary.LittleEndian.Uint64(mask[:]), text[min(8, len(text)):], len(text)}
}

// slot names a value that rules or Ref need, so that the scanner keeps it.
type slot uint8

const (
	slotNone slot = iota
	slotSchema
	slotEventID
	slotTimestamp
	slotInteraction
	slotApp
	slotEnvironment
	slotType
	slotSeverity
	slotSecurity
	slotStatus
	slotStream
	slotSeq
	slotJobID
	slotRun
	slotPhase
	slotTrigger
	slotPrincipalType
	slotStarted
	slotEnded
	slotConfidence
	slotFirst
	slotLast
	slotAbsent
	slotCount
)

// row starts a row; the methods below fill it in.
func row[T, F any](name string, k kind, maximum int64, f func(*T) *F) *field {
	return &field{name: name, kind: k, max: maximum, at: func(p any) any { return f(p.(*T)) }, given: given(f)}
}

// given makes a row's function of that name. It is chosen here, once, because the
// encoder asks all rows for every event.
func given[T, F any](f func(*T) *F) func(any) bool {
	switch f := any(f).(type) {
	case func(*T) *string:
		return func(p any) bool { return *f(p.(*T)) != "" }
	case func(*T) *UUID:
		return func(p any) bool { return !f(p.(*T)).IsZero() }
	case func(*T) *time.Time:
		return func(p any) bool { return !f(p.(*T)).IsZero() }
	case func(*T) *int64:
		return func(p any) bool { return *f(p.(*T)) != 0 }
	case func(*T) **int64:
		return func(p any) bool { return *f(p.(*T)) != nil }
	case func(*T) *uint64:
		return func(p any) bool { return *f(p.(*T)) != 0 }
	case func(*T) **uint64:
		return func(p any) bool { return *f(p.(*T)) != nil }
	case func(*T) *bool:
		return func(any) bool { return true }
	case func(*T) **bool:
		return func(p any) bool { return *f(p.(*T)) != nil }
	case func(*T) **Severity:
		return func(p any) bool { return *f(p.(*T)) != nil }
	case func(*T) *[]string:
		return func(p any) bool { return len(*f(p.(*T))) > 0 }
	case func(*T) *map[string]string:
		return func(p any) bool { return len(*f(p.(*T))) > 0 }
	case func(*T) *map[string]int64:
		return func(p any) bool { return len(*f(p.(*T))) > 0 }
	case func(*T) *map[string]any:
		return func(p any) bool { return *f(p.(*T)) != nil }
	}
	return nil
}

// sub is a row that holds one object.
func sub[T, S any](name string, f func(*T) **S, rows ...*field) *field {
	r := row(name, kindObject, 0, f)
	r.sub = &object{fields: rows}
	r.open = func(p any, create bool) any {
		s := f(p.(*T))
		if *s == nil {
			if !create {
				return nil
			}
			*s = new(S)
		}
		return *s
	}
	r.again = func(p, used any) {
		s := used.(*S)
		*s = *new(S)
		*f(p.(*T)) = s
	}
	return r
}

// list is a row that holds at most maximum objects.
func list[T, S any](name string, maximum int64, f func(*T) *[]S, rows ...*field) *field {
	r := row(name, kindList, maximum, f)
	r.sub = &object{fields: rows}
	r.list = func(p any, i int) (int, any) {
		s := f(p.(*T))
		if i < 0 {
			return len(*s), nil
		}
		if i == len(*s) {
			*s = append(*s, *new(S))
		}
		return len(*s), &(*s)[i]
	}
	return r
}

func (f *field) one(of ...string) *field      { f.enum = of; return f }
func (f *field) as(s slot) *field             { f.slot = s; return f }
func (f *field) always(from string) *field    { f.need, f.from = always, from; return f }
func (f *field) core(from string) *field      { f.need, f.from = core, from; return f }
func (f *field) must() *field                 { f.need = core; return f }
func (f *field) whenever(w, fr string) *field { f.when, f.from = w, fr; return f }
func (f *field) evenZero() *field             { f.given = func(any) bool { return true }; return f } // 0 says something
func (f *field) bytes(n int) *field           { f.size = n; return f }
func (f *field) atLeast(n int64) *field       { f.min = n; return f }
func (f *field) says(doc string) *field       { f.doc = doc; return f }

// number gives every object its number and what it makes of its rows, and every
// row its bit and path.
func number(o *object, prefix string, objects []*object) []*object {
	o.id = len(objects)
	objects = append(objects, o)
	for i, f := range o.fields {
		f.object, f.bit, f.path, f.lead = o.id, uint(i), prefix+f.name, `"`+f.name+`":`
		o.heads = append(o.heads, headOf(f.name))
		if f.need == core {
			o.core |= 1 << i
		}
		if f.need != optional {
			o.demanded |= 1 << i
		}
		if f.kind == kindList || f.kind == kindReason {
			o.late |= 1 << i
		}
		if f.sub != nil {
			p := f.path + "."
			if f.kind == kindList {
				p = f.path + "[]."
			}
			objects = number(f.sub, p, objects)
		}
	}
	return objects
}
