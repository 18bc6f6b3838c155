package watch_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/internal/watch"
	"github.com/stetlog/stet/proof"
)

// shop is a server's store in memory, watched as a server does it, in synctest's time.
type shop struct {
	t     *testing.T
	store *store.Store
	held  *store.Held
	stop  func()
	full  atomic.Bool // the log takes no finding
	after atomic.Bool // it takes one, and says that it does not know
}

// Find is the log's, with what may go wrong.
func (s *shop) Find(ctx context.Context, about string, near event.UUID, e *event.Event) error {
	if s.full.Load() {
		return errors.New("there is no room")
	}
	err := s.held.Find(ctx, about, near, e)
	if s.after.Load() {
		return errors.New("nobody knows whether it was taken")
	}
	return err
}

func (s *shop) Everything(ctx context.Context) (uint64, error) { return s.held.Everything(ctx) }
func (s *shop) Failed() <-chan struct{}                        { return s.held.Failed() }

func newShop(t *testing.T) *shop {
	t.Helper()
	keys := map[string]keyfile.Key{}
	for _, name := range []string{"log.example/a", "stet-store/a", "stet-door/a"} {
		k, err := keyfile.Generate(name, nil)
		if err != nil {
			t.Fatal(err)
		}
		keys[name] = k
	}
	disk := fsxtest.New()
	s := store.New(disk, known.Dir{FS: disk, Name: "state"}, func(bool) (store.Keys, error) {
		return store.Keys{Log: keys["log.example/a"], Store: keys["stet-store/a"]}, nil
	})
	s.Door = func(string) (keyfile.Key, error) { return keys["stet-door/a"], nil }
	return &shop{t: t, store: s}
}

func (s *shop) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// up begins to serve; stop ends it.
func (s *shop) up() {
	s.t.Helper()
	var err error
	s.held, err = s.store.Hold(context.Background(), store.HoldOptions{Preallocate: -1, LookEvery: 1000 * time.Hour}) // a look a second is many here
	s.must(err)
	_, err = s.held.Record(context.Background(), &event.Event{EventType: "sys_startup", Action: "start", InteractionID: "s", Object: &event.Object{Type: "server", ID: "stet"}})
	s.must(err)
	r := &watch.Runner{Log: s, Feed: published.New(s.held, s.held.Source()), StoreKey: s.held.Marker().StoreKey, Machines: []watch.Machine{watch.New(watch.Policy{})}}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Run(ctx) }()
	s.stop = func() {
		cancel()
		s.must(<-done)
		s.must(s.held.Close(context.Background()))
	}
}

// says records what an application says of a job.
func (s *shop) says(eventType, job string, change ...func(*event.Event)) {
	s.t.Helper()
	e := &event.Event{EventType: eventType, InteractionID: "of " + job, AppID: "shop", AppVersion: "1", Environment: "production", CodeLocation: "x.go:1",
		EntryPoint: &event.EntryPoint{Kind: "function", Name: "main"}, Host: &event.Host{Name: "h", IP: "192.0.2.1"},
		Principal: &event.Principal{Type: "service_account", ID: "uid:0@h"}, Job: &event.Job{ID: job, RunID: "run of " + job, Name: job, Attempt: 1},
		Absent: map[string]string{"user_id": event.AbsentNotApplicable, "source_ip": event.AbsentNotApplicable, "why": event.AbsentNotProvided}}
	for _, path := range map[string][]string{"job_submitted": {"job.params"}, "job_started": {"job.code_digest", "job.env_digest"}, "job_succeeded": {"timing", "impact"}, "job_heartbeat": nil}[eventType] {
		e.Absent[path] = event.AbsentNotProvided
	}
	switch eventType {
	case "job_submitted":
		e.Job.RunID = ""
	case "job_heartbeat":
		e.Heartbeat = &event.Heartbeat{N: 1, NextDue: time.Now().Add(5 * time.Minute)}
	case "job_succeeded":
		e.Status = event.StatusSuccess
	}
	for _, c := range change {
		c(e)
	}
	out, err := s.held.RecordFor(context.Background(), proof.Via{Kind: proof.ViaHTTP, Token: "w"}, "shop", "production", []*event.Event{e})
	s.must(err)
	if out[0].Err != nil {
		s.t.Fatalf("%s: %v", eventType, out[0].Err)
	}
}

