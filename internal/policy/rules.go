package policy

// Rule is one thing that is checked.
type Rule struct {
	ID    string
	Of    string // what it judges, in the plural: events, lines, runs, jobs, keys
	Title string // what must hold, in a few words
	Check string // how it is decided
	Next  string // what to do where it fails
	// Should says that the documents recommend it, or that it is a sign rather than a breach: a warning.
	Should bool

	event func(*Linter, *Record) verdict // judges one event; nil: the rule judges otherwise
}

// Rules lists all rules in the order of reports.
func Rules() []Rule { return rules() }

func rules() []Rule {
	return []Rule{
		{ID: "format", Of: "lines", Title: "a line is one JSON object that has one meaning",
			Check: "JSON by RFC 8259: one object a line, no key twice, UTF-8, at most 32 deep, 4,096 values and 1 MiB; nothing else is checked of a line that fails",
			Next:  "have the logger write JSON with an encoder; a line that is none may also be one that somebody broke in two", Should: true},
		{ID: "secret", Of: "events", Title: "no password, token or key in plaintext",
			Check: "by the name of the key, the form of the value and that of the key itself (internal/redact); a mask, and an empty value, is none", Next: "mask or leave out the field where it is logged, and replace the secret: it has been read", event: checkSecret},
		{ID: "session-id", Of: "events", Title: "no session id but hashed", Check: "the same, for session ids and cookies; hmac-sha256: and sha256: digests pass", Next: "log an HMAC of the session's id (stet: session_hash), and end the sessions that are in the log", event: checkSession},
		{ID: "connection-string", Of: "events", Title: "no connection string", Check: "the same, for DSNs, connection strings and URLs with a password", Next: "log the database's name instead, and replace its password", event: checkConnection},
		{ID: "personal-data", Of: "events", Title: "no personal data without a ground",
			Check: "the same, for addresses of mail, phone, card, account and social security numbers; who acted and from where (user, principal, source) is identity and not looked at, and neither are stet events whose catalogue names a basis",
			Next:  "log an id instead of the person's data, or document the basis", event: checkPersonal},
		{ID: "injection", Of: "events", Title: "input from outside is encoded",
			Check: "no character that does not show itself stands in the line as it is; decoded, no text has control characters beside tab and line break, and no field that is mapped or that comes from a request (user agent, referer, URL, header …) has line breaks, but for descriptions",
			Next:  "encode control characters before they reach the logger; look at the line: somebody may have tried", event: checkInjection},
		{ID: "required-keys", Of: "keys", Title: "the log has the policy's seven keys",
			Check: "timestamp, app_id, user_id, source_ip, event_type, severity, interaction_id: some line has each, under the key that the mapping names",
			Next:  "add the key, or name the one that holds it in the mapping"},
		{ID: "timestamp", Of: "events", Title: "the time is ISO 8601 with its offset from UTC",
			Check: "ISO 8601 with offset; a local time, a count since 1970 or another form fails; counts that OTLP itself prescribes are not checked",
			Next:  "write times like 2026-01-13T10:00:00.000Z", event: checkTimestamp},
		{ID: "event-time", Of: "events", Title: "the event's own time stands beside the log's where they differ",
			Check: "a time of the event that is there is one and not later than the log's; whether one is missing only a stet event tells",
			Next:  "record when it happened as event_time", event: checkEventTime},
		{ID: "interaction-id", Of: "events", Title: "an id links the events of one interaction",
			Check: "it is there; a trace id will do", Next: "hand one id from request to request and write it as interaction_id", event: present("interaction_id", "interaction id")},
		{ID: "one-interaction", Of: "events", Title: "the events of one job have one interaction id",
			Check: "each event of a job has the id of the first one", Next: "hand the id of the request on to all that works for it", event: checkOneInteraction},
		{ID: "app", Of: "events", Title: "the application is named", Check: "app_id is there", Next: "write the application's name as app_id", event: present("app_id", "application")},
		{ID: "app-version", Of: "events", Title: "the application's version is there", Check: "app_version is there", Next: "write the build's version as app_version", event: present("app_version", "version of the application")},
		{ID: "code-location", Of: "events", Title: "the place in the code is named", Check: "code_location is there: a file, function, class or logger", Next: "have the logger write where it was called", event: present("code_location", "place in the code")},
		{ID: "entry-point", Of: "events", Title: "the entry point is named", Check: "a URL, command, form or function by which the work came in", Next: "write URL and method, or the command, as entry_point", event: present("entry_point.name", "entry point", "entry_point.kind")},
		{ID: "host", Of: "events", Title: "the server is named", Check: "a host's name or address, a cluster or an instance", Next: "write the host's name as host.name", event: present("host.name", "server", "host.ip", "host.cluster", "host.instance_id")},
		{ID: "user", Of: "events", Title: "the user is named, where one is logged in",
			Check: "user_id is there, or a stet event says why not. A log without a key for it fails; where the key is empty, only a line about a login or a permission fails, and of others it cannot be told",
			Next:  "write the account's id as user_id once the request is authenticated", event: checkUser},
		{ID: "source-address", Of: "events", Title: "the address or device that the user came from is there",
			Check: "source_ip is an IP address, or a device is named", Next: "write the client's address as source_ip", event: checkSource},
		{ID: "event-type", Of: "events", Title: "the type of the event is there", Check: "event_type is there", Next: "give each kind of event a name, such as authn_login_fail of the OWASP Logging Vocabulary", event: present("event_type", "type of the event")},
		{ID: "documented-type", Of: "events", Title: "the event's type is in a catalogue",
			Check: "stet's catalogue with the OWASP Logging Vocabulary, and the file that --catalogue names; of another application's types nothing is said without one",
			Next:  "document the type in a catalogue file and name it with --catalogue", event: checkDocumented},
		{ID: "severity", Of: "events", Title: "the severity is of a standard scale",
			Check: "0 to 7 of RFC 5424, or one of its words and of those of common loggers (fatal, error, warn, info, debug, trace); 1 to 24 under severityNumber",
			Next:  "write a level of RFC 5424 or one of fatal, error, warning, info, debug", event: checkSeverity},
		{ID: "description", Of: "events", Title: "a description is there", Check: "it is there and not empty", Next: "write a sentence as description", event: present("description", "description")},
		{ID: "security-flag", Of: "events", Title: "a mixed log flags what is security-relevant",
			Check: "the flag is there; without it an event fails where the log also holds debug messages, or flagged events, or types of both kinds; else it cannot be told whether the log is mixed",
			Next:  "write security: true or false into every event, or give security events a log of their own"},
		{ID: "clock", Of: "events", Title: "it is known how far the clock is right",
			Check: "the event states its clock's confidence or error; elsewhere a log cannot show whether the clock was synchronised",
			Next:  "have the host's clock synchronised, and record its state", event: checkClock},
		{ID: "size", Of: "lines", Title: "an entry is bounded", Check: "at most 60 KiB a line", Next: "cut long fields before they are logged"},
		{ID: "flood", Of: "events", Title: "no flood of equal events", Check: "at most 100 events in a row that agree in type, text, user and source", Next: "count repetitions and log the count", Should: true},
		{ID: "no-debug", Of: "events", Title: "no debug messages among audit events", Check: "no level debug or trace", Next: "send debug messages to a log of their own, so that rotation never takes audit events with them", Should: true, event: checkDebug},
		{ID: "event-id", Of: "events", Title: "each event is recorded once", Check: "no event_id twice, where events have one", Next: "find out which component writes twice", event: checkEventID},

		{ID: "principal", Of: "events", Title: "a job's event names who is responsible", Check: "principal.id or user_id, in events of jobs", Next: "write the account that the job acts for", event: checkPrincipal},
		{ID: "environment", Of: "events", Title: "a job's event names the environment", Check: "environment or target.environment, in events of jobs", Next: "write production, staging … as environment", event: jobs(present("environment", "environment", "target.environment"))},
		{ID: "why", Of: "events", Title: "a job's event says what triggered it", Check: "why.trigger, why.reason or why.reference, in events of jobs", Next: "write schedule, event, manual or api, and the reason or ticket", event: jobs(present("why.trigger", "trigger or reason", "why.reason", "why.reference"))},
		{ID: "cascade", Of: "events", Title: "what a system triggered names it and its event", Check: "principal.upstream.system and .event_ref, where why.trigger is event", Next: "hand on the name of the system and the id of its event", event: checkCascade},
		{ID: "correction", Of: "events", Title: "a correction names what it corrects, and why", Check: "corrects names an event and a reason; that the event is there is looked for within the interaction", Next: "name the event's id in corrects (stet correct)", event: checkCorrection},
		{ID: "sequence", Of: "events", Title: "numbers hold the true order", Check: "each event has a number in its stream, one more than the last; events of jobs, and any that have one", Next: "number events where they are made; a hole is an event that is missing: find it", event: checkSequence},
		{ID: "sealed", Of: "events", Title: "events are under a signature", Check: "in a ledger each event is under its emitter's seal (that the seals hold is for stet verify); a file of lines has none", Next: "record into a store, or look at the entries without a seal"},
		{ID: "submission", Of: "runs", Title: "the request is recorded with principal, parameters and time", Check: "its slot in the story is filled", Next: "record the request where it is made, with its parameters"},
		{ID: "authorization", Of: "runs", Title: "the permission is recorded", Check: "its slot is filled by a decision; one that says that nobody checked fails", Next: "check the principal's right before the start, and record the decision"},
		{ID: "execution", Of: "runs", Title: "the start is recorded with code version and environment", Check: "its slot is filled, with a version or digest of the code, and the environment or its digest", Next: "record the start, with the version that runs"},
		{ID: "outcome", Of: "runs", Title: "the result is recorded with status and impact", Check: "its slot is filled, with a status, and a summary or counts of the impact", Next: "record how the job ended and what it changed"},
		{ID: "ghost", Of: "runs", Title: "no job starts and never ends", Check: "a run that was asked for or started has its end; one that is open at the end of the log is not checked unless the log goes on for a day", Next: "look at the job: it may be dead, hang, or have failed to log"},
		{ID: "phase-order", Of: "runs", Title: "the phases come in their order", Check: "submission, authorization, execution, outcome, by place in the log", Next: "find out which component reports late, or invents"},
		{ID: "lineage", Of: "jobs", Title: "a child names its parent and root", Check: "the parent is in the same interaction, and root_id is the id of the topmost job", Next: "hand parent and root on to what the job starts"},
		{ID: "heartbeat", Of: "runs", Title: "a job that runs for days gives signs of life", Check: "in a run of more than a day, no day without an event", Next: "record a heartbeat every hour"},
		{ID: "before-after", Of: "runs", Title: "the state before and after is recorded", Check: "an outcome has both digests; one alone fails, and so does neither where the catalogue says that the type modifies sensitive data; else it cannot be told whether the job did", Next: "record a digest of the data before and after (stet.Run.Snapshot)"},
		{ID: "clock-order", Of: "interactions", Title: "clocks agree with the true order", Check: "no event of a job claims a time before one that came first for certain, beyond the error both state", Next: "synchronise the clocks of the hosts that are named in the story"},
	}
}
