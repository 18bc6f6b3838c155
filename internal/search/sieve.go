package search

import (
	"bytes"
	"slices"
	"strings"
)

// A sieve tells from the bytes of an entry that a query cannot find it, which costs a hundredth of parsing it. It is a list of
// demands, each of which is met by any of its texts: an entry that meets one of them not at all is not found. Where a query
// demands no text that can be looked for, the sieve is empty and holds nothing back.
type sieve []demand

type demand []needle

// A needle is a text that stands in the bytes of an entry.
type needle struct {
	text  []byte
	fold  bool   // letters of ASCII in either case, as tokens are
	upper string // with fold: both cases of the first byte
}

// Sieve returns what tells from the bytes of an entry that the query cannot find it: false. It is for any goroutine.
func (m *Matcher) Sieve() func(raw []byte) bool { return newSieve(m.root).may }

// newSieve makes the sieve of a node.
func newSieve(n Node) sieve {
	switch n := n.(type) {
	case And:
		var all sieve
		for _, of := range n {
			all = append(all, newSieve(of)...)
		}
		return all
	case Or:
		var any demand
		for _, of := range n {
			s := newSieve(of)
			if len(s) == 0 {
				return nil
			}
			any = append(any, s[0]...)
		}
		return sieve{any}
	case Words:
		var all sieve
		for _, token := range n.Tokens {
			if strings.Trim(token, "abcdefghijklmnopqrstuvwxyz0123456789") == "" {
				all = append(all, demand{{text: []byte(token), fold: true, upper: token[:1] + strings.ToUpper(token[:1])}})
			}
		}
		return all
	case Term:
		var any demand
		for _, v := range n.Any {
			if !literal(n.Field, v) {
				return nil
			}
			any = append(any, needle{text: []byte(v.Text)})
		}
		return sieve{any}
	}
	return nil // what is asked for by Not may not be there
}

// literal says whether every entry of which the field has the value holds the value's text as it is, if it holds no backslash.
func literal(f Field, v Value) bool {
	if v.Op != Equal && v.Op != Prefix || v.Text == "" || strings.ContainsAny(v.Text, "\"\\") {
		return false
	}
	switch f {
	case FieldEmitter, FieldIP, FieldIs, FieldHas:
		return false // made of a key, spelled in one way, or said by several members
	case FieldObject:
		return !strings.Contains(v.Text, ":") // type and id, which stand apart
	}
	return true
}

// may says whether the entry may be found.
func (s sieve) may(raw []byte) bool {
	for _, d := range s {
		if !slices.ContainsFunc(d, func(n needle) bool { return n.in(raw) }) {
			// What is written with a backslash may be any character, and two that are not of ASCII have small letters that are.
			return bytes.IndexByte(raw, '\\') >= 0 || bytes.Contains(raw, []byte("\u212a")) || bytes.Contains(raw, []byte("\u0130"))
		}
	}
	return true
}

func (n needle) in(raw []byte) bool {
	if !n.fold {
		return bytes.Contains(raw, n.text)
	}
	for {
		i := bytes.IndexAny(raw, n.upper)
		if i < 0 || len(raw)-i < len(n.text) {
			return false
		}
		if matchesFold(raw[i:i+len(n.text)], n.text) {
			return true
		}
		raw = raw[i+1:]
	}
}

// matchesFold compares with small letters and digits of ASCII.
func matchesFold(b, low []byte) bool {
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != low[i] {
			return false
		}
	}
	return true
}
