package clock

import (
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// machine is a machine whose clocks a test sets.
type machine struct {
	wall      time.Time
	mono      time.Duration
	kernel    Kernel
	mute      bool // the kernel does not answer
	asked     int
	noBoot    bool
	sinceBoot time.Duration
}

func newMachine() *machine {
	return &machine{
		wall: time.Date(2026, 1, 13, 12, 0, 0, 123456789, time.UTC), mono: time.Hour, sinceBoot: 24 * time.Hour,
		kernel: Kernel{Synchronized: true, OffsetUS: -250, MaxErrorUS: 40_000, Source: "adjtimex"},
	}
}

func (m *machine) clock() *Clock {
	return From(Sources{
		Wall:   func() time.Time { return m.wall },
		Mono:   func() time.Duration { return m.mono },
		Boot:   func() (string, bool) { return "f3b0c3a0-0000-4000-8000-000000000001", !m.noBoot },
		Uptime: func() (time.Duration, bool) { return m.sinceBoot, !m.noBoot },
		Kernel: func() (Kernel, bool) { m.asked++; return m.kernel, !m.mute },
	})
}

// pass lets time pass on all clocks.
func (m *machine) pass(d time.Duration) {
	m.wall, m.mono, m.sinceBoot = m.wall.Add(d), m.mono+d, m.sinceBoot+d
}

func TestEvidence(t *testing.T) {
	const boot = "f3b0c3a0-0000-4000-8000-000000000001"
	const upUS = 24 * 3600 * 1_000_000
	for _, tc := range []struct {
		name string
		with func(*machine)
		want Evidence
		conf Confidence
	}{
		{"in step", func(*machine) {},
			Evidence{Synchronized, -250, 40_000, upUS, "adjtimex", boot}, High},
		{"STA_UNSYNC", func(m *machine) { m.kernel.Synchronized = false },
			Evidence{Unsynchronized, -250, 40_000, upUS, "adjtimex", boot}, Low},
		{"the kernel's limit reached, whatever the flag says", func(m *machine) { m.kernel.MaxErrorUS = 16_000_000 },
			Evidence{Unsynchronized, -250, 16_000_000, upUS, "adjtimex", boot}, Low},
		{"the kernel is not to be asked", func(m *machine) { m.mute = true },
			Evidence{Unknown, 0, 0, upUS, "none", boot}, UnknownConfidence},
		{"no boot id: monotonic time counts from the making of the clock", func(m *machine) { m.noBoot = true },
			Evidence{Synchronized, -250, 40_000, 0, "adjtimex", ""}, High},
		{"a source without a name", func(m *machine) { m.kernel.Source = "" },
			Evidence{Synchronized, -250, 40_000, upUS, "none", boot}, High},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m := newMachine()
			tc.with(m)
			got := m.clock().Evidence()
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Error(d)
			}
			if c := got.Confidence(); c != tc.conf {
				t.Errorf("confidence %q, want %q", c, tc.conf)
			}
		})
	}
}

func TestConfidenceThresholds(t *testing.T) {
	for _, tc := range []struct {
		offset, maxError int64
		want             Confidence
	}{
		{0, 0, High}, {0, 100_000, High}, {0, 100_001, Medium}, {60_000, 60_000, Medium}, {-60_000, 60_000, Medium},
		{0, 1_000_000, Medium}, {0, 1_000_001, Low}, {0, 15_999_999, Low},
	} {
		e := Evidence{State: Synchronized, OffsetUS: tc.offset, MaxErrorUS: tc.maxError}
		if got := e.Confidence(); got != tc.want {
			t.Errorf("offset %d, maximum error %d: %q, want %q", tc.offset, tc.maxError, got, tc.want)
		}
	}
	if got := (Evidence{}).Confidence(); got != UnknownConfidence {
		t.Errorf("the zero value is worth %q", got)
	}
}

