package stet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
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
	typePaused     = "job_paused"
	typeResumed    = "job_resumed"
	typeRetry      = "job_retry_scheduled"
	typeCancel     = "job_cancel_requested"
	typeDuplicate  = "job_deduplicated"
	typeCorrected  = "job_corrected"
)

// submission makes a job's identity. location is where the job was asked for.
func (r *Recorder) submission(ctx context.Context, j Job, location string) (*task, error) {
	if r == nil {
		return nil, fmt.Errorf("submit: %w: the Recorder is nil", ErrInvalid)
	}
	if j.Name == "" {
		return nil, fmt.Errorf("submit: %w: the Job has no Name", ErrInvalid)
	}
	if err := j.checkKey(); err != nil {
		return nil, err
	}
	if j.Reverses != nil {
		if err := j.Reverses.check(); err != nil {
			return nil, fmt.Errorf("submit %.64q: Reverses: %w", j.Name, err)
		}
		if j.Reverses.JobID == "" {
			return nil, fmt.Errorf("submit %.64q: Reverses: %w: it names no job", j.Name, ErrInvalid)
		}
	}
	t := &task{rec: r, job: j.own(), location: location, submittedAt: r.clock.Now().Wall,
		absent: map[string]string{}, derived: map[string]string{}}
	if err := alive(ctx, "the submission of "+t.title()); err != nil {
		return nil, err
	}
	t.id, t.submission = t.newID("job"), t.newID("submission")
	t.root, t.interaction = t.id, t.id.String()
	t.place(ctx)
	if t.job.CausedBy != nil {
		t.job.Trigger = "event"
		t.cameFrom(t.job.CausedBy)
		if id, err := event.ParseUUID(t.job.CausedBy.EventRef); err == nil && id.IsV7() {
			t.cause = id
		}
	}
	if t.job.Trigger == "" {
		t.findTrigger()
	}
	return t, nil
}

// submitted is the first event of the job.
func (t *task) submitted() *event.Event {
	ev := t.event(typeSubmitted, phaseSubmission)
	ev.EventID, ev.CausationID = t.submission, t.cause
	ev.Job.Params = t.job.Params
	if t.job.Params == nil {
		ev.Absent["job.params"] = event.AbsentNotProvided
	}
	if len(t.found) > 0 {
		ev.References, ev.Derived["references"] = fitReferences(t.found, 0), t.foundHow
	}
	if t.request != nil {
		ev.References = t.request.claims
	}
	ev.Status = event.StatusPending
	return ev
}

func (t *task) findTrigger() {
	if t.request != nil {
		t.foundTrigger("api", "http request")
		return
	}
	found := t.rec.where.Trigger
	if found.Kind == "" {
		found.Kind, found.How = "manual", "nothing else was found"
	}
	if found.Kind == "event" {
		if found.Upstream.Found() && found.UpstreamRef.Found() {
			t.cameFrom(&event.Upstream{System: found.Upstream.Text, EventRef: found.UpstreamRef.Text})
		} else {
			found.Kind = "api"
		}
	}
	t.foundTrigger(found.Kind, found.How)
	if ref := found.Reference; t.job.Reference == "" && ref.Found() {
		t.job.Reference = ref.Text
		t.derived["why.reference"] = ref.How
	}
	var hows []string
	for _, ref := range t.rec.where.References {
		t.found = append(t.found, event.Reference{Kind: ref.Kind, Value: ref.Value.Text})
		if !slices.Contains(hows, ref.Value.How) {
			hows = append(hows, ref.Value.How)
		}
	}
	t.foundHow = clip(strings.Join(hows, "; "), 256)
}

// cameFrom names the upstream event in the principal.
func (t *task) cameFrom(u *event.Upstream) {
	p := t.principal()
	p.Upstream = u
	if t.job.Principal == nil {
		t.derived["principal"] = t.rec.base.Derived["principal"]
	}
	t.job.Principal = &p
}

func (t *task) principal() event.Principal {
	if t.job.Principal != nil {
		return *t.job.Principal
	}
	return *t.rec.base.Principal
}

