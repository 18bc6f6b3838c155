package server

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

const (
	idA = "01900000-0000-7000-8000-00000000000a"
	idB = "01900000-0000-7000-8000-00000000000b"
)

// events demands verdicts on events that are posted.
func (w *world) events(token, body string, headers ...string) (int, []intake.Verdict) {
	w.t.Helper()
	if !slices.Contains(headers, "Content-Type") {
		headers = append(headers, "Content-Type", typeJSON)
	}
	r := w.do(token, http.MethodPost, "/v1/events", []byte(body), headers...)
	var a accepted
	if err := json.Unmarshal([]byte(r.body), &a); err != nil || a.Format != acceptedFormat {
		w.t.Fatalf("status %d: %s", r.status, r.body)
	}
	return r.status, a.Results
}

// What is answered as accepted is in the log as it was answered, under the server's own seal, and says how it came.
func TestPostEvents(t *testing.T) {
	w := newWorld(t, nil)
	status, got := w.events("writer", `[{"event_type":"user_created","labels":{"password":"hunter2"}},{"event_type":"job_lost"},{"event_type":"user_deleted","event_id":"`+idA+`"}]`)
	if status != http.StatusOK || got[0].Status != intake.Accepted || got[1].Code != string(wire.ReservedType) || got[2].Seq != got[0].Seq+2 { // a seal between them
		t.Fatalf("status %d: %+v", status, got)
	}
	if status, got := w.events("writer", `{"event_type":"job_lost"}`); status != http.StatusUnprocessableEntity {
		t.Errorf("status %d: %+v", status, got)
	}
	w.publish()
	raw, err := logread.Entry(t.Context(), w.held.Source(), got[0].Seq)
	if err != nil {
		t.Fatal(err)
	}
	e, err := proof.ParseEntry(raw)
	if err != nil {
		t.Fatal(err)
	}
	via, err := proof.ParseVia(e.Via)
	if d := cmp.Diff([]string{"labels.password"}, via.Changed); err != nil || d != "" || via.Token != "writer" || via.Kind != proof.ViaHTTP {
		t.Errorf("via is %s: %v %s", e.Via, err, d)
	}
	if text := string(e.Event); strings.Contains(text, "hunter2") || !strings.Contains(text, got[0].EventID) || !strings.Contains(text, `"app_id":"shop"`) {
		t.Errorf("the log has %s", text)
	}
}

// publish waits until everything is under a checkpoint: as long as it takes for a batch behind it.
func (w *world) publish() {
	w.t.Helper()
	if w.publisher == nil {
		var err error
		if w.tokens["publisher"], _, err = w.auth.Create(auth.Spec{Name: "publisher", Role: auth.Writer, App: "publisher"}); err != nil {
			w.t.Fatal(err)
		}
		w.publisher = newSender(w.t, "publisher")
	}
	if got := receipts(w.t, w.post("publisher", w.publisher.say(1))).Results[0]; got.Status != wire.Placed {
		w.t.Fatalf("%+v", got)
	}
}

// The answer may get lost with the server: the next one knows the event all the same.
func TestAgainAfterARestart(t *testing.T) {
	w := newWorld(t, nil)
	const body = `[{"event_type":"user_deleted","event_id":"` + idA + `"},{"event_type":"user_deleted","event_id":"` + idB + `","labels":{"x":"\u0007"}}]`
	_, first := w.events("writer", body)
	w.publish()
	next, err := New(w.server.o)
	if err != nil {
		t.Fatal(err)
	}
	w.server = next
	_, second := w.events("writer", body)
	for i := range first {
		if first[i].Status != intake.Accepted || second[i].Status != intake.Again || second[i].Seq != first[i].Seq {
			t.Errorf("%+v, and then %+v", first[i], second[i])
		}
	}
	if _, got := w.events("writer", `{"event_type":"user_created","event_id":"`+idA+`"}`); got[0].Code != string(wire.EventConflict) {
		t.Errorf("other content under the same id: %+v", got)
	}
	if _, got := w.events("other", `{"event_type":"user_deleted","event_id":"`+idA+`"}`); got[0].Status != intake.Accepted {
		t.Errorf("the same id of another sender: %+v", got)
	}
}

// A token for every environment of its application cannot open streams as fast as it can name environments; the ones that
// it has go on.
func TestNewEnvironmentsAreStreams(t *testing.T) {
	w := newWorld(t, func(o *Options) { o.Limits.StreamRate, o.Limits.StreamBurst = 1e-6, 3 })
	refused := 0
	for i := range 10 {
		_, got := w.events("writer", fmt.Sprintf(`{"event_type":"user_created","environment":"e%d"}`, i))
		if got[0].Code == string(wire.RateLimited) {
			refused++
		}
	}
	if refused == 0 || refused > 7 {
		t.Errorf("%d of 10 new environments were refused, where 3 are free", refused)
	}
	if _, got := w.events("writer", `{"event_type":"user_created","environment":"e0"}`); got[0].Status != intake.Accepted {
		t.Errorf("one that is open: %+v", got)
	}
}
