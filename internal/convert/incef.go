package convert

import (
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// cefBegin begins a record of the Common Event Format.
const cefBegin = "CEF:"

// readCEF reads a line of ArcSight's Common Event Format, versions 0 and 1, which may stand behind a header of syslog.
func readCEF(line string, now time.Time) (Record, error) {
	t := text{of: "CEF"}
	if strings.HasPrefix(line, cefBegin) {
		if err := t.cef(line); err != nil {
			return Record{}, err
		}
		return t.record()
	}
	r, err := readSyslogLine(line, now)
	if err == nil && !r.Has(cefHeader[0]) {
		return t.bad("does not begin with CEF:, nor has a header of syslog in front of it")
	}
	return r, err
}

// cefHeader are the fields between pipes.
var cefHeader = [...]string{"cef.version", "cef.vendor", "cef.product", "cef.product_version", "cef.event_class_id", "cef.name", cefSeverityKey}

// cef adds what a record says: its header under cef., its extension under the keys that it has. A custom field, such as cs1, is
// there under its label too (cs1Label), because the label is what says which meaning it has; of two with one label the first
// counts, and none takes the place of a key.
func (t *text) cef(s string) error {
	s = strings.TrimPrefix(s, cefBegin)
	for i, key := range cefHeader {
		value, rest, ok := cefField(s)
		if !ok {
			_, err := t.bad("has less than seven header fields")
			return err
		}
		if i == 0 && value != "0" && value != "1" {
			_, err := t.bad("is of a version that is not 0 or 1")
			return err
		}
		t.add(bare(key, value))
		s = rest
	}
	from := len(t.leaves)
	for s = strings.TrimSpace(s); s != ""; {
		key, rest, ok := strings.Cut(s, "=")
		if !ok || !cefKey(key) {
			_, err := t.bad("has an extension that is not key=value")
			return err
		}
		n := cefNext(rest)
		t.add(bare(key, cefValue(strings.TrimRight(rest[:n], " "))))
		s = strings.TrimLeft(rest[n:], " ")
	}
	if t.err != nil {
		return t.err
	}
	labels := map[string]string{}
	for _, l := range t.leaves[from:] {
		if key, ok := strings.CutSuffix(l.Key, "Label"); ok && key != "" {
			labels[key] = l.Text
		}
	}
	for _, l := range t.leaves[from:] {
		if label := labels[l.Key]; label != "" && len(label) <= MaxLineKey && !t.keys[label] {
			l.Key = label
			t.add(l)
		}
	}
	return t.err
}

// cefSeverityKey is where a record has CEF's severity, which ascends.
const cefSeverityKey = "cef.severity"

// cefSeverity reads CEF's severity, 0 to 10 or a word: SCHEMA's table the other way round. A number that is not in it has the
// severity of the next lower one.
func cefSeverity(text string) (s event.Severity, standard bool) {
	switch text {
	case "low":
		return event.SeverityNotice, true
	case "medium":
		return event.SeverityWarning, true
	case "high":
		return event.SeverityError, true
	case "very-high":
		return event.SeverityAlert, true
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 10 {
		return 0, false
	}
	return [...]event.Severity{7, 6, 6, 5, 5, 4, 4, 3, 2, 1, 0}[n], true
}

// cefField reads up to the next pipe that is not escaped.
func cefField(s string) (value, rest string, ok bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '|':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '|' || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// cefNext is where a value ends: before the space in front of the next key. A sign = that is not escaped, and has no key in
// front of it, is the value's: many senders do not escape those of a URL.
func cefNext(s string) int {
	space := -1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case ' ':
			space = i
		case '=':
			if space >= 0 && cefKey(s[space+1:i]) {
				return space
			}
		}
	}
	return len(s)
}

// cefKey tells whether a text is a key: the document has letters and digits, its users more.
func cefKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && !strings.ContainsRune("_.-[]", rune(c)) {
			return false
		}
	}
	return s != ""
}

// cefValue takes the escapes of a value away. What is no escape stays as it is.
func cefValue(s string) string {
	if !strings.ContainsRune(s, '\\') {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
			switch s[i] {
			case 'n':
				b.WriteByte('\n')
			case 'r':
				b.WriteByte('\r')
			case '\\', '=', '|':
				b.WriteByte(s[i])
			default:
				b.WriteByte('\\')
				b.WriteByte(s[i])
			}
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
