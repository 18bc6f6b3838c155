package verify

import (
	"fmt"
	"testing"

	stores "github.com/stetlog/stet/internal/store"
)

// FuzzMarker: the verifier reads a store's marker with code of its own, and takes what the store takes, for the same.
func FuzzMarker(f *testing.F) {
	const (
		logKey   = "log.example/stet+6ab5fd0a+AbcdEfghIjklMnopQrstUvwxYz0123456789AbcdEfg="
		storeKey = "stet-emitter/host.example/1000+58800a76+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c"
	)
	f.Add(fmt.Appendf(nil, "stet/store/v1\norigin log.example/stet\nlog %s\nstore %s\n", logKey, storeKey))
	f.Add(fmt.Appendf(nil, "stet/store/v1\norigin stet-emitter/host.example/1000\nlog %s\nstore %s\n", storeKey, storeKey))
	f.Add([]byte("stet/store/v1\norigin \nlog \nstore \n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) > maxMarker {
			return // neither reads more of the file
		}
		m, ok := parseMarker(b)
		want, err := stores.ParseMarker(b)
		if ok != (err == nil) {
			t.Fatalf("%q: the verifier says %v, the store %v", b, ok, err)
		}
		if got := (stores.Marker{Origin: m.origin, LogKey: m.logKey, StoreKey: m.storeKey}); ok && got != want {
			t.Fatalf("%q: the verifier reads %+v, the store %+v", b, got, want)
		}
	})
}
