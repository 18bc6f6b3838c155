package alert

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/webhook"
	"github.com/stetlog/stet/proof"
)

// tape is a log that was written before: it publishes as the test says, and forgets what is recorded.
type tape struct {
	mu          sync.Mutex
	checkpoints [][]byte
	at          int
	more        chan struct{} // closed when there is more
}

func (l *tape) Checkpoint() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.checkpoints[l.at]
}

func (l *tape) Record(context.Context, ...*event.Event) ([]uint64, error) { return []uint64{0}, nil }

func (l *tape) publish(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at = n
	close(l.more)
	l.more = make(chan struct{})
}

// Published implements published.Log.
func (l *tape) Published(ctx context.Context, seen uint64) (uint64, error) {
	for {
		l.mu.Lock()
		more := l.more
		cp, err := proof.ParseCheckpointText(l.checkpoints[l.at])
		l.mu.Unlock()
		if err != nil || cp.Size > seen {
			return cp.Size, err
		}
		select {
		case <-more:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Wherever the machine dies, and whatever was not on its disk: what comes after it has every entry that matched in exactly one
// message, and a message that came before comes again under its id with the same entries, or not at all.
func TestDeliveriesSurviveCrashes(t *testing.T) {
	w := newWorld(t)
	defer w.close()
	const rounds, each = 4, 3
	var written [][]byte
	for range rounds {
		written = append(written, w.held.Checkpoint())
		w.say("shop_checkout", each)
		w.say("shop_return", 1)
	}
	written = append(written, w.held.Checkpoint())

	type claim struct {
		added bool
		sent  []got
	}
	live := func(fsys *fsxtest.Mem, from, to int, failing bool) (c claim, err error) {
		synctest.Test(t, func(t *testing.T) {
			log := &tape{checkpoints: written, at: from, more: make(chan struct{})}
			var a *Alerts
			if a, err = Open(Options{Log: log, Source: w.held.Source(), FS: fsys, StoreKey: w.key, Logger: slog.New(slog.DiscardHandler), Jitter: func() float64 { return 1 }}); err != nil {
				return
			}
			hook := &target{t: t, answer: func(n int, _ *http.Request) (*http.Response, error) {
				if failing && n%3 == 2 {
					return answer(http.StatusServiceUnavailable, ""), nil
				}
				return answer(http.StatusOK, ""), nil
			}}
			a.any.Transport, a.public.Transport = hook, hook
			if err = a.Settle(func(Info) error { return nil }); err != nil {
				return
			}
			if from == 0 {
				if _, _, aerr := a.Add(Spec{Name: "sales", Query: "event:shop_checkout", URL: "http://hook.example/", Secret: knownSecret, AllowPrivate: true},
					func(Info) error { return nil }); aerr != nil {
					return // the disk has failed
				}
			}
			c.added = len(a.List()) == 1
			ctx, cancel := context.WithCancel(context.Background())
			done := make(chan struct{})
			go func() {
				defer close(done)
				a.Run(ctx, published.New(log, w.held.Source()))
			}()
			for n := from; n <= to; n++ {
				log.publish(n)
				time.Sleep(25 * time.Second) // more than one round a window
			}
			time.Sleep(100 * time.Second) // a window, and attempts
			cancel()
			<-done
			c.sent = hook.messages()
		})
		return c, err
	}
	p := fsxtest.Plan{
		Run: func(fsys *fsxtest.Mem) any {
			c, err := live(fsys, 0, rounds-1, true)
			if err != nil {
				return claim{}
			}
			return c
		},
		Check: func(fsys *fsxtest.Mem, acked any) error {
			before := acked.(claim)
			after, err := live(fsys, rounds-1, rounds, false)
			if err != nil || !before.added {
				return err
			}
			if !after.added {
				return fmt.Errorf("the alert is gone")
			}
			messages := map[string]data{}
			for _, m := range append(before.sent, after.sent...) {
				id := m.header.Get(webhook.HeaderID)
				if d, again := messages[id]; again && (d.Count != m.Data.Count || d.First != m.Data.First || d.Last != m.Data.Last) {
					return fmt.Errorf("%s tells of %d to %d, and then of %d to %d", id, d.First, d.Last, m.Data.First, m.Data.Last)
				}
				messages[id] = m.Data
			}
			var count uint64
			for _, d := range messages {
				count += d.Count
			}
			if count != rounds*each {
				return fmt.Errorf("%d entries are told of in %d messages, want each of %d in one", count, len(messages), rounds*each)
			}
			return nil
		},
		MaxStates: 120,
	}
	fsxtest.Explore(t, p)
	fsxtest.Faults(t, p, 2)
}
