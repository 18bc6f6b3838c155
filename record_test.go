package stet_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// An application says what happened; who recorded it, when and where is filled in, and named where it was found rather
// than given.
func TestRecordDefaults(t *testing.T) {
	w := open(t, stet.Options{App: "billing", AppVersion: "1.2.3", Environment: "staging", EntryPoint: &event.EntryPoint{Kind: "http", Name: "POST /login"}})
	from := time.Now().Add(-time.Second)
	if err := w.Record(t.Context(), event.Event{EventType: "authn_login_fail", Status: event.StatusFailure}); err != nil {
		t.Fatal(err)
	}
	e := w.only("authn_login_fail")
	if e.Schema != event.SchemaV1 || !e.EventID.IsV7() || e.Timestamp.Before(from) || e.Timestamp.After(time.Now()) || e.InteractionID == "" || e.Clock == nil {
		t.Errorf("schema %q, id %v, timestamp %v, interaction %q, clock %v", e.Schema, e.EventID, e.Timestamp, e.InteractionID, e.Clock)
	}
	if e.AppID != "billing" || e.AppVersion != "1.2.3" || e.Environment != "staging" || *e.EntryPoint != (event.EntryPoint{Kind: "http", Name: "POST /login"}) {
		t.Errorf("app %q %q in %q, entered by %+v", e.AppID, e.AppVersion, e.Environment, e.EntryPoint)
	}
	for _, path := range []string{"app_id", "app_version", "environment", "entry_point"} {
		if e.Derived[path] != "" || e.Absent[path] != "" {
			t.Errorf("%s was given, but derived says %q, absent %q", path, e.Derived[path], e.Absent[path])
		}
	}
	if !strings.Contains(e.CodeLocation, "record_test.go:") || e.Derived["code_location"] != "caller" {
		t.Errorf("code_location is %q, derived %q", e.CodeLocation, e.Derived["code_location"])
	}
	if e.Host == nil || e.Principal == nil || e.Principal.Type == "" {
		t.Errorf("host %+v, principal %+v", e.Host, e.Principal)
	}
	if *e.Severity != 4 || !e.Security || e.Description != "A login failed" {
		t.Errorf("the catalogue's severity %d, security %v, description %q", *e.Severity, e.Security, e.Description)
	}
}

// What the event gives goes before all that could be found.
func TestRecordGiven(t *testing.T) {
	w := open(t, stet.Options{})
	severity := event.Severity(1)
	happened := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	given := event.Event{EventType: "authn_login_fail", Severity: &severity, Description: "Again", EventTime: happened, AppID: "billing", AppVersion: "9",
		CodeLocation: "login.go:17", EntryPoint: &event.EntryPoint{Kind: "form", Name: "login"}, Host: &event.Host{Name: "other"},
		Principal: &event.Principal{Type: "unauthenticated", ID: "-"}, Labels: map[string]string{"k": "v"}, Absent: map[string]string{"object": event.AbsentUnavailable}}
	before := given
	before.Labels, before.Absent = map[string]string{"k": "v"}, map[string]string{"object": event.AbsentUnavailable}
	if err := w.Record(t.Context(), given); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, given); diff != "" {
		t.Errorf("the caller's event was changed:\n%s", diff)
	}
	e := w.only("authn_login_fail")
	if *e.Severity != 1 || e.Description != "Again" || !e.EventTime.Equal(happened) || e.AppVersion != "9" || e.CodeLocation != "login.go:17" ||
		e.EntryPoint.Name != "login" || e.Host.Name != "other" || e.Principal.Type != "unauthenticated" || e.Labels["k"] != "v" || e.Absent["object"] != event.AbsentUnavailable {
		t.Errorf("recorded is %+v", e)
	}
	for _, path := range []string{"app_id", "app_version", "code_location", "entry_point", "entry_point.name", "host", "host.name", "principal"} {
		if how := e.Derived[path]; how != "" {
			t.Errorf("%s was given, but derived says %q", path, how)
		}
	}
}

