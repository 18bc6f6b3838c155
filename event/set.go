package event

import (
	"strconv"
	"strings"
	"time"
)

// Set puts a value into the field of e that a path names, such as user_id,
// object.id, labels.queue or impact.counts.rows, and reports whether it could:
// there is such a field, it is not a list of objects, and it holds such values.
// It takes string, bool, int64, time.Time, UUID and []string, in job.params
// anything; an integer where a text or an identifier is wanted becomes one, and
// a string a time, a UUID or a single element of a list. Whether the value may
// stand there is judged when e is written. The maps that it puts into are
// changed in place.
func (e *Event) Set(path string, v any) bool {
	var dry Event // so that a refusal leaves no empty objects behind
	return set(root, &dry, path, v) && set(root, e, path, v)
}

func set(o *object, parent any, path string, v any) bool {
	name, rest, deeper := strings.Cut(path, ".")
	for _, f := range o.fields {
		switch {
		case f.name != name:
		case f.kind == kindList:
			return false
		case f.sub != nil:
			return deeper && set(f.sub, f.open(parent, true), rest, v)
		case deeper:
			return rest != "" && setKey(f.at(parent), rest, v)
		default:
			return setValue(f, f.at(parent), v)
		}
	}
	return false
}

// setKey puts one key into a map; the dots in it are its own.
func setKey(p any, key string, v any) bool {
	switch p := p.(type) {
	case *map[string]string:
		s, ok := v.(string)
		return ok && assign(p, key, s)
	case *map[string]int64:
		n, ok := v.(int64)
		return ok && assign(p, key, n)
	case *map[string]any:
		return assign(p, key, v)
	}
	return false
}

func assign[V any](p *map[string]V, key string, v V) bool {
	if *p == nil {
		*p = map[string]V{}
	}
	(*p)[key] = v
	return true
}

func setValue(f *field, p, v any) bool {
	switch p := p.(type) {
	case *string:
		if n, ok := v.(int64); ok && f.kind <= kindIdentity {
			v = strconv.FormatInt(n, 10)
		}
		return put(p, v)
	case *bool:
		return put(p, v)
	case **bool:
		b, ok := v.(bool)
		*p = &b
		return ok
	case *int64:
		return put(p, v)
	case **int64:
		n, ok := v.(int64)
		*p = &n
		return ok
	case *uint64:
		n, ok := v.(int64)
		*p = uint64(n)
		return ok && n >= 0
	case **uint64:
		n, ok := v.(int64)
		u := uint64(n)
		*p = &u
		return ok && n >= 0
	case **Severity:
		n, ok := v.(int64)
		s := Severity(n)
		*p = &s
		return ok && n >= 0 && n <= int64(SeverityDebug)
	case *time.Time:
		if s, ok := v.(string); ok {
			t, err := time.Parse(time.RFC3339Nano, s)
			if err != nil {
				return false
			}
			v = t
		}
		return put(p, v)
	case *UUID:
		if s, ok := v.(string); ok {
			u, err := ParseUUID(s)
			if err != nil {
				return false
			}
			v = u
		}
		return put(p, v)
	case *[]string:
		if s, ok := v.(string); ok {
			v = []string{s}
		}
		return put(p, v)
	}
	return false
}

func put[T any](p *T, v any) bool {
	t, ok := v.(T)
	if ok {
		*p = t
	}
	return ok
}
