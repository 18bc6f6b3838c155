package server

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/convert"
	"github.com/stetlog/stet/internal/intake"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// logRecords is a request in OTLP's JSON.
func logRecords(records ...string) []byte {
	return []byte(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[` + strings.Join(records, ",") + `]}]}]}`)
}

// inLog are the events under the newest checkpoint that an application has recorded.
func (w *world) inLog(app string) (all []*event.Event) {
	w.t.Helper()
	w.publish()
	cp, err := proof.ParseCheckpointText(w.held.Checkpoint())
	if err != nil {
		w.t.Fatal(err)
	}
	err = logread.Entries(w.t.Context(), w.held.Source(), 0, cp.Size, func(_ uint64, raw []byte) error {
		entry, err := proof.ParseEntry(raw)
		if err != nil || entry.Event == nil {
			return err
		}
		e, err := event.Parse(entry.Event)
		if err == nil && e.AppID == app {
			all = append(all, e)
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return all
}

// What is refused is told as a partial success, in the request's encoding; what comes again is recorded once.
func TestPostLogs(t *testing.T) {
	w := newWorld(t, nil)
	body := logRecords(`{"timeUnixNano":"1772366400000000000","eventName":"user.created","attributes":[{"key":"user.id","value":{"stringValue":"u-7"}}]}`,
		`{"timeUnixNano":"1772366400000000000","eventName":"job_lost"}`, `{"timeUnixNano":"1772366400000000000","severityText":"DEBUG"}`)
	for range 2 {
		r := w.do("writer", http.MethodPost, "/v1/logs", body, "Content-Type", "application/json; charset=utf-8")
		if r.status != http.StatusOK || !strings.Contains(r.body, `"rejectedLogRecords":"1"`) || !strings.Contains(r.body, "reserved_type 1") || r.header.Get("Content-Type") != typeJSON {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	if all := w.inLog("shop"); len(all) != 1 || all[0].EventType != "user_created" || all[0].UserID != "u-7" {
		t.Errorf("%d events", len(all))
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, _ = z.Write(logRecords(`{"eventName":"user.deleted"}`))
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if r := w.do("writer", http.MethodPost, "/v1/logs", packed.Bytes(), "Content-Type", typeJSON, "Content-Encoding", "gzip"); r.status != http.StatusOK || r.body != "{}" {
		t.Errorf("%d %s", r.status, r.body)
	}
	if all := w.inLog("shop"); len(all) != 2 {
		t.Errorf("%d events", len(all))
	}
}

// A refusal is a google.rpc.Status in the request's encoding, and only what passes has a status that OTLP sends again.
func TestLogsRefused(t *testing.T) {
	w := newWorld(t, nil)
	for _, c := range []struct {
		token, media, body string
		status             int
		code               string
	}{
		{"writer", typeProtobuf, "nonsense", http.StatusBadRequest, "malformed: "},
		{"writer", typeJSON, "nonsense", http.StatusBadRequest, "malformed: "},
		{"writer", "text/plain", "{}", http.StatusUnsupportedMediaType, "unsupported_media_type: "},
		{"auditor", typeProtobuf, "", http.StatusForbidden, "not_allowed: "},
		{"", typeProtobuf, "", http.StatusUnauthorized, "unauthenticated: "},
		{"writer", typeJSON, `{"resourceLogs":[` + strings.Repeat("0,", convert.MaxValues) + `0]}`, http.StatusRequestEntityTooLarge, "too_large: "},
	} {
		r := w.do(c.token, http.MethodPost, "/v1/logs", []byte(c.body), "Content-Type", c.media)
		text := r.body
		if c.media == typeProtobuf {
			if b := []byte(r.body); len(b) > 2 && b[0] == 1<<3 { // code, then message
				_, _, n := protowire.ConsumeField(b)
				_, _, tag := protowire.ConsumeTag(b[n:])
				message, _ := protowire.ConsumeString(b[n+tag:])
				text = `"` + message
			}
		}
		if r.status != c.status || !strings.Contains(text, `"`+c.code) || r.header.Get("Retry-After") != "" {
			t.Errorf("%+v: %d %q", c, r.status, r.body)
		}
	}
	w.server.draining.Store(true)
	if r := w.do("writer", http.MethodPost, "/v1/logs", logRecords(`{}`), "Content-Type", typeJSON); r.status != http.StatusServiceUnavailable || r.header.Get("Retry-After") == "" {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// Each mode of a CloudEvent leads to the same event, which is recorded once.
func TestPostCloudEvents(t *testing.T) {
	w := newWorld(t, nil)
	const ce = `{"specversion":"1.0","id":"7","source":"/shop","type":"com.example.user.created","datacontenttype":"application/json","data":{"user_id":"u-7"}}`
	verdicts := func(media, body string, headers ...string) []intake.Verdict {
		t.Helper()
		status, got := w.events("writer", body, append([]string{"Content-Type", media}, headers...)...)
		if refused := got[0].Status == intake.Refused; (status != http.StatusOK) != refused {
			t.Errorf("status %d: %+v", status, got)
		}
		return got
	}
	if got := verdicts(convert.CloudEventsMedia, ce); got[0].Status != intake.Accepted {
		t.Errorf("%+v", got)
	}
	if got := verdicts(convert.CloudEventsBatchMedia, `[`+ce+`,`+strings.Replace(ce, `"7"`, `"8"`, 1)+`,{"specversion":"1.1"}]`); got[0].Status != intake.Again || got[1].Status != intake.Accepted || got[2].Code != string(event.ErrSchema) || got[2].Path != "specversion" {
		t.Errorf("%+v", got)
	}
	binary := []string{"ce-specversion", "1.0", "ce-id", "7", "ce-source", "/shop", "ce-type", "com.example.user.created"}
	if got := verdicts(typeJSON, `{"user_id":"u-7"}`, binary...); got[0].Status != intake.Again {
		t.Errorf("%+v", got)
	}
	if got := verdicts("image/png", "\x89PNG", append(binary, "ce-id", "9")...); len(got) != 1 || got[0].Code != string(event.ErrDuplicate) {
		t.Errorf("%+v", got)
	}
	if all := w.inLog("shop"); len(all) != 2 || all[0].UserID != "u-7" || all[0].Labels["source"] != "/shop" {
		t.Errorf("%d events", len(all))
	}
	if r := w.do("writer", http.MethodPost, "/v1/events", []byte("x"), append(binary, "Content-Type", "application/cloudevents+avro")...); r.status != http.StatusUnsupportedMediaType {
		t.Errorf("%d %s", r.status, r.body)
	}
}

// What stet itself sends as OTLP or as CloudEvents comes back as the event that it was: with its id, once, whichever way it came.
func TestOwnEventsComeBack(t *testing.T) {
	w := newWorld(t, nil)
	_, verdicts := w.events("writer", `{"event_type":"user_created","user_id":"u-7","labels":{"a":"b \u202e \\ c"}}`)
	w.publish()
	raw, err := logread.Entry(t.Context(), w.held.Source(), verdicts[0].Seq)
	if err != nil {
		t.Fatal(err)
	}
	row, err := convert.NewRow(raw, "")
	if err != nil {
		t.Fatal(err)
	}
	request, err := convert.OTLPRequest([]*convert.Row{row})
	if err != nil {
		t.Fatal(err)
	}
	there := newWorld(t, nil) // another log
	for range 2 {
		if r := there.do("writer", http.MethodPost, "/v1/logs", request, "Content-Type", typeProtobuf); r.status != http.StatusOK || r.body != "" {
			t.Fatalf("%d %q", r.status, r.body)
		}
	}
	if _, got := there.events("writer", string(convert.CloudEventsBatch(nil, []*convert.Row{row})), "Content-Type", convert.CloudEventsBatchMedia); got[0].Status != intake.Again || got[0].EventID != verdicts[0].EventID {
		t.Errorf("%+v", got)
	}
	all := there.inLog("shop")
	if len(all) != 1 || all[0].EventID.String() != verdicts[0].EventID || all[0].UserID != "u-7" || all[0].Labels["a"] != `b \u202e \\ c` || len(all[0].Labels) != 1 {
		t.Errorf("%d events: %+v", len(all), all)
	}
}
