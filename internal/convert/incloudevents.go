package convert

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"mime"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stetlog/stet/event"
)

// CloudEvent is one that came, of CloudEvents 1.0.2.
type CloudEvent struct {
	Record        // its attributes by their names, and below data what it brings
	ID     string // source and id, which make it one
	Native []byte // an event of stet.event/1 that is its data; nil: none
	Err    error  // what of it the specification does not allow: an *event.Error whose Path is the attribute, or a *LineError
}

// nativeSchema begins the schema member of an event of ours.
const nativeSchema = "stet.event/"

// ReadCloudEvent reads a CloudEvent in JSON: of structured mode, or one of a batch.
func ReadCloudEvent(text []byte) (c CloudEvent) {
	root, err := readObject(text, MaxLineLeaves)
	if err != nil {
		return CloudEvent{Err: err}
	}
	data := root.member("data")
	encoded := root.member("data_base64")
	root.below = slices.DeleteFunc(root.below, func(n *node) bool { return n == data || n == encoded })
	for _, n := range root.below {
		if n.object || n.array {
			c.object(n.name, event.ErrType, "an attribute is a text, a number or a truth value")
			continue
		}
		if n.leaf.Kind != Null {
			n.leaf.Key = n.name
			c.Leaves = append(c.Leaves, n.leaf)
		}
	}
	attributes := len(c.Leaves)
	switch {
	case data != nil && encoded != nil:
		c.object("data_base64", event.ErrContradicts, "stands beside data; an event has one of them")
	case encoded != nil && (encoded.object || encoded.array || encoded.leaf.Kind != Text && encoded.leaf.Kind != Null):
		c.object("data_base64", event.ErrType, "is no text")
	case encoded != nil:
		if _, err := base64.StdEncoding.DecodeString(encoded.leaf.Text); err != nil {
			c.object("data_base64", event.ErrFormat, "is not Base64")
		}
		c.text("data_base64", encoded.leaf.Text)
	case data != nil:
		c.data(data)
		if schema := data.member("schema"); schema != nil && strings.HasPrefix(schema.leaf.Text, nativeSchema) {
			var whole struct {
				Data json.RawMessage `json:"data"`
			}
			if json.Unmarshal(text, &whole) == nil {
				c.Native = whole.Data
			}
		}
	}
	c.finish(attributes)
	return c
}

// Header is an attribute of a CloudEvent in binary mode: a header ce-NAME.
type Header struct{ Name, Value string }

// ReadBinaryCloudEvent reads a CloudEvent of binary mode: its attributes from headers, in their order, with what stands behind "ce-" as
// the name; its data are a body of a media type, "" where none was given.
func ReadBinaryCloudEvent(headers []Header, media string, body []byte) (c CloudEvent) {
	for _, h := range headers {
		name := strings.ToLower(h.Name)
		value, ok := headerValue(h.Value)
		if !ok {
			c.object(name, event.ErrFormat, "is not UTF-8, also once its percent-encoding is undone")
		}
		c.text(name, value)
	}
	if media != "" {
		c.text("datacontenttype", media)
	}
	attributes := len(c.Leaves)
	base, _, _ := mime.ParseMediaType(media)
	switch {
	case len(body) == 0:
	case base == "" || base == "application/json" || base == "text/json" || strings.HasSuffix(base, "+json"):
		// Of any JSON, not only an object: the reader reads objects, so it becomes the member of one.
		root, err := readObject(append(append([]byte(`{"data":`), body...), '}'), MaxLineLeaves)
		if err != nil {
			if base != "" {
				c.Err = err
				break
			}
			c.bytes(body)
			break
		}
		c.data(root.below[0])
		if schema := root.below[0].member("schema"); len(root.below) == 1 && schema != nil && strings.HasPrefix(schema.leaf.Text, nativeSchema) {
			c.Native = bytes.TrimSpace(body)
		}
		if len(root.below) != 1 {
			c.Err = &LineError{event.ErrSyntax, "its data are no JSON"}
		}
	default:
		c.bytes(body)
	}
	c.finish(attributes)
	return c
}

// bytes are data that are no JSON: a text, or Base64.
func (c *CloudEvent) bytes(body []byte) {
	if utf8.Valid(body) {
		c.text("data", string(body))
		return
	}
	c.text("data_base64", base64.StdEncoding.EncodeToString(body))
}

