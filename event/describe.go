package event

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// JSONSchema returns the JSON Schema (2020-12) of stet.event/1, made of the
// table. Its maxLength counts characters where the table counts bytes, and it
// knows no condition between fields: it accepts more than Check does.
func JSONSchema() []byte {
	var b bytes.Buffer
	b.WriteString("{\n  \"$schema\": \"https://json-schema.org/draft/2020-12/schema\",\n  \"$id\": \"https://stetlog.github.io/stet/event.schema.json\",\n  \"title\": \"" + SchemaV1 + "\",\n")
	schemaObject(&b, root, "  ", true)
	b.WriteString("\n}\n")
	return b.Bytes()
}

func schemaObject(b *bytes.Buffer, o *object, indent string, top bool) {
	var required []string
	for _, f := range o.fields {
		if f.need != optional {
			required = append(required, strconv.Quote(f.name))
		}
	}
	typ := `["object", "null"]`
	if top {
		typ = `"object"`
	}
	fmt.Fprintf(b, "%s\"type\": %s,\n", indent, typ)
	if len(required) > 0 {
		fmt.Fprintf(b, "%s\"required\": [%s],\n", indent, strings.Join(required, ", "))
	}
	fmt.Fprintf(b, "%s\"additionalProperties\": false,\n%s\"properties\": {\n", indent, indent)
	for i, f := range o.fields {
		fmt.Fprintf(b, "%s  %q: ", indent, f.name)
		schemaField(b, f, indent+"  ")
		if i < len(o.fields)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "%s}", indent)
}

