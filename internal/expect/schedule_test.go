package expect

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// What is understood, as the numbers that it stands for: minutes, hours, days, months, weekdays.
func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"cron 0 2 * * *":                  "0|2|*|*|*",
		"cron  5\t4  * *  SUN":            "5|4|*|*|0",
		"cron 0-59/15 8-10,20 1,15 * *":   "0,15,30,45|8,9,10,20|1,15|*|*",
		"cron */20 */6 * JAN,Jun-Aug 1-5": "0,20,40|0,6,12,18|*|1,6,7,8|1,2,3,4,5",
		"cron 0 0 * * 0-7":                "0|0|*|*|*",
		"cron 0 0 * * fri-7":              "0|0|*|*|0,5,6",
		"cron 00 02 01 01 07":             "0|2|1|1|0",
		"cron @hourly":                    "0|*|*|*|*",
		"cron @Midnight":                  "0|0|*|*|*",
		"cron @weekly":                    "0|0|*|*|0",
		"cron @yearly":                    "0|0|1|1|*",

		"oncalendar daily":                  "0|0|*|*|*",
		"oncalendar quarterly":              "0|0|1|1,4,7,10|*",
		"oncalendar minutely":               "*|*|*|*|*",
		"oncalendar weekly":                 "0|0|*|*|1",
		"oncalendar Mon..Fri 10:00":         "0|10|*|*|1,2,3,4,5",
		"oncalendar Mon-Fri *-*-1..7 4:00":  "0|4|1,2,3,4,5,6,7|*|1,2,3,4,5",
		"oncalendar monday,Sat..Sun 8:5:00": "5|8|*|*|0,1,6",
		"oncalendar *-*-* *:00/15":          "0,15,30,45|*|*|*|*",
		"oncalendar 2/4:30":                 "30|2,6,10,14,18,22|*|*|*",
		"oncalendar 12,14:10,20":            "10,20|12,14|*|*|*",
		"oncalendar *-1,2-10":               "0|0|10|1,2|*",
		"oncalendar 10-15":                  "0|0|15|10|*",
		"oncalendar Wed *-1":                "0|0|1|*|3",
		"oncalendar 5..10/2:00":             "0|5,7,9|*|*|*",
		"oncalendar Mon, 7:00":              "0|7|*|*|1",
	} {
		s, err := Parse(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if d := cmp.Diff(want, numbers(s.cal)); d != "" {
			t.Errorf("%s:\n%s", text, d)
		}
		if again, err := Parse(s.String()); err != nil || again.String() != s.String() || again.cal != s.cal {
			t.Errorf("%s is written as %q, which is %v, %v", text, s, again, err)
		}
	}
	for text, want := range map[string]string{"every 15m": "every 15m", "every 90s": "every 1m30s", "every 3600s": "every 1h", "every 24h": "every 24h", "every 1h0m5s": "every 1h0m5s"} {
		if s, err := Parse(text); err != nil || s.String() != want {
			t.Errorf("%s: %q, %v", text, s, err)
		}
	}
}

func numbers(c calendar) string {
	var parts []string
	for _, x := range []struct {
		s    set
		full set
	}{{c.minutes, steps(0, 59, 1)}, {c.hours, steps(0, 23, 1)}, {c.days, steps(1, 31, 1)}, {c.months, steps(1, 12, 1)}, {c.weekdays &^ (1 << 7), steps(0, 6, 1)}} {
		if x.s == x.full {
			parts = append(parts, "*")
			continue
		}
		var all []string
		for n := range 64 {
			if x.s.has(n) {
				all = append(all, strings.TrimSuffix(FormatDuration(time.Duration(n)*time.Second), "s"))
			}
		}
		parts = append(parts, strings.Join(all, ","))
	}
	return strings.Join(parts, "|")
}

