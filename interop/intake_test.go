package interop

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/trace"
)

// taker is a server that takes what clients of other systems send, and shows what it made of it.
type taker struct {
	t               *testing.T
	url             string
	writer, auditor string // tokens; the writer's is of application shop
}

func newTaker(t *testing.T) *taker {
	t.Helper()
	stet := build(t, "..", "./cmd/stet")
	home := t.TempDir()
	store := filepath.Join(home, "store")
	token := func(role ...string) string {
		return strings.TrimSpace(execute(t, home, stet, append([]string{"admin", "token", "create", "--store", store, "--role"}, role...)...))
	}
	k := &taker{t: t, writer: token("writer", "--app", "shop"), auditor: token("auditor")}
	k.url = serve(t, command(home, stet, "serve", "--store", store, "--listen", "127.0.0.1:0"))
	return k
}

// recorded is what the test looks at of an event.
type recorded struct {
	EventID       string            `json:"event_id"`
	EventTime     string            `json:"event_time"`
	EventType     string            `json:"event_type"`
	AppID         string            `json:"app_id"`
	AppVersion    string            `json:"app_version"`
	Environment   string            `json:"environment"`
	InteractionID string            `json:"interaction_id"`
	UserID        string            `json:"user_id"`
	SourceIP      string            `json:"source_ip"`
	Severity      int               `json:"severity"`
	Description   string            `json:"description"`
	TraceID       string            `json:"trace_id"`
	SpanID        string            `json:"span_id"`
	StreamID      string            `json:"stream_id"`
	Labels        map[string]string `json:"labels"`
}

// events waits for the first n events that a query finds, in the order of the log.
func (k *taker) events(n int, query string) (all []recorded) {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), 2*time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("%s/v1/tail?from=0&limit=%d&q=%s", k.url, n, url.QueryEscape(query)), nil)
	if err != nil {
		k.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+k.auditor)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		k.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		var row struct{ Entry struct{ Event *recorded } }
		if ok && json.Unmarshal([]byte(data), &row) == nil && row.Entry.Event != nil {
			all = append(all, *row.Entry.Event)
		}
	}
	if len(all) != n {
		k.t.Fatalf("%d events of %d came: %v", len(all), n, lines.Err())
	}
	return all
}

