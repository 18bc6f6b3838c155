package main

import (
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"
)

// table prints rows as they are measured, and keeps the first error of printing.
type table struct {
	out io.Writer
	err error
}

func (t *table) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(t.out, format, args...); t.err == nil {
		t.err = err
	}
}

// row prints one figure, and what it is to be compared with.
func (t *table) row(what, figure string, format string, args ...any) {
	t.printf("  %-44s %14s  %s\n", what, figure, fmt.Sprintf(format, args...))
}

func perSecond(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }

// rate writes events a second.
func rate(perSecond float64) string {
	if perSecond < 10_000 {
		return fmt.Sprintf("%.0f/s", perSecond)
	}
	return fmt.Sprintf("%.1fk/s", perSecond/1000)
}

func micros(d time.Duration) string {
	us := float64(d.Nanoseconds()) / 1000
	if us < 1000 {
		return fmt.Sprintf("%.2f µs", us)
	}
	return fmt.Sprintf("%.2f ms", us/1000)
}

// median of times, which it sorts.
func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)/2]
}

// each is the processor time that one call of fn takes: the least of several rounds, because what makes one round dearer
// than another on a shared machine is somebody else's work.
func each(total time.Duration, fn func() error) (time.Duration, error) {
	const rounds = 10
	n := 1
	best := time.Duration(0)
	for deadline := time.Now().Add(total); ; {
		before := used()
		for range n {
			if err := fn(); err != nil {
				return 0, err
			}
		}
		took := used() - before
		if took < total/rounds/2 && n < 1<<24 {
			n *= 2
			continue
		}
		if one := took / time.Duration(n); best == 0 || one < best {
			best = one
		}
		if time.Now().After(deadline) {
			return best, nil
		}
	}
}

func factor(f float64) string { return fmt.Sprintf("%.2f ×", f) }

func percent(f float64) string { return fmt.Sprintf("%.0f %%", 100*f) }

// used is the processor time of this process so far, in user and system mode. Unlike time on the wall it does not depend
// on what else the machine does, or hardly.
func used() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