// What is not understood is refused with what it is about.
func TestParseRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                      `"" is neither cron`,
		"daily 0 2 * * *":       `"daily" is neither cron`,
		"cron ":                 "here are 0",
		"cron 0 2 * *":          "here are 4",
		"cron 0 0 2 * * *":      "here are 6",
		"cron 60 * * * *":       "minute: 60 is not between 0 and 59",
		"cron 0 24 * * *":       "hour: 24 is not between 0 and 23",
		"cron 0 0 0 * *":        "day of month: 0 is not between 1 and 31",
		"cron 0 0 * 13 *":       "month: 13",
		"cron 0 0 * * 8":        "day of week: 8",
		"cron 0 0 * * monday":   `"monday" is neither a number nor a name such as mon`,
		"cron x * * * *":        `minute: "x" is no number`,
		"cron 007 * * * *":      `"007" is no number`,
		"cron -1 * * * *":       "a number is missing",
		"cron 1, * * * *":       "a number is missing",
		"cron 5-1 * * * *":      `the range "5-1" ends before it begins`,
		"cron */0 * * * *":      "a step is a number from 1 on",
		"cron */ * * * *":       "a step is a number from 1 on",
		"cron 5/15 * * * *":     "may mean 5-59/15",
		"cron 0~30 * * * *":     "cron itself chooses",
		"cron 0 0 ? * *":        `"?" is no number`,
		"cron 0 0 L * *":        `"l" is no number`,
		"cron 0 0 * * 5#3":      `"5#3" is neither`,
		"cron 0 0 31 2,4 *":     "no month of these has such a day",
		"cron 0 0 */31 2 1-3-4": `"3-4"`,
		"cron @reboot":          "@reboot is no time",
		"cron @often":           `"@often" is no word of cron`,
		"cron @daily 5":         `"@daily 5" is no word of cron`,
		"cron TZ=UTC 0 2 * * *": "here are 6",
		"cron " + long:          "longer than 256 bytes",
		"oncalendar ":           "there is nothing",
		"oncalendar noon":       `"noon" is neither`,
		"oncalendar Fri..Mon":   "the week begins on Monday",
		"oncalendar 2026-01-01": "the year \"2026\" is not every year",
		"oncalendar *-*~1":      "counts from the month's end",
		"oncalendar *-*-32":     "day: 32",
		"oncalendar *-02-30":    "no month of these has such a day",
		"oncalendar 24:00":      "hour: 24",
		"oncalendar 1:00:30":    "only 00",
		"oncalendar 1:00:00.5":  "only 00",
		"oncalendar *:*/5":      `minute: "*" is no number`,
		"oncalendar *:0/0":      "a step is a number from 1 on",
		"oncalendar *:5..1":     "ends before it begins",
		"oncalendar 1:0:0:0":    "not of the form HOUR:MINUTE",
		"oncalendar 5":          "not of the form *-MONTH-DAY",
		"oncalendar *-02-29 3":  "not of the form HOUR:MINUTE",
		"oncalendar 1:00 2:00":  `"2:00" stands where nothing is expected`,
		"oncalendar 1..3 2:00":  "not of the form *-MONTH-DAY",
		"oncalendar 0..1 1:00":  "not of the form *-MONTH-DAY",
		"oncalendar 1,,2:00":    "a number is missing",
		"oncalendar " + long:    "longer than 256 bytes",
		"every 30s":             "between 1m and 8784h",
		"every 10000h":          "between 1m and 8784h",
		"every 90.5s":           "whole seconds",
		"every day":             "say a duration",
		"every -1h":             "between",
		"every " + long:         "say a duration",
	} {
		_, err := Parse(text)
		if !errors.Is(err, ErrSchedule) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v; want %s", text, err, want)
		}
	}
}

var long = strings.Repeat("1", 300)

// A zone stands before a line of cron, and behind a time of systemd.
func TestCutZone(t *testing.T) {
	for text, want := range map[string][2]string{
		"CRON_TZ=Europe/Berlin 0 2 * * *": {"Europe/Berlin", "0 2 * * *"},
		"TZ=UTC @daily":                   {"UTC", "@daily"},
		"0 2 * * *":                       {"", "0 2 * * *"},
	} {
		if zone, rest := CutZone(text); zone != want[0] || rest != want[1] {
			t.Errorf("%q: %q, %q", text, zone, rest)
		}
	}
	for text, want := range map[string][2]string{
		"Mon *-*-* 02:00 Europe/Berlin": {"Mon *-*-* 02:00", "Europe/Berlin"},
		"daily UTC":                     {"daily", "UTC"},
		"daily":                         {"daily", ""},
		"Mon..Fri":                      {"Mon..Fri", ""},
		"Mon, Fri":                      {"Mon, Fri", ""},
		"*:0/15":                        {"*:0/15", ""},
		"2:00 ":                         {"2:00", ""},
	} {
		if rest, zone := CutCalendarZone(text); rest != want[0] || zone != want[1] {
			t.Errorf("%q: %q, %q", text, rest, zone)
		}
	}
}

// Whatever is written: it is refused, or its canonical form means the same, and its slots come one behind the other, on
// whole minutes.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"cron 0 2 * * *", "cron */5 1-4/2 1,15 jan-mar sun", "cron @weekly", "oncalendar Mon..Fri *-*-1..7 4/2:00/15:00", "every 15m", "cron 0 0 29 2 1"} {
		f.Add(s, uint32(1_774_000_000), uint8(0))
	}
	zones := []string{"UTC", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Cairo", "Pacific/Apia", "Africa/Casablanca", "America/Havana"}
	f.Fuzz(func(t *testing.T, text string, from uint32, in uint8) {
		s, err := Parse(text)
		if err != nil {
			if !errors.Is(err, ErrSchedule) {
				t.Fatal(err)
			}
			return
		}
		again, err := Parse(s.String())
		if err != nil || again != s {
			t.Fatalf("%q is written as %q, which is %+v, %v", text, s, again, err)
		}
		if s.Kind == Every {
			return
		}
		tt := Timetable{Schedule: s, Zone: zone(t, zones[int(in)%len(zones)])}
		last, n := time.Unix(int64(from), 0), 0
		for slot := range tt.Slots(last, last.Add(400*24*time.Hour)) {
			if !slot.After(last) || slot.Unix()%60 != 0 {
				t.Fatalf("%s: %s comes behind %s", s, slot, last)
			}
			if last, n = slot, n+1; n > 50 {
				break
			}
		}
		if first := tt.Next(last); first.IsZero() || !tt.has(first) {
			t.Fatalf("%s: nothing comes behind %s", s, last)
		}
	})
}
