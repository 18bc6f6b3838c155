package stet_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/story"
)

// A job on one machine calls a server on another, which runs a job of its own: each writes into its own store, and both
// together tell one story, from the request's sender to the child of the child.
func TestStoryAcrossHTTP(t *testing.T) {
	setenv(t, []string{"STET_INTERACTION_ID=", "STET_PARENT_JOB_ID=", "STET_ROOT_JOB_ID=", "TRACEPARENT=", "TRACESTATE="})
	dir := t.TempDir()
	recorder := func(app string) *stet.Recorder {
		rec, err := stet.Open(t.Context(), filepath.Join(dir, app, "store"), stet.Options{App: app, StateDir: filepath.Join(dir, app, "state")})
		if err != nil {
			t.Fatal(err)
		}
		return rec
	}
	billing, mail := recorder("billing"), recorder("mail")

	mux := http.NewServeMux()
	mux.HandleFunc("POST /invoices/{id}", func(w http.ResponseWriter, r *http.Request) {
		err := mail.Do(r.Context(), stet.Job{Name: "render", Reason: "an invoice was asked for"}, func(ctx context.Context, _ *stet.Run) error {
			if err := mail.Record(ctx, event.Event{EventType: "sensitive_read", Object: &event.Object{Type: "invoice", ID: r.PathValue("id")}}); err != nil {
				return err
			}
			return mail.Do(ctx, stet.Job{Name: "send", Reason: "to the customer"}, nothing)
		})
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
	peers := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	server := httptest.NewServer(stet.Middleware(stet.MiddlewareOptions{Peers: peers})(mux))
	defer server.Close()
	client := &http.Client{Transport: stet.Transport{}}
	defer client.CloseIdleConnections()

	var interaction string
	err := billing.Do(t.Context(), stet.Job{Name: "invoice", Reason: "month end"}, func(ctx context.Context, run *stet.Run) error {
		interaction = run.InteractionID()
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/invoices/17", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		defer func() { _ = resp.Body.Close() }()
		if resp.StatusCode != http.StatusOK {
			return fmt.Errorf("the server says %s", resp.Status)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}

	var fold story.Fold
	for app, rec := range map[string]*stet.Recorder{"billing": billing, "mail": mail} {
		must(t, rec.Close())
		s, err := store.Open(filepath.Join(dir, app, "store"), filepath.Join(dir, app, "state"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { must(t, s.Close()) }()
		if _, err := s.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Items(t.Context(), &fold, func(event.Ref) bool { return true }); err != nil {
			t.Fatal(err)
		}
	}
	told, ok := fold.Story(interaction)
	if !ok || len(told.Jobs) != 1 || len(told.Orphans) != 0 {
		t.Fatalf("story %v: %d jobs, %d orphans", ok, len(told.Jobs), len(told.Orphans))
	}
	var lineage []string
	for j := told.Jobs[0]; ; j = j.Children[0] {
		lineage = append(lineage, j.Name)
		if len(j.Children) != 1 {
			break
		}
	}
	if got := strings.Join(lineage, " > "); got != "invoice > render > send" {
		t.Errorf("the lineage is %s", got)
	}
	traces := map[string]bool{}
	for _, e := range told.Events {
		traces[e.Event.TraceID] = true
		if e.Event.Job != nil && e.Event.Job.RootID != "" && e.Event.Job.RootID != told.Jobs[0].ID {
			t.Errorf("%s has the root %s", e.Event.EventType, e.Event.Job.RootID)
		}
		if e.Event.AppID == "mail" && (e.Event.EntryPoint.Name != "/invoices/{id}" || e.Event.SourceIP == "") {
			t.Errorf("%s came in at %+v from %q", e.Event.EventType, e.Event.EntryPoint, e.Event.SourceIP)
		}
	}
	if len(traces) != 1 {
		t.Errorf("the traces are %v", traces)
	}
	if n := len(told.Loose); n != 1 {
		t.Errorf("%d events beside the jobs, want one", n)
	}
}
