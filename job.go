package stet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/stetlog/stet/event"
)

// Job says what is to be done, why, and for whom. Name is required; what else is left open is found or excused. Text that
// exceeds its limit is cut and marked. The Recorder keeps copies: what a Job points to may be changed after the call.
type Job struct {
	Name string // at most 128 bytes, the same for every run: "nightly-purge"
	// Reason is the rationale in a person's words, at most 512 bytes: "Scheduled maintenance".
	Reason string
	// Reference points at it: a ticket, a request, at most 256 bytes.
	Reference string
	// Trigger is schedule, event, manual, api, parent or boot; "": found from the surroundings.
	Trigger string
	// Params are the requested parameters: strings, numbers, bools, times, what has a String or Error method, and maps
	// with string keys and slices of these, at most 6 deep, 64 keys a map, 256 elements a slice, 16 KiB. What is none of
	// these, or beyond, is left out and named in its place. Secrets are masked, by key and by pattern.
	Params map[string]any
	// Principal is who is responsible. nil: the parent job's, else the process's own user.
	Principal *event.Principal
	// Target is the system and environment that the job acts on, where that is not its own.
	Target *event.Target
	// CausedBy names the upstream system, and its event, that triggered the job: see also Recorder.Upstream. It sets
	// Trigger to event. An EventRef that is a UUIDv7, as the ids of all events here are, also becomes the submission's
	// causation_id.
	CausedBy *event.Upstream
	// Reverses names the event that this job undoes, such as another's outcome. Its success also records a reversal of that,
	// with the same flush; of the Correction only what names the event, and the reason, are used.
	Reverses *Correction
	// ScheduledFor is the slot that this run is for.
	ScheduledFor time.Time
	// Attempt is the ordinal of this run of the job, from 1; 0 means 1.
	Attempt int64
	// Labels are free text by key, at most 64 and 8 KiB, on every event that this process makes of the job.
	Labels map[string]string
	// Code says what runs, where that is not this program.
	Code Code
	// Trace is the W3C trace that the job belongs to; zero: the one that it begins under, else a new one.
	Trace Trace
	// Key is for work that begins in one process and ends in another, as that of a systemd unit does between ExecStartPre=
	// and ExecStopPost=: a name, at most 256 bytes, that this application gives to this piece of work alone, such as the
	// id of a message. It is not recorded, but what is recorded of the job has ids derived from it, so that the other
	// process finds the run with Recorder.Attach. Such a run is detached: Close leaves it open, and no store takes it for
	// lost when the process that started it is gone. So nobody but its own end tells that it has ended.
	Key string
	// Derived names what in this Job was found rather than given: path of the event's field → how. At most 16.
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

// own returns j with nothing in it that the caller could still change.
func (j Job) own() Job {
	j.Params = recordable(j.Params)
	j.Principal = ownPrincipal(j.Principal)
	own(&j.Target)
	own(&j.CausedBy)
	own(&j.Reverses)
	j.Labels, j.Derived = maps.Clone(j.Labels), maps.Clone(j.Derived)
	j.Code.Files = slices.Clone(j.Code.Files)
	return j
}

// An Authorizer says whether a job may run. It must be safe for concurrent use. An error or a panic of its own, and an
// answer that cannot be recorded, mean that the job does not run; the record says why.
//
// It is asked again with every heartbeat, and before an answer runs out: then the context carries the run (FromContext),
// its user and source address, and nothing else of the context that the job began with. What a running job is told:
//
//   - An answer that does not allow it ends its context at once.
//   - Where there is no answer (an error, a panic, none within Options.Deadline) the job goes on as long as the last answer
//     was valid, and its heartbeats say that nobody could be asked. An answer without ValidUntil does not run out.
//   - When ValidUntil passes and nobody has renewed it, its context ends.
//
// Each time job_cancel_requested is recorded first, with the reason and the decision.
type Authorizer interface {
	Authorize(ctx context.Context, j Job) (Decision, error)
}

// Decision is an authoriser's answer.
type Decision struct {
	Allowed       bool
	Basis         string // policy, approval, os_permission, inherited; "" means policy
	DecidedBy     string // who or what decided, at most 256 bytes
	PolicyID      string // at most 256 bytes
	PolicyVersion string // at most 64 bytes
	Required      []string
	Granted       []string
	Reason        string // at most 512 bytes
	// ValidUntil is when the answer runs out, where it does. The recorder asks again before that: after two thirds of the
	// time, and then ever sooner.
	ValidUntil time.Time
}

// task is a submission's identity and what every event of the job repeats. It is not changed once made.
type task struct {
	rec         *Recorder
	job         Job
	id          event.UUID
	parent      event.UUID
	root        event.UUID
	interaction string
	submission  event.UUID
	cause       event.UUID // of the submission: the start of the run that asked for it
	submittedAt time.Time
	location    string
	user        string
	nobody      string            // why no user is known; "": the process's own stands in
	source      found             // the address that the user came from
	request     *request          // that it began under; nil: none
	found       []event.Reference // for the submission: where others tell of what set the job off
	foundHow    string
	absent      map[string]string
	derived     map[string]string
}

// Submitted is a job that was asked for. It is a small value; the zero value returns ErrInvalid from every method.
type Submitted struct{ t *task }

// Authorized is a submitted job that may run. The zero value returns ErrInvalid from every method.
type Authorized struct {
	t     *task
	cause event.UUID // the authorization's event_id
	until time.Time  // when the answer runs out; zero where that was not said
}

// Submit records that a job was asked for: the submission phase.
func (r *Recorder) Submit(ctx context.Context, j Job) (Submitted, error) {
	t, err := r.submission(ctx, j, r.caller(1))
	if err != nil {
		return Submitted{}, err
	}
	if err := r.lost("the submission of "+t.title(), 1, r.recordJob(nil, t.submitted())); err != nil {
		return Submitted{}, err
	}
	return Submitted{t}, nil
}

// Ref returns what a worker needs to continue the job in another process: put it into the queue's metadata, and hand it
// to Resume. It has at most 16 KiB, mostly less than 1, of letters, digits and ".-_". It names the submission but proves
// nothing; secrets in name and reason are masked in it, and with an IdentityKey people are HMACs. The zero Submitted has
// the empty Ref.
func (s Submitted) Ref() string {
	if s.t == nil {
		return ""
	}
	return s.t.ref().String()
}

// Resume continues, in a worker, a job that another process submitted, and its trace. It records nothing itself.
// Parameters, labels and code stay with the submission.
func (r *Recorder) Resume(ctx context.Context, s string) (Submitted, error) {
	if r == nil {
		return Submitted{}, fmt.Errorf("resume: %w: the Recorder is nil", ErrInvalid)
	}
	if err := alive(ctx, "resume"); err != nil {
		return Submitted{}, err
	}
	f, err := parseRef(s)
	if err != nil {
		return Submitted{}, err
	}
	return Submitted{r.resumed(f, r.caller(1))}, nil
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
	if err := alive(ctx, "authorize "+s.t.title()); err != nil {
		return Authorized{}, err
	}
	ev, until, denied := s.t.authorization(ctx)
	err := s.t.rec.lost("the authorization of "+s.t.title(), 1, s.t.rec.recordJob(nil, ev))
	if denied != nil || err != nil {
		return Authorized{}, errors.Join(denied, err)
	}
	return Authorized{s.t, ev.EventID, until}, nil
}

// Start records that a run begins: the execution phase. The Run must be ended by Succeed, Fail, Abort or End; what is
// still open at Close is recorded as aborted, and what a dead process left open as lost. An authorization that has run out
// by now is asked for again.
func (a Authorized) Start(ctx context.Context) (*Run, error) {
	if a.t == nil {
		return nil, fmt.Errorf("start: %w: the Authorized is zero", ErrInvalid)
	}
	if err := alive(ctx, "start "+a.t.title()); err != nil {
		return nil, err
	}
	if !a.until.IsZero() && !time.Now().Before(a.until) {
		again, err := Submitted{a.t}.Authorize(ctx)
		if err != nil {
			return nil, err
		}
		a = again
	}
	run := a.t.run()
	run.pulse.until = a.until
	return run.start(run.startEvent(a.cause))
}

// Begin records submission, authorization and start with one flush, for callers that do not hand in a function: a
// refusal is ErrDenied, and any error means that the job must not run.
func (r *Recorder) Begin(ctx context.Context, j Job) (*Run, error) {
	return r.begin(ctx, j, r.caller(1))
}

func (r *Recorder) begin(ctx context.Context, j Job, location string) (*Run, error) {
	t, err := r.submission(ctx, j, location)
	if err != nil {
		return nil, err
	}
	authorized, until, denied := t.authorization(ctx)
	if denied != nil {
		return nil, errors.Join(denied, r.lost("the denial of "+t.title(), 2, r.recordJob(nil, t.submitted(), authorized)))
	}
	run := t.run()
	run.pulse.until = until
	return run.start(t.submitted(), authorized, run.startEvent(authorized.EventID))
}

// Do records a job around fn: submission, authorization and start with one flush, then fn, then the outcome. It returns
// fn's own error unchanged. An error that wraps ErrNotRecorded, ErrDenied or ErrInvalid and is not fn's own means that fn
// did not run.
//
// fn's context carries the run, so that jobs recorded under it become its children, and ends as Run.Context says: with the
// run, where its authorization lapses, and where somebody asks for it to be cancelled. An error is recorded as failure, or
// as aborted where that context is dead by then. A panic is recorded as failure and raised again; a goroutine that was ended
// (runtime.Goexit) as aborted. The outcome is recorded even where ctx is dead; where it cannot be, Options.OnLoss is told
// and fn's result stays what it was.
func (r *Recorder) Do(ctx context.Context, j Job, fn func(context.Context, *Run) error) error {
	if fn == nil {
		return fmt.Errorf("do: %w: the function is nil", ErrInvalid)
	}
	run, err := r.begin(ctx, j, r.caller(1))
	if err != nil {
		return err
	}
	return run.call(ctx, fn)
}

// call runs fn, and records how it ended, whichever way that is.
func (r *Run) call(ctx context.Context, fn func(context.Context, *Run) error) (err error) {
	// Under GODEBUG=panicnil=1 recover cannot tell panic(nil) from Goexit, and ends the panic: then this is the result.
	err = errors.New("the job's function panicked with nil")
	returned := false
	defer func() {
		if returned {
			return
		}
		p := recover()
		if p == nil {
			r.finish(Outcome{Status: event.StatusAborted, Reason: "the job's goroutine was ended (runtime.Goexit)"})
			return
		}
		r.finish(Outcome{Status: event.StatusFailure, Code: "panic", Reason: fmt.Sprint("panic: ", p)})
		panic(p) // from here, so that the trace still shows where it came from
	}()
	ctx = r.Context(ctx)
	err = fn(ctx, r)
	returned = true
	r.finish(r.outcomeOf(ctx, err))
	return err
}

// outcomeOf reads a function's result: cancelled work that says so was aborted, not failed. Work that was done all the same
// was done, and that is what must be known.
func (r *Run) outcomeOf(ctx context.Context, err error) Outcome {
	switch {
	case err == nil:
		o := Outcome{Status: event.StatusSuccess}
		if cause := r.stopped(); cause != nil {
			o.Reason = fmt.Sprintf("it was done although it had been cancelled: %v", cause)
		}
		return o
	case ctx.Err() != nil:
		return Outcome{Status: event.StatusAborted, Reason: fmt.Sprintf("%v (cancelled: %v)", err, context.Cause(ctx))}
	default:
		return Outcome{Status: event.StatusFailure, Reason: say(err)}
	}
}

// say is err.Error() for errors that may panic, as typed nil pointers do: an outcome must not be lost to that.
func say(err error) string { return fmt.Sprint(err) }

// alive refuses to begin anything for a caller that is gone already.
func alive(ctx context.Context, what string) error {
	if ctx.Err() == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", ErrNotRecorded, what, context.Cause(ctx))
}
