package story

import (
	"fmt"
	"time"

	"github.com/stetlog/stet/event"
)

// Line is a story in one line, for a list of them: when it began, what it is about and where that stands, and the
// interaction to ask for. It is printable and has no line break.
func Line(s Story) string {
	id := words{escapedStory(s)}.name(s.InteractionID)
	if len(s.Events) == 0 {
		return "no events  " + id
	}
	text := Sentence(s.Events[0].Item)
	if jobs := append(append([]*Job(nil), s.Jobs...), s.Orphans...); len(jobs) > 0 {
		text = new(paper).title(jobs[0])
		if n := len(s.all()) - 1; n > 0 {
			text += ", with " + plural(n, "other job")
		}
	}
	return s.Events[0].When().UTC().Format(time.DateTime) + "Z  " + text + "  " + id
}

// Row is an event of a ledger in one line, for a list of what was found: its number, when the ledger took it in, its type,
// its application, who acts as it claims, what it says, and the interaction to ask for. It is printable and has no line
// break.
func Row(it Item) string {
	e := it.Event
	w := wordsOf(e)
	actor := "-"
	switch {
	case e.UserID != "":
		actor = w.name(e.UserID)
	case e.Principal != nil && e.Principal.ID != "":
		actor = w.name(e.Principal.ID)
	}
	return fmt.Sprintf("%8d  %sZ  %-16s  %-10s  %-10s  %s  %s", it.Seq, it.ReceivedAt.UTC().Format(time.DateTime),
		w.name(e.EventType), w.name(e.AppID), actor, Sentence(it), w.name(e.InteractionID))
}

// Text is a text of an event, printable: for a place that is labelled as the event's own words.
func Text(e *event.Event, s string) string { return wordsOf(e).text(s) }

// Name is Text for the middle of a line: quoted where it could be taken for ours.
func Name(e *event.Event, s string) string { return wordsOf(e).name(s) }

// Phrase is Text for the end of a line: quoted where it could be taken for another sentence of ours.
func Phrase(e *event.Event, s string) string { return wordsOf(e).phrase(s) }

// Age is a duration as a story has it, for people: "3 h 12 min".
func Age(d time.Duration) string { return duration(d) }
