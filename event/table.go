package event

import "time"

// MaxInt is the greatest magnitude of a number in an event, 2^53−1: beyond it,
// common JSON readers round in silence.
const MaxInt = 1<<53 - 1

// root is the table: every member of stet.event/1, in canonical order. Scanner,
// encoder, JSON Schema and the table of the specification are all made of it.
var root = &object{fields: []*field{
	row("schema", kindSchema, 32, func(e *Event) *string { return &e.Schema }).as(slotSchema).core(""),
	row("event_id", kindUUID, 0, func(e *Event) *UUID { return &e.EventID }).as(slotEventID).core(""),
	row("timestamp", kindTime, 0, func(e *Event) *time.Time { return &e.Timestamp }).as(slotTimestamp).core("policy: When").
		says("when it was logged"),
	row("event_time", kindTime, 0, func(e *Event) *time.Time { return &e.EventTime }).
		whenever("differs from timestamp by more than a second", "policy: Event Time").says("when it happened"),
	row("interaction_id", kindID, 128, func(e *Event) *string { return &e.InteractionID }).as(slotInteraction).
		core("policy, 108: Correlation ID").says("inherited by the whole tree of jobs"),
	row("causation_id", kindUUID, 0, func(e *Event) *UUID { return &e.CausationID }).
		whenever("cascades", "108: cascades").says("event_id of what caused this"),
	row("app_id", kindName, 128, func(e *Event) *string { return &e.AppID }).as(slotApp).core("policy: Where"),
	row("app_version", kindText, 64, func(e *Event) *string { return &e.AppVersion }).always("policy: Where"),
	row("code_location", kindText, 256, func(e *Event) *string { return &e.CodeLocation }).always("policy: Where").
		says("file:line or function"),
	sub("entry_point", func(e *Event) **EntryPoint { return &e.EntryPoint },
		row("kind", kindEnum, 0, func(e *EntryPoint) *string { return &e.Kind }).must().
			one("http", "cli", "schedule", "queue", "form", "function"),
		row("name", kindText, 1024, func(e *EntryPoint) *string { return &e.Name }),
		row("method", kindText, 16, func(e *EntryPoint) *string { return &e.Method }),
	).always("policy: Where"),
	sub("host", func(e *Event) **Host { return &e.Host },
		row("name", kindText, 255, func(h *Host) *string { return &h.Name }),
		row("ip", kindIP, 0, func(h *Host) *string { return &h.IP }),
		row("port", kindInt, 65535, func(h *Host) *int64 { return &h.Port }).atLeast(1),
		row("cluster", kindText, 255, func(h *Host) *string { return &h.Cluster }),
		row("instance_id", kindText, 128, func(h *Host) *string { return &h.InstanceID }),
	).always("policy: Where"),
	row("environment", kindText, 32, func(e *Event) *string { return &e.Environment }).as(slotEnvironment).
		always("108: Where").says("production, staging, development, test or own; of the source"),
	sub("target", func(e *Event) **Target { return &e.Target },
		row("system", kindText, 128, func(t *Target) *string { return &t.System }),
		row("environment", kindText, 32, func(t *Target) *string { return &t.Environment }),
	).whenever("job events, where it is not the source", "108: Where").says("what the job acts on"),
	row("user_id", kindIdentity, 256, func(e *Event) *string { return &e.UserID }).always("policy: Who"),
	row("source_ip", kindSource, 0, func(e *Event) *string { return &e.SourceIP }).always("policy: Who"),
	row("absent", kindReason, MaxKeys, func(e *Event) *map[string]string { return &e.Absent }).as(slotAbsent).
		one(AbsentNotApplicable, AbsentNotConfigured, AbsentNotProvided, AbsentUnauthenticated, AbsentRedacted, AbsentUnavailable).
		whenever("a required field is not known", "").says("path → why"),
	row("derived", kindMap, MaxKeys, func(e *Event) *map[string]string { return &e.Derived }).bytes(MaxLabelsBytes).
		whenever("a value was found, not given", "").says("path → how"),
	sub("source", func(e *Event) **Source { return &e.Source },
		row("device_id", kindText, 128, func(s *Source) *string { return &s.DeviceID }),
		row("port", kindInt, 65535, func(s *Source) *int64 { return &s.Port }).atLeast(1),
		row("forwarded_for", kindTexts, 16, func(s *Source) *[]string { return &s.ForwardedFor }).bytes(64).says("untrusted"),
		row("user_agent", kindText, 512, func(s *Source) *string { return &s.UserAgent }),
	).whenever("", "policy: Who"),
	sub("principal", func(e *Event) **Principal { return &e.Principal },
		row("type", kindEnum, 0, func(p *Principal) *string { return &p.Type }).as(slotPrincipalType).must().
			one("user", "service_account", "system", "api_key", "unauthenticated"),
		row("id", kindIdentity, 256, func(p *Principal) *string { return &p.ID }),
		row("roles", kindTexts, 32, func(p *Principal) *[]string { return &p.Roles }).bytes(128),
		row("auth_method", kindText, 64, func(p *Principal) *string { return &p.AuthMethod }),
		sub("on_behalf_of", func(p *Principal) **OnBehalfOf { return &p.OnBehalfOf },
			row("type", kindText, 64, func(o *OnBehalfOf) *string { return &o.Type }),
			row("id", kindIdentity, 256, func(o *OnBehalfOf) *string { return &o.ID }).must(),
		),
		sub("upstream", func(p *Principal) **Upstream { return &p.Upstream },
			row("system", kindText, 128, func(u *Upstream) *string { return &u.System }).
				whenever("why.trigger is event", "108: cascades"),
			row("event_ref", kindID, 256, func(u *Upstream) *string { return &u.EventRef }).
				whenever("why.trigger is event", "108: cascades"),
			row("event_type", kindText, 128, func(u *Upstream) *string { return &u.EventType }),
		),
	).always("108: Who"),
	row("event_type", kindName, 64, func(e *Event) *string { return &e.EventType }).as(slotType).core("policy: What"),
	row("severity", kindInt, 7, func(e *Event) **Severity { return &e.Severity }).as(slotSeverity).core("policy: What").
		says("RFC 5424; 0 is worst"),
	row("security", kindBool, 0, func(e *Event) *bool { return &e.Security }).as(slotSecurity).core("policy: What"),
	row("description", kindText, 1024, func(e *Event) *string { return &e.Description }).always("policy: What"),
	row("action", kindText, 64, func(e *Event) *string { return &e.Action }).whenever("security events", "OWASP"),
	sub("object", func(e *Event) **Object { return &e.Object },
		row("type", kindText, 64, func(o *Object) *string { return &o.Type }).must(),
		row("id", kindID, 512, func(o *Object) *string { return &o.ID }),
	).whenever("security events", "OWASP"),
	sub("why", func(e *Event) **Why { return &e.Why },
		row("trigger", kindEnum, 0, func(w *Why) *string { return &w.Trigger }).as(slotTrigger).must().
			one("schedule", "event", "manual", "api", "parent", "boot"),
		row("reason", kindText, 512, func(w *Why) *string { return &w.Reason }),
		row("reference", kindText, 256, func(w *Why) *string { return &w.Reference }),
	).whenever("job events", "108: Why"),
	row("session_hash", kindHMAC, 0, func(e *Event) *string { return &e.SessionHash }).
		whenever("session events", "policy: session ids only hashed"),
	row("status", kindEnum, 0, func(e *Event) *string { return &e.Status }).as(slotStatus).
		one(StatusSuccess, StatusFailure, StatusAborted, StatusDenied, StatusPending, StatusUnknown).
		whenever("authorization, outcome", "108: Outcome"),
	row("status_reason", kindText, 512, func(e *Event) *string { return &e.StatusReason }),
	row("status_code", kindText, 64, func(e *Event) *string { return &e.StatusCode }),
	sub("job", func(e *Event) **Job { return &e.Job },
		row("id", kindID, 128, func(j *Job) *string { return &j.ID }).as(slotJobID).whenever("job events", "108: Execution"),
		row("run_id", kindID, 128, func(j *Job) *string { return &j.RunID }).as(slotRun).whenever("execution, outcome", "108: Execution"),
		row("name", kindText, 128, func(j *Job) *string { return &j.Name }).whenever("job events", "108: What"),
		row("phase", kindEnum, 0, func(j *Job) *string { return &j.Phase }).as(slotPhase).
			one("submission", "authorization", "execution", "outcome"),
		row("attempt", kindInt, MaxInt, func(j *Job) *int64 { return &j.Attempt }).atLeast(1),
		row("parent_id", kindID, 128, func(j *Job) *string { return &j.ParentID }).whenever("children", "108: lineage"),
		row("root_id", kindID, 128, func(j *Job) *string { return &j.RootID }).whenever("children", "108: lineage"),
		row("scheduled_for", kindTime, 0, func(j *Job) *time.Time { return &j.ScheduledFor }),
		row("params", kindParams, MaxKeys, func(j *Job) *map[string]any { return &j.Params }).bytes(MaxParamsBytes).
			whenever("submission", "108: Submission").says("depth 6"),
		row("code_digest", kindDigest, 0, func(j *Job) *string { return &j.CodeDigest }).whenever("job_started", "108: Execution"),
		row("env_digest", kindDigest, 0, func(j *Job) *string { return &j.EnvDigest }).whenever("job_started", "108: Execution"),
	).whenever("job events", "108: the four phases"),
	sub("authorization", func(e *Event) **Authorization { return &e.Authorization },
		row("basis", kindEnum, 0, func(a *Authorization) *string { return &a.Basis }).must().
			one("policy", "approval", "os_permission", "inherited", "none"),
		row("decision", kindEnum, 0, func(a *Authorization) *string { return &a.Decision }).
			one("allowed", "denied", "unchecked"),
		row("decided_by", kindText, 256, func(a *Authorization) *string { return &a.DecidedBy }),
		row("policy_id", kindText, 256, func(a *Authorization) *string { return &a.PolicyID }),
		row("policy_version", kindText, 64, func(a *Authorization) *string { return &a.PolicyVersion }),
		row("required", kindTexts, 32, func(a *Authorization) *[]string { return &a.Required }).bytes(128),
		row("granted", kindTexts, 32, func(a *Authorization) *[]string { return &a.Granted }).bytes(128),
	).whenever("authorization", "108: Authorization"),
	sub("heartbeat", func(e *Event) **Heartbeat { return &e.Heartbeat },
		row("n", kindInt, MaxInt, func(h *Heartbeat) *uint64 { return &h.N }).must().atLeast(1),
		row("progress", kindText, 256, func(h *Heartbeat) *string { return &h.Progress }),
		row("next_due", kindTime, 0, func(h *Heartbeat) *time.Time { return &h.NextDue }),
		row("authorization_valid_until", kindTime, 0, func(h *Heartbeat) *time.Time { return &h.AuthorizationValidUntil }),
	).whenever("job_heartbeat", "108: long-running"),
	sub("before", func(e *Event) **Snapshot { return &e.Before }, snapshot()...).
		whenever("outcome; types that modify", "108: snapshot"),
	sub("after", func(e *Event) **Snapshot { return &e.After }, snapshot()...).
		whenever("outcome; types that modify", "108: snapshot"),
	sub("impact", func(e *Event) **Impact { return &e.Impact },
		row("summary", kindText, 512, func(i *Impact) *string { return &i.Summary }),
		row("counts", kindCounts, 32, func(i *Impact) *map[string]int64 { return &i.Counts }).bytes(MaxLabelsBytes),
	).whenever("outcome", "108: Outcome"),
	sub("timing", func(e *Event) **Timing { return &e.Timing },
		row("submitted_at", kindTime, 0, func(t *Timing) *time.Time { return &t.SubmittedAt }),
		row("started_at", kindTime, 0, func(t *Timing) *time.Time { return &t.StartedAt }).as(slotStarted),
		row("ended_at", kindTime, 0, func(t *Timing) *time.Time { return &t.EndedAt }).as(slotEnded),
		row("duration_us", kindInt, MaxInt, func(t *Timing) **int64 { return &t.DurationUS }).says("monotonic"),
	).whenever("outcome", "108: When"),
	list("references", 16, func(e *Event) *[]Reference { return &e.References },
		row("kind", kindText, 64, func(r *Reference) *string { return &r.Kind }).must(),
		row("value", kindText, 256, func(r *Reference) *string { return &r.Value }).must(),
	).whenever("", "108: cross-referenced truth"),
	sub("corrects", func(e *Event) **Corrects { return &e.Corrects },
		row("event_id", kindUUID, 0, func(c *Corrects) *UUID { return &c.EventID }),
		row("seq", kindInt, MaxInt, func(c *Corrects) **uint64 { return &c.Seq }),
		row("entry_hash", kindDigest, 0, func(c *Corrects) *string { return &c.EntryHash }),
		row("kind", kindEnum, 0, func(c *Corrects) *string { return &c.Kind }).must().one("correction", "reversal"),
		row("reason", kindText, 512, func(c *Corrects) *string { return &c.Reason }),
	).whenever("job_corrected", "108: correction"),
	row("stream_id", kindUUID, 0, func(e *Event) *UUID { return &e.StreamID }).as(slotStream).core("108: atomic sequence numbers"),
	row("stream_seq", kindInt, MaxInt, func(e *Event) *uint64 { return &e.StreamSeq }).as(slotSeq).
		core("108: atomic sequence numbers").atLeast(1),
	sub("clock", func(e *Event) **Clock { return &e.Clock },
		row("confidence", kindEnum, 0, func(c *Clock) *string { return &c.Confidence }).as(slotConfidence).must().
			one("high", "medium", "low", "unknown"),
		row("max_error_us", kindInt, MaxInt, func(c *Clock) **int64 { return &c.MaxErrorUS }),
		row("synchronized", kindBool, 0, func(c *Clock) **bool { return &c.Synchronized }),
		row("offset_us", kindInt, MaxInt, func(c *Clock) **int64 { return &c.OffsetUS }).atLeast(-MaxInt),
		row("source", kindText, 64, func(c *Clock) *string { return &c.Source }),
		row("boot_id", kindText, 64, func(c *Clock) *string { return &c.BootID }),
		row("monotonic_us", kindInt, MaxInt, func(c *Clock) **int64 { return &c.MonotonicUS }),
	).always("policy: Time Synchronization"),
	row("trace_id", kindHex, 32, func(e *Event) *string { return &e.TraceID }).atLeast(1).whenever("where traced", "W3C"),
	row("span_id", kindHex, 16, func(e *Event) *string { return &e.SpanID }).atLeast(1).whenever("where traced", "W3C"),
	row("trace_flags", kindHex, 2, func(e *Event) *string { return &e.TraceFlags }).whenever("", "W3C"),
	sub("repeat", func(e *Event) **Repeat { return &e.Repeat },
		row("count", kindInt, MaxInt, func(r *Repeat) *uint64 { return &r.Count }).must().atLeast(1),
		row("first", kindTime, 0, func(r *Repeat) *time.Time { return &r.First }).as(slotFirst).must(),
		row("last", kindTime, 0, func(r *Repeat) *time.Time { return &r.Last }).as(slotLast).must(),
	).whenever("a flood was folded", "policy: Alarm Fog"),
	row("labels", kindMap, MaxKeys, func(e *Event) *map[string]string { return &e.Labels }).bytes(MaxLabelsBytes),
	list("redactions", MaxMarks+1, func(e *Event) *[]Redaction { return &e.Redactions },
		row("path", kindText, 256, func(r *Redaction) *string { return &r.Path }).must(),
		row("rule", kindText, 64, func(r *Redaction) *string { return &r.Rule }).must(),
		row("action", kindEnum, 0, func(r *Redaction) *string { return &r.Action }).must().one("masked", "hashed", "counted"),
		row("count", kindInt, MaxInt, func(r *Redaction) *uint64 { return &r.Count }).atLeast(1),
	).whenever("something was masked", "policy: prohibited").says("64, then a count"),
	list("sanitized", MaxMarks+1, func(e *Event) *[]Sanitized { return &e.Sanitized },
		row("path", kindText, 256, func(s *Sanitized) *string { return &s.Path }).must(),
		row("original_len", kindInt, MaxInt, func(s *Sanitized) *uint64 { return &s.OriginalLen }).must().evenZero(),
		row("count", kindInt, MaxInt, func(s *Sanitized) *uint64 { return &s.Count }).atLeast(1),
	).whenever("a text was escaped or cut", "policy: log injection").says("64, then a count"),
}}

func snapshot() []*field {
	return []*field{
		row("digest", kindDigest, 0, func(s *Snapshot) *string { return &s.Digest }),
		row("summary", kindText, 2048, func(s *Snapshot) *string { return &s.Summary }),
		row("object", kindText, 512, func(s *Snapshot) *string { return &s.Object }),
		row("count", kindInt, MaxInt, func(s *Snapshot) **int64 { return &s.Count }),
	}
}

// objects lists the table's objects by their number; the root is 0.
var objects = number(root, "", nil)
