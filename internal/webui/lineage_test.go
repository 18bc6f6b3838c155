package webui

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/story"
)

// kinOfTest is a job of a tree, with its parent, that was at work for a minute at some time and ended.
func kinOfTest(id, parent, end string, at time.Time) []map[string]any {
	var out []map[string]any
	for i, typ := range []string{"job_started", end} {
		job := map[string]any{"id": id, "run_id": "run of " + id, "name": "job " + id}
		if parent != "" {
			job["parent_id"], job["root_id"] = parent, "top"
		}
		out = append(out, map[string]any{"event_type": typ, "environment": "test", "interaction_id": "a tree", "event_time": at.Add(time.Duration(i) * time.Minute).Format(time.RFC3339), "job": job})
	}
	return out
}

// The tree has the job and its children with a bar each on one axis, the time at which none was at work is folded and told, what
// has children can be opened, by htmx on the same axis and by a link without it; failed ones can be asked for alone.
func TestLineagePage(t *testing.T) {
	w := newSite(t)
	day := time.Now().Add(-30 * time.Hour).UTC().Truncate(time.Second)
	events := kinOfTest("top", "", "job_succeeded", day)
	events = append(events, kinOfTest("good", "top", "job_succeeded", day.Add(time.Minute))...)
	events = append(events, kinOfTest("bad", "top", "job_failed", day.Add(5*time.Hour))...)
	events = append(events, kinOfTest("below", "bad", "job_failed", day.Add(5*time.Hour))...)
	w.record(events...)
	body := w.found("auditor", "/lineage?job=top").Body.String()
	for _, want := range []string{"job good", "job bad", ">4 h</text>", "Folded, because none of these jobs was at work: 4 h 58 min", "Failed children only", `hx-swap="afterend"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q:\n%s", want, body)
		}
	}
	if strings.Contains(body, "job below") || strings.Count(body, "aria-expanded") != 1 {
		t.Error("what nobody has opened is there, or what has no children can be opened")
	}
	open := regexp.MustCompile(`<a href="(lineage[^"]*)" hx-get="(children[^"]*)"`).FindStringSubmatch(body)
	if open == nil {
		t.Fatalf("nothing can be opened: %s", body)
	}
	part := w.found("auditor", "/"+strings.ReplaceAll(open[2], "&amp;", "&")).Body.String()
	if !strings.Contains(part, "job below") || !strings.Contains(part, `data-depth="2"`) || strings.Contains(part, "<html") {
		t.Errorf("what is opened is %s", part)
	}
	if whole := w.found("auditor", "/"+strings.ReplaceAll(open[1], "&amp;", "&")).Body.String(); !strings.Contains(whole, "job below") || !strings.Contains(whole, "job top") {
		t.Error("without a script the link does not lead to the children")
	}
	if failed := w.found("auditor", "/lineage?job=top&failed=1").Body.String(); strings.Contains(failed, "job good") || !strings.Contains(failed, "job bad") {
		t.Error("of failed children others are shown, or they are not")
	}
}

// Each slot says how it went in words and by a sign, with the entries that say so.
func TestSlotWords(t *testing.T) {
	v := &visit{}
	run := func(s story.State) *expect.RunReport {
		return &expect.RunReport{State: s, Start: expect.EntryReport{Seq: 7}, End: &expect.EntryReport{Seq: 8}}
	}
	for _, c := range []struct {
		slot              expect.SlotReport
		words, icon, href string
	}{
		{expect.SlotReport{State: expect.StateRan, Run: run(story.StateSucceeded)}, "ran: succeeded", "ok", eventLink(8)},
		{expect.SlotReport{State: expect.StateRan, Run: run(story.StateFailed)}, "ran: failed", "bad", eventLink(8)},
		{expect.SlotReport{State: expect.StateRan, Run: &expect.RunReport{State: story.StateRunning, Start: expect.EntryReport{Seq: 7}}}, "running", "play", eventLink(7)},
		{expect.SlotReport{State: expect.StateRan, Run: run(story.StateAborted)}, "ran: aborted", "warn", eventLink(8)},
		{expect.SlotReport{State: expect.StateMissed, Missed: &expect.EntryReport{Seq: 9}}, "missed and recorded", "x", eventLink(9)},
		{expect.SlotReport{State: expect.StateMissed, Run: run(story.StateFailed)}, "missed; a run came late: failed", "x", eventLink(8)},
		{expect.SlotReport{State: expect.StateWaiting}, "not over yet", "clock", ""},
		{expect.SlotReport{State: expect.StateEnded}, "no longer expected", "stop", ""},
	} {
		if got := v.slot(c.slot); got.Words != c.words || got.Icon != c.icon || got.href() != c.href {
			t.Errorf("%s: %q %s %s, want %q %s %s", c.slot.State, got.Words, got.Icon, got.href(), c.words, c.icon, c.href)
		}
	}
}

// A calendar has a row for a week where there is a slot a day, else for a day, a month or a year; no two slots lie on each other.
func TestCalendarPicture(t *testing.T) {
	monday := time.Date(2026, 3, 2, 2, 0, 0, 0, time.UTC)
	for step, want := range map[time.Duration]string{24 * time.Hour: "Mar 2 Mar 9 Mar 16 Mar 23 Mar 30", time.Hour: "Mar 2 Mar 3", 7 * 24 * time.Hour: "2026-03 2026-04 2026-05 2026-06 2026-07 2026-08 2026-09 2026-10", 40 * 24 * time.Hour: "2026 2027 2028 2029"} {
		var times []time.Time
		for i := range slotsShown {
			times = append(times, monday.Add(time.Duration(i)*step))
		}
		var c calendarView
		c.picture(times, make([]slotView, len(times)))
		var labels []string
		for _, l := range c.Labels {
			labels = append(labels, l.Text)
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("every %v: rows %s, want %s", step, got, want)
		}
		at := map[string]bool{}
		for _, cell := range c.Cells {
			at[fmt.Sprint(cell.X, " ", cell.Y)] = true
			if cell.X+cellStep > c.Wide || cell.Y+cellStep > c.High {
				t.Errorf("every %v: a slot lies outside", step)
			}
		}
		if len(at) != slotsShown {
			t.Errorf("every %v: %d slots are seen of %d", step, len(at), slotsShown)
		}
	}
}

// What the server says is missing of a job does not count as a sign of it.
func TestNotHeard(t *testing.T) {
	q, err := search.Parse(is(search.FieldJob, "tick") + notHeard)
	if err != nil {
		t.Fatal(err)
	}
	m := search.NewMatcher(q, time.Now())
	for typ, want := range map[string]bool{"job_started": true, "job_heartbeat": true, "job_missed": false, "job_stalled": false} {
		if got := m.Match(&search.Record{Event: &event.Event{EventType: typ, Job: &event.Job{Name: "tick"}}}); got != want {
			t.Errorf("%s is a sign of the job: %v", typ, got)
		}
	}
}

// The pages of ghosts name all kinds, and each of them answers.
func TestGhostKinds(t *testing.T) {
	w := newSite(t)
	w.record(job("a", nil)...)
	body := w.found("auditor", "/ghosts").Body.String()
	for _, want := range []string{"Never started", "Never ended", "Stalled", "Missed slots", "Late outcomes"} {
		if !strings.Contains(body, want) {
			t.Errorf("%q is not among the kinds", want)
		}
	}
	for _, k := range ghostKinds {
		if a := w.found("auditor", "/ghosts?q="+url.QueryEscape(k.query)); !strings.Contains(a.Body.String(), "Nothing of this kind is missing") {
			t.Errorf("%s answers %d", k.words, a.Code)
		}
	}
	over := w.found("auditor", "/").Body.String()
	if body := w.found("auditor", "/ghosts?late=1").Body.String(); !strings.Contains(body, "No outcome came late") {
		t.Errorf("where no outcome came late the page says: %s", body)
	}
	for _, want := range []string{"Ingest of the last 24 hours", "Ghosts: never started or ended", "Stalled", "Missed slots", "Silent emitters", "Policy failures"} {
		if !strings.Contains(over, want) {
			t.Errorf("the overview lacks %q", want)
		}
	}
}
