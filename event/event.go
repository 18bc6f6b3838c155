// Package event holds stet.event/1: one immutable record of who did what, when,
// where and why.
//
// Everything about the format comes from one table (table.go): the strict
// scanner that checks other people's bytes, the encoder, the JSON Schema in
// docs/spec/event.schema.json and the table in docs/spec/event.md. A test fails
// where two of them differ.
//
// The package has no clock, no files, no network and no randomness: ids and
// times are handed in, bytes and errors come out. Nothing here keeps state
// between calls, so everything may be used from many goroutines at once.
package event

import "time"

// SchemaV1 is the value of an event's schema member. A newer minor version is
// written "stet.event/1.N"; members it adds are kept and not interpreted.
const SchemaV1 = "stet.event/1"

// Limits of one event, in bytes of JSON or in elements.
const (
	MaxBytes       = 60 << 10 // a whole event, so that an entry fits 65,535 bytes
	MaxParamsBytes = 16 << 10 // job.params, as JSON
	MaxParamsDepth = 6        // job.params: {} is depth 1
	MaxKeys        = 64       // keys of one map or object
	MaxLabelsBytes = 8 << 10  // labels, as JSON
	MaxKeyBytes    = 128      // one key of a map
	MaxMarks       = 64       // records in redactions and in sanitized, before a count
)

// Event is one record. The zero value of a field means "not given". Times are
// written in UTC with nine fraction digits. Strings are what the application
// knows, raw: Append redacts, escapes and cuts them.
type Event struct {
	Schema        string    // "" means SchemaV1
	EventID       UUID      // UUIDv7
	Timestamp     time.Time // when it was logged
	EventTime     time.Time // when it happened, where that differs by more than a second
	InteractionID string    // set at submission, inherited by the whole tree of jobs
	CausationID   UUID      // event_id of what caused this

	AppID        string // [A-Za-z0-9._-]
	AppVersion   string
	CodeLocation string // file:line or function
	EntryPoint   *EntryPoint
	Host         *Host
	Environment  string // production, staging, development, test, or your own
	Target       *Target

	UserID   string // "" is null, excused in Absent
	SourceIP string // "" is null, excused in Absent

	Absent  map[string]string // path → why it is not known; values are the Absent… constants
	Derived map[string]string // path → how a value was found rather than given

	Source    *Source
	Principal *Principal

	EventType   string    // in the catalogue, or its own
	Severity    *Severity // nil: the catalogue's; 0 is the worst there is
	Security    bool      // false: the catalogue's
	Description string    // "": the catalogue's
	Action      string
	Object      *Object
	Why         *Why
	SessionHash string // HMAC of a session id; see HMAC

	Status       string // one of the Status… constants
	StatusReason string
	StatusCode   string

	Job           *Job
	Authorization *Authorization
	Heartbeat     *Heartbeat
	Before, After *Snapshot
	Impact        *Impact
	Timing        *Timing
	References    []Reference // at most 16
	Corrects      *Corrects

	StreamID  UUID   // UUIDv7 a process start
	StreamSeq uint64 // from 1, without holes
	Clock     *Clock

	TraceID, SpanID, TraceFlags string // W3C, lower hex

	Repeat *Repeat
	Labels map[string]string

	Redactions []Redaction
	Sanitized  []Sanitized

	// Escaped says that the strings already carry the escape of SCHEMA
	// "Sanitising", as those of a parsed event do. Append then leaves their
	// backslashes alone; control characters are escaped all the same.
	Escaped bool
	// Unknown holds the members of a newer minor schema, in their order, as
	// they were written. Only with Schema "stet.event/1.N".
	Unknown []Member
}

// Member is a member that this version does not know.
type Member struct {
	Name  string
	Value string // compact JSON
}

// EntryPoint is how the work came in.
type EntryPoint struct {
	Kind   string // http, cli, schedule, queue, form, function
	Name   string // URL, command, window, function
	Method string
}

// Host is the machine that made the event.
type Host struct {
	Name       string
	IP         string
	Port       int64
	Cluster    string
	InstanceID string
}

// Target is what a job acts on, where that is not its source.
type Target struct {
	System      string
	Environment string
}

// Source is the device a request came from. ForwardedFor is whatever a client
// sent: untrusted.
type Source struct {
	DeviceID     string
	Port         int64
	ForwardedFor []string
	UserAgent    string
}

// Principal is who is responsible.
type Principal struct {
	Type       string // user, service_account, system, api_key, unauthenticated
	ID         string
	Roles      []string
	AuthMethod string
	OnBehalfOf *OnBehalfOf
	Upstream   *Upstream
}

// OnBehalfOf is the person or service that a principal acts for.
type OnBehalfOf struct{ Type, ID string }

