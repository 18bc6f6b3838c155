// Package redact finds secrets and personal data in what people pass to jobs:
// by the name of a key, by the shape of a value, and by the place in a command
// line. It is the first layer and it misses some secrets: of a corpus that the
// rules had not seen, one in seven.
//
// It fails closed: what stands under a secret-looking key is masked whatever it
// looks like, but for the few words that Void knows. All functions are pure, take time linear in their input, and are
// safe for concurrent use.
package redact

import (
	"strings"
	"unsafe"
)

// Find is one thing that was masked: by which rule, never what.
type Find struct {
	Rule string
}

// Mask returns what stands in place of a secret.
func Mask(rule string) string { return markOpen + rule + "]" }

const markOpen = "[redacted:"

// IsMask tells whether s is exactly one mask.
func IsMask(s string) bool { return maskLen(s) == len(s) && s != "" }

// maskLen returns the length of the mask that s begins with, or 0.
func maskLen(s string) int {
	if !strings.HasPrefix(s, markOpen) {
		return 0
	}
	for i := len(markOpen); i < len(s) && i < len(markOpen)+32; i++ {
		switch c := s[i]; {
		case c == ']' && i > len(markOpen):
			return i + 1
		case c >= 'a' && c <= 'z', c == '_':
		default:
			return 0
		}
	}
	return 0
}

// rounds bounds how often a text is looked at: masking one thing may bring out
// another, and what has been redacted once must not change the second time.
const rounds = 8

// Text masks every secret and every piece of personal data in s. Clean text
// comes back as it is, without an allocation.
func Text(s string) (string, []Find) { return mask(s, true) }

// Secrets is Text without the rules for personal data, for fields that may
// lawfully hold some.
func Secrets(s string) (string, []Find) { return mask(s, false) }

// Finds tells whether Text would mask anything in s. It does not allocate where it
// says no, unless s looks like a command line: the rules read s where it lies, and
// keep nothing of it.
func Finds(s []byte) bool {
	if LookBytes(s)&Suspect == 0 {
		return false
	}
	f := finder{s: unsafe.String(unsafe.SliceData(s), len(s)), personal: true}
	f.run()
	return len(f.spans) > 0
}

func mask(s string, personal bool) (string, []Find) {
	if Look(s)&Suspect == 0 {
		return s, nil
	}
	var finds []Find
	for range rounds {
		f := finder{s: s, personal: personal}
		f.run()
		if len(f.spans) == 0 {
			return s, finds
		}
		var hits []Find
		s, hits = f.replace()
		finds = append(finds, hits...)
	}
	f := finder{s: s, personal: personal}
	if f.run(); len(f.spans) == 0 {
		return s, finds
	}
	// It does not come to rest: somebody made it so.
	return Mask("text"), append(finds, Find{Rule: "text"})
}

// span is a part of a text to be masked.
type span struct {
	from, to int
	rule     string
}

// replace masks the spans, joining those that overlap.
func (f *finder) replace() (string, []Find) {
	sortSpans(f.spans)
	var b strings.Builder
	var finds []Find
	at := 0
	for i := 0; i < len(f.spans); {
		sp := f.spans[i]
		for i++; i < len(f.spans) && f.spans[i].from < sp.to; i++ {
			sp.to = max(sp.to, f.spans[i].to)
		}
		b.WriteString(f.s[at:sp.from])
		b.WriteString(Mask(sp.rule))
		at = sp.to
		finds = append(finds, Find{Rule: sp.rule})
	}
	b.WriteString(f.s[at:])
	return b.String(), finds
}
