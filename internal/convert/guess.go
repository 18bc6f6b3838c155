package convert

import (
	"net/netip"
	"slices"
	"strings"
)

// Guess finds out, from the first records of a log, which of its keys hold which fields. The zero value is ready. It keeps at
// most maxGuessKeys keys, and is for one goroutine.
type Guess struct {
	keys    map[string]*guessKey
	records int
}

const maxGuessKeys = 4096

// guessKey is what is known of one key of the log.
type guessKey struct {
	said                int // records in which it says something
	times, ips, numbers int
}

// Add looks at one record.
func (g *Guess) Add(r *Record) {
	g.records++
	if g.keys == nil {
		g.keys = map[string]*guessKey{}
	}
	for _, l := range r.Leaves {
		k := g.keys[l.Key]
		if k == nil {
			if len(g.keys) >= maxGuessKeys {
				continue
			}
			k = &guessKey{}
			g.keys[l.Key] = k
		}
		if l.Void() {
			continue
		}
		k.said++
		if _, form := ReadTime(l.Text); form != TimeUnknown {
			k.times++
		}
		if _, err := netip.ParseAddr(l.Text); err == nil {
			k.ips++
		}
		if l.Kind == Number {
			k.numbers++
		}
	}
}

// Map is the guess: for each field the keys whose names promise it and whose values can be it, the likeliest first. No key
// serves two fields, but that a trace's id stands in for an interaction's where the log has none.
func (g *Guess) Map() Map {
	byName := map[string][]string{} // plain name → keys, sorted
	for key := range g.keys {
		for _, name := range plainNames(key) {
			byName[name] = append(byName[name], key)
		}
	}
	m, used := Map{}, map[string]bool{}
	for _, c := range guesses {
		max := 1
		if slices.Contains([]string{"timestamp", "interaction_id", "description", "source_ip", "entry_point.name", "code_location"}, c.field) {
			max = 2
		}
		for _, name := range append([]string{plain(c.field)}, c.names...) {
			keys := byName[name]
			slices.Sort(keys)
			for _, key := range keys {
				if len(m[c.field]) < max && !used[key] && g.can(c.field, key) {
					m[c.field] = append(m[c.field], key)
					used[key] = true
				}
			}
		}
	}
	for _, field := range []string{"job.params", "impact.counts"} { // objects, under our own names
		for key := range g.keys {
			if strings.HasPrefix(key, field+".") {
				m[field] = []string{field}
			}
		}
	}
	if len(m["interaction_id"]) == 0 && len(m["trace_id"]) > 0 {
		m["interaction_id"] = m["trace_id"]
	}
	if len(m["timestamp"]) == 0 && len(m["event_time"]) > 0 {
		m["timestamp"] = m["event_time"]
		delete(m, "event_time")
	}
	return m
}

