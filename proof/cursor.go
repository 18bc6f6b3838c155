package proof

import "bytes"

// A cursor reads canonical JSON forward. The first thing it does not expect stops it: from then on every method does
// nothing and returns a zero value, so that a parser reads as the format does and checks once, at its end.
type cursor struct {
	b   []byte
	i   int    // next byte to read; where it stopped, once why is set
	why string // what was wrong, or ""
}

func (c *cursor) fail(why string) {
	if c.why == "" {
		c.why = why
	}
}

// try consumes text if it comes next.
func (c *cursor) try(text string) bool {
	if c.why != "" || len(c.b)-c.i < len(text) || string(c.b[c.i:c.i+len(text)]) != text {
		return false
	}
	c.i += len(text)
	return true
}

// literal consumes text, which must come next.
func (c *cursor) literal(text string) {
	if c.why == "" && !c.try(text) {
		c.fail("want " + text)
	}
}

// take consumes n bytes, whatever they are.
func (c *cursor) take(n int) []byte {
	if c.why != "" {
		return nil
	}
	if len(c.b)-c.i < n {
		c.fail("it ends too early")
		return nil
	}
	c.i += n
	return c.b[c.i-n : c.i]
}

// number consumes a plain decimal from low to high.
func (c *cursor) number(low, high uint64) uint64 {
	if c.why != "" {
		return 0
	}
	end := c.i
	for end < len(c.b) && end-c.i < 20 && c.b[end] >= '0' && c.b[end] <= '9' {
		end++
	}
	n, ok := parseUint(c.b[c.i:end], high)
	if !ok || n < low {
		c.fail("want a plain decimal number within its limits")
		return 0
	}
	c.i = end
	return n
}

// text consumes a JSON string of plain text, of at most limit bytes once decoded. The quote and the backslash are
// escaped with a backslash, and LF as \n where lines are allowed; nothing else is ever escaped. The result may alias
// the input.
func (c *cursor) text(limit int, lines bool) []byte {
	c.literal(`"`)
	if c.why != "" {
		return nil
	}
	rest := c.b[c.i:]
	if len(rest) > 2*limit+1 {
		rest = rest[:2*limit+1]
	}
	end := bytes.IndexByte(rest, '"')
	if end >= 0 && !lines && bytes.IndexByte(rest[:end], '\\') < 0 {
		return c.checked(rest[:end:end], end+1, limit, lines)
	}
	var out []byte
	for i := 0; i < len(rest); i++ {
		switch rest[i] {
		case '"':
			return c.checked(out, i+1, limit, lines)
		case '\\':
			i++
			switch {
			case i < len(rest) && (rest[i] == '"' || rest[i] == '\\'):
				out = append(out, rest[i])
			case i < len(rest) && rest[i] == 'n' && lines:
				out = append(out, '\n')
			default:
				c.fail("an escape that is not used here")
				return nil
			}
		case '\n':
			c.fail("a bare line feed in a string")
			return nil
		default:
			out = append(out, rest[i])
		}
	}
	c.fail("a string that does not end within its limit")
	return nil
}

// checked accepts the decoded text of a string that took used bytes of input.
func (c *cursor) checked(text []byte, used, limit int, lines bool) []byte {
	if len(text) > limit {
		c.fail("a string above its limit")
		return nil
	}
	if lines {
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			if !plainText(line) {
				c.fail("a control or format character, or not UTF-8")
				return nil
			}
		}
	} else if !plainText(text) {
		c.fail("a control or format character, or not UTF-8")
		return nil
	}
	c.i += used
	return text
}

// rest consumes everything but the last byte, which must not be nothing.
func (c *cursor) rest() []byte {
	b := c.take(max(len(c.b)-1-c.i, 1))
	return b[:len(b):len(b)]
}

// appendString appends text as a JSON string, escaped as cursor.text reads it.
func appendString[T ~string | ~[]byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	for i := range len(text) {
		switch b := text[i]; b {
		case '"', '\\':
			dst = append(dst, '\\', b)
		case '\n':
			dst = append(dst, '\\', 'n')
		default:
			dst = append(dst, b)
		}
	}
	return append(dst, '"')
}
