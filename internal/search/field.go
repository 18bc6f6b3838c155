package search

import (
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/proof"
)

// Field is what a Term asks about. What each means is the table of docs/spec/search.md.
type Field uint8

// The fields. after, before and since are spellings of FieldReceived.
const (
	FieldActor Field = iota
	FieldEvent
	FieldJob
	FieldApp
	FieldEnv
	FieldTarget
	FieldHost
	FieldIP
	FieldInteraction
	FieldParent
	FieldRoot
	FieldRun
	FieldPhase
	FieldAttempt
	FieldStatus
	FieldSeverity
	FieldTrigger
	FieldRef
	FieldEmitter
	FieldSeq
	FieldObject
	FieldReceived
	FieldTime
	FieldLabel
	FieldParam
	FieldIs
	FieldHas
	fieldCount
)

// Kind is what values a field has.
type Kind uint8

// The kinds.
const (
	KindText   Kind = iota // any text: Equal, Prefix, Present
	KindWord               // one of a closed list: Equal, Present but for is and has
	KindInt                // Ints, Present
	KindTime               // Times, Ago, Present
	KindIP                 // Equal, Prefix, Network, Present
	KindScalar             // a value of job.params: Equal and Prefix of its text, Ints of a whole number, Present
)

// fieldInfo is a row of the table of fields.
type fieldInfo struct {
	name   string
	kind   Kind
	words  []string // KindWord: the closed list
	lo, hi int64    // KindInt, KindScalar: the least and the greatest value there can be
	path   bool     // a key or path follows the name
}

var fields = [fieldCount]fieldInfo{
	FieldActor:       {name: "actor"},
	FieldEvent:       {name: "event"},
	FieldJob:         {name: "job"},
	FieldApp:         {name: "app"},
	FieldEnv:         {name: "env"},
	FieldTarget:      {name: "target"},
	FieldHost:        {name: "host"},
	FieldIP:          {name: "ip", kind: KindIP},
	FieldInteraction: {name: "interaction"},
	FieldParent:      {name: "parent"},
	FieldRoot:        {name: "root"},
	FieldRun:         {name: "run"},
	FieldPhase:       {name: "phase", kind: KindWord, words: []string{"submission", "authorization", "execution", "outcome"}},
	FieldAttempt:     {name: "attempt", kind: KindInt, lo: 1, hi: event.MaxInt},
	FieldStatus: {name: "status", kind: KindWord, words: []string{event.StatusSuccess, event.StatusFailure, event.StatusAborted,
		event.StatusDenied, event.StatusPending, event.StatusUnknown}},
	FieldSeverity: {name: "severity", kind: KindInt, lo: 0, hi: 7},
	FieldTrigger:  {name: "trigger", kind: KindWord, words: []string{"schedule", "event", "manual", "api", "parent", "boot"}},
	FieldRef:      {name: "ref"},
	FieldEmitter:  {name: "emitter"},
	FieldSeq:      {name: "seq", kind: KindInt, lo: 0, hi: proof.MaxSize - 1},
	FieldObject:   {name: "object"},
	FieldReceived: {name: "received", kind: KindTime},
	FieldTime:     {name: "time", kind: KindTime},
	FieldLabel:    {name: "label", path: true},
	FieldParam:    {name: "param", kind: KindScalar, lo: -event.MaxInt, hi: event.MaxInt, path: true},
	FieldIs: {name: "is", kind: KindWord, words: []string{IsGhost, IsStalled, IsLate, IsOrphan, IsCorrection, IsSecurity, IsRedacted,
		IsForeign, IsUnsealed}},
	FieldHas: {name: "has", kind: KindWord, words: []string{HasDiff, HasImpact, HasError, HasGap}},
}

// The values of FieldIs and FieldHas.
const (
	IsGhost      = "ghost"
	IsStalled    = "stalled"
	IsLate       = "late"
	IsOrphan     = "orphan"
	IsCorrection = "correction"
	IsSecurity   = "security"
	IsRedacted   = "redacted"
	IsForeign    = "foreign"
	IsUnsealed   = "unsealed"

	HasDiff   = "diff"
	HasImpact = "impact"
	HasError  = "error"
	HasGap    = "gap"
)

// String is the field's name in a query.
func (f Field) String() string { return fields[f].name }

// Kind is what values the field has.
func (f Field) Kind() Kind { return fields[f].kind }

// Words is the closed list of a field of KindWord, which the caller must not change.
func (f Field) Words() []string { return fields[f].words }

// Fields lists all fields in the order of the specification.
func Fields() []Field {
	all := make([]Field, fieldCount)
	for i := range all {
		all[i] = Field(i)
	}
	return all
}

// The spellings of FieldReceived that people use.
const (
	after  = "after"
	before = "before"
	since  = "since"
)

// lookup finds a field by its name; what is "after", "before" or "since" where it was spelled so.
func lookup(name string) (f Field, ok bool) {
	switch name {
	case after, before, since:
		return FieldReceived, true
	}
	for i, info := range fields {
		if info.name == name {
			return Field(i), true
		}
	}
	return 0, false
}

// elsewhere are names that other tools, or the schema, have for a field.
var elsewhere = map[string]string{
	"user": "actor", "user_id": "actor", "principal": "actor", "who": "actor", "by": "actor",
	"type": "event", "event_type": "event", "action": "event",
	"name": "job", "job_id": "job", "job_name": "job", "app_id": "app", "application": "app", "service": "app",
	"environment": "env", "system": "target", "hostname": "host", "server": "host", "machine": "host",
	"addr": "ip", "address": "ip", "source_ip": "ip", "client": "ip",
	"correlation": "interaction", "interaction_id": "interaction", "correlation_id": "interaction", "story": "interaction",
	"parent_id": "parent", "root_id": "root", "tree": "root", "run_id": "run",
	"outcome": "status", "result": "status", "state": "status", "level": "severity", "sev": "severity", "priority": "severity",
	"why": "trigger", "reference": "ref", "trace": "ref", "trace_id": "ref", "ticket": "ref", "cause": "ref", "corrects": "ref",
	"key": "emitter", "stream": "emitter", "token": "emitter", "number": "seq", "entry": "seq", "file": "object", "resource": "object",
	"date": "received", "received_at": "received", "when": "time", "timestamp": "time", "event_time": "time", "at": "time",
	"from": after, "newer": after, "start": after, "until": before, "to": before, "older": before, "end": before, "last": since,
	"labels": "label", "tag": "label", "params": "param", "arg": "param", "in": "is",
}
