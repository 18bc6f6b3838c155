package alert

import (
	"fmt"
	"testing"
)

// BenchmarkLook is what following costs an event: with one alert, and with as many as there may be.
func BenchmarkLook(b *testing.B) {
	for _, alerts := range []int{1, 10, MaxAlerts} {
		b.Run(fmt.Sprint(alerts), func(b *testing.B) {
			w := newWorld(b)
			defer w.close()
			for i := range alerts {
				w.add(Spec{Name: fmt.Sprint("a", i), Query: fmt.Sprintf("event:shop_return app:shop%d -status:success", i)})
			}
			from := w.next
			const events = 10_000
			w.say("shop_checkout", events)
			b.ResetTimer()
			for b.Loop() {
				w.next, w.looked = from, nil
				if err := w.look(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
		})
	}
}
