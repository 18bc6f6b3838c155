package server

import (
	"net/http"
	"testing"

	"github.com/stetlog/stet/internal/wire"
)

func TestWhoseLogItIsIsToldToAnybody(t *testing.T) {
	var key string
	w := newWorld(t, func(o *Options) {
		key = newKey(t, "stet.local/test").VKey
		o.LogKey = func() string { return key }
	})
	got := w.do("", http.MethodGet, wire.LogPath, nil)
	if l, err := wire.ParseLog([]byte(got.body)); err != nil || got.status != http.StatusOK || l.LogKey != key {
		t.Errorf("%d %s: %v", got.status, got.body, err)
	}
}
