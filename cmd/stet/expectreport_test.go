package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/auth"
	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/published"
	"github.com/stetlog/stet/internal/store"
	"github.com/stetlog/stet/proof"
)

// nights is a server's store in the days around the night to 26 March 2000, in which Berlin's clocks went from 02:00 to
// 03:00: time passes in a synctest bubble.
type nights struct {
	t    *testing.T
	held *store.Held
	runs int
}

func (n *nights) must(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatal(err)
	}
}

// until lets time pass.
func (n *nights) until(s string) time.Time {
	n.t.Helper()
	at, err := time.Parse("2006-01-02 15:04", s)
	n.must(err)
	time.Sleep(time.Until(at))
	return at
}

// up runs a server that watches, until stop.
func (n *nights) up(x *shop, f func(*admin.Office)) (stop func()) {
	n.t.Helper()
	s, err := store.OpenOrMake(x.store, x.state)
	n.must(err)
	n.held, err = s.Hold(context.Background(), store.HoldOptions{Preallocate: -1, LookEvery: 10_000 * time.Hour}) // a look a second is thousands here
	n.must(err)
	tokens, err := auth.Open(s.FS, auth.Options{LogKeys: n.held.LogKeys().All()})
	n.must(err)
	office := &admin.Office{Log: n.held, Tokens: tokens, FS: s.FS}
	n.must(office.Started(context.Background(), "v1", admin.Settings{}))
	end := watchFlags{}.lookout(slog.New(slog.DiscardHandler), n.held, published.New(n.held, n.held.Source())).begin(context.Background())
	f(office)
	return func() {
		end()
		n.must(n.held.Close(context.Background()))
		n.must(s.Close())
	}
}

// job records a run of nightly that began at a time, and how it ended; "": it has not.
func (n *nights) job(began time.Time, outcome string) {
	n.t.Helper()
	n.runs++
	id := event.NewUUIDv7(time.Now(), [10]byte{byte(n.runs)}).String()
	make := func(typ, phase string, at time.Time) *event.Event {
		return &event.Event{EventType: typ, InteractionID: id, AppID: "billing", AppVersion: "1", Environment: "production", CodeLocation: "x.go:1", EventTime: at,
			EntryPoint: &event.EntryPoint{Kind: "schedule", Name: "cron"}, Host: &event.Host{Name: "h", IP: "192.0.2.1"},
			Principal: &event.Principal{Type: "service_account", ID: "uid:0@h"}, Job: &event.Job{ID: id, RunID: id, Name: "nightly", Phase: phase, Attempt: 1},
			Absent: map[string]string{"user_id": event.AbsentNotApplicable, "source_ip": event.AbsentNotApplicable, "why": event.AbsentNotProvided,
				"job.code_digest": event.AbsentNotProvided, "job.env_digest": event.AbsentNotProvided}}
	}
	events := []*event.Event{make("job_started", "execution", began)}
	if outcome != "" {
		end := make(outcome, "outcome", began.Add(5*time.Minute))
		end.Status = map[string]string{"job_succeeded": event.StatusSuccess, "job_failed": event.StatusFailure}[outcome]
		end.Absent = map[string]string{"user_id": event.AbsentNotApplicable, "source_ip": event.AbsentNotApplicable, "why": event.AbsentNotProvided,
			"impact": event.AbsentNotProvided, "timing": event.AbsentNotProvided, "before": event.AbsentNotProvided, "after": event.AbsentNotProvided}
		events = append(events, end)
	}
	out, err := n.held.RecordFor(context.Background(), proof.Via{Kind: proof.ViaHTTP, Token: "w"}, "billing", "production", events)
	n.must(err)
	for _, r := range out {
		if r.Err != nil {
			n.t.Fatal(r.Err)
		}
	}
}

