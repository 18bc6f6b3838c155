package stet

import (
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
)

// Limits of job.params beside event's own.
const (
	maxItems  = 256  // elements of one list
	maxValues = 4096 // values altogether, so that pointers in a circle and wide trees end
)

// recordable returns a copy of parameters that every event can hold. A job must be recorded whatever it is asked to do:
// so what has no form there is replaced by a text that says what it was, never what was in it.
func recordable(params map[string]any) map[string]any {
	if params == nil {
		return nil
	}
	c := &copier{left: maxValues}
	return c.object(params, event.MaxParamsDepth)
}

type copier struct{ left int }

func instead(format string, args ...any) string {
	return "[not recorded: " + fmt.Sprintf(format, args...) + "]"
}

func (c *copier) object(m map[string]any, depth int) map[string]any {
	out := make(map[string]any, min(len(m), event.MaxKeys))
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i == event.MaxKeys-1 && len(m) > event.MaxKeys {
			out["…"] = instead("%d more keys", len(m)-i)
			break
		}
		out[k] = c.value(m[k], depth-1)
	}
	return out
}

// value copies one value that may contain depth more levels of maps and lists.
func (c *copier) value(v any, depth int) any {
	if c.left--; c.left < 0 {
		return instead("more than %d values", maxValues)
	}
	switch x := v.(type) {
	case nil, bool, string, int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return v
	case float64:
		return finite(x)
	case float32:
		if f, ok := finite(float64(x)).(string); ok {
			return f
		}
		return x
	case time.Time:
		if y := x.UTC().Year(); y < 0 || y > 9999 {
			return instead("a time in the year %d", y)
		}
		return x
	case error, fmt.Stringer:
		return fmt.Sprint(x) // here, and guarded: another's code must not run, or panic, where events are written
	case []string:
		if depth == 0 {
			return tooDeep()
		}
		if len(x) > maxItems {
			return append(slices.Clone(x[:maxItems-1]), instead("%d more elements", len(x)-maxItems+1))
		}
		return slices.Clone(x)
	case map[string]any:
		if depth == 0 {
			return tooDeep()
		}
		return c.object(x, depth)
	}
	return c.reflected(reflect.ValueOf(v), depth)
}

func tooDeep() string { return instead("nested more than %d deep", event.MaxParamsDepth) }

func finite(f float64) any {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return instead("%v", f)
	}
	return f
}

// reflected copies what is of a type that the program made.
func (c *copier) reflected(v reflect.Value, depth int) any {
	switch v.Kind() {
	case reflect.Bool:
		return v.Bool()
	case reflect.String:
		return v.String()
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int()
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr:
		return v.Uint()
	case reflect.Float32, reflect.Float64:
		return finite(v.Float())
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		if v.Elem().CanInterface() {
			return c.value(v.Elem().Interface(), depth)
		}
	case reflect.Slice, reflect.Array:
		return c.list(v, depth)
	case reflect.Map:
		if v.Type().Key().Kind() != reflect.String {
			break
		}
		if depth == 0 {
			return tooDeep()
		}
		m := make(map[string]any, min(v.Len(), event.MaxKeys))
		for it := v.MapRange(); it.Next(); {
			m[it.Key().String()] = it.Value().Interface()
		}
		return c.object(m, depth)
	}
	return instead("a %s", v.Type())
}

func (c *copier) list(v reflect.Value, depth int) any {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		return instead("%d bytes", v.Len())
	}
	if depth == 0 {
		return tooDeep()
	}
	n := v.Len()
	out := make([]any, 0, min(n, maxItems))
	for i := range n {
		if i == maxItems-1 && n > maxItems {
			return append(out, instead("%d more elements", n-i))
		}
		out = append(out, c.value(v.Index(i).Interface(), depth-1))
	}
	return out
}
