package verify_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/verify"
)

// BenchmarkLog verifies a log of batches of 100 events of about 0.8 KB, from files, compressed, with every check on.
func BenchmarkLog(b *testing.B) {
	w := newWorld(b, 1)
	const batches, size = 200, 100
	s := w.emitter(10, "billing", "production")
	bytes := 0
	for range batches {
		events := make([]event.Event, size)
		for i := range events {
			events[i] = w.login(i)
			events[i].Labels["note"] = strings.Repeat("lorem ipsum ", 20)
			events[i].UserID = fmt.Sprint("user-", w.rng.IntN(1000))
		}
		w.batch(s, events, nil)
	}
	dir := b.TempDir()
	for name, data := range buildLog(b, w.leaves(), w.log, true) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			b.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for _, e := range w.entries {
		bytes += len(e.Event)
	}
	fsys, err := fsx.OpenDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = fsys.Close() }()
	b.ReportAllocs()
	for b.Loop() {
		rep, err := verify.Log(context.Background(), logread.NewDir(fsys, ".", logread.Compressed), verify.Options{LogKey: w.log.vkey})
		if err != nil {
			b.Fatal(err)
		}
		mustBe(b, rep, verify.Verified, "the log")
	}
	b.ReportMetric(float64(batches*size*b.N)/b.Elapsed().Seconds(), "events/s")
	b.ReportMetric(float64(bytes)/(batches*size), "bytes/event")
}
