package exports

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/docs"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/server"
)

// The routes are those of the document.
func TestRoutes(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct{ Tags []string }
	}
	if err := yaml.Unmarshal([]byte(docs.OpenAPI), &doc); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for path, methods := range doc.Paths {
		for method, op := range methods {
			if slices.Contains(op.Tags, "evidence") {
				want = append(want, strings.ToUpper(method)+" "+path)
			}
		}
	}
	for _, r := range NewDesk(Options{}).Routes() {
		got = append(got, r.Method+" "+r.Pattern)
	}
	slices.Sort(want)
	slices.Sort(got)
	if d := cmp.Diff(want, got); d != "" || len(got) == 0 {
		t.Error(d)
	}
}

// There are only so many files, and so many of one caller: what is done makes room, the oldest first, and what is not does not.
func TestBounds(t *testing.T) {
	d := NewDesk(Options{Limits: Limits{Files: 3, Each: 2, Keep: time.Minute}})
	now := time.Unix(1e9, 0)
	d.now = func() time.Time { return now }
	ask := func(who string) (string, error) {
		o, err := d.ask(auth.Identity{Token: who, Role: auth.Auditor}, server.Peer{}, search.Query{}, false)
		return o.id, err
	}
	must := func(who string) string {
		t.Helper()
		id, err := ask(who)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	done := func(id string) {
		d.mu.Lock()
		defer d.mu.Unlock()
		o := d.orders[slices.IndexFunc(d.orders, func(o *order) bool { return o.id == id })]
		<-d.queue
		o.state, o.until = Ready, now.Add(d.limits.Keep)
	}
	first := must("a")
	second := must("a")
	if _, err := ask("a"); !errors.Is(err, errBusy) {
		t.Errorf("a third of one caller: %v", err)
	}
	must("b")
	if _, err := ask("c"); !errors.Is(err, errBusy) {
		t.Errorf("a fourth of all: %v", err)
	}
	done(first)
	must("c") // in its place
	if _, release, ok := d.take(auth.Identity{Token: "a", Role: auth.Auditor}, first); ok {
		release()
		t.Error("what made room is still there")
	}
	if _, release, ok := d.take(auth.Identity{Token: "b", Role: auth.Auditor}, second); ok {
		release()
		t.Error("somebody is given what another has asked for")
	}
	done(second)
	now = now.Add(time.Minute)
	if all := d.mine(auth.Identity{Token: "a", Role: auth.Auditor}); len(all) != 0 {
		t.Errorf("kept too long: %v", all)
	}
}

// A file that is dropped while it is given out is closed by the last who is given it.
func TestDropped(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "f")
	if err != nil {
		t.Fatal(err)
	}
	d := NewDesk(Options{})
	who := auth.Identity{Token: "a"}
	o, err := d.ask(who, server.Peer{}, search.Query{}, false)
	if err != nil {
		t.Fatal(err)
	}
	d.orders[0].file, d.orders[0].state = f, Ready
	d.orders[0].until = d.now().Add(time.Hour)
	_, release, ok := d.take(who, o.id)
	if !ok {
		t.Fatal("it is not there")
	}
	d.clear()
	if _, err := f.Stat(); err != nil {
		t.Error("it was closed while it was given out:", err)
	}
	release()
	if _, err := f.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Error("it was left open:", err)
	}
}

// Whoever asked is told which limit ended the making, and nothing of this machine.
func TestExplain(t *testing.T) {
	d := NewDesk(Options{})
	for want, err := range map[string]error{
		"it took too long: at most 10m0s":      fmt.Errorf("x: %w", errTime),
		"it became too large: at most 128 MiB": fmt.Errorf("x: %w", errBytes),
		"something went wrong in the server":   &os.PathError{Op: "open", Path: "/secret", Err: os.ErrPermission},
		"the server ends":                      context.Canceled,
		"what the log holds does not verify":   fmt.Errorf("%w: entry 3", ErrUnverified),
	} {
		if _, got := d.explain(err); !strings.HasPrefix(got, want) || strings.Contains(got, "secret") {
			t.Errorf("%v: %s", err, got)
		}
	}
	b := &bounded{left: 3}
	if _, err := b.Write([]byte("four")); !errors.Is(err, errBytes) {
		t.Error(err)
	}
}
