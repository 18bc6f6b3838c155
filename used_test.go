package stet_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// TestEventsDoNotLeakIntoEachOther: the memory of an event is used for the next one, which says nothing of what the one
// before did, whether that was recorded or refused.
func TestEventsDoNotLeakIntoEachOther(t *testing.T) {
	w := open(t, stet.Options{})
	plain := event.Event{EventType: "shop_plain"}
	must(t, w.Record(t.Context(), plain))
	first := w.only("shop_plain")
	full := event.Event{EventType: "shop_full", UserID: "alice", SourceIP: "192.0.2.7", Action: "a", Object: &event.Object{Type: "t", ID: "i"},
		Absent: map[string]string{"source.device_id": event.AbsentUnavailable}, Derived: map[string]string{"action": "guess"},
		Labels: map[string]string{"k": "v"}, References: []event.Reference{{Kind: "ticket", Value: "1"}}, CausationID: first.EventID}
	for i := range 20 {
		if i%2 == 0 {
			full.EventType = "Not A Type"
			if err := w.Record(t.Context(), full); err == nil {
				t.Fatal("a malformed type was taken")
			}
		} else {
			full.EventType = "shop_full"
			must(t, w.Record(t.Context(), full))
			must(t, w.Do(t.Context(), stet.Job{Name: "j", Labels: map[string]string{"k": "v"}}, nothing))
		}
		must(t, w.Record(t.Context(), plain))
	}
	for _, e := range w.of("shop_plain") {
		if fmt.Sprint(e.Absent, e.Derived) != fmt.Sprint(first.Absent, first.Derived) || e.UserID != first.UserID || e.Action != "" ||
			e.Object != nil || e.Labels != nil || e.References != nil || e.Job != nil || !e.CausationID.IsZero() {
			t.Fatalf("%+v; the first was %+v", e, first)
		}
	}
}

// TestEventsOfManyGoroutines: each event is whole, however many are made at once, and of values that callers share.
func TestEventsOfManyGoroutines(t *testing.T) {
	const goroutines, each = 32, 4
	w := open(t, stet.Options{NoFold: true})
	shared := event.Event{EventType: "shop_shared", Labels: map[string]string{"k": "v"}, Principal: &event.Principal{Type: "user", ID: "alice"},
		References: append(make([]event.Reference, 0, 4), event.Reference{Kind: "ticket", Value: "1"}), Object: &event.Object{Type: "t", ID: "i"}}
	var all sync.WaitGroup
	for g := range goroutines {
		all.Go(func() {
			for i := range each {
				id := fmt.Sprintf("%d-%d", g, i)
				own := event.Event{EventType: "shop_own", UserID: "user-" + id, Labels: map[string]string{"id": id}, Derived: map[string]string{"labels": id}}
				ran := func(context.Context, *stet.Run) error { return nil }
				if err := w.Record(context.Background(), own); err != nil {
					t.Error(err)
				}
				if err := w.Record(context.Background(), shared); err != nil {
					t.Error(err)
				}
				if err := w.Do(context.Background(), stet.Job{Name: "job-" + id, Reason: id, Labels: map[string]string{"id": id}}, ran); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	n := map[string]int{}
	for _, e := range w.events() {
		n[e.EventType]++
		id := e.Labels["id"]
		switch {
		case e.EventType == "shop_own" && (e.UserID != "user-"+id || e.Derived["labels"] != id):
			t.Errorf("%q says user %q and %v", id, e.UserID, e.Derived)
		case e.EventType == "shop_shared" && (e.Labels["k"] != "v" || e.Principal.ID != "alice" || len(e.References) != 1 || e.UserID == "user-"+id):
			t.Errorf("%+v", e)
		case e.Job != nil && (e.Job.Name != "job-"+id || e.Why.Reason != id):
			t.Errorf("%q says job %q because of %q", id, e.Job.Name, e.Why.Reason)
		}
	}
	for _, typ := range []string{"shop_own", "shop_shared", "job_submitted", "job_authorization_unchecked", "job_started", "job_succeeded"} {
		if n[typ] != goroutines*each {
			t.Errorf("%d events of type %s, want %d", n[typ], typ, goroutines*each)
		}
	}
}
