package origin

import "strings"

// A Reference points at another record of what set us off, for an event's references.
type Reference struct {
	Kind  string // crontab_line, github_run, airflow_task, …
	Value Value
}

// maxReferences bounds how many there are: an event holds 16, and others have something to point at too.
const maxReferences = 12

// maxReference bounds one of them, in bytes (SCHEMA).
const maxReference = 256

// references are what was found, the nearest cause first. Only what is named here is ever read of the environment, so
// that no token which lies beside it can come along.
func (d detector) references(o Origin, line Value) []Reference {
	var all []Reference
	add := func(kind string, v Value) {
		if v.Found() && len(all) < maxReferences {
			all = append(all, Reference{kind, v})
		}
	}
	add("airflow_dag", o.Airflow.Dag)
	add("airflow_task", o.Airflow.Task)
	add("airflow_run", o.Airflow.Run)
	add("airflow_try", o.Airflow.Try)
	add("openlineage_parent", o.Lineage)
	switch o.CI.System {
	case "github-actions":
		add("github_run", o.CI.Run)
		add("github_attempt", d.env("GITHUB_RUN_ATTEMPT"))
		add("github_workflow", d.env("GITHUB_WORKFLOW"))
		add("github_job", d.env("GITHUB_JOB"))
		add("github_sha", o.CI.Commit)
		add("github_actor", o.CI.Actor)
	case "gitlab-ci":
		add("gitlab_job", o.CI.Run)
		add("gitlab_pipeline", d.env("CI_PIPELINE_URL"))
		add("gitlab_sha", o.CI.Commit)
		add("gitlab_user", o.CI.Actor)
	case "ci", "":
	default:
		add("ci_run", o.CI.Run)
	}
	add("crontab_line", line)
	add("systemd_unit", o.Systemd.Unit)
	add("systemd_invocation", o.Systemd.Invocation)
	add("systemd_trigger_path", o.Systemd.TriggerPath)
	add("systemd_trigger_time", o.Systemd.TriggerTime)
	add("sudo_user", o.SudoUser)
	return all
}

// cronLine is the line that a shell under a scheduler was given: sh -c LINE. pid is the scheduler's child.
func (d detector) cronLine(pid string) Value {
	argv := strings.Split(strings.TrimSuffix(d.read("proc/"+pid+"/cmdline", 16<<10), "\x00"), "\x00")
	if len(argv) < 3 || argv[1] != "-c" {
		return Value{}
	}
	line := strings.TrimSpace(argv[2])
	if len(line) > maxReference {
		// Whole words only: half a secret is one that no pattern knows.
		cut := strings.LastIndexAny(line[:maxReference], " \t")
		line = line[:max(cut, 0)]
	}
	return value(line, "kernel: command line of the scheduler's shell")
}
