package stet

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stetlog/stet/event"
)

// SCHEMA's limits on lists, in elements.
const (
	maxReferences = 16
	maxTexts      = 32
)

// notRecorded is the label that names what had to be left out of an event.
const notRecorded = "not_recorded"

// fit makes a refused event of a job one that the schema takes, by giving up the fields that it refuses one by one, and
// returns what these were. It changes ev, which the emitter has filled and refused already. An error is a mistake in the
// program: see the package comment.
func (r *Recorder) fit(ev *event.Event) (dropped []*event.Error, err error) {
	ev.StreamSeq = max(ev.StreamSeq, 1)
	var said []string
	for range 4 * len(repairs) {
		_, err = r.codec.Append(nil, ev)
		var refused *event.Error
		if !errors.As(err, &refused) || !repair(ev, refused) {
			return dropped, err
		}
		dropped = append(dropped, refused)
		said = append(said, strings.TrimPrefix(refused.Error(), "event: "))
		ev.Labels = maps.Clone(ev.Labels)
		if ev.Labels == nil {
			ev.Labels = map[string]string{}
		}
		ev.Labels[notRecorded] = clip(strings.Join(said, "; "), 1024)
	}
	return dropped, err
}

// repair gives up what a refusal is about. It reports false where there is nothing that may be given up.
func repair(ev *event.Event, refused *event.Error) bool {
	for _, rule := range repairs {
		if under(refused.Path, rule.path) && rule.drop(ev) {
			if rule.excuse {
				ev.Absent = maps.Clone(ev.Absent)
				if ev.Absent == nil {
					ev.Absent = map[string]string{}
				}
				ev.Absent[rule.path] = event.AbsentUnavailable
			}
			return true
		}
	}
	return false
}

