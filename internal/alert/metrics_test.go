package alert

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
)

// What an operator watches: whether messages are taken, and what waits where they are not. One that was turned off waits for
// nobody.
func TestTally(t *testing.T) {
	got := tallyOf([]Info{
		{Name: "new"},
		{Name: "good", Last: &Delivery{OK: true}, Behind: 3},
		{Name: "failing", Last: &Delivery{}, Waiting: 7, Sending: 2, Behind: 1},
		{Name: "off", Off: "410", Last: &Delivery{}, Waiting: 100, Behind: 100},
	})
	if d := cmp.Diff(tally{on: 3, failing: 1, off: 1, waiting: 9, behind: 3}, got, cmp.AllowUnexported(tally{})); d != "" {
		t.Error(d)
	}
}

// The metrics can be gathered, and name no alert.
func TestMetricsAreGathered(t *testing.T) {
	w := newWorld(t)
	w.add(Spec{Name: "sales", Query: "event:shop_checkout"})
	r := prometheus.NewRegistry()
	if err := r.Register(w.Metrics()); err != nil {
		t.Fatal(err)
	}
	all, err := r.Gather()
	if err != nil || len(all) != 5 {
		t.Fatalf("%d metrics, %v", len(all), err)
	}
	for _, m := range all {
		want := 0.0
		if m.GetName() == "stet_alerts" {
			want = 1
		}
		if got := m.GetMetric()[0]; got.GetGauge().GetValue() != want || len(got.GetLabel()) > 0 {
			t.Errorf("%s: %v, want %v", m.GetName(), got, want)
		}
	}
}
