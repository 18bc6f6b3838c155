package story

import (
	"github.com/stetlog/stet/event"
)

// finder is who found something out. Its types count from the store's key alone, so without it the sentence says that
// it is not the store who speaks.
func finder(it Item) string {
	if it.StoreKey {
		return "The store"
	}
	return "Somebody without the store's key"
}

// watchJob tells what a store or server found out about a job.
func watchJob(it Item) string {
	e := it.Event
	w, job, f := wordsOf(e), jobName(e), finder(it)
	since := ""
	if e.Job != nil && !e.Job.ScheduledFor.IsZero() {
		since = " at " + instant(e.Job.ScheduledFor)
	}
	why := w.because(e.StatusReason)
	switch e.EventType {
	case "job_lost":
		return f + " recorded " + job + " as lost" + why
	case "job_never_started":
		return f + " noticed that " + job + " was asked for and never started" + why
	case "job_no_outcome":
		return f + " noticed that " + job + " started and reported no outcome in time" + why
	case "job_missed":
		return f + " noticed that " + job + " was due" + since + " and did not come" + why
	case "job_stalled":
		return f + " noticed that " + job + " has given no sign of life in time" + why
	case "job_recovered":
		return f + " noticed that " + job + " gave a sign of life again" + why
	case "job_late_outcome":
		return f + " noticed that " + job + " reported its outcome after it had been given up" + why
	case "job_authorization_lapsed":
		return f + " noticed that " + job + " ran on after its authorization had ended" + why
	case "job_phase_disorder":
		return f + " noticed that the phases of " + job + " came in an impossible order" + why
	case "job_orphaned":
		return f + " noticed that the parent of " + job + " is not known or has ended" + why
	}
	return ""
}

// systemSentence tells what stet says of itself, or returns "" for a type that is an application's.
func systemSentence(it Item) string {
	e := it.Event
	w, f := wordsOf(e), finder(it)
	why := w.because(e.StatusReason)
	actor := capitalised(who(e))
	switch e.EventType {
	case "stream_gap":
		return f + " noticed that numbers are missing in stream " + object(e, "(not named)") + why
	case "stream_gap_filled":
		return f + " received the numbers that had been missing in stream " + object(e, "(not named)") + why
	case "clock_skewed":
		return f + " noticed that the clock of " + object(e, "a sender") + " is off" + why
	case "emitter_enrolled":
		return f + " enrolled the emitter key " + object(e, "(not named)") + why
	case "key_rotated":
		return actor + " replaced key " + object(e, "(not named)") + why
	case "key_revoked":
		return actor + " revoked key " + object(e, "(not named)") + why
	case "token_created":
		return actor + " created token " + object(e, "(not named)") + why
	case "token_revoked":
		return actor + " revoked token " + object(e, "(not named)") + why
	case "login_refused":
		return "A login by " + who(e) + " was refused" + why
	case "config_changed":
		return actor + " changed the setting " + object(e, "(not named)") + why
	case "log_read":
		return actor + " read " + object(e, "the log") + why
	case "log_exported":
		return actor + " exported " + object(e, "the log") + why
	case "event_refused":
		return "Event " + object(e, "(not named)") + " was refused and has a stub in its place" + why
	case "event_conflict":
		return "Other events came under numbers already taken in stream " + object(e, "(not named)") + why
	case "spool_quarantined":
		return "A damaged part of spool " + object(e, "(not named)") + " was set aside" + why
	case "expectation_added":
		return actor + " asked for " + object(e, "a job") + " to be expected" + why
	case "expectation_removed":
		return actor + " ended the watch for " + object(e, "a job") + why
	case "alert_sent":
		if e.Status == event.StatusFailure {
			return "Alert " + object(e, "(not named)") + " could not be sent" + why
		}
		return "Alert " + object(e, "(not named)") + " was sent" + why
	case "retention_applied":
		return "Records in " + object(e, "the log") + " were dropped because their time to be kept was over" + why
	case "hold_placed":
		return actor + " placed a legal hold on " + object(e, "records that were not named") + why
	case "hold_released":
		return actor + " released the legal hold on " + object(e, "records that were not named") + why
	case "subject_erased":
		return actor + " had the data of " + object(e, "a person who was not named") + " erased" + why
	}
	return owasp(e)
}

// owasp is an application's own description, with the one who acted where it is the catalogue's general one.
func owasp(e *event.Event) string {
	t, ok := event.Builtin().Lookup(e.EventType)
	if !ok || e.Description != "" && e.Description != t.Description {
		return ""
	}
	s := t.Description
	if name := who(e); name != "somebody" {
		s += " (" + name + ")"
	}
	if o := object(e, ""); o != "" {
		s += ": " + o
	}
	return s + wordsOf(e).because(e.StatusReason)
}