// found lists the findings of the log by job, with the time from day at which each was received, to the second below.
func (s *shop) found(since time.Time) []string {
	s.t.Helper()
	size, err := s.held.Everything(context.Background())
	s.must(err)
	var all []string
	s.must(logread.Entries(context.Background(), s.held.Source(), 0, size, func(_ uint64, raw []byte) error {
		e, err := proof.ParseEntry(raw)
		if err != nil || e.Event == nil {
			return err
		}
		ev, err := event.Parse(e.Event)
		if err != nil || ev.Action != "watch" {
			return err
		}
		at, err := event.ParseTime(e.ReceivedAt)
		all = append(all, fmt.Sprintf("%s: %s %s after %s", ev.Job.Name, ev.EventType, ev.StatusCode, at.Sub(since).Truncate(2*time.Second)))
		return err
	}))
	slices.SortFunc(all, func(a, b string) int { return strings.Compare(a, b) })
	return all
}

// A server finds what is missing within two seconds of its deadline, each once, whatever the disk says meanwhile, and
// with another server in between.
func TestAServerFinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.up()
		begin := time.Now()
		s.says("job_submitted", "never")
		s.says("job_submitted", "good")
		s.says("job_started", "good")
		s.says("job_started", "silent")
		s.says("job_heartbeat", "silent")
		s.says("job_started", "late")
		s.says("job_started", "backwards")
		s.says("job_submitted", "backwards")
		s.says("job_succeeded", "backwards")
		for range 30 {
			s.says("job_heartbeat", "good")
			time.Sleep(time.Minute)
		}
		s.says("job_succeeded", "good")
		s.full.Store(true) // when the request is found that never started, the disk is full for a while
		time.Sleep(40 * time.Minute)
		s.full.Store(false)
		s.after.Store(true) // and then it is not known whether it was written
		time.Sleep(time.Minute)
		s.after.Store(false)
		time.Sleep(time.Minute)
		s.stop()
		time.Sleep(24 * time.Hour) // over the deadline of what is late
		s.up()
		time.Sleep(9*time.Minute + 59*time.Second)
		if got := s.found(begin); len(got) != 3 {
			t.Errorf("before emitters had time to send: %q", got)
		}
		time.Sleep(time.Hour)
		s.says("job_succeeded", "late")
		time.Sleep(time.Minute)
		s.stop()
		s.up() // once more from the beginning
		time.Sleep(48 * time.Hour)
		want := []string{
			"backwards: job_phase_disorder phase_order after 0s",
			"late: job_late_outcome outcome_after_all after 26h22m0s",
			"late: job_no_outcome silent after 25h22m0s",
			"never: job_never_started no_start_in_time after 1h10m0s",
			"silent: job_no_outcome silent after 25h22m0s",
			"silent: job_stalled heartbeat_overdue after 10m0s",
		}
		if d := cmp.Diff(want, s.found(begin)); d != "" {
			t.Error(d)
		}
		s.stop()
	})
}

// What was taken in before a deadline is read before anything is found, also where no checkpoint covers it yet.
func TestReadsBeforeItFinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newShop(t)
		s.up()
		begin := time.Now()
		time.Sleep(10 * time.Minute) // emitters had time to send
		s.says("job_started", "good")
		s.says("job_heartbeat", "good")
		time.Sleep(7*time.Minute - 10*time.Millisecond)
		s.says("job_heartbeat", "good")
		time.Sleep(time.Minute)
		if got := s.found(begin); len(got) > 0 {
			t.Errorf("found %q", got)
		}
		s.stop()
	})
}
