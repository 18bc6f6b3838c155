package published

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stetlog/stet/proof"
)

var errHere = errors.New("it fails here")

// Whoever begins wherever and fails wherever is given each entry once, in order, and what one does is nothing to the others.
func TestFeed(t *testing.T) {
	for seed := range uint64(3) {
		synctest.Test(t, func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test
			l := newTape(t)
			grow := func() {
				l.mu.Lock()
				defer l.mu.Unlock()
				for range 1 + rnd.IntN(3) {
					l.say(t, 1+rnd.IntN(100))
				}
				l.publish(t)
			}
			grow()
			feed := New(l, l)
			ctx, cancel := context.WithCancel(t.Context())
			var all sync.WaitGroup
			takers := make([]*notes, 4)
			for i := range takers {
				own := rand.New(rand.NewPCG(seed, uint64(i))) //nolint:gosec // a test
				n := &notes{}
				takers[i] = n
				all.Go(func() {
					for ctx.Err() == nil {
						time.Sleep(time.Duration(own.IntN(300)) * time.Millisecond)
						left := own.IntN(1000) - 250*i // the first one fails, the last hardly
						n.fail = func(*Entry) error {
							if left--; left == 0 {
								return fmt.Errorf("taker %d: %w", i, errHere)
							}
							return nil
						}
						err := feed.Follow(ctx, uint64(len(n.all)), n)
						if failed := errors.Is(err, errHere) && left == 0 && err.Error() == fmt.Sprintf("taker %d: %v", i, errHere); !failed && !errors.Is(err, context.Canceled) {
							t.Errorf("taker %d: %v", i, err)
							return
						}
					}
				})
			}
			for range 20 {
				time.Sleep(100 * time.Millisecond)
				grow()
			}
			time.Sleep(time.Minute)
			cancel()
			all.Wait()
			for i, n := range takers {
				equal(t, fmt.Sprint("taker ", i), n.all, want(l, 0, nil))
			}
		})
	}
}

// Who is at the end is given what is published with all others who are there, from one reading; who is behind reads by himself,
// and is not waited for.
func TestFeedReadsOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTape(t)
		l.say(t, 300)
		l.publish(t)
		feed := New(l, l)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		follow := func(n *notes) {
			all.Go(func() {
				if err := feed.Follow(ctx, uint64(len(n.all)), n); !errors.Is(err, context.Canceled) {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		grow := func(n int) (bundles int) {
			l.mu.Lock()
			l.say(t, n)
			l.publish(t)
			l.fetched = 0
			l.mu.Unlock()
			synctest.Wait()
			l.mu.Lock()
			defer l.mu.Unlock()
			return l.fetched
		}
		one, two, behind := &notes{}, &notes{}, &notes{}
		follow(one)
		follow(two)
		if n := grow(5); n != 1 {
			t.Errorf("%d bundles were read for two, want 1", n)
		}
		wait := make(chan struct{})
		behind.fail = func(*Entry) error {
			<-wait
			return nil
		}
		follow(behind)
		if n := grow(5); n != 1 || len(one.all) != 313 || len(two.all) != 313 {
			t.Errorf("%d bundles were read, and %d and %d of 313 entries given, beside one who is behind", n, len(one.all), len(two.all))
		}
		close(wait)
		synctest.Wait()
		if n := grow(5); n != 1 {
			t.Errorf("%d bundles were read for three, want 1", n)
		}
		cancel()
		all.Wait()
		for i, n := range []*notes{one, two, behind} {
			equal(t, fmt.Sprint("taker ", i), n.all, want(l, 0, nil))
		}
	})
}

// Who comes a little behind the others is given what he lacks while they wait; who is far behind goes on by himself.
func TestFeedWaitsForWhoIsNear(t *testing.T) {
	l := newTape(t)
	l.say(t, 5)
	l.publish(t)
	behind, there := l.head(t), &notes{}
	l.say(t, 7)
	l.publish(t)
	feed, now := New(l, l), l.head(t)
	feed.shared, feed.at, feed.all = mustRead(t, l, now, there), now, []*follower{{there, func(error) {}}}
	for _, x := range []struct {
		near   uint64
		joined bool
		has    uint64
	}{{7, false, behind.Size}, {8, true, now.Size}} {
		n := &notes{}
		feed.near = x.near
		joined, err := feed.join(t.Context(), &follower{n, func(error) {}}, mustRead(t, l, behind, n), behind)
		if err != nil || joined != x.joined || uint64(len(n.all)) != x.has {
			t.Errorf("near %d: %t with %d entries (%v)", x.near, joined, len(n.all), err)
		}
	}
	if len(there.all) != int(now.Size) || len(feed.all) != 2 {
		t.Errorf("the one who was there has %d entries, and %d read", len(there.all), len(feed.all))
	}
}

func mustRead(t *testing.T, l *tape, cp proof.Checkpoint, to Taker) *Reader {
	t.Helper()
	r, err := NewReader(t.Context(), l, 0, cp.Size)
	if err == nil {
		err = r.Read(t.Context(), cp, to)
	}
	if err != nil {
		t.Fatal(err)
	}
	return r
}
