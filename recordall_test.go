package stet_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// Many events cost few flushes, keep their order, and what is wrong with one is told of that one.
func TestRecordAll(t *testing.T) {
	w := open(t, stet.Options{})
	var all []event.Event
	for i := range 2500 {
		all = append(all, event.Event{EventType: "user_created", Labels: map[string]string{"n": fmt.Sprint(i)}})
	}
	all[7].Status = "great"
	all[1999].EventType = "job_lost"
	before := w.disk.flushes()
	err := w.RecordAll(t.Context(), all)
	var failed stet.RecordErrors
	if !errors.As(err, &failed) || len(failed) != 2 || failed[0].Index != 7 || failed[1].Index != 1999 {
		t.Fatalf("RecordAll: %v", err)
	}
	if n := w.disk.flushes() - before; n > 10 {
		t.Errorf("%d flushes", n)
	}
	for _, f := range failed {
		if want := w.Record(t.Context(), all[f.Index]); f.Err.Error() != want.Error() {
			t.Errorf("event %d: RecordAll says %v, Record %v", f.Index, f.Err, want)
		}
		if want := w.Check(t.Context(), all[f.Index]); f.Err.Error() != want.Error() {
			t.Errorf("event %d: RecordAll says %v, Check %v", f.Index, f.Err, want)
		}
	}
	if !errors.Is(err, event.ErrEnum) || !errors.Is(err, stet.ErrInvalid) {
		t.Errorf("the errors of the events are not found in %v", err)
	}
	var got, want []string
	for _, e := range w.of("user_created") {
		got = append(got, e.Labels["n"])
	}
	for i := range all {
		if i != 7 && i != 1999 {
			want = append(want, fmt.Sprint(i))
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Large events are spread over as many batches as they need.
func TestRecordAllLarge(t *testing.T) {
	w := open(t, stet.Options{})
	var all []event.Event
	for range 60 {
		labels := map[string]string{}
		for i := range 7 {
			labels[fmt.Sprint(i)] = strings.Repeat("x", 1000)
		}
		all = append(all, event.Event{EventType: "sys_startup", Labels: labels, Description: strings.Repeat("\x01", 1024), StatusReason: strings.Repeat("y", 512),
			Before: &event.Snapshot{Summary: strings.Repeat("b", 2000)}, Job: &event.Job{Params: map[string]any{"text": strings.Repeat("z", 16000)}}})
	}
	if err := w.RecordAll(t.Context(), all); err != nil {
		t.Fatal(err)
	}
	if n := len(w.of("sys_startup")); n != len(all) {
		t.Errorf("%d events, want %d", n, len(all))
	}
	if err := w.RecordAll(t.Context(), nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

// A disk that fails is told of every event that was waiting for it, and counted as lost.
func TestRecordAllOnABrokenDisk(t *testing.T) {
	w := open(t, stet.Options{})
	w.disk.set(func(f *flaky) { f.broken = errors.New("no flush today") })
	err := w.RecordAll(t.Context(), []event.Event{{EventType: "sys_startup"}, {EventType: "Bad Type"}, {EventType: "sys_startup"}})
	var failed stet.RecordErrors
	if !errors.As(err, &failed) || len(failed) != 3 || !errors.Is(failed[0].Err, stet.ErrNotRecorded) || !errors.Is(failed[1].Err, event.ErrFormat) {
		t.Errorf("RecordAll: %v", err)
	}
}

// Check records nothing.
func TestCheckRecordsNothing(t *testing.T) {
	w := open(t, stet.Options{})
	if err := w.Check(t.Context(), event.Event{EventType: "sys_startup"}); err != nil {
		t.Fatal(err)
	}
	w.wantTypes()
}

// What an event says is not known is not found in its place: whoever passes on another's event is not its user.
func TestRecordExcused(t *testing.T) {
	w := open(t, stet.Options{})
	excuses := map[string]string{}
	for _, path := range []string{"user_id", "source_ip", "host", "principal", "entry_point", "app_version", "code_location"} {
		excuses[path] = event.AbsentUnauthenticated
	}
	ctx := stet.WithUser(t.Context(), "bob")
	if err := w.Record(ctx, event.Event{EventType: "sys_startup", Absent: excuses}); err != nil {
		t.Fatal(err)
	}
	e := w.only("sys_startup")
	if e.UserID != "" || e.SourceIP != "" || e.Host != nil || e.Principal != nil || e.EntryPoint != nil || e.AppVersion != "" || e.CodeLocation != "" {
		t.Errorf("found all the same: %+v", e)
	}
	for path := range excuses {
		if e.Absent[path] != event.AbsentUnauthenticated || e.Derived[path] != "" {
			t.Errorf("%s: absent %q, derived %q", path, e.Absent[path], e.Derived[path])
		}
	}
	if err := w.Record(ctx, event.Event{EventType: "sys_shutdown", UserID: "alice", Absent: excuses}); err != nil {
		t.Fatal(err)
	}
	if e := w.only("sys_shutdown"); e.UserID != "alice" || e.Absent["user_id"] != "" {
		t.Errorf("a user that was given is %q, absent %q", e.UserID, e.Absent["user_id"])
	}
}
