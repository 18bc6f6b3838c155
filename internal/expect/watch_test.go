package expect

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/stetlog/stet/event"
)

// What fills a slot, and what does not. The definition is made on 2026-03-02 at noon UTC; the log is asked on 2026-03-03 at
// noon, or at until. Times of runs are of 2026-03-03, when they began and, if later, when that was received.
func TestWhatFillsASlot(t *testing.T) {
	day := time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)
	clock := func(s string) time.Time {
		d, err := time.ParseDuration(s)
		if err != nil {
			t.Fatal(err)
		}
		return day.Add(d)
	}
	type run struct {
		start, received string
		change          func(*event.Event)
	}
	planned := func(s string) func(*event.Event) { return func(e *event.Event) { e.Job.ScheduledFor = clock(s) } }
	for _, x := range []struct {
		name, schedule, grace, until string
		runs                         []run
		want                         []string // missed: 02:00
	}{
		{"in time", "cron 0 2 * * *", "1h", "12h", []run{{"2h0m1s", "", nil}}, nil},
		{"never", "cron 0 2 * * *", "1h", "12h", nil, []string{"02:00"}},
		{"not over", "cron 0 2 * * *", "1h", "2h59m59s", nil, nil},
		{"over", "cron 0 2 * * *", "1h", "3h", nil, []string{"02:00"}},
		{"late, within its grace", "cron 0 2 * * *", "1h", "12h", []run{{"2h59m59s", "", nil}}, nil},
		{"too late", "cron 0 2 * * *", "1h", "12h", []run{{"3h", "", nil}}, []string{"02:00"}},
		{"in time, and told too late", "cron 0 2 * * *", "1h", "12h", []run{{"2h", "3h0m1s", nil}}, []string{"02:00"}},
		{"clocks differ", "cron 0 2 * * *", "1h", "12h", []run{{"1h59m1s", "", nil}}, nil},
		{"too early", "cron 0 2 * * *", "1h", "12h", []run{{"1h58m59s", "", nil}}, []string{"02:00"}},
		{"a clock that is ahead by a day says nothing", "cron 0 2 * * *", "1h", "12h", []run{{"26h", "1h", nil}}, []string{"02:00"}},
		{"another job", "cron 0 2 * * *", "1h", "12h", []run{{"2h", "", func(e *event.Event) { e.Job.Name = "weekly" }}}, []string{"02:00"}},
		{"an outcome is no start", "cron 0 2 * * *", "1h", "12h", []run{{"2h", "", func(e *event.Event) { e.EventType = "job_succeeded" }}}, []string{"02:00"}},
		{"it came and was denied", "cron 0 2 * * *", "1h", "12h", []run{{"2h", "", func(e *event.Event) { e.EventType = "job_denied" }}}, nil},

		{"each its own, though they overlap", "cron 0 * * * *", "90m", "5h30m", []run{{"0h", "", nil}, {"1h", "", nil}, {"2h1m", "", nil}, {"2h2m", "", nil}, {"3h", "", nil}, {"4h", "", nil}}, nil},
		{"the run of the next slot does not pass for the one before", "cron 0 * * * *", "90m", "5h29m",
			[]run{{"0h", "", nil}, {"1h", "", nil}, {"3h0m2s", "", nil}, {"4h", "", nil}}, []string{"02:00"}},
		{"a late run gets the older one, when the newer one is taken", "cron 0 * * * *", "90m", "4h29m",
			[]run{{"0h", "", nil}, {"1h", "", nil}, {"3h0m2s", "", nil}, {"3h0m9s", "", nil}}, nil},
		{"one run has one slot", "cron 0 * * * *", "90m", "3h30m",
			[]run{{"0h", "", nil}, {"1h", "", nil}, {"2h", "", func(e *event.Event) { e.Job.RunID = "r" }}, {"2h0m1s", "", func(e *event.Event) { e.Job.RunID = "r" }}}, nil},
		{"the same run again is not another", "cron 0 * * * *", "90m", "4h29m",
			[]run{{"0h", "", nil}, {"1h", "", nil}, {"3h", "", func(e *event.Event) { e.Job.RunID = "r" }}, {"3h0m1s", "", func(e *event.Event) { e.Job.RunID = "r" }}}, []string{"02:00"}},
		{"nor is another attempt of the same job", "cron 0 * * * *", "90m", "4h29m",
			[]run{{"0h", "", nil}, {"1h", "", nil}, {"3h", "", func(e *event.Event) { e.Job.ID = "j" }},
				{"3h5m", "", func(e *event.Event) { e.Job.ID, e.Job.Attempt = "j", 2 }}}, []string{"02:00"}},
		{"planned for the slot before", "cron 0 * * * *", "90m", "4h29m",
			[]run{{"0h", "", nil}, {"1h", "", nil}, {"3h0m1s", "", planned("2h")}}, []string{"02:00"}[:0]},
		{"planned for one that is taken, it takes no other", "cron 0 * * * *", "90m", "4h29m",
			[]run{{"0h", "", nil}, {"1h", "", nil}, {"3h", "", nil}, {"3h5m", "", planned("3h")}}, []string{"02:00"}},
		{"planned for one that is over, it takes no other", "cron 0 * * * *", "30m", "3h30m", []run{{"0h", "", nil}, {"1h", "", nil}, {"3h", "", planned("2h")}}, []string{"02:00", "03:00"}},
		{"nobody claims a slot that is far ahead", "cron 0 2 * * *", "1h", "12h", []run{{"-10h", "", planned("2h")}}, []string{"02:00"}},
		{"nor one that it began long before", "cron 0 2 * * *", "1h", "12h", []run{{"1h", "2h30m", planned("2h")}}, []string{"02:00"}},
		{"planned for no slot: its start counts", "cron 0 2 * * *", "1h", "12h", []run{{"2h", "", planned("1h30m")}}, nil},

		{"every: so long after the last one", "every 8h", "1h", "20h", []run{{"-5h", "", nil}, {"0h", "", nil}, {"8h59m", "", nil}, {"17h", "", nil}}, nil},
		{"every: too long after it", "every 8h", "1h", "20h", []run{{"-5h", "", nil}, {"0h", "", nil}, {"9h1s", "", nil}, {"16h", "", nil}}, []string{"08:00"}},
		{"every: more often is no harm", "every 8h", "1h", "13h", []run{{"-5h", "", nil}, {"0h", "", nil}, {"4h", "", nil}, {"5h", "", nil}}, nil},
		{"every: again and again", "every 4h", "1h", "14h", []run{{"-8h", "", nil}, {"-4h", "", nil}, {"0h", "", nil}}, []string{"04:00", "08:00", "12:00"}},
	} {
		t.Run(x.name, func(t *testing.T) {
			p := &tape{t: t}
			p.add(day.Add(-12*time.Hour), define(t, x.schedule, "UTC", x.grace))
			if x.schedule[0] == 'c' && x.schedule[7] == '*' { // hourly: until midnight nothing is to be found
				for h := -11; h < 0; h++ {
					p.run(clock(fmt.Sprintf("%dh", h)), clock(fmt.Sprintf("%dh", h)))
				}
			}
			for _, r := range x.runs {
				received := clock(r.start)
				if r.received != "" {
					received = clock(r.received)
				}
				if r.change == nil {
					r.change = func(*event.Event) {}
				}
				p.run(clock(r.start), received, r.change)
			}
			got := []string{}
			for _, f := range p.watch().Due(clock(x.until)) {
				got = append(got, f.First.Format("15:04"))
			}
			if d := cmp.Diff(append([]string{}, x.want...), got); d != "" {
				t.Error(d)
			}
		})
	}
}