// title names the job in errors, where its name may be anything.
func (t *task) title() string { return event.Sanitize(clip(t.job.Name, 128)) }

// event makes an event of the job with all that they share.
func (t *task) event(typ, phase string) *event.Event {
	ev := t.rec.based()
	ev.EventType = typ
	ev.InteractionID = t.interaction
	ev.CausationID = t.submission
	if t.job.Code.Location == "" {
		ev.Derived["code_location"] = "caller"
	}
	ev.CodeLocation = first(t.job.Code.Location, t.location)
	t.request.into(ev, t.rec)
	setUser(ev, t.user, t.nobody)
	setAddress(ev, t.source)
	if t.job.Principal != nil {
		p := *t.job.Principal
		ev.Principal = &p
		given(ev, "principal")
	}
	t.job.Trace.into(ev)
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
	maps.Copy(ev.Absent, t.absent)
	maps.Copy(ev.Derived, t.derived)
	maps.Copy(ev.Derived, t.job.Derived)
	return ev
}

// authorization asks and makes the event of what was said, and until when it holds. denied is not nil where the job must
// not run.
func (t *task) authorization(ctx context.Context) (ev *event.Event, until time.Time, denied error) {
	id := t.rec.newID()
	defer func() { // each attempt is authorized by itself
		if t.job.Attempt > 1 {
			ev.Job.Attempt = t.job.Attempt
		}
	}()
	if t.rec.o.Authorizer == nil {
		ev = t.event(typeUnchecked, phaseAuthorization)
		ev.EventID = id
		ev.Authorization = &event.Authorization{Basis: "none", Decision: "unchecked"}
		ev.Status = event.StatusUnknown
		ev.StatusReason = "no authoriser is configured"
		return ev, until, nil
	}
	d, err := t.ask(ctx)
	if err != nil {
		d.Allowed, d.Reason = false, say(err)
	} else if d.outdated() {
		d.Allowed, d.Reason = false, "its answer was valid only until "+event.FormatTime(d.ValidUntil)
	}
	typ, decision, status := typeAuthorized, "allowed", event.StatusSuccess
	if !d.Allowed {
		typ, decision, status = typeDenied, "denied", event.StatusDenied
		if denied = fmt.Errorf("%s: %w: %s", t.title(), ErrDenied, first(d.Reason, "no reason was given")); err != nil {
			denied = fmt.Errorf("%s: %w: %w", t.title(), ErrDenied, err)
		}
	}
	ev = t.event(typ, phaseAuthorization)
	ev.EventID = id
	ev.Status, ev.StatusReason = status, d.Reason
	d.into(ev, decision)
	if d.Allowed && !d.ValidUntil.IsZero() {
		ev.References = []event.Reference{{Kind: "valid_until", Value: event.FormatTime(d.ValidUntil)}}
	}
	return ev, d.ValidUntil, denied
}

// into writes the decision into an event.
func (d Decision) into(ev *event.Event, decision string) {
	ev.Authorization = &event.Authorization{Basis: first(d.Basis, "policy"), Decision: decision, DecidedBy: d.DecidedBy,
		PolicyID: d.PolicyID, PolicyVersion: d.PolicyVersion, Required: fitTexts(d.Required), Granted: fitTexts(d.Granted)}
	if d.Basis == "" {
		ev.Derived["authorization.basis"] = "default"
	}
}

// outdated says whether the answer has run out already.
func (d Decision) outdated() bool {
	return d.Allowed && !d.ValidUntil.IsZero() && !time.Now().Before(d.ValidUntil)
}

// ask is the authoriser's answer. Whatever goes wrong in it is an error, so that the refusal is recorded.
func (t *task) ask(ctx context.Context) (d Decision, err error) {
	defer func() {
		if p := recover(); p != nil {
			d, err = Decision{}, fmt.Errorf("the authoriser panicked: %v", p)
		}
	}()
	d, err = t.rec.o.Authorizer.Authorize(ctx, t.job)
	if err != nil {
		return d, fmt.Errorf("the authoriser failed: %w", err)
	}
	if d.Basis != "" && !isOneOf(d.Basis, bases) {
		err = fmt.Errorf("the authoriser's answer cannot be recorded: its basis is %.40q, known are %s", d.Basis, strings.Join(bases, ", "))
		d.Basis = "none"
	}
	if d.ValidUntil.UTC().Year() > 9999 {
		d.ValidUntil = time.Time{} // no event can say so, and nobody will be there to see it
	}
	return d, err
}

