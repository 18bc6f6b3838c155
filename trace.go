package stet

import (
	"context"
	"encoding/hex"
	"strings"

	"github.com/stetlog/stet/event"
)

// Trace is a place in a W3C trace (Trace Context, Level 2): ids in lower-case hex, 32, 16 and 2 digits. State is the
// tracestate that goes with them; it is passed on, and not recorded.
type Trace struct{ ID, Span, Flags, State string }

// WithTrace sets the W3C trace of what is recorded under ctx: the span that a program's own tracer is in. A job that
// begins under it belongs to the trace, with a span of its own. A Trace that no traceparent could carry is not used.
func WithTrace(ctx context.Context, t Trace) context.Context {
	run, _ := FromContext(ctx)
	return context.WithValue(ctx, traceKey{}, inTrace{Trace: t, run: run})
}

// inTrace is what WithTrace sets: the trace within one run, or outside any.
type inTrace struct {
	Trace
	how string // for derived; "" where the program said so
	run *Run
}

// traceOf is the trace of what is recorded under ctx, zero where there is none, and how it was found.
func traceOf(ctx context.Context) (Trace, string) {
	run, inRun := FromContext(ctx)
	if in, ok := ctx.Value(traceKey{}).(inTrace); ok && in.run == run && in.valid() {
		return in.Trace, in.how
	}
	switch {
	case inRun:
		if !run.zero() && run.t.job.Trace.valid() {
			return run.t.job.Trace, ""
		}
	case !placed(ctx):
		return claimedTrace(environment, fromEnvironment)
	}
	return Trace{}, ""
}

// trace gives the job its place in a trace: what the Job says, else a span of its own in the trace that it begins under,
// else in a new one. Ids that are new are those of the tree: the trace is named as the root job, the span as the job.
func (t *task) trace(under Trace, how string) {
	if t.job.Trace != (Trace{}) {
		return
	}
	t.job.Trace = Trace{ID: hex.EncodeToString(t.root[:]), Span: hex.EncodeToString(t.id[8:]), Flags: "00"}
	if under.valid() {
		t.job.Trace.ID, t.job.Trace.Flags, t.job.Trace.State = under.ID, under.Flags, under.State
		if how != "" {
			t.derived["trace_id"] = how
		}
	}
}

// into puts the trace into an event.
func (t Trace) into(ev *event.Event) { ev.TraceID, ev.SpanID, ev.TraceFlags = t.ID, t.Span, t.Flags }

// valid says whether a traceparent can carry t.
func (t Trace) valid() bool {
	return isHex(t.ID, 32) && isHex(t.Span, 16) && isHex(t.Flags, 2) && notZero(t.ID) && notZero(t.Span)
}

// parent is t as the traceparent header has it (Trace Context 3.2.2), of a valid t.
func (t Trace) parent() string { return "00-" + t.ID + "-" + t.Span + "-" + t.Flags }

// parseTraceparent reads a traceparent header (Trace Context, Level 2, 3.2 and 4). Of a version that is newer than 00 it
// takes the part that all versions share. Of the flags it keeps those that are defined: sampled and random.
func parseTraceparent(s string) (t Trace, ok bool) {
	const size = 55
	if len(s) < size || s[2] != '-' || s[35] != '-' || s[52] != '-' {
		return t, false
	}
	version := s[:2]
	if !isHex(version, 2) || version == "ff" || version == "00" && len(s) > size || len(s) > size && s[size] != '-' {
		return t, false
	}
	t = Trace{ID: s[3:35], Span: s[36:52], Flags: s[53:size]}
	if !t.valid() {
		return Trace{}, false
	}
	flags, _ := hex.DecodeString(t.Flags) // it is valid
	t.Flags = hex.EncodeToString([]byte{flags[0] & 0x03})
	return t, true
}

// Limits of a tracestate: members (Trace Context 3.3.1.1), and bytes of the whole; 512 must be passed on at least.
const (
	maxStates     = 32
	maxStateBytes = 8 << 10
)

// parseTracestate joins the lines of a tracestate header; "" where they do not keep to the grammar (Trace Context 3.3.1):
// then it must not be passed on, and the traceparent is good all the same.
func parseTracestate(lines []string) string {
	size := 0
	for _, l := range lines {
		size += len(l) + 1
	}
	if size > maxStateBytes+1 {
		return ""
	}
	var members []string
	for _, l := range lines {
		for m := range strings.SplitSeq(l, ",") {
			m = strings.Trim(m, " \t")
			if m == "" {
				continue
			}
			if !isState(m) || len(members) == maxStates {
				return ""
			}
			members = append(members, m)
		}
	}
	return strings.Join(members, ",")
}

// isState says whether s is one key=value of a tracestate.
func isState(s string) bool {
	key, value, ok := strings.Cut(s, "=")
	if !ok || key == "" || len(key) > 256 || len(value) > 256 || !isLowerAlnum(key[0]) {
		return false
	}
	for i := range len(key) {
		if c := key[i]; !isLowerAlnum(c) && strings.IndexByte("_-*/@", c) < 0 {
			return false
		}
	}
	for i := range len(value) {
		if c := value[i]; c < ' ' || c > '~' || c == '=' {
			return false
		}
	}
	return true
}

func isLowerAlnum(c byte) bool { return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' }

// isHex says whether s is n digits of lower-case hex.
func isHex(s string, n int) bool {
	if len(s) != n {
		return false
	}
	for i := range n {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

func notZero(hex string) bool { return strings.Trim(hex, "0") != "" }