// under says whether a refusal at path is about field, or about the whole event.
func under(path, field string) bool {
	rest, ok := strings.CutPrefix(path, field)
	return path == "" || ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

// repairs are what can be given up of a job's event, the dearest last: a refusal of the whole event (too large) takes
// them in this order. Each reports false where there is nothing left to give up.
var repairs = []struct {
	path   string
	excuse bool // say in absent that it is not known
	drop   func(*event.Event) bool
}{
	{"job.params", true, func(ev *event.Event) bool { return zero(&ev.Job.Params, ev.Job.Params != nil) }},
	{"labels", false, func(ev *event.Event) bool {
		labels := maps.Clone(ev.Labels)
		delete(labels, notRecorded)
		return len(labels) > 0 && put(&ev.Labels, fitLabels(labels))
	}},
	{"references", false, func(ev *event.Event) bool { return zero(&ev.References, ev.References != nil) }},
	{"before.digest", true, func(ev *event.Event) bool { return ev.Before != nil && zero(&ev.Before.Digest, ev.Before.Digest != "") }},
	{"before", true, func(ev *event.Event) bool { return zero(&ev.Before, ev.Before != nil) }},
	{"after.digest", true, func(ev *event.Event) bool { return ev.After != nil && zero(&ev.After.Digest, ev.After.Digest != "") }},
	{"after", true, func(ev *event.Event) bool { return zero(&ev.After, ev.After != nil) }},
	{"impact.counts", false, func(ev *event.Event) bool {
		return ev.Impact != nil && zero(&ev.Impact.Counts, ev.Impact.Counts != nil)
	}},
	{"impact", true, func(ev *event.Event) bool { return zero(&ev.Impact, ev.Impact != nil) }},
	{"derived", false, func(ev *event.Event) bool { return zero(&ev.Derived, ev.Derived != nil) }},
	{"trace_id", false, dropTrace},
	{"span_id", false, dropTrace},
	{"trace_flags", false, dropTrace},
	{"target", false, func(ev *event.Event) bool { return zero(&ev.Target, ev.Target != nil) }},
	{"job.scheduled_for", true, func(ev *event.Event) bool { return zero(&ev.Job.ScheduledFor, !ev.Job.ScheduledFor.IsZero()) }},
	{"job.code_digest", true, func(ev *event.Event) bool { return zero(&ev.Job.CodeDigest, ev.Job.CodeDigest != "") }},
	{"job.env_digest", true, func(ev *event.Event) bool { return zero(&ev.Job.EnvDigest, ev.Job.EnvDigest != "") }},
	{"job.attempt", true, func(ev *event.Event) bool { return zero(&ev.Job.Attempt, ev.Job.Attempt != 0) }},
	{"heartbeat.next_due", true, func(ev *event.Event) bool {
		return ev.Heartbeat != nil && zero(&ev.Heartbeat.NextDue, !ev.Heartbeat.NextDue.IsZero())
	}},
	{"principal.roles", false, func(ev *event.Event) bool {
		fitted := fitTexts(ev.Principal.Roles)
		return len(fitted) < len(ev.Principal.Roles) && put(&ev.Principal.Roles, fitted)
	}},
	{"principal.on_behalf_of", true, func(ev *event.Event) bool { return zero(&ev.Principal.OnBehalfOf, ev.Principal.OnBehalfOf != nil) }},
}

func dropTrace(ev *event.Event) bool {
	some := ev.TraceID+ev.SpanID+ev.TraceFlags != ""
	ev.TraceID, ev.SpanID, ev.TraceFlags = "", "", ""
	return some
}

// zero empties a field, where there was something in it.
func zero[T any](field *T, some bool) bool {
	var none T
	*field = none
	return some
}

func put[T any](field *T, v T) bool { *field = v; return true }

// fitLabels keeps what fits, in the order of keys, with room for what must be said about the rest. It returns nil where
// everything fits and something else must be wrong.
func fitLabels(labels map[string]string) map[string]string {
	const most, bytes, value = event.MaxKeys - 4, event.MaxLabelsBytes - 2048, 1024
	kept, size := map[string]string{}, 0
	for _, k := range slices.Sorted(maps.Keys(labels)) {
		n := labelSize(clip(k, event.MaxKeyBytes), clip(labels[k], value))
		if len(kept) == most || size+n > bytes {
			continue
		}
		kept[k], size = clip(labels[k], value), size+n
	}
	if len(kept) == len(labels) && maps.Equal(kept, labels) {
		return nil
	}
	if left := len(labels) - len(kept); left > 0 {
		kept["labels_left_out"] = fmt.Sprint(left)
	}
	return kept
}

// labelSize is the most that a label takes in an event, in bytes: at worst every byte is escaped once more.
func labelSize(k, v string) int {
	return 2*len(event.Sanitize(k)) + 2*len(event.Sanitize(v)) + 8
}

// fitReferences keeps the references that say something, and of too many the first, with the number of the others; more
// is how many there were beyond these.
func fitReferences(all []event.Reference, more int) []event.Reference {
	kept := make([]event.Reference, 0, min(len(all), maxReferences))
	for _, f := range all {
		if f.Value == "" {
			continue
		}
		if f.Kind == "" {
			f.Kind = "other"
		}
		kept = append(kept, f)
	}
	if n := len(kept) + more; n > maxReferences {
		kept = append(slices.Clip(kept[:maxReferences-1]), event.Reference{Kind: "more", Value: fmt.Sprintf("and %d more", n-maxReferences+1)})
	}
	return kept
}

// fitTexts is the same for a list of texts.
func fitTexts(all []string) []string {
	if len(all) <= maxTexts {
		return slices.Clone(all)
	}
	return append(slices.Clone(all[:maxTexts-1]), fmt.Sprintf("and %d more", len(all)-maxTexts+1))
}

// own replaces what p points to by a copy.
func own[T any](p **T) {
	if *p != nil {
		v := **p
		*p = &v
	}
}

func ownPrincipal(p *event.Principal) *event.Principal {
	own(&p)
	if p != nil {
		p.Roles = slices.Clone(p.Roles)
		own(&p.OnBehalfOf)
		own(&p.Upstream)
	}
	return p
}
