package origin

import (
	"path"
	"strconv"
	"strings"
	"time"
)

// Systemd is what systemd says of the service that we run in, systemd.exec(5). Claims, but for the unit's name, which
// is the kernel's.
type Systemd struct {
	Invocation  Value // INVOCATION_ID: 32 hex digits, other for each start of the unit
	Unit        Value // the unit in whose control group we are
	TriggerUnit Value // TRIGGER_UNIT: the timer, path or socket behind it
	TriggerPath Value // TRIGGER_PATH: the file behind a path unit
	TriggerTime Value // TRIGGER_TIMER_REALTIME_USEC, as RFC 3339: when the timer fired
	// Result, Code and Status are SERVICE_RESULT, EXIT_CODE and EXIT_STATUS: how the service ended. Only ExecStop= and
	// ExecStopPost= are told.
	Result, Code, Status Value
}

// SystemdFrom reads what systemd says of a unit, also where we have a terminal: for callers that are told to. lookup is
// as os.LookupEnv.
func SystemdFrom(s Sources) Systemd { return detector{s}.invocation() }

// systemd believes INVOCATION_ID only where we have no terminal: a shell started from a service, or from a desktop,
// inherits the variable too.
func (d detector) systemd(self process) Systemd {
	if self.tty != 0 {
		return Systemd{}
	}
	return d.invocation()
}

func (d detector) invocation() Systemd {
	id := d.env("INVOCATION_ID")
	if !isInvocation(id.Text) {
		return Systemd{}
	}
	return Systemd{Invocation: id, Unit: d.unit(), TriggerUnit: d.env("TRIGGER_UNIT"), TriggerPath: d.env("TRIGGER_PATH"),
		TriggerTime: microseconds(d.env("TRIGGER_TIMER_REALTIME_USEC")),
		Result:      d.env("SERVICE_RESULT"), Code: d.env("EXIT_CODE"), Status: d.env("EXIT_STATUS")}
}

func isInvocation(s string) bool {
	return len(s) == 32 && strings.Trim(s, "0123456789abcdef") == ""
}

// microseconds reads a time since 1970 in microseconds; nothing where it is none of the years 1970 to 9999.
func microseconds(v Value) Value {
	const year10000 = 253402300800
	n, err := strconv.ParseInt(v.Text, 10, 64)
	if err != nil || n <= 0 || n >= year10000*1e6 {
		return Value{}
	}
	return value(time.UnixMicro(n).UTC().Format(time.RFC3339Nano), v.How)
}

// unit is the innermost service in our control group's path, cgroups(7).
func (d detector) unit() Value {
	for line := range strings.Lines(d.read("proc/self/cgroup", 64<<10)) {
		if u := unitOf(strings.TrimSuffix(line, "\n")); u != "" {
			return value(u, "kernel: control group")
		}
	}
	return Value{}
}

// unitOf reads one line of /proc/PID/cgroup: 0::/system.slice/backup.service, or for version 1 N:name=systemd:/….
func unitOf(line string) string {
	f := strings.SplitN(line, ":", 3)
	if len(f) != 3 || f[1] != "" && f[1] != "name=systemd" {
		return ""
	}
	for dir := path.Clean("/" + f[2]); len(dir) > 1; dir = path.Dir(dir) {
		if base := path.Base(dir); strings.HasSuffix(base, ".service") && base != ".service" {
			return base
		}
	}
	return ""
}

// Ending is how a service ended, in an outcome's words.
type Ending struct {
	Status string // success, failure or aborted
	Code   string // the exit code as a number, or the signal as SIGTERM; empty where systemd names none
	Reason string // may be empty for a success
}

// Ending translates what ExecStopPost= is told. A service that was killed by TERM, HUP, INT or PIPE has the result
// success, because systemd calls that a clean end; it was stopped before it was done all the same, unless it ended by
// itself. ok is false where systemd has said nothing: the service is not over.
func (s Systemd) Ending() (e Ending, ok bool) {
	if !s.Result.Found() {
		return e, false
	}
	result := s.Result.Text
	switch s.Code.Text {
	case "exited":
		e.Code = s.Status.Text
	case "killed", "dumped":
		e.Code = "SIG" + strings.TrimPrefix(s.Status.Text, "SIG")
	}
	switch {
	case e.Code == "SIG":
		e.Code = ""
	case len(e.Code) > 64:
		e.Code = e.Code[:64]
	}
	signal := strings.HasPrefix(e.Code, "SIG")
	switch {
	case result == "success" && signal:
		e.Status, e.Reason = "aborted", "killed by signal "+e.Code+", which systemd calls a success"
	case result == "success":
		e.Status = "success"
		if e.Code != "" && e.Code != "0" {
			e.Reason = "the unit takes exit code " + e.Code + " for a success (SuccessExitStatus=)"
		}
	case result == "timeout", result == "watchdog", result == "oom-kill", result == "exec-condition",
		result == "signal" && stopping(e.Code):
		e.Status, e.Reason = "aborted", explain(result, e.Code)
	default:
		e.Status, e.Reason = "failure", explain(result, e.Code)
	}
	return e, true
}

// stopping tells the signals by which somebody stops a process from those by which it crashes.
func stopping(signal string) bool {
	switch signal {
	case "SIGKILL", "SIGTERM", "SIGINT", "SIGHUP", "SIGQUIT":
		return true
	}
	return false
}

// explain says in words what a SERVICE_RESULT means.
func explain(result, code string) string {
	if code == "" {
		code = "that systemd does not name"
	}
	switch result {
	case "exit-code":
		return "exit code " + code
	case "signal":
		return "killed by signal " + code
	case "core-dump":
		return "killed by signal " + code + ", with a core dump"
	case "timeout":
		return "systemd ended it: a time limit of the unit was reached"
	case "watchdog":
		return "systemd ended it: no sign of life within WatchdogSec="
	case "oom-kill":
		return "killed for want of memory"
	case "exec-condition":
		return "ExecCondition= said that it need not run"
	case "protocol":
		return "the service did not do what its Type= promises"
	case "resources":
		return "systemd could not start it: a resource or a file was missing"
	case "start-limit-hit":
		return "systemd did not start it: it was started too often"
	}
	return "systemd says: " + result
}
