package webui

import (
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/stetlog/stet/internal/expect"
	"github.com/stetlog/stet/internal/story"
	"github.com/stetlog/stet/internal/wire"
)

// slotsShown is how many slots a calendar has, and those to come beside them.
const slotsShown = 35

// calendarView is how it went with the slots of a job that must run: a picture, and the same as a table.
type calendarView struct {
	ID, Job, Schedule, Zone, Grace string
	Counts                         string
	Cells                          []cellView
	Labels                         []labelView
	Wide, High                     int
	Slots                          []slotView // the newest first
	Earlier                        string     // address of those before
	Latest                         string     // on an earlier page
	More                           bool
	Doubts                         []doubtView
	Searched                       searchedView
	None                           string // why there is none
}

type labelView struct {
	Y    int
	Text string
}

// cellView is a slot in the picture, which is a link to what the log has of it.
type cellView struct {
	X, Y, MarkX, MarkY int
	Tone, Icon, Title  string
	Href               string
	Ahead              bool
}

// slotView is a slot in the table.
type slotView struct {
	Local, Words, Why, Tone, Icon string
	At                            moment
	Start, End, Missed            *evidenceView
	Began, Ended                  moment
	Late                          string
	Ahead                         bool // it is to come
}

// slots is stet.slots/1.
type slots struct {
	ID, Job, Schedule, Zone, Grace string
	Searched                       searched
	More                           bool
	Doubts                         []doubt
	Slots                          []expect.SlotReport
	Ahead                          []string
	Earlier                        string
}

// slot says how it went with one, in words and by a sign: colours are never alone.
func (v *visit) slot(s expect.SlotReport) slotView {
	out := slotView{Local: s.Local, At: v.atText(s.Slot), Why: s.Why}
	switch s.State {
	case expect.StateRan:
		out.Words, out.Tone, out.Icon = "ran", "live", "play"
		if r := s.Run; r != nil {
			out.Words, out.Tone = "ran: "+string(r.State), toneOfState(r.State)
			if r.State == story.StateRunning {
				out.Words = "running"
			}
			out.Icon = map[string]string{"good": "ok", "bad": "bad", "live": "play"}[out.Tone]
		}
	case expect.StateMissed:
		out.Words, out.Tone, out.Icon = "missed and recorded", "bad", "x"
		if s.Missed == nil {
			out.Words = "missed"
		}
		if s.Run != nil {
			out.Words += "; a run came late: " + string(s.Run.State)
		}
	case expect.StateWaiting:
		out.Words, out.Icon = "not over yet", "clock"
	default:
		out.Words, out.Icon = "no longer expected", "stop"
	}
	if out.Icon == "" {
		out.Icon = "warn"
	}
	if s.Missed != nil {
		out.Missed = &evidenceView{s.Missed.Seq, eventLink(s.Missed.Seq)}
	}
	if r := s.Run; r != nil {
		out.Start, out.Began, out.Late = &evidenceView{r.Start.Seq, eventLink(r.Start.Seq)}, v.atText(r.Began), r.Late
		if r.End != nil {
			out.End, out.Ended = &evidenceView{r.End.Seq, eventLink(r.End.Seq)}, v.atText(r.Ended)
		}
	}
	return out
}

func (s slotView) href() string {
	for _, e := range []*evidenceView{s.End, s.Missed, s.Start} {
		if e != nil {
			return e.Href
		}
	}
	return ""
}

// Sizes of the picture of a calendar, in pixels.
const (
	cellStep, cellMark, labelWide = 26, 16, 64
	cellsInRow                    = 24
)

