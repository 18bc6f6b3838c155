package formats_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stetlog/stet/internal/convert"
)

// ecsFields are the fields that ECS has, as testdata/ecs says, by their names.
func ecsFields(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "ecs", "fields.txt"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, kind, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		all[name] = kind
	}
	return all
}

// ecsFaults are the values of a document that ECS has no such field for. What a document has beside ECS's fields stands in an
// object of its own, below stet. Of log.syslog the package says no more than that it is an object.
func ecsFaults(fields map[string]string, o map[string]any, at string) (faults []string) {
	for name, v := range o {
		path := at + name
		kind := fields[path]
		below, object := v.(map[string]any)
		switch {
		case path == "stet" && object, kind == "object" && object:
		case object:
			faults = append(faults, ecsFaults(fields, below, path+".")...)
		case kind == "text" && fmt.Sprintf("%T", v) != "string", kind == "number" && fmt.Sprintf("%T", v) != "float64", kind == "":
			faults = append(faults, fmt.Sprintf("%s is %T, ECS has %q", path, v, kind))
		case kind == "texts":
			list, _ := v.([]any)
			for _, one := range list {
				if _, ok := one.(string); !ok {
					faults = append(faults, fmt.Sprintf("%s holds %T", path, one))
				}
			}
		}
	}
	return faults
}

// TestECSHasTheseFields: every field of every row is one of ECS's, with a value of its kind, or stands below stet.
func TestECSHasTheseFields(t *testing.T) {
	fields := ecsFields(t)
	rows := others(t)
	for _, s := range samples(t) {
		rows = append(rows, s.row)
	}
	for _, r := range rows {
		var o map[string]any
		if err := json.Unmarshal(convert.ECS.Append(nil, r), &o); err != nil {
			t.Fatal(err)
		}
		if faults := ecsFaults(fields, o, ""); len(faults) > 0 {
			t.Fatalf("seq %d: %s", r.Seq, strings.Join(faults, "\n"))
		}
	}
	for _, o := range []map[string]any{{"event": map[string]any{"colour": "red"}}, {"event": map[string]any{"sequence": "7"}}, {"host": map[string]any{"ip": []any{7.0}}}, {"message": 7.0}} {
		if len(ecsFaults(fields, o, "")) == 0 {
			t.Errorf("%v is taken for ECS", o)
		}
	}
}