func (c *CloudEvent) data(n *node) {
	if err := c.flatten("data", n); err != nil && c.Err == nil {
		c.Err = err
	}
}

// headerValue undoes what the HTTP binding (3.1.3.2) does to a value: quotes around it, and percent-encoding. A % that begins no such is
// taken as it is, because some clients (the SDK for Go) encode nothing.
func headerValue(s string) (string, bool) {
	if len(s) > 1 && s[0] == '"' && s[len(s)-1] == '"' {
		s = strings.NewReplacer(`\\`, `\`, `\"`, `"`).Replace(s[1 : len(s)-1])
	}
	if !strings.Contains(s, "%") {
		return s, utf8.ValidString(s)
	}
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			if i+2 < len(s) {
				if b, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
					out = append(out, byte(b))
					i += 2
					continue
				}
			}
		}
		out = append(out, s[i])
	}
	return string(out), utf8.Valid(out)
}

// object notes the first objection.
func (c *CloudEvent) object(attribute string, code event.Refusal, what string) {
	if c.Err == nil {
		c.Err = &event.Error{Code: string(code), Path: event.Sanitize(attribute[:min(len(attribute), maxAttribute)]), Detail: what, Hint: "see CloudEvents 1.0.2"}
	}
}

// maxAttribute bounds what is repeated of an attribute's name, in bytes.
const maxAttribute = 64

// finish checks the attributes (1.0.2, sections "REQUIRED Attributes" and "OPTIONAL Attributes"), which are the first leaves.
func (c *CloudEvent) finish(attributes int) {
	// In one order, so that an event is the same one in every mode.
	slices.SortStableFunc(c.Leaves[:attributes], func(a, b Leaf) int { return strings.Compare(a.Key, b.Key) })
	c.Record = newRecord(c.Leaves)
	for i, l := range c.Leaves[:attributes] {
		switch {
		case !attributeName(l.Key):
			c.object(l.Key, event.ErrFormat, "is no name of an attribute: a-z and 0-9")
		case c.at[l.Key] != i:
			c.object(l.Key, event.ErrDuplicate, "is there twice")
		case l.Kind == Number && !int32Text(l.Text):
			c.object(l.Key, event.ErrNumber, "is no integer of 32 bits")
		}
	}
	text := func(name string, required bool) string {
		l, there := c.Leaf(name)
		switch {
		case !there && required:
			c.object(name, event.ErrMissing, "is not there")
		case there && l.Kind != Text:
			c.object(name, event.ErrType, "is no text")
		case there && l.Text == "":
			c.object(name, event.ErrFormat, "is empty")
		}
		return l.Text
	}
	if v := text("specversion", true); v != "1.0" && v != "" {
		c.object("specversion", event.ErrSchema, "is not 1.0")
	}
	id, source := text("id", true), text("source", true)
	text("type", true)
	text("subject", false)
	if _, err := url.Parse(source); err != nil {
		c.object("source", event.ErrFormat, "is no URI reference")
	}
	if v := text("dataschema", false); v != "" {
		if u, err := url.Parse(v); err != nil || !u.IsAbs() {
			c.object("dataschema", event.ErrFormat, "is no absolute URI")
		}
	}
	if v := text("datacontenttype", false); v != "" {
		if _, _, err := mime.ParseMediaType(v); err != nil {
			c.object("datacontenttype", event.ErrFormat, "is no media type")
		}
	}
	if v := text("time", false); v != "" {
		if _, err := time.Parse(time.RFC3339Nano, v); err != nil {
			c.object("time", event.ErrFormat, "is no time of RFC 3339")
		}
	}
	c.ID = source + "\n" + id
	c.trace()
}

// trace reads the traceparent of the distributed tracing extension: version, trace, span, flags.
func (c *CloudEvent) trace() {
	l, _ := c.Leaf("traceparent")
	if parts := strings.Split(l.Text, "-"); len(parts) == 4 && len(parts[0]) == 2 {
		c.text("traceparent.trace_id", parts[1])
		c.text("traceparent.span_id", parts[2])
		c.Record = newRecord(c.Leaves)
	}
}

func attributeName(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return s != ""
}

func int32Text(s string) bool {
	_, err := strconv.ParseInt(s, 10, 32)
	return err == nil
}
