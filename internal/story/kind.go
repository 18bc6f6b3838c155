package story

import "github.com/stetlog/stet/event"

// role is what an event type does in a run.
type role int

const (
	roleMore      role = iota // belongs to its phase, beside what fills the slot
	roleFill                  // fills the slot of its phase
	roleHeartbeat             // a sign of life
	roleSnapshot              // a state of data
	roleLost                  // the store's closing of a run
	roleNote                  // about the job
)

// phase is the index of a slot.
type phase int

const (
	submission phase = iota
	authorization
	execution
	outcome
)

// phases are the slots of a run with the words the 108 document has for them.
var phases = [...]string{"submission", "authorization", "execution", "outcome"}

// placeOf says where an event of a type belongs. A type that is not in the catalogue goes to the phase it names itself.
func placeOf(eventType, claimed string) (phase, role) {
	switch eventType {
	case "job_submitted", "job_deduplicated":
		return submission, roleFill
	case "job_authorized", "job_authorization_unchecked", "job_denied":
		return authorization, roleFill
	case "job_started":
		return execution, roleFill
	case "job_heartbeat":
		return execution, roleHeartbeat
	case "job_snapshot":
		return execution, roleSnapshot
	case "job_succeeded", "job_failed", "job_aborted":
		return outcome, roleFill
	case "job_lost":
		return outcome, roleLost
	case "job_retry_scheduled", "job_no_outcome", "job_late_outcome":
		return outcome, roleMore
	case "job_authorization_lapsed":
		return authorization, roleMore
	case "job_missed", "job_orphaned", "job_phase_disorder":
		return submission, roleNote
	case "job_paused", "job_resumed", "job_cancel_requested", "job_stalled", "job_recovered", "job_never_started":
		return execution, roleMore
	}
	for i, name := range phases {
		if name == claimed {
			return phase(i), roleMore
		}
	}
	return execution, roleMore
}

// reserved reports whether a type counts only from the store's or server's own key (SCHEMA "The catalogue").
func reserved(eventType string) bool {
	t, _ := event.Builtin().Lookup(eventType)
	return t.Reserved
}

// anybody reports whether a type is a wish rather than a statement about a run, so that it may come from any
// application: whoever asks for a run, or for its end, need not be the one that runs it.
func anybody(eventType string) bool {
	return eventType == "job_cancel_requested"
}
