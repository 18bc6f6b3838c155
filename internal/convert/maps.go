package convert

// OTLPMap is what the values of an OTLP log record mean, by the names of its protocol and of OpenTelemetry's semantic conventions; an
// attribute of a name of ours is that field.
func OTLPMap() Map {
	return named(Map{
		"event_time":         {"timeUnixNano"},
		"timestamp":          {"observedTimeUnixNano"},
		"event_id":           {"attributes.log.record.uid"},
		"interaction_id":     {"attributes.correlation_id", "attributes.correlation.id", "attributes.request_id", "attributes.http.request.id", "traceId"},
		"app_id":             {"resource.attributes.service.name"},
		"app_version":        {"resource.attributes.service.version"},
		"code_location":      {"attributes.code.function.name", "attributes.code.file.path", "attributes.code.function", "attributes.code.filepath", "scope.name"},
		"entry_point.method": {"attributes.http.request.method", "attributes.http.method"},
		"entry_point.name":   {"attributes.url.path", "attributes.http.route", "attributes.url.full", "attributes.http.target", "attributes.messaging.destination.name"},
		"host.name":          {"resource.attributes.host.name", "resource.attributes.k8s.pod.name", "resource.attributes.k8s.node.name"},
		"host.ip":            {"resource.attributes.host.ip[0]", "resource.attributes.host.ip"},
		"host.cluster":       {"resource.attributes.k8s.cluster.name"},
		"host.instance_id":   {"resource.attributes.service.instance.id", "resource.attributes.container.id"},
		"environment":        {"resource.attributes.deployment.environment.name", "resource.attributes.deployment.environment"},
		"user_id":            {"attributes.user.id", "attributes.enduser.id", "attributes.user.name"},
		"source_ip":          {"attributes.client.address", "attributes.source.address", "attributes.network.peer.address"},
		"event_type":         {"eventName", "attributes.event.name", "attributes.event.action"},
		"severity":           {"severityNumber", "severityText"},
		"description":        {"body", "body.message", "body.msg", "attributes.message"},
		"status":             {"attributes.outcome", "attributes.event.outcome"},
		"job.params":         {"attributes.job.params"},
		"impact.counts":      {"attributes.impact.counts"},
		"trace_id":           {"traceId"},
		"span_id":            {"spanId"},
	}, "attributes.")
}

// CloudEventsMap is what the attributes of a CloudEvent mean, and the members of its data that have a name of ours.
func CloudEventsMap() Map {
	return named(Map{
		"event_time":     {"time"},
		"timestamp":      {"recordedtime"},
		"interaction_id": {"correlationid", "data.correlation_id", "data.correlationId"},
		"event_type":     {"type"},
		"severity":       {"severitynumber", "severitytext"},
		"description":    {"data.message"},
		"user_id":        {"data.user.id", "data.userId"},
		"principal.type": {"authtype"},
		"principal.id":   {"authid"},
		"trace_id":       {"traceparent.trace_id"},
		"span_id":        {"traceparent.span_id"},
		"job.params":     {"data.job.params"},
		"impact.counts":  {"data.impact.counts"},
	}, "data.")
}

// named adds to a mapping that what stands under prefix and a field's own name is that field.
func named(m Map, prefix string) Map {
	for _, field := range Fields() {
		if field == "stream_id" || field == "stream_seq" { // of somebody else's stream
			continue
		}
		if key := prefix + field; len(m[field]) == 0 || m[field][0] != key {
			m[field] = append([]string{key}, m[field]...)
		}
	}
	return m
}
