package expect

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// ErrSchedule says that a text is no schedule that is understood here.
var ErrSchedule = errors.New("not a schedule")

func wrong(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrSchedule, fmt.Sprintf(format, args...))
}

// Kind is how a schedule is written.
type Kind string

// The kinds.
const (
	Cron       Kind = "cron"       // five fields, or @daily and the like
	OnCalendar Kind = "oncalendar" // systemd's, as far as ParseCalendar understands it
	Every      Kind = "every"      // so long after the last run's start, or after the log was told
)

// The bounds of schedules.
const (
	maxSchedule = 256 // bytes
	// MinEvery and MaxEvery bound an interval. What a calendar says is never closer than a minute either.
	MinEvery = time.Minute
	MaxEvery = 366 * 24 * time.Hour
)

// Schedule says when something is due. The zero value says nothing. Schedules are compared by String.
type Schedule struct {
	Kind  Kind
	text  string // canonical, without the kind
	cal   calendar
	every time.Duration
}

// String is the schedule's canonical form, which Parse reads: its kind, a space, its text.
func (s Schedule) String() string { return string(s.Kind) + " " + s.text }

// Text is String without the kind.
func (s Schedule) Text() string { return s.text }

// Parse reads what String writes. Errors wrap ErrSchedule.
func Parse(s string) (Schedule, error) {
	kind, text, _ := strings.Cut(s, " ")
	return ParseKind(Kind(kind), text)
}

// ParseKind reads a schedule of a kind. Errors wrap ErrSchedule.
func ParseKind(kind Kind, text string) (Schedule, error) {
	switch kind {
	case Cron:
		return ParseCron(text)
	case OnCalendar:
		return ParseCalendar(text)
	case Every:
		return ParseEvery(text)
	}
	return Schedule{}, wrong("%.20q is neither cron, oncalendar nor every", string(kind))
}

// ParseEvery reads a duration as time.ParseDuration does: 15m, 36h. It is whole seconds.
func ParseEvery(text string) (Schedule, error) {
	d, err := parseDuration(text)
	if err != nil {
		return Schedule{}, wrong("every %.40q: %v", text, err)
	}
	if d < MinEvery || d > MaxEvery {
		return Schedule{}, wrong("every %s: it is between %s and %s", text, FormatDuration(MinEvery), FormatDuration(MaxEvery))
	}
	return Schedule{Kind: Every, text: FormatDuration(d), every: d}, nil
}

func parseDuration(s string) (time.Duration, error) {
	d, err := time.ParseDuration(s)
	switch {
	case len(s) > 40 || err != nil:
		return 0, errors.New("say a duration such as 90s, 15m, 1h30m")
	case d%time.Second != 0:
		return 0, errors.New("say whole seconds")
	}
	return d, nil
}

// FormatDuration writes a duration of whole seconds in its shortest form that time.ParseDuration reads: 1h, not 1h0m0s.
func FormatDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// Interval is how long Every is; 0 of a calendar.
func (s Schedule) Interval() time.Duration { return s.every }

// within is how many slots of a calendar can lie in so long a time, at most, roughly; never too few.
func (s Schedule) within(d time.Duration) int {
	if s.Kind == Every {
		return 1
	}
	hours := min(s.cal.hours.count(), int(d/time.Hour)+1)
	days := int(d/(24*time.Hour)) + 1
	return s.cal.minutes.count() * hours * days
}