// Unused are the keys that say something and that no field of m has, sorted.
func (g *Guess) Unused(m Map) (keys []string) {
	used := map[string]bool{}
	for _, of := range m {
		for _, key := range of {
			used[key] = true
		}
	}
	for key, k := range g.keys {
		if k.said > 0 && !used[key] {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// can tells whether the values under a key are such as the field has. A key that never says anything can be any.
func (g *Guess) can(field, key string) bool {
	k := g.keys[key]
	switch field {
	case "timestamp", "event_time":
		return 2*k.times >= k.said // a time that cannot be read is left out of its event
	case "source_ip", "host.ip":
		return 2*k.ips >= k.said
	case "app_version":
		return !strings.HasPrefix(key, "@") // logstash numbers its own format so
	case "status", "job.phase", "event_type", "user_id":
		return field == "user_id" || k.said == 0 || k.numbers < k.said // an HTTP status is not how a job ended
	}
	return true
}

// plain is a name without case and marks, so that user_id, userId, user.id and X-User-Id can be told to be one.
func plain(name string) string {
	var b strings.Builder
	for _, c := range []byte(name) {
		switch {
		case c >= 'A' && c <= 'Z':
			b.WriteByte(c | 0x20)
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c >= 0x80:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// wrappers are what loggers put around the fields of an application.
var wrappers = []string{"resource.attributes.", "attributes.", "resource.", "mdc.", "context.", "contextmap.", "fields.", "labels.", "properties.", "data.", "extra.", "event.params.", "record.", "syslog.", "cef."}

// plainNames are the names that a key may be known by: as it is, without what it is wrapped in, and without an index [0].
func plainNames(key string) []string {
	if i := strings.IndexByte(key, '['); i >= 0 {
		return nil // an element of a list is no field
	}
	names := []string{plain(key)}
	lower := strings.ToLower(key)
	for _, w := range wrappers {
		if strings.HasPrefix(lower, w) && len(key) > len(w) {
			if n := plain(key[len(w):]); !slices.Contains(names, n) {
				names = append(names, n)
			}
			break
		}
	}
	return names
}

// guesses are the names under which logs keep what a field of ours holds, in plain form, the likeliest first. They are tried
// in this order, so that a key goes to the field that it fits best. The field's own name is always tried first.
var guesses = []struct {
	field string
	names []string
}{
	// OTLP: the time of the event and that of its record; elsewhere there is one, which is the log's.
	{"event_time", []string{"timeunixnano", "occurredat", "occurredtime", "eventoccurred"}},
	{"timestamp", []string{"observedtimeunixnano", "observedtimestamp", "time", "ts", "timeiso8601", "datetime", "date", "timelocal", "instant", "logtime", "loggedat", "asctime", "eventcreated", "t"}},
	{"event_id", []string{"eventuuid", "logid", "logrecorduid"}},
	{"trace_id", []string{"traceid", "trace", "otelttraceid", "dttraceid", "xb3traceid"}},
	{"span_id", []string{"span"}},
	{"interaction_id", []string{"interactionidentifier", "correlationid", "xcorrelationid", "correlation", "requestid", "xrequestid", "httpxrequestid", "reqid", "transactionid", "sagaid", "conversationid", "operationid", "httprequestid"}},
	{"app_version", []string{"serviceversion", "applicationversion", "appver", "version", "buildversion", "release"}},
	{"app_id", []string{"servicename", "springapplicationname", "applicationname", "appname", "app", "application", "service", "component", "program", "sourceservicename"}},
	{"code_location", []string{"codefilepath", "codefunctionname", "codefunction", "codefilepathname", "logoriginfilename", "caller", "loggername", "loglogger", "logger", "callerclassname", "class", "module", "source", "function", "location", "scopename", "instrumentationscopename", "name"}},
	{"entry_point.method", []string{"requestmethod", "httprequestmethod", "httpmethod", "method", "verb"}},
	{"entry_point.name", []string{"urlpath", "requesturi", "httproute", "httptarget", "url", "urlfull", "httpurl", "uri", "path", "request", "endpoint", "route", "rpcmethod", "messagingdestinationname"}},
	{"entry_point.kind", nil},
	{"host.ip", []string{"serveraddr", "hostaddress", "serverip"}},
	{"host.port", []string{"serverport"}},
	{"host.name", []string{"hostname", "host", "servername", "serveraddress", "nodename", "node", "k8snodename", "machine", "machinename", "computer", "vhost", "dvchost"}},
	{"host.instance_id", []string{"serviceinstanceid", "instanceid", "instance", "podname", "k8spodname", "containerid", "pod"}},
	{"host.cluster", []string{"cluster", "k8sclustername", "clustername"}},
	{"environment", []string{"env", "serviceenvironment", "deploymentenvironmentname", "deploymentenvironment", "stage", "profile"}},
	{"target.system", nil},
	{"target.environment", nil},
	{"user_id", []string{"uid", "enduserid", "username", "remoteuser", "user", "userpk", "accountid", "principalname", "subject", "sub", "login", "principal", "actor", "actorid", "suid", "suser"}},
	{"source_ip", []string{"clientaddress", "clientip", "sourceaddress", "remoteaddr", "remoteaddress", "remoteip", "srcip", "ipaddress", "ip", "clientaddr", "networkpeeraddress", "httpclientip", "netpeerip", "realip", "xrealip", "src", "c6a2"}},
	{"source.device_id", []string{"deviceid"}},
	{"principal.type", nil},
	{"principal.id", []string{"serviceaccount"}},
	{"principal.upstream.system", []string{"upstreamsystem", "triggersystem"}},
	{"principal.upstream.event_ref", []string{"upstreameventid", "triggereventid"}},
	{"event_type", []string{"eventname", "eventaction", "eventcode", "event", "action", "operation", "activity", "type", "eventkind", "eventclassid", "msgid"}},
	{"severity", []string{"severitytext", "loglevel", "level", "lvl", "levelname", "severitynumber", "priority", "loglevelname"}},
	{"security", []string{"securityrelevant", "issecurity", "securityevent", "securityflag", "audit"}},
	{"description", []string{"message", "msg", "body", "text", "log", "shortmessage", "logmessage"}},
	{"why.trigger", []string{"trigger", "triggeredby", "triggertype"}},
	{"why.reason", []string{"reason"}},
	{"why.reference", []string{"ticket", "changeid"}},
	{"session_hash", []string{"sessionidhash", "hashedsessionid"}},
	{"job.parent_id", []string{"parentjobid", "parentid"}},
	{"job.root_id", []string{"rootjobid"}},
	{"job.run_id", []string{"runid", "jobrunid", "jobexecutionid", "executionid"}},
	{"job.id", []string{"jobid", "taskid", "jobinstanceid"}},
	{"job.name", []string{"jobname", "taskname", "job", "task"}},
	{"job.phase", []string{"phase", "jobphase"}},
	{"job.attempt", []string{"attempt", "jobattempt", "retry"}},
	{"job.code_digest", nil},
	{"job.env_digest", nil},
	{"authorization.decision", []string{"decision"}},
	{"before.digest", []string{"beforehash", "beforedigest"}},
	{"after.digest", []string{"afterhash", "afterdigest"}},
	{"impact.summary", []string{"impact"}},
	{"status", []string{"outcome", "eventoutcome", "result", "jobstatus", "exitstatus"}},
	{"corrects.event_id", nil},
	{"corrects.reason", nil},
	{"stream_id", nil},
	{"stream_seq", []string{"sequence", "sequencenumber", "seq", "eventsequence", "seqno", "seqnum"}},
	{"clock.confidence", nil},
	{"clock.max_error_us", nil},
}
