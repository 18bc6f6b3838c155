package formats_test

import (
	"strconv"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// severities are SCHEMA's, "Mappings": by ours, those of OCSF, CEF and OpenTelemetry.
var severities = [8]struct{ ocsf, cef, otel int }{{6, 10, 21}, {5, 9, 19}, {5, 8, 18}, {4, 7, 17}, {3, 5, 13}, {2, 3, 10}, {1, 1, 9}, {1, 0, 5}}

// texts are the fields of an event that formats have under a name of ours.
func (s sample) texts() map[string]string {
	e := s.Event
	m := map[string]string{
		"environment": e.Environment, "user_id": e.UserID, "source_ip": e.SourceIP, "interaction_id": e.InteractionID, "app_id": e.AppID, "app_version": e.AppVersion,
		"code_location": e.CodeLocation, "entry_point_kind": e.EntryPoint.Kind, "entry_point": e.EntryPoint.Name, "entry_point_method": e.EntryPoint.Method,
		"host": e.Host.Name, "instance_id": e.Host.InstanceID, "action": e.Action, "object_type": e.Object.Type, "object_id": e.Object.ID,
		"trigger": e.Why.Trigger, "reason": e.Why.Reason, "reference": e.Why.Reference, "status": e.Status, "status_reason": e.StatusReason, "status_code": e.StatusCode,
		"job_id": e.Job.ID, "job_name": e.Job.Name, "run_id": e.Job.RunID, "parent_id": e.Job.ParentID, "root_id": e.Job.RootID, "phase": e.Job.Phase, "attempt": "2",
		"event_id": e.EventID.String(), "causation_id": e.CausationID.String(), "event_type": e.EventType, "severity": strconv.Itoa(int(*e.Severity)),
		"timestamp": "2026-01-02T03:04:05.678901234Z", "event_time": "2026-01-02T03:02:35.678901234Z", "received_at": "2026-01-02T03:04:06.678901234Z",
		"stream_id": e.StreamID.String(), "stream_seq": "7", "trace_id": e.TraceID, "span_id": e.SpanID, "source_port": "51000", "clock": "high", "max_error_us": "120",
		"seq": strconv.FormatUint(s.seq, 10), "entry_hash": s.hash, "corrects": e.Corrects.EventID.String(), "principal": e.Principal.Type + ":" + e.Principal.ID,
	}
	if e.Principal.ID == "" {
		m["principal"] = e.Principal.Type
	}
	if e.Target != nil {
		m["target"], m["target_environment"] = e.Target.System, e.Target.Environment
	}
	if e.Authorization != nil {
		m["decision"], m["decided_by"] = e.Authorization.Decision, e.Authorization.DecidedBy
	}
	for k, v := range m {
		if v == "" {
			delete(m, k)
		}
	}
	return m
}

// without are all but some of the texts.
func without(m map[string]string, names ...string) map[string]string {
	for _, n := range names {
		delete(m, n)
	}
	return m
}

// some is a map of what is not empty.
func some(pairs ...string) map[string]string {
	m := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			m[pairs[i]] = pairs[i+1]
		}
	}
	return m
}

// same fails the test where two things differ. It compares quickly and explains slowly.
func same(t *testing.T, s sample, what string, want, got any) {
	t.Helper()
	if !cmp.Equal(want, got) {
		t.Fatalf("seq %d, %s of %s:\n%s", s.seq, what, s.EventType, cmp.Diff(want, got))
	}
}
