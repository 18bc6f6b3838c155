package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/alert"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/webhook"
	"github.com/stetlog/stet/internal/wire"
	"github.com/stetlog/stet/proof"
)

// hidden is in the addresses of these tests, where a webhook's secret would be.
const hidden = "T0aD3hidden"

// Alerts from their making to their end, over HTTP, with a look at what is left behind.
func TestAlertsOverHTTP(t *testing.T) {
	w := newSite(t)
	w.token("boss", auth.Spec{Role: auth.Admin})
	var got struct{ body, signature string }
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body) // what is missing is missed below
		got.body, got.signature = string(b), r.Header.Get(webhook.HeaderSignature)
		_, _ = io.WriteString(w, "thank\x1b[1m you")
	}))
	defer hook.Close()
	ask := func(method, target string, in, out any, want wire.Code) {
		t.Helper()
		var body []byte
		if in != nil {
			b, err := json.Marshal(in)
			if err != nil {
				t.Fatal(err)
			}
			body = b
		}
		status, b := w.do("boss", method, target, jsonType, body)
		p, problem := wire.ParseProblem(b)
		if problem != (want != "") || problem && p.Code != want || !problem && status != http.StatusOK {
			t.Errorf("%s %s %s: %d %s, want %q", method, target, body, status, b, want)
		}
		if out != nil && !problem {
			if err := json.Unmarshal(b, out); err != nil {
				t.Fatal(err)
			}
		}
	}
	good := alertRequest{Name: "ghosts", Query: "  is:ghost", URL: hook.URL + "/" + hidden, AllowPrivate: true}
	var made newAlert
	ask(http.MethodPost, AlertsPath, good, &made, "")
	if made.Format != alertFormat || made.Query != "is:ghost" || made.WindowMS != 60_000 || made.Target != hook.URL+"/…" || webhook.CheckSecret(made.Secret) != nil {
		t.Errorf("made: %+v", made)
	}
	w.seen.Reset() // the one answer that holds it
	own := good
	own.Name, own.Secret, own.WindowMS = "own", strings.Replace(made.Secret, "whsec_", "whsec_AAAA", 1), 1000
	made = newAlert{}
	ask(http.MethodPost, AlertsPath, own, &made, "")
	if made.Name != "own" || made.Secret != "" || made.WindowMS != 1000 {
		t.Errorf("made with a secret of its own: %+v", made)
	}
	for name, tt := range map[string]struct {
		change func(*alertRequest)
		want   wire.Code
	}{
		"a name twice":         {func(*alertRequest) {}, wire.NameTaken},
		"no query":             {func(r *alertRequest) { r.Name, r.Query = "x", "evnt:x" }, wire.Malformed},
		"a password":           {func(r *alertRequest) { r.Name, r.URL = "x", "http://a:"+hidden+"@h.example/" }, wire.Malformed},
		"no secret":            {func(r *alertRequest) { r.Name, r.Secret = "x", hidden }, wire.Malformed},
		"a window of the past": {func(r *alertRequest) { r.Name, r.WindowMS = "x", -1 }, wire.Malformed},
		"a window of an age":   {func(r *alertRequest) { r.Name, r.WindowMS = "x", 1<<62 }, wire.Malformed},
	} {
		r := good
		tt.change(&r)
		t.Log(name)
		ask(http.MethodPost, AlertsPath, r, nil, tt.want)
	}
	ask(http.MethodPost, AlertsPath, map[string]any{"name": "x", "query": "", "url": "http://h.example/", "querry": ""}, nil, wire.Malformed)

	var list alertList
	ask(http.MethodGet, AlertsPath, nil, &list, "")
	if len(list.Alerts) != 2 || list.Alerts[0].Name != "ghosts" || list.Alerts[0].Last != nil || list.Alerts[0].Off != "" {
		t.Errorf("listed: %+v", list)
	}
	var tested alertTested
	ask(http.MethodPost, AlertsPath+"/ghosts/test", nil, &tested, "")
	if !tested.OK || tested.Status != http.StatusOK || tested.Answer != `thank\u001b[1m you` || !strings.Contains(got.body, `"type":"alert.test"`) || !strings.HasPrefix(got.signature, "v1,") {
		t.Errorf("tested: %+v; the target got %+v", tested, got)
	}
	hook.Close()
	ask(http.MethodPost, AlertsPath+"/ghosts/test", nil, &tested, "")
	if tested.OK || tested.Status != 0 || tested.Outcome == "" {
		t.Errorf("tested with nobody there: %+v", tested)
	}
	ask(http.MethodPost, AlertsPath+"/nobody/test", nil, nil, wire.NotFound)
	ask(http.MethodDelete, AlertsPath+"/nobody", nil, nil, wire.NotFound)
	ask(http.MethodDelete, AlertsPath+"/ghosts", nil, &list, "")
	if len(list.Alerts) != 1 || list.Alerts[0].Name != "ghosts" {
		t.Errorf("removed: %+v", list)
	}
	ask(http.MethodGet, AlertsPath, nil, &list, "")
	if len(list.Alerts) != 1 || list.Alerts[0].Name != "own" {
		t.Errorf("listed: %+v", list)
	}
	for _, action := range []string{"add", "remove"} {
		if e := w.changed(action); e == nil || e.Object.Type != "alert" || e.Labels["query"] != "is:ghost" || e.Labels["target"] != hook.URL+"/…" || e.Principal.ID != "boss" {
			t.Errorf("the log says of %s: %+v", action, e)
		}
	}
	if !w.recorded("alert_sent") {
		t.Error("the log does not tell of the tests")
	}
	w.alertLeaks(own.Secret)
}

