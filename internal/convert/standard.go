package convert

// Standard is the mapping of what names its fields by a standard: syslog's header, with structured data and JSON that has our
// own names, and CEF, with its dictionary and our labels (docs/spec/import.md). The caller may change it.
func Standard() Map {
	m := Map{}
	for _, field := range Fields() {
		m[field] = []string{field} // under our own name, wherever it stands
	}
	for field, keys := range map[string][]string{
		"event_time":             {"start", "rt", keyTime},
		"event_id":               {"externalId"},
		"app_id":                 {"sourceServiceName", keyApp},
		"app_version":            {"cef.product_version"},
		"host.name":              {"host", "dvchost", keyHost},
		"host.ip":                {"dvc", "c6a1"},
		"host.instance_id":       {"instance_id", "deviceExternalId"},
		"user_id":                {"suid", "suser"},
		"source_ip":              {"src", "c6a2"},
		"event_type":             {"cef.event_class_id", keyMsgID},
		"severity":               {cefSeverityKey, keySeverity},
		"description":            {"msg", "cef.name", "message", keyMessage},
		"entry_point.kind":       {"entry_point_kind"},
		"entry_point.name":       {"entry_point", "request"},
		"entry_point.method":     {"entry_point_method", "requestMethod"},
		"target.system":          {"target"},
		"target.environment":     {"target_environment"},
		"status":                 {"outcome"},
		"why.trigger":            {"trigger"},
		"why.reason":             {"reason"},
		"why.reference":          {"reference"},
		"job.id":                 {"job_id"},
		"job.run_id":             {"run_id"},
		"job.name":               {"job_name", "deviceProcessName"},
		"job.phase":              {"phase", "cat"},
		"job.attempt":            {"attempt"},
		"job.parent_id":          {"parent_id"},
		"job.root_id":            {"root_id"},
		"authorization.decision": {"decision"},
	} {
		m[field] = append(m[field], keys...)
	}
	return m
}
