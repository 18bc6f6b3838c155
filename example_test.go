package stet_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"time"

	"github.com/stetlog/stet"
	"github.com/stetlog/stet/event"
)

// throwaway opens a Recorder in a directory that done removes. A program names its store, or leaves it to STET_STORE.
func throwaway(o stet.Options) (rec *stet.Recorder, done func()) {
	dir, err := os.MkdirTemp("", "stet-example-")
	if err != nil {
		log.Fatal(err)
	}
	o.App, o.StateDir = "billing", filepath.Join(dir, "state")
	rec, err = stet.Open(context.Background(), filepath.Join(dir, "store"), o)
	if err != nil {
		log.Fatal(err)
	}
	return rec, func() {
		if err := errors.Join(rec.Close(), os.RemoveAll(dir)); err != nil {
			log.Fatal(err)
		}
	}
}

// Do records a job around a function: that it was asked for, whether it was allowed, that it began, and how it ended.
func ExampleRecorder_Do() {
	rec, done := throwaway(stet.Options{})
	defer done()

	err := rec.Do(context.Background(), stet.Job{Name: "purge", Reason: "data retention", Reference: "TICKET-1"},
		func(_ context.Context, run *stet.Run) error {
			run.Impact("1,000 records deleted", map[string]int64{"rows": 1000})
			run.Reference("transaction", "4711")
			return nil
		})
	fmt.Println(err)
	// Output: <nil>
}

