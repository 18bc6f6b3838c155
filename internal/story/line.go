package story

import "time"

// Line is a story in one line, for a list of them: when it began, what it is about and where that stands, and the
// interaction to ask for. It is printable and has no line break.
func Line(s Story) string {
	id := words{escapedStory(s)}.name(s.InteractionID)
	if len(s.Events) == 0 {
		return "no events  " + id
	}
	text := Sentence(s.Events[0].Item)
	if jobs := append(append([]*Job(nil), s.Jobs...), s.Orphans...); len(jobs) > 0 {
		text = title(jobs[0])
		if n := len(s.all()) - 1; n > 0 {
			text += ", with " + plural(n, "other job")
		}
	}
	return s.Events[0].When().UTC().Format(time.DateTime) + "Z  " + text + "  " + id
}
