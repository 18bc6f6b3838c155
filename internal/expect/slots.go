package expect

import (
	"iter"
	"slices"
	"time"
)

// clock is what becomes of times that a zone's clock skips or shows twice; the package comment says why.
type clock int

const (
	onceDeferred clock = iota // skipped: at the moment of the change; twice: the first time
	once                      // skipped: not at all; twice: the first time
	asItComes                 // skipped: not at all; twice: twice
)

// correction is the least change of a clock that is none of summer and winter (cron(8)): nothing is deferred over it.
const correction = 3 * time.Hour

// calendar says which minutes of a zone's clock are meant.
type calendar struct {
	minutes, hours set
	days           set // of the month, from 1
	months         set // from 1
	weekdays       set // from 0, Sunday
	either         bool
	clock          clock
}

// possible says whether there is any such day, in some year.
func (c calendar) possible() bool {
	if c.either {
		return true
	}
	for month, days := range [...]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31} {
		if c.months.has(month+1) && c.days&steps(1, days, 1) != 0 {
			return true
		}
	}
	return false
}

// day is a date: midnight of it in UTC.
func (c calendar) day(d time.Time) bool {
	month, week := c.days.has(d.Day()), c.weekdays.has(int(d.Weekday()))
	if c.either {
		return c.months.has(int(d.Month())) && (month || week)
	}
	return c.months.has(int(d.Month())) && month && week
}

// Timetable is a calendar in a place.
type Timetable struct {
	Schedule Schedule // not Every: that has no times but those of runs
	Zone     *time.Location
}

// Slots are the times behind after, up to until, oldest first. It costs some microseconds for each day between them.
func (t Timetable) Slots(after, until time.Time) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		var carry []time.Time
		d := date(after.In(t.Zone)).AddDate(0, 0, -1) // what of the day before is deferred, or comes again, may lie behind after
		for start := dayStart(d, t.Zone); !start.After(until); {
			next := d.AddDate(0, 0, 1)
			end := dayStart(next, t.Zone)
			all := carry
			if t.Schedule.cal.day(d) {
				all = t.on(d, start, end, carry)
			}
			// What lies behind the next day's beginning may not be in order with what that day has.
			n, _ := slices.BinarySearchFunc(all, end, time.Time.Compare)
			for _, at := range all[:n] {
				if at.After(until) {
					return
				}
				if at.After(after) && !yield(at) {
					return
				}
			}
			carry = slices.Clone(all[n:])
			d, start = next, end
		}
	}
}

// horizon is longer than any calendar waits: 29 February on a certain day of the week comes every 28 years, or 40 where a
// century has none.
const horizon = 41 * 366 * 24 * time.Hour

// Next is the first slot behind after, or zero where there is none.
func (t Timetable) Next(after time.Time) time.Time {
	for at := range t.Slots(after, after.Add(horizon)) {
		return at
	}
	return time.Time{}
}

// on adds a day's slots to what is carried over, in order, each once. The day lasts from start to end.
func (t Timetable) on(d, start, end time.Time, carry []time.Time) []time.Time {
	all := carry
	_, change := start.In(t.Zone).ZoneBounds()
	plain := end.Sub(start) == 24*time.Hour && (change.IsZero() || !change.Before(end.Add(24*time.Hour)))
	for hour := range 24 {
		if !t.Schedule.cal.hours.has(hour) {
			continue
		}
		for minute := range 60 {
			if !t.Schedule.cal.minutes.has(minute) {
				continue
			}
			since := time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute
			if plain {
				all = append(all, start.Add(since))
			} else {
				all = t.at(d.Add(since), all)
			}
		}
	}
	if plain && len(carry) == 0 {
		return all
	}
	slices.SortFunc(all, time.Time.Compare)
	return slices.CompactFunc(all, time.Time.Equal)
}

// has says whether a time is a slot.
func (t Timetable) has(at time.Time) bool { return !at.IsZero() && t.Next(at.Add(-1)).Equal(at) }

// at adds the moments at which a clock's reading, which is given as if it were UTC, is due.
func (t Timetable) at(reading time.Time, all []time.Time) []time.Time {
	shown, skipped := moments(reading, t.Zone)
	switch clock := t.Schedule.cal.clock; {
	case len(shown) > 1 && clock != asItComes:
		shown = shown[:1]
	case len(shown) == 0 && clock == onceDeferred && !skipped.IsZero():
		shown = []time.Time{skipped}
	}
	return append(all, shown...)
}

// date is midnight in UTC of a local time's date.
func date(local time.Time) time.Time {
	y, m, d := local.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}

// dayStart is when a date begins in a zone: where its clock skips midnight, the moment of the change.
func dayStart(d time.Time, zone *time.Location) time.Time {
	shown, _ := moments(d, zone)
	if len(shown) > 0 {
		return shown[0]
	}
	for _, change := range changes(d, zone) { // the one that leads over it
		if date(change.In(zone)).Compare(d) >= 0 {
			return change
		}
	}
	return d // never: a date that begins at no moment is skipped by a change
}

// widest is more than any zone is from UTC, and more than any change of one.
const widest = 27 * time.Hour

// changes are a zone's changes around a reading of its clock, which is given as if it were UTC.
func changes(reading time.Time, zone *time.Location) (all []time.Time) {
	for at := reading.Add(-widest); ; {
		_, change := at.In(zone).ZoneBounds()
		if change.IsZero() || change.After(reading.Add(widest)) {
			return all
		}
		all = append(all, change)
		at = change
	}
}

// moments are when a zone's clock shows a reading, which is given as if it were UTC: once, twice, or never. Then skipped is
// when the clock is set over it, unless that is a correction.
func moments(reading time.Time, zone *time.Location) (shown []time.Time, skipped time.Time) {
	from := reading.Add(-widest)
	for {
		local := from.In(zone)
		_, offset := local.Zone()
		at := reading.Add(-time.Duration(offset) * time.Second)
		start, end := local.ZoneBounds()
		if (start.IsZero() || !at.Before(start)) && (end.IsZero() || at.Before(end)) {
			shown = append(shown, at.UTC())
		}
		if end.IsZero() || end.After(reading.Add(widest)) {
			return shown, skipped
		}
		_, after := end.In(zone).Zone()
		jump := time.Duration(after-offset) * time.Second
		// The clock would have shown it at or after the change, and shows something later by then.
		if behind := at.Sub(end); behind >= 0 && behind < jump && jump < correction {
			skipped = end.UTC()
		}
		from = end
	}
}
