package convert

import (
	"cmp"
	"crypto/sha256"

	"github.com/stetlog/stet/event"
)

// What OpenLineage's events name: the version of its schema, and who made them.
const (
	lineageSchema   = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs/RunEvent"
	lineageFacets   = "https://openlineage.io/spec/facets/"
	lineageProducer = "https://github.com/stetlog/stet"
)

// lineageTypes are the events of a run: one that begins it and one that ends it. A run whose process is gone is aborted.
var lineageTypes = map[string]string{"job_started": "START", "job_succeeded": "COMPLETE", "job_failed": "FAIL", "job_aborted": "ABORT", "job_lost": "ABORT"}

// appendLineage appends a run event of OpenLineage, or nothing: only the beginning and the end of a run have one.
func appendLineage(dst []byte, r *Row) []byte {
	e, j := r.event, r.job()
	state := lineageTypes[e.EventType]
	if state == "" || !r.IsEvent() || j.RunID == "" {
		return dst
	}
	namespace := cmp.Or(e.Environment, "default") + "/" + e.AppID
	w := &jsonWriter{b: dst}
	w.begin("")
	w.text("eventType", state)
	w.time("eventTime", r.happened())
	w.begin("run")
	w.text("runId", lineageRun(j.RunID))
	w.begin("facets")
	w.begin("stet")
	w.facet(lineageProducer + "/blob/main/docs/spec/formats.md")
	w.int("seq", int64(r.Seq))
	w.text("entry_hash", r.entryHash())
	w.text("event_id", uuid(e.EventID))
	w.text("interaction_id", e.InteractionID)
	w.text("run_id", j.RunID)
	w.some("attempt", j.Attempt)
	w.end()
	if !j.ScheduledFor.IsZero() {
		w.begin("nominalTime")
		w.facet(lineageFacets + "1-0-1/NominalTimeRunFacet.json#/$defs/NominalTimeRunFacet")
		w.time("nominalStartTime", j.ScheduledFor)
		w.end()
	}
	if j.ParentID != "" {
		r.lineageParent(w, namespace, j)
	}
	if state == "FAIL" && e.StatusReason != "" {
		w.begin("errorMessage")
		w.facet(lineageFacets + "1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet")
		w.text("message", e.StatusReason)
		w.text("programmingLanguage", "unknown")
		w.end()
	}
	w.end()
	w.end()
	w.begin("job")
	w.text("namespace", namespace)
	w.text("name", cmp.Or(cmp.Or(j.Name, j.ID), e.AppID))
	w.end()
	w.text("producer", lineageProducer)
	w.text("schemaURL", lineageSchema)
	w.end()
	return w.b
}

// facet writes the two members that every facet has.
func (w *jsonWriter) facet(schema string) {
	w.text("_producer", lineageProducer)
	w.text("_schemaURL", schema)
}

// lineageParent writes the ParentRun facet. An event knows its parent's job, and not under which run it was: so the parent's id
// stands for its run.
func (r *Row) lineageParent(w *jsonWriter, namespace string, j event.Job) {
	w.begin("parent")
	w.facet(lineageFacets + "1-1-0/ParentRunFacet.json#/$defs/ParentRunFacet")
	of := func(id string) {
		w.begin("run")
		w.text("runId", lineageRun(id))
		w.end()
		w.begin("job")
		w.text("namespace", namespace)
		w.text("name", id)
		w.end()
	}
	of(j.ParentID)
	if j.RootID != "" {
		w.begin("root")
		of(j.RootID)
		w.end()
	}
	w.end()
}

// lineageRun is a run's id as OpenLineage demands it, a UUID: the id itself where it is one, else one made of it (RFC 9562,
// version 8), the same each time.
func lineageRun(id string) string {
	if u, err := event.ParseUUID(id); err == nil {
		return u.String()
	}
	sum := sha256.Sum256([]byte("stet run " + id))
	u := event.UUID(sum[:16])
	u[6], u[8] = u[6]&0x0f|0x80, u[8]&0x3f|0x80
	return u.String()
}
