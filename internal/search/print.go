package search

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// String is the query in its one canonical spelling, "" for everything: Parse gives the same query again.
func (q Query) String() string {
	if q.Root == nil {
		return ""
	}
	return string(appendNode(nil, q.Root))
}

func appendNode(dst []byte, n Node) []byte {
	switch n := n.(type) {
	case Or:
		for i, of := range n {
			if i > 0 {
				dst = append(dst, " OR "...)
			}
			dst = appendNode(dst, of)
		}
	case And:
		for i, of := range n {
			if i > 0 {
				dst = append(dst, ' ')
			}
			_, wrap := of.(Or)
			dst = appendWrapped(dst, of, wrap)
		}
	case Not:
		wrap := true
		switch n.Of.(type) {
		case Term, Words:
			wrap = false
		}
		dst = appendWrapped(append(dst, '-'), n.Of, wrap)
	case Words:
		text := strings.Join(n.Tokens, " ")
		if len(n.Tokens) == 1 {
			dst = append(dst, text...)
		} else {
			dst = appendQuoted(dst, text)
		}
		if n.Prefix {
			dst = append(dst, '*')
		}
	case Term:
		dst = appendTerm(dst, n)
	}
	return dst
}

func appendWrapped(dst []byte, n Node, wrap bool) []byte {
	if !wrap {
		return appendNode(dst, n)
	}
	return append(appendNode(append(dst, '('), n), ')')
}

func appendTerm(dst []byte, t Term) []byte {
	if t.Field == FieldReceived && len(t.Any) == 1 {
		switch v := t.Any[0]; {
		case v.Op == Ago:
			return appendAgo(append(dst, since+":"...), v.Ago)
		case v.Op == Times && v.Until.IsZero():
			return appendFrom(append(dst, after+":"...), v.From)
		case v.Op == Times && v.From.IsZero():
			return appendFrom(append(dst, before+":"...), v.Until)
		}
	}
	dst = append(dst, t.Field.String()...)
	for _, key := range t.Path {
		dst = append(dst, '.')
		if plainKey(key, t.Field == FieldLabel) {
			dst = append(dst, key...)
		} else {
			dst = appendQuoted(dst, key)
		}
	}
	dst = append(dst, ':')
	for i, v := range t.Any {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendValue(dst, t.Field, v)
	}
	return dst
}

func appendValue(dst []byte, f Field, v Value) []byte {
	switch v.Op {
	case Present:
		return append(dst, '*')
	case Ints:
		return appendInts(dst, f, v)
	case Times:
		return appendTimes(dst, v)
	}
	if plainText(v.Text) {
		dst = append(dst, v.Text...)
	} else {
		dst = appendQuoted(dst, v.Text)
	}
	if v.Op == Prefix {
		dst = append(dst, '*')
	}
	return dst
}

// plainText says whether a value means itself without quotes.
func plainText(s string) bool {
	return s != "" && s[0] != '<' && s[0] != '>' && !strings.Contains(s, "..") && !strings.ContainsAny(s, `"(),*\“”„‟«»`) && strings.IndexFunc(s, unicode.IsSpace) < 0
}

func plainKey(s string, dots bool) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '_' && c != '-' && c != '/' && (c != '.' || !dots) {
			return false
		}
	}
	return s != ""
}

func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	dst = append(dst, strings.ReplaceAll(s, `"`, `\"`)...)
	return append(dst, '"')
}

func appendInts(dst []byte, f Field, v Value) []byte {
	switch {
	case v.Min == v.Max && f != FieldParam: // where 5 is also a text
		return strconv.AppendInt(dst, v.Min, 10)
	case v.Max == fields[f].hi && v.Min != v.Max:
		return strconv.AppendInt(append(dst, ">="...), v.Min, 10)
	case v.Min == fields[f].lo && v.Min != v.Max:
		return strconv.AppendInt(append(dst, "<="...), v.Max, 10)
	}
	dst = strconv.AppendInt(dst, v.Min, 10)
	return strconv.AppendInt(append(dst, ".."...), v.Max, 10)
}

// The units of times in the order in which they are tried.
var timeUnits = [...]struct {
	layout string
	unit   time.Duration
}{
	{"2006-01-02", day},
	{"2006-01-02T15:04Z", time.Minute},
	{"2006-01-02T15:04:05Z", time.Second},
	{"2006-01-02T15:04:05.000000000Z", time.Nanosecond},
}

// appendFrom writes the time at which a unit begins.
func appendFrom(dst []byte, t time.Time) []byte {
	for _, u := range timeUnits {
		if t.Truncate(u.unit).Equal(t) {
			return t.AppendFormat(dst, u.layout)
		}
	}
	return dst
}

// appendUntil writes the last unit before t.
func appendUntil(dst []byte, t time.Time) []byte {
	for _, u := range timeUnits {
		if t.Truncate(u.unit).Equal(t) {
			return t.Add(-u.unit).AppendFormat(dst, u.layout)
		}
	}
	return dst
}

func appendTimes(dst []byte, v Value) []byte {
	switch {
	case v.Until.IsZero():
		return appendFrom(append(dst, ">="...), v.From)
	case v.From.IsZero():
		return appendFrom(append(dst, '<'), v.Until)
	}
	for _, layout := range [...]string{"2006", "2006-01", "2006-01-02", "2006-01-02T15:04Z", "2006-01-02T15:04:05Z", "2006-01-02T15:04:05.000000000Z"} {
		s := v.From.Format(layout)
		if from, until, ok := span(s); ok && from.Equal(v.From) && until.Equal(v.Until) {
			return append(dst, s...)
		}
	}
	return appendUntil(append(appendFrom(dst, v.From), ".."...), v.Until)
}

func appendAgo(dst []byte, ago time.Duration) []byte {
	for _, u := range [...]struct {
		sign byte
		unit time.Duration
	}{{'d', day}, {'h', time.Hour}, {'m', time.Minute}, {'s', time.Second}} {
		if n := ago / u.unit; n > 0 {
			dst = append(strconv.AppendInt(dst, int64(n), 10), u.sign)
			ago -= n * u.unit
		}
	}
	return dst
}
