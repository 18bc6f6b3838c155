package search

import (
	"unicode"
	"unicode/utf8"
)

// AppendTokens appends the tokens of a text in the form in which events hold text: each run of letters, digits and marks
// (Unicode L, N and M) in lower case, and each Han, Hiragana and Katakana character by itself, because these scripts set no
// spaces. Everything else separates, the escapes of event.Sanitize too.
//
// Free words are such tokens, and what they look at is split by this function: an index that splits otherwise finds
// something else.
func AppendTokens(dst []string, text string) []string {
	var word []byte // nil: the token is text[start:i], as it stands
	start, in := 0, false
	end := func(i int) {
		switch {
		case !in:
		case word != nil:
			dst = append(dst, string(word))
		default:
			dst = append(dst, text[start:i])
		}
		in, word = false, nil
	}
	for i := 0; i < len(text); {
		c := text[i]
		if c < utf8.RuneSelf {
			switch {
			case c >= 'a' && c <= 'z' || c >= '0' && c <= '9':
				if !in {
					start, in = i, true
				}
				if word != nil {
					word = append(word, c)
				}
				i++
			case c >= 'A' && c <= 'Z':
				if !in {
					start, in = i, true
				}
				if word == nil {
					word = append(make([]byte, 0, 16), text[start:i]...)
				}
				word = append(word, c+'a'-'A')
				i++
			case c == '\\':
				end(i)
				i += escapeLen(text[i:])
			default:
				end(i)
				i++
			}
			continue
		}
		r, n := utf8.DecodeRuneInString(text[i:])
		if !unicode.In(r, unicode.L, unicode.N, unicode.M) {
			end(i)
			i += n
			continue
		}
		alone := unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana)
		if alone {
			end(i)
		}
		if !in {
			start, in = i, true
		}
		if low := unicode.ToLower(r); low != r && word == nil {
			word = append(make([]byte, 0, 16), text[start:i]...)
			word = utf8.AppendRune(word, low)
		} else if word != nil {
			word = utf8.AppendRune(word, low)
		}
		i += n
		if alone {
			end(i)
		}
	}
	end(len(text))
	return dst
}

// escapeLen is how many bytes the escape of event.Sanitize takes that s begins with.
func escapeLen(s string) int {
	n := 2
	if len(s) > 1 {
		switch s[1] {
		case 'x':
			n = 4
		case 'u':
			n = 6
		case 'U':
			n = 10
		}
	}
	return min(n, len(s))
}
