package clock

import (
	"sync"
	"time"
)

// SampleEvery is how long an answer of the kernel is good for (SCHEMA).
const SampleEvery = 10 * time.Second

// jump is how far wall and monotonic clock may drift apart between two looks
// before the last answer is thrown away: somebody has set the clock since.
// Slewing changes the rate by at most 500 ppm by NTP, 10 % by adjtime, so this
// is reached within SampleEvery only by a step.
const jump = 2 * time.Second

// A Kernel is one answer of the kernel's time keeping.
type Kernel struct {
	Synchronized         bool
	OffsetUS, MaxErrorUS int64
	Source               string // one word; empty counts as "none"
}

// Sources are where a [Clock] looks. Tests give their own; a nil member means
// this machine's.
type Sources struct {
	Wall   func() time.Time             // any zone; a monotonic part is dropped
	Mono   func() time.Duration         // never goes back; any start
	Boot   func() (string, bool)        // boot id, and whether there is one
	Uptime func() (time.Duration, bool) // since boot, suspended time included
	Kernel func() (Kernel, bool)        // false: the kernel cannot be asked
}

// A Clock reads time and evidence. Use [New] or [From]. All methods may be
// called from several goroutines at once.
type Clock struct {
	src   Sources
	start time.Duration // Mono at the making
	boot  string

	mu     sync.Mutex // guards what follows
	last   Kernel
	known  bool // last is an answer
	asked  bool // the kernel has been asked at all
	atMono time.Duration
	atWall time.Time
}

// A Reading is one look at the clock.
type Reading struct {
	Wall time.Time     // UTC, without a monotonic part: what goes into a record
	Mono time.Duration // since the Clock was made; never goes back
}

// New is a clock on this machine's own sources.
func New() *Clock { return From(Sources{}) }

// From is a clock on the given sources.
func From(src Sources) *Clock {
	began := time.Now()
	if src.Wall == nil {
		src.Wall = time.Now
	}
	if src.Mono == nil {
		src.Mono = func() time.Duration { return time.Since(began) }
	}
	if src.Boot == nil {
		src.Boot = bootID
	}
	if src.Uptime == nil {
		src.Uptime = uptime
	}
	if src.Kernel == nil {
		src.Kernel = kernel
	}
	c := &Clock{src: src, start: src.Mono()}
	// The boot id is only worth having with a clock that counts from boot.
	if id, ok := src.Boot(); ok {
		if _, ok := src.Uptime(); ok {
			c.boot = id
		}
	}
	return c
}

// Now reads both clocks.
func (c *Clock) Now() Reading {
	return Reading{Wall: c.src.Wall().Round(0).UTC(), Mono: c.src.Mono() - c.start}
}

// Evidence is what the kernel says, asked at most every [SampleEvery], and at
// once after the wall clock was stepped. MonotonicUS is always of this moment.
func (c *Clock) Evidence() Evidence {
	k, known := c.sample(c.Now())
	e := Evidence{State: k.state(known), Source: "none", BootID: c.boot}
	if known {
		e.OffsetUS, e.MaxErrorUS = k.OffsetUS, k.MaxErrorUS
		if k.Source != "" {
			e.Source = k.Source
		}
	}
	e.MonotonicUS = c.monotonic().Microseconds()
	return e
}

// State is that of [Clock.Evidence], for who needs no more: it asks no kernel for
// the moment.
func (c *Clock) State() State {
	k, known := c.sample(c.Now())
	return k.state(known)
}

// state is what an answer means; known says whether it is one.
func (k Kernel) state(known bool) State {
	switch {
	case !known:
		return Unknown
	case k.Synchronized && k.MaxErrorUS < UnsynchronizedErrorUS:
		return Synchronized
	}
	return Unsynchronized
}

func (c *Clock) monotonic() time.Duration {
	if c.boot != "" {
		if up, ok := c.src.Uptime(); ok {
			return up
		}
	}
	return c.src.Mono() - c.start
}

func (c *Clock) sample(now Reading) (Kernel, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.asked || now.Mono-c.atMono >= SampleEvery || c.stepped(now) {
		c.last, c.known = c.src.Kernel()
		c.asked, c.atMono, c.atWall = true, now.Mono, now.Wall
	}
	return c.last, c.known
}

// stepped compares how far each clock has come since the last sample. Caller
// holds c.mu.
func (c *Clock) stepped(now Reading) bool {
	d := now.Wall.Sub(c.atWall) - (now.Mono - c.atMono)
	return d > jump || d < -jump
}
