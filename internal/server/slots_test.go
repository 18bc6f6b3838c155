package server

import (
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/wire"
)

// expects has the log expect a job.
func (w *world) expects(job, schedule, grace string) string {
	w.t.Helper()
	s, err := expect.Parse(schedule)
	if err != nil {
		w.t.Fatal(err)
	}
	g, err := expect.ParseGrace(grace)
	if err != nil {
		w.t.Fatal(err)
	}
	d := expect.Definition{Job: job, Schedule: s, Zone: "UTC", Grace: g}
	e := &event.Event{EventType: expect.Added, InteractionID: d.ID(), Labels: d.Labels(), Status: event.StatusSuccess, Absent: map[string]string{"why": event.AbsentNotApplicable}}
	if err := w.held.Find(w.t.Context(), d.ID(), event.UUID{}, e); err != nil {
		w.t.Fatal(err)
	}
	w.publish()
	w.caughtUp()
	return d.ID()
}

// The slots of an expectation are told with what came for them and how that ended, and what is to come; to whoever may read the
// server's own events.
func TestSlots(t *testing.T) {
	w := newWorld(t, nil)
	w.follow()
	every := w.expects("work", "every 1h", "10m")
	daily := w.expects("sleep", "cron 0 2 * * *", "1h")
	for second := time.Now().Unix(); time.Now().Unix() == second; { // a run in the second in which it was expected moves nothing
		time.Sleep(10 * time.Millisecond)
	}
	w.job("writer", "i", "a", "", "submitted", "started", "failed")
	w.publish()
	w.caughtUp()
	var a slotsAnswer
	w.get("auditor", "/v1/expectations/"+every+"/slots?to="+time.Now().Add(2*time.Hour).UTC().Format(time.RFC3339), &a)
	if len(a.Slots) != 2 || !a.Searched.Complete || a.More || a.Job != "work" || a.Grace != "10m" {
		t.Fatalf("%+v", a)
	}
	ran, waits := a.Slots[0], a.Slots[1]
	if ran.State != expect.StateRan || ran.Word != expect.Verified || ran.Run.State != "failed" || ran.Run.JobID != "a" || ran.Run.End == nil || ran.Run.End.Type != "job_failed" || waits.State != expect.StateWaiting {
		t.Errorf("%+v, %+v", ran, waits)
	}
	a = slotsAnswer{}
	w.get("auditor", "/v1/expectations/"+daily+"/slots", &a)
	var times []string
	for _, at := range a.Ahead {
		times = append(times, at[10:16])
	}
	if d := cmp.Diff([]string{"T02:00", "T02:00", "T02:00"}, times); d != "" || a.Earlier != "" {
		t.Errorf("to come, and earlier %q: %s", a.Earlier, d)
	}
	wantRefusal(t, w.do("reader", http.MethodGet, "/v1/expectations/"+daily+"/slots", nil), wire.NotFound)
	wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/expectations/0000000000000000/slots", nil), wire.NotFound)
	for _, wrong := range []string{"?last=0", "?last=201", "?to=now", "?from=x"} {
		wantRefusal(t, w.do("auditor", http.MethodGet, "/v1/expectations/"+daily+"/slots"+wrong, nil), wire.Malformed)
	}
}

// The last slots of a calendar begin where so many of them have room, and not before it was expected.
func TestFirstSlot(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		schedule string
		since    time.Time
		last     int
	}{
		{"cron * * * * *", time.Time{}, 35}, {"cron 0 2 * * *", time.Time{}, 35}, {"cron 0 2 29 2 *", time.Time{}, 2}, {"cron 0 2 * * *", now.Add(-50 * time.Hour), 2}, {"every 1h", time.Time{}, 7},
	} {
		s, err := expect.Parse(c.schedule)
		if err != nil {
			t.Fatal(err)
		}
		x := expect.Active{Definition: expect.Definition{Job: "a", Schedule: s, Zone: "UTC", Grace: time.Minute}, Since: c.since}
		from, err := firstSlot(x, now, c.last)
		if err != nil || from.Before(c.since) {
			t.Errorf("%s: from %v, %v", c.schedule, from, err)
		}
		if s.Kind == expect.Every {
			if !from.Equal(now.Add(-7 * time.Hour)) {
				t.Errorf("%s: from %v", c.schedule, from)
			}
			continue
		}
		table, err := x.Timetable()
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for range table.Slots(from, now) {
			n++
		}
		if n < c.last || n > 4*c.last+4 {
			t.Errorf("%s: %d slots from %v, want at least %d and not many more", c.schedule, n, from, c.last)
		}
	}
}
