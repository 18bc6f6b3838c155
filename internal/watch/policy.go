package watch

import (
	"cmp"
	"time"
)

// Policy is when silence becomes a finding. The zero value of each field stands for the default in its comment.
type Policy struct {
	StartWithin    time.Duration // from a request, or the time it is scheduled for, to the start; 1 h
	SilentAfter    time.Duration // from a run's last sign of life until it is given up, and the cap of what heartbeats state; 24 h
	HeartbeatGrace time.Duration // beyond what a heartbeat states; 2 min
	EndGrace       time.Duration // from the end of a stream, or the loss of a parent, until what they leave open is told; 1 min
	OrphanAfter    time.Duration // from a child's first event until its parent is called unknown; 1 h
	GapAfter       time.Duration // from a batch that came too early until the numbers before it are called missing; 5 min
	ClockAhead     time.Duration // by how much a clock may be ahead, beyond what it states itself; 5 s
	ScheduleCap    time.Duration // how far ahead a request may be scheduled; 31 days
	// RestartGrace is how long a server that has begun waits for what emitters could not send: twice the longest pause of an
	// emitter between two attempts; 10 min.
	RestartGrace time.Duration
	MaxRuns      int // runs in memory, some 700 bytes each; 200,000
}

func (p Policy) withDefaults() Policy {
	p.StartWithin = cmp.Or(p.StartWithin, time.Hour)
	p.SilentAfter = cmp.Or(p.SilentAfter, 24*time.Hour)
	p.HeartbeatGrace = cmp.Or(p.HeartbeatGrace, 2*time.Minute)
	p.EndGrace = cmp.Or(p.EndGrace, time.Minute)
	p.OrphanAfter = cmp.Or(p.OrphanAfter, time.Hour)
	p.GapAfter = cmp.Or(p.GapAfter, 5*time.Minute)
	p.ClockAhead = cmp.Or(p.ClockAhead, 5*time.Second)
	p.ScheduleCap = cmp.Or(p.ScheduleCap, 31*24*time.Hour)
	p.RestartGrace = cmp.Or(p.RestartGrace, 10*time.Minute)
	p.MaxRuns = cmp.Or(p.MaxRuns, 200_000)
	return p
}

// stated is the interval that an event states from its own timestamp to a time: capped, and never 0 or less.
func stated(from, to time.Time, most time.Duration) time.Duration {
	return min(max(to.Sub(from), 1), most)
}