// The application and the environment count where the definition names them.
func TestWhoseRunsCount(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, x := range []struct {
		app, environment string
		missed           int
	}{{"", "", 0}, {"app", "", 0}, {"app", "production", 0}, {"", "production", 0}, {"other", "", 1}, {"app", "staging", 1}} {
		p := &tape{t: t}
		d := define(t, "cron 0 2 * * *", "UTC", "1h")
		d.App, d.Environment = x.app, x.environment
		p.add(noon, d)
		p.run(noon.Add(14*time.Hour), noon.Add(14*time.Hour))
		if got := p.watch().Due(noon.Add(24 * time.Hour)); len(got) != x.missed {
			t.Errorf("of %q in %q: %v", x.app, x.environment, texts(got))
		}
	}
}

// Nobody but the store says what is expected, and what was missed.
func TestOnlyTheStoresWord(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	d := define(t, "cron 0 2 * * *", "UTC", "1h")
	p := &tape{t: t}
	p.put(noon, false, &event.Event{EventType: Added, Labels: d.Labels()})
	if got := p.watch().Active(); len(got) != 0 {
		t.Errorf("somebody had %v expected", got)
	}
	p.add(noon, d)
	p.put(noon.Add(time.Hour), false, &event.Event{EventType: Removed, Labels: d.Labels()})
	w := p.watch()
	if len(w.Active()) != 1 {
		t.Fatal("somebody removed it")
	}
	f := w.Due(noon.Add(24 * time.Hour))
	if len(f) != 1 {
		t.Fatal(texts(f))
	}
	p.put(noon.Add(24*time.Hour), false, f[0].Event())
	if again := p.watch().Due(noon.Add(24 * time.Hour)); len(again) != 1 {
		t.Error("somebody silenced it")
	}
}

