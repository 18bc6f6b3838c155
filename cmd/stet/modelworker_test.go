package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stetlog/stet"
)

// modelGoroutines is how many goroutines the worker of TestModel runs jobs in.
const modelGoroutines = 100

// modelKinds are the lives that a job of the worker can have. Its name begins with the kind.
var modelKinds = []string{"done", "fails", "panics", "late", "parent", "retried", "denied", "lapses", "expires", "cancelled", "duplicate", "hangs"}

// said is one line that the worker writes before and after what it does, so that whoever kills it knows what was
// acknowledged and what was under way. A pipe keeps them when the worker is killed.
type said struct {
	What    string // begin, never, run, end, done, closed, loss
	Job     string // its name, which no other job has
	Attempt int64
	JobID   string
	Parent  string // the parent's name
	State   string // how it will end
}

// modelWorker is the process that TestModel kills: so many goroutines with a job after the other, until its standard input
// ends or all of them hang.
func modelWorker() {
	w := &worker{out: json.NewEncoder(os.Stdout), round: os.Args[1]}
	rec, err := stet.Open(context.Background(), "", stet.Options{App: "worker", Authorizer: w, Heartbeat: 200 * time.Millisecond,
		Deadline: 2 * time.Minute, // the machine may be slow, and this is not about that
		OnLoss:   func(err error) { w.say(said{What: "loss", Job: err.Error()}) }})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	w.rec = rec
	var stop atomic.Bool
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that is said there
		stop.Store(true)
	}()
	for g := range modelGoroutines {
		w.busy.Go(func() {
			for n := range modelKinds {
				if stop.Load() {
					return
				}
				kind := modelKinds[(g+n)%len(modelKinds)]
				name := fmt.Sprintf("%s-%s-%d-%d", kind, w.round, g, n)
				if kind == "hangs" {
					w.hang(name)
					return
				}
				w.life(kind, name)
			}
		})
	}
	w.busy.Wait()
	if err := rec.Close(); err != nil {
		w.say(said{What: "loss", Job: err.Error()})
	}
	w.say(said{What: "closed"})
}

type worker struct {
	rec   *stet.Recorder
	round string
	busy  sync.WaitGroup

	mu  sync.Mutex
	out *json.Encoder
}

func (w *worker) say(s said) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.out.Encode(s); err != nil {
		os.Exit(1) // nobody listens any more
	}
}

// Authorize decides by the kind of the job, and of one that runs already by what is to become of it.
func (w *worker) Authorize(ctx context.Context, j stet.Job) (stet.Decision, error) {
	_, runs := stet.FromContext(ctx)
	// A child is asked for under its parent's run, and is no question about that.
	runs = runs && ctx.Value(asking{}) == nil
	switch kind, _, _ := strings.Cut(j.Name, "-"); {
	case kind == "denied":
		return stet.Decision{Reason: "the model says no"}, nil
	case kind == "lapses" && runs:
		return stet.Decision{Reason: "the model withdraws it"}, nil
	case kind == "expires" && !runs:
		return stet.Decision{Allowed: true, ValidUntil: time.Now().Add(time.Second)}, nil
	case kind == "expires":
		return stet.Decision{}, errors.New("the model cannot be asked")
	}
	return stet.Decision{Allowed: true}, nil
}

// asking marks the context of a job that is asked for.
type asking struct{}

// do records one job around fn and says what happens. parent is the name of the job that ctx carries.
func (w *worker) do(ctx context.Context, name, parent, state string, fn func(context.Context, *stet.Run) error) error {
	w.say(said{What: "begin", Job: name, Parent: parent, Attempt: 1, State: state})
	ran := false
	err := w.rec.Do(context.WithValue(ctx, asking{}, true), stet.Job{Name: name, Reason: "the model"}, func(ctx context.Context, run *stet.Run) error {
		ran = true
		w.say(said{What: "run", Job: name, JobID: run.JobID(), Attempt: 1})
		defer w.say(said{What: "end", Job: name, Attempt: 1, State: state})
		return fn(ctx, run)
	})
	if !ran && !errors.Is(err, stet.ErrDenied) {
		w.say(said{What: "never", Job: name, Attempt: 1}) // its context was dead before it began
		return err
	}
	w.say(said{What: "done", Job: name, Attempt: 1, State: state})
	return err
}

