package search

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/foreign"
	"github.com/stetlog/stet/proof"
)

// A Record is one entry as a query sees it: an event, or a stub where one could not be stored.
//
// Its methods are the table of docs/spec/search.md in code. Whoever indexes entries for queries indexes what they return.
type Record struct {
	Seq      uint64
	Received time.Time // received_at
	Via      proof.Via
	Key      string       // verifier key of the seal over it; "" of a declared loss, which no seal covers
	KeyID    string       // proof.KeyID of Key, where somebody has computed it before
	Event    *event.Event // as event.Parse gives it; or nil
	Stub     *proof.Stub  // or nil
}

// NewRecord makes a record of a parsed entry and the verifier key of its seal. ok is false for a seal, which no query
// finds. The entry's bytes may be used again afterwards.
func NewRecord(e proof.Entry, key string) (r *Record, ok bool, err error) {
	if e.Seal != nil {
		return nil, false, nil
	}
	r = &Record{Seq: e.Seq, Key: key, Stub: e.Stub}
	if r.Received, err = proof.ParseTime(e.ReceivedAt); err != nil {
		return nil, false, fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	if r.Via, err = proof.ParseVia(e.Via); err != nil {
		return nil, false, fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	if e.Event != nil {
		if r.Event, err = event.Parse(e.Event); err != nil {
			return nil, false, fmt.Errorf("entry %d: %w", e.Seq, err)
		}
	}
	return r, true, nil
}

// AppendTexts appends the values that the entry has for a field of any kind but KindInt and KindTime, in the form in which
// events hold text. Some may be there twice.
func (r *Record) AppendTexts(dst []string, f Field, path []string) []string {
	some := func(all ...string) {
		for _, s := range all {
			if s != "" {
				dst = append(dst, s)
			}
		}
	}
	if f == FieldEmitter {
		if r.Key != "" {
			name, _, _ := strings.Cut(r.Key, "+")
			some(name, r.keyID())
		}
		some(r.Via.Token)
		if r.Stub != nil {
			some(r.Stub.Stream)
		}
	}
	if f == FieldIP {
		some(address(r.Via.Addr))
	}
	if f == FieldHas && r.Stub != nil {
		some(HasGap)
	}
	e := r.Event
	if e == nil {
		return dst
	}
	switch f {
	case FieldActor:
		some(e.UserID)
		if p := e.Principal; p != nil {
			some(p.ID)
			if p.OnBehalfOf != nil {
				some(p.OnBehalfOf.ID)
			}
		}
	case FieldEvent:
		some(e.EventType)
	case FieldApp:
		some(e.AppID)
	case FieldEnv:
		some(e.Environment)
	case FieldTarget:
		if t := e.Target; t != nil {
			some(t.System, t.Environment)
		}
	case FieldHost:
		if h := e.Host; h != nil {
			some(h.Name, h.InstanceID)
		}
	case FieldIP:
		some(address(e.SourceIP))
		if e.Host != nil {
			some(address(e.Host.IP))
		}
		if e.Source != nil {
			for _, s := range e.Source.ForwardedFor {
				some(address(s))
			}
		}
	case FieldInteraction:
		some(e.InteractionID)
	case FieldStatus:
		some(e.Status)
	case FieldTrigger:
		if e.Why != nil {
			some(e.Why.Trigger)
		}
	case FieldRef:
		dst = appendRefs(dst, e)
	case FieldEmitter:
		some(e.StreamID.String())
	case FieldObject:
		if o := e.Object; o != nil && o.ID != "" {
			some(o.ID, o.Type+":"+o.ID)
		}
		for _, s := range [...]*event.Snapshot{e.Before, e.After} {
			if s != nil {
				some(s.Object)
			}
		}
	case FieldLabel:
		if s, ok := e.Labels[path[0]]; ok {
			dst = append(dst, s)
		}
	case FieldIs:
		dst = r.appendIs(dst)
	case FieldHas:
		dst = appendHas(dst, e)
	}
	if j := e.Job; j != nil {
		switch f {
		case FieldJob:
			some(j.ID, j.Name)
		case FieldParent:
			some(j.ParentID)
		case FieldRoot:
			some(j.RootID)
			if j.RootID == "" && j.ParentID == "" {
				some(j.ID)
			}
		case FieldRun:
			some(j.RunID)
		case FieldPhase:
			some(j.Phase)
		case FieldParam:
			for _, v := range scalars(j.Params, path) {
				dst = append(dst, scalarText(v))
			}
		}
	}
	return dst
}

func (r *Record) keyID() string {
	if r.KeyID != "" {
		return r.KeyID
	}
	return proof.KeyID(r.Key)
}

// address is an IP address in its one spelling, IPv4 never within IPv6; what is none is nothing, but for the HMAC of one.
func address(s string) string {
	if strings.HasPrefix(s, hmacPrefix) {
		return s
	}
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || a.Zone() != "":
		return ""
	case a.Is4():
		return s // it has no other spelling
	}
	return a.Unmap().String()
}

// hmacPrefix begins what stands for an identity that is not kept in the clear.
const hmacPrefix = "hmac-sha256:"

func appendRefs(dst []string, e *event.Event) []string {
	add := func(s string) {
		if s != "" {
			dst = append(dst, s)
		}
	}
	if e.Why != nil {
		add(e.Why.Reference)
	}
	for _, r := range e.References {
		add(r.Value)
	}
	if e.Principal != nil && e.Principal.Upstream != nil {
		add(e.Principal.Upstream.EventRef)
	}
	if !e.CausationID.IsZero() {
		add(e.CausationID.String())
	}
	if e.Corrects != nil && !e.Corrects.EventID.IsZero() {
		add(e.Corrects.EventID.String())
	}
	add(e.TraceID)
	return dst
}

func (r *Record) appendIs(dst []string) []string {
	e := r.Event
	switch e.EventType {
	case "job_lost", "job_no_outcome", "job_never_started", "job_missed":
		dst = append(dst, IsGhost)
	case "job_stalled":
		dst = append(dst, IsStalled)
	case "job_late_outcome":
		dst = append(dst, IsLate)
	case "job_orphaned":
		dst = append(dst, IsOrphan)
	}
	if e.Corrects != nil {
		dst = append(dst, IsCorrection)
	}
	if e.Security {
		dst = append(dst, IsSecurity)
	}
	if len(e.Redactions) > 0 {
		dst = append(dst, IsRedacted)
	}
	_, imported := e.Labels[foreign.Kind]
	for _, ref := range e.References {
		imported = imported || ref.Kind == foreign.Kind
	}
	if imported {
		dst = append(dst, IsForeign)
	}
	if strings.HasPrefix(r.Key, proof.DoorKey) && (r.Via.Kind == proof.ViaHTTP || r.Via.Kind == proof.ViaUnix || r.Via.Kind == proof.ViaSyslog) {
		dst = append(dst, IsUnsealed)
	}
	return dst
}

func appendHas(dst []string, e *event.Event) []string {
	if e.Before != nil && e.After != nil {
		dst = append(dst, HasDiff)
	}
	if e.Impact != nil {
		dst = append(dst, HasImpact)
	}
	switch e.Status {
	case event.StatusFailure, event.StatusAborted, event.StatusDenied:
		if e.StatusReason != "" || e.StatusCode != "" {
			dst = append(dst, HasError)
		}
	}
	if e.EventType == "stream_gap" {
		dst = append(dst, HasGap)
	}
	return dst
}

// scalars are the values of job.params that a path leads to: one, or those of an array at its end.
func scalars(params map[string]any, path []string) []any {
	var at any = params
	for _, key := range path {
		switch in := at.(type) {
		case map[string]any:
			at = in[key]
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(in) || strconv.Itoa(i) != key {
				return nil
			}
			at = in[i]
		default:
			return nil
		}
	}
	all, ok := at.([]any)
	if !ok {
		all = []any{at}
	}
	var out []any
	for _, v := range all {
		switch v.(type) {
		case string, int64, bool:
			out = append(out, v)
		}
	}
	return out
}

func scalarText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	default:
		return strconv.FormatBool(v == true)
	}
}

