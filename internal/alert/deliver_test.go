package alert

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/webhook"
)

// The path of an alert: what its query finds from then on comes to its target, signed, and the log says so.
func TestWhatAQueryFindsIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		hook := w.at(&target{t: t})
		w.say("shop_checkout", 3) // before there was an alert
		w.add(Spec{Name: "sales", Query: "event:shop_checkout"})
		w.run()
		w.say("shop_return", 2)
		w.say("shop_checkout", 2)
		time.Sleep(time.Hour)
		w.stop()

		all := hook.messages()
		if len(all) != 1 {
			for _, m := range all {
				t.Errorf("%s: %s", m.header.Get(webhook.HeaderID), m.body)
			}
			t.Fatalf("%d messages came, want one", len(all))
		}
		m := all[0]
		if m.Type != "alert.matched" || m.Data.Alert != "sales" || m.Data.Query != "event:shop_checkout" || m.Data.Count != 2 || len(m.Data.Entries) != 2 ||
			m.Data.First != m.Data.Entries[0].Seq || m.Data.Last != m.Data.Entries[1].Seq || m.Data.Log != "log.example/a" {
			t.Errorf("the message is %s", m.body)
		}
		for _, e := range m.Data.Entries {
			if e.EventType != "shop_checkout" || len(e.EntryHash) != 64 || e.Sentence == "" || e.Unread || e.App != "stet" {
				t.Errorf("it tells of %+v", e)
			}
		}
		secret, err := webhook.ParseSecret(knownSecret)
		if err != nil {
			t.Fatal(err)
		}
		unix, err := strconv.ParseInt(m.header.Get(webhook.HeaderTimestamp), 10, 64)
		if err != nil || webhook.Sign(secret, m.header.Get(webhook.HeaderID), time.Unix(unix, 0), m.body) != m.header.Get(webhook.HeaderSignature) {
			t.Errorf("its signature is not right: %v, %v", m.header, err)
		}
		sent := w.events(sentType)
		if len(sent) != 1 {
			t.Fatalf("%d alert_sent, want one", len(sent))
		}
		e := sent[0]
		if e.Status != "success" || e.StatusCode != "200" || e.Object.ID != "sales" || e.Labels["target"] != "hook.example" || e.Labels["count"] != "2" ||
			e.Labels["webhook_id"] != m.header.Get(webhook.HeaderID) || len(e.References) != 2 || e.References[1].Value != strconv.FormatUint(m.Data.Last, 10) {
			t.Errorf("recorded: %+v, %v", e, e.Labels)
		}
	})
}

// The first of a storm is told at once; what follows is told once a window, and counted.
func TestStormsAreFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		hook := w.at(&target{t: t})
		w.add(Spec{Name: "storm", Query: "event:shop_checkout"})
		w.run()
		const events = 10_000
		began := time.Now()
		for range 100 {
			w.say("shop_checkout", events/100)
			time.Sleep(3 * time.Second)
		}
		took := time.Since(began)
		time.Sleep(2 * time.Minute)
		w.stop()

		all := hook.messages()
		if most := int(took/time.Minute) + 2; len(all) > most || len(all) < 2 {
			t.Errorf("%d messages in %v, want between 2 and %d", len(all), took, most)
		}
		var counted, next uint64
		for i, m := range all {
			counted += m.Data.Count
			if m.Data.First < next || len(m.Data.Entries) > maxEntries || len(m.body) > MaxBody {
				t.Errorf("message %d is from %d, behind one to %d, of %d entries and %d bytes", i, m.Data.First, next, len(m.Data.Entries), len(m.body))
			}
			next = m.Data.Last + 1
			if i > 0 && m.at.Sub(all[i-1].at) < time.Minute {
				t.Errorf("message %d comes %v behind the one before", i, m.at.Sub(all[i-1].at))
			}
		}
		if counted != events {
			t.Errorf("%d events are counted, want %d", counted, events)
		}
		if n := len(w.events(sentType)); n != len(all) {
			t.Errorf("%d deliveries are recorded, of %d", n, len(all))
		}
	})
}

