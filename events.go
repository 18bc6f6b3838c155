package stet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/origin"
)

// The phases of a job (108, Standard Model).
const (
	phaseSubmission    = "submission"
	phaseAuthorization = "authorization"
	phaseExecution     = "execution"
	phaseOutcome       = "outcome"
)

// The types that a recorder makes of a job's life.
const (
	typeSubmitted  = "job_submitted"
	typeAuthorized = "job_authorized"
	typeUnchecked  = "job_authorization_unchecked"
	typeDenied     = "job_denied"
	typeStarted    = "job_started"
	typeHeartbeat  = "job_heartbeat"
)

// The variables by which a parent process hands its place in the tree to a child. They are claims of the environment.
const (
	EnvInteractionID = "STET_INTERACTION_ID"
	EnvParentJobID   = "STET_PARENT_JOB_ID"
	EnvRootJobID     = "STET_ROOT_JOB_ID"
)

// submission makes a job's identity and its first event. location is where the job was asked for.
func (r *Recorder) submission(ctx context.Context, j Job, location string) (*task, *event.Event, error) {
	if r == nil {
		return nil, nil, fmt.Errorf("submit: %w: the Recorder is nil", ErrInvalid)
	}
	if j.Name == "" {
		return nil, nil, fmt.Errorf("submit: %w: the Job has no Name", ErrInvalid)
	}
	id, err := r.newID()
	if err != nil {
		return nil, nil, err
	}
	t := &task{rec: r, job: j, id: id, root: id, location: location, submittedAt: r.clock.Now().Wall,
		user: text(ctx, userKey{}), derived: map[string]string{}}
	t.place(ctx)
	if t.job.CausedBy != nil {
		t.job.Trigger = "event"
		p := t.principal()
		p.Upstream = t.job.CausedBy
		t.job.Principal = &p
	}
	if t.job.Trigger == "" {
		t.findTrigger()
	}
	if t.submission, err = r.newID(); err != nil {
		return nil, nil, err
	}
	ev := t.event(ctx, typeSubmitted, phaseSubmission)
	ev.EventID = t.submission
	ev.Job.Params = j.Params
	if j.Params == nil {
		ev.Absent["job.params"] = event.AbsentNotProvided
	}
	ev.Status = event.StatusPending
	return t, ev, nil
}

// place finds the job's place in the tree: under the run in ctx, else under what the environment names, else at the top.
func (t *task) place(ctx context.Context) {
	if run, ok := FromContext(ctx); ok && run.t != nil {
		t.parent, t.root, t.interaction = run.t.id, run.t.root, run.t.interaction
		if t.job.Principal == nil {
			t.job.Principal = run.t.job.Principal
		}
		if t.user == "" {
			t.user = run.t.user
		}
		if t.job.Trigger == "" {
			t.job.Trigger = "parent"
			t.derived["why.trigger"] = "context"
		}
		return
	}
	t.interaction = text(ctx, interactionKey{})
	parent, perr := event.ParseUUID(os.Getenv(EnvParentJobID))
	if inherited := os.Getenv(EnvInteractionID); inherited != "" && t.interaction == "" {
		t.interaction = inherited
		t.derived["interaction_id"] = "environment"
	}
	if perr == nil {
		t.parent, t.root = parent, parent
		if root, err := event.ParseUUID(os.Getenv(EnvRootJobID)); err == nil {
			t.root = root
		}
		t.derived["job.parent_id"] = "environment"
		if t.job.Trigger == "" {
			t.job.Trigger = "parent"
			t.derived["why.trigger"] = "environment"
		}
	}
	if t.interaction == "" {
		t.interaction = t.id.String()
	}
}

func (t *task) findTrigger() {
	found := t.rec.where.Trigger
	if found.Kind == "" {
		found.Kind, found.How = "manual", "nothing else was found"
	}
	if found.Kind == "event" {
		if found.Upstream.Found() && found.UpstreamRef.Found() {
			p := t.principal()
			p.Upstream = &event.Upstream{System: found.Upstream.Text, EventRef: found.UpstreamRef.Text}
			t.job.Principal = &p
		} else {
			found.Kind = "api"
		}
	}
	t.job.Trigger = found.Kind
	t.derived["why.trigger"] = found.How
	if ref := found.Reference; t.job.Reference == "" && ref.Found() {
		t.job.Reference = ref.Text
		t.derived["why.reference"] = ref.How
	}
}

func (t *task) principal() event.Principal {
	if t.job.Principal != nil {
		return *t.job.Principal
	}
	return *t.rec.base.Principal
}

func (t *task) ref() ref {
	f := ref{Interaction: t.interaction, Job: t.id, Name: t.job.Name, Submission: t.submission, At: t.submittedAt,
		Trigger: t.job.Trigger, Reason: t.job.Reason, Reference: t.job.Reference, User: t.user}
	if !t.parent.IsZero() {
		f.Parent, f.Root = &t.parent, &t.root
	}
	p := t.principal()
	f.As = &refWho{p.Type, p.ID}
	if p.OnBehalfOf != nil {
		f.OnBehalf = &refWho{p.OnBehalfOf.Type, p.OnBehalfOf.ID}
	}
	if p.Upstream != nil {
		f.Upstream = &refUpstream{p.Upstream.System, p.Upstream.EventRef, p.Upstream.EventType}
	}
	if t.job.Target != nil {
		f.System, f.Environment = t.job.Target.System, t.job.Target.Environment
	}
	return f
}

