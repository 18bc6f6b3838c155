package search

import (
	"testing"
	"time"
	"unicode"
	"unicode/utf8"
)

// TestSieve: what cannot be found is held back; what may be found, however it is written, is not.
func TestSieve(t *testing.T) {
	const raw = `{"v":1,"event":{"user_id":"alice","description":"Card DECLINED","object":{"type":"file","id":"x"},"job":{"params":{"n":42}}}}`
	for _, c := range []struct {
		query, raw string
		may        bool
	}{
		{"actor:alice", raw, true},
		{"actor:bob", raw, false},
		{"actor:bob", `{"user_id":"b\u006fb"}`, true},
		{"actor:bob,alice", raw, true},
		{"actor:ali*", raw, true},
		{"actor:Ali*", raw, false},
		{"actor:*", raw, true},
		{"-actor:bob", raw, true},
		{"declined", raw, true},
		{"card declined", raw, true},
		{"card refused", raw, false},
		{"refus*", raw, false},
		{"kelvin", "\u212aelvin", true},
		{"in", "\u0130n", true},
		{"straße", raw, true}, // letters beyond ASCII are not looked for
		{"object:file:x", raw, true},
		{"object:file:y", raw, true},
		{"object:z", raw, false},
		{"param.n:42", raw, true},
		{"param.n:43", raw, false},
		{"param.n:>50", raw, true},
		{"actor:bob OR card", raw, true},
		{"actor:bob OR refused", raw, false},
		{"actor:bob OR -card", raw, true},
		{"emitter:host", raw, true},
		{"ip:192.0.2.7", raw, true},
		{"is:ghost", raw, true},
		{"", raw, true},
	} {
		m := NewMatcher(mustParse(t, c.query), time.Unix(0, 0))
		if got := newSieve(m.root).may([]byte(c.raw)); got != c.may {
			t.Errorf("%s may find %s: %v, want %v", c.query, c.raw, got, c.may)
		}
	}
}

// TestLettersOfASCII: two characters that are not of ASCII have small letters that are; may knows them.
func TestLettersOfASCII(t *testing.T) {
	for r := rune(utf8.RuneSelf); r <= unicode.MaxRune; r++ {
		if low := unicode.ToLower(r); low < utf8.RuneSelf && r != '\u212a' && r != '\u0130' {
			t.Errorf("%U has the small letter %q", r, low)
		}
	}
}
