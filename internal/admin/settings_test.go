package admin

import (
	"bytes"
	"maps"
	"strings"
	"testing"
)

func TestStartsAndChangedSettings(t *testing.T) {
	w := newWorld(t)
	start := func(s Settings) {
		t.Helper()
		w.reopen()
		if err := w.Started(t.Context(), "v1.2.3", s); err != nil {
			t.Fatal(err)
		}
	}
	one := Settings{"listen": "127.0.0.1:7108", "keys": "first"}
	start(one)
	first := w.log.took()
	if len(first) != 1 || first[0].EventType != "sys_startup" || first[0].Labels["version"] != "v1.2.3" || first[0].Labels["setting_listen"] != "127.0.0.1:7108" {
		t.Errorf("first start: %+v", first)
	}
	start(one)
	equal(t, "the same again", w.log.told(), "sys_startup")
	two := maps.Clone(one)
	two["listen"], two["clock"] = "0.0.0.0:7108", "required"
	start(two)
	changed := w.log.took()
	if len(changed) != 2 || changed[0].EventType != "config_changed" || changed[1].EventType != "sys_startup" {
		t.Fatalf("changed settings: %+v", changed)
	}
	e := changed[0]
	if e.Before.Summary != "listen=127.0.0.1:7108" || e.After.Summary != "clock=required, listen=0.0.0.0:7108" || e.Before.Digest == e.After.Digest {
		t.Errorf("it says %+v, %+v", e.Before, e.After)
	}
	start(two)
	equal(t, "and again", w.log.told(), "sys_startup")
	if err := w.Stopped(t.Context(), "asked to"); err != nil {
		t.Fatal(err)
	}
	equal(t, "the end", w.log.told(), "sys_shutdown")
	for _, bad := range []Settings{{"two words": "x"}, {"": "x"}, {"x": "a\nb"}, {"x": strings.Repeat("x", maxSettings)}} {
		if err := w.Started(t.Context(), "v1", bad); err == nil {
			t.Errorf("%v can be written", bad)
		}
	}
}

func FuzzParseSettings(f *testing.F) {
	f.Add([]byte(settingsHeader + "keys first\nlisten 127.0.0.1:7108\n"))
	f.Add([]byte(settingsHeader))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := parseSettings(b)
		if err != nil {
			return
		}
		if again, err := s.text(); err != nil || !bytes.Equal(again, b) {
			t.Errorf("two texts are read as one: %v", err)
		}
	})
}
