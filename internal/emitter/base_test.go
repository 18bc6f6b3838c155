package emitter_test

import (
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/origin"
)

// Who is behind a process: whom the kernel knows to have logged in, else whom sudo names, as a claim; never made up.
func TestBaseUser(t *testing.T) {
	login := origin.Value{Text: "alice", How: "kernel: loginuid, /etc/passwd"}
	uid := origin.Value{Text: "1000", How: "kernel: loginuid"}
	sudo := origin.Value{Text: "bob", How: "environment: SUDO_USER"}
	for _, tc := range []struct {
		o    origin.Origin
		want origin.Value
	}{
		{origin.Origin{LoginUser: login, LoginUID: uid, SudoUser: sudo}, login},
		{origin.Origin{LoginUID: uid, SudoUser: sudo}, uid},
		{origin.Origin{SudoUser: sudo}, sudo},
		{origin.Origin{}, origin.Value{}},
	} {
		e := emitter.Base(tc.o, func(string) (string, bool) { return "", false }, "app", "1", "test")
		if e.UserID != tc.want.Text || e.Derived["user_id"] != tc.want.How || (e.Absent["user_id"] == event.AbsentNotApplicable) != (tc.want.Text == "") {
			t.Errorf("user %q, derived %q, absent %q; want %+v", e.UserID, e.Derived["user_id"], e.Absent["user_id"], tc.want)
		}
	}
}
