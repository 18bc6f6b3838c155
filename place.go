package stet

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/redact"
)

// The variables by which a parent process hands its place in the tree to a child, beside TRACEPARENT and TRACESTATE: see
// Run.Environ. They are claims of the environment, which anybody may have set.
const (
	EnvInteractionID = "STET_INTERACTION_ID"
	EnvParentJobID   = "STET_PARENT_JOB_ID"
	EnvRootJobID     = "STET_ROOT_JOB_ID"

	envTraceparent = "TRACEPARENT" // as OpenTelemetry names them
	envTracestate  = "TRACESTATE"
)

// variables has for each header the variable that says the same.
var variables = map[string]string{HeaderInteractionID: EnvInteractionID, HeaderParentJobID: EnvParentJobID, HeaderRootJobID: EnvRootJobID,
	headerTraceparent: envTraceparent, headerTracestate: envTracestate}

// place finds the job's place in the tree: under the run in ctx, else under what a peer or the environment names, else at
// the top.
func (t *task) place(ctx context.Context) {
	l := lineageOf(ctx)
	t.request, t.source = requestOf(ctx).settled(), value(ctx, sourceIPKey{})
	t.user, t.nobody = userOf(ctx)
	if l.interaction != "" {
		t.interaction = l.interaction
	}
	t.derive("interaction_id", l.interactionHow)
	switch {
	case l.damaged:
		t.absent["job.parent_id"] = event.AbsentUnavailable // there is a parent, but its name is damaged
	case l.run != nil:
		t.under(l.run)
	case !l.parent.IsZero():
		t.parent, t.root = l.parent, l.root
		t.derive("job.parent_id", l.parentHow)
		t.derive("job.root_id", l.rootHow)
		t.foundTrigger("parent", l.parentHow)
	}
	t.trace(l.trace, l.traceHow)
}

// under makes the job a child of a run in this process.
func (t *task) under(run *Run) {
	of := run.t
	t.parent, t.root, t.cause = of.id, of.root, run.startID
	if t.job.Principal == nil {
		t.job.Principal = of.job.Principal
	}
	if t.user == "" {
		t.user, t.nobody = of.user, first(t.nobody, of.nobody)
	}
	if t.source.text == "" {
		t.source = of.source
	}
	if t.request == nil {
		t.request = of.request
	}
	t.foundTrigger("parent", "context")
}

func (t *task) foundTrigger(kind, how string) {
	if t.job.Trigger == "" {
		t.job.Trigger = kind
		t.derive("why.trigger", how)
	}
}

// derive says how a value was found; nothing where it was given.
func (t *task) derive(path, how string) {
	if how != "" {
		t.derived[path] = how
	}
}

// interactionOf is what ctx, else the environment, says; "" where neither does. how is for derived.
func interactionOf(ctx context.Context) (id, how string) {
	in := value(ctx, interactionKey{})
	if in.text == "" && !placed(ctx) {
		if in.text = os.Getenv(EnvInteractionID); in.text != "" {
			in.how = fromEnvironment(HeaderInteractionID)
		}
	}
	if in.text == "" {
		return "", in.how
	}
	if id, how = fitInteraction(in.text); how == "" {
		how = in.how
	}
	return id, how
}

// maxInteraction is SCHEMA's limit, in bytes.
const maxInteraction = 128

// fitInteraction returns an id that every event, reference and environment carries unchanged: otherwise the parts of one
// story would not find each other. What is too long or does not show itself becomes an id derived from it, the same
// wherever it is given. What looks like a secret is not used at all, because masking would make one id of many; how then
// has the reason, and id is empty.
func fitInteraction(s string) (id, how string) {
	if redact.Look(s)&redact.Suspect != 0 {
		if masked, _ := redact.Text(s); masked != s {
			return "", "new: the id given looks like a secret"
		}
	}
	if len(s) <= maxInteraction && utf8.ValidString(s) && event.Sanitize(s) == s {
		return s, ""
	}
	return event.DeriveUUID("interaction", s, [6]byte{}).String(), "digest: the id given is too long or holds hidden characters"
}

// fitAddress returns an address as events hold it, and the port behind it, if any: callers have "192.0.2.1:5678" of a
// connection more often than an address. ok is false where s is none.
func fitAddress(s string) (ip string, port int64, ok bool) {
	if len(s) > 128 {
		return "", 0, false
	}
	a, err := netip.ParseAddr(strings.TrimSuffix(strings.TrimPrefix(s, "["), "]"))
	if err != nil {
		p, err := netip.ParseAddrPort(s)
		if err != nil {
			return "", 0, false
		}
		a, port = p.Addr(), int64(p.Port())
	}
	return a.Unmap().WithZone("").String(), port, true
}
