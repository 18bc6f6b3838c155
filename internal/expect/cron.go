package expect

import (
	"strings"
)

// The fields of a line of cron.
var cronFields = [...]field{
	{name: "minute", high: 59},
	{name: "hour", high: 23},
	{name: "day of month", low: 1, high: 31},
	{name: "month", low: 1, high: 12, names: monthNames},
	{name: "day of week", high: 7, names: weekdayNames},
}

// ParseCron reads the five fields of cron, or one of its words for some: @hourly, @daily, @midnight, @weekly, @monthly,
// @yearly, @annually. Numbers, names (the first three letters, in lists and ranges too), lists, ranges, and steps behind a
// range or an asterisk are understood. @reboot is no time, so it is refused, and so is what only other schedulers know. A
// time zone does not belong here: see CutZone. Errors wrap ErrSchedule.
func ParseCron(text string) (Schedule, error) {
	if len(text) > maxSchedule {
		return Schedule{}, wrong("it is longer than %d bytes", maxSchedule)
	}
	words := strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return c == ' ' || c == '\t' })
	s := Schedule{Kind: Cron, text: strings.Join(words, " ")}
	if len(words) > 0 && strings.HasPrefix(words[0], "@") {
		for _, c := range cronWords {
			if c.word != s.text {
				continue
			}
			if c.fields == "" {
				return Schedule{}, wrong("%s is no time, so it cannot be expected", c.word)
			}
			full, err := ParseCron(c.fields)
			s.cal = full.cal
			return s, err
		}
		return Schedule{}, wrong("%.40q is no word of cron", s.text)
	}
	if len(words) != len(cronFields) {
		return Schedule{}, wrong("cron has five fields: minute, hour, day of month, month, day of week; here are %d", len(words))
	}
	var sets [len(cronFields)]set
	var stars [len(cronFields)]bool
	for i, f := range cronFields {
		var err error
		if sets[i], err = f.cron(words[i]); err != nil {
			return Schedule{}, err
		}
		stars[i] = words[i][0] == '*' // cron looks at the first character: */2 is an asterisk to it
	}
	s.cal = calendar{minutes: sets[0], hours: sets[1], days: sets[2], months: sets[3], weekdays: sets[4],
		either: !stars[2] && !stars[4], clock: onceDeferred}
	if s.cal.weekdays.has(7) {
		s.cal.weekdays |= 1 << 0
	}
	if stars[0] || stars[1] {
		s.cal.clock = asItComes
	}
	if !s.cal.possible() {
		return Schedule{}, wrong("%q: no month of these has such a day", s.text)
	}
	return s, nil
}

// cronWords stand for whole lines.
var cronWords = []struct{ word, fields string }{
	{"@hourly", "0 * * * *"},
	{"@daily", "0 0 * * *"},
	{"@midnight", "0 0 * * *"},
	{"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"},
	{"@yearly", "0 0 1 1 *"},
	{"@annually", "0 0 1 1 *"},
	{"@reboot", ""},
}

// cron reads one field.
func (f field) cron(s string) (all set, err error) {
	for part := range strings.SplitSeq(s, ",") {
		span, step, hasStep := strings.Cut(part, "/")
		first, last, isRange := strings.Cut(span, "-")
		low, high, by := f.low, f.high, 1
		switch {
		case strings.Contains(part, "~"):
			return 0, wrong("%s: cron itself chooses a time for %.20q, so none can be expected", f.name, part)
		case span == "*":
		default:
			if low, err = f.number(first); err != nil {
				return 0, err
			}
			high = low
			if isRange {
				if high, err = f.number(last); err != nil {
					return 0, err
				}
			} else if hasStep {
				return 0, wrong("%s: a step stands behind a range or an asterisk; %.20q may mean %s-%d/%s", f.name, part, first, f.high, step)
			}
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

// CutZone takes CRON_TZ=ZONE or TZ=ZONE from the beginning of a text; zone is "" where it has none.
func CutZone(text string) (zone, rest string) {
	word, rest, _ := strings.Cut(strings.TrimLeft(text, " \t"), " ")
	for _, name := range []string{"CRON_TZ=", "TZ="} {
		if zone, ok := strings.CutPrefix(word, name); ok {
			return zone, rest
		}
	}
	return "", text
}