// A job that waits in a queue is recorded in parts: by the process that asks for it, and by the worker that runs it.
func ExampleSubmitted_Ref() {
	ctx := context.Background()
	rec, done := throwaway(stet.Options{})
	defer done()

	// In the process that asks for the job.
	submitted, err := rec.Submit(ctx, stet.Job{Name: "invoice", Reason: "month end", Params: map[string]any{"month": "2026-01"}})
	if err != nil {
		log.Fatal(err)
	}
	metadata := submitted.Ref() // put it into the queue beside the message

	// In the worker, which has a Recorder of its own.
	resumed, err := rec.Resume(ctx, metadata)
	if err != nil {
		log.Fatal(err)
	}
	authorized, err := resumed.Authorize(ctx)
	if err != nil {
		log.Fatal(err) // denied, or not recorded: the job must not run
	}
	run, err := authorized.Start(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("sending invoices")
	if err := run.Succeed(ctx); err != nil {
		log.Fatal(err)
	}
	// Output: sending invoices
}

// A job that is recorded under another's context becomes its child: it shares the interaction id, and knows its parent
// and the root of the tree.
func ExampleFromContext() {
	rec, done := throwaway(stet.Options{})
	defer done()

	ctx := stet.WithInteraction(context.Background(), "month-end-2026-01")
	err := rec.Do(ctx, stet.Job{Name: "close the books", Reason: "month end"}, func(ctx context.Context, parent *stet.Run) error {
		return rec.Do(ctx, stet.Job{Name: "invoice", Reason: "month end"}, func(ctx context.Context, _ *stet.Run) error {
			child, _ := stet.FromContext(ctx)
			fmt.Println(child.InteractionID(), child.RootID() == parent.RootID(), child.JobID() == parent.JobID())
			return nil
		})
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: month-end-2026-01 true false
}

// freeze is a policy of the house.
type freeze struct{}

func (freeze) Authorize(_ context.Context, j stet.Job) (stet.Decision, error) {
	d := stet.Decision{Allowed: true, DecidedBy: "change calendar", PolicyID: "freeze", PolicyVersion: "3"}
	if j.Name == "deploy" {
		d.Allowed, d.Reason = false, "nothing is deployed in the last week of a year"
	}
	return d, nil
}

// An Authorizer decides whether a job may run. What it said is recorded, also where it said no.
func ExampleAuthorizer() {
	rec, done := throwaway(stet.Options{Authorizer: freeze{}})
	defer done()

	err := rec.Do(context.Background(), stet.Job{Name: "deploy", Reason: "new prices"}, func(context.Context, *stet.Run) error {
		fmt.Println("deploying")
		return nil
	})
	fmt.Println(errors.Is(err, stet.ErrDenied))
	fmt.Println(err)
	// Output:
	// true
	// deploy: denied: nothing is deployed in the last week of a year
}

// Record is for the events of an application. The catalogue knows how severe they are; the context knows who it was.
func ExampleRecorder_Record() {
	rec, done := throwaway(stet.Options{})
	defer done()

	ctx := stet.WithUser(context.Background(), "alice")
	ctx = stet.WithSourceIP(ctx, "192.0.2.7:5678") // as http.Request.RemoteAddr has it
	ctx = stet.WithInteraction(ctx, "request-17")
	err := rec.Record(ctx, event.Event{
		EventType:    "authz_fail",
		Action:       "read",
		Object:       &event.Object{Type: "invoice", ID: "2026-0017"},
		Status:       event.StatusDenied,
		StatusReason: "not her customer",
	})
	fmt.Println(err)

	err = rec.Record(ctx, event.Event{EventType: "authz_fail", Status: "maybe"})
	var refused *event.Error
	fmt.Println(errors.As(err, &refused), refused.Path)
	// Output:
	// <nil>
	// true status
}

// Under BestEffort a job runs although it cannot be recorded. OnLoss is told, and the log says later what it misses.
func ExampleOptions_bestEffort() {
	dir, err := os.MkdirTemp("", "stet-example-")
	if err != nil {
		log.Fatal(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	store := filepath.Join(dir, "store")
	if err := os.WriteFile(store, []byte("in the way"), 0o600); err != nil {
		log.Fatal(err)
	}

	losses := 0
	rec, err := stet.Open(context.Background(), store, stet.Options{App: "billing", StateDir: filepath.Join(dir, "state"),
		Policy: stet.BestEffort, OnLoss: func(error) { losses++ }})
	if err != nil {
		log.Fatal(err)
	}
	err = rec.Do(context.Background(), stet.Job{Name: "heating", Reason: "it is cold"}, func(context.Context, *stet.Run) error {
		fmt.Println("heating")
		return errors.New("out of oil")
	})
	fmt.Println(err)
	fmt.Println(losses, "losses: nothing could be opened, no start and no outcome recorded")
	fmt.Println(rec.Close()) // the loss is noted in the state directory, and the next Recorder declares it
	// Output:
	// heating
	// out of oil
	// 3 losses: nothing could be opened, no start and no outcome recorded
	// <nil>
}

// A job that failed and will be tried again: one job, each attempt with a run of its own.
func ExampleRun_RetryAt() {
	ctx := context.Background()
	rec, done := throwaway(stet.Options{})
	defer done()

	run, err := rec.Begin(ctx, stet.Job{Name: "mail", Reason: "order 17"})
	if err != nil {
		log.Fatal(err)
	}
	next, err := run.RetryAt(ctx, errors.New("no route to host"), time.Now().Add(time.Minute))
	if err != nil {
		log.Fatal(err)
	}
	metadata := next.Ref() // for the queue, which brings it to a worker when the time has come

	submitted, err := rec.Resume(ctx, metadata)
	if err != nil {
		log.Fatal(err)
	}
	authorized, err := submitted.Authorize(ctx)
	if err != nil {
		log.Fatal(err)
	}
	second, err := authorized.Start(ctx)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(second.JobID() == run.JobID(), second.ID() == run.ID(), second.Succeed(ctx))
	// Output: true false <nil>
}

// A job that an event of the application causes names it.
func ExampleRecorder_Upstream() {
	ctx := context.Background()
	rec, done := throwaway(stet.Options{})
	defer done()

	deleted := event.Event{EventID: rec.NewEventID(), EventType: "user_deleted"}
	if err := rec.Record(ctx, deleted); err != nil {
		log.Fatal(err)
	}
	err := rec.Do(ctx, stet.Job{Name: "erase", CausedBy: rec.Upstream(deleted)}, func(context.Context, *stet.Run) error { return nil })
	fmt.Println(err)
	// Output: <nil>
}

// A correction stands beside the event that it corrects, which stays as it was.
func ExampleRecorder_Correct() {
	rec, done := throwaway(stet.Options{})
	defer done()

	ctx := stet.WithUser(context.Background(), "dora")
	wrong := event.Event{EventID: rec.NewEventID(), EventType: "sensitive_update", InteractionID: "order-17"}
	if err := rec.Record(ctx, wrong); err != nil {
		log.Fatal(err)
	}
	fmt.Println(rec.Correct(ctx, stet.Correction{EventID: wrong.EventID, EventType: wrong.EventType, InteractionID: wrong.InteractionID, Reason: "it was only read"}))
	// Output: <nil>
}
