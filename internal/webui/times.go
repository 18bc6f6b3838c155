package webui

import (
	"net/http"
	"time"

	"github.com/stetlog/stet/internal/story"
)

// timeMode is how a page writes times.
type timeMode string

const (
	inUTC    timeMode = "utc"
	inLocal  timeMode = "local"    // of the browser: its script does that, and without it they are in UTC
	relative timeMode = "relative" // to now
)

const timesCookie = "stet-times"

// timesOf is how a browser wants times. It is a cookie, because it is the reader's and not the view's: who follows a link sees
// times in their own way.
func timesOf(r *http.Request) timeMode {
	if c, err := r.Cookie(timesCookie); err == nil && (c.Value == string(inLocal) || c.Value == string(relative)) {
		return timeMode(c.Value)
	}
	return inUTC
}

// postTimes changes how times are written, and goes back.
func (u *UI) postTimes(v *visit) error {
	f, err := v.fields()
	if err != nil {
		return err
	}
	mode := timeMode(f.Get("as"))
	if mode != inLocal && mode != relative {
		mode = inUTC
	}
	http.SetCookie(v.w, &http.Cookie{Name: timesCookie, Value: string(mode), Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: 365 * 24 * 3600})
	return v.to(u.back(f.Get("back")))
}

// moment is a time on a page.
type moment struct {
	Exact string // RFC 3339, UTC
	Words string // as the reader wants it
	Clock string // the same, where the day stands before it
	Day   string // "" where Clock needs none
}

// at makes a time for a page; the zero time is none.
func (v *visit) at(t time.Time) moment {
	if t.IsZero() {
		return moment{}
	}
	t = t.UTC()
	m := moment{Exact: t.Format(time.RFC3339Nano), Words: t.Format("2006-01-02 15:04:05")}
	m.Clock, m.Day = t.Format("15:04:05"), t.Format("Monday, 2006-01-02")
	if v.times == relative {
		m.Words, m.Day = ago(v.now.Sub(t)), ""
		m.Clock = m.Words
	}
	return m
}

// atText is at of a time as events write it; a text that is none is shown as it is.
func (v *visit) atText(text string) moment {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return moment{Exact: text, Words: text, Clock: text}
	}
	return v.at(t)
}

func ago(d time.Duration) string {
	switch {
	case d < -time.Second:
		return "in " + story.Age(-d)
	case d < time.Second:
		return "now"
	}
	return story.Age(d) + " ago"
}

func parseTime(text string) (time.Time, error) { return time.Parse(time.RFC3339Nano, text) }

// micros is a duration in microseconds, for people.
func micros(us int64) string {
	if us < 0 || us > int64(1<<62/time.Microsecond) {
		return ""
	}
	return story.Age(time.Duration(us) * time.Microsecond)
}
