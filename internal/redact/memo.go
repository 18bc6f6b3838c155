package redact

import "strings"

const (
	memoTexts = 256 // remembered at once
	memoBytes = 256 // of one text, at most
)

// Memo is Text for who meets the same texts again and again: it remembers those in which nothing was found, at most 64 KB
// of them, and answers for them at once. The zero value is ready, and the nil Memo remembers nothing. It serves one
// goroutine at a time.
type Memo struct{ clean map[string]struct{} }

// Text is the function Text.
func (m *Memo) Text(s string) (string, []Find) {
	if m == nil || len(s) > memoBytes {
		return Text(s)
	}
	if _, known := m.clean[s]; known {
		return s, nil
	}
	masked, finds := Text(s)
	if len(finds) > 0 {
		return masked, finds
	}
	if len(m.clean) == memoTexts {
		clear(m.clean) // what is met often will soon be there again
	}
	if m.clean == nil {
		m.clean = make(map[string]struct{})
	}
	m.clean[strings.Clone(s)] = struct{}{} // s may be a part of something large
	return s, nil
}