// calendar asks how it went with an expectation's slots, before a time or the newest.
func (v *visit) calendar(id, to string) (c calendarView, err error) {
	s, err := ask[slots](v, link("/v1/expectations/"+segment(id)+"/slots", "last", strconv.Itoa(slotsShown), "to", to))
	if p, ok := problemOf(err); ok && (p.Code == wire.NotFound || p.Code == wire.NotReady || p.Code == wire.Malformed) {
		return calendarView{None: p.Detail}, nil
	}
	if err != nil {
		return c, err
	}
	c = calendarView{ID: s.ID, Job: s.Job, Schedule: s.Schedule, Zone: s.Zone, Grace: s.Grace, More: s.More, Searched: s.Searched.view()}
	for _, d := range s.Doubts {
		c.Doubts = append(c.Doubts, doubtView{d.Seq, d.Doubt, eventLink(d.Seq)})
	}
	job := expect.Definition{Zone: s.Zone}
	zone, err := expect.Zone(s.Zone)
	if err != nil {
		zone = time.UTC
	}
	var times []time.Time
	var all []slotView
	counts := map[expect.State]int{}
	for _, one := range s.Slots {
		at, _ := parseTime(one.Slot)
		counts[one.State]++
		times, all = append(times, at.In(zone)), append(all, v.slot(one))
	}
	c.Counts = fmt.Sprintf("%d came, %d were missed", counts[expect.StateRan], counts[expect.StateMissed])
	for _, text := range s.Ahead {
		at, _ := parseTime(text)
		times, all = append(times, at.In(zone)), append(all, slotView{Local: job.LocalText(at), At: v.at(at), Words: "to come", Icon: "right", Ahead: true})
	}
	c.picture(times, all)
	c.Slots = slices.Clone(all)
	slices.Reverse(c.Slots)
	if s.Earlier != "" {
		c.Earlier = link("ghosts", "slots", s.ID, "to", s.Earlier) + "#calendar"
	}
	if to != "" {
		c.Latest = link("ghosts", "slots", s.ID) + "#calendar"
	}
	return c, nil
}

// picture places the slots: a row is a week of days where there is about one a day, else a day, a month or a year, whichever has
// some slots. Times are those of the job's zone.
func (c *calendarView) picture(times []time.Time, all []slotView) {
	row, y, n := "", -cellStep, 0
	group := grouping(times)
	for i, at := range times {
		label, column := group(at)
		if label != row || n >= cellsInRow {
			y, n = y+cellStep, 0
			if label != row {
				c.Labels = append(c.Labels, labelView{y + 16, label})
			}
			row = label
		}
		if column < 0 {
			column = n
		}
		n++
		s := all[i]
		x := labelWide + column*cellStep
		c.Cells = append(c.Cells, cellView{X: x, Y: y, MarkX: x + (cellStep-2-cellMark)/2, MarkY: y + (cellStep-2-cellMark)/2, Tone: s.Tone, Icon: s.Icon,
			Title: s.Local + ": " + s.Words, Href: s.href(), Ahead: s.Ahead})
		c.Wide = max(c.Wide, x+cellStep)
	}
	c.High = y + cellStep
}

// grouping gives the label of a slot's row, and its column there; -1: the next one.
func grouping(times []time.Time) func(time.Time) (string, int) {
	if len(times) < 2 {
		return func(at time.Time) (string, int) { return at.Format("Jan 2"), -1 }
	}
	each := times[len(times)-1].Sub(times[0]) / time.Duration(len(times)-1)
	weekday := map[string]bool{}
	for _, at := range times {
		weekday[at.Format(time.DateOnly)] = true
	}
	switch day := 24 * time.Hour; {
	case each < 3*day && len(weekday) == len(times):
		return func(at time.Time) (string, int) {
			column := (int(at.Weekday()) + 6) % 7 // weeks begin on Mondays
			return at.AddDate(0, 0, -column).Format("Jan 2"), column
		}
	case each < 3*day:
		return func(at time.Time) (string, int) { return at.Format("Jan 2"), -1 }
	case each < 20*day:
		return func(at time.Time) (string, int) { return at.Format("2006-01"), -1 }
	}
	return func(at time.Time) (string, int) { return at.Format("2006"), -1 }
}

// getCalendar answers with one calendar alone.
func (u *UI) getCalendar(v *visit) error {
	c, err := v.calendar(v.r.URL.Query().Get("slots"), v.r.URL.Query().Get("to"))
	if err != nil {
		return err
	}
	return u.part(v, "ghosts", "calendar", c)
}
