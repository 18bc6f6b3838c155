package stet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stetlog/stet/event"
)

// Job says what is to be done, why, and for whom. Name is required; what else is left open is found or excused.
type Job struct {
	Name string // at most 128 bytes, the same for every run: "nightly-purge"
	// Reason is the rationale in a person's words, at most 512 bytes: "Scheduled maintenance".
	Reason string
	// Reference points at it: a ticket, a request, at most 256 bytes.
	Reference string
	// Trigger is schedule, event, manual, api, parent or boot; "": found from the surroundings.
	Trigger string
	// Params are the requested parameters: strings, integers, bools, and maps and lists of these, at most 6 deep, 64 keys,
	// 16 KiB. Secrets in them are masked, by key and by pattern.
	Params map[string]any
	// Principal is who is responsible. nil: the parent job's, else the process's own user.
	Principal *event.Principal
	// Target is the system and environment that the job acts on, where that is not its own.
	Target *event.Target
	// CausedBy names the upstream system, and its event, that triggered the job. It sets Trigger to event.
	CausedBy *event.Upstream
	// ScheduledFor is the slot that this run is for.
	ScheduledFor time.Time
	// Attempt is the ordinal of this run of the job, from 1; 0 means 1.
	Attempt int64
	// Labels are free text by key, at most 64 and 8 KiB, on every event of the run.
	Labels map[string]string
	// Code says what runs, where that is not this program.
	Code Code
	// Trace is the W3C trace that the job belongs to.
	Trace Trace
	// Derived names what in this Job was found rather than given: path of the event's field → how.
	Derived map[string]string
}

// Code identifies what a job runs.
type Code struct {
	Location  string // file:line, function or script, at most 256 bytes
	Digest    string // sha256:hex of executable or script
	EnvDigest string // sha256:hex over the environment that it runs in
	// Files are the files that run, at most 16, as references on the start.
	Files []event.Reference
}

// Trace is a W3C trace context: ids in lower-case hex, 32, 16 and 2 digits.
type Trace struct{ ID, Span, Flags string }

// An Authorizer says whether a job may run. It must be safe for concurrent use. An error of its own means that the job
// does not run.
type Authorizer interface {
	Authorize(ctx context.Context, j Job) (Decision, error)
}

// Decision is an authoriser's answer.
type Decision struct {
	Allowed       bool
	Basis         string // policy, approval, os_permission, inherited
	DecidedBy     string // who or what decided, at most 256 bytes
	PolicyID      string
	PolicyVersion string
	Required      []string
	Granted       []string
	Reason        string // at most 512 bytes
}

// task is a submission's identity and what every event of the job repeats.
type task struct {
	rec         *Recorder
	job         Job
	id          event.UUID
	parent      event.UUID
	root        event.UUID
	interaction string
	submission  event.UUID
	submittedAt time.Time
	location    string
	user        string
	derived     map[string]string
}

// Submitted is a job that was asked for. It is a small value; the zero value returns ErrInvalid from every method.
type Submitted struct{ t *task }

// Authorized is a submitted job that may run. The zero value returns ErrInvalid from every method.
type Authorized struct {
	t     *task
	cause event.UUID // the authorization's event
}

// Submit records that a job was asked for: the submission phase.
func (r *Recorder) Submit(ctx context.Context, j Job) (Submitted, error) {
	t, ev, err := r.submission(ctx, j, caller(1))
	if err != nil {
		return Submitted{}, err
	}
	if err := r.lost("the submission of "+j.Name, r.emit(ctx, ev)); err != nil {
		return Submitted{}, err
	}
	return Submitted{t}, nil
}

// Ref returns what a worker needs to continue the job in another process: put it into the queue's metadata, and hand it
// to Resume. It names the submission but proves nothing. The zero Submitted has the empty Ref.
func (s Submitted) Ref() string {
	if s.t == nil {
		return ""
	}
	return s.t.ref().String()
}

// Resume continues, in a worker, a job that another process submitted. It records nothing itself.
func (r *Recorder) Resume(ctx context.Context, s string) (Submitted, error) {
	if r == nil {
		return Submitted{}, fmt.Errorf("resume: %w: the Recorder is nil", ErrInvalid)
	}
	if err := ctx.Err(); err != nil {
		return Submitted{}, err
	}
	f, err := parseRef(s)
	if err != nil {
		return Submitted{}, err
	}
	return Submitted{r.resumed(f, caller(1))}, nil
}

