package store

import (
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/origin"
)

// A server's own event names whoever it is about. Where that is nobody, it does not name whoever started the server.
func TestCompleteNamesNobodyElse(t *testing.T) {
	s := storeOn(fsxtest.New())
	s.where.LoginUser = origin.Value{Text: "whoever-started-it", How: "login"}
	s.where.SSHClient = origin.Value{Text: "192.0.2.1", How: "ssh"}
	for _, tt := range []struct {
		name                 string
		e                    event.Event
		user, ip, why, found string
	}{
		{"the server itself", event.Event{}, "whoever-started-it", "192.0.2.1", "", "login"},
		{"an administrator", event.Event{UserID: "admin-1", SourceIP: "192.0.2.9"}, "admin-1", "192.0.2.9", "", ""},
		{"a stranger", event.Event{SourceIP: "192.0.2.9", Absent: map[string]string{"user_id": event.AbsentUnauthenticated}}, "", "192.0.2.9", event.AbsentUnauthenticated, ""},
		{"a user on this machine", event.Event{UserID: "uid:7", Absent: map[string]string{"source_ip": event.AbsentNotApplicable}}, "uid:7", "", "", ""},
	} {
		e := tt.e
		s.complete(&e)
		if e.UserID != tt.user || e.SourceIP != tt.ip || e.Absent["user_id"] != tt.why || e.Derived["user_id"] != tt.found {
			t.Errorf("%s: user %q (%q, found by %q) at %q; want %q (%q, %q) at %q", tt.name, e.UserID, e.Absent["user_id"], e.Derived["user_id"], e.SourceIP, tt.user, tt.why, tt.found, tt.ip)
		}
		e.EventType, e.InteractionID, e.Action, e.Object = "login_refused", "x", "login", &event.Object{Type: "server", ID: "stet"}
		e.Timestamp, e.EventID, e.StreamID, e.StreamSeq, e.Clock = day, event.NewUUIDv7(day, [10]byte{}), event.NewUUIDv7(day, [10]byte{}), 1, &event.Clock{Confidence: "unknown"}
		if _, err := s.codec.Append(nil, &e); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}
