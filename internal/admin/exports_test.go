package admin

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// An export is told to the server by whoever made it, and becomes an event in his name.
func TestExportsOverHTTP(t *testing.T) {
	w := newSite(t)
	w.token("auditor", auth.Spec{Role: auth.Auditor})
	file := "sha256:" + strings.Repeat("0a", 32)
	good := `{"file":"` + file + `","query":"actor:alice","entries":3,"size":40,"whole":"2-39"}`
	status, answer := w.do("auditor", http.MethodPost, ExportsPath, jsonType, []byte(good))
	var a exportAnswer
	if err := json.Unmarshal(answer, &a); err != nil || status != http.StatusOK || a.Format != exportFormat {
		t.Fatalf("%d %s, %v", status, answer, err)
	}
	if !w.recorded("log_exported") {
		t.Fatal("the log does not say so")
	}
	raw, err := logread.Entry(t.Context(), w.held.Source(), a.Seq)
	if err != nil {
		t.Fatal(err)
	}
	entry, err := proof.ParseEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	e, err := event.Parse(entry.Event)
	if err != nil {
		t.Fatal(err)
	}
	if e.EventType != "log_exported" || e.Object.ID != file || e.UserID != "auditor" || e.Labels["query"] != "actor:alice" || e.Labels["complete"] != "2-39" || e.Labels["entries"] != "3" {
		t.Errorf("%+v", e)
	}
	for _, wrong := range []string{`{}`, strings.Replace(good, "sha256:", "md5:", 1), strings.Replace(good, "0a", "0A", 1), strings.Replace(good, `"entries":3`, `"entries":-3`, 1),
		strings.Replace(good, `"query"`, `"querry"`, 1)} {
		if status, answer := w.do("auditor", http.MethodPost, ExportsPath, jsonType, []byte(wrong)); status != http.StatusBadRequest {
			t.Errorf("%s: %d %s", wrong, status, answer)
		}
	}
}
