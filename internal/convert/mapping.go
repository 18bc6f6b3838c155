package convert

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/token"

	"github.com/stetlog/stet/event"
)

// MapFormat is the value of a mapping file's format member.
const MapFormat = "stet.map/1"

// Limits of a mapping file.
const (
	MaxMap     = 64 << 10 // bytes
	MaxMapKeys = 8        // keys of somebody's log for one field of ours
)

// ErrMap says that a mapping file does not hold.
var ErrMap = errors.New("mapping")

// Map says which keys of somebody's JSON log hold the fields of stet.event/1: by field, the paths of a Record in the order in
// which they are asked; the first that says something counts. It is not changed once made, and may be shared.
type Map map[string][]string

// Fields are the paths of stet.event/1 that a mapping may name, in the order of the specification. job.params stands for all
// below it.
func Fields() []string {
	return []string{
		"timestamp", "event_time", "event_id", "interaction_id", "app_id", "app_version", "code_location",
		"entry_point.kind", "entry_point.name", "entry_point.method", "host.name", "host.ip", "host.port", "host.cluster", "host.instance_id",
		"environment", "target.system", "target.environment", "user_id", "source_ip", "source.device_id",
		"principal.type", "principal.id", "principal.upstream.system", "principal.upstream.event_ref",
		"event_type", "severity", "security", "description", "why.trigger", "why.reason", "why.reference", "session_hash",
		"status", "job.id", "job.run_id", "job.name", "job.phase", "job.attempt", "job.parent_id", "job.root_id", "job.params",
		"job.code_digest", "job.env_digest", "authorization.decision", "before.digest", "after.digest", "impact.summary", "impact.counts",
		"corrects.event_id", "corrects.reason", "stream_id", "stream_seq", "clock.confidence", "clock.max_error_us", "trace_id", "span_id",
	}
}

// ParseMap is ParseMapping without the types.
func ParseMap(file []byte) (Map, error) {
	m, _, err := ParseMapping(file)
	return m, err
}

// ParseMapping reads a mapping file: YAML of exactly the form that YAML writes, any field missing, with types where there are some.
// Anchors, aliases and tags are refused, so that a small file cannot mean a large one. Errors wrap ErrMap.
func ParseMapping(file []byte) (Map, Types, error) {
	bad := func(format string, args ...any) (Map, Types, error) {
		return nil, nil, fmt.Errorf("%w: %s", ErrMap, fmt.Sprintf(format, args...))
	}
	if len(file) > MaxMap {
		return bad("has %d bytes, at most %d are allowed", len(file), MaxMap)
	}
	if !utf8.Valid(file) {
		return bad("is not UTF-8")
	}
	for _, t := range lexer.Tokenize(string(file)) {
		switch t.Type {
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.DirectiveType, token.DocumentEndType:
			return bad("line %d: anchors, aliases, tags and directives are not allowed", t.Position.Line)
		}
	}
	var doc struct {
		Format string            `yaml:"format"`
		Fields map[string]any    `yaml:"fields"`
		Types  map[string]string `yaml:"types"`
	}
	if err := yaml.UnmarshalWithOptions(file, &doc, yaml.Strict()); err != nil {
		return bad("%s", event.Sanitize(yaml.FormatError(err, false, false)))
	}
	if doc.Format != MapFormat {
		return bad("its format is not %s", MapFormat)
	}
	known := Fields()
	m := Map{}
	for field, v := range doc.Fields {
		if !slices.Contains(known, field) {
			return bad("%.64q is no field that can be mapped; docs/spec/lint.md lists them", field)
		}
		keys, ok := v.([]any)
		if !ok {
			keys = []any{v}
		}
		if len(keys) == 0 || len(keys) > MaxMapKeys {
			return bad("%s: names %d keys, 1 to %d are allowed", field, len(keys), MaxMapKeys)
		}
		for _, k := range keys {
			key, ok := k.(string)
			if !ok || key == "" || len(key) > MaxLineKey {
				return bad("%s: a key is a text of 1 to %d bytes; put it into quotes where YAML takes it for something else", field, MaxLineKey)
			}
			m[field] = append(m[field], key)
		}
	}
	if len(doc.Types) > MaxTypes {
		return bad("types: has %d, at most %d are allowed", len(doc.Types), MaxTypes)
	}
	for theirs, ours := range doc.Types {
		if t, ok := event.Builtin().Lookup(ours); !ok || t.Reserved || len(theirs) > MaxLineKey {
			return bad("types: %.64q: %.64q is no event_type of the catalogue that an application may raise", theirs, ours)
		}
	}
	return m, doc.Types, nil
}

