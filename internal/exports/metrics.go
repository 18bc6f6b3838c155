package exports

import "github.com/prometheus/client_golang/prometheus"

// outcome is what became of an order.
type outcome string

// The outcomes that are counted. An order that the end of the server took is none of them.
const (
	outcomeMade       outcome = "made"
	outcomeNothing    outcome = "nothing"    // of a complete one: the query's own limits contradict each other
	outcomeUnverified outcome = "unverified" // what the log holds does not verify, or a file of it is damaged
	outcomeTime       outcome = "too_long"
	outcomeBytes      outcome = "too_large"
	outcomeError      outcome = "error"
	outcomeRefused    outcome = "refused" // too many were there already
	outcomeEnd        outcome = ""        // the server ends
)

func outcomes() []outcome {
	return []outcome{outcomeMade, outcomeNothing, outcomeUnverified, outcomeTime, outcomeBytes, outcomeError, outcomeRefused}
}

// Metrics tells how the desk fares, for a registry of metrics; not who asked, nor for what. Safe for concurrent use.
type Metrics struct{ desk *Desk }

// Metrics are those of the desk at the moment they are asked for.
func (d *Desk) Metrics() Metrics { return Metrics{d} }

// tally is what is told of all orders together.
type tally struct {
	waiting, making float64
	files, kept     float64 // that can be fetched, and their bytes
	bytes           float64 // of all that were made
	ended           map[outcome]float64
}

func (d *Desk) tally() tally {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.expire()
	t := tally{bytes: float64(d.bytes), ended: map[outcome]float64{}}
	for _, o := range outcomes() {
		t.ended[o] = float64(d.ended[o])
	}
	for _, o := range d.orders {
		switch o.state {
		case Waiting:
			t.waiting++
		case Searching, Checking:
			t.making++
		case Ready:
			t.files++
			t.kept += float64(o.made.Bytes)
		case Failed:
		}
	}
	return t
}

// each calls fn with each metric and its value.
func (t tally) each(fn func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string)) {
	for _, m := range []struct {
		name, help string
		kind       prometheus.ValueType
		value      float64
	}{
		{"stet_evidence_waiting", "Files of evidence that were asked for and wait for others before them.", prometheus.GaugeValue, t.waiting},
		{"stet_evidence_making", "Files of evidence that are being made: one at a time.", prometheus.GaugeValue, t.making},
		{"stet_evidence_files", "Files of evidence that can be fetched.", prometheus.GaugeValue, t.files},
		{"stet_evidence_kept_bytes", "Bytes on disk of the files of evidence that can be fetched.", prometheus.GaugeValue, t.kept},
		{"stet_evidence_made_bytes_total", "Bytes of all files of evidence that were made.", prometheus.CounterValue, t.bytes},
	} {
		fn(prometheus.NewDesc(m.name, m.help, nil, nil), m.kind, m.value)
	}
	ended := prometheus.NewDesc("stet_evidence_orders_total", "Files of evidence that were asked for, by outcome: made, nothing, unverified, too_long, too_large, error, refused.", []string{"outcome"}, nil)
	for _, o := range outcomes() {
		fn(ended, prometheus.CounterValue, t.ended[o], string(o))
	}
}

// Describe is prometheus.Collector's.
func (m Metrics) Describe(out chan<- *prometheus.Desc) {
	last := ""
	tally{}.each(func(d *prometheus.Desc, _ prometheus.ValueType, _ float64, _ ...string) {
		if d.String() != last { // one with labels comes once for each
			out <- d
		}
		last = d.String()
	})
}

// Collect is prometheus.Collector's.
func (m Metrics) Collect(out chan<- prometheus.Metric) {
	m.desk.tally().each(func(d *prometheus.Desc, kind prometheus.ValueType, value float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, kind, value, labels...)
	})
}