// OpenTelemetry's SDK for Go, as it is, exports its log records: those that are events of the catalogue are in the log, each with all that was
// in it, and what is none is not. The exporter is told of no trouble.
func TestOpenTelemetrySDK(t *testing.T) {
	k := newTaker(t)
	var mu sync.Mutex
	var trouble []error
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		mu.Lock()
		defer mu.Unlock()
		trouble = append(trouble, err)
	}))
	exporter, err := otlploghttp.New(t.Context(), otlploghttp.WithEndpointURL(k.url+"/v1/logs"), otlploghttp.WithCompression(otlploghttp.GzipCompression),
		otlploghttp.WithHeaders(map[string]string{"Authorization": "Bearer " + k.writer}))
	if err != nil {
		t.Fatal(err)
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(exporter)), sdklog.WithResource(resource.NewSchemaless(
		attribute.String("service.name", "shop"), attribute.String("service.version", "1.4.2"), attribute.String("deployment.environment.name", "production"), attribute.StringSlice("host.ip", []string{"192.0.2.1"}))))
	logger := provider.Logger("orders", log.WithInstrumentationVersion("2"))
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{0xab, 15: 1}, SpanID: trace.SpanID{0xcd, 7: 2}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithSpanContext(t.Context(), span)
	const n = 700 // more than a batch of the SDK
	began := time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC)
	var want []recorded
	for i := range n {
		var r log.Record
		r.SetTimestamp(began.Add(time.Duration(i) * time.Second))
		r.SetObservedTimestamp(began.Add(time.Hour))
		r.SetEventName("user.created")
		r.SetSeverity(log.SeverityError)
		r.SetSeverityText("ERROR")
		r.SetBody(attribute.StringValue(fmt.Sprintf("user %d was created: \"ä\" \\ \u202e", i)))
		r.AddAttributes(attribute.String("user.id", fmt.Sprint("u-", i)), attribute.String("client.address", "192.0.2.7"), attribute.Int("n", i), attribute.Bool("b", true), attribute.Float64("f", 0.5),
			attribute.Slice("list", attribute.StringValue("a"), attribute.Int64Value(2)), attribute.Map("map", attribute.String("inner", "x")), attribute.ByteSlice("bytes", []byte("abc")), attribute.String("db.password", "hunter2"))
		logger.Emit(ctx, r)
		want = append(want, recorded{
			EventTime: began.Add(time.Duration(i) * time.Second).Format("2006-01-02T15:04:05.000000000Z"), EventType: "user_created", AppID: "shop", AppVersion: "1.4.2", Environment: "production",
			InteractionID: span.TraceID().String(), UserID: fmt.Sprint("u-", i), SourceIP: "192.0.2.7", Severity: 3, Description: fmt.Sprintf(`user %d was created: "ä" \\ \u202e`, i),
			TraceID: span.TraceID().String(), SpanID: span.SpanID().String(),
			Labels: map[string]string{"timeUnixNano": fmt.Sprint(began.Add(time.Duration(i) * time.Second).UnixNano()), "observedTimeUnixNano": fmt.Sprint(began.Add(time.Hour).UnixNano()),
				"severityNumber": "17", "severityText": "ERROR", "eventName": "user.created", "traceId": span.TraceID().String(), "spanId": span.SpanID().String(), "flags": "1",
				"body": fmt.Sprintf(`user %d was created: "ä" \\ \u202e`, i), "attributes.user.id": fmt.Sprint("u-", i), "attributes.client.address": "192.0.2.7", "attributes.n": fmt.Sprint(i), "attributes.b": "true",
				"attributes.f": "0.5", "attributes.list[0]": "a", "attributes.list[1]": "2", "attributes.map.inner": "x", "attributes.bytes": "YWJj", "attributes.db.password": "[redacted:password]",
				"resource.attributes.service.name": "shop", "resource.attributes.service.version": "1.4.2", "resource.attributes.deployment.environment.name": "production",
				"resource.attributes.host.ip[0]": "192.0.2.1", "scope.name": "orders", "scope.version": "2"},
		})
		var noise log.Record
		noise.SetSeverity(log.SeverityDebug)
		noise.SetBody(attribute.StringValue("nothing of interest"))
		logger.Emit(ctx, noise)
	}
	if err := provider.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(trouble...); err != nil {
		t.Errorf("the exporter has trouble: %v", err)
	}
	got := k.events(n, "app:shop")
	stream := got[0].StreamID
	for i := range got {
		if got[i].EventID == "" || got[i].StreamID != stream {
			t.Fatalf("event %d: %+v", i, got[i])
		}
		got[i].EventID, got[i].StreamID = "", ""
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// The SDK for Go of CloudEvents, as it is, sends events in each of the three modes: each is in the log with all that was in it, once.
func TestCloudEventsSDK(t *testing.T) {
	k := newTaker(t)
	client, err := cloudevents.NewClientHTTP(cehttp.WithTarget(k.url+"/v1/events"), cehttp.WithHeader("Authorization", "Bearer "+k.writer))
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 1, time.UTC)
	event := func(id string) cloudevents.Event {
		e := cloudevents.NewEvent()
		e.SetID(id)
		e.SetSource("https://shop.example/orders?x=1")
		e.SetType("com.example.user.created")
		e.SetSubject("a \"subject\" with ä % and \u20ac")
		e.SetTime(at)
		e.SetExtension("correlationid", "c-1")
		e.SetExtension("traceparent", "00-ab000000000000000000000000000001-cd00000000000002-01")
		e.SetExtension("count", int32(7))
		if err := e.SetData(cloudevents.ApplicationJSON, map[string]any{"user_id": "u-7", "list": []any{"a", 2}, "password": "hunter2"}); err != nil {
			t.Fatal(err)
		}
		return e
	}
	send := func(ctx context.Context, e cloudevents.Event) {
		t.Helper()
		if result := client.Send(ctx, e); !cloudevents.IsACK(result) {
			t.Errorf("%s is not taken: %v", e.ID(), result)
		}
	}
	binary, structured := cloudevents.WithEncodingBinary(t.Context()), cloudevents.WithEncodingStructured(t.Context())
	send(binary, event("1"))
	send(structured, event("2"))
	send(structured, event("1")) // which is there
	batch, err := cehttp.NewHTTPRequestFromEvents(t.Context(), k.url+"/v1/events", []cloudevents.Event{event("3"), event("2"), event("4")})
	if err != nil {
		t.Fatal(err)
	}
	batch.Header.Set("Authorization", "Bearer "+k.writer)
	resp, err := http.DefaultClient.Do(batch)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("the batch: %v %+v", err, resp)
	}
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	last := event("5")
	if err := last.SetData(cloudevents.TextPlain, "a text"); err != nil {
		t.Fatal(err)
	}
	send(binary, last)
	old := event("6")
	old.SetSpecVersion(cloudevents.VersionV03)
	if result := client.Send(structured, old); cloudevents.IsACK(result) {
		t.Error("an event of version 0.3 is taken")
	}
	for i, got := range k.events(5, "app:shop") {
		data := map[string]string{"data.user_id": "u-7", "data.list[0]": "a", "data.list[1]": "2", "data.password": "[redacted:password]", "datacontenttype": "application/json"}
		user := "u-7"
		if i == 4 {
			user, data = "", map[string]string{"data": "a text", "datacontenttype": "text/plain"}
		}
		want := recorded{EventID: got.EventID, StreamID: got.StreamID, EventTime: "2026-03-01T12:00:00.000000001Z", EventType: "user_created", AppID: "shop", InteractionID: "c-1",
			UserID: user, Severity: 4, Description: got.Description, TraceID: "ab000000000000000000000000000001", SpanID: "cd00000000000002",
			Labels: map[string]string{"specversion": "1.0", "id": fmt.Sprint(i + 1), "source": "https://shop.example/orders?x=1", "type": "com.example.user.created", "subject": "a \"subject\" with ä % and \u20ac",
				"time": "2026-03-01T12:00:00.000000001Z", "correlationid": "c-1", "traceparent": "00-ab000000000000000000000000000001-cd00000000000002-01", "count": "7",
				"traceparent.trace_id": "ab000000000000000000000000000001", "traceparent.span_id": "cd00000000000002"}}
		for key, value := range data {
			want.Labels[key] = value
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("event %d: %s", i+1, d)
		}
	}
}
