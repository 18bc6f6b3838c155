package alert

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/webhook"
	"github.com/stetlog/stet/proof"
)

const (
	sentType = "alert_sent"
	offType  = "config_changed"

	// The pauses between attempts double from the first to the last, and half of each is chance.
	firstPause = 5 * time.Second
	lastPause  = time.Hour
	// tellEvery is how often a message that is not taken is recorded as such, behind the first attempt.
	tellEvery = 24 * time.Hour
)

// Run follows the log, which feed is of, and delivers until ctx ends; then it notes how far it is. One call an Alerts.
func (a *Alerts) Run(ctx context.Context, feed *published.Feed) {
	var delivering sync.WaitGroup
	a.mu.Lock()
	a.running = func(s *state) {
		if s.stop != nil {
			return // it came while this began
		}
		own, cancel := context.WithCancel(ctx)
		done := make(chan struct{})
		s.stop = func() {
			cancel()
			<-done
		}
		delivering.Go(func() {
			defer close(done)
			defer cancel()
			a.serve(own, s)
		})
	}
	for _, s := range a.all {
		if s.on() {
			a.running(s)
		}
	}
	a.mu.Unlock()
	delivering.Go(func() { a.noted(ctx) })
	a.follow(ctx, feed)
	a.mu.Lock()
	a.running = nil
	a.mu.Unlock()
	delivering.Wait()
	if err := a.save(); err != nil {
		a.o.Logger.Error("it could not be noted how far alerts are; some may be sent again", slog.Any("error", err))
	}
}

// serve delivers what an alert finds, one message at a time, until ctx ends or it is turned off.
func (a *Alerts) serve(ctx context.Context, s *state) {
	for {
		f, wait := a.due(s)
		if f == nil {
			var over <-chan time.Time
			if wait > 0 {
				over = time.After(wait)
			}
			select {
			case <-s.wake:
			case <-over:
			case <-ctx.Done():
				return
			}
			continue
		}
		// Whoever comes after a crash must find the same message, not another with the same entries in it.
		if !a.until(ctx, "a message cannot be noted, so it is not sent yet", s, a.save) || !a.deliver(ctx, s, f) {
			return
		}
	}
}

// due returns the message that is to be sent now; or nil, and how long that is still to wait, 0 where nothing waits. A message
// of what waits is made when the window since the last one is over.
func (a *Alerts) due(s *state) (*fold, time.Duration) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p := &s.place
	if p.Sending != nil {
		return p.Sending, 0
	}
	if p.Waiting == nil {
		return nil, 0
	}
	if p.Last != nil {
		window := time.Duration(s.rule.Window) * time.Millisecond
		began, _ := event.ParseTime(p.Last.Began) // it was checked
		// One that began behind now did so before the clock was set back, which makes nobody wait.
		if wait := began.Add(window).Sub(a.o.Now()); wait > 0 && wait <= window {
			return nil, wait
		}
	}
	p.Sending, p.Waiting = p.Waiting, nil
	return p.Sending, 0
}