// changed waits for the event about an alert with this action.
func (w *site) changed(action string) (found *event.Event) {
	w.t.Helper()
	for range 600 {
		w.entries(func(raw []byte) {
			if e, err := proof.ParseEntry(raw); err == nil && e.Event != nil {
				if e, err := event.Parse(e.Event); err == nil && e.EventType == "config_changed" && e.Action == action {
					found = e
				}
			}
		})
		if found != nil {
			return found
		}
		time.Sleep(50 * time.Millisecond) // it is published by and by
	}
	return nil
}

func (w *site) entries(fn func(raw []byte)) {
	w.t.Helper()
	cp, err := proof.ParseCheckpointText(w.held.Checkpoint())
	if err != nil {
		w.t.Fatal(err)
	}
	err = logread.Entries(context.Background(), w.held.Source(), 0, cp.Size, func(_ uint64, raw []byte) error {
		fn(raw)
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// alertLeaks looks for secrets and addresses everywhere but in the one file that has them.
func (w *site) alertLeaks(secret string) {
	w.t.Helper()
	look := func(where string, b []byte) {
		w.t.Helper()
		for _, s := range []string{hidden, secret, strings.TrimPrefix(secret, "whsec_")} {
			if bytes.Contains(b, []byte(s)) {
				w.t.Errorf("%s holds a secret", where)
			}
		}
	}
	there := false
	walk(w.t, w.disk, ".", func(name string, b []byte) {
		if name == "alerts/rules" {
			there = bytes.Contains(b, []byte(secret))
			return
		}
		look(name, b)
	})
	if !there {
		w.t.Error("the secret is nowhere, so nothing was looked for")
	}
	w.log.mu.Lock()
	look("the server's own log", w.log.Bytes())
	w.log.mu.Unlock()
	look("an answer", w.seen.Bytes())
	w.entries(func(raw []byte) { look("an entry", raw) })
}

// An alert that the log was not told of does not count, and one that was removed when the log could not be told is told of by
// the next start.
func TestAlertsAreSettled(t *testing.T) {
	w := newWorld(t)
	w.log.checkpoint = []byte("log.example/a\n0\n47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n\n— log.example/a AAAA\n")
	open := func() {
		t.Helper()
		var err error
		if w.Alerts, err = alert.Open(alert.Options{Log: w.log, Source: logread.Store(w.disk), FS: w.disk}); err != nil {
			t.Fatal(err)
		}
	}
	open()
	spec := alert.Spec{Name: "a", URL: "http://h.example/"}
	w.log.fails = errDisk
	if _, _, err := w.AddAlert(t.Context(), root(), spec); !errors.Is(err, errDisk) || len(w.Alerts.List()) > 0 {
		t.Errorf("added, and the log was not told: %v, %+v", err, w.Alerts.List())
	}
	w.log.fails = nil
	if _, _, err := w.AddAlert(t.Context(), root(), spec); err != nil {
		t.Fatal(err)
	}
	equal(t, "added", w.log.told(), "config_changed")
	w.log.fails = errDisk
	if _, err := w.RemoveAlert(t.Context(), root(), "a"); !errors.Is(err, errDisk) || len(w.Alerts.List()) > 0 {
		t.Errorf("removed, and the log was not told: %v, %+v", err, w.Alerts.List())
	}
	w.log.fails = nil
	for _, want := range [][]string{{"config_changed"}, nil} {
		open()
		if err := w.Settle(t.Context()); err != nil {
			t.Fatal(err)
		}
		equal(t, "settled", w.log.told(), want...)
	}

	// A damaged file of alerts stops nothing else.
	if err := fsx.Replace(w.disk, "alerts/rules", []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.Alerts, w.NoAlerts = alert.Open(alert.Options{Log: w.log, Source: logread.Store(w.disk), FS: w.disk})
	if _, err := w.RemoveAlert(t.Context(), root(), "a"); !errors.Is(err, alert.ErrDamaged) {
		t.Errorf("removed from a damaged file: %v", err)
	}
	if err := w.Settle(t.Context()); err != nil {
		t.Errorf("settled: %v", err)
	}
}
