package origin

import (
	"strconv"
	"strings"
)

// The triggers of SCHEMA's why.trigger that can be found. An empty Kind means
// that nothing gave it away.
const (
	Schedule = "schedule"
	Event    = "event"
	Manual   = "manual"
	API      = "api"
	Parent   = "parent"
	Boot     = "boot"
)

// A Trigger says what set this process off.
type Trigger struct {
	Kind string // one of the constants above, or empty
	How  string // for an event's derived member
	// Reference points to more: the run of a CI system, a unit and its
	// invocation, the name of the scheduler. May be absent.
	Reference Value
	// Upstream and UpstreamRef name the system and its event where Kind is
	// Event; SCHEMA demands both for principal.upstream.
	Upstream, UpstreamRef Value
}

// An EntryPoint is where the process was entered; Kind is one of SCHEMA's
// entry_point kinds ("schedule", "cli", "queue"), empty where unknown.
type EntryPoint struct {
	Kind string
	Name Value
}

// CI is what a continuous-integration system says of its run: GitHub Actions and
// what copies it (GITHUB_*), GitLab (CI_*), or one of otherCI. Claims, all of it.
type CI struct {
	System  string // "github-actions", "gitlab-ci", "jenkins", …, "ci" for CI=true alone; empty for none
	Actor   Value
	Run     Value // URL where one can be made, else the run's number
	Event   Value // what it says started it, in its own word
	Project Value
	Commit  Value
}

func (d detector) ci() CI {
	if d.isTrue("GITHUB_ACTIONS") {
		c := CI{System: "github-actions", Actor: d.env("GITHUB_ACTOR"), Event: d.env("GITHUB_EVENT_NAME"),
			Project: d.env("GITHUB_REPOSITORY"), Commit: d.env("GITHUB_SHA"), Run: d.env("GITHUB_RUN_ID")}
		if server := d.env("GITHUB_SERVER_URL"); server.Found() && c.Project.Found() && c.Run.Found() {
			c.Run = value(server.Text+"/"+c.Project.Text+"/actions/runs/"+c.Run.Text, c.Run.How)
		}
		return c
	}
	if d.isTrue("GITLAB_CI") {
		c := CI{System: "gitlab-ci", Actor: d.env("GITLAB_USER_LOGIN"), Event: d.env("CI_PIPELINE_SOURCE"),
			Project: d.env("CI_PROJECT_PATH"), Commit: d.env("CI_COMMIT_SHA"), Run: d.env("CI_JOB_URL")}
		if !c.Run.Found() {
			c.Run = d.env("CI_JOB_ID")
		}
		return c
	}
	for _, other := range otherCI {
		if sign := d.env(other.sign); sign.Found() {
			return CI{System: other.system, Run: d.env(other.run)}
		}
	}
	if d.isTrue("CI") {
		return CI{System: "ci"}
	}
	return CI{}
}

// otherCI are systems that say where their run can be seen, but not what started it.
var otherCI = []struct{ system, sign, run string }{
	{"jenkins", "JENKINS_URL", "BUILD_URL"},
	{"buildkite", "BUILDKITE", "BUILDKITE_BUILD_URL"},
	{"circleci", "CIRCLECI", "CIRCLE_BUILD_URL"},
	{"drone", "DRONE", "DRONE_BUILD_LINK"},
	{"azure-pipelines", "TF_BUILD", "BUILD_BUILDID"},
}

func (d detector) isTrue(name string) bool {
	v, _ := d.Lookup(name)
	return v == "true" || v == "1"
}

// trigger decides what set us off. The nearest cause wins: a stet job that
// started us, then an Airflow task, a CI run, the run of whatever else speaks
// OpenLineage, then a scheduler above us, then systemd, then a person at a
// terminal.
func (d detector) trigger(cron scheduler, o Origin) (Trigger, EntryPoint) {
	if v := d.env("STET_PARENT_JOB_ID"); v.Found() {
		return Trigger{Kind: Parent, How: v.How, Reference: v}, cli("stet run", v.How)
	}
	if o.Airflow.Dag.Found() {
		return o.Airflow.trigger(), cli("airflow", o.Airflow.Dag.How)
	}
	if o.CI.System != "" {
		return o.CI.trigger(), cli(o.CI.System, o.CI.how())
	}
	if o.Lineage.Found() {
		return Trigger{Kind: Parent, How: o.Lineage.How, Reference: o.Lineage}, cli("openlineage", o.Lineage.How)
	}
	if cron.name.Found() {
		t := Trigger{Kind: Schedule, How: cron.name.How, Reference: cron.name}
		return t, EntryPoint{Kind: "schedule", Name: t.Reference}
	}
	if o.Systemd.Invocation.Found() {
		return d.unitTrigger(o.Systemd)
	}
	if o.Terminal.Found() {
		t := Trigger{Kind: Manual, How: o.Terminal.How, Reference: o.Terminal}
		return t, EntryPoint{Kind: "cli", Name: o.Terminal}
	}
	if o.SSHClient.Found() {
		// ssh host command: no terminal, but somebody is there.
		return Trigger{Kind: Manual, How: o.SSHClient.How}, cli("ssh", o.SSHClient.How)
	}
	return Trigger{}, EntryPoint{}
}

