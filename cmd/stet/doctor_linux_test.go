package main

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/clock"
)

// Looking changes nothing, whatever there is to see.
func TestDoctorOnlyLooks(t *testing.T) {
	x := newShop(t)
	x.must(t, exitOK, "run", "--", "true")
	cmd := x.command(t.Context(), "run", "--job", "left", "--", "sh", "-c", "kill -9 $PPID")
	_ = cmd.Run() // it kills its own recorder
	before := x.snapshot(t)
	if out := x.must(t, exitOK, "doctor"); !strings.Contains(string(out), "which is gone") {
		t.Fatalf("the spool that was left is not seen:\n%s", out)
	}
	if after := x.snapshot(t); after != before {
		t.Errorf("the store was\n%s\nand is\n%s", before, after)
	}
	x.must(t, exitOK, "doctor", "--flush")
	if out := x.must(t, exitOK, "doctor"); strings.Contains(string(out), "which is gone") {
		t.Errorf("--flush left it:\n%s", out)
	}
	x.must(t, exitOK, "verify")
}

// Of a process that records, only what the log does not have yet waits for anything.
func TestDoctorOfTheLiving(t *testing.T) {
	x := newShop(t)
	out := string(x.must(t, exitOK, "run", "--job", "a", "--", "sh", "-c", "stet doctor && stet doctor --flush && stet doctor | sed s/^/then:/"))
	before, after, _ := strings.Cut(out, "then:")
	if want := " 1 process recording: 3 events not in the log yet, the oldest of "; !strings.Contains(before, want) {
		t.Errorf("%q is missing:\n%s", want, out)
	}
	if want := " 1 process recording: all events are in the log\n"; strings.Contains(before[:strings.Index(before, "brought")], want) || !strings.Contains(after, want) {
		t.Errorf("%q is missing:\n%s", want, out)
	}
}

// What the kernel says of the clock is told with how far it may be off and what to do.
func TestDoctorClock(t *testing.T) {
	for name, c := range map[string]struct {
		ev       clock.Evidence
		severity string
		what     string
	}{
		"good":           {clock.Evidence{State: clock.Synchronized, MaxErrorUS: 20_000}, sevOK, "synchronised, off by at most 20ms"},
		"far off":        {clock.Evidence{State: clock.Synchronized, MaxErrorUS: 1_000_000, OffsetUS: -2_000_000}, sevWarn, "synchronised, and yet off by up to 3s, of which -2s is being corrected"},
		"unsynchronised": {clock.Evidence{State: clock.Unsynchronized, MaxErrorUS: clock.UnsynchronizedErrorUS}, sevWarn, "the kernel calls the clock unsynchronised: it may be off by 16s, or by more"},
		"unknown":        {clock.Evidence{}, sevWarn, "the kernel does not say whether the clock is synchronised"},
	} {
		d := &doctor{}
		d.clockSays(c.ev)
		if len(d.found) != 1 || d.found[0].Severity != c.severity || d.found[0].What != c.what || (d.found[0].Do == "") != (c.severity == sevOK) {
			t.Errorf("%s: %+v", name, d.found)
		}
	}
}

// A token that runs out soon is told in time to ask for another one.
func TestDoctorToken(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		left     time.Duration
		severity string
		what     string
	}{
		{expiresSoon + time.Minute, sevOK, "the token is good until 2026-03-15T12:01:00Z"},
		{expiresSoon, sevWarn, "the token runs out at 2026-03-15T12:00:00Z, in 14 days"},
		{90 * time.Second, sevWarn, "the token runs out at 2026-03-01T12:01:30Z, in 1m0s"},
	} {
		d := &doctor{}
		d.expires(now.Add(c.left), now)
		if len(d.found) != 1 || d.found[0].Severity != c.severity || d.found[0].What != c.what {
			t.Errorf("%v: %+v", c.left, d.found)
		}
	}
}

// What a disk says decides how bad it is.
func TestDoctorDisk(t *testing.T) {
	roomy := space{free: 1 << 40, total: 1 << 41, inodes: math.MaxUint64}
	for name, c := range map[string]struct {
		change func(*space)
		want   []string
	}{
		"roomy":          {func(*space) {}, []string{sevOK}},
		"nearly full":    {func(s *space) { s.free = 500 << 20 }, []string{sevWarn}},
		"full":           {func(s *space) { s.free = 10 << 20 }, []string{sevProblem}},
		"without inodes": {func(s *space) { s.inodes = 3 }, []string{sevProblem}},
		"tmpfs":          {func(s *space) { s.kind = "tmpfs" }, []string{sevWarn, sevOK}},
		"NFS, full":      {func(s *space) { s.kind, s.free = "NFS", 0 }, []string{sevWarn, sevProblem}},
	} {
		s := roomy
		c.change(&s)
		d := &doctor{}
		d.disk("/x", s)
		var got []string
		for _, f := range d.found {
			got = append(got, f.Severity)
			if f.Severity != sevOK && (f.Why == "" || f.Do == "") {
				t.Errorf("%s: %q says neither why nor what to do", name, f.What)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	for _, kind := range fsKinds {
		if riskyKinds[kind] == "" {
			t.Errorf("nothing is said of %s", kind)
		}
	}
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{"/var/lib/stet": "/var/lib/stet", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$HOME": "'$HOME'", "ü": "'ü'"} {
		if got := shellWord(in); got != want {
			t.Errorf("%q is %s, want %s", in, got, want)
		}
	}
}
