package event

import (
	"reflect"
	"testing"
)

// TestTableIsWhole: every field of the Go structs has one row, every row is
// bound to a field of its own, and the bit sets are wide enough.
func TestTableIsWhole(t *testing.T) {
	if len(objects) != objectCount {
		t.Errorf("the table has %d objects, objectCount is %d", len(objects), objectCount)
	}
	var walk func(o *object, v reflect.Value, path string)
	walk = func(o *object, v reflect.Value, path string) {
		if len(o.fields) > 64 {
			t.Errorf("%s has %d rows, a bit set holds 64", path, len(o.fields))
		}
		bound := make(map[uintptr]string)
		for _, f := range o.fields {
			p := reflect.ValueOf(f.at(v.Addr().Interface())).Pointer()
			if other := bound[p]; other != "" {
				t.Errorf("%s and %s are bound to one field", f.path, other)
			}
			bound[p] = f.path
			switch f.kind {
			case kindObject:
				walk(f.sub, reflect.ValueOf(f.open(v.Addr().Interface(), true)).Elem(), f.path)
			case kindList:
				_, e := f.list(v.Addr().Interface(), 0)
				walk(f.sub, reflect.ValueOf(e).Elem(), f.path)
			}
		}
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			if bound[v.Field(i).Addr().Pointer()] == "" && name != "Escaped" && name != "Unknown" {
				t.Errorf("%s.%s has no row", v.Type(), name)
			}
		}
	}
	walk(root, reflect.ValueOf(new(Event)).Elem(), "event")
}