// AppendInts appends the numbers that the entry has for a field of KindInt or KindScalar.
func (r *Record) AppendInts(dst []int64, f Field, path []string) []int64 {
	switch {
	case f == FieldSeq:
		return append(dst, int64(r.Seq)) // at most 2^53
	case r.Event == nil:
	case f == FieldSeverity:
		if r.Event.Severity != nil {
			dst = append(dst, int64(*r.Event.Severity))
		}
	case r.Event.Job == nil:
	case f == FieldAttempt:
		if r.Event.Job.Attempt > 0 {
			dst = append(dst, r.Event.Job.Attempt)
		}
	case f == FieldParam:
		for _, v := range scalars(r.Event.Job.Params, path) {
			if n, ok := v.(int64); ok {
				dst = append(dst, n)
			}
		}
	}
	return dst
}

// Time is the time that the entry has for a field of KindTime; ok is false where it has none.
func (r *Record) Time(f Field) (t time.Time, ok bool) {
	switch {
	case f == FieldReceived:
		return r.Received, true
	case r.Event == nil:
		return t, false
	case !r.Event.EventTime.IsZero():
		return r.Event.EventTime, true
	}
	return r.Event.Timestamp, true
}

// AppendProse appends the texts that free words look at, in the form in which events hold text.
func (r *Record) AppendProse(dst []string) []string {
	if r.Stub != nil {
		dst = append(dst, event.Sanitize(r.Stub.Reason))
	}
	e := r.Event
	if e == nil {
		return dst
	}
	dst = r.AppendTexts(dst, FieldActor, nil)
	dst = append(dst, e.Description, e.Action, e.StatusReason, e.StatusCode)
	if e.Object != nil {
		dst = append(dst, e.Object.ID)
	}
	if e.Why != nil {
		dst = append(dst, e.Why.Reason, e.Why.Reference)
	}
	if e.Authorization != nil {
		dst = append(dst, e.Authorization.DecidedBy)
	}
	if e.Heartbeat != nil {
		dst = append(dst, e.Heartbeat.Progress)
	}
	for _, s := range [...]*event.Snapshot{e.Before, e.After} {
		if s != nil {
			dst = append(dst, s.Summary, s.Object)
		}
	}
	if e.Impact != nil {
		dst = append(dst, e.Impact.Summary)
	}
	for _, ref := range e.References {
		dst = append(dst, ref.Value)
	}
	if e.Corrects != nil {
		dst = append(dst, e.Corrects.Reason)
	}
	for _, s := range e.Labels {
		dst = append(dst, s)
	}
	if e.Job != nil {
		dst = append(dst, e.Job.Name)
		dst = appendStrings(dst, e.Job.Params)
	}
	return dst
}

// appendStrings appends all texts in a value of job.params, keys aside.
func appendStrings(dst []string, v any) []string {
	switch v := v.(type) {
	case string:
		dst = append(dst, v)
	case map[string]any:
		for _, in := range v {
			dst = appendStrings(dst, in)
		}
	case []any:
		for _, in := range v {
			dst = appendStrings(dst, in)
		}
	}
	return dst
}
