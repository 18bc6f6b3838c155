package interop

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// TestUIGhosts opens a job of a tree by a click, and closes it; and looks at the calendar of a job that must run.
func TestUIGhosts(t *testing.T) {
	w := newUIWorld(t)
	w.do("login", chromedp.Navigate(w.url+"login"))
	w.do("log in", chromedp.SendKeys(chromedp.CSS("#token"), w.tokens["admin"]+"\r"), chromedp.WaitReady(chromedp.CSS("nav.side")))
	at := time.Now().Add(-8 * time.Hour).UTC()
	var events []map[string]any
	say := func(typ, id, parent string, after time.Duration) {
		job := map[string]any{"id": id, "run_id": "run-of-" + id, "name": "job " + id}
		if parent != "" {
			job["parent_id"], job["root_id"] = parent, "top"
		}
		events = append(events, map[string]any{"event_type": "job_" + typ, "environment": "test", "interaction_id": "a tree", "event_time": at.Add(after).Format(time.RFC3339Nano), "user_id": "alice", "job": job})
	}
	say("submitted", "top", "", 0)
	say("started", "top", "", time.Minute)
	say("succeeded", "top", "", 3*time.Minute)
	for i := range 4 {
		id := fmt.Sprint("child-", i)
		say("started", id, "top", time.Duration(i)*90*time.Minute+2*time.Minute)
		say("started", "grand"+id, id, time.Duration(i)*90*time.Minute+3*time.Minute)
		say("failed", "grand"+id, id, time.Duration(i)*90*time.Minute+5*time.Minute)
		say([]string{"succeeded", "failed"}[i%2], id, "top", time.Duration(i)*90*time.Minute+6*time.Minute)
	}
	w.post(events...)
	w.page("lineage?job=top")
	rows := func() int {
		return eval[int](w, `[...document.querySelectorAll("table.kin tbody tr")].filter(r => !r.hidden && r.checkVisibility()).length`)
	}
	if n := rows(); n != 5 {
		t.Errorf("%d rows, want the job and its 4 children", n)
	}
	if text := w.text("main"); !strings.Contains(text, "Folded, because none of these jobs was at work: 1 h") {
		t.Errorf("no idle time is folded: %s", text)
	}
	opener := `table.kin tr:nth-child(2) a[aria-expanded]`
	w.do("open", chromedp.Click(chromedp.CSS(opener)), chromedp.WaitReady(chromedp.CSS(`tr[data-depth="2"]`)))
	if n := rows(); n != 6 || !strings.Contains(w.text("table.kin"), "job grandchild-0") {
		t.Errorf("%d rows once a child is opened", n)
	}
	w.shot(t, "tree")
	w.do("close", chromedp.Click(chromedp.CSS(opener)))
	if n := rows(); n != 5 {
		t.Errorf("%d rows once it is closed", n)
	}
	w.page("ghosts")
	w.do("calendar", chromedp.WaitReady(chromedp.CSS("#calendar svg .cell, #calendar p")))
	if text := w.text("#calendar"); !strings.Contains(text, "Slots of nightly") {
		t.Errorf("the calendar says: %s", text)
	}
	w.do("another", chromedp.Click(chromedp.CSS(`a[hx-target="#calendar"]`)))
	for _, c := range w.complaints() {
		t.Errorf("the browser complains: %s", c)
	}
}
