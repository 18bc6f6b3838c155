package verify

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

func uintText(n uint64) string { return strconv.FormatUint(n, 10) }

// rangeOf names what holds entries first to last.
func rangeOf(what string, first, last uint64) string {
	if first == last {
		return fmt.Sprintf("%s of entry %d", what, first)
	}
	return fmt.Sprintf("%s of entries %d to %d", what, first, last)
}

// printable escapes what a terminal must not be fed: anything but printable characters. Errors quote file names and
// bytes of a log that is under suspicion.
func printable(s string) string {
	clean := func(r rune) bool { return r != utf8.RuneError && unicode.IsPrint(r) }
	if strings.IndexFunc(s, func(r rune) bool { return !clean(r) }) < 0 {
		return s
	}
	var b strings.Builder
	for i, r := range s {
		switch {
		case clean(r):
			b.WriteRune(r)
		case r == utf8.RuneError:
			fmt.Fprintf(&b, `\x%02x`, s[i])
		default:
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		}
	}
	return b.String()
}

// parseStreamID reads the canonical text of a UUID. Which version it is has been checked by whoever gave the text.
func parseStreamID[T ~string | ~[]byte](s T) (id streamID, ok bool) {
	if len(s) != 36 {
		return id, false
	}
	var digits [32]byte
	n := 0
	for i := range len(s) {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			continue
		}
		digits[n] = s[i]
		n++
	}
	_, err := hex.Decode(id[:], digits[:])
	return id, err == nil
}

// String returns the canonical text.
func (id streamID) String() string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
