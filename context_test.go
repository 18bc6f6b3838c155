package stet_test

import (
	"context"
	"strings"
	"testing"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// setenv puts NAME=value into the environment of the test.
func setenv(t *testing.T, environ []string) {
	t.Helper()
	for _, kv := range environ {
		name, value, _ := strings.Cut(kv, "=")
		t.Setenv(name, value)
	}
}

// What Run.Environ hands to a child process makes that process's jobs children of the run, and each event says that it
// took the environment's word for it.
func TestEnviron(t *testing.T) {
	w := open(t, stet.Options{})
	var top, parent *stet.Run
	err := w.Do(stet.WithInteraction(t.Context(), "request-17"), job("top"), func(ctx context.Context, run *stet.Run) error {
		top = run
		parent = begin(t, w, ctx, job("parent"))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	child := open(t, stet.Options{App: "child"})
	setenv(t, parent.Environ())
	if err := child.Do(t.Context(), job("child"), nothing); err != nil {
		t.Fatal(err)
	}
	for _, e := range child.events() {
		if e.InteractionID != "request-17" || e.Job.ParentID != parent.JobID() || e.Job.RootID != top.JobID() || e.Why.Trigger != "parent" {
			t.Errorf("%s: interaction %q, parent %q, root %q, trigger %q", e.EventType, e.InteractionID, e.Job.ParentID, e.Job.RootID, e.Why.Trigger)
		}
		for path, how := range map[string]string{"interaction_id": stet.EnvInteractionID, "job.parent_id": stet.EnvParentJobID,
			"job.root_id": stet.EnvRootJobID, "why.trigger": stet.EnvParentJobID} {
			if e.Derived[path] != "environment: "+how {
				t.Errorf("%s: derived says of %s: %q", e.EventType, path, e.Derived[path])
			}
		}
	}
}

// A root that the environment does not name is taken from the parent, and the record says so.
func TestEnvironmentWithoutRoot(t *testing.T) {
	const parent = "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b"
	for _, root := range []string{"", "no id"} {
		w := open(t, stet.Options{})
		t.Setenv(stet.EnvParentJobID, parent)
		t.Setenv(stet.EnvRootJobID, root)
		begin(t, w, t.Context(), job("a"))
		if e := w.only("job_started"); e.Job.RootID != parent || !strings.HasPrefix(e.Derived["job.root_id"], "the parent: ") {
			t.Errorf("root %q, derived %q", e.Job.RootID, e.Derived["job.root_id"])
		}
	}
}

// What the program says goes before what the environment claims.
func TestContextBeforeEnvironment(t *testing.T) {
	const claim = "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b"
	w := open(t, stet.Options{})
	setenv(t, []string{stet.EnvInteractionID + "=claimed", stet.EnvParentJobID + "=" + claim, stet.EnvRootJobID + "=" + claim})
	top := begin(t, w, stet.WithInteraction(t.Context(), "given"), job("top"))
	begin(t, w, stet.WithRun(stet.WithInteraction(t.Context(), "of no use in a run"), top), job("child"))
	for _, e := range w.events() {
		want := map[string]string{"top": claim, "child": top.JobID()}[e.Job.Name]
		if e.InteractionID != "given" || e.Derived["interaction_id"] != "" || e.Job.ParentID != want || e.Job.RootID != claim {
			t.Errorf("%s of %s: interaction %q (derived %q), parent %q, root %q", e.EventType, e.Job.Name, e.InteractionID,
				e.Derived["interaction_id"], e.Job.ParentID, e.Job.RootID)
		}
		if _, claimed := e.Derived["job.parent_id"]; claimed != (e.Job.Name == "top") {
			t.Errorf("%s of %s: derived is %v", e.EventType, e.Job.Name, e.Derived)
		}
	}
}

// A child has its parent's people, unless it names its own.
func TestChildOfAnotherUser(t *testing.T) {
	w := open(t, stet.Options{})
	ctx := stet.WithSourceIP(stet.WithUser(t.Context(), "alice"), "192.0.2.7")
	parent := begin(t, w, ctx, stet.Job{Name: "parent", Principal: &event.Principal{Type: "user", ID: "alice"}})
	ctx = stet.WithRun(context.Background(), parent) // of the user and address only the run knows
	begin(t, w, ctx, job("heir"))
	begin(t, w, stet.WithSourceIP(stet.WithUser(ctx, "bob"), "192.0.2.8"), stet.Job{Name: "own", Trigger: "manual", Principal: &event.Principal{Type: "user", ID: "bob"}})
	for _, e := range w.events() {
		user, ip := "alice", "192.0.2.7"
		if e.Job.Name == "own" {
			user, ip = "bob", "192.0.2.8"
		}
		if e.UserID != user || e.Principal.ID != user || e.SourceIP != ip {
			t.Errorf("%s of %s: user %q, principal %q, from %q", e.EventType, e.Job.Name, e.UserID, e.Principal.ID, e.SourceIP)
		}
		if e.Job.Name == "own" && (e.Why.Trigger != "manual" || e.Derived["why.trigger"] != "" || e.Job.ParentID != parent.JobID()) {
			t.Errorf("%s of own: trigger %q, parent %q", e.EventType, e.Why.Trigger, e.Job.ParentID)
		}
	}
}

// An application's event is about who and what its context says, unless it says so itself.
func TestRecordUnderContext(t *testing.T) {
	for _, tc := range []struct {
		name             string
		ctx              func(context.Context) context.Context
		e                event.Event
		user, ip, absent string // "": what the process itself has; absent is that of source_ip
		port             int64
		interaction      string // "": any
	}{
		{"an empty context", func(ctx context.Context) context.Context { return ctx }, event.Event{}, "", "", "", 0, ""},
		{"a request", func(ctx context.Context) context.Context {
			return stet.WithInteraction(stet.WithSourceIP(stet.WithUser(ctx, "alice"), "192.0.2.7:5678"), "request-17")
		}, event.Event{}, "alice", "192.0.2.7", "", 5678, "request-17"},
		{"IPv6 with a port", func(ctx context.Context) context.Context { return stet.WithSourceIP(ctx, "[2001:db8::1]:443") }, event.Event{}, "", "2001:db8::1", "", 443, ""},
		{"IPv6 with a zone", func(ctx context.Context) context.Context { return stet.WithSourceIP(ctx, "fe80::1%eth0") }, event.Event{}, "", "fe80::1", "", 0, ""},
		{"IPv4 in IPv6", func(ctx context.Context) context.Context { return stet.WithSourceIP(ctx, "::ffff:192.0.2.7") }, event.Event{}, "", "192.0.2.7", "", 0, ""},
		{"no address", func(ctx context.Context) context.Context { return stet.WithSourceIP(ctx, "@") }, event.Event{}, "", "", event.AbsentUnavailable, 0, ""},
		{"the event says so itself", func(ctx context.Context) context.Context {
			return stet.WithInteraction(stet.WithSourceIP(stet.WithUser(ctx, "alice"), "192.0.2.7"), "request-17")
		}, event.Event{UserID: "bob", SourceIP: "192.0.2.8", InteractionID: "request-18"}, "bob", "192.0.2.8", "", 0, "request-18"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := open(t, stet.Options{})
			tc.e.EventType = "sensitive_read"
			if err := w.Record(tc.ctx(t.Context()), tc.e); err != nil {
				t.Fatal(err)
			}
			e := w.only("sensitive_read")
			if tc.user != "" && e.UserID != tc.user || tc.ip != "" && e.SourceIP != tc.ip || tc.absent != "" && e.Absent["source_ip"] != tc.absent ||
				tc.interaction != "" && e.InteractionID != tc.interaction || e.InteractionID == "" {
				t.Errorf("user %q, from %q (absent %q), interaction %q", e.UserID, e.SourceIP, e.Absent["source_ip"], e.InteractionID)
			}
			if (e.UserID == "") == (e.Absent["user_id"] == "") || (e.SourceIP == "") == (e.Absent["source_ip"] == "") {
				t.Errorf("user %q, from %q, absent %v", e.UserID, e.SourceIP, e.Absent)
			}
			if tc.port != 0 && (e.Source == nil || e.Source.Port != tc.port) {
				t.Errorf("source is %+v, want port %d", e.Source, tc.port)
			}
		})
	}
}

// An event in a job belongs to the job, and is about the job's people where its context names none.
func TestRecordInAJob(t *testing.T) {
	w := open(t, stet.Options{})
	run := begin(t, w, stet.WithSourceIP(stet.WithUser(t.Context(), "alice"), "192.0.2.7"), stet.Job{Name: "a", Principal: &event.Principal{Type: "user", ID: "carol"}})
	ctx := stet.WithRun(stet.WithInteraction(context.Background(), "of no use in a run"), run)
	if err := w.Record(ctx, event.Event{EventType: "sensitive_read"}); err != nil {
		t.Fatal(err)
	}
	if err := w.Record(stet.WithUser(ctx, "bob"), event.Event{EventType: "sensitive_update", InteractionID: "own", Principal: &event.Principal{Type: "system", ID: "dave"}}); err != nil {
		t.Fatal(err)
	}
	read, update, start := w.only("sensitive_read"), w.only("sensitive_update"), w.only("job_started")
	if read.UserID != "alice" || read.SourceIP != "192.0.2.7" || read.Principal.ID != "carol" || read.InteractionID != run.InteractionID() || read.CausationID != start.EventID {
		t.Errorf("user %q, from %q, principal %q, interaction %q", read.UserID, read.SourceIP, read.Principal.ID, read.InteractionID)
	}
	if update.UserID != "bob" || update.Principal.ID != "dave" || update.InteractionID != "own" {
		t.Errorf("user %q, principal %q, interaction %q", update.UserID, update.Principal.ID, update.InteractionID)
	}
}
