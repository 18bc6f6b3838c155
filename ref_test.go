package stet_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
)

// workerRef makes this test binary a worker of its own: see TestMain.
const workerRef, workerDir = "STET_TEST_REF", "STET_TEST_DIR"

func TestMain(m *testing.M) {
	if ref := os.Getenv(workerRef); ref != "" {
		if err := work(os.Getenv(workerDir), ref); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// work is what a worker does with a reference from a queue.
func work(dir, ref string) (err error) {
	ctx := context.Background()
	rec, err := stet.Open(ctx, filepath.Join(dir, "store"), stet.Options{App: "worker", StateDir: filepath.Join(dir, "state")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rec.Close()) }()
	s, err := rec.Resume(ctx, ref)
	if err != nil {
		return err
	}
	a, err := s.Authorize(ctx)
	if err != nil {
		return err
	}
	run, err := a.Start(ctx)
	if err != nil {
		return err
	}
	return run.Succeed(ctx)
}

// A job that one process submits and another runs is one job: same interaction, id, parent, root and people. The run, and
// the application that it runs in, are the worker's own.
func TestResumeInAnotherProcess(t *testing.T) {
	dir := t.TempDir()
	rec, err := stet.Open(t.Context(), filepath.Join(dir, "store"), stet.Options{App: "shop", StateDir: filepath.Join(dir, "state")})
	if err != nil {
		t.Fatal(err)
	}
	j := stet.Job{Name: "invoice", Reason: "month end", Reference: "TICKET-1", Trigger: "api", ScheduledFor: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC),
		Principal: &event.Principal{Type: "user", ID: "alice", OnBehalfOf: &event.OnBehalfOf{Type: "service_account", ID: "cron"},
			Upstream: &event.Upstream{System: "orders", EventRef: "17", EventType: "paid"}},
		Target: &event.Target{System: "db1", Environment: "production"}, Params: map[string]any{"month": 1}}
	var ref string
	ctx := stet.WithInteraction(stet.WithUser(t.Context(), "alice"), "request-17")
	err = rec.Do(ctx, stet.Job{Name: "close the books"}, func(ctx context.Context, _ *stet.Run) error {
		s, err := rec.Submit(ctx, j)
		ref = s.Ref()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := rec.Close(); err != nil {
		t.Fatal(err)
	}
	const foreign = "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b"
	worker := exec.Command(os.Args[0])
	worker.Env = append(os.Environ(), workerRef+"="+ref, workerDir+"="+dir, stet.EnvInteractionID+"=other", stet.EnvParentJobID+"="+foreign, stet.EnvRootJobID+"="+foreign)
	if out, err := worker.CombinedOutput(); err != nil {
		t.Fatalf("the worker: %v\n%s", err, out)
	}

	store, err := fsx.OpenDir(filepath.Join(dir, "store"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close() }()
	events, err := readSpools(store)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*event.Event{}
	var parent *event.Event
	for _, e := range events {
		switch {
		case e.Job.Name == "invoice":
			got[e.EventType] = e
		case e.EventType == "job_started":
			parent = e
		}
	}
	submitted, authorized, started, ended := got["job_submitted"], got["job_authorization_unchecked"], got["job_started"], got["job_succeeded"]
	if len(got) != 4 || submitted == nil || authorized == nil || started == nil || ended == nil {
		t.Fatalf("recorded is %v", got)
	}
	for typ, e := range got {
		if e.InteractionID != "request-17" || e.Job.ID != submitted.Job.ID || e.Job.ParentID != parent.Job.ID || e.Job.RootID != parent.Job.ID || e.UserID != "alice" {
			t.Errorf("%s: interaction %q, job %+v, user %q", typ, e.InteractionID, e.Job, e.UserID)
		}
		if p := e.Principal; p.Type != "user" || p.ID != "alice" || p.OnBehalfOf.ID != "cron" || *p.Upstream != *j.Principal.Upstream || *e.Target != *j.Target {
			t.Errorf("%s: principal %+v, target %+v", typ, p, e.Target)
		}
		if *e.Why != (event.Why{Trigger: "api", Reason: "month end", Reference: "TICKET-1"}) || !e.Job.ScheduledFor.Equal(j.ScheduledFor) {
			t.Errorf("%s: why %+v, scheduled for %v", typ, e.Why, e.Job.ScheduledFor)
		}
		if worker := typ != "job_submitted"; worker != (e.AppID == "worker") || worker == (e.StreamID == submitted.StreamID) || worker != (e.Derived["principal"] == "reference") ||
			worker != (e.Derived["why"] == "reference") || worker != (e.Derived["user_id"] == "reference") {
			t.Errorf("%s: app %q, stream %v, derived %v", typ, e.AppID, e.StreamID, e.Derived)
		}
	}
	if authorized.CausationID != submitted.EventID || started.Job.RunID == "" || started.Job.RunID == parent.Job.RunID || ended.Job.RunID != started.Job.RunID {
		t.Error("the worker's run is not one of its own, caused by the submission")
	}
	if at := started.Timing.SubmittedAt; at.IsZero() || at.After(submitted.Timestamp) {
		t.Errorf("the worker says that it was submitted at %v, the submission says %v", at, submitted.Timestamp)
	}
}

// A queue may deliver twice: each delivery is a run of the same job.
func TestRedelivery(t *testing.T) {
	w := open(t, stet.Options{})
	s, err := w.Submit(t.Context(), job("a"))
	if err != nil {
		t.Fatal(err)
	}
	var runs []*stet.Run
	for n := range int64(2) {
		again, err := w.Resume(t.Context(), s.Ref())
		if err != nil {
			t.Fatal(err)
		}
		a, err := again.WithAttempt(n + 1).Authorize(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		run, err := a.Start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		runs = append(runs, run)
		if err := run.Succeed(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if runs[0].JobID() != runs[1].JobID() || runs[0].ID() == runs[1].ID() {
		t.Errorf("jobs %s and %s, runs %s and %s", runs[0].JobID(), runs[1].JobID(), runs[0].ID(), runs[1].ID())
	}
	for i, e := range w.of("job_succeeded") {
		if e.Job.Attempt != int64(i+1) || e.Job.RunID != runs[i].ID() {
			t.Errorf("run %d is %+v", i+1, e.Job)
		}
	}
}

// encodeRef writes a reference as Submitted.Ref does; see ref.go.
func encodeRef(t testing.TB, members any) string {
	t.Helper()
	b, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return "stet1." + base64.RawURLEncoding.EncodeToString(b)
}

// sound are the members of a reference that is accepted.
var sound = map[string]any{"i": "request-17", "j": "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b", "n": "invoice", "e": "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5c",
	"t": "2026-01-02T03:04:05Z", "w": "api", "a": map[string]any{"t": "user", "i": "alice"}}

// What is no reference, or not a whole one, is refused in words, and nothing is recorded.
func TestResumeRefuses(t *testing.T) {
	but := func(member string, value any) string {
		m := maps.Clone(sound)
		m[member] = value
		if value == nil {
			delete(m, member)
		}
		return encodeRef(t, m)
	}
	whole := encodeRef(t, sound)
	for _, tc := range []struct{ name, ref, says string }{
		{"nothing", "", "not a reference"},
		{"foreign: a W3C trace", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "not a reference"},
		{"another version", "stet2." + strings.TrimPrefix(whole, "stet1."), "not a reference"},
		{"oversized", whole + strings.Repeat("A", 16<<10), "at most 16384 bytes"},
		{"truncated", whole[:len(whole)/2], "damaged"},
		{"not base64", "stet1.%%%", "damaged: illegal base64"},
		{"not JSON", "stet1." + base64.RawURLEncoding.EncodeToString([]byte("hello")), "damaged: invalid character"},
		{"two of them", whole + whole, "damaged"},
		{"no members", encodeRef(t, map[string]any{}), "names no job"},
		{"no name", but("n", nil), "names no job"},
		{"no job", but("j", nil), "no UUIDv7"},
		{"a job of another UUID version", but("j", "0190a5b2-7c3d-4e4f-8a9b-0c1d2e3f4a5b"), "damaged"},
		{"a job that is a path", but("j", "../../etc/passwd"), "damaged"},
		{"no submission", but("e", nil), "no UUIDv7"},
		{"a parent without root", but("p", sound["j"]), "parent and root"},
		{"a root without parent", but("r", sound["j"]), "parent and root"},
		{"an unknown trigger", but("w", "gut"), `trigger is "gut"`},
		{"an unknown principal", but("a", map[string]any{"t": "ghost", "i": "x"}), `type "ghost"`},
		{"on behalf of nobody", but("b", map[string]any{"t": "user"}), "on behalf of nobody"},
		{"a time before years", but("t", "-001-01-02T03:04:05Z"), "damaged"},
		{"no interaction", but("i", nil), "no interaction id"},
		{"a long interaction", but("i", strings.Repeat("x", 129)), "no interaction id"},
		{"a forged line in the interaction", but("i", "a\nb"), "no interaction id"},
		{"damaged bytes in a text", but("x", "\x00%%%"), "damaged"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			if _, err := w.Resume(t.Context(), tc.ref); err == nil || !strings.HasPrefix(err.Error(), "resume: ") || !strings.Contains(err.Error(), tc.says) || len(err.Error()) > 300 {
				t.Errorf("%v; want %q", err, tc.says)
			}
			if len(w.events()) > 0 {
				t.Errorf("recorded is %v", w.types())
			}
		})
	}
	w := open(t, stet.Options{})
	if _, err := w.Resume(t.Context(), whole); err != nil {
		t.Errorf("the whole one: %v", err)
	}
	dead, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := w.Resume(dead, whole); !errors.Is(err, stet.ErrNotRecorded) {
		t.Errorf("a dead context: %v", err)
	}
}

// Queues are not made for secrets or people: a reference carries neither where the Recorder hides them.
func TestRefHidesSecrets(t *testing.T) {
	w := open(t, stet.Options{IdentityKey: []byte("0123456789abcdef0123456789abcdef")})
	s, err := w.Submit(stet.WithUser(t.Context(), "alice@example.org"), stet.Job{Name: "a", Reason: "with AKIAIOSFODNN7EXAMPLE", Params: map[string]any{"password": "hunter2"},
		Principal: &event.Principal{Type: "user", ID: "bob@example.org"}})
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(s.Ref(), "stet1."))
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{"AKIA", "hunter2", "alice", "bob"} {
		if strings.Contains(string(raw), secret) {
			t.Errorf("%s stands in %s", secret, raw)
		}
	}
}

// Whatever bytes a job is made of, its reference is accepted, bounded, and names the same job in a worker's events.
func TestRefsOfAnyJob(t *testing.T) {
	w := open(t, stet.Options{Policy: stet.BestEffort})
	ctx := context.Background()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.StringN(0, 2000, -1), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }))
		j := stet.Job{Name: text.Filter(func(s string) bool { return s != "" }).Draw(t, "name"), Reason: text.Draw(t, "reason"), Reference: text.Draw(t, "reference"),
			Target: &event.Target{System: text.Draw(t, "system")}}
		s, err := w.Submit(stet.WithInteraction(stet.WithUser(ctx, text.Draw(t, "user")), text.Draw(t, "interaction")), j)
		if err != nil {
			t.Fatal(err)
		}
		ref := s.Ref()
		if len(ref) > 16<<10 || strings.Trim(ref, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") != "" {
			t.Fatalf("%d bytes: %.100q", len(ref), ref)
		}
		again, err := w.Resume(ctx, ref)
		if err != nil {
			t.Fatal(err)
		}
		if twice := again.Ref(); twice != ref {
			t.Fatalf("the reference of what was resumed is another:\n%s\n%s", ref, twice)
		}
		if _, err := again.Authorize(ctx); err != nil {
			t.Fatal(err)
		}
	})
	if len(w.lost()) > 0 {
		t.Errorf("told was %.2000q", w.lost())
	}
	submitted := map[string]*event.Event{}
	for _, e := range w.events() {
		if e.EventType == "job_submitted" {
			submitted[e.Job.ID] = e
			continue
		}
		s := submitted[e.Job.ID]
		if e.InteractionID != s.InteractionID || e.Job.Name != s.Job.Name || e.UserID != s.UserID {
			t.Errorf("the worker says interaction %q, name %q, user %q; the submission said %q, %q, %q",
				e.InteractionID, e.Job.Name, e.UserID, s.InteractionID, s.Job.Name, s.UserID)
		}
	}
}

// A reference that is accepted, whoever wrote it, makes events that the schema takes, and the same reference again.
func FuzzParseRef(f *testing.F) {
	f.Add(encodeRef(f, sound))
	w := open(f, stet.Options{})
	ctx := context.Background()
	f.Fuzz(func(t *testing.T, ref string) {
		s, err := w.Resume(ctx, ref)
		if err != nil {
			return
		}
		again, err := w.Resume(ctx, s.Ref())
		if err != nil || again.Ref() != s.Ref() {
			t.Fatalf("%v; once %q, then %q", err, s.Ref(), again.Ref())
		}
		if _, err := s.Authorize(ctx); err != nil {
			t.Fatal(err)
		}
		if lost := w.lost(); len(lost) > 0 {
			t.Fatalf("told was %q", lost)
		}
	})
}
