package search

import (
	"slices"
	"time"
)

// Limits of one query. What exceeds them is refused with an [*Error].
const (
	MaxBytes = 4096 // of its text
	MaxDepth = 16   // of parentheses and negations within each other
	MaxTerms = 128  // free words and values of fields, all together
)

// A Query asks for entries of a log: events, and stubs where an event could not be stored. Seals are no answers.
type Query struct {
	Root Node // nil: every entry
}

// A Node is And, Or, Not, Term or Words.
//
// Parse gives trees in normal form: And and Or have at least two children, no And stands directly in an And, no Or in an
// Or. A Node is not changed once it is made.
type Node interface{ node() }

// And asks for all of its children.
type And []Node

// Or asks for at least one of its children.
type Or []Node

// Not asks for entries that its child does not find, those without the child's field among them.
type Not struct{ Of Node }

// A Term asks for entries of which some value of the field is what at least one of Any says.
type Term struct {
	Field Field
	// Path is what follows the dot of label.KEY (one element) and param.PATH (a key or an array's index each), in the form
	// in which events hold keys; nil for other fields.
	Path []string
	Any  []Value // never empty
}

// Words asks for tokens that follow each other in one text of the entry.
type Words struct {
	Tokens []string // as AppendTokens makes them; never empty
	Prefix bool     // the last token is the beginning of one
}

func (And) node()   {}
func (Or) node()    {}
func (Not) node()   {}
func (Term) node()  {}
func (Words) node() {}

// Op says how a Value compares, and which of its members count.
type Op uint8

// The ops.
const (
	Present Op = iota // the field has a value; alone in its Term
	Equal             // Text is the value, byte for byte
	Prefix            // Text is the value's beginning
	Network           // Text is a network in CIDR notation that the address lies in; only of FieldIP
	Ints              // Min ≤ value ≤ Max
	Times             // From ≤ value < Until
	Ago               // value ≥ now − Ago; only of FieldReceived, and gone after Resolve
)

// A Value is what a field is compared with. Members that its Op does not name are zero.
type Value struct {
	Op Op
	// Text is in the form in which events hold text: escaped by event.Sanitize.
	Text string
	// Min and Max lie within the bounds of the field; a bound of the field is "no bound".
	Min, Max int64
	// From and Until are in UTC; a zero one is no bound. At least one is not zero.
	From, Until time.Time
	Ago         time.Duration // whole seconds, at least one
}

// With returns a query for what the query finds and all of the nodes are true of.
func (q Query) With(nodes ...Node) Query {
	switch root := q.Root.(type) {
	case nil:
	case And:
		nodes = append(nodes[:len(nodes):len(nodes)], root...)
	default:
		nodes = append(nodes[:len(nodes):len(nodes)], root)
	}
	switch len(nodes) {
	case 0:
		return Query{}
	case 1:
		return Query{nodes[0]}
	}
	return Query{And(nodes)}
}

// Resolve returns the query with every "since" counted from now, so that no Ago is left in it.
func (q Query) Resolve(now time.Time) Query {
	if q.Root == nil {
		return q
	}
	return Query{resolve(q.Root, now.UTC())}
}

func resolve(n Node, now time.Time) Node {
	switch n := n.(type) {
	case And:
		return And(resolveAll(n, now))
	case Or:
		return Or(resolveAll(n, now))
	case Not:
		return Not{resolve(n.Of, now)}
	case Term:
		if n.Any[0].Op == Ago {
			from := now.Add(-n.Any[0].Ago)
			if from.Before(earliest) {
				from = earliest // no entry is older, and this can be written
			}
			n.Any = []Value{{Op: Times, From: from}}
		}
		return n
	}
	return n
}

func resolveAll(nodes []Node, now time.Time) []Node {
	out := make([]Node, len(nodes))
	for i, n := range nodes {
		out[i] = resolve(n, now)
	}
	return out
}

// Relative says whether a query has a time in it that is counted from when it is asked.
func (q Query) Relative() bool { return relative(q.Root) }

func relative(n Node) bool {
	switch n := n.(type) {
	case And:
		return slices.ContainsFunc(n, relative)
	case Or:
		return slices.ContainsFunc(n, relative)
	case Not:
		return relative(n.Of)
	case Term:
		return n.Any[0].Op == Ago
	}
	return false
}