// A definition looks neither back nor beyond its end; what is missed by its end is told.
func TestFromWhenToWhen(t *testing.T) {
	two := time.Date(2026, 3, 3, 2, 0, 0, 0, time.UTC)
	d := define(t, "cron 0 2 * * *", "UTC", "1h")
	for _, x := range []struct {
		name         string
		added, ended time.Duration
		want         int
	}{
		{"added before", -time.Second, 0, 1}, {"added with it", 0, 0, 0}, {"added behind it", time.Minute, 0, 0},
		{"removed before it is over", -time.Hour, 59 * time.Minute, 0}, {"removed when it is over", -time.Hour, time.Hour, 1},
	} {
		p := &tape{t: t}
		p.add(two.Add(x.added), d)
		if x.ended > 0 {
			p.remove(two.Add(x.ended), d)
		}
		w := p.watch()
		got := w.Due(two.Add(20 * time.Hour))
		if len(got) != x.want {
			t.Errorf("%s: %v", x.name, texts(got))
		}
		if next := w.Next(); x.ended > 0 && !next.IsZero() {
			t.Errorf("%s: something is to come at %s", x.name, next)
		}
	}
	p := &tape{t: t}
	p.add(two.Add(-time.Hour), d)
	p.add(two.Add(-time.Hour), d) // said twice
	p.remove(two.Add(2*time.Hour), d)
	p.add(two.Add(3*time.Hour), d)
	if got := texts(p.watch().Due(two.Add(30 * time.Hour))); !slices.Equal(got, []string{"2026-03-03T02:00:00Z", "2026-03-04T02:00:00Z"}) {
		t.Error("removed and added again:", got)
	}
}

