package expect

import (
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/watch"
)

// Machine is a Watch for a watch.Runner.
type Machine struct{ Watch }

// Due returns what was missed by now.
func (m *Machine) Due(now time.Time) []watch.Finding {
	var all []watch.Finding
	for _, f := range m.Watch.Due(now) {
		all = append(all, watch.Finding{Type: missed, Rule: rule, About: f.About(), Due: f.Due, Near: event.NewUUIDv7(f.First, [10]byte{}), Event: f.Event()})
	}
	return all
}
