package convert

import (
	"strings"
	"time"
)

// oldHeader reads what RFC 3164 describes, rather than prescribes, of what stands behind the priority: a time, a host and a tag,
// of which any may be missing. It returns the message. What cannot be told apart is read as rsyslog does: a first word behind a
// time is a host unless it ends as a tag does.
func (t *text) oldHeader(s string, now time.Time) (msg string) {
	s = cisco(strings.TrimLeft(s, " "))
	if when, rest, ok := oldTime(s, now); ok {
		t.add(Leaf{Key: keyTime, Text: when.text})
		if when.assumed != "" {
			t.add(Leaf{Key: SyslogAssumed, Text: when.assumed})
		}
		s = strings.TrimLeft(rest, " ")
		word, rest, more := strings.Cut(s, " ")
		if more && hostLike(word) && !strings.HasPrefix(word, cefBegin) {
			t.add(Leaf{Key: keyHost, Text: word, Raw: hidden([]byte(word))})
			s = strings.TrimPrefix(strings.TrimLeft(rest, " "), ": ") // Cisco's firewalls
		}
	}
	if strings.HasPrefix(s, cefBegin) {
		return s
	}
	if app, proc, rest, ok := tag(s); ok {
		t.add(Leaf{Key: keyApp, Text: app, Raw: hidden([]byte(app))})
		if proc != "" {
			t.add(Leaf{Key: keyProc, Text: proc, Raw: hidden([]byte(proc))})
		}
		s = rest
	}
	return s
}

// cisco takes away what Cisco's routers write in front of a time: a number, and a mark that the clock is not in step.
func cisco(s string) string {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	if rest, ok := strings.CutPrefix(s[n:], ": "); ok && n > 0 && n <= 10 {
		s = rest
	}
	if len(s) > 4 && (s[0] == '*' || s[0] == '.') && s[1] >= 'A' && s[1] <= 'Z' {
		s = s[1:]
	}
	return s
}

// oldWhen is a time in a form that convert.ReadTime reads, and what of it was assumed.
type oldWhen struct{ text, assumed string }

// oldTime reads the time that s begins with: Mmm dd hh:mm:ss, also with a year or a fraction of a second, or ISO 8601.
func oldTime(s string, now time.Time) (when oldWhen, rest string, ok bool) {
	word, rest, _ := strings.Cut(s, " ")
	if t, form := ReadTime(word); form == TimeISO {
		return oldWhen{text: word}, rest, true
	} else if form == TimeLocal {
		return oldWhen{in(t, now).Format(time.RFC3339Nano), "zone"}, rest, true
	}
	for _, layout := range [...]string{"Jan _2 2006 15:04:05", "Jan _2 15:04:05 2006", "Jan _2 15:04:05"} {
		// The day has one digit or two, with a space in front or without, and seconds may have a fraction.
		for n := len(layout) - 1; n <= len(layout)+7; n++ {
			if n > len(s) || n < len(s) && s[n] != ' ' && s[n] != ':' {
				continue
			}
			t, err := time.Parse(layout, s[:n])
			if err != nil {
				continue
			}
			assumed := "zone"
			if t.Year() == 0 {
				t, assumed = year(t, now), "year and zone"
			}
			return oldWhen{in(t, now).Format(time.RFC3339Nano), assumed}, strings.TrimPrefix(s[n:], ":"), true
		}
	}
	return oldWhen{}, s, false
}

// in is the time that a clock shows in now's zone.
func in(t, now time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location())
}

// year gives a day the year in which it is not more than a day ahead of now: clocks differ, and at the turn of the year the
// messages of the last day of December come in January. The 29th of February is in the last leap year.
func year(t, now time.Time) time.Time {
	for y := now.Year() + 1; ; y-- {
		at := time.Date(y, t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), now.Location())
		if at.Day() == t.Day() && !at.After(now.Add(24*time.Hour)) {
			return at
		}
	}
}

// maxTag bounds names in a header of RFC 3164, which allows 32; programs do not keep to it.
const maxTag = 255

// hostLike tells a host from a tag and from text.
func hostLike(word string) bool {
	if word == "" || len(word) > maxTag || strings.HasSuffix(word, ":") && !strings.HasSuffix(word, "::") {
		return false
	}
	for i := range len(word) {
		c := word[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '.' && c != '-' && c != '_' && c != ':' {
			return false
		}
	}
	return true
}

// tag reads NAME: or NAME[PID]: and what stands behind it. The colon may be missing behind a PID.
func tag(s string) (app, proc, rest string, ok bool) {
	n := strings.IndexAny(s, " :[")
	if n <= 0 || n > maxTag || s[n] == ' ' {
		return "", "", s, false
	}
	app, rest = s[:n], s[n:]
	if rest[0] == '[' {
		end := strings.IndexAny(rest[1:], "] ")
		if end < 0 || rest[1+end] != ']' || end > maxTag {
			return "", "", s, false
		}
		proc, rest = rest[1:1+end], rest[end+2:]
		rest = strings.TrimPrefix(rest, ":")
	} else {
		rest = rest[1:]
	}
	if rest != "" && rest[0] != ' ' {
		return "", "", s, false // a URL, or an address
	}
	return app, proc, strings.TrimPrefix(rest, " "), true
}
