package convert

import (
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/stetlog/stet/event"
)

// jsonWriter writes an object member after member, on one line. What there is nothing to say of is left out, and so are objects
// that stay empty.
type jsonWriter struct {
	b    []byte
	open []int // where each object that is open begins, with its name
}

// begin opens an object; the outermost has no name.
func (w *jsonWriter) begin(name string) {
	w.open = append(w.open, len(w.b))
	if name != "" {
		w.name(name)
	}
	w.b = append(w.b, '{')
}

// end closes the last object. An empty one goes away, but for the outermost.
func (w *jsonWriter) end() {
	start := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	if w.b[len(w.b)-1] == '{' && len(w.open) > 0 {
		w.b = w.b[:start]
		return
	}
	w.b = append(w.b, '}')
}

func (w *jsonWriter) name(s string) {
	if last := w.b[len(w.b)-1]; last != '{' {
		w.b = append(w.b, ',')
	}
	w.b = append(w.b, '"')
	w.b = append(w.b, s...) // ours, but for labels, which go through appendQuoted
	w.b = append(w.b, '"', ':')
}

// appendQuoted appends a text as a string of JSON.
func appendQuoted(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // fails where it is not UTF-8, which no row holds
	return dst
}

func (w *jsonWriter) text(name, s string) {
	if s != "" {
		w.name(name)
		w.b = appendQuoted(w.b, s)
	}
}

// texts writes a list, if there is something in it.
func (w *jsonWriter) texts(name string, all ...string) {
	if len(all) == 0 {
		return
	}
	w.name(name)
	w.b = append(w.b, '[')
	for i, s := range all {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = appendQuoted(w.b, s)
	}
	w.b = append(w.b, ']')
}

func (w *jsonWriter) int(name string, n int64) {
	w.name(name)
	w.b = strconv.AppendInt(w.b, n, 10)
}

// some writes a number that is not 0.
func (w *jsonWriter) some(name string, n int64) {
	if n != 0 {
		w.int(name, n)
	}
}

func (w *jsonWriter) time(name string, t time.Time) {
	if !t.IsZero() {
		w.text(name, event.FormatTime(t))
	}
}

// milliseconds writes a time as a number.
func (w *jsonWriter) milliseconds(name string, t time.Time) {
	if !t.IsZero() {
		w.int(name, t.UnixMilli())
	}
}
