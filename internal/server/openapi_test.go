package server

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/stetlog/stet/docs"
	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/wire"
)

// contract is the OpenAPI document as something that answers can be held against.
type contract struct {
	doc map[string]any
	ops []operation

	mu   sync.Mutex
	seen map[string]bool // "operation status code", of the answers that were held against it
}

type operation struct {
	method, path, id string
	pattern          *regexp.Regexp
	parameters       int
	responses        map[string]any
	types            []string // of a request's body
	tags             []any
}

func readContract(t testing.TB) *contract {
	t.Helper()
	c := &contract{seen: map[string]bool{}}
	if err := yaml.Unmarshal([]byte(docs.OpenAPI), &c.doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range c.doc["paths"].(map[string]any) {
		for method, o := range item.(map[string]any) {
			op := o.(map[string]any)
			if slices.Contains(op["tags"].([]any), any("administration")) || slices.Contains(op["tags"].([]any), any("evidence")) {
				continue // packages admin and exports answer these, and their tests hold them against the document
			}
			expr := regexp.QuoteMeta(path)
			expr = strings.ReplaceAll(expr, `\{index\}`, `.+`) // which has slashes in it
			expr = regexp.MustCompile(`\\\{[a-z]+\\\}`).ReplaceAllString(expr, `[^/]+`)
			n := operation{method: strings.ToUpper(method), path: path, id: op["operationId"].(string), pattern: regexp.MustCompile("^" + expr + "$"),
				parameters: strings.Count(path, "{"), responses: op["responses"].(map[string]any), tags: op["tags"].([]any)}
			if body, ok := op["requestBody"].(map[string]any); ok {
				n.types = slices.Sorted(maps.Keys(body["content"].(map[string]any)))
			}
			c.ops = append(c.ops, n)
		}
	}
	slices.SortFunc(c.ops, func(a, b operation) int { return strings.Compare(a.path+a.method, b.path+b.method) })
	return c
}

// find is the operation that a request is for: the one with the fewest parameters where several match. pathKnown says
// whether there is one with another method.
func (c *contract) find(method, path string) (op *operation, pathKnown bool) {
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for i := range c.ops {
		if o := &c.ops[i]; o.pattern.MatchString(path) {
			pathKnown = true
			if o.method == method && (op == nil || o.parameters < op.parameters) {
				op = o
			}
		}
	}
	return op, pathKnown
}

// check holds an answer against the document, and returns what is wrong with it.
func (c *contract) check(method, path string, status int, h http.Header, body []byte) error {
	op, pathKnown := c.find(method, path)
	media, _, err := mime.ParseMediaType(h.Get("Content-Type"))
	if err != nil {
		return fmt.Errorf("Content-Type %q", h.Get("Content-Type"))
	}
	var value any
	if media == wire.ProblemType || media == "application/json" {
		d := json.NewDecoder(bytes.NewReader(body))
		d.UseNumber()
		if err := d.Decode(&value); err != nil && method != http.MethodHead {
			return fmt.Errorf("the body is no JSON: %w", err)
		}
	} else {
		value = string(body)
	}
	if media == wire.ProblemType && method != http.MethodHead {
		if err := c.problem(status, value); err != nil {
			return err
		}
	}
	code := ""
	if p, ok := value.(map[string]any); ok && media == wire.ProblemType {
		code, _ = p["code"].(string)
	}
	switch {
	case op == nil && path == "/v1/logs" && status == http.StatusMethodNotAllowed && h.Get("Allow") != "": // in OTLP's form
		return nil
	case op == nil && pathKnown: // another method
		if code != string(wire.MethodNotAllowed) && code != string(wire.NotAllowed) && method != http.MethodHead {
			return fmt.Errorf("no operation of this method, and the code %q", code)
		}
		return nil
	case op == nil: // what stands at the doors is asked there too
		if !slices.Contains([]wire.Code{wire.NotFound, wire.NotAllowed, wire.Unauthenticated, wire.TokenExpired, wire.TokenRevoked, wire.RateLimited, wire.Malformed, wire.MethodNotAllowed}, wire.Code(code)) && method != http.MethodHead {
			return fmt.Errorf("no operation, and the code %q", code)
		}
		return nil
	}
	r, ok := op.responses[fmt.Sprint(status)].(map[string]any)
	if !ok {
		return fmt.Errorf("%s: the status %d is not documented", op.id, status)
	}
	r = c.resolve(r)
	if headers, ok := r["headers"].(map[string]any); ok {
		for name, spec := range headers {
			v := h.Get(name)
			if v == "" {
				return fmt.Errorf("%s: status %d without %s", op.id, status, name)
			}
			schema := c.resolve(spec.(map[string]any))["schema"]
			var value any = v
			if schema.(map[string]any)["type"] == "integer" {
				value = json.Number(v)
			}
			if err := c.schema(schema, value, name); err != nil {
				return err
			}
		}
	}
	content, ok := r["content"].(map[string]any)[media].(map[string]any)
	if !ok {
		return fmt.Errorf("%s: status %d in %s is not documented", op.id, status, media)
	}
	if method == http.MethodHead {
		return nil
	}
	if err := c.schema(content["schema"], value, op.id); err != nil {
		return fmt.Errorf("status %d: %w", status, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[fmt.Sprintf("%s %d %s", op.id, status, code)] = true
	return nil
}

// problem holds a Problem against the table of codes.
func (c *contract) problem(status int, value any) error {
	p, ok := value.(map[string]any)
	if !ok {
		return fmt.Errorf("a problem that is no object")
	}
	m, known := wire.Lookup(wire.Code(fmt.Sprint(p["code"])))
	if !known || m.Status != status || fmt.Sprint(p["status"]) != fmt.Sprint(status) {
		return fmt.Errorf("status %d, and a problem %v", status, p)
	}
	return c.schema(map[string]any{"$ref": "#/components/schemas/Problem"}, value, "problem")
}

func (c *contract) resolve(m map[string]any) map[string]any {
	ref, ok := m["$ref"].(string)
	if !ok {
		return m
	}
	var at any = c.doc
	for name := range strings.SplitSeq(strings.TrimPrefix(ref, "#/"), "/") {
		at = at.(map[string]any)[name]
	}
	return at.(map[string]any)
}

// schema is JSON Schema as far as the document uses it. A keyword that it does not know is an error, so that nothing in the
// document goes unheard.
func (c *contract) schema(s, v any, at string) error {
	rules, ok := s.(map[string]any)
	if !ok {
		return fmt.Errorf("%s: no schema", at)
	}
	for _, key := range slices.Sorted(maps.Keys(rules)) {
		if err := c.rule(key, rules, v, at); err != nil {
			return err
		}
	}
	return nil
}

func (c *contract) rule(key string, rules map[string]any, v any, at string) error {
	want := rules[key]
	bad := func(format string, args ...any) error { return fmt.Errorf("%s: %s", at, fmt.Sprintf(format, args...)) }
	number, _ := v.(json.Number)
	text, isText := v.(string)
	list, isList := v.([]any)
	object, isObject := v.(map[string]any)
	limit := func() float64 {
		switch n := want.(type) {
		case uint64:
			return float64(n)
		case int64:
			return float64(n)
		case float64:
			return n
		}
		return math.NaN()
	}
	switch key {
	case "$ref":
		return c.schema(c.resolve(rules), v, at)
	case "description", "format":
	case "type":
		types, ok := want.([]any)
		if !ok {
			types = []any{want}
		}
		if !slices.Contains(types, any(typeOf(v))) && !(typeOf(v) == "integer" && slices.Contains(types, any("number"))) {
			return bad("is %s, not %v", typeOf(v), want)
		}
	case "const":
		if fmt.Sprint(v) != fmt.Sprint(want) {
			return bad("is %v, not %v", v, want)
		}
	case "enum":
		if !slices.ContainsFunc(want.([]any), func(w any) bool { return fmt.Sprint(w) == fmt.Sprint(v) }) {
			return bad("is %v, none of %v", v, want)
		}
	case "minimum", "maximum":
		if n, err := number.Float64(); number != "" && (err != nil || key == "minimum" && n < limit() || key == "maximum" && n > limit()) {
			return bad("is %v, against a %s of %v", v, key, want)
		}
	case "minLength", "maxLength":
		if n := float64(len([]rune(text))); isText && (key == "minLength" && n < limit() || key == "maxLength" && n > limit()) {
			return bad("has %v characters, against a %s of %v", n, key, want)
		}
	case "minItems", "maxItems":
		if n := float64(len(list)); isList && (key == "minItems" && n < limit() || key == "maxItems" && n > limit()) {
			return bad("has %v elements, against %s of %v", n, key, want)
		}
	case "pattern":
		if isText && !regexp.MustCompile(want.(string)).MatchString(text) {
			return bad("%.80q does not match %s", text, want)
		}
	case "required":
		for _, name := range want.([]any) {
			if _, ok := object[name.(string)]; isObject && !ok {
				return bad("has no %s", name)
			}
		}
	case "properties":
		for name, s := range want.(map[string]any) {
			if member, ok := object[name]; ok {
				if err := c.schema(s, member, at+"."+name); err != nil {
					return err
				}
			}
		}
	case "additionalProperties":
		known, _ := rules["properties"].(map[string]any)
		for name := range object {
			if _, ok := known[name]; !ok {
				return bad("has a %s that is not documented", name)
			}
		}
	case "items":
		for i, element := range list {
			if err := c.schema(want, element, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case "oneOf", "anyOf":
		n := 0
		var errs []error
		for _, s := range want.([]any) {
			if err := c.schema(s, v, at); err != nil {
				errs = append(errs, err)
				continue
			}
			n++
		}
		if n == 0 || key == "oneOf" && n > 1 {
			return bad("%d of %s hold: %v", n, key, errs)
		}
	default:
		return bad("the test does not know the keyword %s", key)
	}
	return nil
}

func typeOf(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case string:
		return "string"
	case []any:
		return "array"
	case json.Number:
		if strings.ContainsAny(string(v), ".eE") {
			return "number"
		}
		return "integer"
	}
	return "object"
}

func enumOf(c *contract, name string) []string {
	var all []string
	for _, v := range c.doc["components"].(map[string]any)["schemas"].(map[string]any)[name].(map[string]any)["enum"].([]any) {
		all = append(all, v.(string))
	}
	return all
}

// The codes of the document are those of the code, in the same order.
func TestContractHasTheCodes(t *testing.T) {
	c := readContract(t)
	var codes, refusals []string
	for _, m := range wire.Codes() {
		codes = append(codes, string(m.Code))
	}
	for _, r := range event.Refusals() {
		refusals = append(refusals, string(r))
	}
	if got := enumOf(c, "Code"); !slices.Equal(got, codes) {
		t.Errorf("Code is %v, want %v", got, codes)
	}
	schemas := c.doc["components"].(map[string]any)["schemas"].(map[string]any)
	for name, want := range map[string]int{"Accepted": maxEvents, "Receipts": wire.MaxElements} {
		results := schemas[name].(map[string]any)["properties"].(map[string]any)["results"].(map[string]any)
		if fmt.Sprint(results["maxItems"]) != fmt.Sprint(want) {
			t.Errorf("%s has at most %v results, want %d", name, results["maxItems"], want)
		}
	}
	if got := enumOf(c, "EventCode"); !slices.Equal(got, refusals) {
		t.Errorf("EventCode is %v, want %v", got, refusals)
	}
}

// All that the document refers to is there.
func TestContractResolves(t *testing.T) {
	c := readContract(t)
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case map[string]any:
			if ref, ok := v["$ref"].(string); ok && (!strings.HasPrefix(ref, "#/components/") || c.resolve(v) == nil) {
				t.Errorf("%s leads nowhere", ref)
			}
			for _, m := range v {
				walk(m)
			}
		case []any:
			for _, m := range v {
				walk(m)
			}
		}
	}
	walk(c.doc)
}