// life is one job from its beginning to its end.
func (w *worker) life(kind, name string) {
	ctx := context.Background()
	untilCancelled := func(ctx context.Context, _ *stet.Run) error { <-ctx.Done(); return ctx.Err() }
	switch kind {
	case "done":
		_ = w.do(ctx, name, "", "succeeded", func(context.Context, *stet.Run) error { return nil })
	case "fails":
		_ = w.do(ctx, name, "", "failed", func(context.Context, *stet.Run) error { return errors.New("the model fails") })
	case "panics":
		func() {
			defer func() { _ = recover(); w.say(said{What: "done", Job: name, Attempt: 1, State: "failed"}) }()
			_ = w.do(ctx, name, "", "failed", func(context.Context, *stet.Run) error { panic("the model panics") })
		}()
	case "late":
		ctx, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_ = w.do(ctx, name, "", "aborted", untilCancelled)
	case "denied":
		_ = w.do(ctx, name, "", "denied", func(context.Context, *stet.Run) error { return nil })
	case "lapses", "expires":
		_ = w.do(ctx, name, "", "aborted", untilCancelled)
	case "cancelled":
		_ = w.do(ctx, name, "", "aborted", func(ctx context.Context, run *stet.Run) error {
			_ = run.RequestCancel(ctx, "the model asks for it")
			return untilCancelled(ctx, run)
		})
	case "parent":
		_ = w.do(ctx, name, "", "failed", func(ctx context.Context, _ *stet.Run) error {
			_ = w.do(ctx, "child-"+name, name, "succeeded", func(ctx context.Context, _ *stet.Run) error {
				return w.do(ctx, "grandchild-"+name, "child-"+name, "succeeded", func(context.Context, *stet.Run) error { return nil })
			})
			return errors.New("the child is not enough")
		})
	case "retried":
		w.retry(ctx, name)
	case "duplicate":
		w.duplicate(ctx, name)
	}
}

// retry is a job that fails and is tried again.
func (w *worker) retry(ctx context.Context, name string) {
	w.say(said{What: "begin", Job: name, Attempt: 1, State: "failed"})
	run, err := w.rec.Begin(ctx, stet.Job{Name: name, Reason: "the model"})
	if err != nil {
		w.say(said{What: "loss", Job: err.Error()})
		return
	}
	w.say(said{What: "run", Job: name, JobID: run.JobID(), Attempt: 1})
	w.say(said{What: "end", Job: name, Attempt: 1, State: "failed"})
	next, err := run.RetryAt(ctx, errors.New("the model tries again"), time.Now())
	if err != nil {
		w.say(said{What: "loss", Job: err.Error()})
	}
	w.say(said{What: "done", Job: name, Attempt: 1, State: "failed"})
	w.say(said{What: "begin", Job: name, Attempt: 2, State: "succeeded"})
	a, err := next.Authorize(ctx)
	if err != nil {
		w.say(said{What: "loss", Job: err.Error()})
		return
	}
	second, err := a.Start(ctx)
	if err != nil {
		w.say(said{What: "loss", Job: err.Error()})
		return
	}
	w.say(said{What: "run", Job: name, JobID: second.JobID(), Attempt: 2})
	w.say(said{What: "end", Job: name, Attempt: 2, State: "succeeded"})
	if err := second.Succeed(ctx); err != nil {
		w.say(said{What: "loss", Job: err.Error()})
	}
	w.say(said{What: "done", Job: name, Attempt: 2, State: "succeeded"})
}

// duplicate is a request, and one for the same again that is dropped.
func (w *worker) duplicate(ctx context.Context, name string) {
	var all []stet.Submitted
	for _, part := range []string{"first-", "second-"} {
		w.say(said{What: "begin", Job: part + name, Attempt: 1, State: "asked"})
		s, err := w.rec.Submit(ctx, stet.Job{Name: part + name, Reason: "the model"})
		if err != nil {
			w.say(said{What: "loss", Job: err.Error()})
			return
		}
		all = append(all, s)
	}
	if err := all[1].Deduplicated(ctx, all[0]); err != nil {
		w.say(said{What: "loss", Job: err.Error()})
	}
	w.say(said{What: "done", Job: "first-" + name, Attempt: 1, State: "asked"})
	w.say(said{What: "done", Job: "second-" + name, Attempt: 1, State: "duplicate"})
}

// hang is a job that never ends by itself. The worker does not wait for it.
func (w *worker) hang(name string) {
	w.say(said{What: "begin", Job: name, Attempt: 1})
	run, err := w.rec.Begin(context.Background(), stet.Job{Name: name, Reason: "the model"})
	if err != nil {
		w.say(said{What: "loss", Job: err.Error()})
		return
	}
	w.say(said{What: "run", Job: name, JobID: run.JobID(), Attempt: 1})
}
