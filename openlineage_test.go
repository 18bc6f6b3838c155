package stet_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// A process that a run starts has that run for its parent, in OpenLineage's terms too, and at the root whoever was there.
func TestLineageOfAChild(t *testing.T) {
	const parent, root = "airflow/etl.load/01890a5d-ac96-774b-bcce-b302099a8057", "airflow/etl/01890a5d-ac96-774b-bcce-b302099a8058"
	for name, tc := range map[string]struct {
		env  map[string]string
		job  string
		want []string // RUN stands for the run's id
	}{
		"nobody above":         {nil, "backup", []string{"OPENLINEAGE_PARENT_ID=stet/backup/RUN"}},
		"a parent above":       {map[string]string{"OPENLINEAGE_PARENT_ID": parent}, "backup", []string{"OPENLINEAGE_PARENT_ID=stet/backup/RUN", "OPENLINEAGE_ROOT_PARENT_ID=" + parent}},
		"a root above":         {map[string]string{"OPENLINEAGE_PARENT_ID": parent, "OPENLINEAGE_ROOT_PARENT_ID": root}, "backup", []string{"OPENLINEAGE_PARENT_ID=stet/backup/RUN"}},
		"no parent id above":   {map[string]string{"OPENLINEAGE_PARENT_ID": "x"}, "backup", []string{"OPENLINEAGE_PARENT_ID=stet/backup/RUN"}},
		"another namespace":    {map[string]string{"OPENLINEAGE_NAMESPACE": "prod"}, "backup", []string{"OPENLINEAGE_PARENT_ID=prod/backup/RUN"}},
		"slashes in names":     {map[string]string{"OPENLINEAGE_NAMESPACE": "s3://b"}, "a/b\n", []string{"OPENLINEAGE_PARENT_ID=s3:__b/a_b_/RUN"}},
		"a secret in the name": {nil, "password=hunter2-secret", []string{"OPENLINEAGE_PARENT_ID=stet/password=[redacted:password]/RUN"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := open(t, stet.Options{})
			for _, v := range []string{"OPENLINEAGE_PARENT_ID", "OPENLINEAGE_ROOT_PARENT_ID", "OPENLINEAGE_NAMESPACE"} {
				t.Setenv(v, tc.env[v])
			}
			run, err := w.Begin(t.Context(), job(tc.job))
			if err != nil {
				t.Fatal(err)
			}
			got := slices.DeleteFunc(run.Environ(), func(kv string) bool { return !strings.HasPrefix(kv, "OPENLINEAGE_") })
			for i := range got {
				got[i] = strings.ReplaceAll(got[i], run.ID(), "RUN")
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// What was found of a job's cause is in its submission, with how it was found; the other events do not repeat it.
func TestReferencesToTheCause(t *testing.T) {
	for _, v := range []string{"GITHUB_ACTIONS", "CI", "STET_PARENT_JOB_ID"} {
		t.Setenv(v, "")
	}
	t.Setenv("AIRFLOW_CTX_DAG_ID", "etl")
	t.Setenv("AIRFLOW_CTX_TASK_ID", "load")
	t.Setenv("AIRFLOW_CTX_DAG_RUN_ID", "scheduled__2026-01-01T00:00:00+00:00")
	w := open(t, stet.Options{})
	begin(t, w, t.Context(), stet.Job{Name: "a"})
	asked := w.only("job_submitted")
	for _, want := range []event.Reference{{Kind: "airflow_dag", Value: "etl"}, {Kind: "airflow_task", Value: "load"}} {
		if !slices.Contains(asked.References, want) {
			t.Errorf("%v is not among %v", want, asked.References)
		}
	}
	if how := asked.Derived["references"]; !strings.Contains(how, "environment: AIRFLOW_CTX_DAG_ID") {
		t.Errorf("references are derived: %q", how)
	}
	if asked.Why.Trigger != "schedule" || asked.Why.Reference != "etl/load/scheduled__2026-01-01T00:00:00+00:00" {
		t.Errorf("why %+v", asked.Why)
	}
	if start := w.only("job_started"); len(start.References) > 0 || start.Derived["references"] != "" {
		t.Errorf("the start repeats them: %v", start.References)
	}
}
