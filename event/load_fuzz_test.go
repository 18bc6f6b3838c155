package event_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/stetlog/stet/event"
)

// FuzzLoadCatalogue: what is loaded is JSON without a member twice, keeps every built-in type at least as strict as it was,
// and has what the file names; all else is ErrCatalogue.
func FuzzLoadCatalogue(f *testing.F) {
	f.Add([]byte(`{"schema":"stet.catalogue/1","types":[]}`))
	f.Add([]byte(`{"schema":"stet.catalogue/1","types":[{"name":"invoice_sent","severity":6,"description":"An invoice was sent"}]}`))
	f.Add([]byte(`{"schema":"stet.catalogue/1","types":[{"name":"invoice_changed","severity":4,"security":true,"description":"x","modifies":true,"required":["object"],"personal":{"labels.mail":"contract"}}]}`))
	f.Add([]byte(`{"schema":"stet.catalogue/1","types":[{"name":"login_success","severity":7,"description":"x"},{"name":"a","name":"a"}]}`))
	builtin := event.Builtin()
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := event.LoadCatalogue(b)
		if err != nil {
			if !errors.Is(err, event.ErrCatalogue) || c != nil {
				t.Fatalf("%v is not ErrCatalogue", err)
			}
			return
		}
		var named struct {
			Types []struct{ Name string }
		}
		if err := json.Unmarshal(b, &named); err != nil {
			t.Fatalf("loaded what is not JSON: %v", err)
		}
		for _, n := range named.Types {
			got, ok := c.Lookup(n.Name)
			if !ok {
				t.Fatalf("%q is in the file and not in the catalogue", n.Name)
			}
			if was, ok := builtin.Lookup(n.Name); ok && (got.Severity > was.Severity || was.Security && !got.Security || was.Reserved && !got.Reserved) {
				t.Fatalf("%q became laxer", n.Name)
			}
		}
	})
}
