package policy

import (
	"slices"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/story"
)

func sortByTime(all []*story.Entry) {
	slices.SortStableFunc(all, func(a, b *story.Entry) int { return a.When().Compare(b.When()) })
}

// What a phase's event must say (108, Standard Model); "" means that it does.

func wholeSubmission(e *event.Event) string {
	switch {
	case e.UserID == "" && (e.Principal == nil || e.Principal.ID == "" && e.Principal.Type != "unauthenticated"):
		return "a request that names no principal"
	case len(paramsOf(e)) == 0 && !settled(e.Absent["job.params"]) && !settled(e.Absent["job"]):
		return "a request without its parameters"
	}
	return ""
}

func paramsOf(e *event.Event) map[string]any {
	if e.Job == nil {
		return nil
	}
	return e.Job.Params
}

func wholeAuthorization(e *event.Event) string {
	if e.EventType == "job_authorization_unchecked" || e.Authorization != nil && e.Authorization.Decision == "unchecked" {
		return "recorded, and it says that nobody checked the permission"
	}
	return ""
}

func wholeExecution(e *event.Event) string {
	j := e.Job
	switch {
	case e.AppVersion == "" && (j == nil || j.CodeDigest == ""):
		return "a start without the version of the code"
	case e.Environment == "" && (j == nil || j.EnvDigest == ""):
		return "a start without the state of its environment"
	}
	return ""
}

func wholeOutcome(e *event.Event) string {
	if i := e.Impact; (i == nil || i.Summary == "" && len(i.Counts) == 0) && !settled(e.Absent["impact"]) {
		return "a result that does not say what the job changed"
	}
	return ""
}

// snapshots judges the state before and after by an outcome.
func (l *Linter) snapshots(e *event.Event) verdict {
	before := e.Before != nil && (e.Before.Digest != "" || e.Before.Summary != "")
	after := e.After != nil && (e.After.Digest != "" || e.After.Summary != "")
	t, _ := l.catalogue.Lookup(e.EventType)
	switch {
	case before && after:
		return pass
	case before:
		return fails("the state before, and not after")
	case after:
		return fails("the state after, and not before")
	case settled(e.Absent["before"]) && settled(e.Absent["after"]):
		return pass
	case t.Modifies:
		return fails("a type that modifies sensitive data, without the state before and after")
	}
	return notChecked("no state before and after: whether the job modified sensitive data cannot be told")
}
