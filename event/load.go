package event

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
)

// CatalogueSchema is the value of a catalogue file's schema member.
const CatalogueSchema = "stet.catalogue/1"

// maxCatalogue bounds a catalogue file, in bytes.
const maxCatalogue = 1 << 20

// LoadCatalogue reads an organisation's catalogue file and returns it together
// with the built-in types. The file is JSON, read as strictly as an event but
// for white space; docs/spec/event.md describes it. A built-in type may be named
// again to be made stricter, never laxer.
func LoadCatalogue(file []byte) (*Catalogue, error) {
	refuse := func(path, detail string) error {
		return &Error{Code: string(ErrCatalogue), Path: path, Detail: detail, Hint: "see docs/spec/event.md, \"Catalogue file\""}
	}
	if len(file) > maxCatalogue {
		return nil, refuse("", "is more than 1 MiB")
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, file); err != nil {
		return nil, refuse("", "is not JSON: "+err.Error())
	}
	s := scanner{b: compact.Bytes()}
	v, serr := s.build(MaxParamsDepth, true, nil)
	if serr != nil {
		return nil, refuse(serr.Path, serr.Code+": "+serr.Detail)
	}
	top, ok := v.(map[string]any)
	if !ok {
		return nil, refuse("", "is not an object")
	}
	for k := range top {
		if k != "schema" && k != "types" {
			return nil, refuse(k, "is not a member of a catalogue file")
		}
	}
	if top["schema"] != CatalogueSchema {
		return nil, refuse("schema", "is not "+CatalogueSchema)
	}
	list, ok := top["types"].([]any)
	if !ok {
		return nil, refuse("types", "is not an array")
	}
	c := &Catalogue{types: make(map[string]*Type, len(builtin.types)+len(list))}
	for n, t := range builtin.types {
		c.types[n] = t
	}
	own := make(map[string]bool)
	for i, v := range list {
		path := "types[" + strconv.Itoa(i) + "]"
		t, where, why := readType(v)
		if why != "" {
			return nil, refuse(path+where, why)
		}
		if own[t.Name] {
			return nil, refuse(path+".name", "is there twice")
		}
		own[t.Name] = true
		if base, ok := builtin.types[t.Name]; ok {
			switch {
			case t.Severity > base.Severity:
				return nil, refuse(path+".severity", "is less severe than the built-in type's "+strconv.Itoa(int(base.Severity)))
			case base.Security && !t.Security:
				return nil, refuse(path+".security", "is false, but the built-in type is security relevant")
			}
			t.Reserved, t.class, t.status, t.phase = base.Reserved, base.class, base.status, base.phase
			if t.Description == "" {
				t.Description = base.Description
			}
		} else if strings.HasPrefix(t.Name, "session_") {
			t.class = classSession
		}
		c.types[t.Name] = t
	}
	return c, nil
}

// readType reads one element of types; why is "" where it holds.
func readType(v any) (t *Type, where, why string) {
	m, ok := v.(map[string]any)
	if !ok {
		return nil, "", "is not an object"
	}
	t = &Type{Severity: -1}
	for k, v := range m {
		var good bool
		switch k {
		case "name":
			t.Name, good = v.(string)
			good = good && validTypeName(t.Name) && len(t.Name) <= 64
		case "severity":
			n, isInt := v.(int64)
			good = isInt && n >= 0 && n <= 7
			t.Severity = Severity(n)
		case "security":
			t.Security, good = v.(bool)
		case "modifies":
			t.Modifies, good = v.(bool)
		case "description":
			t.Description, good = v.(string)
			good = good && len(t.Description) <= 1024
		case "required":
			list, isList := v.([]any)
			good = isList
			for _, p := range list {
				s, isString := p.(string)
				if !isString || !requirable(s) {
					return nil, ".required", "names a path that no event has"
				}
				t.Required = append(t.Required, s)
			}
		case "personal_data":
			paths, isMap := v.(map[string]any)
			good = isMap
			t.PersonalData = make(map[string]string, len(paths))
			for p, b := range paths {
				basis, isString := b.(string)
				if !isString || basis == "" || !requirable(p) {
					return nil, ".personal_data", "needs paths of an event, each with its basis"
				}
				t.PersonalData[p] = basis
			}
		default:
			return nil, "." + k, "is not a member of a type"
		}
		if !good {
			return nil, "." + k, "has the wrong type or is out of bounds"
		}
	}
	switch {
	case t.Name == "":
		return nil, ".name", "is not there"
	case t.Severity < 0:
		return nil, ".severity", "is not there"
	}
	return t, "", ""
}

// requirable tells whether a path can be asked for: a row of the table, a label,
// a parameter.
func requirable(p string) bool {
	if f := lookup(p); f != nil {
		return true
	}
	for _, prefix := range [...]string{"labels.", "job.params."} {
		if strings.HasPrefix(p, prefix) && len(p) > len(prefix) && len(p) <= len(prefix)+MaxKeyBytes {
			return true
		}
	}
	return false
}
