package expect

import (
	"fmt"
	"slices"
	"testing"
	"time"
	_ "time/tzdata" // the same zones on every machine

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func zone(t rapid.TB, name string) *time.Location {
	t.Helper()
	l, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func timetable(t rapid.TB, schedule, in string) Timetable {
	t.Helper()
	s, err := Parse(schedule)
	if err != nil {
		t.Fatal(err)
	}
	return Timetable{Schedule: s, Zone: zone(t, in)}
}

func at(t rapid.TB, s string) time.Time {
	t.Helper()
	v, err := time.Parse("2006-01-02 15:04Z07:00", s)
	if err != nil {
		t.Fatal(err)
	}
	return v.UTC()
}

// What is due in the nights in which clocks change, and on the days around them. Each row's slots are given as a person in
// the zone sees them.
func TestSlots(t *testing.T) {
	const (
		berlin = "Europe/Berlin"    // +1/+2: 2026-03-29 02:00 → 03:00, 2026-10-25 03:00 → 02:00
		york   = "America/New_York" // -5/-4: 2026-03-08 02:00 → 03:00, 2026-11-01 02:00 → 01:00
		howe   = "Australia/Lord_Howe"
		tokyo  = "Asia/Tokyo"
	)
	for _, x := range []struct {
		schedule, zone, from, until string // from is not included
		want                        []string
	}{
		// A certain time: once each night.
		{"cron 0 2 * * *", berlin, "2026-03-28 00:00Z", "2026-03-30 12:00Z",
			[]string{"2026-03-28 02:00+01:00", "2026-03-29 03:00+02:00", "2026-03-30 02:00+02:00"}},
		{"cron 30 2 * * *", berlin, "2026-03-28 12:00Z", "2026-03-30 12:00Z", []string{"2026-03-29 03:00+02:00", "2026-03-30 02:30+02:00"}},
		{"cron 30 2 * * *", berlin, "2026-10-24 12:00Z", "2026-10-26 12:00Z", []string{"2026-10-25 02:30+02:00", "2026-10-26 02:30+01:00"}},
		{"cron 59 1 * * *", berlin, "2026-03-28 12:00Z", "2026-03-29 12:00Z", []string{"2026-03-29 01:59+01:00"}},
		{"cron 0 3 * * *", berlin, "2026-10-24 12:00Z", "2026-10-25 12:00Z", []string{"2026-10-25 03:00+01:00"}},
		// Several that are deferred to one moment, where there may be one already, are one.
		{"cron 0,30 2,3 * * *", berlin, "2026-03-28 12:00Z", "2026-03-29 12:00Z", []string{"2026-03-29 03:00+02:00", "2026-03-29 03:30+02:00"}},
		// An asterisk in minute or hour: as the clock shows it.
		{"cron */30 * * * *", berlin, "2026-03-29 00:00Z", "2026-03-29 02:00Z",
			[]string{"2026-03-29 01:30+01:00", "2026-03-29 03:00+02:00", "2026-03-29 03:30+02:00", "2026-03-29 04:00+02:00"}},
		{"cron */30 * * * *", berlin, "2026-10-25 00:00Z", "2026-10-25 02:00Z",
			[]string{"2026-10-25 02:30+02:00", "2026-10-25 02:00+01:00", "2026-10-25 02:30+01:00", "2026-10-25 03:00+01:00"}},
		{"cron 30 */2 * * *", berlin, "2026-03-28 23:00Z", "2026-03-29 03:00Z", []string{"2026-03-29 00:30+01:00", "2026-03-29 04:30+02:00"}},
		{"cron @hourly", berlin, "2026-10-24 23:30Z", "2026-10-25 02:30Z",
			[]string{"2026-10-25 02:00+02:00", "2026-10-25 02:00+01:00", "2026-10-25 03:00+01:00"}},
		{"cron 0-59/30 2 * * *", berlin, "2026-10-24 12:00Z", "2026-10-25 12:00Z", []string{"2026-10-25 02:00+02:00", "2026-10-25 02:30+02:00"}},
		// systemd: nothing instead of what is skipped, once what comes twice.
		{"oncalendar 02:30", berlin, "2026-03-28 12:00Z", "2026-03-30 12:00Z", []string{"2026-03-30 02:30+02:00"}},
		{"oncalendar *:0/30", berlin, "2026-03-29 00:00Z", "2026-03-29 01:30Z",
			[]string{"2026-03-29 01:30+01:00", "2026-03-29 03:00+02:00", "2026-03-29 03:30+02:00"}},
		{"oncalendar *:0/30", berlin, "2026-10-25 00:00Z", "2026-10-25 02:30Z",
			[]string{"2026-10-25 02:30+02:00", "2026-10-25 03:00+01:00", "2026-10-25 03:30+01:00"}},

		{"cron 30 2 * * *", york, "2026-03-08 00:00Z", "2026-03-09 12:00Z", []string{"2026-03-08 03:00-04:00", "2026-03-09 02:30-04:00"}},
		{"cron 30 1 * * *", york, "2026-10-31 12:00Z", "2026-11-02 12:00Z", []string{"2026-11-01 01:30-04:00", "2026-11-02 01:30-05:00"}},
		{"cron 0 0 * * 0", york, "2026-10-30 12:00Z", "2026-11-08 12:00Z", []string{"2026-11-01 00:00-04:00", "2026-11-08 00:00-05:00"}},

		// Half an hour: 2026-10-04 02:00 → 02:30, 2026-04-05 02:00 → 01:30.
		{"cron 15 2 * * *", howe, "2026-10-03 12:00Z", "2026-10-05 00:00Z", []string{"2026-10-04 02:30+11:00", "2026-10-05 02:15+11:00"}},
		{"cron 45 1 * * *", howe, "2026-04-04 12:00Z", "2026-04-06 00:00Z", []string{"2026-04-05 01:45+11:00", "2026-04-06 01:45+10:30"}},
		{"cron */15 * * * *", howe, "2026-04-04 14:30Z", "2026-04-04 15:45Z",
			[]string{"2026-04-05 01:45+11:00", "2026-04-05 01:30+10:30", "2026-04-05 01:45+10:30", "2026-04-05 02:00+10:30", "2026-04-05 02:15+10:30"}},

		{"cron 30 2 * * *", tokyo, "2026-03-28 00:00Z", "2026-03-30 00:00Z", []string{"2026-03-29 02:30+09:00", "2026-03-30 02:30+09:00"}},
		{"cron 30 2 * * *", "UTC", "2026-03-28 12:00Z", "2026-03-30 00:00Z", []string{"2026-03-29 02:30Z"}},

		// Midnight itself is skipped, is shown twice, and comes again behind the next day's beginning.
		{"cron 0 0 * * *", "Africa/Cairo", "2026-04-23 12:00Z", "2026-04-24 23:00Z", []string{"2026-04-24 01:00+03:00", "2026-04-25 00:00+03:00"}},
		{"cron 30 0 24 4 *", "Africa/Cairo", "2026-04-22 12:00Z", "2026-04-26 00:00Z", []string{"2026-04-24 01:00+03:00"}},
		{"cron 0 0 * * *", "America/Havana", "2026-10-31 12:00Z", "2026-11-02 12:00Z", []string{"2026-11-01 00:00-04:00", "2026-11-02 00:00-05:00"}},
		{"cron * * * * *", "America/St_Johns", "2010-11-07 02:29Z", "2010-11-07 02:33Z",
			[]string{"2010-11-07 00:00-02:30", "2010-11-06 23:01-03:30", "2010-11-06 23:02-03:30", "2010-11-06 23:03-03:30"}},
		// A whole day that was left out is a correction: nothing is deferred over it.
		{"cron 0 2 * * *", "Pacific/Apia", "2011-12-29 00:00Z", "2011-12-31 12:00Z", []string{"2011-12-29 02:00-10:00", "2011-12-31 02:00+14:00", "2012-01-01 02:00+14:00"}},

		// Day of month and day of week: one of them, where neither begins with an asterisk; both, where one does.
		{"cron 0 0 13 * 5", "UTC", "2026-02-01 00:00Z", "2026-02-28 00:00Z",
			[]string{"2026-02-06 00:00Z", "2026-02-13 00:00Z", "2026-02-20 00:00Z", "2026-02-27 00:00Z"}},
		{"cron 0 0 14 * 5", "UTC", "2026-02-09 00:00Z", "2026-02-18 00:00Z", []string{"2026-02-13 00:00Z", "2026-02-14 00:00Z"}},
		{"cron 0 0 */2 * 5", "UTC", "2026-02-01 00:00Z", "2026-02-28 00:00Z", []string{"2026-02-13 00:00Z", "2026-02-27 00:00Z"}},
		{"cron 0 0 * * 7", "UTC", "2026-02-01 00:00Z", "2026-02-10 00:00Z", []string{"2026-02-08 00:00Z"}},
		{"oncalendar Fri *-*-13", "UTC", "2026-02-01 00:00Z", "2026-06-28 00:00Z", []string{"2026-02-13 00:00Z", "2026-03-13 00:00Z"}},
		{"cron 0 0 29 2 *", "UTC", "2096-03-01 00:00Z", "2104-12-01 00:00Z", []string{"2104-02-29 00:00Z"}},
	} {
		t.Run(x.schedule+" "+x.zone+" "+x.from, func(t *testing.T) {
			tt := timetable(t, x.schedule, x.zone)
			var got, want []string
			for s := range tt.Slots(at(t, x.from), at(t, x.until)) {
				got = append(got, s.In(tt.Zone).Format("2006-01-02 15:04Z07:00"))
			}
			want = append(want, x.want...)
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

// debian is what Debian's cron 3.0pl1 does with a line, minute by minute, as its cron.c decides: it keeps a virtual time,
// which follows the zone's clock by at most three hours. It is asked at each minute, as cron is.
func debian(s Schedule, zone *time.Location, from, until time.Time) (runs []time.Time) {
	const hours3 = 3 * 60
	reading := func(at time.Time) int64 {
		_, offset := at.In(zone).Zone()
		return (at.Unix() + int64(offset)) / 60
	}
	due := func(minute int64) bool {
		r := time.Unix(minute*60, 0).UTC()
		return s.cal.day(r) && s.cal.hours.has(r.Hour()) && s.cal.minutes.has(r.Minute())
	}
	wild := s.cal.clock == asItComes
	virtual := reading(from)
	for at := from.Add(time.Minute); !at.After(until); at = at.Add(time.Minute) {
		now, run := reading(at), false
		switch ahead := now - virtual; {
		case ahead < -hours3 || ahead > hours3: // a correction
			virtual, run = now, due(now)
		case ahead <= 0: // set back: only what has asterisks, until the old time is reached
			run = wild && due(now)
		case ahead == 1:
			virtual, run = now, due(now)
		default: // set forward: what has asterisks now, the rest for each minute that was skipped
			run = wild && due(now)
			for ; virtual < now; virtual++ {
				run = run || !wild && due(virtual+1)
			}
		}
		if run {
			runs = append(runs, at.UTC())
		}
	}
	return runs
}

// For any line of cron, in zones of all sorts, slots are the minutes at which Debian's cron starts something.
func TestSlotsAreCrons(t *testing.T) {
	changes := []struct{ zone, at string }{
		{"Europe/Berlin", "2026-03-29 01:00Z"}, {"Europe/Berlin", "2026-10-25 01:00Z"},
		{"America/New_York", "2026-03-08 07:00Z"}, {"America/New_York", "2026-11-01 06:00Z"},
		{"Australia/Lord_Howe", "2026-10-03 15:30Z"}, {"Australia/Lord_Howe", "2026-04-04 15:00Z"},
		{"Africa/Cairo", "2026-04-23 22:00Z"}, {"America/Havana", "2026-11-01 05:00Z"}, {"America/St_Johns", "2010-11-07 02:31Z"},
		{"America/St_Johns", "1988-04-03 03:31Z"}, // two hours forward
		{"Asia/Kathmandu", "2026-01-01 00:00Z"}, {"UTC", "2026-12-31 23:00Z"},
	}
	field := func(low, high int) *rapid.Generator[string] {
		n := rapid.IntRange(low, high)
		return rapid.Custom(func(t *rapid.T) string {
			a, b := n.Draw(t, "a"), n.Draw(t, "b")
			a, b = min(a, b), max(a, b)
			return rapid.SampledFrom([]string{"*", fmt.Sprintf("*/%d", 1+b%7), fmt.Sprint(a), fmt.Sprintf("%d,%d", a, b), fmt.Sprintf("%d-%d", a, b),
				fmt.Sprintf("%d-%d/%d", a, b, 1+a%5), fmt.Sprintf("%d,*", a)}).Draw(t, "form")
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		c := rapid.SampledFrom(changes).Draw(t, "change")
		near := rapid.IntRange(0, 3)
		line := fmt.Sprintf("cron %s %s %s * %s", field(0, 59).Draw(t, "minute"),
			rapid.OneOf(field(0, 23), rapid.Custom(func(t *rapid.T) string { return fmt.Sprint(near.Draw(t, "hour")) })).Draw(t, "hour"),
			rapid.OneOf(rapid.Just("*"), field(1, 31)).Draw(t, "day"), rapid.OneOf(rapid.Just("*"), field(0, 7)).Draw(t, "weekday"))
		tt := timetable(t, line, c.zone)
		from, until := at(t, c.at).Add(-30*time.Hour), at(t, c.at).Add(30*time.Hour)
		want := debian(tt.Schedule, tt.Zone, from, until)
		got := slices.Collect(tt.Slots(from, until))
		if d := cmp.Diff(want, got); d != "" {
			t.Fatalf("%s in %s (-cron +ours):\n%s", line, c.zone, d)
		}
		for i, s := range got { // and one at a time
			after := from
			if i > 0 {
				after = got[i-1]
			}
			if i%97 > 3 {
				continue
			}
			if next := tt.Next(after); !next.Equal(s) {
				t.Fatalf("%s in %s: behind %s comes %s, not %s", line, c.zone, after, next, s)
			}
		}
	})
}
