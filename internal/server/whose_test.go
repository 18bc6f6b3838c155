package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/auth"
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
	if strings.Contains(got.body, "token_expires") {
		t.Errorf("nobody's token expires: %s", got.body)
	}
	text, made, err := w.auth.Create(auth.Spec{Name: "soon", Role: auth.Auditor, Expires: 48 * time.Hour})
	if err != nil {
		t.Fatal(err)
	}
	w.tokens["soon"] = text
	got = w.do("soon", http.MethodGet, wire.LogPath, nil)
	if l, err := wire.ParseLog([]byte(got.body)); err != nil || l.TokenExpires != made.Expires.UTC().Format(time.RFC3339) {
		t.Errorf("%s: %v; the token expires at %v", got.body, err, made.Expires)
	}
}
