package alert

import (
	"fmt"
	"syscall"
	"testing"
)

// BenchmarkLook is what following costs an event in time of the processor: with one alert, and with as many as there may be.
func BenchmarkLook(b *testing.B) {
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			b.Fatal(err)
		}
		return u.Utime.Nano() + u.Stime.Nano()
	}
	for _, alerts := range []int{1, 3, sieved, sieved + 1, MaxAlerts} {
		b.Run(fmt.Sprint(alerts), func(b *testing.B) {
			w := newWorld(b)
			defer w.close()
			for i := range alerts {
				w.add(Spec{Name: fmt.Sprint("a", i), Query: fmt.Sprintf("event:shop_return app:shop%d -status:success", i)})
			}
			from := w.next
			const events = 10_000
			w.say("shop_checkout", events)
			began := used()
			b.ResetTimer()
			for b.Loop() {
				w.look(from)
			}
			b.ReportMetric(float64(used()-began)/float64(b.N)/events, "cpu-ns/event")
		})
	}
}
