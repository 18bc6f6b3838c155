package webui

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// axisWide is how wide bars are, foldWide how wide a fold is, and barLeast a bar at least; in pixels.
	axisWide, foldWide, barLeast = 320, 36, 3
	// foldsMost is how many idle times are folded: the longest.
	foldsMost = 4
)

// period is from one time to another.
type period struct{ From, Until time.Time }

// axis is a time line from which idle times are cut out: the periods that are left, in order. Bars that are drawn on one axis can be
// compared.
type axis []period

// axisOf makes an axis of the periods at which something was at work. A time at which nothing was is folded where it is longer than
// a quarter of all the work.
func axisOf(work []period) axis {
	all := slices.Clone(work)
	slices.SortFunc(all, func(a, b period) int { return a.From.Compare(b.From) })
	var out axis
	var busy time.Duration
	for _, p := range all {
		n := len(out) - 1
		switch {
		case n < 0 || p.From.After(out[n].Until):
			out, busy = append(out, p), busy+p.Until.Sub(p.From)
		case p.Until.After(out[n].Until):
			busy += p.Until.Sub(out[n].Until)
			out[n].Until = p.Until
		}
	}
	var gaps []time.Duration
	for i := 1; i < len(out); i++ {
		gaps = append(gaps, out[i].From.Sub(out[i-1].Until))
	}
	slices.Sort(gaps)
	least := max(busy/4, time.Microsecond)
	if n := len(gaps) - foldsMost; n > 0 {
		least = max(least, gaps[n-1]+1)
	}
	kept := out[:0:0]
	for _, p := range out {
		if n := len(kept) - 1; n >= 0 && p.From.Sub(kept[n].Until) <= least {
			kept[n].Until = p.Until
		} else {
			kept = append(kept, p)
		}
	}
	return kept
}

// x is where a time stands on the axis; one in a fold stands in its middle.
func (a axis) x(at time.Time) int {
	var whole, before time.Duration
	for _, p := range a {
		whole += p.Until.Sub(p.From)
	}
	room := axisWide - foldWide*(len(a)-1)
	place := func(d time.Duration) int {
		if whole <= 0 {
			return 0
		}
		return int(float64(room) * float64(d) / float64(whole))
	}
	for i, p := range a {
		left := i * foldWide
		switch {
		case at.Before(p.From) && i == 0:
			return 0
		case at.Before(p.From):
			return place(before) + left - foldWide/2
		case !at.After(p.Until):
			return place(before+at.Sub(p.From)) + left
		}
		before += p.Until.Sub(p.From)
	}
	return axisWide
}

// foldView is an idle time that was cut out.
type foldView struct {
	X, Middle int // where it begins
	Brief     string
	Long      string
	From      moment
}

func (v *visit) folds(a axis) (all []foldView) {
	for i := 1; i < len(a); i++ {
		idle := a[i].From.Sub(a[i-1].Until)
		x := a.x(a[i-1].Until)
		all = append(all, foldView{X: x, Middle: x + foldWide/2, Brief: brief(idle), Long: micros(idle.Microseconds()), From: v.at(a[i-1].Until)})
	}
	return all
}

// brief is a duration in its largest unit.
func brief(d time.Duration) string {
	for _, unit := range []struct {
		d    time.Duration
		name string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}, {time.Millisecond, "ms"}} {
		if d >= unit.d {
			return strconv.FormatInt(int64(d/unit.d), 10) + " " + unit.name
		}
	}
	return "<1 ms"
}

// bar is a rectangle on an axis.
type bar struct{ X, W int }

func (a axis) bar(p period) bar {
	x, end := a.x(p.From), a.x(p.Until)
	w := max(end-x, barLeast)
	return bar{min(x, axisWide-w), w}
}

// String is an axis in an address, so that what is loaded later is drawn on the same.
func (a axis) String() string {
	var parts []string
	for _, p := range a {
		parts = append(parts, strconv.FormatInt(p.From.UnixMicro(), 36)+"."+strconv.FormatInt(p.Until.UnixMicro(), 36))
	}
	return strings.Join(parts, "_")
}

// parseAxis reads what String writes; false where it is something else.
func parseAxis(text string) (a axis, ok bool) {
	parts := strings.Split(text, "_")
	if len(text) > 400 || len(parts) > foldsMost+1 {
		return nil, false
	}
	for _, part := range parts {
		from, until, _ := strings.Cut(part, ".")
		f, err := strconv.ParseInt(from, 36, 60)
		u, err2 := strconv.ParseInt(until, 36, 60)
		p := period{time.UnixMicro(f).UTC(), time.UnixMicro(u).UTC()}
		if err != nil || err2 != nil || u < f || len(a) > 0 && !a[len(a)-1].Until.Before(p.From) {
			return nil, false
		}
		a = append(a, p)
	}
	return a, true
}
