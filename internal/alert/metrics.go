package alert

import "github.com/prometheus/client_golang/prometheus"

// Metrics tells how the alerts fare, for a registry of metrics. It does not name them: who may read a server's metrics need not
// know what it looks for. Safe for concurrent use.
type Metrics struct{ alerts *Alerts }

// Metrics are those of all alerts, as List has them at the moment they are asked for.
func (a *Alerts) Metrics() Metrics { return Metrics{a} }

// tally is what is told of all alerts together.
type tally struct {
	on, failing, off float64 // failing: on, and the last attempt was not taken
	waiting          float64 // entries found and not delivered
	behind           float64 // entries of the log that the slowest of those that are on has not looked at
}

func tallyOf(all []Info) (t tally) {
	for _, i := range all {
		if i.Off != "" {
			t.off++
			continue
		}
		t.on++
		if i.Last != nil && !i.Last.OK {
			t.failing++
		}
		t.waiting += float64(i.Waiting + i.Sending)
		t.behind = max(t.behind, float64(i.Behind))
	}
	return t
}

// each calls fn with each metric and its value.
func (t tally) each(fn func(d *prometheus.Desc, value float64)) {
	for _, m := range []struct {
		name, help string
		value      float64
	}{
		{"stet_alerts", "Alerts that are on.", t.on},
		{"stet_alerts_failing", "Alerts that are on, and whose last message was not taken at its last attempt.", t.failing},
		{"stet_alerts_off", "Alerts that were turned off.", t.off},
		{"stet_alert_waiting_entries", "Entries that alerts have found and that are not delivered.", t.waiting},
		{"stet_alert_behind_entries", "Published entries that the slowest alert has not looked at.", t.behind},
	} {
		fn(prometheus.NewDesc(m.name, m.help, nil, nil), m.value)
	}
}

// Describe is prometheus.Collector's.
func (m Metrics) Describe(out chan<- *prometheus.Desc) {
	tally{}.each(func(d *prometheus.Desc, _ float64) { out <- d })
}

// Collect is prometheus.Collector's.
func (m Metrics) Collect(out chan<- prometheus.Metric) {
	tallyOf(m.alerts.List()).each(func(d *prometheus.Desc, value float64) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value)
	})
}