// run makes a run of the job that has not started yet.
func (t *task) run() *Run {
	return &Run{t: t, id: t.newID(t.attempt("run")), startID: t.newID(t.attempt("start")), started: time.Now()}
}

// startEvent is the run's first event. cause is the authorization's.
func (r *Run) startEvent(cause event.UUID) *event.Event {
	ev := r.event(typeStarted, phaseExecution)
	ev.EventID, ev.CausationID = r.startID, cause
	ev.Timing = &event.Timing{SubmittedAt: r.t.submittedAt, StartedAt: r.started}
	code := r.t.job.Code
	set(ev, "job.code_digest", &ev.Job.CodeDigest, code.Digest)
	set(ev, "job.env_digest", &ev.Job.EnvDigest, code.EnvDigest)
	ev.References = r.startReferences()
	if code.Digest == "" {
		ev.Absent["job.code_digest"] = event.AbsentNotProvided
	}
	if code.EnvDigest == "" {
		ev.Absent["job.env_digest"] = event.AbsentNotProvided
	}
	return ev
}

// event makes an event of the run.
func (r *Run) event(typ, phase string) *event.Event {
	ev := r.t.event(typ, phase)
	ev.CausationID = r.startID
	ev.Job.RunID = r.id.String()
	ev.Job.Attempt = max(r.t.job.Attempt, 1)
	return ev
}

// recordJob is record for a job's events, which give up what the schema refuses rather than the record.
func (r *Recorder) recordJob(started *Run, events ...*event.Event) error {
	return r.beforeClose(func(ctx context.Context) error {
		err := r.emitJob(ctx, started, events...)
		if started != nil && r.o.Policy == RequireRecord && inDoubt(err) {
			started.mu.Lock()
			started.unrun = "the job did not run, because its start could not be made durable in time: " + say(err) // before Close sees it
			started.mu.Unlock()
		} else if started != nil && started.detached() {
			r.forget(ctx, started) // before Close sees it: it runs on without this process
		}
		return err
	})
}

func (r *Recorder) emitJob(ctx context.Context, started *Run, events ...*event.Event) error {
	err := r.emit(ctx, started, events...)
	if err == nil {
		return nil
	}
	var refused *event.Error
	if !errors.As(err, &refused) {
		return err
	}
	var dropped []*event.Error
	for _, ev := range events {
		d, err := r.fit(ev)
		if err != nil {
			return err
		}
		dropped = append(dropped, d...)
	}
	if err := r.emit(ctx, started, events...); err != nil {
		return err
	}
	for _, d := range dropped {
		r.o.OnLoss(fmt.Errorf("a part of %s was not recorded: %w", event.Sanitize(clip(events[0].Job.Name, 128)), d))
	}
	return nil
}

