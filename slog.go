package stet

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
)

// SlogOptions say which log records are audit events. The zero value knows them by the attribute event_type.
type SlogOptions struct {
	// Next gets all other records, as if the audit handler were not there. nil: they are dropped.
	Next slog.Handler
	// TypeKey is the key of the attribute that names the event type, outside any group; "": event_type.
	TypeKey string
	// Types maps messages to event types, for records without that attribute.
	Types map[string]string
}

// Limits of what is read of one log record.
const (
	maxAttrs     = 1024 // attributes, those in groups counted too
	maxAttrDepth = 8    // of groups in groups, beside those of WithGroup
)

// slogSkew is the difference between a record's time and now from which on it stands in event_time (policy: Event Time).
const slogSkew = time.Second

// SlogHandler is a slog.Handler for audit events: see NewSlogHandler.
type SlogHandler struct {
	rec   *Recorder
	o     SlogOptions
	attrs []slogAttr
	group string // that is open, with a dot behind it; "": none
}

// slogAttr is an attribute of With, and the group that was open then.
type slogAttr struct {
	group string
	slog.Attr
}

// NewSlogHandler returns a handler that records, by Recorder.Record, the log records that name an event type of the
// catalogue, by an attribute or by their message. All others go to SlogOptions.Next, so that no debug log ends up among
// the audit events; one that names a type which the catalogue does not have is refused as a strict Recorder does, and
// goes to Next too.
//
//	log.WarnContext(ctx, "not her customer", "event_type", "authz_fail", "user_id", "alice", "action", "read",
//		slog.Group("object", "type", "invoice", "id", 17), "status", "denied", "attempt", 3)
//
// The message is the description. An attribute whose key, with its groups, is the path of an event's field is that field,
// where it has the type that the field wants; a group "references" holds references by kind. The others become labels by
// the same paths; what of them has no room is counted in the label labels_left_out. The level may make an event more severe
// than its type, and never less. The time of the log record is event_time where it is more than a second away from now.
// Who, where and which interaction come from the context, as for Record: log with LogAttrs, InfoContext and their like.
//
// Package log/slog drops the errors of handlers. So Handle returns them, and tells Options.OnLoss as well. A log call
// cannot keep its caller from going on, under RequireRecord no more than under BestEffort: what must not happen without a
// record calls Record and looks at its error. What the disk did not take is declared in the log later, as any loss.
func NewSlogHandler(rec *Recorder, o SlogOptions) *SlogHandler {
	o.Types = maps.Clone(o.Types)
	if o.TypeKey == "" {
		o.TypeKey = "event_type"
	}
	return &SlogHandler{rec: rec, o: o}
}

// Enabled reports true for every level: whether a record is an audit event shows in its attributes, and a level that is set
// to quieten the log must not silence the audit. Next is asked in Handle.
func (h *SlogHandler) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements slog.Handler.
func (h *SlogHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	c := *h
	c.attrs = slices.Clip(h.attrs)
	for _, a := range attrs {
		c.attrs = append(c.attrs, slogAttr{h.group, a})
	}
	if h.o.Next != nil {
		c.o.Next = h.o.Next.WithAttrs(attrs)
	}
	return &c
}

// WithGroup implements slog.Handler.
func (h *SlogHandler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	c := *h
	c.group += name + "."
	if h.o.Next != nil {
		c.o.Next = h.o.Next.WithGroup(name)
	}
	return &c
}

// Handle implements slog.Handler.
func (h *SlogHandler) Handle(ctx context.Context, log slog.Record) error {
	if h.rec == nil {
		return fmt.Errorf("slog: %w: the Recorder is nil", ErrInvalid)
	}
	typ, audit := h.eventType(log)
	if !audit {
		return h.next(ctx, log)
	}
	_, err := h.rec.catalogue().Known(typ)
	if err != nil {
		err = errors.Join(fmt.Errorf("slog: %w: %w", ErrNotRecorded, err), h.next(ctx, log))
	} else {
		e := h.event(typ, log)
		if e.CodeLocation == "" && log.PC == 0 {
			e.Set("absent.code_location", event.AbsentUnavailable)
		}
		err = h.rec.recordAt(ctx, e, h.rec.at(log.PC))
	}
	if err != nil {
		h.rec.o.OnLoss(fmt.Errorf("a log record was not recorded: %w", err))
	}
	return err
}

func (h *SlogHandler) next(ctx context.Context, log slog.Record) error {
	if h.o.Next == nil || !h.o.Next.Enabled(ctx, log.Level) {
		return nil
	}
	return h.o.Next.Handle(ctx, log)
}

// eventType is the type that a log record names: by its own attribute, else by one of With, else by its message.
func (h *SlogHandler) eventType(log slog.Record) (typ string, ok bool) {
	typ, ok = h.o.Types[log.Message]
	look := func(a slog.Attr) {
		if s, is := typeIn(a, h.o.TypeKey, maxAttrDepth); is {
			typ, ok = s, true
		}
	}
	for _, a := range h.attrs {
		if a.group == "" {
			look(a.Attr)
		}
	}
	if h.group == "" {
		log.Attrs(func(a slog.Attr) bool { look(a); return true })
	}
	return typ, ok
}