// Next says when to ask, to the second; asking before finds nothing.
func TestNext(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	p := &tape{t: t}
	if next := p.watch().Next(); !next.IsZero() {
		t.Error("nothing is expected, and", next)
	}
	p.add(noon, define(t, "cron 0 2 * * *", "Europe/Berlin", "1h"))
	p.add(noon, define(t, "every 36h", "UTC", "10m"))
	w := p.watch()
	for _, want := range []string{"2026-03-03T02:00:00Z", "2026-03-04T00:10:00Z", "2026-03-04T02:00:00Z", "2026-03-05T02:00:00Z"} {
		next := w.Next()
		if slotText(next) != want {
			t.Fatalf("next is %s, want %s", next, want)
		}
		if early := w.Due(next.Add(-time.Nanosecond)); len(early) != 0 {
			t.Fatalf("found before its time: %v", texts(early))
		}
		if got := w.Due(next); len(got) != 1 || !got[0].Due.Equal(next) {
			t.Fatalf("found %v", texts(got))
		}
	}
}

// A server that was down over slots: what was recorded meanwhile still counts when it is there within DefaultRestartGrace of the
// start; what is missing then is told once.
func TestDownOverSlots(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	hour := func(h float64) time.Time { return noon.Add(time.Duration(h * float64(time.Hour))) }
	p := &tape{t: t}
	p.start(noon)
	p.add(hour(1), define(t, "cron 30 * * * *", "UTC", "15m"))
	for h := 1.5; h < 4; h++ {
		p.run(hour(h), hour(h))
	}
	// It is gone at 3:40 and back at 8:00: slots 4:30 to 7:30 were due. One more is due right after it.
	p.start(hour(8))
	w := p.watch()
	if got := w.Due(hour(8.1)); len(got) != 0 {
		t.Fatalf("before anybody could send: %v", texts(got))
	}
	if next := w.Next(); !next.Equal(hour(8).Add(DefaultRestartGrace)) {
		t.Errorf("next is %s", next)
	}
	w.Add(p.run(hour(4.5), hour(8.05)))
	w.Add(p.run(hour(6.5), hour(8.1)))
	want := []string{"2026-03-02T17:30:00Z", "2026-03-02T19:30:00Z"}
	if d := cmp.Diff(want, texts(w.Due(hour(8).Add(DefaultRestartGrace)))); d != "" {
		t.Error(d)
	}
	w.Add(p.run(hour(5.5), hour(8).Add(DefaultRestartGrace+time.Second))) // late
	w.Add(p.run(hour(8.5), hour(8.5)))
	if got := w.Due(hour(9)); len(got) != 0 {
		t.Errorf("once more: %v", texts(got))
	}
	// A server that starts again and again gets no more time for what it should have found.
	p.start(hour(8.01))
	p.start(hour(8.15))
	if d := cmp.Diff(want, texts(p.watch().Due(hour(8).Add(DefaultRestartGrace)))); d != "" {
		t.Errorf("starting again and again: %s", d)
	}
}

// What the log has as missed is missed, for whoever reads it: also where the server that found it waits less long after its
// start than the reader would, and whatever comes behind it.
func TestMissedInTheLog(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	hour := func(h float64) time.Time { return noon.Add(time.Duration(h * float64(time.Hour))) }
	for _, schedule := range []string{"cron 0 * * * *", "every 1h"} {
		t.Run(schedule, func(t *testing.T) {
			p := &tape{t: t}
			d := define(t, schedule, "UTC", "1m")
			place := p.add(hour(0.5), d)
			due := hour(1)
			if schedule[0] == 'e' {
				due = hour(1.5)
			}
			p.start(due.Add(-time.Minute)) // of a server that waits for a minute
			p.found(due.Add(time.Minute), Finding{Definition: d, Since: Place{Seq: place.Seq, EventID: place.Event.EventID}, First: due, Last: due, Count: 1})
			late := p.run(due.Add(2*time.Minute), due.Add(2*time.Minute))
			h := &History{Which: d.Job, From: noon, To: hour(2)}
			for _, e := range p.entries {
				h.Add(e)
			}
			slots, err := h.Slots(due.Add(3 * time.Minute))
			if err != nil || len(slots) == 0 {
				t.Fatal(slots, err)
			}
			s := slots[0]
			if !s.At.Equal(due) || s.State != StateMissed || s.Missing == nil {
				t.Errorf("the slot of %s is %s, told of in %v; want %s missed", slotText(s.At), s.State, s.Missing, slotText(due))
			}
			if schedule[0] == 'c' && (s.Run == nil || s.Run.Seq != late.Seq) {
				t.Errorf("what came late is %v", s.Run)
			}
			if got := p.watch().Due(hour(1.9)); len(got) != 0 {
				t.Errorf("found once more: %v", texts(got))
			}
		})
	}
}

