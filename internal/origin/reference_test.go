package origin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const lineageParent = "airflow/etl.load/01890a5d-ac96-774b-bcce-b302099a8057"

// References name other records of what set us off, each with how it was found.
func TestReferences(t *testing.T) {
	for name, tc := range map[string]struct {
		with func(host)
		want []Reference
	}{
		"nothing": {func(host) {}, nil},
		"cron": {func(h host) {
			h.files["proc/50/stat"] = stat(50, "cron", 30, 0, 1)
			h.files["proc/100/cmdline"] = "/bin/sh\x00-c\x00backup.sh --all >/dev/null\x00"
		}, []Reference{{"crontab_line", Value{"backup.sh --all >/dev/null", "kernel: command line of the scheduler's shell"}}}},
		"cron, and we are its shell": {func(h host) {
			h.files["proc/100/stat"] = stat(100, "cron", 30, 0, 1)
			h.files["proc/4242/cmdline"] = "/usr/bin/stet-cron\x00-c\x00backup.sh\x00"
		}, []Reference{{"crontab_line", Value{"backup.sh", "kernel: command line of the scheduler's shell"}}}},
		"cron, no shell": {func(h host) {
			h.files["proc/50/stat"] = stat(50, "cron", 30, 0, 1)
			h.files["proc/100/cmdline"] = "run-parts\x00/etc/cron.daily\x00"
		}, nil},
		"cron, a long line is cut between words": {func(h host) {
			h.files["proc/50/stat"] = stat(50, "cron", 30, 0, 1)
			h.files["proc/100/cmdline"] = "sh\x00-c\x00" + strings.Repeat("x", 250) + " hunter2-secret"
		}, []Reference{{"crontab_line", Value{strings.Repeat("x", 250), "kernel: command line of the scheduler's shell"}}}},
		"GitHub": {func(h host) {
			h.env["GITHUB_ACTIONS"], h.env["GITHUB_RUN_ID"], h.env["GITHUB_RUN_ATTEMPT"] = "true", "99", "2"
			h.env["GITHUB_WORKFLOW"], h.env["GITHUB_JOB"], h.env["GITHUB_SHA"], h.env["GITHUB_ACTOR"] = "nightly", "build", "abc", "alice"
		}, []Reference{{"github_run", Value{"99", "environment: GITHUB_RUN_ID"}}, {"github_attempt", Value{"2", "environment: GITHUB_RUN_ATTEMPT"}},
			{"github_workflow", Value{"nightly", "environment: GITHUB_WORKFLOW"}}, {"github_job", Value{"build", "environment: GITHUB_JOB"}},
			{"github_sha", Value{"abc", "environment: GITHUB_SHA"}}, {"github_actor", Value{"alice", "environment: GITHUB_ACTOR"}}}},
		"GitLab": {func(h host) {
			h.env["GITLAB_CI"], h.env["CI_JOB_URL"], h.env["CI_PIPELINE_URL"] = "true", "https://gitlab.example.com/j/5", "https://gitlab.example.com/p/4"
			h.env["CI_COMMIT_SHA"], h.env["GITLAB_USER_LOGIN"] = "abc", "alice"
		}, []Reference{{"gitlab_job", Value{"https://gitlab.example.com/j/5", "environment: CI_JOB_URL"}},
			{"gitlab_pipeline", Value{"https://gitlab.example.com/p/4", "environment: CI_PIPELINE_URL"}},
			{"gitlab_sha", Value{"abc", "environment: CI_COMMIT_SHA"}}, {"gitlab_user", Value{"alice", "environment: GITLAB_USER_LOGIN"}}}},
		"another CI": {func(h host) { h.env["BUILDKITE"], h.env["BUILDKITE_BUILD_URL"] = "true", "https://buildkite.com/x/1" },
			[]Reference{{"ci_run", Value{"https://buildkite.com/x/1", "environment: BUILDKITE_BUILD_URL"}}}},
		"Airflow with OpenLineage": {func(h host) {
			h.env["AIRFLOW_CTX_DAG_ID"], h.env["AIRFLOW_CTX_TASK_ID"], h.env["AIRFLOW_CTX_DAG_RUN_ID"] = "etl", "load", "manual__x"
			h.env["AIRFLOW_CTX_TRY_NUMBER"], h.env["OPENLINEAGE_PARENT_ID"] = "2", lineageParent
		}, []Reference{{"airflow_dag", Value{"etl", "environment: AIRFLOW_CTX_DAG_ID"}}, {"airflow_task", Value{"load", "environment: AIRFLOW_CTX_TASK_ID"}},
			{"airflow_run", Value{"manual__x", "environment: AIRFLOW_CTX_DAG_RUN_ID"}}, {"airflow_try", Value{"2", "environment: AIRFLOW_CTX_TRY_NUMBER"}},
			{"openlineage_parent", Value{lineageParent, "environment: OPENLINEAGE_PARENT_ID"}}}},
		"systemd, and sudo": {func(h host) {
			h.env["INVOCATION_ID"], h.env["TRIGGER_PATH"], h.env["SUDO_USER"] = invocation, "/srv/in", "bob"
			h.files["proc/self/cgroup"] = "0::/system.slice/backup.service\n"
		}, []Reference{{"systemd_unit", Value{"backup.service", "kernel: control group"}}, {"systemd_invocation", Value{invocation, "environment: INVOCATION_ID"}},
			{"systemd_trigger_path", Value{"/srv/in", "environment: TRIGGER_PATH"}}, {"sudo_user", Value{"bob", "environment: SUDO_USER"}}}},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost()
			tc.with(h)
			if d := cmp.Diff(tc.want, h.detect().References); d != "" {
				t.Error(d)
			}
		})
	}
}