func TestKernelIsAskedEveryTenSeconds(t *testing.T) {
	m := newMachine()
	c := m.clock()
	for range 5 {
		c.Evidence()
		m.pass(time.Second)
	}
	if m.asked != 1 {
		t.Errorf("asked %d times in five seconds", m.asked)
	}
	m.pass(5 * time.Second)
	m.kernel.Synchronized = false
	if e := c.Evidence(); m.asked != 2 || e.State != Unsynchronized {
		t.Errorf("after ten seconds: asked %d times, %q", m.asked, e.State)
	}
	// An answer that there is none is good for as long.
	m.mute = true
	m.pass(10 * time.Second)
	c.Evidence()
	c.Evidence()
	if m.asked != 3 {
		t.Errorf("a mute kernel was asked %d times", m.asked-2)
	}
	if a, b := c.Evidence().MonotonicUS, m.sinceBoot.Microseconds(); a != b {
		t.Errorf("monotonic time is as old as the sample: %d, want %d", a, b)
	}
}

func TestJumpsOfTheWallClock(t *testing.T) {
	const decade = 10 * 365 * 24 * time.Hour
	for _, jump := range []time.Duration{decade, -decade, time.Hour, -3 * time.Second} {
		t.Run(jump.String(), func(t *testing.T) {
			m := newMachine()
			c := m.clock()
			before, was := c.Now(), c.Evidence()
			m.pass(time.Second)
			m.wall = m.wall.Add(jump)
			m.kernel.Synchronized = false // what Linux does when the clock is set
			now, is := c.Now(), c.Evidence()
			if d := now.Mono - before.Mono; d != time.Second {
				t.Errorf("%v passed on the monotonic clock", d)
			}
			if d := now.Wall.Sub(before.Wall); d != jump+time.Second {
				t.Errorf("the wall clock was corrected: %v", d)
			}
			if was.State != Synchronized || is.State != Unsynchronized {
				t.Errorf("from %q to %q: an answer from before the jump is worth nothing", was.State, is.State)
			}
			if d := is.MonotonicUS - was.MonotonicUS; d != 1_000_000 {
				t.Errorf("%d µs passed since boot", d)
			}
		})
	}
}

// Slewing, at its fastest, is no jump.
func TestSlewingIsNoJump(t *testing.T) {
	m := newMachine()
	c := m.clock()
	c.Evidence()
	m.pass(9 * time.Second)
	m.wall = m.wall.Add(900 * time.Millisecond)
	c.Evidence()
	if m.asked != 1 {
		t.Errorf("asked %d times", m.asked)
	}
}

func TestNowIsUTCWithoutMonotonicPart(t *testing.T) {
	m := newMachine()
	m.wall = time.Now().In(time.FixedZone("far", 14*3600))
	got := m.clock().Now().Wall
	if got.Location() != time.UTC || got != got.Round(0) || !got.Equal(m.wall) {
		t.Errorf("got %v", got)
	}
}

func TestThisMachine(t *testing.T) {
	c := New()
	a, e, b := c.Now(), c.Evidence(), c.Now()
	if b.Mono < a.Mono || a.Mono < 0 || time.Since(a.Wall).Abs() > time.Minute {
		t.Errorf("from %v to %v", a, b)
	}
	switch e.State {
	case Synchronized, Unsynchronized:
		if e.Source != "adjtimex" || e.MaxErrorUS < 0 {
			t.Errorf("got %+v", e)
		}
	case Unknown:
		if e.Source != "none" {
			t.Errorf("got %+v", e)
		}
	default:
		t.Errorf("state %q", e.State)
	}
	later := c.Evidence()
	if later.MonotonicUS < e.MonotonicUS || later.BootID != e.BootID {
		t.Errorf("from %+v to %+v", e, later)
	}
}

func TestConcurrentUse(t *testing.T) {
	c := New()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 200 {
				c.Evidence()
				c.Now()
			}
		})
	}
	wg.Wait()
}

func BenchmarkEvidence(b *testing.B) {
	c := New()
	for b.Loop() {
		c.Evidence()
	}
}
