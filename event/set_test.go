package event_test

import (
	"reflect"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
)

func TestSet(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	const id = "0190a5b2-7c3d-7e4f-8a9b-0c1d2e3f4a5b"
	uuid, _ := event.ParseUUID(id)
	for _, tc := range []struct {
		path string
		v    any
		want event.Event // zero: it cannot be set
	}{
		{"user_id", "al\xffice", event.Event{UserID: "al\xffice"}}, // raw: Append escapes it
		{"user_id", int64(42), event.Event{UserID: "42"}},
		{"object.id", int64(42), event.Event{Object: &event.Object{ID: "42"}}},
		{"status_code", int64(503), event.Event{StatusCode: "503"}},
		{"security", true, event.Event{Security: true}},
		{"severity", int64(2), event.Event{Severity: new(event.SeverityCritical)}},
		{"event_time", at, event.Event{EventTime: at}},
		{"event_time", "2026-01-02T03:04:05.000000006Z", event.Event{EventTime: at}},
		{"causation_id", id, event.Event{CausationID: uuid}},
		{"causation_id", uuid, event.Event{CausationID: uuid}},
		{"principal.roles", []string{"a", "b"}, event.Event{Principal: &event.Principal{Roles: []string{"a", "b"}}}},
		{"principal.roles", "a", event.Event{Principal: &event.Principal{Roles: []string{"a"}}}},
		{"principal.on_behalf_of.id", "bob", event.Event{Principal: &event.Principal{OnBehalfOf: &event.OnBehalfOf{ID: "bob"}}}},
		{"source.port", int64(1), event.Event{Source: &event.Source{Port: 1}}},
		{"after.count", int64(3), event.Event{After: &event.Snapshot{Count: new(int64(3))}}},
		{"corrects.seq", int64(3), event.Event{Corrects: &event.Corrects{Seq: new(uint64(3))}}},
		{"heartbeat.n", int64(3), event.Event{Heartbeat: &event.Heartbeat{N: 3}}},
		{"clock.synchronized", true, event.Event{Clock: &event.Clock{Synchronized: new(true)}}},
		{"labels.a.b", "x", event.Event{Labels: map[string]string{"a.b": "x"}}},
		{"absent.user_id", "unauthenticated", event.Event{Absent: map[string]string{"user_id": "unauthenticated"}}},
		{"impact.counts.rows", int64(3), event.Event{Impact: &event.Impact{Counts: map[string]int64{"rows": 3}}}},
		{"job.params.limit", 1.5, event.Event{Job: &event.Job{Params: map[string]any{"limit": 1.5}}}},

		{"", "x", event.Event{}},
		{"user", "x", event.Event{}},
		{"user_id.x", "x", event.Event{}},
		{"User_ID", "x", event.Event{}},
		{"status", int64(200), event.Event{}},
		{"user_id", true, event.Event{}},
		{"severity", int64(8), event.Event{}},
		{"severity", int64(262), event.Event{}},
		{"severity", "high", event.Event{}},
		{"heartbeat.n", int64(-1), event.Event{}},
		{"event_time", "yesterday", event.Event{}},
		{"causation_id", "7", event.Event{}},
		{"object", "x", event.Event{}},
		{"object.name", "x", event.Event{}},
		{"references", "x", event.Event{}},
		{"references.kind", "x", event.Event{}},
		{"labels", "x", event.Event{}},
		{"labels.", "x", event.Event{}},
		{"labels.a", int64(1), event.Event{}},
		{"impact.counts.rows", "3", event.Event{}},
	} {
		var got event.Event
		ok := got.Set(tc.path, tc.v)
		if d := cmp.Diff(tc.want, got); d != "" || ok == reflect.DeepEqual(tc.want, event.Event{}) {
			t.Errorf("%s = %v: %v, %s", tc.path, tc.v, ok, d)
		}
	}
}
