package redact

import (
	"strconv"
	"strings"
)

// encoded looks once more at a text with its escapes undone, since people log
// query strings, HTML and JSON inside of each other: %22password%22,
// &quot;password&quot;, \u0022password\u0022. What is found there is masked in
// the text as it stands.
func (f *finder) encoded() {
	view, at := decode(f.s)
	if at == nil {
		return
	}
	g := finder{s: view, personal: f.personal, decoded: true}
	g.run()
	for _, sp := range g.spans {
		f.add(at[sp.from], at[sp.to], sp.rule)
	}
}

// decode undoes escapes of printable ASCII, and percent escapes of other UTF-8,
// and tells for each byte of the result, and for its end, where it stood in s;
// nil where there is no escape.
func decode(s string) (view string, at []int) {
	if !strings.ContainsAny(s, "%&\\") {
		return s, nil
	}
	var b []byte
	for i := 0; i < len(s); {
		c, n := escape(s[i:])
		if n > 0 && at == nil {
			b, at = append(make([]byte, 0, len(s)), s[:i]...), make([]int, 0, len(s)+1)
			for k := range i {
				at = append(at, k)
			}
		}
		if n == 0 {
			c, n = s[i], 1
		}
		if at != nil {
			b, at = append(b, c), append(at, i)
		}
		i += n
	}
	if at == nil {
		return s, nil
	}
	return string(b), append(at, len(s))
}

// escape returns the byte that the escape at the start of s stands for, and the
// escape's length, or 0.
func escape(s string) (c byte, n int) {
	var digits string
	switch {
	case s[0] == '%' && len(s) > 2:
		digits, n = s[1:3], 3
	case s[0] == '\\' && len(s) > 5 && (s[1] == 'u' || s[1] == 'U') && s[2] == '0' && s[3] == '0':
		digits, n = s[4:6], 6
	case s[0] == '&':
		for _, e := range [...]struct {
			text string
			c    byte
		}{{"&quot;", '"'}, {"&#34;", '"'}, {"&#39;", '\''}, {"&apos;", '\''}, {"&amp;", '&'}, {"&lt;", '<'}, {"&gt;", '>'}} {
			if strings.HasPrefix(s, e.text) {
				return e.c, len(e.text)
			}
		}
		return 0, 0
	default:
		return 0, 0
	}
	v, err := strconv.ParseUint(digits, 16, 8)
	if err != nil || v < 0x20 || v == 0x7f || v > 0x7f && n != 3 {
		return 0, 0
	}
	return byte(v), n
}