// Who asks before a slot is judged is told when it will be.
func TestWhenASlotIsJudged(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	p := &tape{t: t}
	d := define(t, "cron 0 * * * *", "UTC", "15m")
	p.add(noon.Add(30*time.Minute), d)
	back := noon.Add(75*time.Minute - time.Second) // when its grace is nearly over
	p.start(back)
	h := &History{Which: d.Job, From: noon, To: noon.Add(4 * time.Hour)}
	for _, e := range p.entries {
		h.Add(e)
	}
	slots, err := h.Slots(back.Add(time.Minute))
	if err != nil || len(slots) != 1 || slots[0].State != StateWaiting || !slots[0].Due.Equal(back.Add(DefaultRestartGrace)) {
		t.Errorf("%+v, %v", slots, err)
	}
}

// Where thousands of slots were missed, a hundred are told one by one, and the rest in one event that says how many.
func TestManyMissed(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	p := &tape{t: t}
	d := define(t, "cron * * * * *", "UTC", "1m")
	p.add(noon, d)
	p.run(noon.Add(3000*time.Minute), noon.Add(3000*time.Minute))
	back := noon.Add(20_000 * time.Minute)
	p.start(back)
	w := p.watch()
	early := w.Due(back) // of 20,000 slots 10,000 may wait, and that one is not among them
	got := w.Due(back.Add(DefaultRestartGrace))
	if len(early) != MaxSingle+1 || len(got) != MaxSingle+1 {
		t.Fatalf("%d and %d findings", len(early), len(got))
	}
	sum := 0
	for _, f := range append(early, got...) {
		sum += f.Count
	}
	// all up to 20,009, whose grace is over when it is asked
	if sum != 20_009-1 {
		t.Errorf("%d slots are told", sum)
	}
	last := got[MaxSingle]
	e := last.Event()
	if e.Repeat == nil || e.Repeat.Count != uint64(last.Count) || !e.Repeat.Last.Equal(last.Last) {
		t.Errorf("the event says %+v", e.Repeat)
	}
	for _, f := range append(early, got...) {
		p.found(back.Add(DefaultRestartGrace), f)
	}
	if again := p.watch().Due(back.Add(DefaultRestartGrace)); len(again) != 0 {
		t.Errorf("after a restart: %d findings once more", len(again))
	}
}

