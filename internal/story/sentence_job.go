package story

import (
	"fmt"
	"strings"

	"github.com/stetlog/stet/event"
)

// jobSentence tells what an emitter says of its job, or returns "" for a type it does not know.
func jobSentence(e *event.Event) string {
	w, job := wordsOf(e), jobName(e)
	subject := capitalised(job)
	switch e.EventType {
	case "job_submitted":
		return capitalised(who(e)) + " asked for " + job + " to run" + whyTail(e)
	case "job_deduplicated":
		return capitalised(who(e)) + " asked for " + job + " to run, but the request was dropped as a duplicate" + w.because(e.StatusReason)
	case "job_authorized":
		return authorized(e, job)
	case "job_authorization_unchecked":
		return "Nobody was asked whether " + job + " may run" + unchecked(e)
	case "job_denied":
		return denied(e, job)
	case "job_started":
		return subject + " started" + startTail(e)
	case "job_heartbeat":
		return subject + " was still running" + heartbeatTail(e)
	case "job_snapshot":
		return "The state of the data of " + job + " was recorded" + snapshotTail(e)
	case "job_paused":
		return subject + " was paused" + w.because(e.StatusReason)
	case "job_resumed":
		return subject + " went on after a pause" + w.because(e.StatusReason)
	case "job_retry_scheduled":
		s := "Another attempt at " + job + " was scheduled"
		if e.Job != nil && !e.Job.ScheduledFor.IsZero() {
			s += " for " + instant(e.Job.ScheduledFor)
		}
		return s + w.because(e.StatusReason)
	case "job_cancel_requested":
		return cancelled(e, job)
	case "job_succeeded":
		return subject + " succeeded" + after(e) + success(e)
	case "job_failed":
		return subject + " failed" + ended(e)
	case "job_aborted":
		return subject + " was aborted" + ended(e)
	case "job_corrected":
		return corrected(e)
	}
	return ""
}

// reasonOf is the event's own reason: of its status, else of its why.
func reasonOf(e *event.Event) string {
	if e.StatusReason == "" && e.Why != nil {
		return e.Why.Reason
	}
	return e.StatusReason
}

// whyTail is ": nightly (schedule, cron)".
func whyTail(e *event.Event) string {
	if e.Why == nil {
		return "; why was not recorded"
	}
	w := wordsOf(e)
	var in []string
	for _, s := range []string{e.Why.Trigger, e.Why.Reference} {
		if s != "" {
			in = append(in, w.name(s))
		}
	}
	if e.Principal != nil && e.Principal.Upstream != nil && e.Principal.Upstream.System != "" {
		u := e.Principal.Upstream
		s := "caused by " + w.name(u.System)
		if u.EventRef != "" {
			s += " event " + w.name(u.EventRef)
		}
		in = append(in, s)
	}
	brackets := ""
	if len(in) > 0 {
		brackets = " (" + strings.Join(in, ", ") + ")"
	}
	if e.Why.Reason == "" {
		return brackets + "; no reason was given"
	}
	return ": " + w.phrase(e.Why.Reason) + brackets
}

func authorized(e *event.Event, job string) string {
	w, a := wordsOf(e), e.Authorization
	if a == nil {
		a = &event.Authorization{}
	}
	s := capitalised(job) + " was allowed to run"
	if a.DecidedBy != "" {
		s = w.name(a.DecidedBy) + " allowed " + job + " to run"
	}
	switch a.Basis {
	case "policy":
		s += " under " + policy(e)
	case "approval":
		s += " by approval"
		if a.PolicyID != "" {
			s += " under " + policy(e)
		}
	case "os_permission":
		s += " by the permissions of the operating system"
	case "inherited":
		s += " because the job that started it was"
	default:
		s += "; on what ground was not recorded"
	}
	return s + w.because(e.StatusReason)
}

func policy(e *event.Event) string {
	w, a := wordsOf(e), e.Authorization
	if a == nil || a.PolicyID == "" {
		return "a policy that was not named"
	}
	s := "policy " + w.name(a.PolicyID)
	if a.PolicyVersion != "" {
		s += " version " + w.name(a.PolicyVersion)
	}
	return s
}

func unchecked(e *event.Event) string {
	if e.StatusReason != "" {
		return wordsOf(e).because(e.StatusReason)
	}
	return ": no authoriser is configured"
}

func denied(e *event.Event, job string) string {
	w, a := wordsOf(e), e.Authorization
	s := capitalised(job) + " was not allowed to run"
	if a != nil && a.DecidedBy != "" {
		s = w.name(a.DecidedBy) + " did not allow " + job + " to run"
	}
	if a != nil && a.PolicyID != "" {
		s += " under " + policy(e)
	}
	return s + w.because(e.StatusReason)
}