// An alert on everything does not tell of what it caused itself, so it comes to rest.
func TestAnAlertDoesNotFeedItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		hook := w.at(&target{t: t, answer: func(n int, _ *http.Request) (*http.Response, error) {
			if n%2 == 1 {
				return answer(http.StatusServiceUnavailable, ""), nil // a failure is recorded too
			}
			return answer(http.StatusNoContent, ""), nil
		}})
		w.add(Spec{Name: "one", Query: ""})
		w.add(Spec{Name: "two", Query: "event:*"})
		w.run()
		w.say("shop_checkout", 1)
		time.Sleep(6 * time.Hour)
		w.stop()
		if all := hook.messages(); len(all) > 8 {
			t.Errorf("%d messages came of one event", len(all))
		}
		for _, m := range hook.messages() {
			for _, e := range m.Data.Entries {
				if e.EventType == sentType {
					t.Errorf("a message tells of a delivery: %s", m.body)
				}
			}
		}
		if n := len(w.events(sentType)); n < 2 || n > 8 {
			t.Errorf("%d alert_sent", n)
		}
		// What somebody else calls so is as good as any event: nobody can hide behind the name.
		if w.own(&search.Record{Key: "other", Event: &event.Event{EventType: sentType}}) {
			t.Error("an alert_sent of somebody else is taken for the store's")
		}
	})
}

// A message that is not taken is tried again, later and later, with chance in it, and as the target asks; under the same id,
// with the same body, and another signature for its time.
func TestRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		answers := []func() (*http.Response, error){
			func() (*http.Response, error) { return answer(http.StatusInternalServerError, "no"), nil },
			func() (*http.Response, error) { return nil, errors.New("connection refused") },
			func() (*http.Response, error) {
				return answer(http.StatusFound, "", "Location", "http://127.0.0.1/"), nil
			},
			func() (*http.Response, error) {
				return answer(http.StatusTooManyRequests, "", "Retry-After", "600"), nil
			},
			func() (*http.Response, error) {
				at := time.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat)
				return answer(http.StatusServiceUnavailable, "", "Retry-After", at), nil
			},
			func() (*http.Response, error) {
				return answer(http.StatusServiceUnavailable, "", "Retry-After", "-1"), nil
			},
			func() (*http.Response, error) { return answer(http.StatusNotFound, ""), nil },
			func() (*http.Response, error) { return answer(http.StatusAccepted, ""), nil },
		}
		hook := w.at(&target{t: t, answer: func(n int, _ *http.Request) (*http.Response, error) { return answers[n-1]() }})
		w.add(Spec{Name: "sales", Query: "event:shop_checkout"})
		w.run()
		w.say("shop_checkout", 1)
		time.Sleep(6 * time.Hour)
		w.stop()
		all := hook.messages()
		if len(all) != len(answers) {
			t.Fatalf("%d attempts, want %d", len(all), len(answers))
		}
		var pauses []time.Duration
		for i := 1; i < len(all); i++ {
			pauses = append(pauses, all[i].at.Sub(all[i-1].at).Round(time.Second))
			if all[i].header.Get(webhook.HeaderID) != all[0].header.Get(webhook.HeaderID) || string(all[i].body) != string(all[0].body) {
				t.Errorf("attempt %d has another id or body", i+1)
			}
			if all[i].header.Get(webhook.HeaderSignature) == all[0].header.Get(webhook.HeaderSignature) {
				t.Errorf("attempt %d has the signature of another time", i+1)
			}
		}
		want := []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second, 10 * time.Minute, 2 * time.Hour, 160 * time.Second, 320 * time.Second}
		if diff := cmp.Diff(want, pauses); diff != "" {
			t.Errorf("the pauses (-want +got):\n%s", diff)
		}
		var said []string
		for _, e := range w.events(sentType) {
			said = append(said, e.Status+" "+e.StatusCode+" after "+e.Labels["tries"])
		}
		if want := []string{"failure 500 after 1", "success 202 after 8"}; !slices.Equal(said, want) {
			t.Errorf("recorded: %q, want %q", said, want)
		}
	})
}

func TestPausesGrowToAnHour(t *testing.T) {
	for _, tt := range []struct {
		try    int
		jitter float64
		want   time.Duration
	}{
		{1, 0, 2500 * time.Millisecond}, {1, 1, 5 * time.Second}, {2, 1, 10 * time.Second}, {10, 1, 2560 * time.Second}, {11, 1, time.Hour}, {11, 0, 30 * time.Minute}, {1 << 40, 1, time.Hour},
	} {
		a := &Alerts{o: Options{Jitter: func() float64 { return tt.jitter }}}
		if got := a.pause(tt.try); got != tt.want {
			t.Errorf("behind attempt %d, with chance %v: %v, want %v", tt.try, tt.jitter, got, tt.want)
		}
	}
}

