package watch

import (
	"fmt"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// A finding's event says in status_code which rule found it, in status_reason what is missing since when, and in its
// references what it rests on: the first one of kind "seq" is the entry that it is about.

func seqRef(seq uint64) event.Reference { return event.Reference{Kind: "seq", Value: entry(seq)} }

func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

// clip keeps a text within the limit of a status_reason, with room for what is escaped.
func clip(s string) string { return s[:min(len(s), 256)] }

// jobEventOf is a finding about a job.
func jobEventOf(j *job, app string, typ, phase, rule, text string, refs ...event.Reference) *event.Event {
	e := &event.Event{
		InteractionID: j.interaction, EventType: typ, Status: event.StatusUnknown, StatusCode: rule, StatusReason: clip(text),
		Action: "watch", Object: &event.Object{Type: "job", ID: j.id},
		Absent: map[string]string{"why": event.AbsentNotApplicable}, // nobody asked for it
		Job:    &event.Job{ID: j.id, Name: j.name, Phase: phase, ParentID: j.parentID, RootID: j.rootID},
		// What is repeated here was escaped when it came.
		References: refs, Escaped: true,
	}
	if app != "" {
		e.References = append(e.References, event.Reference{Kind: "app", Value: app})
	}
	if j.name == "" {
		e.Absent["job.name"] = event.AbsentNotProvided
	}
	if j.parentID != "" && j.rootID == "" {
		e.Absent["job.root_id"] = event.AbsentNotProvided
	}
	return e
}

// of is a finding about a run.
func (r *run) of(typ, phase, rule string, about uint64, due time.Time, text string, refs ...event.Reference) Finding {
	ev := jobEventOf(r.job, r.app, typ, phase, rule, text, append([]event.Reference{seqRef(about)}, refs...)...)
	ev.Job.RunID, ev.Job.Attempt = r.id, r.attempt
	ev.References = append(ev.References, event.Reference{Kind: "stream", Value: r.stream.String()})
	return Finding{Type: typ, Rule: rule, About: entry(about), Due: due, Near: r.stream, Event: ev}
}

func (w *Watch) neverStarted(r *run, due time.Time) {
	r.unstarted = true
	rule, what := "no_start_in_time", "asked for"
	if !r.asked {
		what = "allowed to run"
	}
	w.raise(r.of("job_never_started", phaseNames[execution], rule, r.begin.seq, due,
		fmt.Sprintf("%s at %s in entry %d, and no start until %s", what, instant(r.begin.at), r.begin.seq, instant(due))))
}

func (w *Watch) noOutcome(r *run, due time.Time) {
	r.silent = true
	w.raise(r.of("job_no_outcome", phaseNames[outcome], "silent", r.sign.seq, due,
		fmt.Sprintf("started at %s in entry %d, last heard of at %s in entry %d, and nothing until %s", instant(r.begin.at), r.begin.seq, instant(r.sign.at), r.sign.seq, instant(due)),
		seqRef(r.begin.seq)))
}

func (w *Watch) noOutcomeAtEnd(r *run, due time.Time) {
	r.silent = true
	w.raise(r.of("job_no_outcome", phaseNames[outcome], "stream_ended", r.sign.seq, due,
		fmt.Sprintf("started at %s in entry %d; its process closed its stream at %s and reported no outcome", instant(r.begin.at), r.begin.seq, instant(r.ended)),
		seqRef(r.begin.seq)))
}

func (w *Watch) stalledAt(r *run, due time.Time) {
	r.stalled = true
	w.raise(r.of("job_stalled", phaseNames[execution], "heartbeat_overdue", r.sign.seq, due,
		fmt.Sprintf("last heard of at %s in entry %d, the next sign of life being due within %s; nothing until %s", instant(r.sign.at), r.sign.seq, r.next, instant(due)),
		seqRef(r.begin.seq)))
}

func (w *Watch) lapsedAt(r *run, due time.Time) {
	r.lapsed = true
	w.raise(r.of("job_authorization_lapsed", phaseNames[authorization], "authorization_ended", r.stated.seq, due,
		fmt.Sprintf("allowed to run until %s by entry %d, and no outcome and no further authorization until %s", instant(r.said), r.stated.seq, instant(due)),
		seqRef(r.begin.seq)))
}

// answer says that a run which was given up came back, or ended.
func (w *Watch) answer(e Entry, r *run, typ string) {
	if r.gave.typ == "" {
		return
	}
	w.raise(r.answerTo(e, typ, r.gave))
	r.gave = gaveUp{}
}

func (r *run) answerTo(e Entry, typ string, g gaveUp) Finding {
	phase, rule, what := phaseNames[execution], "heard_again", "a sign of life"
	switch {
	case typ == "job_late_outcome":
		phase, rule, what = phaseNames[outcome], "outcome_after_all", "its outcome"
	case g.typ == "job_never_started":
		rule, what = "started_after_all", "its start"
	}
	return r.of(typ, phase, rule, g.seq, e.ReceivedAt,
		fmt.Sprintf("%s came at %s in entry %d, after %s in entry %d", what, instant(e.ReceivedAt), e.Seq, g.typ, g.seq), seqRef(e.Seq))
}

func (w *Watch) disorder(e Entry, what, later string) Finding {
	r := &run{job: jobOf(e.Event), id: strings.Clone(e.Event.Job.RunID), attempt: max(e.Event.Job.Attempt, 1), app: strings.Clone(e.Event.AppID), stream: e.Event.StreamID}
	return r.of("job_phase_disorder", phaseNames[submission], "phase_order", e.Seq, e.ReceivedAt,
		fmt.Sprintf("entry %d, number %d of its stream, reports %s behind %s", e.Seq, e.Event.StreamSeq, what, later))
}

func (w *Watch) orphanOf(o *orphan, rule string) Finding {
	text := fmt.Sprintf("its first event is entry %d of %s; until %s there was nothing of the parent that it names", o.begin.seq, instant(o.begin.at), instant(o.look.at))
	if rule == "parent_lost" {
		text = "its parent was given up, and it has reported no outcome until " + instant(o.look.at)
	}
	ev := jobEventOf(&o.job, o.app, "job_orphaned", phaseNames[submission], rule, text, seqRef(o.begin.seq), event.Reference{Kind: "parent", Value: clipID(o.job.parentID)},
		event.Reference{Kind: "stream", Value: o.stream.String()})
	return Finding{Type: "job_orphaned", Rule: rule, About: entry(o.begin.seq), Due: o.look.at, Near: o.stream, Event: ev}
}

// clipID keeps an id within what a reference takes.
func clipID(s string) string { return s[:min(len(s), 256)] }

func streamEvent(typ, rule, text string, stream event.UUID, refs ...event.Reference) *event.Event {
	return &event.Event{InteractionID: stream.String(), EventType: typ, Action: "watch", Object: &event.Object{Type: "stream", ID: stream.String()},
		Status: event.StatusUnknown, StatusCode: rule, StatusReason: clip(text), References: append(refs, event.Reference{Kind: "stream", Value: stream.String()})}
}

func (w *Watch) gapOf(g *gap) Finding {
	text := fmt.Sprintf("numbers %d to %d have not come, and later ones were refused since %s", g.first, g.last, instant(g.since))
	return Finding{Type: "stream_gap", Rule: "hole", About: g.about(), Due: g.look.at, Near: g.stream,
		Event: streamEvent("stream_gap", "hole", text, g.stream, event.Reference{Kind: "first", Value: entry(g.first)}, event.Reference{Kind: "last", Value: entry(g.last)})}
}

func (w *Watch) filled(g *gap, e Entry) Finding {
	text := fmt.Sprintf("numbers %d to %d came until entry %d at %s", g.first, g.last, e.Seq, instant(e.ReceivedAt))
	return Finding{Type: "stream_gap_filled", Rule: "hole", About: entry(g.seq), Due: e.ReceivedAt, Near: g.stream,
		Event: streamEvent("stream_gap_filled", "hole", text, g.stream, seqRef(g.seq), seqRef(e.Seq))}
}

func (w *Watch) lostNumbers(e Entry, stream event.UUID) Finding {
	text := fmt.Sprintf("numbers %d to %d are lost: their sender declared so in entry %d", e.Stub.First, e.Stub.Last, e.Seq)
	return Finding{Type: "stream_gap", Rule: "declared_lost", About: entry(e.Seq), Due: e.ReceivedAt, Near: stream,
		Event: streamEvent("stream_gap", "declared_lost", text, stream, seqRef(e.Seq),
			event.Reference{Kind: "first", Value: entry(e.Stub.First)}, event.Reference{Kind: "last", Value: entry(e.Stub.Last)})}
}

func (w *Watch) ahead(e Entry, by time.Duration) Finding {
	app := strings.Clone(e.Event.AppID)
	id := app
	if e.Event.Host != nil && e.Event.Host.Name != "" {
		id = strings.Clone(e.Event.Host.Name)
	}
	text := fmt.Sprintf("it is ahead of the log's by at least %s, beyond what it states itself: entry %d claims a time after it had come", by.Round(time.Millisecond), e.Seq)
	ev := streamEvent("clock_skewed", "ahead", text, e.Event.StreamID, seqRef(e.Seq), event.Reference{Kind: "app", Value: app})
	ev.InteractionID, ev.Object, ev.Escaped = "clock", &event.Object{Type: "clock", ID: id}, true
	return Finding{Type: "clock_skewed", Rule: "ahead", About: entry(e.Seq), Due: e.ReceivedAt, Near: e.Event.StreamID, Event: ev}
}

func (w *Watch) noRoom(e Entry) Finding {
	text := fmt.Sprintf("%d runs are open, which is all there is room for: from entry %d on new ones are not watched", w.p.MaxRuns, e.Seq)
	return Finding{Type: "sys_monitor_disabled", Rule: "no_room", About: entry(e.Seq), Due: e.ReceivedAt, Near: e.Event.StreamID,
		Event: &event.Event{InteractionID: "watch", EventType: "sys_monitor_disabled", Action: "watch", Object: &event.Object{Type: "watch", ID: "runs"},
			Status: event.StatusFailure, StatusCode: "no_room", StatusReason: text, References: []event.Reference{seqRef(e.Seq)}}}
}
