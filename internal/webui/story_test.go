package webui

import (
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/story"
)

// about makes events those of an interaction, and of its one job where they name none.
func about(interaction string, events []map[string]any) []map[string]any {
	for _, e := range events {
		e["environment"], e["interaction_id"] = "test", interaction
		if e["job"] == nil {
			e["job"] = map[string]any{"id": interaction, "run_id": interaction + "/1", "name": interaction}
		}
	}
	return events
}

// story is what the page of a story says.
func (w *site) story(interaction string) string {
	return plainText(w.found("auditor", "/story?interaction="+interaction).Body.String())
}

var tags = regexp.MustCompile(`<[^>]*>`)

func plainText(page string) string {
	return strings.Join(strings.Fields(html.UnescapeString(tags.ReplaceAllString(page, " "))), " ")
}

func typed(types ...string) (out []map[string]any) {
	for _, t := range types {
		out = append(out, map[string]any{"event_type": t})
	}
	return out
}

// What a story has on top, and what its slots say.
func TestStoryOf(t *testing.T) {
	w := newSite(t)
	attempt := func(n int, typ string, more map[string]any) map[string]any {
		e := map[string]any{"event_type": typ, "job": map[string]any{"id": "mail", "name": "mail", "run_id": fmt.Sprint("mail/", n), "attempt": n}}
		for k, v := range more {
			e[k] = v
		}
		return e
	}
	cases := []struct {
		name   string
		events []map[string]any
		want   []string // regular expressions
		never  string
	}{
		{"no outcome yet", typed("job_submitted", "job_authorized", "job_started"), []string{`Took \S+ \S+ so far`, `Attempts 1`, `no outcome after \d`}, "never reported"},
		{"only asked for", typed("job_submitted"), []string{`Attempts none began`, `no authorization after \d`, `no start after \d`, `no outcome after \d`}, "Took"},
		{"nobody was asked", typed("job_submitted", "job_started", "job_failed"), []string{`Took .* between the two times`, `Authorization \(who allowed it\) never reported Execution`}, "never reported after"},
		{"denied", typed("job_submitted", "job_denied"), []string{`denied .*Attempts none began`, `none: it was not allowed to run`}, "no start"},
		{"dropped", typed("job_submitted", "job_deduplicated"), []string{`duplicate .*Attempts none began`, `none: the request was a duplicate`}, "no start"},
		{"again", []map[string]any{attempt(1, "job_submitted", nil), attempt(1, "job_started", nil), attempt(1, "job_failed", map[string]any{"status_code": "1"}),
			attempt(2, "job_started", nil), attempt(2, "job_succeeded", nil)},
			[]string{`mail succeeded .*Attempts 2`, `Attempt 1 failed`, `Attempt 2 succeeded`, `Submission \(who asked, and why\) reported once, with an earlier attempt`, `How What Attempt 1 Attempt 2`}, ""},
		{"sent at another time", []map[string]any{{"event_type": "job_started", "event_time": "2026-01-02T03:04:05.000000000Z"}},
			[]string{`03:04:05 .*started\. \(sent over HTTP, not sealed by its sender; logged 20\d\d-`}, ""},
		{"of one state", []map[string]any{{"event_type": "job_started"}, {"event_type": "job_snapshot", "before": map[string]any{"object": "cache", "count": 12}}, {"event_type": "job_failed"}},
			[]string{`no state after it was recorded.*recorded count 12 recorded object cache`}, "→"},
	}
	var all []map[string]any
	for _, c := range cases {
		all = append(all, about(strings.ReplaceAll(c.name, " ", "-"), c.events)...)
	}
	w.record(all...)
	for _, c := range cases {
		text := w.story(strings.ReplaceAll(c.name, " ", "-"))
		for _, want := range c.want {
			if !regexp.MustCompile(want).MatchString(text) {
				t.Errorf("%s: no %q in\n%s", c.name, want, text)
			}
		}
		if c.never != "" && strings.Contains(text, c.never) {
			t.Errorf("%s: %q in\n%s", c.name, c.never, text)
		}
	}
	// What need not be there is not shown as what is missing.
	for _, interaction := range []string{"denied", "dropped"} {
		page := w.found("auditor", "/story?interaction="+interaction).Body.String()
		_, after, _ := strings.Cut(page, "none: ")
		if strings.Contains(after, "phase missing") || strings.Contains(after, "phase open") || !strings.Contains(page, `<p class="dim">none: `) {
			t.Errorf("%s: an empty slot is shown as a fault:\n%s", interaction, page)
		}
	}
}