// 410 Gone ends an alert, once; the log says so, and nothing more is sent.
func TestGoneTurnsAnAlertOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		hook := w.at(&target{t: t, answer: func(int, *http.Request) (*http.Response, error) { return answer(http.StatusGone, "go away"), nil }})
		w.add(Spec{Name: "sales", Query: "event:shop_checkout"})
		w.run()
		for range 5 {
			w.say("shop_checkout", 1)
			time.Sleep(time.Hour)
		}
		w.stop()
		if n := len(hook.messages()); n != 1 {
			t.Errorf("%d messages, want one", n)
		}
		off := w.events(offType)
		if len(off) != 1 || off[0].Action != "turn_off" || off[0].Object.ID != "sales" || off[0].StatusCode != "410" {
			t.Errorf("recorded: %+v", off)
		}
		w.reopen()
		if l := w.List(); len(l) != 1 || l[0].Off == "" || l[0].Waiting+l[0].Sending > 0 {
			t.Errorf("listed: %+v", l)
		}
	})
}

// A target that hangs keeps nobody else waiting, and what waits for it takes no more room the more there is.
func TestADeadTargetDelaysNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		hook := w.at(&target{t: t, answer: func(_ int, r *http.Request) (*http.Response, error) {
			if r.URL.Host == "dead.example" {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return answer(http.StatusOK, ""), nil
		}})
		for i := range MaxAlerts - 1 {
			w.add(Spec{Name: "dead" + strconv.Itoa(i), Query: "event:shop_checkout", URL: "http://dead.example/"})
		}
		w.add(Spec{Name: "alive", Query: "event:shop_checkout"})
		w.run()
		began := time.Now()
		for range 20 {
			w.say("shop_checkout", 50)
			time.Sleep(time.Minute)
		}
		w.stop()
		var alive []got
		for _, m := range hook.messages() {
			if m.Data.Alert == "alive" {
				alive = append(alive, m)
			}
		}
		if len(alive) < 19 || alive[0].at.Sub(began) > 5*time.Second {
			t.Errorf("the target that lives got %d messages, the first after %v", len(alive), alive[0].at.Sub(began))
		}
		for _, i := range w.List() {
			if i.Name != "alive" && i.Waiting+i.Sending != 1000 {
				t.Errorf("%s: %d wait and %d are on their way, want 1000 together", i.Name, i.Waiting, i.Sending)
			}
		}
	})
}

// An alert that is removed sends nothing more, also not what was on its way; one of its name that is made anew begins anew.
func TestRemovedWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		hook := w.at(&target{t: t, answer: func(n int, _ *http.Request) (*http.Response, error) {
			if n < 3 {
				return answer(http.StatusInternalServerError, ""), nil
			}
			return answer(http.StatusOK, ""), nil
		}})
		w.run()
		w.add(Spec{Name: "sales", Query: "event:shop_checkout"})
		w.say("shop_checkout", 1)
		time.Sleep(8 * time.Second) // two attempts
		told := 0
		if _, err := w.Remove("sales", func(i Info) error { told++; return nil }); err != nil || told != 1 {
			t.Fatal(err, told)
		}
		if _, err := w.Remove("sales", func(Info) error { return nil }); !errors.Is(err, ErrNoAlert) {
			t.Errorf("removed twice: %v", err)
		}
		w.say("shop_checkout", 1)
		time.Sleep(time.Hour)
		if n := len(hook.messages()); n != 2 {
			t.Errorf("%d attempts, want two", n)
		}
		w.add(Spec{Name: "sales", Query: "event:shop_checkout"})
		w.say("shop_checkout", 1)
		time.Sleep(time.Hour)
		w.stop()
		all := hook.messages()
		if len(all) != 3 || all[2].Data.Count != 1 || all[2].header.Get(webhook.HeaderID) == all[0].header.Get(webhook.HeaderID) {
			t.Errorf("%d messages, the last %s", len(all), all[len(all)-1].body)
		}
	})
}

// A test says that it is one, is made once, and is recorded.
func TestTest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		hook := w.at(&target{t: t, answer: func(int, *http.Request) (*http.Response, error) {
			return answer(http.StatusTeapot, "\x1b[31mshort and stout"), nil
		}})
		w.add(Spec{Name: "sales", Query: "event:shop_checkout"})
		got, err := w.Test(t.Context(), "sales")
		if err != nil || got.OK() || got.Status != http.StatusTeapot || string(got.Body) != "\x1b[31mshort and stout" || got.Target != "http://hook.example/…" {
			t.Errorf("tested: %+v, %v", got, err)
		}
		if all := hook.messages(); len(all) != 1 || all[0].Type != "alert.test" || !all[0].Data.Test || all[0].Data.Count != 0 || all[0].header.Get(webhook.HeaderID) != got.ID {
			t.Errorf("it was sent as %+v", all)
		}
		time.Sleep(10 * time.Second)
		if e := w.events(sentType); len(e) != 1 || e[0].Labels["test"] != "true" || e[0].Status != "failure" {
			t.Errorf("recorded: %+v", e)
		}
		if _, err := w.Test(t.Context(), "nobody"); !errors.Is(err, ErrNoAlert) {
			t.Errorf("an alert that is not there: %v", err)
		}
	})
}