// What lies beside the variables that are read is not: tokens, mail addresses, the command of sudo.
func TestSecretsBesideAreNotRead(t *testing.T) {
	h := newHost()
	for _, name := range []string{"GITHUB_ACTIONS", "AIRFLOW_CTX_DAG_ID", "GITHUB_RUN_ID"} {
		h.env[name] = "true"
	}
	for _, name := range []string{"GITHUB_TOKEN", "ACTIONS_RUNTIME_TOKEN", "ACTIONS_ID_TOKEN_REQUEST_TOKEN", "CI_JOB_TOKEN", "CI_REGISTRY_PASSWORD",
		"CI_REPOSITORY_URL", "BUILDKITE_AGENT_ACCESS_TOKEN", "AIRFLOW_CTX_DAG_EMAIL", "AIRFLOW_CTX_DAG_OWNER", "OPENLINEAGE_API_KEY", "SUDO_COMMAND",
		"SSH_AUTH_SOCK", "CREDENTIALS_DIRECTORY", "AIRFLOW__CORE__FERNET_KEY"} {
		h.env[name] = "hunter2-secret"
	}
	if got := fmt.Sprintf("%+v", h.detect()); strings.Contains(got, "hunter2") {
		t.Errorf("a secret was picked up: %s", got)
	}
}

func TestParseLineage(t *testing.T) {
	const run = "01890a5d-ac96-774b-bcce-b302099a8057"
	for in, want := range map[string]Lineage{
		"ns/job/" + run: {"ns", "job", run},
		"s3.bucket/dag.task/" + strings.ToUpper(run): {"s3.bucket", "dag.task", strings.ToUpper(run)},
		"ns/job/4711":         {},
		"ns/job":              {},
		"ns//" + run:          {},
		"/job/" + run:         {},
		"ns/a/b/" + run:       {},
		"ns/job/" + run + "/": {},
		"ns/job\n/" + run:     {},
		"ns/j\xff/" + run:     {},
		"ns/job/01890a5dxac96-774b-bcce-b302099a8057":    {},
		"ns/job/01890a5g-ac96-774b-bcce-b302099a8057":    {},
		"ns/" + strings.Repeat("j", MaxText) + "/" + run: {},
		"": {},
	} {
		got, ok := ParseLineage(in)
		if got != want || ok != (want != Lineage{}) {
			t.Errorf("%q: %+v, %v", in, got, ok)
		}
	}
}
