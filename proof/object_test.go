package proof

import (
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"
)

// naiveObjectEnd is objectEnd a byte at a time.
func naiveObjectEnd(b []byte) (int, bool) {
	if len(b) == 0 || b[0] != '{' {
		return 0, false
	}
	var open []byte
	inside, escaped := false, false
	for i, c := range b {
		switch {
		case escaped:
			escaped = false
		case inside && c == '\\':
			escaped = true
		case c == '"':
			inside = !inside
		case inside:
		case c == '{' || c == '[':
			if open = append(open, c+2); len(open) > maxEventDepth { // in ASCII the closing one is two further on
				return 0, false
			}
		case c == '}' || c == ']':
			if open[len(open)-1] != c {
				return 0, false
			}
			if open = open[:len(open)-1]; len(open) == 0 {
				return i + 1, true
			}
		}
	}
	return 0, false
}

// TestObjectEnd: eight bytes at a time give what one at a time does, wherever in a word something stands.
func TestObjectEnd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := []byte("{")
		for range rapid.IntRange(0, 80).Draw(t, "pieces") {
			b = append(b, rapid.SampledFrom([]string{"{", "}", "[", "]", `"`, `\`, `""`, `"}"`, "abcdefg", "\xfb\xfd\xdb\xa2", "|", ":", "_yY\x7f", "[[[[[[[["}).Draw(t, "piece")...)
		}
		for from := range 2 {
			for to := from; to <= len(b); to++ {
				n, why := objectEnd(b[from:to])
				want, ok := naiveObjectEnd(b[from:to])
				if (why == "") != ok || ok && n != want {
					t.Fatalf("%q: %d, %q; want %d, %v", b[from:to], n, why, want, ok)
				}
			}
		}
	})
}

// TestCheckEventIsParseEntry: what CheckEvent accepts can be read back from an entry, and nothing else can.
func TestCheckEventIsParseEntry(t *testing.T) {
	via := Via{Kind: ViaStore}.Append(nil)
	check := func(event string) error {
		err := CheckEvent([]byte(event))
		if err != nil && !errors.Is(err, ErrMalformed) {
			return fmt.Errorf("%q: %w", event, err)
		}
		e, perr := ParseEntry(AppendEventEntry(nil, 1, testTime, via, []byte(event)))
		if (err == nil) != (perr == nil) || err == nil && string(e.Event) != event {
			return fmt.Errorf("%q: CheckEvent says %w, ParseEntry %w and reads %q", event, err, perr, e.Event)
		}
		return nil
	}
	for _, event := range []string{``, `{}`, `{}{}`, `{}}`, `{"a":"}"}`, `{"a":1} `, `{"a":"\"}`, `[]`} {
		if err := check(event); err != nil {
			t.Error(err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		if err := check("{" + rapid.StringOf(rapid.SampledFrom([]rune(`{}[]"\a`))).Draw(t, "event")); err != nil {
			t.Fatal(err)
		}
	})
}
