package origin

import "strings"

// Airflow is what Apache Airflow exports to the process of a task, AIRFLOW_CTX_*. Claims, all of it. Owner and mail
// address, which it exports too, are personal data and not read.
type Airflow struct {
	Dag, Task, Run, Try Value
}

func (d detector) airflow() Airflow {
	dag := d.env("AIRFLOW_CTX_DAG_ID")
	if !dag.Found() {
		return Airflow{}
	}
	return Airflow{Dag: dag, Task: d.env("AIRFLOW_CTX_TASK_ID"), Run: d.env("AIRFLOW_CTX_DAG_RUN_ID"), Try: d.env("AIRFLOW_CTX_TRY_NUMBER")}
}

// trigger reads the kind of the run from the beginning of its id, which is where Airflow puts it:
// scheduled__2026-01-01T00:00:00+00:00.
func (a Airflow) trigger() Trigger {
	t := Trigger{Reference: value(strings.Trim(a.Dag.Text+"/"+a.Task.Text+"/"+a.Run.Text, "/"), a.Dag.How)}
	kind, _, _ := strings.Cut(a.Run.Text, "__")
	switch kind {
	case "scheduled", "backfill":
		t.Kind = Schedule
	case "manual":
		t.Kind = Manual
	case "dataset_triggered", "asset_triggered":
		t.Kind = Event
		t.Upstream, t.UpstreamRef = value("airflow", a.Run.How), a.Run
	default:
		return t
	}
	t.How = a.Run.How
	return t
}
