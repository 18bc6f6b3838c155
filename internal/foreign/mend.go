package foreign

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/redact"
)

// KindStub marks the reference by which an event names the stub that it says again what stands for.
const KindStub = "stub"

// ruleRefused is the rule under which redactions name what a log objected to.
const ruleRefused = "refused"

// maxMended bounds how many members of one event are masked.
const maxMended = 16

// Mend makes an event to be recorded of one that a log has refused: without what was objected to at path, a member's path as
// package event's errors have it, and what judge objects to after that; judge returns an *event.Error, or nil where the event
// may be recorded. A text becomes a mask, anything else is taken out. It names the stub, its id is the caller's to choose, and
// its place in stream and time is as with Adopt.
//
// The error is judge's last one, or that of ParseDraft, where nothing can be mended.
func Mend(raw []byte, path, stub string, judge func(*event.Event) *event.Error) (*event.Event, error) {
	var whole map[string]any
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if err := d.Decode(&whole); err != nil {
		return nil, &event.Error{Code: string(event.ErrSyntax), Detail: "is no JSON"}
	}
	var masked []string
	var last error
	for range maxMended {
		if path != "" {
			if !maskAt(whole, path) {
				break
			}
			if n := len(masked); n == 0 || masked[n-1] != path {
				masked = append(masked, path)
			}
		}
		b, err := json.Marshal(whole)
		if err != nil {
			return nil, err
		}
		e, err := event.ParseDraft(b)
		if err == nil {
			mended(e, stub, masked)
			no := judge(e)
			if no == nil && len(masked) > 0 { // unchanged it would be refused again
				return e, nil
			}
			if no != nil {
				err = no
			}
		}
		if err == nil {
			break
		}
		last = err
		no, ok := err.(*event.Error) //nolint:errorlint // ParseDraft wraps nothing
		if !ok || no.Path == "" {
			break
		}
		path = no.Path
	}
	if last == nil {
		last = &event.Error{Code: string(event.ErrFormat), Path: path, Detail: "is not to be found, so it cannot be masked"}
	}
	return nil, last
}

// mended is Adopt for an event of our own, from another stream of ours.
func mended(e *event.Event, stub string, masked []string) {
	if e.EventTime.IsZero() {
		e.EventTime = e.Timestamp
	}
	e.Escaped = e.Schema != ""
	place(e, event.Reference{Kind: KindStub, Value: stub})
	unknown(e)
	for _, path := range masked {
		if len(e.Redactions) < event.MaxMarks && len(path) <= maxPath {
			e.Redactions = append(e.Redactions, event.Redaction{Path: path, Rule: ruleRefused, Action: "masked"})
		}
	}
}

// maxPath is SCHEMA's limit of a path in redactions, in bytes.
const maxPath = 256

// Again says whether an event is one that names a stub.
func Again(e *event.Event) bool {
	for _, r := range e.References {
		if r.Kind == KindStub {
			return true
		}
	}
	return e.Labels[KindStub] != ""
}

// maskAt masks or takes out what stands at path, and says whether there was anything.
func maskAt(in any, path string) bool {
	switch in := in.(type) {
	case map[string]any:
		if v, ok := in[path]; ok {
			if s, text := v.(string); text && s != redact.Mask(ruleRefused) {
				in[path] = redact.Mask(ruleRefused)
			} else {
				delete(in, path)
			}
			return true
		}
		for _, name := range slices.Sorted(maps.Keys(in)) {
			rest, ok := strings.CutPrefix(path, name)
			if ok && (rest[0] == '.' && maskAt(in[name], rest[1:]) || rest[0] == '[' && maskAt(in[name], rest)) {
				return true
			}
		}
	case []any:
		number, rest, ok := strings.Cut(strings.TrimPrefix(path, "["), "]")
		n, err := strconv.Atoi(number)
		switch {
		case !ok || err != nil || n < 0 || n >= len(in):
			return false
		case rest == "":
			in[n] = redact.Mask(ruleRefused)
			return true
		}
		return maskAt(in[n], strings.TrimPrefix(rest, "."))
	}
	return false
}
