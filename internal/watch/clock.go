package watch

import "time"

// clocks are the senders whose clocks were found to be ahead on a day of the log's: once a day is enough to know it.
type clocks struct {
	day  time.Time
	told map[hash]struct{}
}

// maxClocks bounds the senders of a day; of more, none is noticed until the next one.
const maxClocks = 100_000

// clock finds a clock that is ahead: an event claims a time after the log had it. The other way round it may have lain in
// a spool.
func (w *Watch) clock(e Entry) {
	by := e.Event.Timestamp.Sub(e.ReceivedAt)
	if by <= w.p.ClockAhead {
		return
	}
	if c := e.Event.Clock; c != nil && c.MaxErrorUS != nil {
		by -= time.Duration(min(max(*c.MaxErrorUS, 0), int64(1000*time.Hour/time.Microsecond))) * time.Microsecond
	}
	if by <= w.p.ClockAhead {
		return
	}
	day := e.ReceivedAt.UTC().Truncate(24 * time.Hour)
	if !day.Equal(w.clocks.day) {
		w.clocks.day = day
		clear(w.clocks.told)
	}
	who := senderOf(e)
	if _, told := w.clocks.told[who]; told || len(w.clocks.told) >= maxClocks {
		return
	}
	w.clocks.told[who] = struct{}{}
	w.raise(w.ahead(e, by))
}
