// Package watchtest lends events as a reader does that uses its memory again, for tests of those who are given them.
package watchtest

import (
	"bytes"
	"encoding/json"
	"reflect"
	"time"
	"unsafe"

	"github.com/stetlog/stet/event"
)

// Lent is an event in memory that is lent, and what happens to that memory then: all texts are overwritten, all maps and lists
// emptied.
func Lent(e *event.Event) (_ *event.Event, spoil func()) {
	if e == nil {
		return nil, func() {}
	}
	var spoils []func()
	var copied func(v reflect.Value) reflect.Value
	copied = func(v reflect.Value) reflect.Value {
		to := reflect.New(v.Type()).Elem()
		to.Set(v)
		switch v.Kind() {
		case reflect.String:
			if b := []byte(v.String()); len(b) > 0 {
				to.SetString(unsafe.String(&b[0], len(b)))
				spoils = append(spoils, func() {
					for i := range b {
						b[i] = spoiled[0]
					}
				})
			}
		case reflect.Pointer:
			if !v.IsNil() {
				to.Set(reflect.New(v.Type().Elem()))
				to.Elem().Set(copied(v.Elem()))
				spoils = append(spoils, func() { to.Elem().SetZero() })
			}
		case reflect.Interface:
			if !v.IsNil() {
				to.Set(copied(v.Elem()))
			}
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				break
			}
			for i := range v.NumField() {
				if to.Field(i).CanSet() {
					to.Field(i).Set(copied(v.Field(i)))
				}
			}
		case reflect.Slice:
			if !v.IsNil() {
				to.Set(reflect.MakeSlice(v.Type(), v.Len(), v.Len()))
				for i := range v.Len() {
					to.Index(i).Set(copied(v.Index(i)))
				}
				spoils = append(spoils, func() { clearSlice(to) })
			}
		case reflect.Map:
			if !v.IsNil() {
				to.Set(reflect.MakeMap(v.Type()))
				for _, k := range v.MapKeys() {
					to.SetMapIndex(copied(k), copied(v.MapIndex(k)))
				}
				spoils = append(spoils, to.Clear)
			}
		}
		return to
	}
	out := copied(reflect.ValueOf(e)).Interface().(*event.Event)
	return out, func() {
		for i := range spoils { // texts that are keys of a map after the map
			spoils[len(spoils)-1-i]()
		}
	}
}

// Spoiled says whether some text of an event is one that Lent has overwritten.
func Spoiled(e *event.Event) bool {
	b, err := json.Marshal(e)
	return err != nil || bytes.Contains(b, []byte(spoiled+spoiled))
}

const spoiled = "#"

func clearSlice(v reflect.Value) {
	for i := range v.Len() {
		v.Index(i).SetZero()
	}
}