// startTail is " on web1 as uid 0, version 1.4.2, code sha256:ab12…".
func startTail(e *event.Event) string {
	w := wordsOf(e)
	var s string
	if e.Host != nil && e.Host.Name != "" {
		s += " on " + w.name(e.Host.Name)
	}
	if a := account(e); a != "" {
		s += " as " + a
	}
	if e.Job != nil && e.Job.Attempt > 1 {
		s += fmt.Sprintf(" (attempt %d)", e.Job.Attempt)
	}
	if e.AppVersion != "" {
		s += ", version " + w.name(e.AppVersion)
	}
	if e.Job != nil && e.Job.CodeDigest != "" {
		s += ", code " + w.text(shortDigest(e.Job.CodeDigest))
	}
	return s
}

func heartbeatTail(e *event.Event) string {
	w, h := wordsOf(e), e.Heartbeat
	if h == nil {
		return ""
	}
	s := fmt.Sprintf(" at heartbeat %d", h.N)
	if !h.NextDue.IsZero() {
		s += ", the next being due by " + instant(h.NextDue)
	}
	if !h.AuthorizationValidUntil.IsZero() {
		s += ", allowed to run until " + instant(h.AuthorizationValidUntil)
	}
	return s + w.because(h.Progress) + w.because(e.StatusReason)
}

// cancelled tells who wants a job to stop: somebody, or its recorder because it may not go on.
func cancelled(e *event.Event, job string) string {
	w := wordsOf(e)
	if e.Authorization == nil {
		return capitalised(who(e)) + " asked for " + job + " to be cancelled" + w.because(reasonOf(e))
	}
	if e.Authorization.Decision != "denied" {
		return capitalised(job) + " was told to stop, because its authorization has run out" + w.because(e.StatusReason)
	}
	by := "its authoriser"
	if e.Authorization.DecidedBy != "" {
		by = w.name(e.Authorization.DecidedBy)
	}
	return capitalised(job) + " was told to stop, because " + by + " does not allow it any more" + w.because(e.StatusReason)
}

// snapshotTail names both states where there are two.
func snapshotTail(e *event.Event) string {
	var parts []string
	for _, x := range []struct {
		when string
		s    *event.Snapshot
	}{{"before", e.Before}, {"after", e.After}} {
		if x.s != nil {
			parts = append(parts, x.when+" it ran: "+snapshot(x.s, wordsOf(e)))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return " " + strings.Join(parts, "; ")
}

// snapshot is "table accounts, 1,000 items, sha256:…, summary".
func snapshot(s *event.Snapshot, w words) string {
	var parts []string
	if s.Object != "" {
		parts = append(parts, w.name(s.Object))
	}
	if s.Count != nil {
		parts = append(parts, "count "+number(*s.Count))
	}
	if s.Digest != "" {
		parts = append(parts, w.text(shortDigest(s.Digest)))
	}
	if s.Summary != "" {
		parts = append(parts, w.phrase(s.Summary))
	}
	if len(parts) == 0 {
		return "nothing was said of it"
	}
	return strings.Join(parts, ", ")
}

// after is " after 2.1 s", where the event has a duration.
func after(e *event.Event) string {
	if e.Timing == nil || e.Timing.DurationUS == nil {
		return ""
	}
	return " after " + duration(microseconds(*e.Timing.DurationUS))
}

// success mentions a code only where it is not the one that everybody expects.
func success(e *event.Event) string {
	if e.StatusCode == "" || e.StatusCode == "0" {
		return wordsOf(e).because(e.StatusReason)
	}
	return code(e.StatusCode, wordsOf(e)) + wordsOf(e).because(e.StatusReason)
}

func ended(e *event.Event) string {
	s := after(e)
	if e.StatusCode != "" {
		s += code(e.StatusCode, wordsOf(e))
	}
	if strings.HasSuffix(s, " "+wordsOf(e).text(e.StatusReason)) {
		return s // "with exit code 3" needs no "exit code 3" to explain it
	}
	return s + wordsOf(e).because(e.StatusReason)
}

func corrected(e *event.Event) string {
	w, c := wordsOf(e), e.Corrects
	if c == nil {
		return capitalised(who(e)) + " corrected something about " + jobName(e) + " without naming it" + w.because(e.StatusReason)
	}
	verb := "corrected"
	if c.Kind == "reversal" {
		verb = "reversed"
	}
	what := "event " + c.EventID.String()
	switch {
	case c.Seq != nil:
		what = fmt.Sprintf("entry %d", *c.Seq)
	case c.EventID.IsZero() && c.EntryHash != "":
		what = "entry " + w.text(shortDigest(c.EntryHash))
	}
	reason := c.Reason
	if reason == "" {
		reason = e.StatusReason
	}
	return capitalised(who(e)) + " " + verb + " " + what + w.because(reason)
}