// Whatever comes and whenever it is asked: each slot is filled or missed, once; what is found does not depend on when it is
// asked, nor on restarts; after a crash nothing is lost, and what the log has is not found again.
func TestEachSlotOnce(t *testing.T) {
	begin := at(t, "2026-03-27 12:00Z")
	rapid.Check(t, func(t *rapid.T) {
		schedule := rapid.SampledFrom([]string{"cron 0 2 * * *", "cron 30 2 * * *", "cron 0 */3 * * *", "cron 15 * * * *", "cron */20 1-4 * * *", "oncalendar 02:30",
			"oncalendar *:0/30", "every 3h", "every 50m"}).Draw(t, "schedule")
		grace := rapid.SampledFrom([]string{"1m", "15m", "1h", "4h"}).Draw(t, "grace")
		zone := "Europe/Berlin"
		if schedule[0] == 'e' {
			zone = "UTC"
		}
		d := define(t, schedule, zone, grace)
		p := &tape{t: t}
		p.add(begin, d)
		live, now := p.watch(), begin
		raised := map[string]int{}
		single := []time.Time{}
		tell := func(all []Finding, record int) {
			for i, f := range all {
				raised[f.About()]++
				single = append(single, f.First)
				if i < record {
					live.Add(p.found(now, f))
				}
			}
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 5400).Draw(t, "later")) * time.Second)
			switch rapid.IntRange(0, 9).Draw(t, "what") {
			case 0, 1, 2, 3, 4, 5:
				ago := rapid.SampledFrom([]int{0, 0, 1, 60, 1800, 7200}).Draw(t, "ago")
				live.Add(p.run(now.Add(-time.Duration(ago)*time.Second), now, func(e *event.Event) {
					if rapid.IntRange(0, 4).Draw(t, "planned") == 0 {
						e.Job.ScheduledFor = now.Truncate(time.Hour)
					}
				}))
			case 6, 7:
				tell(live.Due(now), 1000)
			case 8: // the server dies when some of what it found is in the log, and comes back
				all := live.Due(now)
				n := rapid.IntRange(0, len(all)).Draw(t, "recorded")
				for _, f := range all[:n] {
					raised[f.About()]++
					single = append(single, f.First)
					p.found(now, f)
				}
				p.start(now)
				live = p.watch()
			case 9: // read again from the beginning, at any time
				live = p.watch()
			}
		}
		now = now.Add(24 * time.Hour)
		tell(live.Due(now), 1000)
		for about, n := range raised {
			if n != 1 {
				t.Fatalf("%s was found %d times", about, n)
			}
		}
		if again := p.watch().Due(now); len(again) != 0 {
			t.Fatalf("with all in the log, found once more: %v", texts(again))
		}
		// Who never asked before, and whose log has none of it but that there was something, finds the same.
		fresh, starts := &Watch{}, 0
		for _, e := range p.entries {
			if e.Event.EventType == missed {
				e.Event = &event.Event{EventType: missed}
			}
			fresh.Add(e)
			if comes(e.Event.EventType) {
				starts++
			}
		}
		all, found := fresh.Due(now), []time.Time{}
		for _, f := range all {
			found = append(found, f.First)
		}
		slices.SortFunc(single, time.Time.Compare)
		if d := cmp.Diff(single, found); d != "" {
			t.Fatalf("what is found depends on when it is asked (-live +afterwards):\n%s", d)
		}
		// A report tells of the same slots, and of each other one what came for it.
		h := History{Which: "nightly", From: begin, To: now}
		for _, e := range p.entries {
			h.Add(e)
		}
		went, err := h.Slots(now)
		if err != nil {
			t.Fatal(err)
		}
		reported, taken := []time.Time{}, map[uint64]bool{}
		for _, s := range went {
			if s.State == StateMissed {
				reported = append(reported, s.At)
			}
			if (s.State == StateRan) != (s.Run != nil) && s.State != StateMissed {
				t.Fatalf("%s %s: %v", s.At, s.State, s.Run)
			}
			if s.Run != nil && taken[s.Run.Seq] {
				t.Fatalf("the run of entry %d is told of twice", s.Run.Seq)
			} else if s.Run != nil {
				taken[s.Run.Seq] = true
			}
		}
		if d := cmp.Diff(found, reported); d != "" {
			t.Fatalf("a report tells otherwise (-watch +report):\n%s", d)
		}
		if d.Schedule.Kind == Every {
			return
		}
		table, err := d.Timetable()
		if err != nil {
			t.Fatal(err)
		}
		slots := slices.Collect(table.Slots(begin, now.Add(-d.Grace)))
		for _, at := range found {
			if _, ok := slices.BinarySearchFunc(slots, at, time.Time.Compare); !ok {
				t.Fatalf("%s is no slot", at)
			}
		}
		if filled := len(slots) - len(found); filled < 0 || filled > starts {
			t.Fatalf("of %d slots %d are missed, with %d runs", len(slots), len(found), starts)
		}
	})
}