// resumed is the task that a reference names.
func (r *Recorder) resumed(f ref, location string) *task {
	t := &task{rec: r, id: f.Job, root: f.Job, interaction: f.Interaction, submission: f.Submission, submittedAt: f.At,
		location: location, user: f.User, derived: map[string]string{"principal": "reference", "why": "reference"},
		job: Job{Name: f.Name, Trigger: f.Trigger, Reason: f.Reason, Reference: f.Reference}}
	if f.Parent != nil && f.Root != nil {
		t.parent, t.root = *f.Parent, *f.Root
	}
	if f.As != nil {
		t.job.Principal = &event.Principal{Type: f.As.Type, ID: f.As.ID}
		if f.OnBehalf != nil {
			t.job.Principal.OnBehalfOf = &event.OnBehalfOf{Type: f.OnBehalf.Type, ID: f.OnBehalf.ID}
		}
		if f.Upstream != nil {
			t.job.Principal.Upstream = &event.Upstream{System: f.Upstream.System, EventRef: f.Upstream.Event, EventType: f.Upstream.Type}
		}
	}
	if f.System != "" || f.Environment != "" {
		t.job.Target = &event.Target{System: f.System, Environment: f.Environment}
	}
	return t
}

// event makes an event of the job with all that they share.
func (t *task) event(ctx context.Context, typ, phase string) *event.Event {
	ev := t.rec.based()
	ev.EventType = typ
	ev.InteractionID = t.interaction
	ev.CausationID = t.submission
	if phase == phaseSubmission {
		ev.CausationID = event.UUID{}
		if run, ok := FromContext(ctx); ok {
			ev.CausationID = run.startID
		}
	}
	if t.job.Code.Location == "" {
		ev.Derived["code_location"] = "caller"
	}
	ev.CodeLocation = first(t.job.Code.Location, t.location)
	maps.Copy(ev.Derived, t.derived)
	set(ev, "user_id", &ev.UserID, t.user)
	set(ev, "source_ip", &ev.SourceIP, text(ctx, sourceIPKey{}))
	if t.job.Principal != nil {
		p := *t.job.Principal
		ev.Principal = &p
		given(ev, "principal")
	}
	ev.TraceID, ev.SpanID, ev.TraceFlags = t.job.Trace.ID, t.job.Trace.Span, t.job.Trace.Flags
	ev.Target = t.job.Target
	ev.Why = &event.Why{Trigger: t.job.Trigger, Reason: t.job.Reason, Reference: t.job.Reference}
	if t.job.Reason == "" {
		ev.Absent["why.reason"] = event.AbsentNotProvided
	}
	ev.Job = &event.Job{ID: t.id.String(), Name: t.job.Name, Phase: phase, ScheduledFor: t.job.ScheduledFor}
	if !t.parent.IsZero() {
		ev.Job.ParentID, ev.Job.RootID = t.parent.String(), t.root.String()
	}
	ev.Labels = t.job.Labels
	maps.Copy(ev.Derived, t.job.Derived)
	return ev
}

// authorization asks and makes the event of what was said. denied is not nil where the job must not run.
func (t *task) authorization(ctx context.Context) (ev *event.Event, denied error) {
	id, err := t.rec.newID()
	if err != nil {
		denied = err
	}
	if t.rec.o.Authorizer == nil {
		ev = t.event(ctx, typeUnchecked, phaseAuthorization)
		ev.EventID = id
		ev.Authorization = &event.Authorization{Basis: "none", Decision: "unchecked"}
		ev.Status = event.StatusUnknown
		ev.StatusReason = "no authoriser is configured"
		return ev, denied
	}
	d, err := t.rec.o.Authorizer.Authorize(ctx, t.job)
	if err != nil {
		d.Allowed, d.Reason = false, "the authoriser failed: "+err.Error()
	}
	typ, decision, status := typeAuthorized, "allowed", event.StatusSuccess
	if !d.Allowed {
		typ, decision, status = typeDenied, "denied", event.StatusDenied
		denied = errors.Join(denied, fmt.Errorf("%s: %w: %s", t.job.Name, ErrDenied, first(d.Reason, "no reason was given")), err)
	}
	ev = t.event(ctx, typ, phaseAuthorization)
	ev.EventID = id
	ev.Status, ev.StatusReason = status, d.Reason
	ev.Authorization = &event.Authorization{Basis: first(d.Basis, "policy"), Decision: decision, DecidedBy: d.DecidedBy,
		PolicyID: d.PolicyID, PolicyVersion: d.PolicyVersion, Required: d.Required, Granted: d.Granted}
	return ev, denied
}