func cli(name, how string) EntryPoint {
	return EntryPoint{Kind: "cli", Name: value(name, how)}
}

func (c CI) how() string {
	switch c.System {
	case "github-actions":
		return "environment: GITHUB_ACTIONS"
	case "gitlab-ci":
		return "environment: GITLAB_CI"
	}
	for _, other := range otherCI {
		if c.System == other.system {
			return "environment: " + other.sign
		}
	}
	return "environment: CI"
}

// trigger translates the system's own word. A word that is not known says
// nothing, and so does a missing one.
func (c CI) trigger() Trigger {
	t := Trigger{How: c.Event.How, Reference: c.Run}
	switch c.Event.Text {
	case "schedule":
		t.Kind = Schedule
	case "workflow_dispatch", "web", "webide", "chat":
		t.Kind = Manual
	case "repository_dispatch", "api", "trigger":
		t.Kind = API
	case "push", "pull_request", "pull_request_target", "merge_request_event", "external_pull_request_event",
		"release", "create", "delete", "deployment", "workflow_run", "merge_group", "issues", "issue_comment",
		"pipeline", "parent_pipeline":
		t.Kind = Event
		t.Upstream = value(c.System+":"+c.Project.Text, c.how())
		t.UpstreamRef = value(strings.Trim(c.Event.Text+" "+c.Commit.Text, " "), c.Event.How)
	default:
		t.How = ""
	}
	return t
}

// scheduler is a cron or at daemon above us.
type scheduler struct {
	name Value // of the daemon
	line Value // of the crontab, where it can be read
}

// scheduler looks for one. The kernel's word for it: a program's own name can be
// anything, but its place above us cannot be chosen.
func (d detector) scheduler(self process) (s scheduler) {
	below := strconv.Itoa(d.PID) // the last that was looked at: in the end the daemon's own child
	d.ancestors(self, func(pid string, a process) bool {
		switch name := strings.ToLower(a.name); name {
		case "cron", "crond", "fcron", "anacron", "cronie", "atd", "supercronic":
			s.name = value(name, "kernel: ancestor process "+name)
			s.line = d.cronLine(below)
			return true
		}
		below = pid
		return false
	})
	if s.name.Found() || self.tty != 0 {
		return s
	}
	// Where /proc hides other users' processes (hidepid), cron's own variables
	// are left. No other program sets them.
	for _, name := range []string{"CRON_TZ", "MAILTO"} {
		if _, set := d.Lookup(name); set {
			return scheduler{name: value("cron", "environment: "+name+", and no terminal")}
		}
	}
	return scheduler{}
}

// soonAfterBoot is, in seconds, how long after boot a service without a trigger
// of its own is taken to be started by the boot.
const soonAfterBoot = 180

func (d detector) unitTrigger(s Systemd) (Trigger, EntryPoint) {
	unit := s.Unit
	if s.TriggerUnit.Found() {
		unit = s.TriggerUnit
	}
	ref := value(strings.TrimSpace(unit.Text+" "+s.Invocation.Text), s.Invocation.How)
	t := Trigger{Reference: ref}
	name := unit
	if !name.Found() {
		name = value("systemd", s.Invocation.How)
	}
	switch {
	case strings.HasSuffix(s.TriggerUnit.Text, ".timer"):
		t.Kind, t.How = Schedule, s.TriggerUnit.How
		return t, EntryPoint{Kind: "schedule", Name: name}
	case s.TriggerUnit.Found(): // .path, .socket, or OnFailure= and its like
		t.Kind, t.How = Event, s.TriggerUnit.How
		t.Upstream = value("systemd", s.TriggerUnit.How)
		t.UpstreamRef = ref
	case d.bootedJustNow():
		t.Kind, t.How = Boot, "systemd service, within three minutes of boot"
	}
	return t, cli(name.Text, name.How)
}

func (d detector) bootedJustNow() bool {
	whole, _, _ := strings.Cut(d.read("proc/uptime", 256), ".")
	seconds, err := strconv.Atoi(whole)
	return err == nil && seconds <= soonAfterBoot
}
