package formats_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	_ "github.com/valllabh/ocsf-schema-golang/ocsfjson" // which brings the schema

	"github.com/stetlog/stet/internal/convert"
)

// ocsfSchema is the schema of OCSF 1.2 as its server publishes it, as far as it is looked at.
type ocsfSchema struct {
	Classes, Objects map[string]ocsfThing
}

type ocsfThing struct {
	UID         int
	Caption     string
	Category    string
	Constraints map[string][]string
	Attributes  map[string]struct {
		Type        string
		ObjectType  string `json:"object_type"`
		Requirement string
		Profile     string
		IsArray     bool `json:"is_array"`
		Enum        map[string]struct{ Caption string }
	}
}

func readOCSFSchema(t *testing.T) (s ocsfSchema) {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "github.com/valllabh/ocsf-schema-golang").Output()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "schema", "v1.2-schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// later is what versions after 1.2 added, and what they do not demand any more: OCSF's changelog has each.
func later(path string) bool {
	return slices.Contains([]string{
		"attestation",       // 1.9, with the profile record_integrity
		"job.uid",           // 1.9
		"missing: job.file", // not demanded since 1.3: we know no file
	}, path)
}

// faults are what is wrong with an object.
func (s ocsfSchema) faults(thing ocsfThing, o map[string]any, profiles []any, at string) (all []string) {
	for name, v := range o {
		path := strings.TrimPrefix(at+"."+name, ".")
		a, known := thing.Attributes[name]
		switch {
		case later(path):
			continue
		case !known, a.Profile != "" && !slices.Contains(profiles, any(a.Profile)):
			all = append(all, path+" is no attribute")
			continue
		}
		values := []any{v}
		if list, ok := v.([]any); ok && a.IsArray {
			values = list
		}
		for _, v := range values {
			all = append(all, s.wrong(a.Type, a.ObjectType, v, profiles, path)...)
			if _, ok := a.Enum[fmt.Sprint(v)]; len(a.Enum) > 0 && !ok {
				all = append(all, fmt.Sprintf("%s has no %v", path, v))
			}
		}
	}
	for name, a := range thing.Attributes {
		path := strings.TrimPrefix(at+"."+name, ".")
		if _, there := o[name]; !there && a.Requirement == "required" && (a.Profile == "" || slices.Contains(profiles, any(a.Profile))) && !later("missing: "+path) {
			all = append(all, path+" is missing")
		}
	}
	if one := thing.Constraints["at_least_one"]; len(one) > 0 && !slices.ContainsFunc(one, func(name string) bool { return o[name] != nil }) {
		all = append(all, at+" has none of "+strings.Join(one, ", "))
	}
	return all
}

func (s ocsfSchema) wrong(typ, object string, v any, profiles []any, path string) []string {
	ok := false
	switch typ {
	case "object_t":
		o, is := v.(map[string]any)
		if is && object != "object" { // which is any
			return s.faults(s.Objects[object], o, profiles, path)
		}
		ok = is
	case "integer_t", "long_t", "timestamp_t", "port_t":
		n, is := v.(float64)
		ok = is && n == float64(int64(n))
	default:
		_, ok = v.(string)
	}
	if !ok {
		return []string{fmt.Sprintf("%s is %v, which is no %s", path, v, typ)}
	}
	return nil
}

