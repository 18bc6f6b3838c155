package ledger_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/ledger"
)

// BenchmarkRecovery measures Open on a journal tail that nothing of is published yet, on a real directory: the whole of it
// is checked, hashed, compressed, written and synced again. THREATS limits it to 5 s a GiB.
func BenchmarkRecovery(b *testing.B) {
	const tail = 24 << 20 // a ledger that takes in more begins to publish
	for b.Loop() {
		b.StopTimer()
		dir := b.TempDir()
		o := ledgerIn(b, dir)
		l, err := ledger.Open(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		s := newStream("emitter", 1)
		size := 0
		for size < tail {
			batch := s.next(1000, 800)
			size += len(batch.Items) * 800
			if _, err := l.Append(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		copied := filepath.Join(b.TempDir(), "store") // as a power cut would leave it: the first ledger goes on in its own
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			b.Fatal(err)
		}
		o = ledgerIn(b, copied)
		b.StartTimer()
		start := time.Now()
		again, err := ledger.Open(b.Context(), o)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(time.Since(start).Seconds()*(1<<30)/float64(size), "s/GiB")
		b.StopTimer()
		if err := again.Close(); err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}

func ledgerIn(b *testing.B, dir string) ledger.Options {
	b.Helper()
	d, err := fsx.OpenDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = d.Close() }) // read and written to its end by then
	o := options(d)
	o.Workers = 0
	return o
}
