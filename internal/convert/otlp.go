package convert

import (
	"slices"
	"strings"
)

// OTLP/JSON (opentelemetry-proto, logs.proto and common.proto) writes attributes as lists of {key, value}, wraps values in
// objects that name their type, and puts many log records into one line. The exporters of some languages write {Key, Value}
// and {Type, Value}.
var anyValues = []string{"stringValue", "boolValue", "intValue", "doubleValue", "bytesValue", "arrayValue", "kvlistValue"}

// unwrap takes the wrapping that names a type off a value.
func unwrap(n *node) *node {
	for range MaxLineDepth {
		switch {
		case n.object && len(n.below) == 1 && slices.Contains(anyValues, n.below[0].name):
			n = n.below[0]
		case n.object && len(n.below) == 1 && n.below[0].name == "values" && n.below[0].array && n.name == "arrayValue":
			n = n.below[0]
		case n.object && len(n.below) == 1 && n.below[0].name == "values" && attributes(n.below[0]) && n.name == "kvlistValue":
			n = n.below[0]
		case n.object && len(n.below) == 2 && n.member("Value") != nil && goType(n.member("Type")):
			n = n.member("Value")
		default:
			return n
		}
	}
	return n
}

// goType tells whether a member is the name of a type as OpenTelemetry's exporters for Go write it, and nothing that somebody
// could want to know.
func goType(n *node) bool {
	if n == nil || n.object || n.array || n.leaf.Kind != Text {
		return false
	}
	return slices.Contains([]string{"bool", "int64", "float64", "string", "bytes", "slice", "map", "empty", "boolslice", "int64slice", "float64slice", "stringslice", "invalid"},
		strings.ToLower(n.leaf.Text))
}

// attributes tells whether an array is a list of key and value.
func attributes(n *node) bool {
	if !n.array || len(n.below) == 0 {
		return false
	}
	for _, item := range n.below {
		key := first(item, "key", "Key")
		if len(item.below) != 2 || key == nil || key.object || key.array || key.leaf.Kind != Text || first(item, "value", "Value") == nil {
			return false
		}
	}
	return true
}

func first(n *node, names ...string) *node {
	for _, name := range names {
		if m := n.member(name); m != nil {
			return m
		}
	}
	return nil
}

// logRecords are the log records of an OTLP line, each with its resource and scope among its members; of any other line, it
// alone.
func logRecords(root *node) (out []*node) {
	resources := root.member("resourceLogs")
	if resources == nil || !resources.array {
		return []*node{root}
	}
	for _, resource := range resources.below {
		scopes := resource.member("scopeLogs")
		if scopes == nil {
			continue
		}
		for _, scope := range scopes.below {
			records := scope.member("logRecords")
			if records == nil {
				continue
			}
			for _, record := range records.below {
				n := &node{object: true, below: slices.Clone(record.below)}
				for _, outer := range []*node{resource.member("resource"), scope.member("scope")} {
					if outer != nil {
						n.below = append(n.below, outer)
					}
				}
				out = append(out, n)
			}
		}
	}
	return out
}

// ReadOTLPJSON is ReadOTLPProto for the JSON of OTLP. An error is about all of it: JSON that is wrong somewhere has no records that
// could be told apart.
func ReadOTLPJSON(body []byte) ([]Element, error) {
	root, err := readObject(body, MaxValues)
	if err != nil || root.member("resourceLogs") == nil {
		return nil, err
	}
	o := otlpReader{}
	for _, n := range logRecords(root) {
		var e Element
		if e.Err = e.flatten("", n); e.Err == nil && len(e.Leaves) > MaxLineLeaves {
			e.Err = errManyValues()
		}
		if err := o.add(e); err != nil {
			return nil, err
		}
	}
	return o.all, nil
}
