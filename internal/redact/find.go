package redact

import (
	"slices"
	"strings"
)

// finder collects what is to be masked in one text.
type finder struct {
	s        string
	personal bool
	decoded  bool // s is a view of another text
	spans    []span

	// Whether the text holds a JSON Web Key, once somebody has asked.
	asked, webKey bool
}

func sortSpans(spans []span) {
	slices.SortStableFunc(spans, func(a, b span) int { return a.from - b.from })
}

func (f *finder) add(from, to int, rule string) {
	if from >= to || !f.personal && personalRule(rule) {
		return
	}
	// What is masked already stays as it is.
	if n := maskLen(f.s[from:to]); n > 0 && n == to-from {
		return
	}
	f.spans = append(f.spans, span{from, to, rule})
}

// Personal tells whether a rule is about a person rather than a secret, so that
// what it finds may lawfully stay in some places.
func Personal(rule string) bool { return personalRule(rule) }

// personalRule tells rules about persons from rules about secrets.
func personalRule(rule string) bool {
	switch rule {
	case "card", "iban", "ssn", "email", "phone", "personal":
		return true
	}
	return false
}

// run looks at every position once; each matcher looks a bounded way ahead, or
// moves the position on.
func (f *finder) run() {
	s := f.s
	masked := 0 // end of the mask that i is in
	value := 0  // end of the last value masked by its key
	for i := 0; i < len(s); i++ {
		if i < masked {
			continue
		}
		c := s[i]
		k := classes[c]
		var p Bits
		if i > 0 {
			p = classes[s[i-1]]
		}
		switch {
		case c == '[':
			if n := maskLen(s[i:]); n > 0 {
				masked = i + n
			}
		case c == '=' || c == ':':
			if i >= value && !strings.HasPrefix(s[i:], ":=") {
				value = max(value, f.pair(i))
			}
			if c == ':' && strings.HasPrefix(s[i:], "://") {
				f.url(i)
			} else if c == ':' {
				f.pgpass(i)
				f.colonLogin(i)
			}
		case c == '%' && hasFold(s[i:], "%3d"):
			if i >= value {
				value = max(value, f.pair(i))
			}
		case c == '<':
			f.element(i)
		case c == '(':
			f.call(i)
		case c == '$' || c == '{':
			f.crypt(i)
		case c == '/':
			f.pathToken(i)
		case c == '@':
			f.email(i)
			f.login(i)
		case c == '-' && strings.HasPrefix(s[i:], "----"):
			if end := f.dashes(i, masked); end > i {
				masked = end
			}
		case k&letter != 0 && p&(letter|digit) == 0:
			if n := f.token(i); n > 0 {
				masked = i + n
				continue
			}
			if n := f.putty(i); n > 0 {
				masked = i + n
				continue
			}
			f.word(i)
			f.oracle(i)
			f.piped(i)
			if f.personal {
				f.iban(i)
			}
		case c|0x20 == 'p' && hasFold(s[i:], "passwor"): // Initialpasswort
			f.word(i)
		case c == '+' && p&(letter|digit) == 0:
			f.phone(i)
		case k&digit != 0 && p&(letter|digit|High) == 0:
			if n := f.token(i); n > 0 {
				masked = i + n
				continue
			}
			f.number(i)
		}
	}
	f.commands()
	if !f.decoded {
		f.encoded()
	}
}
