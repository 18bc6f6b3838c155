package store

import (
	"bytes"
	"errors"
	"testing"
)

func testMarker() Marker {
	return Marker{Origin: logName, LogKey: key(logName).VKey, StoreKey: key(storeName).VKey}
}

func TestMarker(t *testing.T) {
	m := testMarker()
	got, err := ParseMarker(m.Append(nil))
	if err != nil || got != m {
		t.Fatalf("%+v reads back as %+v, %v", m, got, err)
	}
	good := m.Append(nil)
	for name, b := range map[string][]byte{
		"empty":           nil,
		"cut short":       good[:len(good)-1],
		"longer":          append(bytes.Clone(good), '\n'),
		"another version": bytes.Replace(good, []byte("v1"), []byte("v2"), 1),
		"another origin":  bytes.Replace(good, []byte("origin stet"), []byte("origin stut"), 1),
		"no origin":       Marker{LogKey: m.LogKey, StoreKey: m.StoreKey}.Append(nil),
		"no keys":         Marker{Origin: logName}.Append(nil),
		"line in a name":  Marker{Origin: "a\nb", LogKey: m.LogKey, StoreKey: m.StoreKey}.Append(nil),
		"CRLF":            bytes.ReplaceAll(good, []byte("\n"), []byte("\r\n")),
	} {
		if got, err := ParseMarker(b); !errors.Is(err, errMarker) {
			t.Errorf("%s: %+v, %v, want a refusal", name, got, err)
		}
	}
}

// FuzzMarker: what is accepted has one form.
func FuzzMarker(f *testing.F) {
	f.Add(testMarker().Append(nil))
	f.Add([]byte("stet/store/v1\norigin \nlog \nstore \n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := ParseMarker(b)
		if err != nil {
			if !errors.Is(err, errMarker) {
				t.Fatalf("%v is not errMarker", err)
			}
			return
		}
		if !bytes.Equal(m.Append(nil), b) {
			t.Fatalf("%q reads back as %q", b, m.Append(nil))
		}
	})
}
