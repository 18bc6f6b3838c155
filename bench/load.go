package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

var (
	words = []string{"purge", "invoices", "older", "than", "thirty", "days", "nightly", "report", "ledger", "customer", "retry",
		"export", "archive", "of", "the", "quarter", "mail", "batch", "import", "stock", "prices", "for", "region", "north"}
	jobs  = []string{"purge", "invoice", "report", "backup", "reindex", "mail-digest", "import-prices", "rotate-keys"}
	types = []string{"job_submitted", "job_started", "job_heartbeat", "job_succeeded", "authn_login_success", "sensitive_read", "user_updated", "session_created"}
)

// eventSize is the mean size of the events of a pool, in bytes: DESIGN's.
const eventSize = 800

// pool makes n different events of about eventSize bytes, as a mix of jobs and applications sends them. They are the
// same in every run.
func pool(n int) ([][]byte, error) {
	rng := rand.New(rand.NewPCG(1, 2))
	var codec event.Codec
	all := make([][]byte, n)
	for i := range all {
		e := made(rng, i)
		b, err := codec.Append(nil, e)
		if err != nil {
			return nil, fmt.Errorf("event %d: %w", i, err)
		}
		all[i] = b
	}
	return all, nil
}

func sentence(rng *rand.Rand, n int) string {
	s := ""
	for i := range n {
		if i > 0 {
			s += " "
		}
		s += words[rng.IntN(len(words))]
	}
	return s
}

func made(rng *rand.Rand, i int) *event.Event {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC).Add(time.Duration(i)*1373*time.Microsecond + time.Duration(rng.IntN(1e6)))
	id := func() event.UUID {
		var b [10]byte
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		return event.NewUUIDv7(at, b)
	}
	maxError := int64(100 + rng.IntN(100))
	user := fmt.Sprintf("u%d", rng.IntN(5000))
	e := &event.Event{
		EventID: id(), Timestamp: at, InteractionID: id().String(), AppID: "billing", AppVersion: "1.4",
		CodeLocation: fmt.Sprintf("worker/purge.go:%d", 20+rng.IntN(300)), EntryPoint: &event.EntryPoint{Kind: "function", Name: "Run"},
		Host: &event.Host{Name: fmt.Sprintf("worker-%d", rng.IntN(8)), IP: "10.0.0.7"}, Environment: "production",
		UserID: user, SourceIP: fmt.Sprintf("192.0.2.%d", rng.IntN(250)), Principal: &event.Principal{Type: "user", ID: user},
		EventType: types[rng.IntN(len(types))], StreamID: streamID(0), StreamSeq: uint64(i + 1),
		Clock:  &event.Clock{Confidence: "high", MaxErrorUS: &maxError},
		Labels: map[string]string{"team": "payments"},
	}
	if e.EventType[:3] == "job" {
		job := jobs[rng.IntN(len(jobs))]
		e.Job = &event.Job{ID: id().String(), RunID: id().String(), Name: job}
		e.Why = &event.Why{Trigger: "schedule", Reason: sentence(rng, 3)}
		e.Labels = nil
	}
	switch e.EventType {
	case "job_submitted":
		e.Job.Params = map[string]any{"older_than_days": rng.IntN(90), "region": words[rng.IntN(len(words))]}
	case "job_succeeded":
		e.Timing = &event.Timing{StartedAt: at.Add(-time.Second), EndedAt: at, DurationUS: new(int64(1e6 + rng.IntN(1e5)))}
		e.Impact = &event.Impact{Summary: sentence(rng, 5), Counts: map[string]int64{"rows": int64(rng.IntN(10_000))}}
	}
	return e
}

func streamID(n int) event.UUID { return derived("bench", n) }

func derived(name string, n int) event.UUID {
	return event.DeriveUUID(name, fmt.Sprint(n), [6]byte{1, 155})
}

// key makes the same key for the same name.
func key(name string) (note.Signer, string, error) {
	seed := sha256.Sum256([]byte(name))
	return proof.NewSigner(name, ed25519.NewKeyFromSeed(seed[:]))
}

// shape is how the load comes.
type shape struct{ writers, batch int }

func (s shape) String() string {
	switch {
	case s.batch > 1:
		return fmt.Sprintf("%d writers, batches of %d", s.writers, s.batch)
	case s.writers == 1:
		return "1 writer"
	}
	return fmt.Sprintf("%d writers", s.writers)
}

// load is what writers have ready, so that making it is not measured. Batches share the pool's events: the ledger looks at
// bytes, not at what they say.
type load struct {
	shape
	batches [][]ledger.Batch // of each writer, a stream each
}

// prepare seals up to total batches, on all processors.
func prepare(ctx context.Context, s shape, total int, events [][]byte) (load, error) {
	signer, vkey, err := key("stet-emitter/bench/0")
	if err != nil {
		return load{}, err
	}
	via := proof.Via{Kind: proof.ViaStore}.Append(nil)
	items := make([]ledger.Item, len(events))
	leaves := make([]proof.Hash, len(events))
	for i, e := range events {
		items[i].Event, leaves[i] = e, proof.LeafHash(e)
	}
	windows := len(events) / s.batch
	roots := make([]proof.Hash, windows)
	for i := range roots {
		roots[i] = proof.RootOf(leaves[i*s.batch : (i+1)*s.batch])
	}
	l := load{s, make([][]ledger.Batch, s.writers)}
	each := max(total/s.writers, 1)
	errs := make([]error, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for p := range errs {
		wg.Go(func() {
			for w := p; w < s.writers && ctx.Err() == nil; w += len(errs) {
				seal := proof.Seal{App: "billing", Environment: "production", Key: vkey, Stream: streamID(w).String(), First: 1,
					Clock: proof.Clock{State: proof.ClockUnknown}}
				for i := range each {
					at := (w*each + i) % windows
					seal.Count, seal.Root = s.batch, roots[at]
					msg, err := proof.SignSeal(seal, signer)
					if err != nil {
						errs[p] = err
						return
					}
					l.batches[w] = append(l.batches[w], ledger.Batch{Via: via, Items: items[at*s.batch : (at+1)*s.batch], Seal: msg})
					seal.First, seal.Prev, seal.HasPrev = seal.Next(), proof.SealHash(msg), true
				}
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return load{}, err
		}
	}
	return l, ctx.Err()
}

// drive gives the load to fn, a goroutine a writer, until the time is over or nothing is left. It returns how many events
// were taken, how long that took, and the median wait of a call.
func (l load) drive(total time.Duration, fn func(ledger.Batch) error) (events int, took, wait time.Duration, err error) {
	waits := make([][]time.Duration, l.writers)
	errs := make([]error, l.writers)
	start := time.Now()
	deadline := start.Add(total)
	var wg sync.WaitGroup
	for w := range l.writers {
		wg.Go(func() {
			for _, b := range l.batches[w] {
				from := time.Now()
				if from.After(deadline) {
					return
				}
				if errs[w] = fn(b); errs[w] != nil {
					return
				}
				waits[w] = append(waits[w], time.Since(from))
			}
		})
	}
	wg.Wait()
	took = time.Since(start)
	var all []time.Duration
	for w := range l.writers {
		if errs[w] != nil {
			return 0, 0, 0, errs[w]
		}
		all = append(all, waits[w]...)
	}
	return len(all) * l.batch, took, median(all), nil
}