// deliver tries until a message is taken and recorded. It returns false where ctx ended or the alert was turned off.
func (a *Alerts) deliver(ctx context.Context, s *state, f *fold) bool {
	var body []byte
	if !a.until(ctx, "a message cannot be made", s, func() (err error) {
		body, err = a.body(ctx, s.rule, f)
		return err
	}) {
		return false
	}
	m := webhook.Message{URL: s.rule.URL, Secret: s.secret, ID: f.webhookID(s.rule.ID), Body: body}
	began := a.o.Now()
	told := time.Time{}
	for try := 1; ; try++ {
		ans := webhook.Post(ctx, a.client(s.rule), m, a.o.Now)
		if ctx.Err() != nil && !ans.OK() {
			return false
		}
		now := a.o.Now()
		a.note(s, began, now, ans, try)
		switch {
		case ans.OK():
			return a.until(ctx, "a delivery cannot be recorded", s, func() error {
				// The answer counts, whoever wants us to end: nobody must hear of it twice for that.
				once, cancel := context.WithTimeout(context.WithoutCancel(ctx), webhook.WholeTime)
				defer cancel()
				return a.record(once, a.sent(s, f, m.ID, ans, try))
			}) && a.finish(ctx, s)
		case ans.Status == http.StatusGone:
			a.until(ctx, "an alert cannot be turned off", s, func() error { return a.turnOff(ctx, s, ans) })
			return false
		}
		if told.IsZero() || now.Sub(told) >= tellEvery {
			if err := a.record(ctx, a.sent(s, f, m.ID, ans, try)); err != nil {
				a.o.Logger.Error("a delivery that failed cannot be recorded", slog.String("alert", s.rule.Name), slog.Any("error", err))
			}
			told = now
		}
		select {
		case <-time.After(max(a.pause(try), ans.Wait)):
		case <-ctx.Done():
			return false
		}
	}
}

// finish forgets a message that was delivered. Where that cannot be noted it is sent again after a restart.
func (a *Alerts) finish(ctx context.Context, s *state) bool {
	a.mu.Lock()
	s.place.Sending = nil
	a.mu.Unlock()
	return a.until(ctx, "it cannot be noted that a message was delivered", s, a.save)
}

// until repeats what must be done, which depends on nothing but this machine, with pauses. It returns false where ctx ended
// before. Trouble is logged when it begins, and when it is another.
func (a *Alerts) until(ctx context.Context, trouble string, s *state, do func() error) bool {
	for last := ""; ; {
		err := do()
		if err == nil {
			return true
		}
		if now := err.Error(); ctx.Err() == nil && now != last {
			last = now
			a.o.Logger.Error(trouble, slog.String("alert", s.rule.Name), slog.Any("error", err))
		}
		select {
		case <-time.After(troubleEvery):
		case <-ctx.Done():
			return false
		}
	}
}

func (a *Alerts) client(r rule) *http.Client {
	if r.Private {
		return a.any
	}
	return a.public
}

// pause is how long to wait behind an attempt: the half of it is chance, so that many who fail together come apart.
func (a *Alerts) pause(try int) time.Duration {
	d := lastPause
	if try <= 10 {
		d = min(firstPause<<(try-1), lastPause)
	}
	chance := rand.Float64
	if a.o.Jitter != nil {
		chance = a.o.Jitter
	}
	return d/2 + time.Duration(chance()*float64(d/2))
}

// note remembers an attempt for List, and for the window.
func (a *Alerts) note(s *state, began, now time.Time, ans webhook.Answer, try int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	s.place.Last = &last{Began: event.FormatTime(began), At: event.FormatTime(now), OK: ans.OK(), Tries: try, Outcome: ans.String()}
}

func (a *Alerts) record(ctx context.Context, e *event.Event) error {
	_, err := a.o.Log.Record(ctx, e)
	return err
}

// about begins an event about an alert, raised by nobody but the server. The same subject has the same id again.
func (a *Alerts) about(typ, action, name, subject string, at string) *event.Event {
	var time48 [6]byte
	if t, err := event.ParseTime(at); err == nil {
		time48 = event.NewUUIDv7(t, [10]byte{}).Time48()
	}
	return &event.Event{EventType: typ, EventID: event.DeriveUUID(typ, subject, time48), Action: action, Object: &event.Object{Type: "alert", ID: name},
		InteractionID: "alert " + name, CodeLocation: "internal/alert", EntryPoint: &event.EntryPoint{Kind: "function", Name: "alert"}}
}

