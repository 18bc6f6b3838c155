package server

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"

	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/wire"
)

// BenchmarkBatches is sealed batches of 100 events from several emitters, over HTTP on loopback, fully checked, durable on a
// real disk, to the receipt (L2). An operation is a batch; making and sealing them is not counted.
func BenchmarkBatches(b *testing.B) {
	for _, per := range []int{1, 16} { // batches a request
		b.Run(fmt.Sprintf("requests of %d", per), func(b *testing.B) { benchmarkBatches(b, 32, per) })
	}
}

func benchmarkBatches(b *testing.B, emitters, per int) {
	dir, err := fsx.OpenDir(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	keys := store.Keys{Log: newKey(b, "stet.local/test"), Store: newKey(b, "stet-store/test")}
	s := store.New(dir, known.Dir{FS: dir, Name: "state"}, func(bool) (store.Keys, error) { return keys, nil })
	held, err := s.Hold(context.Background(), store.HoldOptions{})
	if err != nil {
		b.Fatal(err)
	}
	a, err := auth.Open(dir, auth.Options{LogKeys: []string{keys.Log.VKey}, Rand: rand.Reader})
	if err != nil {
		b.Fatal(err)
	}
	w := &world{t: b, held: held, auth: a, tokens: map[string]string{}}
	if w.tokens["writer"], _, err = a.Create(auth.Spec{Name: "writer", Role: auth.Writer, App: "shop"}); err != nil {
		b.Fatal(err)
	}
	if w.server, err = New(Options{Log: held, Authority: a}); err != nil {
		b.Fatal(err)
	}
	sv := w.serve(patience)
	url := "http://" + sv.addr + "/v1/batches"
	bodies := makeBodies(b, newKey(b, "stet-emitter/web1"), emitters, per)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: emitters}}
	events := 0
	b.ResetTimer()
	var all sync.WaitGroup
	for i := range emitters {
		mine := bodies[i][:min(len(bodies[i]), (b.N+emitters*per-1)/(emitters*per))]
		events += len(mine) * per * 100
		all.Go(func() {
			for _, body := range mine {
				r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
				if err != nil {
					b.Error(err)
					return
				}
				r.Header.Set("Authorization", "Bearer "+w.tokens["writer"])
				r.Header.Set("Content-Type", wire.BatchesType)
				answer, err := client.Do(r)
				if err != nil {
					b.Error(err)
					return
				}
				text, err := io.ReadAll(answer.Body)
				if err != nil || answer.Body.Close() != nil || answer.StatusCode != http.StatusOK || !bytes.Contains(text, []byte(`"placed"`)) {
					b.Errorf("%d %.200s", answer.StatusCode, text)
					return
				}
			}
		})
	}
	all.Wait()
	b.StopTimer()
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
	sv.stop()
	if err := held.Close(context.Background()); err != nil {
		b.Error(err)
	}
}

// makeBodies makes as many requests an emitter as a benchmark may need.
func makeBodies(b *testing.B, k keyfile.Key, emitters, per int) [][][]byte {
	b.Helper()
	most := (min(b.N, 2000) + emitters*per - 1) / (emitters * per)
	out := make([][][]byte, emitters)
	for i := range out {
		s := newStream(b, k, "shop")
		for range most {
			var elements []wire.Element
			for range per {
				elements = append(elements, s.say(100))
			}
			body, err := wire.Append(nil, elements)
			if err != nil {
				b.Fatal(err)
			}
			out[i] = append(out[i], body)
		}
	}
	return out
}
