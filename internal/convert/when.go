package convert

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// TimeForm is how a log writes its times.
type TimeForm int

// The forms. Only TimeISO is the policy's international format.
const (
	TimeUnknown TimeForm = iota
	TimeISO              // ISO 8601 with an offset from UTC
	TimeLocal            // ISO 8601 without: the zone is not known
	TimeEpoch            // a count since 1970 in seconds, or thousandths, millionths, billionths of one
	TimeCLF              // the Common Log Format, 10/Oct/2000:13:55:36 -0700
)

// ReadTime reads a time in one of the forms that logs write. One without a zone is read as UTC.
func ReadTime(s string) (time.Time, TimeForm) {
	if len(s) > 64 {
		return time.Time{}, TimeUnknown
	}
	iso := strings.Replace(s, ",", ".", 1) // ISO 8601 has both signs
	for _, layout := range [...]string{time.RFC3339Nano, "2006-01-02 15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999-0700",
		"2006-01-02 15:04:05.999999999-0700", "2006-01-02T15:04:05.999999999-07", "20060102T150405Z0700"} {
		if t, err := time.Parse(layout, iso); err == nil {
			return t.UTC(), TimeISO
		}
	}
	for _, layout := range [...]string{"2006-01-02T15:04:05.999999999", "2006-01-02 15:04:05.999999999"} {
		if t, err := time.Parse(layout, iso); err == nil {
			return t, TimeLocal
		}
	}
	if t, err := time.Parse("02/Jan/2006:15:04:05 -0700", s); err == nil {
		return t.UTC(), TimeCLF
	}
	return epoch(s)
}

// epoch reads a count since 1970. Its unit is told by its size: what each unit says of the years 2001 to 2286 has a number of
// digits of its own.
func epoch(s string) (time.Time, TimeForm) {
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		switch len(s) {
		case 10:
			return time.Unix(n, 0).UTC(), TimeEpoch
		case 13:
			return time.UnixMilli(n).UTC(), TimeEpoch
		case 16:
			return time.UnixMicro(n).UTC(), TimeEpoch
		case 19:
			return time.Unix(0, n).UTC(), TimeEpoch
		}
		return time.Time{}, TimeUnknown
	}
	whole, _, _ := strings.Cut(s, ".")
	if f, err := strconv.ParseFloat(s, 64); err == nil && len(whole) == 10 && f > 0 {
		sec, frac := math.Modf(f)
		return time.Unix(int64(sec), int64(frac*1e9)).UTC(), TimeEpoch
	}
	return time.Time{}, TimeUnknown
}