// TestOCSF: no row breaks the schema, and every mapped field is there. Application Error came with OCSF 1.5: of such rows only
// what they share with a base event is judged.
func TestOCSF(t *testing.T) {
	schema := readOCSFSchema(t)
	classes := map[float64]ocsfThing{}
	for _, c := range schema.Classes {
		if category, ok := map[string]int{"other": 0, "system": 1, "iam": 3, "application": 6}[c.Category]; ok {
			classes[float64(1000*category+c.UID)] = c
		}
	}
	judged := map[string]int{}
	for _, s := range samples(t) {
		var o map[string]any
		if err := json.Unmarshal(convert.OCSF.Append(nil, s.row), &o); err != nil {
			t.Fatalf("seq %d: %v", s.seq, err)
		}
		uid := o["class_uid"].(float64)
		class, known := classes[uid]
		switch {
		case uid == 6008:
			class = classes[0]
			for _, name := range []string{"class_uid", "category_uid", "activity_id", "type_uid"} {
				delete(o, name)
			}
			class.Attributes = clean(class.Attributes, "class_uid", "category_uid", "activity_id", "type_uid")
		case !known:
			t.Fatalf("seq %d: class %v", s.seq, uid)
		case o["type_uid"] != uid*100+o["activity_id"].(float64):
			t.Fatalf("seq %d: type %v of class %v, activity %v", s.seq, o["type_uid"], uid, o["activity_id"])
		}
		judged[class.Caption]++
		if faults := schema.faults(class, o, o["metadata"].(map[string]any)["profiles"].([]any), ""); len(faults) > 0 {
			t.Fatalf("seq %d, %s:\n%s", s.seq, s.EventType, strings.Join(faults, "\n"))
		}
		readOCSF(t, s, o)
	}
	if len(judged) < 6 {
		t.Errorf("only these classes were tried: %v", judged)
	}
}

func clean[M ~map[string]V, V any](m M, names ...string) M {
	out := M{}
	for k, v := range m {
		if !slices.Contains(names, k) {
			out[k] = v
		}
	}
	return out
}

// at is a value within objects.
func within(v any, path ...string) any {
	for _, name := range path {
		o, _ := v.(map[string]any)
		v = o[name]
	}
	return v
}

func readOCSF(t *testing.T, s sample, o map[string]any) {
	t.Helper()
	got := map[string]string{}
	for name, v := range o["unmapped"].(map[string]any) {
		got[name] = v.(string)
	}
	for name, paths := range map[string][]string{
		"message": {"message"}, "status_code": {"status_code"}, "status_reason": {"status_detail"}, "event_id": {"metadata.uid"}, "interaction_id": {"metadata.correlation_uid"},
		"event_type": {"metadata.event_code"}, "app_id": {"metadata.product.name", "actor.app_uid"}, "app_version": {"metadata.product.version"},
		"user_id": {"actor.user.uid"}, "source_ip": {"src_endpoint.ip"}, "host": {"device.hostname", "device.name"}, "host_ip": {"device.ip"}, "instance_id": {"device.instance_uid"},
	} {
		for _, path := range paths {
			if v, ok := within(o, strings.Split(path, ".")...).(string); ok && v != "not_provided" {
				got[name] = v
			}
		}
	}
	if port, ok := within(o, "src_endpoint", "port").(float64); ok {
		got["source_port"] = strconv.Itoa(int(port))
	}
	want := without(s.texts(), "seq", "entry_hash", "status")
	for name, v := range some("message", s.Description, "host_ip", s.Host.IP) {
		want[name] = v
	}
	same(t, s, "fields", want, got)
	same(t, s, "numbers", []any{1767322955678.0, 1767323045678.0, float64(s.seq), float64(severities[*s.Severity].ocsf)},
		[]any{o["time"], within(o, "metadata", "logged_time"), within(o, "metadata", "sequence"), o["severity_id"]})
	status := map[string]float64{"success": 1, "failure": 2}
	if want, ok := status[s.Status]; ok {
		same(t, s, "status", any(want), o["status_id"])
	} else if s.Status != "" {
		same(t, s, "status", []any{99.0, s.Status}, []any{o["status_id"], o["status"]})
	}
	same(t, s, "integrity", []any{string(s.raw), strings.TrimPrefix(s.hash, "sha256:"), 3.0, 1.0, s.StreamID.String()},
		[]any{o["raw_data"], within(o, "attestation", "fingerprint", "value"), within(o, "attestation", "fingerprint", "algorithm_id"), within(o, "attestation", "fingerprint", "encoding_id"), within(o, "attestation", "chain_uid")})
}
