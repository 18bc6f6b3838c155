package stet

import "context"

type (
	runKey         struct{}
	interactionKey struct{}
	userKey        struct{}
	sourceIPKey    struct{}
	traceKey       struct{} // inTrace
	lineageKey     struct{} // *lineage: what a peer claimed
	requestKey     struct{} // *request
)

// found is a text, and how it was found; "" where the program said so.
type found struct{ text, how string }

// FromContext returns the run whose function was called with ctx, or with a context made from it. The job that Do or
// Submit records under such a context becomes its child: it inherits interaction, root and principal.
func FromContext(ctx context.Context) (*Run, bool) {
	r, ok := ctx.Value(runKey{}).(*Run)
	return r, ok && r != nil
}

// WithRun returns a context under which new jobs are children of r. Do has done it for its function; it is for those who
// start runs with Authorized.Start.
func WithRun(ctx context.Context, r *Run) context.Context { return context.WithValue(ctx, runKey{}, r) }

// WithInteraction sets the interaction_id of what is recorded under ctx outside any run: one id for all events of a
// request or transaction. One of more than 128 bytes, or with hidden characters, is replaced by an id derived from it,
// and one that looks like a secret by a new one; "derived" says so.
func WithInteraction(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, interactionKey{}, found{text: id})
}

// WithUser sets the user_id of what is recorded under ctx: who is logged in, at most 256 bytes.
func WithUser(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, userKey{}, found{text: id})
}

// WithSourceIP sets the source_ip of what is recorded under ctx: the address that the user came from, with or without a
// port, as http.Request.RemoteAddr has it. What is no address is recorded as unavailable.
func WithSourceIP(ctx context.Context, ip string) context.Context {
	return context.WithValue(ctx, sourceIPKey{}, found{text: ip})
}

func value(ctx context.Context, key any) found {
	f, _ := ctx.Value(key).(found)
	return f
}
