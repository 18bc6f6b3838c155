package alert

import (
	"bytes"
	"context"
	"log/slog"
	"time"

	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

const (
	// lookEvery is how often it is looked whether the log has published more.
	lookEvery = 250 * time.Millisecond
	// saveEvery is how often it is noted how far the log was looked at, while nothing is found.
	saveEvery = 10 * time.Second
	// troubleEvery is how long the follower waits behind an error.
	troubleEvery = 5 * time.Second
	// sieved is up to how many alerts entries are looked through for the texts that these look for, before they are parsed. To
	// look for more costs as much as to parse (BenchmarkLook).
	sieved = 8
)

// follow looks at what the log publishes until ctx ends.
func (a *Alerts) follow(ctx context.Context) {
	saved, trouble := a.o.Now(), ""
	for wait := lookEvery; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
		wait = lookEvery
		err := a.look(ctx)
		if now := a.o.Now(); err == nil && now.Sub(saved) >= saveEvery {
			saved, err = now, a.save()
		}
		if err == nil || ctx.Err() != nil {
			trouble = ""
			continue
		}
		wait = troubleEvery
		if now := err.Error(); now != trouble {
			trouble = now
			a.o.Logger.Error("alerts do not get on; what they did not look at stays in the log", slog.Any("error", err))
		}
	}
}

// look counts what was published since the last look. What an error cuts off is looked at again: an alert counts an entry
// once.
func (a *Alerts) look(ctx context.Context) error {
	a.mu.Lock()
	msg := a.o.Log.Checkpoint() // see Add
	from := a.next
	any, on := a.anything()
	a.mu.Unlock()
	if bytes.Equal(msg, a.looked) {
		return nil
	}
	cp, err := proof.ParseCheckpointText(msg)
	if err != nil {
		return err
	}
	if on && from < cp.Size {
		defer a.wake() // behind the last entry, so that what came together is told of together
		if err := search.NewScanner(a.o.Source, any, time.Time{}).Forward(ctx, cp, from, func(h search.Hit) error {
			a.see(h)
			return ctx.Err()
		}); err != nil {
			return err
		}
	}
	a.looked = msg
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = cp.Size
	for _, s := range a.all {
		s.place.Next = max(s.place.Next, cp.Size)
	}
	return nil
}

// anything is what some alert looks for, so that entries that no alert does are not even parsed; false where there is none. An
// alert that comes after looks at nothing before the next look. The caller holds mu.
func (a *Alerts) anything() (search.Query, bool) {
	var all search.Or
	for _, s := range a.all {
		switch {
		case !s.on():
		case s.query.Root == nil:
			return search.Query{}, true
		default:
			all = append(all, s.query.Root)
		}
	}
	if len(all) > sieved {
		return search.Query{}, true
	}
	return search.Query{Root: all}, len(all) > 0
}

// wake has all look for whom something waits.
func (a *Alerts) wake() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.all {
		if s.place.Waiting == nil {
			continue
		}
		select {
		case s.wake <- struct{}{}:
		default: // it has not looked since
		}
	}
}

// see counts an entry for each alert that it matches.
func (a *Alerts) see(h search.Hit) {
	if a.own(h.Record) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, s := range a.all {
		if !s.on() || h.Seq < s.place.Next || !s.match.Match(h.Record) {
			continue
		}
		if s.place.Waiting == nil {
			s.place.Waiting = &fold{}
		}
		s.place.Waiting.add(h.Seq, h.Received)
		s.place.Next = h.Seq + 1
	}
}

// own says whether an entry is what the server itself says of a delivery, which no alert is about: else one on everything
// would feed itself.
func (a *Alerts) own(r *search.Record) bool {
	return r.Event != nil && r.Event.EventType == sentType && r.Key == a.o.StoreKey
}
