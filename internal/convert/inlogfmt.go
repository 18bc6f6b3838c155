package convert

import (
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
)

// readLogfmt reads a line of key=value pairs, as github.com/kr/logfmt and go-logfmt write them: values are bare or in double
// quotes with JSON's escapes, and a key alone says true. A key twice, which has no one meaning, is refused.
func readLogfmt(line string) (Record, error) {
	t := text{of: "logfmt"}
	pairs := false
	for rest := line; ; {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			break
		}
		n := 0
		for n < len(rest) && rest[n] > ' ' && rest[n] != '=' && rest[n] != '"' {
			n++
		}
		key := rest[:n]
		if rest = rest[n:]; key == "" {
			return t.bad("has a value without a key")
		}
		if rest == "" || rest[0] != '=' {
			if rest != "" && rest[0] == '"' {
				return t.bad("has a quote in a key")
			}
			t.add(Leaf{Key: key, Kind: Bool, Text: "true"})
			continue
		}
		pairs = true
		rest = rest[1:]
		if rest == "" || rest[0] != '"' {
			n = 0
			for n < len(rest) && rest[n] > ' ' {
				if rest[n] == '"' {
					return t.bad("has a quote in a value that does not begin with one")
				}
				n++
			}
			t.add(bare(key, rest[:n]))
			rest = rest[n:]
			continue
		}
		value, n, ok := quoted(rest)
		if !ok {
			return t.bad("has a quoted value that does not end, or an escape that is none")
		}
		t.add(Leaf{Key: key, Text: value, Raw: hidden([]byte(rest[:n]))})
		if rest = rest[n:]; rest != "" && rest[0] > ' ' {
			return t.bad("has something directly behind a quoted value")
		}
	}
	if !pairs {
		return t.bad("has no key=value")
	}
	return t.record()
}

// quoted reads a value in double quotes that s begins with, and says how many bytes it takes.
func quoted(s string) (value string, n int, ok bool) {
	for n = 1; n < len(s) && s[n] != '"'; n++ {
		if s[n] == '\\' {
			n++
		}
	}
	if n >= len(s) {
		return "", 0, false
	}
	n++
	if !strings.ContainsRune(s[:n], '\\') {
		return s[1 : n-1], n, true
	}
	// strconv knows JSON's escapes but for \/, and wants no control characters.
	var b strings.Builder
	for rest := s[1 : n-1]; rest != ""; {
		if strings.HasPrefix(rest, `\/`) {
			b.WriteByte('/')
			rest = rest[2:]
			continue
		}
		if rest[0] != '\\' {
			b.WriteByte(rest[0])
			rest = rest[1:]
			continue
		}
		r, many, tail, err := strconv.UnquoteChar(rest, '"')
		if err != nil {
			return "", 0, false
		}
		if many {
			b.WriteRune(r)
		} else {
			b.WriteByte(byte(r))
		}
		rest = tail
	}
	return b.String(), n, true
}

// text gathers the leaves of a line that is no JSON, within the limits that JSON's have.
type text struct {
	of     string // the format, for errors
	leaves []Leaf
	keys   map[string]bool
	err    error // the first refusal of add
}

// add adds a value whose key must be new.
func (t *text) add(l Leaf) {
	if t.keys == nil {
		t.keys = map[string]bool{}
	}
	switch {
	case t.err != nil:
		return
	case len(t.leaves) >= MaxLineLeaves:
		t.err = errManyValues()
	case l.Key == "" || len(l.Key) > MaxLineKey:
		t.err = &LineError{event.ErrKeys, "has a key that is empty or longer than " + strconv.Itoa(MaxLineKey) + " bytes"}
	case t.keys[l.Key]:
		t.err = &LineError{event.ErrDuplicate, "has a key twice, so nobody can say which of the two counts"}
	}
	t.keys[l.Key] = true
	t.leaves = append(t.leaves, l)
}

func (t *text) bad(what string) (Record, error) {
	if t.err != nil {
		return Record{}, t.err
	}
	return Record{}, &LineError{event.ErrSyntax, "is no " + t.of + ": it " + what}
}

func (t *text) record() (Record, error) {
	if t.err != nil {
		return Record{}, t.err
	}
	return newRecord(t.leaves), nil
}

// bare is a value that its format gives no type: what looks like a number or a truth value is one.
func bare(key, value string) Leaf {
	l := Leaf{Key: key, Text: value, Raw: hidden([]byte(value))}
	switch {
	case value == "true" || value == "false":
		l.Kind = Bool
	case value == "null":
		l.Kind = Null
	case numeral(value):
		l.Kind = Number
	}
	return l
}

// numeral tells whether a text is a whole number or a decimal fraction, as people write them.
func numeral(s string) bool {
	digits, dots := 0, 0
	for i := range len(s) {
		switch c := s[i]; {
		case c >= '0' && c <= '9':
			digits++
		case c == '.':
			dots++
		case c == '-' && i == 0:
		default:
			return false
		}
	}
	return digits > 0 && dots <= 1 && s[len(s)-1] != '.'
}
