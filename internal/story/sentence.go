package story

import (
	"strings"

	"github.com/stetlog/stet/event"
)

// Sentence says in exactly one plain English sentence what an event says happened. It never says more than the event
// does, and text of the event's own that could pass for stet's stands in quotes. The sentence is printable, ends in a
// full stop, and has no line break.
func Sentence(it Item) string {
	e := it.Event
	if e == nil {
		return "There is no event."
	}
	var s string
	switch {
	case strings.HasPrefix(e.EventType, "job_") && reserved(e.EventType):
		s = watchJob(it)
	case strings.HasPrefix(e.EventType, "job_"):
		s = jobSentence(e)
	default:
		s = systemSentence(it)
	}
	if s == "" {
		s = described(e)
	}
	if rp := e.Repeat; rp != nil {
		s = strings.TrimRight(s, ".") + ", ×" + number(rp.Count) + " between " + instant(rp.First) + " and " + instant(rp.Last)
	}
	return sentence(s)
}

// described falls back on the event's own description.
func described(e *event.Event) string {
	w := wordsOf(e)
	d := strings.TrimRight(e.Description, ".")
	switch {
	case d == "":
		return w.name(e.EventType) + " was recorded without a description"
	case isPhrase(w.text(d)):
		return w.text(d)
	}
	return w.name(e.EventType) + " was recorded: " + quote(w.text(e.Description))
}

// because is a reason as the tail of a sentence, or nothing.
func (w words) because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + w.phrase(reason)
}

// who names the one who acts, as the event claims: the user, else whom the principal acts for, else the principal.
func who(e *event.Event) string {
	w := wordsOf(e)
	if e.UserID != "" {
		return w.name(e.UserID)
	}
	p := e.Principal
	switch {
	case p == nil:
	case p.OnBehalfOf != nil && p.OnBehalfOf.ID != "":
		return w.name(p.OnBehalfOf.ID)
	case p.ID != "":
		return account(e)
	case p.Type == "unauthenticated":
		return "somebody who was not logged in"
	}
	return "somebody"
}

// account names the principal: "uid 0" for what stet finds on a Unix system, else its type and id.
func account(e *event.Event) string {
	w, p := wordsOf(e), e.Principal
	if p == nil || p.ID == "" {
		return ""
	}
	if uid, host, ok := strings.Cut(strings.TrimPrefix(p.ID, "uid:"), "@"); ok && strings.HasPrefix(p.ID, "uid:") && digits(uid) {
		if e.Host != nil && e.Host.Name == host {
			return "uid " + uid
		}
		return "uid " + uid + " on " + w.name(host)
	}
	return strings.ReplaceAll(w.text(p.Type), "_", " ") + " " + w.name(p.ID)
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// jobName names the job of an event.
func jobName(e *event.Event) string {
	w := wordsOf(e)
	switch {
	case e.Job != nil && e.Job.Name != "":
		return w.name(e.Job.Name)
	case e.Job != nil && e.Job.ID != "":
		return "job " + w.name(e.Job.ID)
	}
	return "a job without a name"
}

// object names what was acted on.
func object(e *event.Event, otherwise string) string {
	w := wordsOf(e)
	if e.Object == nil || e.Object.ID == "" {
		return otherwise
	}
	id := e.Object.ID
	if e.Object.Type == "emitter_key" {
		id = shortKey(id)
	}
	return w.name(id)
}

// capitalised makes the first letter of our own words a capital one. Names keep the case they have.
func capitalised(s string) string {
	for _, ours := range []string{"somebody", "uid ", "service account ", "system ", "api key ", "user ", "job ", "a job "} {
		if strings.HasPrefix(s, ours) {
			return strings.ToUpper(s[:1]) + s[1:]
		}
	}
	return s
}
