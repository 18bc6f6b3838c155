package story

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// duration writes d as a person would say it: three significant digits at most, no unit finer than it deserves.
func duration(d time.Duration) string {
	if d < 0 {
		return "-" + duration(-max(d, -1<<63+1))
	}
	unit := func(n time.Duration, name string, m time.Duration, rest string) string {
		if m == 0 {
			return fmt.Sprintf("%d %s", n, name)
		}
		return fmt.Sprintf("%d %s %d %s", n, name, m, rest)
	}
	switch {
	case d < time.Millisecond:
		return fmt.Sprintf("%d µs", d/time.Microsecond)
	case d < 10*time.Millisecond && d%time.Millisecond >= 100*time.Microsecond:
		return fmt.Sprintf("%d.%d ms", d/time.Millisecond, d%time.Millisecond/(100*time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	case d < time.Minute:
		return fmt.Sprintf("%d.%d s", d/time.Second, d%time.Second/(100*time.Millisecond))
	case d < time.Hour:
		return unit(d/time.Minute, "min", d%time.Minute/time.Second, "s")
	case d < 48*time.Hour:
		return unit(d/time.Hour, "h", d%time.Hour/time.Minute, "min")
	}
	return unit(d/(24*time.Hour), "days", d%(24*time.Hour)/time.Hour, "h")
}

// microseconds is a duration of an event, which may exceed what a time.Duration holds.
func microseconds(us int64) time.Duration {
	const most = int64(1<<63-1) / int64(time.Microsecond)
	return time.Duration(min(max(us, -most), most)) * time.Microsecond
}

// number writes n in groups of three digits.
func number[T ~int | ~int64 | ~uint64](n T) string {
	s := fmt.Sprint(n)
	sign := ""
	if s[0] == '-' {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// plural is "1 heartbeat", "2 heartbeats".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	return number(n) + " " + one + "s"
}

// instant writes a time for the middle of a sentence, always in UTC: a sentence has no place to explain a zone.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000Z") }

// shortDigest keeps a digest's algorithm and its first twelve digits: enough to recognise, not to prove.
func shortDigest(s string) string {
	i := strings.LastIndexByte(s, ':') + 1
	if i == 0 || len(s)-i <= 12 || strings.Trim(s[i:], "0123456789abcdef") != "" {
		return s
	}
	return s[:i+12] + "…"
}

// shortKey is the short form of a key ID.
func shortKey(id string) string {
	if len(id) > 16 {
		return id[:16]
	}
	return id
}

// code says a status_code in words: an exit code, a signal, or whatever else it is.
func code(s string, w words) string {
	bare := strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(s, "exit"), " "), ":")
	if n, err := strconv.Atoi(strings.TrimSpace(bare)); err == nil {
		return fmt.Sprintf(" with exit code %d", n)
	}
	bare = strings.TrimPrefix(strings.TrimPrefix(s, "signal"), " ")
	if strings.HasPrefix(bare, "SIG") {
		return " by signal " + w.name(bare)
	}
	return " with code " + w.name(s)
}
