package convert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/stetlog/stet/event"
)

// Limits of one line of somebody's log; what exceeds them is refused with a *LineError.
const (
	MaxLineDepth  = 32   // objects and arrays within one another
	MaxLineLeaves = 4096 // values, objects and arrays among them
	MaxLineKey    = 512  // bytes of a path to a value
)

// maxFlat bounds the leaves of all records of a line.
const maxFlat = 16 * MaxLineLeaves

func errManyValues() error {
	return &LineError{event.ErrItems, fmt.Sprintf("has more than %d values", MaxLineLeaves)}
}

func errDepth() error {
	return &LineError{event.ErrDepth, fmt.Sprintf("is nested deeper than %d", MaxLineDepth)}
}

func errKey() error {
	return &LineError{event.ErrKeys, fmt.Sprintf("has a path of keys that is longer than %d bytes", MaxLineKey)}
}

// LineError says why a line cannot be read. It never quotes the line.
type LineError struct {
	Code event.Refusal // ErrSyntax, ErrType, ErrDuplicate, ErrUTF8, ErrDepth, ErrItems or ErrKeys
	What string
}

func (e *LineError) Error() string { return e.What }

// Unwrap returns the code, for errors.Is.
func (e *LineError) Unwrap() error { return e.Code }

// LeafKind is the JSON type of a Leaf.
type LeafKind byte

// The kinds.
const (
	Text LeafKind = iota
	Number
	Bool
	Null
)

// Leaf is one value of a line, by the path to it: names and [indices], joined by dots, so that {"log":{"level":…}} and
// {"log.level":…} have one path.
type Leaf struct {
	Key  string
	Kind LeafKind
	Text string // decoded; of a number or truth value its spelling
	// Raw says that the line holds a character that does not show itself (event.Hidden), or a line break, as it is and not as
	// an escape of JSON.
	Raw bool
}

// Void says that a leaf says nothing: null, empty, or the dash that access logs write.
func (l Leaf) Void() bool { return l.Kind == Null || l.Text == "" || l.Text == "-" }

// Record is what one line says, or one of several that stand in one OTLP line.
type Record struct {
	Leaves []Leaf
	at     map[string]int
}

// newRecord makes a record of its leaves. Of two with one path the first counts.
func newRecord(leaves []Leaf) Record {
	r := Record{Leaves: leaves, at: make(map[string]int, len(leaves))}
	for i, l := range leaves {
		if _, twice := r.at[l.Key]; !twice {
			r.at[l.Key] = i
		}
	}
	return r
}

// Add adds a value behind the others. It counts where there is none with its path.
func (r *Record) Add(l Leaf) { *r = newRecord(append(r.Leaves[:len(r.Leaves):len(r.Leaves)], l)) }

// Leaf finds a value by its path.
func (r *Record) Leaf(key string) (Leaf, bool) {
	i, ok := r.at[key]
	if !ok {
		return Leaf{}, false
	}
	return r.Leaves[i], true
}

// Has tells whether there is a value that says something at a path or below it.
func (r *Record) Has(key string) bool {
	if l, ok := r.Leaf(key); ok {
		return !l.Void()
	}
	for _, l := range r.Leaves {
		if rest, ok := strings.CutPrefix(l.Key, key); ok && rest != "" && (rest[0] == '.' || rest[0] == '[') && !l.Void() {
			return true
		}
	}
	return false
}

// ReadLine reads a line that is one JSON object, strictly: a key twice in an object, or a byte that is not UTF-8, has no one
// meaning. A line of OTLP/JSON has a record for each of its log records, each with what its resource and scope say. Refusals
// are *LineError.
func ReadLine(line []byte) ([]Record, error) {
	root, err := readObject(line, MaxLineLeaves)
	if err != nil {
		return nil, err
	}
	var records []Record
	flat := 0 // leaves: those of a resource and a scope come again with each of their log records
	for _, n := range logRecords(root) {
		var r Record
		if err := r.flatten("", n); err != nil {
			return nil, err
		}
		if flat += len(r.Leaves); flat > maxFlat {
			return nil, errManyValues()
		}
		records = append(records, newRecord(r.Leaves))
	}
	return records, nil
}