// YAML writes the mapping file. Fields that are not mapped and that the policy demands stand in it as comments, so that a
// person sees what to fill in.
func (m Map) YAML() string {
	var b strings.Builder
	b.WriteString("# Which keys of this log hold which fields: docs/spec/lint.md. Several keys: [first, second].\n")
	b.WriteString("format: " + MapFormat + "\nfields:\n")
	var missing []string
	for _, field := range Fields() {
		keys := m[field]
		switch {
		case len(keys) == 1:
			fmt.Fprintf(&b, "  %s: %s\n", field, scalar(keys[0]))
		case len(keys) > 1:
			quoted := make([]string, len(keys))
			for i, k := range keys {
				quoted[i] = scalar(k)
			}
			fmt.Fprintf(&b, "  %s: [%s]\n", field, strings.Join(quoted, ", "))
		case slices.Contains(demanded(), field):
			missing = append(missing, field)
		}
	}
	if len(m) == 0 {
		return strings.Replace(b.String(), "fields:\n", "fields: {}\n", 1)
	}
	for _, field := range missing {
		fmt.Fprintf(&b, "  # %s:\n", field)
	}
	return b.String()
}

// demanded are the fields that the policy wants in every log.
func demanded() []string {
	return []string{"timestamp", "interaction_id", "app_id", "app_version", "code_location", "entry_point.name", "host.name", "user_id",
		"source_ip", "event_type", "severity", "security", "description"}
}

// scalar writes a key so that YAML reads it as this text and nothing else.
func scalar(s string) string {
	plain := s != ""
	for i := range len(s) {
		c := s[i]
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_'
		if !letter && (i == 0 || (c < '0' || c > '9') && c != '.' && c != '-') {
			plain = false
		}
	}
	switch strings.ToLower(s) {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		plain = false
	}
	if plain {
		return s
	}
	return strconv.Quote(s) // YAML's double quotes know all escapes of Go's
}

// Value is what a record says of a field. ok is false where it says nothing.
func (m Map) Value(r *Record, field string) (l Leaf, ok bool) {
	for _, key := range m[field] {
		if l, there := r.Leaf(key); there && !l.Void() {
			return l, true
		}
	}
	return Leaf{}, false
}

// Has tells whether a record says something of a field, or of one below it.
func (m Map) Has(r *Record, field string) bool {
	return slices.ContainsFunc(m[field], r.Has)
}

// Draft makes an event of a record: as much of it as an event can hold, for who folds stories. What it cannot hold is left out.
func (m Map) Draft(r *Record) *event.Event {
	e := &event.Event{}
	for field, keys := range m {
		if field == "job.params" || field == "impact.counts" {
			for _, l := range r.Leaves {
				for _, key := range keys {
					if rest, ok := strings.CutPrefix(l.Key, key+"."); ok && !l.Void() {
						put(e, field+"."+rest, l)
					}
				}
			}
			continue
		}
		l, ok := m.Value(r, field)
		switch {
		case !ok, field == "severity", field == "security": // which are judged by what stands there
		case field == "timestamp", field == "event_time":
			if t, form := ReadTime(l.Text); form != TimeUnknown {
				e.Set(field, t)
			}
		default:
			put(e, field, l)
		}
	}
	return e
}

// put sets a field where it takes such a value.
func put(e *event.Event, field string, l Leaf) {
	if n, err := strconv.ParseInt(l.Text, 10, 64); err == nil && l.Kind == Number && e.Set(field, n) {
		return
	}
	e.Set(field, l.Text)
}
