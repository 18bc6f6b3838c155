package convert

import "slices"

// MaxTypes bounds the types of a mapping file.
const MaxTypes = 1024

// Types say which event_type of the catalogue a log's own names mean, by these names. They may be shared.
type Types map[string]string

// keyType is where a record has the type that Types gave it.
const keyType = "stet.event_type"

// Apply gives a record the type that its own name means, which counts before its own name with the mapping that Typed returns.
func (t Types) Apply(m Map, r *Record) {
	if l, ok := m.Value(r, "event_type"); ok && t[l.Text] != "" {
		r.Add(Leaf{Key: keyType, Text: t[l.Text]})
	}
}

// Typed is the mapping with what Apply has added to records.
func (m Map) Typed() Map {
	typed := make(Map, len(m))
	for field, keys := range m {
		typed[field] = keys
	}
	typed["event_type"] = slices.Concat([]string{keyType}, m["event_type"])
	return typed
}

// Only is the mapping without keys that no record of a guess has.
func (m Map) Only(g *Guess) Map {
	only := Map{}
	for field, keys := range m {
		for _, key := range keys {
			if g.keys[key] != nil {
				only[field] = append(only[field], key)
			}
		}
	}
	return only
}
