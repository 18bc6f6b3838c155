package store

import (
	"fmt"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
)

// BenchmarkDrain measures what a long spool of one-event batches costs to drain from a real directory.
func BenchmarkDrain(b *testing.B) {
	const batches = 10_000
	for _, window := range []int{1, 64, defaultWindow, 1024} {
		b.Run(fmt.Sprintf("window=%d", window), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				dir, err := fsx.OpenDir(b.TempDir())
				if err != nil {
					b.Fatal(err)
				}
				f := newForge(b, dir, streamID(1))
				for range batches {
					f.batch(trouble{})
				}
				f.die()
				s := storeOn(dir)
				s.window, s.workers = window, 0
				b.StartTimer()
				if d := mustDrain(b, s); d.Batches != batches {
					b.Fatalf("drained %+v", d)
				}
				b.StopTimer()
				if err := dir.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
			b.ReportMetric(float64(batches*b.N)/b.Elapsed().Seconds(), "batches/s")
		})
	}
}
