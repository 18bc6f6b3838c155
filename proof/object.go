package proof

import (
	"encoding/binary"
	"math/bits"
)

// maxEventDepth bounds the levels of objects and arrays in an event: one bit each in a word. Package event is stricter.
const maxEventDepth = 64

// CheckEvent asks of an event what ParseEntry asks of it, without its entry: one JSON object by its braces, brackets and
// strings, and nothing behind it. Its error wraps ErrMalformed.
func CheckEvent(b []byte) error {
	n, why := objectEnd(b)
	if why == "" && n != len(b) {
		why = "bytes follow the event"
	}
	if why != "" {
		return malformed("event", "at byte %d: %s", n, why)
	}
	return nil
}

// object consumes one JSON object by its braces, brackets and strings only.
func (c *cursor) object() []byte {
	if c.why != "" {
		return nil
	}
	n, why := objectEnd(c.b[c.i:])
	if why != "" {
		c.fail(why)
		return nil
	}
	c.i += n
	return c.b[c.i-n : c.i : c.i]
}

// nesting follows which objects and arrays are open: one bit a level, an object 1 and an array 0, so that {] does not pass
// for balanced.
type nesting struct {
	kinds uint64
	depth int
}

// step takes a brace or bracket. done says that it closes the outermost object.
func (l *nesting) step(c byte) (done bool, why string) {
	switch c {
	case '{', '[':
		if l.depth++; l.depth > maxEventDepth {
			return false, "an event of more than 64 levels"
		}
		l.kinds <<= 1
		if c == '{' {
			l.kinds |= 1
		}
	case '}', ']':
		if (c == '}') != (l.kinds&1 == 1) {
			return false, "an event with unbalanced brackets"
		}
		l.kinds >>= 1
		l.depth--
		return l.depth == 0, ""
	}
	return false, ""
}

const (
	ones  = 0x0101010101010101
	highs = 0x80 * ones
)

// equal has the high bit of each byte of w that is c.
func equal(w uint64, c byte) uint64 { return zeros(w ^ ones*uint64(c)) }

// zeros has the high bit of each byte of w that is 0.
func zeros(w uint64) uint64 { return ^((w&^highs + 0x7f*ones) | w) & highs }

// objectEnd returns how many bytes the JSON object has that b begins with; or why there is none, and about where. Every
// event passes here more than once, so it reads eight bytes at a time: of a word's quotes it computes which bytes lie in
// strings, and looks only at braces and brackets that do not. A word with a backslash, and the last bytes, go one by one.
func objectEnd(b []byte) (n int, why string) {
	if len(b) == 0 || b[0] != '{' {
		return 0, "want an object"
	}
	var open nesting
	inside := uint64(0) // highs while in a string
	for i := 0; i < len(b); {
		if len(b)-i >= 8 {
			w := binary.LittleEndian.Uint64(b[i:])
			if equal(w, '\\') == 0 {
				quoted := equal(w, '"')
				quoted ^= quoted << 8 // now the parity of the quotes up to each byte
				quoted ^= quoted << 16
				quoted ^= quoted << 32
				quoted ^= inside
				// 0x20 tells braces from brackets, 0x06 the opening from the closing ones. Without these bits an underscore,
				// a Y and DEL look the same; step lets them pass.
				const same = 0x20 | 0x06
				for at := zeros((w^ones*'{')&^(ones*same)) &^ quoted; at != 0; at &= at - 1 {
					k := i + bits.TrailingZeros64(at)/8
					done, why := open.step(b[k])
					if done || why != "" {
						return k + 1, why
					}
				}
				inside = -(quoted >> 63) & highs
				i += 8
				continue
			}
		}
		switch c := b[i]; {
		case c == '"':
			inside ^= highs
		case inside == 0:
			if done, why := open.step(c); done || why != "" {
				return i + 1, why
			}
		case c == '\\':
			i++ // what it escapes
		}
		i++
	}
	if inside != 0 {
		return len(b), "an event with an open string"
	}
	return len(b), "an event that does not end"
}
