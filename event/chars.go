package event

import "unicode/utf8"

// hidden lists every code point of the general categories Cc, Cf, Zl and Zp, in
// ranges. It is frozen here, not taken from the unicode package, so that one
// event gets one verdict whatever Go it is checked with; a test compares both.
var hidden = [...][2]rune{
	{0x00, 0x1f}, {0x7f, 0x9f}, {0xad, 0xad}, {0x600, 0x605}, {0x61c, 0x61c}, {0x6dd, 0x6dd},
	{0x70f, 0x70f}, {0x890, 0x891}, {0x8e2, 0x8e2}, {0x180e, 0x180e}, {0x200b, 0x200f},
	{0x2028, 0x202e}, {0x2060, 0x2064}, {0x2066, 0x206f}, {0xfeff, 0xfeff}, {0xfff9, 0xfffb},
	{0x110bd, 0x110bd}, {0x110cd, 0x110cd}, {0x13430, 0x1343f}, {0x1bca0, 0x1bca3},
	{0x1d173, 0x1d17a}, {0xe0001, 0xe0001}, {0xe0020, 0xe007f},
}

// Hidden tells whether r is of a category that does not show itself: Cc, Cf, Zl
// or Zp. Such characters forge lines, move cursors or turn text around.
func Hidden(r rune) bool {
	for _, h := range hidden {
		if r <= h[1] {
			return r >= h[0]
		}
	}
	return false
}

const hexDigits = "0123456789abcdef"

// Sanitize escapes s as SCHEMA "Sanitising" demands. The escape is injective:
//
//	a byte that is not UTF-8    \xNN
//	LF, CR, TAB                 \n \r \t
//	other hidden characters     \uNNNN, beyond U+FFFF \UNNNNNNNN
//	the backslash itself        \\
//
// A string without any of them is returned as it is.
func Sanitize(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '\\' {
			return string(appendSafe(nil, s, false))
		}
	}
	return s
}

// appendSafe appends the escaped form of s. With escaped, backslashes are the
// escape's own already and stay.
func appendSafe(dst []byte, s string, escaped bool) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c < 0x7f {
			if c == '\\' && !escaped {
				dst = append(dst, '\\')
			}
			dst = append(dst, c)
			i++
			continue
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			dst = append(dst, '\\', 'x', hexDigits[c>>4], hexDigits[c&15])
		case !Hidden(r):
			dst = append(dst, s[i:i+n]...)
		case r == '\n':
			dst = append(dst, '\\', 'n')
		case r == '\r':
			dst = append(dst, '\\', 'r')
		case r == '\t':
			dst = append(dst, '\\', 't')
		case r <= 0xffff:
			dst = append(dst, '\\', 'u')
			for sh := 12; sh >= 0; sh -= 4 {
				dst = append(dst, hexDigits[r>>sh&15])
			}
		default:
			dst = append(dst, '\\', 'U')
			for sh := 28; sh >= 0; sh -= 4 {
				dst = append(dst, hexDigits[r>>sh&15])
			}
		}
		i += n
	}
	return dst
}

// Unsanitize is the inverse of Sanitize: the bytes as they were before. It
// reports false for text that Sanitize does not write. What it returns may move
// a terminal's cursor: it is for comparing, not for showing.
func Unsanitize(s string) (string, bool) {
	var out []byte
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			out = append(out, s[i])
			i++
			continue
		}
		if i+1 == len(s) {
			return "", false
		}
		digits := 0
		switch s[i+1] {
		case '\\', 'n', 'r', 't':
			out = append(out, map[byte]byte{'\\': '\\', 'n': '\n', 'r': '\r', 't': '\t'}[s[i+1]])
		case 'x':
			digits = 2
		case 'u':
			digits = 4
		case 'U':
			digits = 8
		default:
			return "", false
		}
		if len(s) < i+2+digits {
			return "", false
		}
		var r rune
		for _, c := range []byte(s[i+2 : i+2+digits]) {
			if hexValue[c] > 15 {
				return "", false
			}
			r = r<<4 | rune(hexValue[c])
		}
		switch {
		case digits == 2:
			out = append(out, byte(r))
		case digits > 2:
			out = utf8.AppendRune(out, r)
		}
		i += 2 + digits
	}
	if Sanitize(string(out)) != s {
		return "", false
	}
	return string(out), true
}

// appendQuoted appends s, which holds no control characters and is UTF-8, as a
// JSON string with the least escaping: only the quote and the backslash.
func appendQuoted(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(s); i++ {
		if s[i] == '"' || s[i] == '\\' {
			dst = append(dst, s[from:i]...)
			dst = append(dst, '\\', s[i])
			from = i + 1
		}
	}
	dst = append(dst, s[from:]...)
	return append(dst, '"')
}
