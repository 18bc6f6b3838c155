package formats_test

import (
	"bytes"
	"net/http"
	"strings"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2/event"
	ceclient "github.com/cloudevents/sdk-go/v2/protocol/http"

	"github.com/stetlog/stet/internal/convert"
)

// TestCloudEvents reads each row in structured mode, and all in one batch.
func TestCloudEvents(t *testing.T) {
	all := samples(t)
	rows := make([]*convert.Row, len(all))
	for i, s := range all {
		rows[i] = s.row
		var e cloudevents.Event
		if err := e.UnmarshalJSON(convert.CloudEvents.Append(nil, s.row)); err != nil {
			t.Fatalf("seq %d: %v", s.seq, err)
		}
		readCloudEvent(t, s, e)
	}
	body := convert.CloudEventsBatch(nil, rows)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://x/", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", convert.CloudEventsBatchMedia)
	batch, err := ceclient.NewEventsFromHTTPRequest(req)
	if err != nil || len(batch) != len(all) {
		t.Fatalf("%d events in the batch: %v", len(batch), err)
	}
	for i, s := range all {
		readCloudEvent(t, s, batch[i])
	}
}

func readCloudEvent(t *testing.T, s sample, e cloudevents.Event) {
	t.Helper()
	if err := e.Validate(); err != nil {
		t.Fatalf("seq %d: %v", s.seq, err)
	}
	subject := ""
	if strings.TrimSpace(s.Job.ID) != "" {
		subject = attribute(s.Job.ID)
	}
	same(t, s, "attributes", []string{"1.0", s.EventID.String(), "/billing/" + s.StreamID.String(), convert.CloudEventsType + s.EventType, subject, "application/json"},
		[]string{e.SpecVersion(), e.ID(), e.Source(), e.Type(), e.Subject(), e.DataContentType()})
	same(t, s, "time", at.Add(-90*time.Second), e.Time().UTC())
	who := s.Principal.ID
	if who == "" {
		who = s.UserID
	}
	want := map[string]any{"recordedtime": "2026-01-02T03:04:05.678901234Z", "causationid": s.CausationID.String(), "sequence": zeros(s.seq),
		"severitynumber": int32(severities[*s.Severity].otel), "severitytext": s.Severity.String(), "authtype": s.Principal.Type,
		"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "entryhash": s.hash}
	for name, text := range map[string]string{"correlationid": s.InteractionID, "authid": who} {
		if text != "" {
			want[name] = attribute(text)
		}
	}
	same(t, s, "extensions", want, e.Extensions())
	if !bytes.Equal(e.Data(), s.bytes) {
		t.Fatalf("seq %d: the data are %s, the event %s", s.seq, e.Data(), s.bytes)
	}
}
