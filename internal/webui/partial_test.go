package webui

import (
	"strings"
	"testing"
)

// Whoever is shown one application's events alone is told of none of the server's own findings that there are none of them: what
// is empty because nobody may see it says so.
func TestPartial(t *testing.T) {
	w := newSite(t)
	w.record(job("a", nil)...)
	for target, c := range map[string]struct{ all, part []string }{
		"/":         {[]string{"Missed slots", "Jobs lost", "Nothing that the server knows of is missing"}, []string{"Jobs failed", "it takes an auditor&#39;s token"}},
		"/ghosts":   {[]string{"Nothing of this kind is missing"}, []string{"Your token is for one application", "it takes an auditor&#39;s token"}},
		"/emitters": {[]string{"has a gap that was recorded", "No clock was found to be off"}, []string{"it takes an auditor's to see them"}},
	} {
		auditor, reader := w.found("auditor", target).Body.String(), w.found("reader", target).Body.String()
		for _, all := range c.all {
			if !strings.Contains(auditor, all) {
				t.Errorf("%s does not say %q to who sees all: %s", target, all, auditor)
			}
			if strings.Contains(reader, all) {
				t.Errorf("%s says %q to who is not shown such events", target, all)
			}
		}
		for _, part := range c.part {
			if !strings.Contains(reader, part) {
				t.Errorf("%s does not say %q to a reader of one application: %s", target, part, reader)
			}
		}
	}
	if body := w.found("auditor", "/ghosts").Body.String(); strings.Contains(body, `id="calendar"`) {
		t.Error("where no job is expected there is an empty calendar")
	}
	if body := w.get("writer", "/").Body.String(); !strings.Contains(body, "ask for a token whose role and application allow it") {
		t.Errorf("a writer is not told what to do: %s", body)
	}
}
