package stet_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
)

// What the environment says of app and environment goes into every seal. What a seal cannot carry is made to fit, and
// "derived" says so: an operator's slip must not keep jobs from running, or from being recorded.
func TestNamesFromTheEnvironment(t *testing.T) {
	for _, tc := range []struct {
		name, app, env    string
		wantApp, wantEnv  string
		howApp, howEnv    string // derived
		excuseEnvironment string
	}{
		{"both fit", "billing", "staging", "billing", "staging", "STET_APP", "STET_ENV", ""},
		{"hidden characters", "bil\nling ", "prod\x1b[0m", "bil-ling", "prod--0m", "STET_APP, made to fit", "STET_ENV, made to fit", ""},
		{"much too long", strings.Repeat("a", 5000), strings.Repeat("e", 200), strings.Repeat("a", 128), strings.Repeat("e", 32), "STET_APP, made to fit", "STET_ENV, made to fit", ""},
		{"nothing usable", "\xff\xff", "- -", "unknown", "", "STET_APP, made to fit", "", event.AbsentNotConfigured},
		{"what a seal writes for none", "a", "-", "a", "", "STET_APP", "", event.AbsentNotConfigured},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("STET_APP", tc.app)
			t.Setenv("STET_ENV", tc.env)
			rec, err := stet.Open(t.Context(), filepath.Join(dir, "store"), stet.Options{StateDir: filepath.Join(dir, "state")})
			if err != nil {
				t.Fatal(err)
			}
			if err := rec.Do(t.Context(), job("a"), nothing); err != nil {
				t.Fatal(err)
			}
			if err := rec.Close(); err != nil {
				t.Fatal(err)
			}
			for _, e := range onDisk(t, filepath.Join(dir, "store")) {
				if e.AppID != tc.wantApp || e.Derived["app_id"] != tc.howApp {
					t.Errorf("app_id %q by %q", e.AppID, e.Derived["app_id"])
				}
				if e.Environment != tc.wantEnv || e.Derived["environment"] != tc.howEnv || e.Absent["environment"] != tc.excuseEnvironment {
					t.Errorf("environment %q by %q, absent %q", e.Environment, e.Derived["environment"], e.Absent["environment"])
				}
			}
		})
	}
}

// Options belong to the Recorder from Open on.
func TestOptionsAreCopied(t *testing.T) {
	o := stet.Options{Derived: map[string]string{"app_version": "tag"}, IdentityKey: []byte(strings.Repeat("k", 32)), EntryPoint: &event.EntryPoint{Kind: "queue", Name: "invoices"}}
	w := open(t, o)
	o.Derived["app_version"], o.EntryPoint.Kind = "changed", "cli"
	clear(o.IdentityKey)
	if err := w.Record(stet.WithUser(t.Context(), "alice"), event.Event{EventType: "sys_startup"}); err != nil {
		t.Fatal(err)
	}
	e := w.only("sys_startup")
	if e.Derived["app_version"] != "tag" || e.EntryPoint.Kind != "queue" || e.UserID != event.HMAC([]byte(strings.Repeat("k", 32)), "alice") {
		t.Errorf("derived %q, entry point %q, user %q", e.Derived["app_version"], e.EntryPoint.Kind, e.UserID)
	}
}

// The key lies where StateDir says, and nothing else of the user is touched.
func TestStateDir(t *testing.T) {
	dir, home := t.TempDir(), t.TempDir()
	t.Setenv("STET_STATE", filepath.Join(home, "state"))
	state := filepath.Join(dir, "a", "state")
	rec, err := stet.Open(t.Context(), filepath.Join(dir, "b", "store"), stet.Options{StateDir: state})
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Stat(filepath.Join(state, "emitter.key")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("the key: %v, %v", fi, err)
	}
	if left, err := os.ReadDir(home); err != nil || len(left) > 0 {
		t.Errorf("in the user's own place are %v, %v", left, err)
	}
	if _, err := stet.Open(context.Background(), filepath.Join(dir, "store"), stet.Options{StateDir: "state"}); !errors.Is(err, stet.ErrInvalid) {
		t.Errorf("a relative StateDir: %v", err)
	}
}

// onDisk reads back the store in a directory.
func onDisk(t *testing.T, store string) []*event.Event {
	t.Helper()
	dir, err := fsx.OpenDir(store)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dir.Close() }() // read only
	events, err := readSpools(dir)
	if err != nil || len(events) == 0 {
		t.Fatalf("%d events: %v", len(events), err)
	}
	return events
}