// A secret is not told, and a value that was masked in both states is not said to be the same; what changed comes first.
func TestStoryStates(t *testing.T) {
	w := newSite(t)
	w.record(about("settings", append(typed("job_started"), map[string]any{"event_type": "job_succeeded",
		"before": map[string]any{"object": "settings", "summary": `{"password":"hunter2","limit":100,"mode":"slow"}`},
		"after":  map[string]any{"object": "settings", "summary": `{"password":"hunter3","limit":250,"mode":"slow"}`}}))...)
	page := w.story("settings")
	for _, want := range []string{`How What Before After changed summary\.limit 100 → 250 .*redacted in both: whether it changed cannot be said summary\.password \[redacted:password\]`, `The same: object , summary\.mode`} {
		if !regexp.MustCompile(want).MatchString(page) {
			t.Errorf("no %q in\n%s", want, page)
		}
	}
	if strings.Contains(page, "hunter") {
		t.Errorf("a secret: %s", page)
	}
}

// What another application says of a job is told as its claim, also where it says that something is to be corrected.
func TestStoryClaims(t *testing.T) {
	w := newSite(t)
	w.record(about("mine", typed("job_submitted", "job_started", "job_succeeded"))...)
	text := w.story("mine")
	started := regexp.MustCompile(`"event_id": "([^"]+)"`).FindStringSubmatch(text)
	if started == nil {
		t.Fatal(text)
	}
	meddler := *w
	token, _, err := w.auth.Create(auth.Spec{Name: "meddler", Role: auth.Writer, App: "bank"})
	if err != nil {
		t.Fatal(err)
	}
	meddler.tokens = map[string]string{"writer": token, "auditor": w.tokens["auditor"]}
	meddler.record(about("mine", append(typed("job_failed"),
		map[string]any{"event_type": "job_corrected", "corrects": map[string]any{"event_id": started[1], "kind": "correction", "reason": "it never began"}}))...)
	text = w.story("mine")
	for _, want := range []string{`Foreign claims: 1 .*mine failed\. a foreign claim of application bank, which counts for nothing`,
		`Somebody else would have it corrected .*it never began\. a foreign claim of application bank`, `mine succeeded Took`} {
		if !regexp.MustCompile(want).MatchString(text) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, " Corrected ") || strings.Contains(text, " corrected Took") {
		t.Errorf("a claim is shown as a correction:\n%s", text)
	}
}

// reader is a caller who may do nothing but read.
type reader struct{ Caller }

func (reader) May(auth.Action, auth.Subject) error { return errors.New("not allowed") }

// An outcome that came after all, or was corrected by who told it, is marked on top; clocks that contradict are named before
// any time; an event beyond what a page holds has its raw form a link away.
func TestStoryMarks(t *testing.T) {
	w := newSite(t)
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	v := w.ui.visit(httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/story", nil), reader{}, auth.Identity{}, nil)
	v.now = now
	seq := uint64(7)
	entry := func(typ string, s story.Standing) story.JSONEntry {
		return story.JSONEntry{EventType: typ, Seq: &seq, Standing: s, Sentence: "It says so.", Time: now.Format(time.RFC3339Nano)}
	}
	for _, c := range []struct {
		late, corrected story.Standing
		want            string
	}{{story.Counts, story.Foreign, `backup succeeded came late Took`}, {story.Foreign, story.Counts, `backup succeeded corrected Took`}, {story.Counts, story.Counts, `backup succeeded came late corrected Took`}} {
		start, end := entry("job_started", story.Counts), entry("job_succeeded", story.Counts)
		end.Corrections = []story.JSONEntry{entry("job_corrected", c.corrected)}
		run := story.JSONRun{State: story.StateSucceeded, Execution: story.JSONPhase{Event: &start}, Outcome: story.JSONPhase{Event: &end, More: []story.JSONEntry{entry("job_late_outcome", c.late)}}}
		found := foundStory{Story: story.Document{InteractionID: "x", Jobs: []story.JSONJob{{ID: "b", Name: "backup", State: run.State, Runs: []story.JSONRun{run}}},
			Clocks: []story.JSONClock{{Text: "The clock of web1 is behind."}}}}
		page, err := w.ui.render(v, "story", "t", v.story(found, 1))
		if err != nil {
			t.Fatal(err)
		}
		text := plainText(string(page))
		if !strings.Contains(text, c.want) {
			t.Errorf("no %q in\n%s", c.want, text)
		}
		if i, k := strings.Index(text, "The clock of web1 is behind."), strings.Index(text, "backup"); i < 0 || i > k {
			t.Errorf("the clocks are named after the times:\n%s", text)
		}
		if !strings.Contains(string(page), `<a href="event?seq=7">Raw, on its own page</a>`) {
			t.Errorf("what is not on the page has no address:\n%s", page)
		}
	}
}
