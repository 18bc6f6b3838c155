package search

import (
	"net/netip"
	"slices"
	"strings"
	"time"
)

// A Matcher says of one record after the other whether a query finds it. It is for one goroutine at a time.
type Matcher struct {
	root Node

	texts  []string // memory that is used again
	prose  []string
	tokens []string
}

// NewMatcher resolves the query at now.
func NewMatcher(q Query, now time.Time) *Matcher { return &Matcher{root: q.Resolve(now).Root} }

// Match says whether the query finds the record.
func (m *Matcher) Match(r *Record) bool {
	m.prose = m.prose[:0]
	return m.root == nil || m.node(m.root, r)
}

func (m *Matcher) node(n Node, r *Record) bool {
	switch n := n.(type) {
	case And:
		return !slices.ContainsFunc(n, func(of Node) bool { return !m.node(of, r) })
	case Or:
		return slices.ContainsFunc(n, func(of Node) bool { return m.node(of, r) })
	case Not:
		return !m.node(n.Of, r)
	case Words:
		return m.words(n, r)
	case Term:
		return m.term(n, r)
	}
	return false
}

func (m *Matcher) term(t Term, r *Record) bool {
	var ints []int64
	m.texts = m.texts[:0]
	switch t.Field.Kind() {
	case KindInt:
		ints = r.AppendInts(nil, t.Field, nil)
	case KindTime:
		at, ok := r.Time(t.Field)
		return ok && slices.ContainsFunc(t.Any, func(v Value) bool { return v.holdsTime(at) })
	case KindScalar:
		ints = r.AppendInts(nil, t.Field, t.Path)
		m.texts = r.AppendTexts(m.texts, t.Field, t.Path)
	default:
		m.texts = r.AppendTexts(m.texts, t.Field, t.Path)
	}
	for _, v := range t.Any {
		if v.Op == Present && len(ints)+len(m.texts) > 0 ||
			slices.ContainsFunc(m.texts, v.holdsText) || slices.ContainsFunc(ints, v.holdsInt) {
			return true
		}
	}
	return false
}

func (v Value) holdsText(s string) bool {
	switch v.Op {
	case Equal:
		return s == v.Text
	case Prefix:
		return strings.HasPrefix(s, v.Text)
	case Network:
		return contains(v.Text, s)
	}
	return false
}

func (v Value) holdsInt(n int64) bool { return v.Op == Ints && v.Min <= n && n <= v.Max }

func (v Value) holdsTime(t time.Time) bool {
	return v.Op == Present || v.Op == Times && !t.Before(v.From) && (v.Until.IsZero() || t.Before(v.Until))
}

// words looks for tokens one behind the other in one text.
func (m *Matcher) words(w Words, r *Record) bool {
	if len(m.prose) == 0 {
		m.prose = r.AppendProse(m.prose)
	}
	for _, text := range m.prose {
		m.tokens = AppendTokens(m.tokens[:0], text)
		if w.in(m.tokens) {
			return true
		}
	}
	return false
}

func (w Words) in(tokens []string) bool {
	n := len(w.Tokens)
	for i := 0; i+n <= len(tokens); i++ {
		here := tokens[i : i+n]
		if slices.Equal(here[:n-1], w.Tokens[:n-1]) && (here[n-1] == w.Tokens[n-1] || w.Prefix && strings.HasPrefix(here[n-1], w.Tokens[n-1])) {
			return true
		}
	}
	return false
}

// contains says whether an address lies in a network; both are texts, the network from a parsed query.
func contains(network, address string) bool {
	n, err := netip.ParsePrefix(network)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(address)
	return err == nil && n.Contains(a)
}
