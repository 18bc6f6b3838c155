package index

import (
	"encoding/binary"
	"slices"
	"strconv"
	"time"

	"github.com/stetlog/stet/internal/search"
)

// A term is one byte that says what it is of, and a value. The first bytes:
const (
	byAnswer   = 0x01 // nothing follows: an event or a stub, which a query may find
	byToken    = 0x02 // a token of a text that free words look at
	byHour     = 0x03 // when it happened, in hours since 1970, as a number: see search.FieldTime
	byPresence = 0x20 // + the field; its path: the field has a value
	byText     = 0x60 // + the field; its path; a text
	byNumber   = 0xa0 // + the field; its path; a number
)

// appendPath appends the path of a label or a parameter in such a way that none is the beginning of another.
func appendPath(dst []byte, path []string) []byte {
	for _, p := range path {
		dst = binary.AppendUvarint(dst, uint64(len(p))+1)
		dst = append(dst, p...)
	}
	if path != nil {
		dst = append(dst, 0)
	}
	return dst
}

// appendNumber appends n so that the order of the bytes is that of the numbers.
func appendNumber(dst []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(n)^1<<63)
}

func numberOf(b []byte) (int64, bool) {
	if len(b) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(b) ^ 1<<63), true
}

func hourOf(t time.Time) int64 { return floorDiv(t.Unix(), 3600) }

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// A termList is the terms of one entry, some of them perhaps twice.
type termList struct {
	b     []byte
	ends  []int
	marks marks // those of one byte

	texts  []string // memory that is used again
	tokens []string
	ints   []int64
	path   []byte
}

func (t *termList) end() { t.ends = append(t.ends, len(t.b)) }

// none makes the terms of what no query finds.
func (t *termList) none() { t.b, t.ends, t.marks = t.b[:0], t.ends[:0], 0 }

// of makes the terms of a record: what search.Matcher looks at, and nothing else.
func (t *termList) of(r *search.Record) {
	t.none()
	t.marks = 1 << answerMark
	for _, f := range indexed {
		switch f.Kind() {
		case search.KindInt:
			t.ints = r.AppendInts(t.ints[:0], f, nil)
			for _, n := range t.ints {
				t.number(f, n)
			}
			t.present(f, len(t.ints))
		default:
			t.texts = r.AppendTexts(t.texts[:0], f, nil)
			for _, s := range t.texts {
				t.text(f, s)
			}
			t.present(f, len(t.texts))
		}
	}
	if at, ok := r.Time(search.FieldTime); ok {
		t.b = appendNumber(append(t.b, byHour), hourOf(at))
		t.end()
	}
	if e := r.Event; e != nil {
		for key, v := range e.Labels {
			t.path = appendPath(t.path[:0], []string{key})
			t.text(search.FieldLabel, v)
			t.present(search.FieldLabel, 1)
		}
		t.path = t.path[:0]
		if e.Job != nil {
			for key, v := range e.Job.Params {
				t.params([]string{key}, v)
			}
		}
	}
	t.path = t.path[:0]
	t.texts = r.AppendProse(t.texts[:0])
	for i, s := range t.texts {
		if s == "" || i > 0 && s == t.texts[i-1] {
			continue // who acts is there twice, as a rule
		}
		t.tokens = search.AppendTokens(t.tokens[:0], s)
		for _, token := range t.tokens {
			t.b = append(append(t.b, byToken), token...)
			t.end()
		}
	}
}

// indexed are the fields that have terms of their own and no path. The number and the time of an entry are its place.
var indexed = slices.DeleteFunc(search.Fields(), func(f search.Field) bool {
	return f.Kind() == search.KindTime || f == search.FieldSeq || f == search.FieldLabel || f == search.FieldParam
})

func (t *termList) text(f search.Field, s string) {
	t.b = append(t.b, byText+byte(f))
	t.b = append(t.b, t.path...)
	t.b = append(t.b, s...)
	t.end()
}

func (t *termList) number(f search.Field, n int64) {
	t.b = append(t.b, byNumber+byte(f))
	t.b = append(t.b, t.path...)
	t.b = appendNumber(t.b, n)
	t.end()
}

func (t *termList) present(f search.Field, n int) {
	switch {
	case n == 0:
	case len(t.path) == 0:
		t.marks |= 1 << f
	default:
		t.b = append(t.b, byPresence+byte(f))
		t.b = append(t.b, t.path...)
		t.end()
	}
}

// params makes the terms of a value of job.params: of a scalar, and of an array those of its scalars, too, as if they stood
// in its place.
func (t *termList) params(path []string, v any) {
	scalar := func(v any) {
		t.path = appendPath(t.path[:0], path)
		switch v := v.(type) {
		case string:
			t.text(search.FieldParam, v)
		case bool:
			t.text(search.FieldParam, strconv.FormatBool(v))
		case int64:
			t.text(search.FieldParam, strconv.FormatInt(v, 10))
			t.number(search.FieldParam, v)
		default:
			return
		}
		t.present(search.FieldParam, 1)
	}
	switch v := v.(type) {
	case map[string]any:
		for key, in := range v {
			t.params(append(path, key), in)
		}
	case []any:
		for i, in := range v {
			scalar(in)
			t.params(append(path, strconv.Itoa(i)), in)
		}
	default:
		scalar(v)
	}
}
