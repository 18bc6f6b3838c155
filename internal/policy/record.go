package policy

import (
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/redact"
)

// Place is where something stands: a line of a file, from 1, or an entry of a ledger, from 0.
type Place struct {
	Line   int
	Seq    uint64 // means nothing without HasSeq
	HasSeq bool
}

// Record is one event to be judged: somebody else's, by a mapping, or one of stet.event/1, whose fields have their own names.
type Record struct {
	*convert.Record
	place  Place
	fields convert.Map
	names  map[string]string // key of the log → field
	raw    []byte            // of a stet.event/1
	typ    event.Type
	known  bool // the catalogue has its type
}

// native tells whether it is a whole stet.event/1, which says why what is missing is.
func (r *Record) native() bool { return r.raw != nil }

func (r *Record) value(field string) (convert.Leaf, bool) {
	if r.native() {
		l, ok := r.Leaf(field)
		return l, ok && !l.Void()
	}
	return r.fields.Value(r.Record, field)
}

func (r *Record) has(field string) bool {
	if r.native() {
		return r.Has(field)
	}
	return r.fields.Has(r.Record, field)
}

// mapped tells whether any key of the log is known to hold the field.
func (r *Record) mapped(field string) bool { return r.native() || len(r.fields[field]) > 0 }

// job tells whether the event is about a job.
func (r *Record) job() bool { return r.has("job.id") }

// excuse is what a stet event says of a field that it does not have.
func (r *Record) excuse(field string) string {
	for p := field; p != "" && r.native(); p = p[:max(strings.LastIndexByte(p, '.'), 0)] {
		if l, ok := r.Leaf("absent." + p); ok {
			return l.Text
		}
	}
	return ""
}

// settled are the excuses that mean that there is nothing to record.
func settled(excuse string) bool {
	return excuse == event.AbsentNotApplicable || excuse == event.AbsentUnauthenticated || excuse == event.AbsentRedacted
}

// field is the one of ours that a key of the log holds; "" where none.
func (r *Record) field(key string) string {
	if r.native() {
		return key
	}
	return r.names[key]
}

// maxShown bounds what is shown of a key, in bytes before escaping.
const maxShown = 80

// show writes the name of a key: it is the log's text, so what is secret in it is masked and what does not show is escaped.
func show(key string) string {
	if len(key) > maxShown {
		key = strings.ToValidUTF8(key[:maxShown], "") + "…"
	}
	key, _ = redact.Text(key)
	return strconv.Quote(key)
}