// fill completes an application's own event. fresh says that nobody gave its interaction id.
func (r *Recorder) fill(ctx context.Context, e event.Event, location string) (_ *event.Event, fresh bool, _ error) {
	bad := func(format string, args ...any) (*event.Event, bool, error) {
		return nil, false, fmt.Errorf("record %.64q: %w: %s", e.EventType, ErrInvalid, fmt.Sprintf(format, args...))
	}
	if t, ok := r.catalogue().Lookup(e.EventType); ok && t.Reserved {
		return bad("only a store's or server's own key raises this type")
	}
	if own(&e.Job); e.Job != nil {
		e.Job.Params = recordable(e.Job.Params)
	}
	ev, shared := r.based(), &r.base
	absent, derived := ev.Absent, ev.Derived
	*ev = e
	ev.Absent, ev.Derived = absent, derived
	set(ev, "app_id", &ev.AppID, first(e.AppID, shared.AppID))
	if ev.AppID != shared.AppID {
		return bad("app_id is %.140q, this Recorder's stream is for %q only", ev.AppID, shared.AppID)
	}
	if e.Environment != "" && e.Environment != shared.Environment {
		return bad("environment is %.40q, this Recorder's stream is for %q only", e.Environment, shared.Environment)
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
		given(ev, "entry_point.name")
	}
	if e.Host == nil {
		ev.Host = shared.Host
	} else {
		given(ev, "host")
		given(ev, "host.name")
		given(ev, "host.ip")
	}
	if ev.CodeLocation == "" {
		ev.CodeLocation = location
		ev.Derived["code_location"] = "caller"
	}
	run, _ := FromContext(ctx)
	if run.zero() {
		run = nil
	}
	q := requestOf(ctx)
	if q == nil && run != nil {
		q = run.t.request
	}
	q.complete(&e, ev, r)
	r.fillWho(ctx, run, &e, ev, shared)
	fresh = r.fillInteraction(ctx, run, ev)
	fillTrace(ctx, ev)
	notFound(ev, &e)
	maps.Copy(ev.Absent, e.Absent)
	maps.Copy(ev.Derived, e.Derived)
	return ev, fresh, nil
}

// notFound takes back what was found in place of what the event itself says is not known.
func notFound(ev, e *event.Event) {
	excused := func(path string, given bool) bool {
		if _, ok := e.Absent[path]; !ok || given {
			return false
		}
		delete(ev.Derived, path)
		return true
	}
	for _, field := range [...]struct {
		path  string
		found *string
		given string
	}{
		{"app_version", &ev.AppVersion, e.AppVersion},
		{"code_location", &ev.CodeLocation, e.CodeLocation},
		{"user_id", &ev.UserID, e.UserID},
		{"source_ip", &ev.SourceIP, e.SourceIP},
	} {
		if excused(field.path, field.given != "") {
			*field.found = ""
		}
	}
	if excused("entry_point", e.EntryPoint != nil) {
		ev.EntryPoint = nil
		delete(ev.Derived, "entry_point.name")
		delete(ev.Absent, "entry_point.name")
	}
	if excused("host", e.Host != nil) {
		ev.Host = nil
		for _, path := range []string{"host.name", "host.ip"} {
			delete(ev.Derived, path)
			delete(ev.Absent, path)
		}
	}
	if excused("principal", e.Principal != nil) {
		ev.Principal = nil
	}
}

// fillWho says who: the event itself, else ctx, else the run that it happens in, else the process.
func (r *Recorder) fillWho(ctx context.Context, run *Run, e, ev, shared *event.Event) {
	user, nobody := userOf(ctx)
	ip := value(ctx, sourceIPKey{})
	ev.Principal = shared.Principal
	switch {
	case e.Principal != nil:
		ev.Principal = e.Principal
		given(ev, "principal")
	case run != nil:
		p := run.t.principal()
		ev.Principal = &p
		if run.t.job.Principal != nil {
			given(ev, "principal")
		}
	}
	if run != nil && user == "" {
		user, nobody = run.t.user, first(nobody, run.t.nobody)
	}
	if run != nil && ip.text == "" {
		ip = run.t.source
	}
	ev.UserID, ev.SourceIP = shared.UserID, shared.SourceIP
	setUser(ev, first(e.UserID, user), nobody)
	if e.SourceIP != "" {
		set(ev, "source_ip", &ev.SourceIP, e.SourceIP) // as given: where it is no address, the caller is told
		if a, _, ok := fitAddress(e.SourceIP); ok {
			ev.SourceIP = a
		}
		return
	}
	setAddress(ev, ip)
}

// fillInteraction says what the event belongs to: what it names itself, else the run that it happens in, else ctx or the
// environment, else nothing else: then the id is fresh.
func (r *Recorder) fillInteraction(ctx context.Context, run *Run, ev *event.Event) (fresh bool) {
	var how string
	switch {
	case ev.InteractionID != "":
		ev.InteractionID, how = fitInteraction(ev.InteractionID)
	case run != nil:
		ev.InteractionID = run.t.interaction
		if ev.CausationID.IsZero() {
			ev.CausationID = run.startID
		}
	default:
		ev.InteractionID, how = interactionOf(ctx)
	}
	if how != "" {
		ev.Derived["interaction_id"] = how
	}
	if ev.InteractionID != "" {
		return false
	}
	ev.InteractionID = r.newID().String()
	return true
}