// patterns of the restricted forms, as the scanner checks them.
const (
	timePattern   = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{9}Z$`
	uuidPattern   = `^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`
	hmacPattern   = `^hmac-sha256:[0-9a-f]{8}:[0-9a-f]{64}$`
	digestPattern = `^(sha256:[0-9a-f]{64}|hmac-sha256:[0-9a-f]{8}:[0-9a-f]{64})$`
	schemaPattern = `^stet\\.event/1(\\.[1-9][0-9]{0,3})?$`
)

func schemaField(b *bytes.Buffer, f *field, indent string) {
	typ := func(t string) string {
		if f.need == core {
			return `"type": "` + t + `"`
		}
		return `"type": ["` + t + `", "null"]`
	}
	text := func(more string) { fmt.Fprintf(b, "{%s%s}", typ("string"), more) }
	switch f.kind {
	case kindObject:
		b.WriteString("{\n")
		schemaObject(b, f.sub, indent+"  ", false)
		b.WriteString("\n" + indent + "}")
	case kindList:
		fmt.Fprintf(b, "{\n%s  %s,\n%s  \"maxItems\": %d,\n%s  \"items\": {\n", indent, typ("array"), indent, f.max, indent)
		schemaObject(b, f.sub, indent+"    ", true)
		fmt.Fprintf(b, "\n%s  }\n%s}", indent, indent)
	case kindTexts:
		fmt.Fprintf(b, `{%s, "maxItems": %d, "items": {"type": "string", "maxLength": %d}}`, typ("array"), f.max, f.size)
	case kindMap:
		fmt.Fprintf(b, `{%s, "maxProperties": %d, "propertyNames": {"maxLength": %d}, "additionalProperties": {"type": "string"}}`, typ("object"), f.max, MaxKeyBytes)
	case kindReason:
		fmt.Fprintf(b, `{%s, "maxProperties": %d, "additionalProperties": {"enum": [%s]}}`, typ("object"), f.max, quoted(f.enum))
	case kindCounts:
		fmt.Fprintf(b, `{%s, "maxProperties": %d, "additionalProperties": {"type": "integer", "minimum": -%d, "maximum": %d}}`, typ("object"), f.max, MaxInt, MaxInt)
	case kindParams:
		fmt.Fprintf(b, `{%s, "maxProperties": %d, "propertyNames": {"maxLength": %d}}`, typ("object"), f.max, MaxKeyBytes)
	case kindInt:
		fmt.Fprintf(b, `{%s, "minimum": %d, "maximum": %d}`, typ("integer"), f.min, f.max)
	case kindBool:
		fmt.Fprintf(b, `{%s}`, typ("boolean"))
	case kindEnum:
		null := ", null"
		if f.need == core {
			null = ""
		}
		fmt.Fprintf(b, `{"enum": [%s%s]}`, quoted(f.enum), null)
	case kindTime:
		text(`, "pattern": "` + timePattern + `"`)
	case kindUUID:
		text(`, "pattern": "` + uuidPattern + `"`)
	case kindHMAC:
		text(`, "pattern": "` + hmacPattern + `"`)
	case kindDigest:
		text(`, "pattern": "` + digestPattern + `"`)
	case kindSchema:
		text(`, "pattern": "` + schemaPattern + `"`)
	case kindHex:
		text(fmt.Sprintf(`, "pattern": "^[0-9a-f]{%d}$"`, f.max))
	case kindIP:
		text(`, "maxLength": 45`)
	case kindSource:
		text(`, "maxLength": 85`)
	case kindName:
		pattern := "^[A-Za-z0-9._-]+$"
		if f.slot == slotType {
			pattern = "^[a-z][a-z0-9_]*$"
		}
		text(fmt.Sprintf(`, "maxLength": %d, "pattern": %q`, f.max, pattern))
	default:
		least := ""
		if f.need == core {
			least = `, "minLength": 1`
		}
		text(fmt.Sprintf(`%s, "maxLength": %d`, least, f.max))
	}
}

func quoted(list []string) string {
	q := make([]string, len(list))
	for i, s := range list {
		q[i] = strconv.Quote(s)
	}
	return strings.Join(q, ", ")
}

// MarkdownTable returns the specification's table of fields: a line for each
// member of the event, with the members of its object after it.
func MarkdownTable() string {
	var b strings.Builder
	b.WriteString("| field | type, limit | required | comes from |\n|---|---|---|---|\n")
	for _, f := range root.fields {
		need := f.when
		switch f.need {
		case core:
			need = "always, never null"
		case always:
			need = "always; null if excused"
		}
		from := f.from
		if f.doc != "" {
			from = strings.TrimPrefix(from+": "+f.doc, ": ")
			if f.from != "" {
				from = f.from + "; " + f.doc
			}
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.name, inWords(f), need, from)
	}
	return b.String()
}

func inWords(f *field) string {
	var s string
	switch f.kind {
	case kindObject, kindList:
		var parts []string
		for _, g := range f.sub.fields {
			mark := ""
			if g.need == core {
				mark = "!"
			}
			parts = append(parts, g.name+mark+" "+inWords(g))
		}
		s = "{" + strings.Join(parts, "; ") + "}"
		if f.kind == kindList {
			s += fmt.Sprintf(" × ≤ %d", f.max)
		}
	case kindText:
		s = strconv.Itoa(int(f.max))
	case kindID:
		s = fmt.Sprintf("id %d", f.max)
	case kindIdentity:
		s = fmt.Sprintf("identity %d", f.max)
	case kindName:
		s = fmt.Sprintf("`[A-Za-z0-9._-]` %d", f.max)
		if f.slot == slotType {
			s = fmt.Sprintf("`[a-z][a-z0-9_]*` %d", f.max)
		}
	case kindEnum:
		s = strings.Join(f.enum, ", ")
	case kindTime:
		s = "time"
	case kindUUID:
		s = "UUIDv7"
	case kindIP:
		s = "IP"
	case kindSource:
		s = "IP or HMAC"
	case kindDigest:
		s = "digest"
	case kindHMAC:
		s = "HMAC"
	case kindHex:
		s = fmt.Sprintf("%d hex", f.max)
	case kindInt:
		s = "int"
		if f.max < MaxInt {
			s = fmt.Sprintf("%d–%d", f.min, f.max)
		} else if f.min == 1 {
			s = "int ≥ 1"
		}
	case kindBool:
		s = "bool"
	case kindTexts:
		s = fmt.Sprintf("[%d] × ≤ %d", f.size, f.max)
	case kindMap:
		s = fmt.Sprintf("map ≤ %d, %d KiB", f.max, f.size>>10)
	case kindReason:
		s = "map to " + strings.Join(f.enum, ", ")
	case kindCounts:
		s = fmt.Sprintf("map to int ≤ %d", f.max)
	case kindParams:
		s = fmt.Sprintf("any JSON, depth %d, %d keys an object, %d KiB", MaxParamsDepth, MaxKeys, f.size>>10)
	case kindSchema:
		s = "`stet.event/1`, or `.N` behind it"
	}
	return s
}
