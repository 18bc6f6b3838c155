package policy

// The two documents.
const (
	Doc108    = "108"
	DocPolicy = "policy"
)

// Requirement is one demand of a document, or a part of it that demands nothing.
type Requirement struct {
	ID      string // document/section/word
	Section string // as the document has it
	Text    string // in our own words
	Rules   []string
	// Reason says why a log cannot show it, or not all of it; "" where the rules show it whole.
	Reason string
}

// Document is the one that the requirement is in.
func (r Requirement) Document() string {
	if len(r.ID) > len(Doc108) && r.ID[:len(Doc108)+1] == Doc108+"/" {
		return Doc108
	}
	return DocPolicy
}

// Requirements lists every part of both documents, in their order.
func Requirements() []Requirement { return requirements[:] }

var requirements = [...]Requirement{
	{"108/purpose", "Purpose", "an immutable record of a job's life, context and impact", nil, "the sum of what follows"},
	{"108/scope/lifecycle", "Scope: In scope 1", "the beginning, the changes and the end of jobs", []string{"submission", "execution", "outcome", "ghost"}, ""},
	{"108/scope/identity", "Scope: In scope 2", "the person or machine that is responsible", []string{"principal"}, ""},
	{"108/scope/integrity", "Scope: In scope 3", "what is altered or deleted is noticed", []string{"sealed", "sequence"}, "a log that was cut at its end looks whole: only a checkpoint that is kept elsewhere tells (stet verify)"},
	{"108/scope/state", "Scope: In scope 4", "critical state before and after a job", []string{"before-after"}, ""},
	{"108/scope/apm", "Scope: Out of scope 1", "no performance metrics", nil, "says what need not be there: nothing to check"},
	{"108/scope/debug", "Scope: Out of scope 2", "no debug messages", []string{"no-debug"}, ""},
	{"108/scope/scheduling", "Scope: Out of scope 3", "not how jobs are queued", nil, "says what need not be there: nothing to check"},
	{"108/definitions", "Definitions", "an audit event is a single record; what job, principal and context mean", []string{"event-id"}, ""},
	{"108/w/who", "Five W's 1", "every entry of a job says who is responsible", []string{"principal"}, ""},
	{"108/w/what", "Five W's 2", "… what was done", []string{"event-type", "description"}, ""},
	{"108/w/when", "Five W's 3", "… when it was asked for, started and ended", []string{"timestamp", "submission", "execution", "outcome"}, ""},
	{"108/w/where", "Five W's 4", "… on which system and in which environment", []string{"host", "environment"}, ""},
	{"108/w/why", "Five W's 5", "… what triggered it, or its reason", []string{"why"}, ""},
	{"108/separation", "Separation of Concerns", "a failure is recorded independently of the system that failed", nil, "a log does not show what it shares with the system it is about: look at where it is written"},
	{"108/immutable/worm", "Immutability and Chain of Custody", "stored so that it is written once and only read", nil, "a copy does not show how its original is kept: look at the storage's settings (object lock, append-only, rights)"},
	{"108/immutable/correction", "Immutability and Chain of Custody", "a correction is an event of its own", []string{"correction"}, "an edit that left no trace cannot be seen in a log without seals"},
	{"108/model/submission", "Standard Model 1", "the request, with principal, parameters and time", []string{"submission"}, ""},
	{"108/model/authorization", "Standard Model 2", "that the principal was allowed to", []string{"authorization"}, ""},
	{"108/model/execution", "Standard Model 3", "the start, with environment, code version and job id", []string{"execution"}, ""},
	{"108/model/outcome", "Standard Model 4", "the result, with status and impact", []string{"outcome"}, ""},
	{"108/correlation", "Correlation ID Pattern", "one id from submission on, in every event, handed on downstream", []string{"interaction-id", "one-interaction"}, "whether a process that logged nothing was given the id cannot be told"},
	{"108/snapshot", "Before/After Snapshot", "a digest or summary of sensitive data before and after", []string{"before-after"}, ""},
	{"108/aggregation", "Centralized Aggregation", "events go to a central, hardened service", nil, "a log does not show where else it is: look at how it is shipped"},
	{"108/anti/sensitive", "Anti-Patterns 1", "no passwords, keys or personal data", []string{"secret", "session-id", "connection-string", "personal-data"}, ""},
	{"108/anti/mixing", "Anti-Patterns 2", "debug messages are not in the audit stream", []string{"no-debug"}, ""},
	{"108/anti/local", "Anti-Patterns 3", "not only on the machine that the job ran on", nil, "a log does not show where else it is: look at how it is shipped"},
	{"108/anti/silent", "Anti-Patterns 4", "no job without its start or end", []string{"ghost"}, "a job that reported nothing at all is seen only where a schedule was declared"},
	{"108/anti/mutable", "Anti-Patterns 5", "nobody cleans up history", []string{"sequence"}, "events without numbers can be taken out unseen"},
	{"108/edge/long", "Edge Cases 1", "a job that runs for days gives signs of life", []string{"heartbeat"}, ""},
	{"108/edge/children", "Edge Cases 2", "a job's child names its parent, up to the first principal", []string{"lineage"}, ""},
	{"108/edge/cascade", "Edge Cases 3", "who was triggered by a system names it and its event", []string{"cascade"}, ""},
	{"108/edge/skew", "Edge Cases 4", "numbers beside times hold the true order", []string{"sequence", "phase-order", "clock-order"}, ""},
	{"108/related/iam", "Related Topics 1", "principals are authenticated before they are logged", nil, "a log shows a name, not how it was proven"},
	{"108/related/retention", "Related Topics 2", "how long logs are kept", nil, "a log does not show what was deleted after its time: look at the retention that is set"},
	{"108/related/observability", "Related Topics 3", "transport of audit data", nil, "points elsewhere: nothing to check"},
	{"108/related/signatures", "Related Topics 4", "logs are signed", []string{"sealed"}, "whether the seals hold is for stet verify"},

	{"policy/purpose", "Purpose", "user, absolute time, severity and correlation in every event", []string{"user", "timestamp", "severity", "interaction-id"}, ""},
	{"policy/status", "Status, Official Sources, Evidence Coverage Matrix", "of what kind the document is", nil, "about the document: nothing to check"},
	{"policy/scope", "Scope", "applications' logs, not those of operating systems and network devices", nil, "a line does not say whether it is from an application: you choose the file"},
	{"policy/format", "Version & Compatibility", "a standard format, such as JSON", []string{"format"}, ""},
	{"policy/mandatory", "Mandatory Event Attributes", "every entry says when, where, who and what", []string{"timestamp", "app", "user", "event-type"}, ""},
	{"policy/when/timestamp", "When 1", "date and time in an international format", []string{"timestamp"}, ""},
	{"policy/when/event-time", "When 2", "the time of the event beside that of the log, where they differ", []string{"event-time"}, ""},
	{"policy/when/interaction", "When 3", "a unique id links the events of one interaction", []string{"interaction-id", "one-interaction"}, "whether two interactions share an id cannot be told"},
	{"policy/where/app", "Where 1", "the application's name and version", []string{"app", "app-version"}, ""},
	{"policy/where/location", "Where 2", "the place in the code, and the entry point", []string{"code-location", "entry-point"}, ""},
	{"policy/where/address", "Where 3", "the server or cluster", []string{"host"}, ""},
	{"policy/who/user", "Who 1", "the user's unique identity, if authenticated", []string{"user"}, ""},
	{"policy/who/source", "Who 2", "the address or device that the user came from", []string{"source-address"}, ""},
	{"policy/what/type", "What 1", "the type of the event", []string{"event-type"}, ""},
	{"policy/what/severity", "What 2", "a standardised severity", []string{"severity"}, ""},
	{"policy/what/description", "What 3", "a description that people can read", []string{"description"}, "whether people understand it cannot be told"},
	{"policy/what/security", "What 4", "a flag for security-relevant events in a mixed log", []string{"security-flag"}, ""},
	{"policy/time-sync", "Time Synchronization", "synchronised clocks, else the offset or confidence", []string{"clock"}, ""},
	{"policy/prohibited/correlation", "Prohibited 1", "no interaction without its id", []string{"interaction-id"}, ""},
	{"policy/prohibited/secrets", "Prohibited 2a", "no passwords, access tokens, encryption keys", []string{"secret"}, "what has neither a telling key nor a known form is not found"},
	{"policy/prohibited/sessions", "Prohibited 2b", "no session ids but hashed", []string{"session-id"}, "what has neither a telling key nor a known form is not found"},
	{"policy/prohibited/connections", "Prohibited 2c", "no connection strings", []string{"connection-string"}, ""},
	{"policy/prohibited/personal", "Prohibited 2d", "no personal data without consent or legal ground", []string{"personal-data"}, "names and postal addresses have no form by which to know them"},
	{"policy/prohibited/input", "Prohibited 3", "no input from outside that is not sanitised", []string{"injection"}, ""},
	{"policy/enforcement/review", "Enforcement 1", "log handlers are reviewed", nil, "a log does not show who read the code"},
	{"policy/enforcement/sanitise", "Enforcement 2", "line breaks and delimiters are taken out or encoded", []string{"injection"}, ""},
	{"policy/failure/fog", "Failure Modes 1", "no flood of what does not matter", []string{"flood", "no-debug"}, "what matters is for people to say"},
	{"policy/failure/injection", "Failure Modes 2", "no forged entries", []string{"injection", "format"}, "an entry that was forged well looks like any other"},
	{"policy/failure/dos", "Failure Modes 3", "logging is bounded", []string{"size"}, "how much may be written before a disk is full is not in the log"},
	{"policy/dependencies", "Cross-Doc Dependencies", "another document's structure in PostgreSQL", nil, "that document is not one of the two"},
	{"policy/hints/keys", "Planner Extraction Hints 1", "seven keys that a log's schema must have", []string{"required-keys"}, ""},
	{"policy/hints/sensitive", "Planner Extraction Hints 2", "passwords and tokens are masked or left out", []string{"secret"}, ""},
	{"policy/hints/interaction", "Planner Extraction Hints 3", "interaction_id in all logs of requests", []string{"interaction-id"}, ""},
	{"policy/checklist/1", "Verification Checklist 1", "interaction_id is there", []string{"interaction-id"}, ""},
	{"policy/checklist/2", "Verification Checklist 2", "times are ISO 8601", []string{"timestamp"}, ""},
	{"policy/checklist/3", "Verification Checklist 3", "logs of authenticated users have their id", []string{"user"}, ""},
	{"policy/checklist/4", "Verification Checklist 4", "severity is standardised", []string{"severity"}, ""},
	{"policy/checklist/5", "Verification Checklist 5", "passwords and keys are masked or left out", []string{"secret", "session-id", "connection-string"}, ""},
	{"policy/non-decisions/format", "Non-Decisions 1", "which international format is not said", nil, "leaves open: the checklist says ISO 8601, and rule timestamp follows it"},
	{"policy/non-decisions/types", "Non-Decisions 2", "the types of events are documented", []string{"documented-type"}, ""},
	{"policy/notes/interaction", "Notes 1", "the id links failed input, database calls and errors of one request", []string{"interaction-id"}, ""},
	{"policy/notes/signatures", "Notes 2", "only signatures give non-repudiation", []string{"sealed"}, "whether the seals hold is for stet verify"},
}