// A report says of each slot how it went, over a change of clocks, over slots during which the server was down, with runs
// that came late; and what it rests on.
func TestExpectReport(t *testing.T) {
	x := newShop(t)
	synctest.Test(t, func(t *testing.T) {
		n := &nights{t: t}
		n.until("2000-03-23 12:00")
		stop := n.up(x, func(o *admin.Office) {
			s, err := expect.ParseCron("30 2 * * *")
			n.must(err)
			_, err = o.AddExpectation(t.Context(), admin.By{}, expect.Definition{Job: "nightly", App: "billing", Schedule: s, Zone: "Europe/Berlin", Grace: time.Hour})
			n.must(err)
		})
		n.job(n.until("2000-03-24 01:30"), "job_succeeded")
		n.job(n.until("2000-03-25 01:31"), "job_failed")
		n.job(n.until("2000-03-26 05:00"), "job_succeeded") // the night of the change: due at 03:00, 01:00 UTC
		stop()
		n.until("2000-03-28 08:00") // down over two slots
		stop = n.up(x, func(*admin.Office) {})
		n.job(n.until("2000-03-28 08:05").Add(-31*time.Hour-35*time.Minute), "job_succeeded") // of the first of them: 2000-03-27 00:30
		n.until("2000-03-28 10:00")
		n.job(n.until("2000-03-29 00:30"), "")
		n.until("2000-03-29 01:30")
		n.until("2000-03-30 01:00")
		n.job(n.until("2000-03-30 04:00").Add(-3*time.Hour), "job_succeeded") // in time, and not told in time
		n.until("2000-03-31 00:00")
		stop()
		stop = n.up(x, func(o *admin.Office) {
			all, err := o.ListExpectations(t.Context())
			n.must(err)
			_, err = o.RemoveExpectation(t.Context(), admin.By{}, all[0].ID())
			n.must(err)
		})
		stop()
	})
	args := []string{"expect", "report", "nightly", "--from", "2000-03-20", "--to", "2000-04-10T12:00"}
	const entry = `#[0-9]+ [0-9a-f]{12}`
	want := `nightly: cron 30 2 \* \* \* in Europe/Berlin, within 1h; expected since 2000-03-23 12:00:00Z, #[0-9]+
2000-03-24 02:30 \+01:00  verified     succeeded, began 2000-03-24 01:30:00Z in ENTRY, ended 2000-03-24 01:35:00Z in ENTRY
2000-03-25 02:30 \+01:00  verified     failed, began 2000-03-25 01:31:00Z in ENTRY, ended 2000-03-25 01:36:00Z in ENTRY
2000-03-26 03:00 \+02:00  failed       missed; recorded in ENTRY; a run came late \(it began too late\): succeeded, began 2000-03-26 05:00:00Z in ENTRY, ended 2000-03-26 05:05:00Z in ENTRY
2000-03-27 02:30 \+02:00  verified     succeeded, began 2000-03-27 00:30:00Z in ENTRY, ended 2000-03-27 00:35:00Z in ENTRY
2000-03-28 02:30 \+02:00  failed       missed; recorded in ENTRY
2000-03-29 02:30 \+02:00  not checked  it came, and the log does not say how it ended; silent, began 2000-03-29 00:30:00Z in ENTRY
2000-03-30 02:30 \+02:00  failed       missed; recorded in ENTRY; a run came late \(it began in time, and the log had it too late\): succeeded, began 2000-03-30 01:00:00Z in ENTRY, ended 2000-03-30 01:05:00Z in ENTRY
`
	checkReport := func(where string, out []byte) {
		t.Helper()
		if re := "^" + strings.ReplaceAll(want, "ENTRY", entry) + "$"; !regexp.MustCompile(re).Match(out) {
			t.Errorf("%s:\n%s\nwant\n%s", where, out, want)
		}
	}
	checkReport("a directory", x.must(t, exitOK, args...))
	x.must(t, exitFindings, append(args, "--fail")...)

	// What it names is what the log has, and can be proven.
	var r expectReport
	if err := json.Unmarshal(x.must(t, exitOK, append(args, "--json")...), &r); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]int{3, 3, 1, 7}, []int{r.Verified, r.Failed, r.Unchecked, len(r.Slots)}); d != "" || r.Format != "stet.expect_report/1" || r.Searched.Word != expect.Verified {
		t.Errorf("%s%+v", d, r.Searched)
	}
	shown := 0
	for _, s := range r.Slots[1:] {
		for _, e := range []*expect.EntryReport{s.Missed, entryOf(s.Run, false), entryOf(s.Run, true)} {
			if e == nil || shown == 5 { // of each kind some: each costs two processes
				continue
			}
			shown++
			out := string(x.must(t, exitOK, "show", fmt.Sprint(e.Seq)))
			if !strings.Contains(out, e.EventID) || !strings.Contains(out, e.Type) {
				t.Errorf("entry %d is not %s %s:\n%s", e.Seq, e.Type, e.EventID, out)
			}
			if out := string(x.must(t, exitOK, "show", "--proof", "--json", fmt.Sprint(e.Seq))); !strings.Contains(out, e.Hash) {
				t.Errorf("entry %d has another hash than %s:\n%s", e.Seq, e.Hash, out)
			}
		}
	}

	// Nothing is said of what was not expected, nor of a job that never was.
	if out := x.must(t, exitOK, "expect", "report", "nightly", "--from", "2000-01-01", "--to", "2000-03-24"); strings.Contains(string(out), "verified") {
		t.Errorf("before it was expected:\n%s", out)
	}
	x.must(t, exitError, "expect", "report", "weekly")
	x.must(t, exitUsage, "expect", "report", "nightly", "--from", "yesterday")
	x.must(t, exitUsage, "expect", "report", "nightly", "--from", "2000-03-02", "--to", "2000-03-01")
	x.must(t, exitOK, "expect", "report", r.Expectations[0].ID)

	// A log in which something was altered is no evidence.
	l := steal(t, x.store)
	for _, name := range l.tiles(true) {
		all := l.unpack(name)
		for i := range all {
			all[i] = bytes.ReplaceAll(all[i], []byte(`"app_version":"1"`), []byte(`"app_version":"2"`))
		}
		l.pack(name, all)
	}
	x.must(t, exitIntegrity, append(args, "--store", l.dir)...)

	// Of a server the same.
	server := x.command(t.Context(), "serve", "--listen", "unix:"+filepath.Join(x.dir, "s.sock"))
	out, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err == nil {
		_, err = bufio.NewReader(out).ReadString('\n') // its address, once it answers
	}
	if err != nil {
		t.Fatal(err)
	}
	checkReport("a server", x.must(t, exitOK, append(args, "--store", "unix:"+filepath.Join(x.dir, "s.sock"))...))
	if err := errors.Join(server.Process.Signal(os.Interrupt), server.Wait()); err != nil {
		t.Error(err)
	}
}

// entryOf is the entry in which a run began, or ended; nil where there is none.
func entryOf(r *expect.RunReport, end bool) *expect.EntryReport {
	switch {
	case r == nil:
		return nil
	case end:
		return r.End
	}
	return &r.Start
}