// WithAttempt returns the same submission for its nth run, from 1.
func (s Submitted) WithAttempt(n int64) Submitted {
	if s.t == nil {
		return s
	}
	t := *s.t
	t.job.Attempt = n
	return Submitted{&t}
}

// Authorize asks the Recorder's authoriser and records what it said: the authorization phase. A refusal is recorded and
// returned as ErrDenied. Without an authoriser the record says that nobody was asked.
func (s Submitted) Authorize(ctx context.Context) (Authorized, error) {
	if s.t == nil {
		return Authorized{}, fmt.Errorf("authorize: %w: the Submitted is zero", ErrInvalid)
	}
	ev, denied := s.t.authorization(ctx)
	if err := s.t.rec.lost("the authorization of "+s.t.job.Name, s.t.rec.emit(ctx, ev)); err != nil {
		return Authorized{}, errors.Join(denied, err)
	}
	if denied != nil {
		return Authorized{}, denied
	}
	return Authorized{s.t, ev.EventID}, nil
}

// Start records that a run begins: the execution phase. The Run must be ended by Succeed, Fail, Abort or End; what is
// still open at Close is recorded as aborted, and what a dead process left open as lost.
func (a Authorized) Start(ctx context.Context) (*Run, error) {
	if a.t == nil {
		return nil, fmt.Errorf("start: %w: the Authorized is zero", ErrInvalid)
	}
	run, ev, err := a.t.start(a.cause)
	if err != nil {
		return nil, err
	}
	if err := a.t.rec.lost("the start of "+a.t.job.Name, a.t.rec.emit(ctx, ev)); err != nil {
		return nil, err
	}
	return run, run.register()
}

// Begin records submission, authorization and start with one flush, for callers that do not hand in a function: a
// refusal is ErrDenied, and under RequireRecord an error means that the job must not run.
func (r *Recorder) Begin(ctx context.Context, j Job) (*Run, error) { return r.begin(ctx, j, caller(1)) }

func (r *Recorder) begin(ctx context.Context, j Job, location string) (*Run, error) {
	t, submitted, err := r.submission(ctx, j, location)
	if err != nil {
		return nil, err
	}
	// Ids are given before the emitter would, because the later events name the earlier ones as their cause.
	authorized, denied := t.authorization(ctx)
	if denied != nil {
		return nil, errors.Join(denied, r.lost("the denial of "+j.Name, r.emit(ctx, submitted, authorized)))
	}
	run, started, err := t.start(authorized.EventID)
	if err != nil {
		return nil, err
	}
	if err := r.lost("the start of "+j.Name, r.emit(ctx, submitted, authorized, started)); err != nil {
		return nil, err
	}
	return run, run.register()
}

// Do records a job around fn: submission, authorization and start with one flush, then fn, then the outcome. It returns
// fn's own error unchanged. An error that wraps ErrNotRecorded, ErrDenied or ErrInvalid means that fn did not run.
//
// fn's context carries the run, so that jobs recorded under it become its children. An error is recorded as failure; an
// error or panic after ctx was cancelled as aborted; a panic as failure, and is raised again. The outcome is recorded
// even where ctx is dead by then; where it cannot be, Options.OnLoss is told and fn's result stays what it was.
func (r *Recorder) Do(ctx context.Context, j Job, fn func(context.Context, *Run) error) error {
	if fn == nil {
		return fmt.Errorf("do: %w: the function is nil", ErrInvalid)
	}
	run, err := r.begin(ctx, j, caller(1))
	if err != nil {
		return err
	}
	returned := false
	defer func() {
		if returned {
			return
		}
		// fn panicked, or ended its goroutine.
		o := Outcome{Status: event.StatusAborted, Reason: "the job's goroutine was ended (runtime.Goexit)"}
		p := recover()
		if p != nil {
			o = Outcome{Status: event.StatusFailure, Code: "panic", Reason: fmt.Sprint("panic: ", p)}
		}
		run.finish(ctx, o)
		if p != nil {
			panic(p)
		}
	}()
	err = fn(WithRun(ctx, run), run)
	returned = true
	run.finish(ctx, outcomeOf(ctx, err))
	return err
}

// outcomeOf reads a function's result: cancelled work that says so was aborted, not failed.
func outcomeOf(ctx context.Context, err error) Outcome {
	switch {
	case err == nil:
		return Outcome{Status: event.StatusSuccess}
	case ctx.Err() != nil:
		return Outcome{Status: event.StatusAborted, Reason: fmt.Sprintf("%v (cancelled: %v)", err, context.Cause(ctx))}
	default:
		return Outcome{Status: event.StatusFailure, Reason: err.Error()}
	}
}
