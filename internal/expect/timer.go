package expect

import (
	"bytes"
	"strings"
	"time"
)

// Timer is what a timer unit of systemd says.
type Timer struct {
	Unit  string        // that it starts; "": the service of its own name
	Delay time.Duration // RandomizedDelaySec
	Times []TimerLine
}

// TimerLine is one time at which a timer elapses.
type TimerLine struct {
	Part     int // which of the texts it stands in
	Number   int
	Schedule Schedule
	Zone     string // as it stands there; "": that of the machine
	Err      error  // why the line is not understood; then only Number counts
}

// TimerUnit reads the [Timer] section of a unit file (systemd.timer(5)), and of its drop-ins in the order of their names: OnCalendar,
// Unit, RandomizedDelaySec. Times that are none of a calendar, such as OnBootSec, have an Err, and so has whatever is not
// understood. ErrFile: a text is too long, or none.
func TimerUnit(texts ...[]byte) (t Timer, err error) {
	for i, text := range texts {
		if len(text) > MaxFile || bytes.IndexByte(text, 0) >= 0 {
			return t, ErrFile
		}
		t.add(i, text)
	}
	return t, nil
}

func (t *Timer) add(part int, text []byte) {
	n, section, continued := 0, "", false
	for line := range bytes.Lines(text) {
		n++
		s := strings.TrimSpace(string(line))
		within := continued
		continued = strings.HasSuffix(s, `\`)
		switch {
		case s == "" || s[0] == '#' || s[0] == ';':
			continued = within
			continue
		case within:
			continue // of a line that was refused, or does not matter
		case s[0] == '[':
			section = s
			continue
		}
		if section != "[Timer]" {
			continue
		}
		key, value, _ := strings.Cut(s, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		l := TimerLine{Part: part, Number: n}
		switch {
		case continued || len(line) > maxLine:
			l.Err = wrong("%.40s: a line that goes on in the next one, or is longer than %d bytes, is not understood", key, maxLine)
		case key == "OnCalendar" && value == "":
			t.Times = nil // so it begins anew
			continue
		case key == "OnCalendar":
			var when string
			when, l.Zone = CutCalendarZone(value)
			l.Schedule, l.Err = ParseCalendar(when)
		case key == "Unit":
			if t.Unit = value; !strings.Contains(value, "%") {
				continue
			}
			l.Err = wrong("Unit=%.40s: specifiers are not understood", value)
		case key == "RandomizedDelaySec":
			if t.Delay, l.Err = span(value); l.Err == nil {
				continue
			}
		case strings.HasPrefix(key, "On") && strings.HasSuffix(key, "Sec"), key == "OnClockChange", key == "OnTimezoneChange":
			l.Err = wrong("%.40s is no time of a calendar, so it cannot be expected", key)
		default:
			continue
		}
		t.Times = append(t.Times, l)
	}
}

// span reads a time span of one or more numbers with units (systemd.time(7)), the usual ones.
func span(s string) (all time.Duration, err error) {
	for _, word := range strings.Fields(s) {
		i := strings.IndexFunc(word, func(c rune) bool { return c < '0' || c > '9' })
		if i < 0 {
			i = len(word)
		}
		unit, ok := map[string]time.Duration{"": time.Second, "s": time.Second, "sec": time.Second, "m": time.Minute, "min": time.Minute, "h": time.Hour, "hr": time.Hour}[word[i:]]
		if !ok || i == 0 || i > 6 {
			return 0, wrong("RandomizedDelaySec=%.40s is not understood", s)
		}
		n := 0
		for _, c := range word[:i] {
			n = 10*n + int(c-'0')
		}
		all += time.Duration(n) * unit
	}
	if all > MaxGrace {
		return 0, wrong("RandomizedDelaySec=%.40s is longer than a run may be late", s)
	}
	return all, nil
}