// sent says how a delivery went. Of the target it names the host. That a message was delivered is one fact, however often it
// has to be said; that it was not is another each time.
func (a *Alerts) sent(s *state, f *fold, id string, ans webhook.Answer, try int) *event.Event {
	subject := id
	if !ans.OK() {
		subject += "\n" + event.FormatTime(a.o.Now())
	}
	e := a.about(sentType, "send", s.rule.Name, subject, f.LastAt)
	outcome(e, s.rule, id, ans)
	e.Labels["tries"] = strconv.Itoa(try)
	e.Labels["count"], e.Labels["first"], e.Labels["last"] = fmt.Sprint(f.Count), fmt.Sprint(f.First), fmt.Sprint(f.Last)
	for _, seq := range f.Entries {
		e.References = append(e.References, event.Reference{Kind: "seq", Value: fmt.Sprint(seq)})
	}
	return e
}

func outcome(e *event.Event, r rule, id string, ans webhook.Answer) {
	e.Status, e.StatusReason = event.StatusSuccess, ans.String()
	if !ans.OK() {
		e.Status = event.StatusFailure
	}
	if ans.Status > 0 {
		e.StatusCode = strconv.Itoa(ans.Status)
	}
	host := ""
	if u, err := url.Parse(r.URL); err == nil {
		host = u.Host
	}
	e.Labels = map[string]string{"target": host, "webhook_id": id}
}

// turnOff ends an alert whose target has said that it wants nothing more.
func (a *Alerts) turnOff(ctx context.Context, s *state, ans webhook.Answer) error {
	why := "its target answered " + ans.String() + ", which asks for no more messages"
	e := a.about(offType, "turn_off", s.rule.Name, s.rule.ID, s.rule.Created)
	outcome(e, s.rule, "", ans)
	delete(e.Labels, "webhook_id")
	e.Status, e.StatusReason = event.StatusSuccess, why
	if err := a.record(ctx, e); err != nil {
		return err
	}
	a.changing.Lock()
	a.mu.Lock()
	s.off, s.place.Waiting, s.place.Sending = why, nil, nil
	a.mu.Unlock()
	err := a.write()
	a.changing.Unlock()
	if err != nil {
		return err
	}
	return a.save()
}

// Tested is what came of a test delivery.
type Tested struct {
	Target string // scheme and host
	ID     string // webhook-id
	webhook.Answer
}

// ErrTests says that too many tests are under way.
var ErrTests = fmt.Errorf("%d test deliveries are under way; try again when one has ended", tests)

// Test sends a message that says that it is a test, once, and returns what the target answered. It is recorded as alert_sent.
// It fails with ErrNoAlert and ErrTests; a target that does not take it is no error. One that was turned off can be tested.
func (a *Alerts) Test(ctx context.Context, name string) (t Tested, err error) {
	a.mu.Lock()
	var r rule
	var secret []byte
	for _, s := range a.all {
		if s.rule.Name == name && !s.half {
			r, secret = s.rule, s.secret
		}
	}
	a.mu.Unlock()
	if r.Name == "" {
		return t, fmt.Errorf("%w: %.80q", ErrNoAlert, name)
	}
	select {
	case a.testing <- struct{}{}:
		defer func() { <-a.testing }()
	default:
		return t, ErrTests
	}
	cp, err := proof.ParseCheckpointText(a.o.Log.Checkpoint())
	if err != nil {
		return t, err
	}
	var id [16]byte
	if _, err := io.ReadFull(a.o.Rand, id[:]); err != nil {
		return t, fmt.Errorf("no randomness for a message's id: %w", err)
	}
	t.Target, t.ID = Target(r.URL), "msg_"+hex.EncodeToString(id[:])
	body, err := testBody(r, cp.Origin, a.o.Now())
	if err != nil {
		return t, err
	}
	t.Answer = webhook.Post(ctx, a.client(r), webhook.Message{URL: r.URL, Secret: secret, ID: t.ID, Body: body}, a.o.Now)
	e := a.about(sentType, "test", r.Name, t.ID, event.FormatTime(a.o.Now()))
	outcome(e, r, t.ID, t.Answer)
	e.Labels["test"] = "true"
	return t, a.record(ctx, e)
}
