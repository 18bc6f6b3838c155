package webui

import (
	"strings"
	"time"

	"github.com/stetlog/stet/internal/search"
	"github.com/stetlog/stet/proof"
)

// histogram is how much of what a query finds was received when: a picture, and the same as a table.
type histogram struct {
	Total string
	Step  string // how long a bar is
	Bars  []barView
	Wider string // address of the same query without a limit of time; "" where there is none
	Width int    // of the picture, in its own units
	Wide  int    // of the picture, in pixels, where there is room
}

// barView is one bar. Its numbers are in units of the picture, which is barsHigh high.
type barView struct {
	From, Until moment
	Count       string
	Href        string // the query, in this time
	X, Y, W, H  int
}

const (
	// maxBars is how many bars there are at most, and barWide how wide one is with the gap behind it.
	maxBars, barWide, barGap = 60, 12, 2
	barsHigh, barPixels      = 80, 20
)

// steps are how long a bar may be, so that its ends are times that people know: UTC, by the clock; weeks begin on Mondays.
var steps = [...]struct {
	d     time.Duration
	words string
}{
	{10 * time.Millisecond, "10 ms"}, {100 * time.Millisecond, "100 ms"}, {time.Second, "1 second"}, {5 * time.Second, "5 seconds"}, {15 * time.Second, "15 seconds"}, {30 * time.Second, "30 seconds"},
	{time.Minute, "1 minute"}, {5 * time.Minute, "5 minutes"}, {15 * time.Minute, "15 minutes"}, {30 * time.Minute, "30 minutes"},
	{time.Hour, "1 hour"}, {3 * time.Hour, "3 hours"}, {6 * time.Hour, "6 hours"}, {12 * time.Hour, "12 hours"},
	{24 * time.Hour, "1 day"}, {7 * 24 * time.Hour, "1 week"}, {28 * 24 * time.Hour, "4 weeks"}, {364 * 24 * time.Hour, "52 weeks"},
}

// bounds are the ends of the bars between two times.
func bounds(from, until time.Time) (all []time.Time, words string) {
	step := steps[len(steps)-1]
	for _, s := range steps {
		if until.Sub(from.Truncate(s.d)) <= maxBars*s.d {
			step = s
			break
		}
	}
	at := from.Truncate(step.d)
	all = append(all, at)
	for at.Before(until) && len(all) <= 1000 {
		at = at.Add(step.d)
		all = append(all, at)
	}
	return all, step.words
}

// anything is a query that costs nothing: one bar over what it finds goes from the log's first time to its last.
const anything = "seq:0"

// histogram counts what a query finds by time; nil where nothing can be counted yet.
func (v *visit) histogram(q search.Query) (*histogram, error) {
	text := q.String()
	in := q.Resolve(v.now).Bounds()
	if in.From.IsZero() || in.Until.IsZero() {
		c, err := ask[counts](v, link("/v1/counts", "q", anything, "histogram", "1"))
		if err != nil || len(c.Histogram) == 0 {
			return nil, err
		}
		from, err := proof.ParseTime(c.Histogram[0].From)
		if err != nil {
			return nil, err
		}
		until, err := proof.ParseTime(c.Histogram[0].Until)
		if err != nil {
			return nil, err
		}
		if in.From.IsZero() {
			in.From = from
		}
		if in.Until.IsZero() {
			in.Until = until
		}
	}
	if !in.From.Before(in.Until) {
		return nil, nil
	}
	times, words := bounds(in.From, in.Until)
	var list []string
	for _, t := range times {
		list = append(list, proof.FormatTime(t))
	}
	c, err := ask[counts](v, link("/v1/counts", "q", text, "bounds", strings.Join(list, ",")))
	if err != nil || len(c.Histogram) == 0 {
		return nil, err
	}
	h := &histogram{Total: number(c.Count, c.AtLeast), Step: words, Width: len(c.Histogram) * barWide, Wide: len(c.Histogram) * barPixels}
	most := uint64(1)
	for _, b := range c.Histogram {
		most = max(most, b.Count)
	}
	rest := without(q, search.FieldReceived)
	if rest.String() != text {
		h.Wider = link("search", "q", rest.String())
	}
	for i, b := range c.Histogram {
		high := int(b.Count * barsHigh / most)
		if b.Count > 0 {
			high = max(high, 3)
		}
		within := search.Term{Field: search.FieldReceived, Any: []search.Value{{Op: search.Times, From: times[i], Until: times[i+1]}}}
		h.Bars = append(h.Bars, barView{From: v.at(times[i]), Until: v.at(times[i+1]), Count: number(b.Count, b.AtLeast), Href: link("search", "q", rest.With(within).String()),
			X: i * barWide, W: barWide - barGap, H: high, Y: barsHigh - high})
	}
	return h, nil
}