// Upstream is the other system, and its event, that triggered this one.
type Upstream struct{ System, EventRef, EventType string }

// Object is what was acted on.
type Object struct{ Type, ID string }

// Why is the trigger or the rationale.
type Why struct {
	Trigger   string // schedule, event, manual, api, parent, boot
	Reason    string
	Reference string
}

// Job is the unit of work and one run of it.
type Job struct {
	ID           string
	RunID        string
	Name         string
	Phase        string // submission, authorization, execution, outcome
	Attempt      int64  // from 1
	ParentID     string // goes with RootID
	RootID       string
	ScheduledFor time.Time
	// Params: strings, bools, integers, nil, []any, map[string]any and what
	// AppendParams names; what is secret by key or by pattern is masked.
	Params     map[string]any
	CodeDigest string // sha256:hex
	EnvDigest  string // sha256:hex or hmac-sha256:…
}

// Authorization is the decision that lets a job run.
type Authorization struct {
	Basis         string // policy, approval, os_permission, inherited, none
	Decision      string // allowed, denied, unchecked
	DecidedBy     string
	PolicyID      string
	PolicyVersion string
	Required      []string
	Granted       []string
}

// Heartbeat proves that a long job is still active and still authorised.
type Heartbeat struct {
	N                       uint64
	Progress                string
	NextDue                 time.Time
	AuthorizationValidUntil time.Time
}

// Snapshot is the state of data before or after a job.
type Snapshot struct {
	Digest  string // sha256:hex, or hmac-sha256:… for what could be guessed
	Summary string
	Object  string
	Count   *int64
}

// Impact says what a job changed.
type Impact struct {
	Summary string
	Counts  map[string]int64 // at most 32
}

// Timing is when the run was asked for, began and ended.
type Timing struct {
	SubmittedAt time.Time
	StartedAt   time.Time
	EndedAt     time.Time
	DurationUS  *int64 // microseconds on the monotonic clock
}

// Reference points at another record of the same thing.
type Reference struct{ Kind, Value string }

// ReferenceDetached is the kind of reference by which a job_started says that
// its run outlives the process that recorded it: that this process is gone says
// nothing of the run.
const ReferenceDetached = "detached"

// Corrects names the event, or the stub of a refused one, that this replaces.
type Corrects struct {
	EventID   UUID
	Seq       *uint64 // ledger seq
	EntryHash string  // sha256:hex
	Kind      string  // correction, reversal
	Reason    string
}

// Clock is how far the emitter's clock is to be believed.
type Clock struct {
	Confidence   string // high, medium, low, unknown
	MaxErrorUS   *int64 // microseconds
	Synchronized *bool
	OffsetUS     *int64 // microseconds
	Source       string
	BootID       string
	MonotonicUS  *int64 // microseconds since boot
}

// Repeat stands for a flood that was folded into one event.
type Repeat struct {
	Count       uint64
	First, Last time.Time
}

// Redaction records that something was masked, never what it was.
type Redaction struct {
	Path   string
	Rule   string
	Action string // masked, hashed, counted
	Count  uint64 // with action counted: how many more there were
}

// Sanitized records that a text was escaped or cut.
type Sanitized struct {
	Path        string
	OriginalLen uint64 // bytes
	Count       uint64 // on the last record: how many more there were
}

// Why a field is not known: the closed list for values of Event.Absent.
const (
	AbsentNotApplicable   = "not_applicable"
	AbsentNotConfigured   = "not_configured"
	AbsentNotProvided     = "not_provided"
	AbsentUnauthenticated = "unauthenticated"
	AbsentRedacted        = "redacted"
	AbsentUnavailable     = "unavailable"
)

// The closed list for Event.Status.
const (
	StatusSuccess = "success"
	StatusFailure = "failure"
	StatusAborted = "aborted"
	StatusDenied  = "denied"
	StatusPending = "pending"
	StatusUnknown = "unknown"
)

// Severity is RFC 5424's numbering: 0 is the worst, 7 the least.
type Severity int8

// RFC 5424, section 6.2.1.
const (
	SeverityEmergency Severity = iota
	SeverityAlert
	SeverityCritical
	SeverityError
	SeverityWarning
	SeverityNotice
	SeverityInfo
	SeverityDebug
)

// String returns RFC 5424's word for s.
func (s Severity) String() string {
	switch s {
	case SeverityEmergency:
		return "emergency"
	case SeverityAlert:
		return "alert"
	case SeverityCritical:
		return "critical"
	case SeverityError:
		return "error"
	case SeverityWarning:
		return "warning"
	case SeverityNotice:
		return "notice"
	case SeverityInfo:
		return "info"
	case SeverityDebug:
		return "debug"
	}
	return "invalid"
}