// start makes the run and its first event. cause is the authorization's event.
func (t *task) start(cause event.UUID) (*Run, *event.Event, error) {
	id, err := t.rec.newID()
	if err != nil {
		return nil, nil, err
	}
	startID, err := t.rec.newID()
	if err != nil {
		return nil, nil, err
	}
	run := &Run{t: t, id: id, startID: startID, started: time.Now()}
	ev := run.event(typeStarted, phaseExecution)
	ev.EventID, ev.CausationID = startID, cause
	ev.Timing = &event.Timing{SubmittedAt: t.submittedAt, StartedAt: run.started}
	set(ev, "job.code_digest", &ev.Job.CodeDigest, t.job.Code.Digest)
	set(ev, "job.env_digest", &ev.Job.EnvDigest, t.job.Code.EnvDigest)
	ev.References = t.job.Code.Files
	if ev.Job.CodeDigest == "" {
		ev.Absent["job.code_digest"] = event.AbsentNotProvided
	}
	if ev.Job.EnvDigest == "" {
		ev.Absent["job.env_digest"] = event.AbsentNotProvided
	}
	return run, ev, nil
}

// event makes an event of the run.
func (r *Run) event(typ, phase string) *event.Event {
	ev := r.t.event(context.Background(), typ, phase)
	ev.CausationID = r.startID
	ev.Job.RunID = r.id.String()
	ev.Job.Attempt = max(r.t.job.Attempt, 1)
	return ev
}

// fill completes an application's own event.
func (r *Recorder) fill(ctx context.Context, e event.Event, location string) (*event.Event, error) {
	ev := r.based()
	absent, derived, shared := ev.Absent, ev.Derived, *ev
	*ev = e
	ev.Absent, ev.Derived = absent, derived
	set(ev, "app_id", &ev.AppID, first(e.AppID, shared.AppID))
	if ev.AppID != shared.AppID {
		return nil, fmt.Errorf("record %s: %w: app_id is %q, this Recorder's stream is for %q only", e.EventType, ErrInvalid, ev.AppID, shared.AppID)
	}
	if e.Environment != "" && e.Environment != shared.Environment {
		return nil, fmt.Errorf("record %s: %w: environment is %q, this Recorder's stream is for %q only", e.EventType, ErrInvalid, e.Environment, shared.Environment)
	}
	ev.Environment = shared.Environment
	if e.AppVersion == "" {
		ev.AppVersion = shared.AppVersion
	} else {
		given(ev, "app_version")
	}
	if e.EntryPoint == nil {
		ev.EntryPoint = shared.EntryPoint
	} else {
		given(ev, "entry_point")
	}
	if e.Host == nil {
		ev.Host = shared.Host
	} else {
		given(ev, "host")
	}
	set(ev, "code_location", &ev.CodeLocation, first(e.CodeLocation, location))
	if e.CodeLocation == "" {
		ev.Derived["code_location"] = "caller"
	}
	user, ip := text(ctx, userKey{}), text(ctx, sourceIPKey{})
	run, inRun := FromContext(ctx)
	inRun = inRun && run.t != nil
	if inRun {
		user = first(user, run.t.user)
	}
	set(ev, "user_id", &ev.UserID, first(e.UserID, user, shared.UserID))
	set(ev, "source_ip", &ev.SourceIP, first(e.SourceIP, ip, shared.SourceIP))
	switch {
	case e.Principal != nil:
		given(ev, "principal")
	case inRun:
		p := run.t.principal()
		ev.Principal = &p
	default:
		ev.Principal = shared.Principal
	}
	if ev.InteractionID == "" {
		switch id := text(ctx, interactionKey{}); {
		case inRun:
			ev.InteractionID = run.t.interaction
			if ev.CausationID.IsZero() {
				ev.CausationID = run.startID
			}
		case id != "":
			ev.InteractionID = id
		default:
			id, err := r.newID()
			if err != nil {
				return nil, err
			}
			ev.InteractionID = first(os.Getenv(EnvInteractionID), id.String())
		}
	}
	maps.Copy(ev.Absent, e.Absent)
	maps.Copy(ev.Derived, e.Derived)
	return ev, nil
}

// caller is the place outside this package that called into it.
func caller(skip int) string { return origin.Caller(skip, "github.com/stetlog/stet").Location.Text }

// based returns a new event with what all events of this process share, its maps its own.
func (r *Recorder) based() *event.Event {
	ev := r.base
	ev.Absent, ev.Derived = maps.Clone(ev.Absent), maps.Clone(ev.Derived)
	return &ev
}

// set gives a field a value that was given rather than found, where there is one.
func set(ev *event.Event, path string, field *string, value string) {
	if value != "" {
		*field = value
		given(ev, path)
	}
}

// given takes back what was said of a path's default.
func given(ev *event.Event, path string) {
	delete(ev.Absent, path)
	delete(ev.Derived, path)
}

func first(of ...string) string {
	for _, s := range of {
		if s != "" {
			return s
		}
	}
	return ""
}