// fillTrace says which trace the event belongs to, where it does not say so itself.
func fillTrace(ctx context.Context, ev *event.Event) {
	if ev.TraceID+ev.SpanID+ev.TraceFlags != "" {
		return
	}
	t, how := traceOf(ctx)
	if t.into(ev); how != "" {
		ev.Derived["trace_id"] = how
	}
}

func (r *Recorder) catalogue() *event.Catalogue {
	if r.o.Catalogue != nil {
		return r.o.Catalogue
	}
	return event.Builtin()
}

// caller is the place outside this package that called into it, through skip functions of it. Finding its name costs
// more than all the rest of an event, so it is done once for each place in the program.
func (r *Recorder) caller(skip int) string {
	if r == nil {
		return ""
	}
	var pc [1]uintptr
	if runtime.Callers(skip+2, pc[:]) == 0 {
		return ""
	}
	if known, ok := r.places.Load(pc[0]); ok {
		return known.(string)
	}
	place := origin.Caller(skip, "github.com/stetlog/stet").Location.Text
	r.places.Store(pc[0], place)
	return place
}

// at is the place of a program counter, as caller is; "" for 0.
func (r *Recorder) at(pc uintptr) string {
	if known, ok := r.places.Load(pc); ok {
		return known.(string)
	}
	place := origin.At(pc).Location.Text
	r.places.Store(pc, place)
	return place
}

// based returns an event with what all events of this process share, its maps its own.
func (r *Recorder) based() *event.Event {
	ev, _ := r.used.Get().(*event.Event)
	if ev == nil {
		ev = &event.Event{Absent: map[string]string{}, Derived: map[string]string{}}
	}
	absent, derived := ev.Absent, ev.Derived
	*ev = r.base
	ev.Absent, ev.Derived = absent, derived
	maps.Copy(ev.Absent, r.base.Absent)
	maps.Copy(ev.Derived, r.base.Derived)
	return ev
}

// done lets events of based be used again, where many are made: nothing of them is needed any more, and nobody has them.
func (r *Recorder) done(events ...*event.Event) {
	for _, ev := range events {
		if ev.Absent == nil || ev.Derived == nil {
			continue // fit has given it up
		}
		clear(ev.Absent)
		clear(ev.Derived)
		*ev = event.Event{Absent: ev.Absent, Derived: ev.Derived}
		r.used.Put(ev)
	}
}

// set gives a field a value that was given rather than found, where there is one.
func set(ev *event.Event, path string, field *string, value string) {
	if value != "" {
		*field = value
		given(ev, path)
	}
}

// setUser sets who is logged in, or says why that is not known. Where neither is said, the process's own user stays.
func setUser(ev *event.Event, user, nobody string) {
	if user == "" && nobody != "" {
		ev.UserID = ""
		delete(ev.Derived, "user_id")
		ev.Absent["user_id"] = nobody
		return
	}
	set(ev, "user_id", &ev.UserID, user)
}

// setAddress sets the address that a user came from, where ctx has one. One that is none is not the user's doing, and
// must not cost the record.
func setAddress(ev *event.Event, from found) {
	if from.text == "" {
		return
	}
	given(ev, "source_ip")
	ip, port, ok := fitAddress(from.text)
	if !ok {
		ev.SourceIP = ""
		ev.Absent["source_ip"] = event.AbsentUnavailable
		return
	}
	if from.how != "" {
		ev.Derived["source_ip"] = from.how
	}
	ev.SourceIP = ip
	if port > 0 {
		src := event.Source{Port: port}
		if ev.Source != nil {
			src = *ev.Source
			if src.Port == 0 {
				src.Port = port
			}
		}
		ev.Source = &src
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