// typeIn looks for the attribute itself, and in groups without a name, whose attributes stand outside.
func typeIn(a slog.Attr, key string, depth int) (typ string, ok bool) {
	switch a.Key {
	case key:
		v := a.Value.Resolve()
		if v.Kind() == slog.KindString {
			return v.String(), true
		}
	case "":
		if v := a.Value.Resolve(); v.Kind() == slog.KindGroup && depth > 0 {
			for _, in := range v.Group() {
				if s, is := typeIn(in, key, depth-1); is {
					typ, ok = s, true
				}
			}
		}
	}
	return typ, ok
}

// event makes the event of a log record.
func (h *SlogHandler) event(typ string, log slog.Record) event.Event {
	m := mapping{typeKey: h.o.TypeKey, left: maxAttrs, labels: map[string]string{}}
	m.e.EventType, m.e.Description = typ, log.Message
	for _, a := range h.attrs {
		m.attr(a.group, a.Attr, maxAttrDepth)
	}
	log.Attrs(func(a slog.Attr) bool { m.attr(h.group, a, maxAttrDepth); return true })
	if m.left < 0 {
		m.labels["attributes_left_out"] = strconv.Itoa(-m.left)
	}
	if m.e.Labels = m.labels; tooMany(m.labels) {
		m.e.Labels = fitLabels(m.labels)
	}
	m.e.References = fitReferences(m.e.References, 0)
	if m.e.EventTime.IsZero() && !log.Time.IsZero() {
		if y := log.Time.UTC().Year(); h.rec.clock.Now().Wall.Sub(log.Time).Abs() > slogSkew && y > 0 && y < 9999 {
			m.e.EventTime = log.Time
		}
	}
	if t, _ := h.rec.catalogue().Lookup(typ); m.e.Severity == nil {
		if s := severityOf(log.Level); s < t.Severity {
			m.e.Severity = &s
		}
	}
	return m.e
}

// tooMany says whether an event might have no room for all labels.
func tooMany(labels map[string]string) bool {
	size := 0
	for k, v := range labels {
		size += labelSize(k, v)
	}
	return size > event.MaxLabelsBytes || len(labels) > event.MaxKeys
}

// severityOf is RFC 5424's severity for a level of slog.
func severityOf(l slog.Level) event.Severity {
	switch {
	case l > slog.LevelError:
		return event.SeverityCritical
	case l == slog.LevelError:
		return event.SeverityError
	case l >= slog.LevelWarn:
		return event.SeverityWarning
	case l > slog.LevelInfo:
		return event.SeverityNotice
	case l == slog.LevelInfo:
		return event.SeverityInfo
	}
	return event.SeverityDebug
}

// mapping puts attributes into an event.
type mapping struct {
	e       event.Event
	typeKey string
	labels  map[string]string
	left    int // attributes that may still be read; below zero: how many were not
}

// attr takes in one attribute that stands in groups, after the rules of slog.Handler: it is resolved, an empty one and an
// empty group are nothing, and a group without a name is not one.
func (m *mapping) attr(groups string, a slog.Attr, depth int) {
	if m.left--; m.left < 0 {
		return
	}
	v := a.Value.Resolve() // at most a hundred LogValue calls, and a panic in one becomes an error
	switch {
	case a.Key == "" && v.Kind() != slog.KindGroup && v.Equal(slog.Value{}):
		return
	case v.Kind() != slog.KindGroup:
		m.value(groups+a.Key, v)
		return
	case a.Key != "":
		groups += a.Key + "."
	}
	if depth == 0 {
		m.put(strings.TrimSuffix(groups, "."), instead("groups nested more than %d deep", maxAttrDepth))
		return
	}
	for _, in := range v.Group() {
		m.attr(groups, in, depth-1)
	}
}

func (m *mapping) value(path string, v slog.Value) {
	switch v.Kind() {
	case slog.KindDuration:
		m.put(path, v.Duration().String())
	case slog.KindUint64:
		if n := v.Uint64(); n <= event.MaxInt {
			m.put(path, int64(n))
		} else {
			m.put(path, strconv.FormatUint(n, 10))
		}
	case slog.KindAny:
		if refs, ok := v.Any().([]event.Reference); ok && path == "references" {
			m.e.References = append(m.e.References, refs...)
			return
		}
		m.put(path, recordable(map[string]any{"v": v.Any()})["v"])
	default:
		m.put(path, v.Any())
	}
}

// recorderOwned are the fields that no log record may set: the Recorder says what they are. Attributes of these names are
// labels.
var recorderOwned = []string{"schema", "event_id", "timestamp", "app_id", "environment", "event_type", "stream_id", "stream_seq", "clock", "repeat"}

// put takes in one value by its path.
func (m *mapping) put(path string, v any) {
	if path == m.typeKey {
		return
	}
	name, key, _ := strings.Cut(path, ".")
	switch {
	case name == "labels" && key != "":
		path = key // where it goes anyway
	case name == "references" && key != "":
		m.e.References = append(m.e.References, event.Reference{Kind: key, Value: labelText(v)})
		return
	case !slices.Contains(recorderOwned, name) && m.e.Set(path, v):
		return
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			m.put(path+"."+k, v[k])
		}
	case []any:
		for i, in := range v {
			m.put(path+"."+strconv.Itoa(i), in)
		}
	case []string:
		for i, in := range v {
			m.put(path+"."+strconv.Itoa(i), in)
		}
	default:
		m.labels[path] = labelText(v)
	}
}

// labelText is one value as a label has it.
func labelText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case string:
		return v
	case time.Time:
		return v.Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}
