package ledger_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
)

// BenchmarkAppend measures durable appends of 800-byte events on the disk of the temporary directory, tiles, bundles and
// checkpoints included, and the last publish too. Sealing is the emitter's work and done before.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ writers, batch int }{{1, 1}, {64, 1}, {1024, 1}, {64, 100}, {64, 1000}, {1024, 100}} {
		b.Run(fmt.Sprintf("writers=%d/batch=%d", c.writers, c.batch), func(b *testing.B) {
			dir, err := fsx.OpenDir(b.TempDir())
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := dir.Close(); err != nil {
					b.Error(err)
				}
			}()
			o := options(dir)
			o.Now, o.Workers, o.PublishBusy, o.PublishIdle = time.Now, 0, 0, 0
			o.SegmentBytes, o.Preallocate = 64<<20, 64<<20
			l := open(b, o)
			writers := min(c.writers, b.N)
			batches := make([][]ledger.Batch, writers)
			for w := range writers {
				s := newStream("emitter", w)
				for i := w; i < b.N; i += writers {
					batches[w] = append(batches[w], s.next(c.batch, 800))
				}
			}
			var busy atomic.Int64
			b.ReportAllocs()
			b.ResetTimer()
			start := time.Now()
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					for _, batch := range batches[w] {
						from := time.Now()
						if _, err := l.Append(b.Context(), batch); err != nil {
							b.Error(err)
							return
						}
						busy.Add(int64(time.Since(from)))
					}
				})
			}
			wg.Wait()
			l1 := time.Since(start)
			mustPublish(b, l)
			l2 := time.Since(start)
			b.StopTimer()
			events := float64(b.N * c.batch)
			b.ReportMetric(events/l1.Seconds(), "L1-events/s")
			b.ReportMetric(events/l2.Seconds(), "L2-events/s")
			b.ReportMetric(float64(busy.Load())/float64(b.N)/1e6, "ms/append")
			mustClose(b, l)
		})
	}
}
