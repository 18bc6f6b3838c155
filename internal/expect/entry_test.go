package expect

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
)

// A finding is an event that the schema takes, says what it is about, and is read back as what it was.
func TestFindingAsEvent(t *testing.T) {
	d := define(t, "cron 0 2 * * *", "Europe/Berlin", "1h")
	d.App = "billing"
	two := at(t, "2026-03-29 01:00Z")
	one := Finding{Definition: d, Since: Place{7, event.NewUUIDv7(two, [10]byte{1})}, First: two, Last: two, Count: 1}
	many := one
	many.Last, many.Count = two.Add(72*time.Hour), 4
	for _, f := range []Finding{one, many} {
		e := f.Event()
		e.AppID, e.AppVersion, e.Timestamp, e.StreamID, e.StreamSeq = "stet", "v1", two, event.NewUUIDv7(two, [10]byte{2}), 1
		e.Host, e.Clock, e.Principal = &event.Host{Name: "h"}, &event.Clock{Confidence: "unknown"}, &event.Principal{Type: "service_account", ID: "uid:1@h"}
		e.CodeLocation, e.EntryPoint = "internal/watch", &event.EntryPoint{Kind: "function", Name: "watch"}
		for _, path := range []string{"environment", "host.ip", "source_ip", "user_id"} {
			e.Absent[path] = event.AbsentNotApplicable
		}
		b, err := (&event.Codec{}).Append(nil, e)
		if err != nil {
			t.Fatal(err)
		}
		back, err := event.Parse(b)
		if err != nil {
			t.Fatal(err)
		}
		if len(back.Redactions)+len(back.Sanitized) > 0 {
			t.Errorf("%+v %+v", back.Redactions, back.Sanitized)
		}
		m, ok := MissedOf(back)
		if d := cmp.Diff(Missed{d.ID(), f.First, f.Last}, m); d != "" || !ok {
			t.Error(d)
		}
		if back.EventID != f.Event().EventID || back.CausationID != f.Since.EventID || back.Job.Name != "nightly" || back.Labels["app"] != "billing" {
			t.Errorf("%s", b)
		}
		if (back.Repeat != nil) != (f.Count > 1) {
			t.Errorf("%d slots, and %+v", f.Count, back.Repeat)
		}
	}
	if one.Event().StatusReason != "it was due at 2026-03-29T01:00:00Z and had not begun by 2026-03-29T02:00:00Z" {
		t.Error(one.Event().StatusReason)
	}
	if _, ok := MissedOf(&event.Event{EventType: missed}); ok {
		t.Error("a job_missed of somebody else's making was read")
	}
}
