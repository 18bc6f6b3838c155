package syslog

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// Counts are the metrics of a listener: a prometheus.Collector.
type Counts struct {
	connections prometheus.Gauge
	messages    prometheus.Counter
	bytes       prometheus.Counter
	broken      *prometheus.CounterVec // by what was wrong with the framing
	refused     *prometheus.CounterVec // connections, by why
	slowed      prometheus.Counter
	failed      prometheus.Counter
	lost        prometheus.Counter
}

func newCounts() *Counts {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	return &Counts{
		connections: prometheus.NewGauge(prometheus.GaugeOpts{Name: "stet_syslog_connections", Help: "Open connections of senders of syslog."}),
		messages:    counter("stet_syslog_messages_total", "Messages that came over syslog."),
		bytes:       counter("stet_syslog_bytes_total", "Bytes of these."),
		broken:      prometheus.NewCounterVec(prometheus.CounterOpts{Name: "stet_syslog_broken_total", Help: "Messages that did not come whole, by why: long, cut, framing."}, []string{"why"}),
		refused:     prometheus.NewCounterVec(prometheus.CounterOpts{Name: "stet_syslog_refused_connections_total", Help: "Connections that were turned away, by why: connections, handshake."}, []string{"why"}),
		slowed:      counter("stet_syslog_slowed_total", "Times that a sender was read more slowly because it sent more than its rate."),
		failed:      counter("stet_syslog_failures_total", "Times that messages could not be recorded and had to wait."),
		lost:        counter("stet_syslog_lost_total", "Messages that were read and could not be recorded before the server ended."),
	}
}

func (c *Counts) all() []prometheus.Collector {
	return []prometheus.Collector{c.connections, c.messages, c.bytes, c.broken, c.refused, c.slowed, c.failed, c.lost}
}

// Describe is prometheus.Collector's.
func (c *Counts) Describe(out chan<- *prometheus.Desc) {
	for _, x := range c.all() {
		x.Describe(out)
	}
}

// Collect is prometheus.Collector's.
func (c *Counts) Collect(out chan<- prometheus.Metric) {
	for _, x := range c.all() {
		x.Collect(out)
	}
}

func (c *Counts) came(m Message) {
	c.messages.Inc()
	c.bytes.Add(float64(len(m.Text)))
	for why, err := range map[string]error{"long": ErrLong, "cut": ErrCut, "framing": ErrFraming} {
		if errors.Is(m.Err, err) {
			c.broken.WithLabelValues(why).Inc()
		}
	}
}
