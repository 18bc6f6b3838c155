package event_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/stetlog/stet/event"
)

func sample() *event.Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	return &event.Event{
		EventID:       event.NewUUIDv7(at, [10]byte{1}),
		Timestamp:     at,
		InteractionID: "018f2b1e-7c00-7000-8000-000000000001",
		AppID:         "billing",
		AppVersion:    "1.4.2",
		CodeLocation:  "purge.go:42",
		EntryPoint:    &event.EntryPoint{Kind: "cli", Name: "purge"},
		Host:          &event.Host{Name: "db1", IP: "10.0.0.7"},
		Environment:   "production",
		UserID:        "alice@example.com",
		SourceIP:      "192.0.2.7",
		Principal:     &event.Principal{Type: "user", ID: "alice@example.com"},
		EventType:     "job_submitted",
		Why:           &event.Why{Trigger: "manual", Reason: "nightly purge"},
		Job: &event.Job{ID: "purge-1", RunID: "r1", Name: "purge",
			Params: map[string]any{"older_than_days": 30, "argv": []string{"purge", "--password", "hunter2"}}},
		StreamID:  event.NewUUIDv7(at, [10]byte{2}),
		StreamSeq: 1,
		Clock:     &event.Clock{Confidence: "high", MaxErrorUS: new(int64(120))},
		Labels:    map[string]string{"team": "payments", "api_key": "0123456789"},
	}
}

func ExampleCodec_Append() {
	var codec event.Codec
	b, err := codec.Append(nil, sample())
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := event.Parse(b)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(e.Description)
	fmt.Println(e.Job.Params["argv"])
	fmt.Println(e.Labels["api_key"])
	fmt.Println(e.Redactions)
	// Output:
	// A job was submitted
	// [purge --password [redacted:password]]
	// [redacted:key]
	// [{job.params.argv password masked 0} {labels.api_key key masked 0}]
}

func ExampleCodec_Check() {
	var codec event.Codec
	b, _ := codec.Append(nil, sample())
	ref, err := codec.Check(b)
	fmt.Println(string(ref.EventType), ref.StreamSeq, err)

	_, err = codec.Check([]byte(`{"schema":"stet.event/1","User_ID":"x"}`))
	fmt.Println(err, errors.Is(err, event.ErrMissing))
	// Output:
	// job_submitted 1 <nil>
	// event: event_id: missing: is not there (every event must have it) true
}

func ExampleSanitize() {
	fmt.Println(event.Sanitize("done\n2026-01-02 forged \x1b[31m\xff C:\\dir"))
	// Output: done\n2026-01-02 forged \u001b[31m\xff C:\\dir
}
