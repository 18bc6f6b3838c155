package expect_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/watch"
	"github.com/stetlog/stet/proof"
)

// house is a server's store in memory, which watches what is expected.
type house struct {
	t      *testing.T
	store  *store.Store
	disk   *fsxtest.Mem
	held   *store.Held
	office *admin.Office
	stop   func()
	runs   int
}

func newHouse(t *testing.T) *house {
	t.Helper()
	made := map[string]keyfile.Key{}
	key := func(name string) keyfile.Key {
		k, ok := made[name]
		if !ok {
			var err error
			if k, err = keyfile.Generate(name, nil); err != nil {
				t.Fatal(err)
			}
			made[name] = k
		}
		return k
	}
	h := &house{t: t, disk: fsxtest.New()}
	keys := store.Keys{Log: key("log.example/a"), Store: key("stet-store/a")}
	h.store = store.New(h.disk, known.Dir{FS: h.disk, Name: "state"}, func(bool) (store.Keys, error) { return keys, nil })
	h.store.Door = func(name string) (keyfile.Key, error) { return key(name), nil }
	return h
}

func (h *house) must(err error) {
	h.t.Helper()
	if err != nil {
		h.t.Fatal(err)
	}
}

// up starts the server.
func (h *house) up() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var err error
	h.held, err = h.store.Hold(ctx, store.HoldOptions{Preallocate: -1, LookEvery: 1000 * time.Hour}) // a look a second is millions of them here
	h.must(err)
	tokens, err := auth.Open(h.disk, auth.Options{LogKeys: h.held.LogKeys().All()})
	h.must(err)
	h.office = &admin.Office{Log: h.held, Tokens: tokens, FS: h.disk}
	h.must(h.office.Started(ctx, "v1", admin.Settings{}))
	r := &watch.Runner{Log: h.held, Feed: published.New(h.held, h.held.Source()), StoreKey: h.held.Marker().StoreKey,
		Machines: []watch.Machine{&expect.Machine{Watch: expect.Watch{Began: time.Now()}}}}
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	h.stop = func() {
		cancel()
		h.must(<-done)
		h.must(h.held.Close(context.Background()))
	}
}

// run records that nightly started, at a time that it claims.
func (h *house) run(start time.Time) {
	h.t.Helper()
	h.runs++
	id := event.NewUUIDv7(time.Now(), [10]byte{byte(h.runs)}).String()
	out, err := h.held.RecordFor(context.Background(), proof.Via{Kind: proof.ViaHTTP, Token: "w"}, "billing", "production", []*event.Event{{
		EventType: "job_started", InteractionID: id, AppID: "billing", AppVersion: "1", Environment: "production", CodeLocation: "x.go:1", EventTime: start,
		EntryPoint: &event.EntryPoint{Kind: "function", Name: "main"}, Host: &event.Host{Name: "h", IP: "192.0.2.1"},
		Principal: &event.Principal{Type: "service_account", ID: "uid:0@h"}, Job: &event.Job{ID: id, RunID: id, Name: "nightly", Phase: "execution"},
		Absent: map[string]string{"user_id": event.AbsentNotApplicable, "source_ip": event.AbsentNotApplicable, "why": event.AbsentNotProvided,
			"job.code_digest": event.AbsentNotProvided, "job.env_digest": event.AbsentNotProvided},
	}})
	h.must(err)
	if out[0].Err != nil {
		h.t.Fatal(out[0].Err)
	}
}

// missed lists the job_missed of the log: slot and, behind @, when it was received.
func (h *house) missed() []string {
	h.t.Helper()
	size, err := h.held.Everything(context.Background())
	h.must(err)
	all := []string{}
	h.must(logread.Entries(context.Background(), h.held.Source(), 0, size, func(seq uint64, raw []byte) error {
		e, err := proof.ParseEntry(raw)
		if err != nil || e.Event == nil {
			return err
		}
		ev, err := event.Parse(e.Event)
		if err != nil {
			return err
		}
		if m, ok := expect.MissedOf(ev); ok {
			received, err := event.ParseTime(e.ReceivedAt)
			h.must(err)
			all = append(all, fmt.Sprintf("%s @ %s", m.First.Format(time.DateTime), received.Truncate(2*time.Second).Format(time.DateTime)))
		}
		return nil
	}))
	return all
}

// until lets time pass.
func until(t *testing.T, s string) time.Time {
	t.Helper()
	at, err := time.Parse(time.DateTime, s)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(time.Until(at))
	return at
}

// A server notices what does not come, within two seconds of its deadline, over a change of clocks and over its own
// absence, each slot once. In the night to 26 March 2000 Berlin's clocks went from 02:00 to 03:00, which is 01:00 UTC.
func TestAServerNotices(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		until(t, "2000-03-24 12:00:00")
		h := newHouse(t)
		h.up()
		s, err := expect.ParseCron("30 2 * * *")
		h.must(err)
		d := expect.Definition{Job: "nightly", App: "billing", Schedule: s, Zone: "Europe/Berlin", Grace: time.Hour}
		_, err = h.office.AddExpectation(t.Context(), admin.By{}, d)
		h.must(err)

		h.run(until(t, "2000-03-25 01:30:00"))
		until(t, "2000-03-26 01:59:59")
		if got := h.missed(); len(got) != 0 {
			t.Errorf("before the grace of the skipped slot is over: %q", got)
		}
		until(t, "2000-03-26 12:00:00") // nobody came at 03:00, when it was due

		// Gone over two slots. What ran meanwhile for the first one is sent when the server is back.
		h.stop()
		until(t, "2000-03-28 08:00:00")
		h.up()
		until(t, "2000-03-28 08:05:00")
		h.run(until(t, "2000-03-28 08:05:00").Add(-31*time.Hour - 35*time.Minute)) // 2000-03-27 00:30
		until(t, "2000-03-28 20:00:00")
		h.stop()
		h.up() // and once more from the beginning
		h.run(until(t, "2000-03-29 00:31:00"))
		until(t, "2000-03-29 12:00:00")
		_, err = h.office.RemoveExpectation(t.Context(), admin.By{}, d.ID())
		h.must(err)
		until(t, "2000-03-31 12:00:00")
		want := []string{"2000-03-26 01:00:00 @ 2000-03-26 02:00:00", "2000-03-28 00:30:00 @ 2000-03-28 08:10:00"}
		if d := cmp.Diff(want, h.missed()); d != "" {
			t.Error(d)
		}
		h.stop()
	})
}
