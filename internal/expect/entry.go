package expect

import (
	"fmt"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/watch"
)

// Wants says whether a type of event matters here; entries of other types need not be given to a Watch.
func Wants(eventType string) bool {
	switch eventType {
	case Added, Removed, missed, startup, shutdown:
		return true
	}
	return comes(eventType)
}

const (
	missed   = "job_missed"
	startup  = "sys_startup"
	shutdown = "sys_shutdown"
)

// comes says whether an event of this type shows that a job came. One that was denied came too: that it did not run is said
// by that event, and is nothing that is missing.
func comes(eventType string) bool { return eventType == "job_started" || eventType == "job_denied" }

// arrival is a job that came.
type arrival struct {
	by       *watch.Entry
	job, run string    // ids
	again    bool      // not the job's first attempt
	start    time.Time // as its emitter says; never later than it was received
	planned  time.Time // the slot that it says it is for, or zero
}

// arrivalOf reads an event that shows that a job came.
func arrivalOf(e watch.Entry) arrival {
	j := e.Event.Job
	a := arrival{by: &e, job: strings.Clone(j.ID), run: strings.Clone(j.RunID), again: j.Attempt > 1, start: e.Event.EventTime, planned: j.ScheduledFor}
	if a.start.IsZero() {
		a.start = e.Event.Timestamp
	}
	if a.start.After(e.ReceivedAt) { // what came by now did not begin later
		a.start = e.ReceivedAt
	}
	return a
}

// meets says whether the sender of an event is one that a definition is about.
func (d Definition) meets(e *event.Event) bool {
	return e.Job != nil && e.Job.Name == d.Job && (d.App == "" || e.AppID == d.App) && (d.Environment == "" || e.Environment == d.Environment)
}

// Finding is a slot that was missed, or several behind one another.
type Finding struct {
	Definition  Definition
	Since       Place     // the event that said so
	First, Last time.Time // slots
	Count       int       // of slots missed between these, both included: 1 where they are equal
	Due         time.Time // when it became true
}

// rule names the rule by which it is found.
const rule = "expected_slot"

// About names what was missed: the log takes one job_missed of a definition for a first slot.
func (f Finding) About() string { return f.Definition.ID() + " " + slotText(f.First) }

func slotText(at time.Time) string { return at.UTC().Format(time.RFC3339) }

// Label names of a job_missed, beside those of the definition.
const (
	labelSlot = "slot"
	labelLast = "last_slot"
)

// Event is the finding as an event: all but what is the store's to fill in.
func (f Finding) Event() *event.Event {
	d := f.Definition
	id := event.DeriveUUID(missed, f.About(), event.NewUUIDv7(f.First, [10]byte{}).Time48())
	text := fmt.Sprintf("it was due at %s and had not begun by %s", slotText(f.First), slotText(f.First.Add(d.Grace)))
	e := &event.Event{
		EventID: id, InteractionID: id.String(), EventType: missed, Status: event.StatusUnknown,
		CausationID: f.Since.EventID,
		Absent:      map[string]string{"why": event.AbsentNotApplicable}, // nobody asked for what did not come
		Action:      "watch",
		Object:      &event.Object{Type: "job", ID: d.Job},
		Job:         &event.Job{ID: id.String(), Name: d.Job, Phase: "submission", ScheduledFor: f.First},
		References:  []event.Reference{{Kind: "seq", Value: fmt.Sprint(f.Since.Seq)}, {Kind: "event_id", Value: f.Since.EventID.String()}},
		StatusCode:  rule,
		Labels:      d.Labels(),
		Escaped:     true, // a definition's names need no escape: Check
	}
	e.Labels[labelSlot] = slotText(f.First)
	if f.Count > 1 {
		e.Labels[labelLast] = slotText(f.Last)
		e.Repeat = &event.Repeat{Count: uint64(f.Count), First: f.First, Last: f.Last}
		text = fmt.Sprintf("%d times from %s to %s it was due and had not begun within %s", f.Count, slotText(f.First), slotText(f.Last), FormatDuration(d.Grace))
	}
	e.StatusReason = text
	return e
}

// Missed is what a job_missed says.
type Missed struct {
	ID          string // of the definition
	First, Last time.Time
}

// MissedOf reads what Finding.Event writes; ok is false for other events.
func MissedOf(e *event.Event) (m Missed, ok bool) {
	first, err := time.Parse(time.RFC3339, e.Labels[labelSlot])
	if e.EventType != missed || err != nil {
		return m, false
	}
	m = Missed{ID: e.Labels[labelID], First: first.UTC(), Last: first.UTC()}
	if s, there := e.Labels[labelLast]; there {
		last, err := time.Parse(time.RFC3339, s)
		if err != nil || last.Before(first) {
			return m, false
		}
		m.Last = last.UTC()
	}
	return m, m.ID != ""
}
