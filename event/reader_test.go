package event_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/stetlog/stet/event"
)

// TestReaderForgets: an event that is read into used memory is what Parse makes of it, whatever was read there before, also
// where that was refused half-way.
func TestReaderForgets(t *testing.T) {
	all := [][]byte{[]byte(must(t, sample())), []byte(must(t, outcome()))}
	rich := outcome()
	rich.Principal.OnBehalfOf, rich.Principal.Upstream = &event.OnBehalfOf{ID: "carol"}, &event.Upstream{System: "crm"}
	rich.References = []event.Reference{{Kind: "ticket", Value: "OPS-7"}, {Kind: "url", Value: `a\b"c`}}
	rich.Source = &event.Source{ForwardedFor: []string{"192.0.2.1"}}
	rich.Labels, rich.UserID = map[string]string{"k": `"quoted"`}, ""
	all = append(all, []byte(must(t, rich)))
	for _, v := range vectors(t) {
		all = append(all, v.bytes())
	}
	var r event.Reader
	for i := range all {
		for _, k := range []int{i, 0, i, 1, i, 2} {
			want, wantErr := event.Parse(all[k])
			got, err := r.Parse(all[k])
			if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
				t.Fatalf("%s: %v, Parse says %v", all[k], err, wantErr)
			}
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("%s (-Parse +Reader):\n%s", all[k], diff)
			}
		}
	}
}