// What cannot be recorded or noted, because the disk is full or failing, is tried until it can; nothing is sent again for that,
// and the alert goes on.
func TestTroubleWithTheDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		hook := w.at(&target{t: t})
		full := &unable{Log: w.o.Log}
		w.o.Log = full
		w.add(Spec{Name: "sales", Query: "event:shop_checkout"})
		w.run()
		full.set(true)
		w.say("shop_checkout", 1)
		time.Sleep(3 * time.Hour)
		if n := len(hook.messages()); n != 1 {
			t.Errorf("%d messages, want one", n)
		}
		full.set(false)
		time.Sleep(time.Minute)
		w.say("shop_checkout", 1)
		time.Sleep(time.Hour)
		w.stop()
		if n := len(hook.messages()); n != 2 {
			t.Errorf("%d messages, want two", n)
		}
		if n := len(w.events(sentType)); n != 2 {
			t.Errorf("%d deliveries are recorded, want two", n)
		}
		if n := strings.Count(w.log.String(), "cannot be recorded"); n != 1 {
			t.Errorf("the trouble was told of %d times", n)
		}
	})
}

// unable is a log that records nothing while it is set so.
type unable struct {
	Log
	mu sync.Mutex
	on bool
}

func (l *unable) set(on bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.on = on
}

func (l *unable) Record(ctx context.Context, events ...*event.Event) ([]uint64, error) {
	l.mu.Lock()
	on := l.on
	l.mu.Unlock()
	if on {
		return nil, store.ErrFull
	}
	return l.Log.Record(ctx, events...)
}

// Each alert finds what its own query does, however many there are beside it.
func TestEachAlertFindsItsOwn(t *testing.T) {
	queries := map[string]uint64{"event:shop_return": 2, "-event:shop_return event:shop_checkout": 3, "event:shop_refund": 0, "event:shop_return,shop_checkout": 5,
		"something happened": 5, "object:alert:none": 0}
	for _, more := range []int{0, sieved} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			defer w.close()
			hook := w.at(&target{t: t})
			for q := range queries {
				w.add(Spec{Name: "a" + strconv.Itoa(len(w.all)), Query: q})
			}
			for range more {
				w.add(Spec{Name: "a" + strconv.Itoa(len(w.all)), Query: "event:nothing"})
			}
			w.run()
			w.say("shop_return", 2)
			w.say("shop_checkout", 3)
			time.Sleep(time.Hour)
			w.stop()
			found := map[string]uint64{}
			for _, m := range hook.messages() {
				found[m.Data.Query] += m.Data.Count
			}
			for q, want := range queries {
				if found[q] != want {
					t.Errorf("with %d more, %s found %d, want %d", more, q, found[q], want)
				}
			}
		})
	}
}

// Where the clock was set back since the last message, the next one does not wait until it has come round again.
func TestAClockThatIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		defer w.close()
		hook := w.at(&target{t: t})
		back := new(atomic.Int64)
		w.o.Now = func() time.Time { return time.Now().Add(-time.Duration(back.Load())) }
		w.add(Spec{Name: "sales", Query: "event:shop_checkout"})
		w.run()
		w.say("shop_checkout", 1)
		time.Sleep(time.Second)
		back.Store(int64(30 * 24 * time.Hour))
		for range 3 {
			w.say("shop_checkout", 1)
			time.Sleep(2 * time.Minute)
		}
		w.stop()
		if n := len(hook.messages()); n != 4 {
			t.Errorf("%d messages, want 4", n)
		}
	})
}

// What is looked at again, because the first look was cut off or not noted, is counted once.
func TestLookedAtTwice(t *testing.T) {
	w := newWorld(t)
	defer w.close()
	w.add(Spec{Name: "sales", Query: "event:shop_checkout"})
	from := w.next
	w.say("shop_checkout", 3)
	for range 2 {
		w.look(from)
		if l := w.List(); l[0].Waiting != 3 {
			t.Errorf("%d are counted, want 3", l[0].Waiting)
		}
	}
}