// readObject reads one JSON object of at most so many values, and nothing else. Its error is a *LineError.
func readObject(text []byte, most int) (*node, error) {
	p := lineParser{dec: jsontext.NewDecoder(bytes.NewReader(text)), most: most}
	root, err := p.value(1)
	if err == nil {
		if _, terr := p.dec.ReadToken(); !errors.Is(terr, io.EOF) {
			err = &LineError{event.ErrSyntax, "is no JSON object alone: something stands behind it"}
		}
	}
	if err != nil {
		return nil, lineError(text, err)
	}
	if !root.object {
		return nil, &LineError{event.ErrType, "is JSON, but no object"}
	}
	return root, nil
}

// node is one JSON value of a line.
type node struct {
	object, array bool
	name          string // as the member of an object
	below         []*node
	leaf          Leaf
}

func (n *node) member(name string) *node {
	if n.object {
		for _, m := range n.below {
			if m.name == name {
				return m
			}
		}
	}
	return nil
}

type lineParser struct {
	dec    *jsontext.Decoder
	values int
	most   int // of values
}

func (p *lineParser) value(depth int) (*node, error) {
	if depth > MaxLineDepth {
		return nil, errDepth()
	}
	if p.values++; p.values > p.most {
		return nil, &LineError{event.ErrItems, fmt.Sprintf("has more than %d values", p.most)}
	}
	switch p.dec.PeekKind() {
	case '{':
		return p.object(depth)
	case '[':
		return p.array(depth)
	}
	raw, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	n := &node{}
	switch raw[0] {
	case '"':
		text, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return nil, err
		}
		n.leaf = Leaf{Kind: Text, Text: string(text), Raw: hidden(raw)}
	case 'n':
		n.leaf.Kind = Null
	case 't', 'f':
		n.leaf = Leaf{Kind: Bool, Text: string(raw)}
	default:
		n.leaf = Leaf{Kind: Number, Text: string(raw)}
	}
	return n, nil
}

func (p *lineParser) object(depth int) (*node, error) {
	n := &node{object: true}
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	for p.dec.PeekKind() != '}' {
		raw, err := p.dec.ReadValue()
		if err != nil {
			return nil, err
		}
		name, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return nil, err
		}
		named := hidden(raw)
		below, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		below.name, below.leaf.Raw = string(name), below.leaf.Raw || named
		n.below = append(n.below, below)
	}
	_, err := p.dec.ReadToken()
	return n, err
}

func (p *lineParser) array(depth int) (*node, error) {
	n := &node{array: true}
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	for p.dec.PeekKind() != ']' {
		below, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		n.below = append(n.below, below)
	}
	_, err := p.dec.ReadToken()
	return n, err
}

// hidden tells whether the bytes hold a character that does not show itself.
func hidden(b []byte) bool {
	for i := 0; i < len(b); {
		if c := b[i]; c < utf8.RuneSelf {
			if c < 0x20 || c == 0x7f {
				return true
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if event.Hidden(r) {
			return true
		}
		i += n
	}
	return false
}

// lineError puts a decoder's error into one of our codes. Its own text may quote the line.
func lineError(line []byte, err error) error {
	var known *LineError
	switch {
	case errors.As(err, &known):
		return known
	case errors.Is(err, jsontext.ErrDuplicateName):
		return &LineError{event.ErrDuplicate, "has a key twice in one object, so nobody can say which of the two counts"}
	case !utf8.Valid(line):
		return &LineError{event.ErrUTF8, "has bytes that are not UTF-8"}
	}
	return &LineError{event.ErrSyntax, "is no JSON"}
}

// flatten appends the leaves of n, which stands at path.
func (r *Record) flatten(path string, n *node) error {
	n = unwrap(n)
	if len(path) > MaxLineKey {
		return errKey()
	}
	switch {
	case n.object:
		for _, m := range n.below {
			if err := r.flatten(join(path, m.name), m); err != nil {
				return err
			}
		}
	case n.array:
		if attributes(n) {
			for _, item := range n.below {
				if err := r.flatten(join(path, first(item, "key", "Key").leaf.Text), first(item, "value", "Value")); err != nil {
					return err
				}
			}
			return nil
		}
		for i, item := range n.below {
			if err := r.flatten(path+"["+strconv.Itoa(i)+"]", item); err != nil {
				return err
			}
		}
	default:
		l := n.leaf
		l.Key = path
		r.Leaves = append(r.Leaves, l)
	}
	return nil
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
