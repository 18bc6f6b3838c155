package expect

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// A crontab line by line: schedule, zone, user, command; or why it is not understood.
func TestCrontab(t *testing.T) {
	show := func(all []CronLine) (out []string) {
		for _, l := range all {
			if l.Err != nil {
				out = append(out, fmt.Sprintf("%d: %v", l.Number, l.Err))
				continue
			}
			out = append(out, fmt.Sprintf("%d: %s|%s|%s|%s|%s", l.Number, l.Schedule, l.Zone, l.User, l.Command, l.Env["STET_JOB"]))
		}
		return out
	}
	system := `# /etc/crontab: system-wide crontab
SHELL=/bin/sh
PATH = "/usr/local/sbin:/usr/bin"

17 *	* * *	root	cd / && run-parts --report /etc/cron.hourly
25 6	* * *	root	test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }
  47 6 * * 7  root  run-parts /etc/cron.weekly
@monthly root backup
@reboot root start
'STET_JOB' = 'Z 1'
30 3 * * 6,x www-data x
5 4 * * sun www-data date +\%F%standard%input
0 0 * * * root
no line at all
0 5 * * * root cut`
	got, err := Crontab([]byte(system), true)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{
		"5: cron 17 * * * *||root|cd / && run-parts --report /etc/cron.hourly|",
		"6: cron 25 6 * * *||root|test -x /usr/sbin/anacron || { cd / && run-parts --report /etc/cron.daily; }|",
		"7: cron 47 6 * * 7||root|run-parts /etc/cron.weekly|",
		"8: cron @monthly||root|backup|",
		"9: not a schedule: @reboot is no time, so it cannot be expected",
		`11: not a schedule: day of week: "x" is neither a number nor a name such as mon`,
		"12: cron 5 4 * * sun||www-data|date +%F|Z 1",
		"13: not a schedule: there is no command",
		`14: not a schedule: cron has five fields: minute, hour, day of month, month, day of week; here are 4`,
		"15: not a schedule: the last line has no line end, so cron takes no notice of it",
	}, show(got)); d != "" {
		t.Error(d)
	}
	user := "MAILTO=paul\nTZ=UTC\n*/5 * * * * $HOME/bin/poll X=1\nCRON_TZ=Asia/Tokyo\n0 2 * * * nightly\nSTET_JOB=other\n@daily other\n"
	if got, err = Crontab([]byte(user), false); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]string{"3: cron */5 * * * *|||$HOME/bin/poll X=1|", "5: cron 0 2 * * *|Asia/Tokyo||nightly|", "7: cron @daily|Asia/Tokyo||other|other"}, show(got)); d != "" {
		t.Error(d)
	}
	for name, text := range map[string]string{"binary": "0 0 * * * x\x00\n", "long": strings.Repeat("#\n", MaxFile)} {
		if _, err := Crontab([]byte(text), false); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTimerUnit(t *testing.T) {
	unit := `[Unit]
Description=Nightly
OnCalendar=of no meaning here

[Timer]
# three times
OnCalendar=Mon..Fri *-*-* 02:00 Europe/Berlin
OnCalendar=daily
OnCalendar=*:0/7:30
OnBootSec=5min
RandomizedDelaySec=1h 30min
AccuracySec=1us
OnCalendar=\
  weekly
Unit=purge.service

[Install]
WantedBy=timers.target
`
	show := func(u Timer) (out []string) {
		for _, l := range u.Times {
			if l.Err != nil {
				out = append(out, fmt.Sprintf("%d: %v", l.Number, l.Err))
				continue
			}
			out = append(out, fmt.Sprintf("%d: %s|%s", l.Number, l.Schedule, l.Zone))
		}
		return out
	}
	got, err := TimerUnit([]byte(unit))
	if err != nil || got.Unit != "purge.service" || got.Delay != 90*time.Minute {
		t.Errorf("%+v, %v", got, err)
	}
	if d := cmp.Diff([]string{
		"7: oncalendar mon..fri *-*-* 02:00|Europe/Berlin", "8: oncalendar daily|",
		`9: not a schedule: time: seconds "30" are not understood here, only 00`,
		"10: not a schedule: OnBootSec is no time of a calendar, so it cannot be expected",
		"13: not a schedule: OnCalendar: a line that goes on in the next one, or is longer than 16384 bytes, is not understood",
	}, show(got)); d != "" {
		t.Error(d)
	}
	again, err := TimerUnit([]byte("[Timer]\nOnCalendar=daily\nOnCalendar=\nOnCalendar=hourly\nUnit=%i.service\nRandomizedDelaySec=a while"))
	if d := cmp.Diff([]string{"4: oncalendar hourly|", "5: not a schedule: Unit=%i.service: specifiers are not understood",
		"6: not a schedule: RandomizedDelaySec=a while is not understood"}, show(again)); d != "" || err != nil {
		t.Error(d, err)
	}
}

// Whatever stands in a file: each line is understood or refused, and the log can hold what is understood.
func FuzzFiles(f *testing.F) {
	f.Add("SHELL=/bin/sh\n17 * * * * root run-parts\n@daily root x%y\n", true)
	f.Add("[Timer]\nOnCalendar=Mon 2:00 UTC\nUnit=x.service\nRandomizedDelaySec=1h\n", false)
	f.Add("CRON_TZ='Asia/Tokyo'\n*/5 1-3 * jan mon a \\% b\n", false)
	f.Fuzz(func(t *testing.T, text string, system bool) {
		var schedules []Schedule
		lines, err := Crontab([]byte(text), system)
		if err != nil && !errors.Is(err, ErrFile) {
			t.Fatal(err)
		}
		for _, l := range lines {
			if l.Err != nil && !errors.Is(l.Err, ErrSchedule) || l.Number < 1 || l.Err == nil && l.Command == "" {
				t.Fatalf("%+v", l)
			}
			if l.Err == nil {
				schedules = append(schedules, l.Schedule)
			}
		}
		unit, err := TimerUnit([]byte(text))
		if err != nil && !errors.Is(err, ErrFile) {
			t.Fatal(err)
		}
		for _, l := range unit.Times {
			if l.Err != nil && !errors.Is(l.Err, ErrSchedule) {
				t.Fatalf("%+v", l)
			}
			if l.Err == nil {
				schedules = append(schedules, l.Schedule)
			}
		}
		for _, s := range schedules {
			if again, err := Parse(s.String()); err != nil || again != s {
				t.Fatalf("%s: %v", s, err)
			}
		}
	})
}
