package webui

import (
	"strings"
	"testing"
)

// What is printed of the policy says whose log it is about, when it was judged, and which events alone; the box to ask for others
// is not on paper, where its example would look like what was asked.
func TestPolicyPrinted(t *testing.T) {
	w := newSite(t)
	w.record(job("a", nil)...)
	for target, want := range map[string]string{
		"/policy":                       "Of the log log.example/a, at <time",
		"/policy?q=event%3Ajob_started": "and of what <code>event:job_started</code> finds alone.",
	} {
		if body := w.found("auditor", target).Body.String(); !strings.Contains(body, want) {
			t.Errorf("%s does not say %q: %s", target, want, body)
		}
	}
	if css := w.get("", "/ui.css").Body.String(); !strings.Contains(css[strings.Index(css, "@media print"):], ",form,") {
		t.Error("forms are printed")
	}
}
