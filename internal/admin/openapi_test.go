package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/stetlog/stet/docs"
	"github.com/stetlog/stet/internal/server"
	"github.com/stetlog/stet/internal/wire"
)

// document is the part of the OpenAPI document that this package answers: operations by method and path.
type document struct {
	all map[string]any
	ops map[string]map[string]any
}

func readDocument(t testing.TB) document {
	t.Helper()
	d := document{ops: map[string]map[string]any{}}
	if err := yaml.Unmarshal([]byte(docs.OpenAPI), &d.all); err != nil {
		t.Fatal(err)
	}
	for path, item := range d.all["paths"].(map[string]any) {
		for method, o := range item.(map[string]any) {
			if op := o.(map[string]any); slices.Contains(op["tags"].([]any), any("administration")) {
				d.ops[strings.ToUpper(method)+" "+path] = op
			}
		}
	}
	return d
}

// at follows a reference, if there is one.
func (d document) at(v any) map[string]any {
	m := v.(map[string]any)
	ref, ok := m["$ref"].(string)
	if !ok {
		return m
	}
	var to any = d.all
	for _, name := range strings.Split(strings.TrimPrefix(ref, "#/"), "/") {
		to = to.(map[string]any)[name]
	}
	return d.at(to)
}

// holds says what is wrong with an answer to an operation.
func (d document) holds(op map[string]any, status int, b []byte) error {
	r, ok := op["responses"].(map[string]any)[fmt.Sprint(status)]
	if !ok {
		return fmt.Errorf("the status %d is not documented", status)
	}
	content := d.at(r)["content"].(map[string]any)
	if p, ok := wire.ParseProblem(b); ok && status != http.StatusOK {
		codes := content[wire.ProblemType].(map[string]any)["schema"].(map[string]any)["properties"].(map[string]any)["code"].(map[string]any)["enum"].([]any)
		if !slices.Contains(codes, any(string(p.Code))) {
			return fmt.Errorf("status %d with the code %s is not documented", status, p.Code)
		}
		return nil
	}
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	return d.value(content[jsonType].(map[string]any)["schema"], v, "answer")
}

// value holds a value against what of JSON Schema these operations use. A keyword that it does not know is an error: what is
// written there would not be checked.
func (d document) value(schema, v any, where string) error {
	s := d.at(schema)
	for keyword, want := range s {
		ok := true
		switch keyword {
		case "description", "required", "items":
		case "type":
			switch v.(type) {
			case map[string]any:
				ok = want == "object"
			case []any:
				ok = want == "array"
			case string:
				ok = want == "string"
			case bool:
				ok = want == "boolean"
			case float64:
				ok = want == "integer"
			default:
				ok = false
			}
		case "const":
			ok = v == want
		case "enum":
			ok = slices.Contains(want.([]any), v)
		case "pattern":
			ok = regexp.MustCompile(want.(string)).MatchString(v.(string))
		case "properties":
			members := v.(map[string]any)
			for name, m := range members {
				of, known := want.(map[string]any)[name]
				if !known {
					return fmt.Errorf("%s has %s, which is not documented", where, name)
				}
				if err := d.value(of, m, where+"."+name); err != nil {
					return err
				}
			}
			for _, name := range s["required"].([]any) {
				if _, there := members[name.(string)]; !there {
					return fmt.Errorf("%s has no %s", where, name)
				}
			}
		default:
			return fmt.Errorf("%s: this test does not know %s", where, keyword)
		}
		if !ok {
			return fmt.Errorf("%s is %v; %s should be %v", where, v, keyword, want)
		}
	}
	if list, ok := v.([]any); ok {
		for i, m := range list {
			if err := d.value(s["items"], m, fmt.Sprintf("%s[%d]", where, i)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Every route of the administration is in the document, with the type of its body, and the other way round.
func TestTheDocumentHasTheRoutes(t *testing.T) {
	d := readDocument(t)
	seen := map[string]bool{}
	for _, rt := range (&Office{}).Routes() {
		name := rt.Method + " " + rt.Pattern
		op, ok := d.ops[name]
		if !ok {
			t.Errorf("%s is not in the document", name)
			continue
		}
		seen[name] = true
		if _, body := op["requestBody"]; body != (len(rt.Types) > 0) {
			t.Errorf("%s: the document and the route do not agree on whether there is a body", name)
		}
	}
	for name := range d.ops {
		if !seen[name] {
			t.Errorf("%s is in the document and nowhere else", name)
		}
	}
}

// against holds an answer of the administration against the document, whatever it was asked.
func (w *site) against(rt server.Route, status int, b []byte) {
	w.t.Helper()
	op, ok := w.document.ops[rt.Method+" "+rt.Pattern]
	if !ok {
		return
	}
	if err := w.document.holds(op, status, b); err != nil {
		w.t.Errorf("%s %s: %v\n%s", rt.Method, rt.Pattern, err, b)
	}
}
