package stet_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// What is recorded in a handler says who asked for it, from where and at which route, and has one interaction id. The
// query is left out: it may hold anything.
func ExampleMiddleware() {
	rec, done := throwaway(stet.Options{})
	defer done()

	mux := http.NewServeMux()
	mux.HandleFunc("DELETE /invoices/{id}", func(w http.ResponseWriter, r *http.Request) {
		err := rec.Record(r.Context(), event.Event{
			EventType: "sensitive_delete", Action: "delete",
			Object: &event.Object{Type: "invoice", ID: r.PathValue("id")}, Status: event.StatusSuccess,
		})
		if err != nil {
			http.Error(w, "not deleted, because that could not be recorded", http.StatusInternalServerError)
			return
		}
		fmt.Println("deleted", r.PathValue("id"))
	})
	handler := stet.Middleware(stet.MiddlewareOptions{
		User:    func(r *http.Request) string { user, _, _ := r.BasicAuth(); return user },
		Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, // whose X-Forwarded-For is believed
		Peers:   []netip.Prefix{netip.MustParsePrefix("10.1.0.0/16")},
	})(mux)

	r := httptest.NewRequestWithContext(context.Background(), http.MethodDelete, "/invoices/17?reason=paid", nil)
	r.SetBasicAuth("alice", "…")
	handler.ServeHTTP(httptest.NewRecorder(), r)
	// Output: deleted 17
}

// A job that calls a server tells it, in headers, which job asks; where the server believes its peers, the job that it
// then runs becomes a child of that one.
func ExampleTransport() {
	rec, done := throwaway(stet.Options{})
	defer done()

	server := httptest.NewServer(stet.Middleware(stet.MiddlewareOptions{Peers: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})(
		http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			_ = rec.Do(r.Context(), stet.Job{Name: "render", Reason: "an invoice was asked for"}, func(_ context.Context, run *stet.Run) error {
				fmt.Println("the server's job is in", run.InteractionID())
				return nil
			})
		})))
	defer server.Close()
	client := &http.Client{Transport: stet.Transport{
		To: func(r *http.Request) bool { return "http://"+r.URL.Host == server.URL }, // nobody else is told
	}}
	defer client.CloseIdleConnections()

	ctx := stet.WithInteraction(context.Background(), "month-end-2026-01")
	err := rec.Do(ctx, stet.Job{Name: "invoice", Reason: "month end"}, func(ctx context.Context, _ *stet.Run) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodPost, server.URL+"/invoices/17", nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(r)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	fmt.Println(err)
	// Output:
	// the server's job is in month-end-2026-01
	// <nil>
}

// A message in a queue carries the same in its metadata.
func ExampleInject() {
	rec, done := throwaway(stet.Options{})
	defer done()

	metadata := stet.MapCarrier{}
	err := rec.Do(context.Background(), stet.Job{Name: "close the books", Reason: "month end"}, func(ctx context.Context, _ *stet.Run) error {
		stet.Inject(ctx, metadata) // and send the message
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	// In the consumer.
	ctx := stet.Extract(context.Background(), metadata, "kafka header")
	err = rec.Do(ctx, stet.Job{Name: "invoice", Reason: "month end"}, func(_ context.Context, run *stet.Run) error {
		fmt.Println(run.InteractionID() == metadata[stet.HeaderInteractionID], run.RootID() == metadata[stet.HeaderParentJobID])
		return nil
	})
	fmt.Println(err)
	// Output:
	// true true
	// <nil>
}

// Log records that name an event type are recorded; all others stay in the log.
func ExampleNewSlogHandler() {
	rec, done := throwaway(stet.Options{OnLoss: func(err error) { fmt.Println(err) }})
	defer done()

	text := slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}})
	logger := slog.New(stet.NewSlogHandler(rec, stet.SlogOptions{Next: text}))

	ctx := stet.WithUser(context.Background(), "alice")
	logger.InfoContext(ctx, "looked up an invoice", "rows", 1)
	logger.WarnContext(ctx, "not her customer", "event_type", "authz_fail", "action", "read",
		slog.Group("object", "type", "invoice", "id", 17), "status", "denied")
	logger.WarnContext(ctx, "not her customer", "event_type", "authz_fail", "status", "maybe")
	// Output:
	// level=INFO msg="looked up an invoice" rows=1
	// a log record was not recorded: not recorded: event authz_fail: event: status: not_in_list: is not one of the allowed values (see docs/spec/event.md)
}
