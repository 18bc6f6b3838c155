package origin

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

const invocation = "0123456789abcdef0123456789abcdef"

// How a service ended, as systemd.exec(5) says it to ExecStopPost=.
func TestEnding(t *testing.T) {
	for _, tc := range []struct {
		result, code, status string
		want                 Ending
	}{
		{"success", "exited", "0", Ending{"success", "0", ""}},
		{"success", "exited", "75", Ending{"success", "75", "the unit takes exit code 75 for a success (SuccessExitStatus=)"}},
		{"success", "killed", "TERM", Ending{"aborted", "SIGTERM", "killed by signal SIGTERM, which systemd calls a success"}},
		{"success", "", "", Ending{"success", "", ""}},
		{"exit-code", "exited", "3", Ending{"failure", "3", "exit code 3"}},
		{"signal", "killed", "KILL", Ending{"aborted", "SIGKILL", "killed by signal SIGKILL"}},
		{"signal", "killed", "SEGV", Ending{"failure", "SIGSEGV", "killed by signal SIGSEGV"}},
		{"core-dump", "dumped", "ABRT", Ending{"failure", "SIGABRT", "killed by signal SIGABRT, with a core dump"}},
		{"timeout", "killed", "TERM", Ending{"aborted", "SIGTERM", "systemd ended it: a time limit of the unit was reached"}},
		{"timeout", "exited", "0", Ending{"aborted", "0", "systemd ended it: a time limit of the unit was reached"}},
		{"watchdog", "dumped", "ABRT", Ending{"aborted", "SIGABRT", "systemd ended it: no sign of life within WatchdogSec="}},
		{"oom-kill", "killed", "KILL", Ending{"aborted", "SIGKILL", "killed for want of memory"}},
		{"exec-condition", "exited", "1", Ending{"aborted", "1", "ExecCondition= said that it need not run"}},
		{"resources", "", "", Ending{"failure", "", "systemd could not start it: a resource or a file was missing"}},
		{"a word from the future", "exited", "1", Ending{"failure", "1", "systemd says: a word from the future"}},
		{"signal", "killed", "", Ending{"failure", "", "killed by signal that systemd does not name"}},
	} {
		h := newHost()
		h.env["INVOCATION_ID"], h.env["SERVICE_RESULT"] = invocation, tc.result
		if tc.code != "" {
			h.env["EXIT_CODE"], h.env["EXIT_STATUS"] = tc.code, tc.status
		}
		got, ok := h.detect().Systemd.Ending()
		if d := cmp.Diff(tc.want, got); d != "" || !ok {
			t.Errorf("%s %s %s: %v\n%s", tc.result, tc.code, tc.status, ok, d)
		}
	}
	if got, ok := newHost().detect().Systemd.Ending(); ok || got != (Ending{}) {
		t.Errorf("a service that is not over has ended: %+v", got)
	}
}

func TestSystemd(t *testing.T) {
	h := newHost()
	h.env["INVOCATION_ID"], h.env["TRIGGER_UNIT"], h.env["TRIGGER_PATH"] = invocation, "inbox.path", "/srv/in"
	h.env["TRIGGER_TIMER_REALTIME_USEC"] = "1700000000123456"
	h.files["proc/self/cgroup"] = "1:name=systemd:/system.slice/inbox.service/control\n"
	got := h.detect().Systemd
	want := Systemd{Invocation: Value{invocation, "environment: INVOCATION_ID"}, Unit: Value{"inbox.service", "kernel: control group"},
		TriggerUnit: Value{"inbox.path", "environment: TRIGGER_UNIT"}, TriggerPath: Value{"/srv/in", "environment: TRIGGER_PATH"},
		TriggerTime: Value{"2023-11-14T22:13:20.123456Z", "environment: TRIGGER_TIMER_REALTIME_USEC"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{"", "x", "-1", "0", "99999999999999999999", "253402300800000000"} {
		h.env["TRIGGER_TIMER_REALTIME_USEC"] = bad
		if v := h.detect().Systemd.TriggerTime; v.Found() {
			t.Errorf("%q is taken for %q", bad, v.Text)
		}
	}
}
