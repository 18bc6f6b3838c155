package store

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stetlog/stet/event"
)

// benchHeld holds a store on a real disk, as a server does.
func benchHeld(b *testing.B) *Held {
	b.Helper()
	path := filepath.Join(b.TempDir(), "store")
	state := b.TempDir()
	s, err := OpenOrMake(path, state)
	if err != nil {
		b.Fatal(err)
	}
	h, err := s.Hold(context.Background(), HoldOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := h.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return h
}

// BenchmarkPlace is eight senders of batches of 100 events, each of which waits for its receipt (L2) or for the journal
// (L1).
func BenchmarkPlace(b *testing.B) {
	for _, receipts := range []bool{false, true} {
		b.Run(fmt.Sprintf("receipts=%t", receipts), func(b *testing.B) {
			const senders, each = 8, 100
			h := benchHeld(b)
			batches := make([][]Sealed, senders)
			for n := range batches {
				r := newRemote(b, n, "stet-emitter/web1/0")
				for i := 0; i < (b.N+senders-1)/senders; i++ {
					batches[n] = append(batches[n], r.say(each))
				}
			}
			b.ResetTimer()
			var all sync.WaitGroup
			for _, mine := range batches {
				all.Go(func() {
					for len(mine) > 0 {
						n := min(len(mine), 16)
						placed := h.Place(context.Background(), viaHTTP, mine[:n])
						for _, p := range placed {
							if p.Err != nil {
								b.Error(p.Err)
								return
							}
						}
						if receipts {
							if _, _, err := h.Receipts(context.Background(), placed); err != nil {
								b.Error(err)
								return
							}
						}
						mine = mine[n:]
					}
				})
			}
			all.Wait()
			b.ReportMetric(float64(b.N*each)/b.Elapsed().Seconds(), "events/s")
		})
	}
}

// BenchmarkRecordFor is 64 clients that send one event at a time.
func BenchmarkRecordFor(b *testing.B) {
	h := benchHeld(b)
	const clients = 64
	b.ResetTimer()
	var all sync.WaitGroup
	for n := range clients {
		all.Go(func() {
			for i := n; i < b.N; i += clients {
				out, err := h.RecordFor(context.Background(), viaHTTP, "shop", "test", []*event.Event{unsealed("shop_checkout")})
				if err != nil || out[0].Err != nil {
					b.Error(err, out)
					return
				}
			}
		})
	}
	all.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