// Event types of one's own are taken as they are; an organisation's catalogue says what they mean, and Strict takes no
// others.
func TestRecordCatalogue(t *testing.T) {
	file := []byte(`{"schema":"stet.catalogue/1","types":[{"name":"invoice_sent","severity":5,"security":false,"description":"An invoice was sent"}]}`)
	catalogue, err := event.LoadCatalogue(file)
	if err != nil {
		t.Fatal(err)
	}
	own := event.Event{EventType: "invoice_sent"}
	w := open(t, stet.Options{Catalogue: catalogue, Strict: true})
	if err := w.Record(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	if e := w.only("invoice_sent"); *e.Severity != 5 || e.Security || e.Description != "An invoice was sent" {
		t.Errorf("severity %d, security %v, description %q", *e.Severity, e.Security, e.Description)
	}
	if err := w.Do(t.Context(), job("a"), nothing); err != nil {
		t.Errorf("the types of jobs are in every catalogue: %v", err)
	}
	wantRefusal(t, "an unknown type under Strict", w.Record(t.Context(), event.Event{EventType: "invoice_lost"}), "event_type")
	lax := open(t, stet.Options{})
	if err := lax.Record(t.Context(), own); err != nil {
		t.Errorf("an unknown type: %v", err)
	}
}

func wantRefusal(t *testing.T, what string, err error, path string) {
	t.Helper()
	var refused *event.Error
	if !errors.As(err, &refused) || refused.Path != path || !errors.Is(err, stet.ErrNotRecorded) {
		t.Errorf("%s: %v; want a refusal of %s", what, err, path)
	}
}

// An application's event is the program's own: what is wrong with it is the program's to know, under either policy. It
// costs nobody else's record.
func TestRecordRefuses(t *testing.T) {
	many := map[string]string{}
	for i := range event.MaxKeys + 1 {
		many[fmt.Sprint("k", i)] = "v"
	}
	bad := event.Severity(8)
	for _, p := range []stet.Policy{stet.RequireRecord, stet.BestEffort} {
		w := open(t, stet.Options{Policy: p, Environment: "test"})
		for path, e := range map[string]event.Event{
			"event_type":         {},
			"severity":           {EventType: "sys_startup", Severity: &bad},
			"status":             {EventType: "sys_startup", Status: "great"},
			"labels":             {EventType: "sys_startup", Labels: many},
			"principal.type":     {EventType: "sys_startup", Principal: &event.Principal{Type: "ghost", ID: "x"}},
			"source_ip":          {EventType: "sys_startup", SourceIP: "localhost"},
			"references[1].kind": {EventType: "sys_startup", References: []event.Reference{{Kind: "txid", Value: "1"}, {Value: "2"}}},
			"trace_id":           {EventType: "sys_startup", TraceID: "xyz"},
		} {
			wantRefusal(t, path, w.Record(t.Context(), e), path)
		}
		for what, e := range map[string]event.Event{
			"another app":         {EventType: "sys_startup", AppID: "shop"},
			"another environment": {EventType: "sys_startup", Environment: "production"},
			"a type of the store": {EventType: "emitter_enrolled"},
			"a lost job":          {EventType: "job_lost"},
		} {
			if err := w.Record(t.Context(), e); !errors.Is(err, stet.ErrInvalid) {
				t.Errorf("%s: %v", what, err)
			}
		}
		if err := w.Record(t.Context(), event.Event{EventType: "sys_startup", Environment: "test", AppID: "billing"}); err != nil {
			t.Error(err)
		}
		w.wantTypes("sys_startup")
		if e := w.only("sys_startup"); e.StreamSeq != 1 || len(w.lost()) > 0 {
			t.Errorf("a refusal cost a number (the next is %d) or was told as a loss: %q", e.StreamSeq, w.lost())
		}
	}
}

// No secret reaches the disk, whichever way it comes; with an IdentityKey people do not either.
func TestSecretsStayOffTheDisk(t *testing.T) {
	t.Setenv(stet.EnvInteractionID, "AKIAIOSFODNN7EXAMPLA")
	dir := t.TempDir()
	rec, err := stet.Open(t.Context(), filepath.Join(dir, "store"), stet.Options{App: "billing", StateDir: filepath.Join(dir, "state"),
		IdentityKey: []byte("0123456789abcdef0123456789abcdef"), OnLoss: func(err error) { t.Error(err) }})
	if err != nil {
		t.Fatal(err)
	}
	ctx := stet.WithSourceIP(stet.WithUser(t.Context(), "alice.liddell"), "198.51.100.77")
	boom := errors.New("cannot log in to postgres://app:s3cr3t-of-urls@db1/x")
	j := stet.Job{Name: "visible-name", Reason: "with Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
		Params: map[string]any{"password": "hunter2-of-params", "list": []any{map[string]any{"api_key": "key-of-params"}}, "plain": "AKIAIOSFODNN7EXAMPLB"},
		Labels: map[string]string{"client_secret": "secret-of-labels"}, Principal: &event.Principal{Type: "user", ID: "bob.builder"}}
	err = rec.Do(ctx, j, func(_ context.Context, run *stet.Run) error {
		run.Impact("rotated AKIAIOSFODNN7EXAMPLC", nil)
		run.Reference("ticket", "AKIAIOSFODNN7EXAMPLD")
		return boom
	})
	if err != boom { //nolint:errorlint // the very same
		t.Fatal(err)
	}
	if err := rec.Record(ctx, event.Event{EventType: "sensitive_read", StatusReason: "AKIAIOSFODNN7EXAMPLE", Labels: map[string]string{"password": "hunter2-of-events"}}); err != nil {
		t.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	var disk bytes.Buffer
	err = filepath.WalkDir(filepath.Join(dir, "store"), func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(name)
		disk.Write(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, plain := range []string{"visible-name", "sensitive_read", "postgres://"} {
		if !bytes.Contains(disk.Bytes(), []byte(plain)) {
			t.Errorf("%s is not on the disk, so this test would not see a secret either", plain)
		}
	}
	for _, secret := range []string{"AKIAIOSFODNN7", "hunter2", "s3cr3t", "eyJzdWIi", "key-of-params", "secret-of-labels", "alice.liddell", "bob.builder", "198.51.100.77"} {
		if i := bytes.Index(disk.Bytes(), []byte(secret)); i >= 0 {
			t.Errorf("%s is on the disk: %q", secret, disk.Bytes()[max(i-60, 0):min(i+60, disk.Len())])
		}
	}
}
