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

// The variables by which a parent process hands its place in the tree to a child: see Run.Environ. They are claims of
// the environment, which anybody may have set.
const (
	EnvInteractionID = "STET_INTERACTION_ID"
	EnvParentJobID   = "STET_PARENT_JOB_ID"
	EnvRootJobID     = "STET_ROOT_JOB_ID"
)

// place finds the job's place in the tree: under the run in ctx, else under what the environment names, else at the top.
func (t *task) place(ctx context.Context) {
	if run, ok := FromContext(ctx); ok && !run.zero() {
		t.parent, t.root, t.interaction, t.cause = run.t.id, run.t.root, run.t.interaction, run.startID
		if t.job.Principal == nil {
			t.job.Principal = run.t.job.Principal
		}
		t.user = first(t.user, run.t.user)
		t.sourceIP = first(t.sourceIP, run.t.sourceIP)
		t.foundTrigger("parent", "context")
		return
	}
	var how string
	if t.interaction, how = interactionOf(ctx); how != "" {
		t.derived["interaction_id"] = how
	}
	if t.interaction == "" {
		t.interaction = t.id.String()
	}
	claim := os.Getenv(EnvParentJobID)
	if claim == "" {
		return
	}
	parent, err := event.ParseUUID(claim)
	if err != nil {
		t.absent["job.parent_id"] = event.AbsentUnavailable // there is a parent, but its name is damaged
		return
	}
	t.parent, t.root = parent, parent
	t.derived["job.root_id"] = "the parent: " + EnvRootJobID + " names no job"
	if root, err := event.ParseUUID(os.Getenv(EnvRootJobID)); err == nil {
		t.root = root
		t.derived["job.root_id"] = "environment: " + EnvRootJobID
	}
	t.derived["job.parent_id"] = "environment: " + EnvParentJobID
	t.foundTrigger("parent", "environment: "+EnvParentJobID)
}

func (t *task) foundTrigger(kind, how string) {
	if t.job.Trigger == "" {
		t.job.Trigger = kind
		t.derived["why.trigger"] = how
	}
}

// interactionOf is what ctx, else the environment, says; "" where neither does. how is for derived.
func interactionOf(ctx context.Context) (id, how string) {
	if id := text(ctx, interactionKey{}); id != "" {
		return fitInteraction(id)
	}
	claim := os.Getenv(EnvInteractionID)
	if claim == "" {
		return "", ""
	}
	if id, how = fitInteraction(claim); how == "" {
		how = "environment: " + EnvInteractionID
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
