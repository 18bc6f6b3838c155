package expect

import (
	"strings"
)

// The parts of a calendar event of systemd.
var (
	calendarMonth   = field{name: "month", low: 1, high: 12}
	calendarDay     = field{name: "day", low: 1, high: 31}
	calendarHour    = field{name: "hour", high: 23}
	calendarMinute  = field{name: "minute", high: 59}
	calendarWeekday = field{name: "day of the week", high: 6, names: weekdayNames}
)

// calendarWords are systemd's words for whole times (systemd.time(7)).
var calendarWords = []struct{ word, means string }{
	{"minutely", "*-*-* *:*:00"},
	{"hourly", "*-*-* *:00:00"},
	{"daily", "*-*-* 00:00:00"},
	{"weekly", "mon *-*-* 00:00:00"},
	{"monthly", "*-*-01 00:00:00"},
	{"quarterly", "*-01,04,07,10-01 00:00:00"},
	{"semiannually", "*-01,07-01 00:00:00"},
	{"yearly", "*-01-01 00:00:00"},
	{"annually", "*-01-01 00:00:00"},
}

// ParseCalendar reads what systemd's OnCalendar= holds, as far as it says a time in every year and to the minute: days of the
// week, month and day, hour and minute, lists, ranges with "..", steps behind a number, and systemd's words such as daily.
// Certain years, seconds other than 0, and days counted from the month's end are refused. A time zone does not belong here:
// see CutCalendarZone. Errors wrap ErrSchedule.
func ParseCalendar(text string) (Schedule, error) {
	if len(text) > maxSchedule {
		return Schedule{}, wrong("it is longer than %d bytes", maxSchedule)
	}
	words := strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return c == ' ' || c == '\t' })
	s := Schedule{Kind: OnCalendar, text: strings.Join(words, " ")}
	for _, c := range calendarWords {
		if s.text == c.word {
			words = strings.Fields(c.means)
		}
	}
	if len(words) == 0 {
		return Schedule{}, wrong("there is nothing")
	}
	s.cal = calendar{minutes: 1, hours: 1, days: steps(1, 31, 1), months: steps(1, 12, 1), weekdays: steps(0, 6, 1), clock: once}
	next := func() string {
		if len(words) == 0 {
			return ""
		}
		return words[0]
	}
	var err error
	some := false
	if w := next(); w != "" && w[0] >= 'a' && w[0] <= 'z' {
		s.cal.weekdays, err = weekdays(w)
		words, some = words[1:], true
	}
	if w := next(); err == nil && w != "" && !strings.Contains(w, ":") {
		err = s.cal.date(w)
		words, some = words[1:], true
	}
	if w := next(); err == nil && w != "" {
		err = s.cal.time(w)
		words, some = words[1:], true
	}
	switch {
	case err != nil:
		return Schedule{}, err
	case len(words) > 0 || !some:
		return Schedule{}, wrong("%.40q stands where nothing is expected; it is days of the week, date, time", next())
	case !s.cal.possible():
		return Schedule{}, wrong("%q: no month of these has such a day", s.text)
	}
	return s, nil
}

// weekdays reads a list of days and ranges of days.
func weekdays(s string) (all set, err error) {
	for part := range strings.SplitSeq(strings.TrimSuffix(s, ","), ",") {
		first, last, isRange := strings.Cut(part, "..")
		if !isRange {
			first, last, isRange = strings.Cut(part, "-")
		}
		low, err := weekday(first)
		if err != nil {
			return 0, err
		}
		high := low
		if isRange {
			if high, err = weekday(last); err != nil {
				return 0, err
			}
		}
		if low > high {
			return 0, wrong("day of the week: the range %.20q ends before it begins; the week begins on Monday", part)
		}
		for day := low; day <= high; day++ {
			all |= 1 << (day % 7)
		}
	}
	return all, nil
}

// weekday reads a day's name in full or its first three letters: Monday is 1, Sunday 7.
func weekday(s string) (int, error) {
	for i, full := range []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"} {
		if s == full {
			s = weekdayNames[i]
		}
	}
	if s != "" && s[0] <= '9' {
		return 0, calendarWeekday.nothing(s)
	}
	n, err := calendarWeekday.number(s)
	if n == 0 {
		n = 7
	}
	return n, err
}

// date reads [YEAR-]MONTH-DAY.
func (c *calendar) date(s string) (err error) {
	parts := strings.Split(s, "-")
	if strings.Contains(s, "~") {
		return wrong("date: %.20q counts from the month's end, which is not understood here", s)
	}
	if len(parts) == 3 {
		if parts[0] != "*" {
			return wrong("date: the year %.20q is not every year; what is expected is expected in all", parts[0])
		}
		parts = parts[1:]
	}
	if len(parts) != 2 {
		return wrong("date: %.20q is not of the form *-MONTH-DAY", s)
	}
	if c.months, err = calendarMonth.systemd(parts[0]); err == nil {
		c.days, err = calendarDay.systemd(parts[1])
	}
	return err
}

// time reads HOUR:MINUTE[:00].
func (c *calendar) time(s string) (err error) {
	parts := strings.Split(s, ":")
	if len(parts) == 3 {
		if parts[2] != "0" && parts[2] != "00" {
			return wrong("time: seconds %.20q are not understood here, only 00", parts[2])
		}
		parts = parts[:2]
	}
	if len(parts) != 2 {
		return wrong("time: %.20q is not of the form HOUR:MINUTE", s)
	}
	if c.hours, err = calendarHour.systemd(parts[0]); err == nil {
		c.minutes, err = calendarMinute.systemd(parts[1])
	}
	return err
}

// systemd reads a list of numbers, ranges and steps, or an asterisk.
func (f field) systemd(s string) (all set, err error) {
	if s == "*" {
		return steps(f.low, f.high, 1), nil
	}
	for part := range strings.SplitSeq(s, ",") {
		span, step, hasStep := strings.Cut(part, "/")
		first, last, isRange := strings.Cut(span, "..")
		low, err := f.number(first)
		if err != nil {
			return 0, err
		}
		high, by := low, 1
		if isRange {
			if high, err = f.number(last); err != nil {
				return 0, err
			}
		} else if hasStep {
			high = f.high
		}
		if low > high {
			return 0, wrong("%s: the range %.20q ends before it begins", f.name, span)
		}
		if hasStep {
			if by, err = f.step(step); err != nil {
				return 0, err
			}
		}
		all |= steps(low, high, by)
	}
	return all, nil
}

// CutCalendarZone takes a time zone from the end of what OnCalendar= holds; zone is "" where it has none.
func CutCalendarZone(text string) (rest, zone string) {
	text = strings.TrimRight(text, " \t")
	i := strings.LastIndexAny(text, " \t")
	last := text[i+1:]
	letter := last != "" && (last[0] >= 'A' && last[0] <= 'Z' || last[0] >= 'a' && last[0] <= 'z')
	if i < 0 || !letter {
		return text, ""
	}
	if _, err := weekdays(strings.ToLower(last)); err == nil {
		return text, ""
	}
	return strings.TrimRight(text[:i], " \t"), last
}
