package alert

import (
	"context"
	"log/slog"
	"time"

	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

const (
	// saveEvery is how often it is noted how far the log was looked at, while nothing is found.
	saveEvery = 10 * time.Second
	// troubleEvery is how long the follower waits behind an error.
	troubleEvery = 5 * time.Second
	// sieved is up to how many alerts entries are looked through for the texts that these look for, before they are parsed. To
	// look for more costs as much as to parse (BenchmarkLook).
	sieved = 8
)

// follow looks at what the log publishes until ctx ends. What an error cuts off is looked at again: an alert counts an entry
// once.
func (a *Alerts) follow(ctx context.Context, feed *published.Feed) {
	trouble, at := "", uint64(0)
	for ctx.Err() == nil {
		a.mu.Lock()
		from := a.next
		a.mu.Unlock()
		err := feed.Follow(ctx, from, (*follower)(a))
		if now := err.Error(); ctx.Err() == nil && (now != trouble || from != at) {
			trouble, at = now, from
			a.o.Logger.Error("alerts do not get on; what they did not look at stays in the log", slog.Any("error", err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(troubleEvery):
		}
	}
}

// follower is Alerts as a published.Taker.
type follower Alerts

// Take counts an entry for each alert that it matches.
func (f *follower) Take(e *published.Entry) error {
	a := (*Alerts)(f)
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.all {
		if !s.on() || e.Seq < s.place.Next || e.Seal != nil || len(a.all) <= sieved && !s.may(e.Raw) {
			continue
		}
		r, err := e.Record()
		if err != nil {
			return err
		}
		if a.own(r) || !s.match.Match(r) {
			continue
		}
		if s.place.Waiting == nil {
			s.place.Waiting = &fold{}
		}
		s.place.Waiting.add(e.Seq, e.Received)
		s.place.Next = e.Seq + 1
	}
	return nil
}

// Caught notes how far the log was looked at, and has all look for whom something waits: behind the last entry, so that what
// came together is told of together.
func (f *follower) Caught(cp proof.Checkpoint) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next = cp.Size
	for _, s := range f.all {
		s.place.Next = max(s.place.Next, cp.Size)
		if s.place.Waiting == nil {
			continue
		}
		select {
		case s.wake <- struct{}{}:
		default: // it has not looked since
		}
	}
	return nil
}

// noted saves every now and then how far the log was looked at, until ctx ends.
func (a *Alerts) noted(ctx context.Context) {
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for trouble := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		err := a.save()
		if err == nil {
			trouble = ""
		} else if now := err.Error(); now != trouble {
			trouble = now
			a.o.Logger.Error("how far alerts are is not noted; it is tried again", slog.Any("error", err))
		}
	}
}

// own says whether an entry is what the server itself says of a delivery, which no alert is about: else one on everything
// would feed itself.
func (a *Alerts) own(r *search.Record) bool {
	return r.Event != nil && r.Event.EventType == sentType && r.Key == a.o.StoreKey
}
