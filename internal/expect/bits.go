package expect

import (
	"math/bits"
)

// set is a set of numbers from 0 to 63.
type set uint64

func (s set) has(n int) bool { return s>>n&1 == 1 }

func (s set) count() int { return bits.OnesCount64(uint64(s)) }

// steps is the numbers from low to high, step apart.
func steps(low, high, step int) (s set) {
	for n := low; n <= high; n += step {
		s |= 1 << n
	}
	return s
}

// field is what a part of a schedule may hold.
type field struct {
	name      string
	low, high int
	names     []string // of low, low+1, …; lower case
}

var (
	monthNames   = []string{"jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"}
	weekdayNames = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}
)

// number reads a number of at most two digits, or a name. s is lower case.
func (f field) number(s string) (int, error) {
	for i, name := range f.names {
		if s == name {
			return f.low + i, nil
		}
	}
	n := 0
	if s == "" || len(s) > 2 {
		return 0, f.nothing(s)
	}
	for _, c := range []byte(s) {
		if c < '0' || c > '9' {
			return 0, f.nothing(s)
		}
		n = 10*n + int(c-'0')
	}
	if n < f.low || n > f.high {
		return 0, wrong("%s: %d is not between %d and %d", f.name, n, f.low, f.high)
	}
	return n, nil
}

func (f field) nothing(s string) error {
	switch {
	case s == "":
		return wrong("%s: a number is missing", f.name)
	case f.names != nil:
		return wrong("%s: %.20q is neither a number nor a name such as %s", f.name, s, f.names[1])
	}
	return wrong("%s: %.20q is no number", f.name, s)
}

// step reads what is behind a slash.
func (f field) step(s string) (int, error) {
	n, err := field{name: f.name, low: 1, high: 99}.number(s)
	if err != nil {
		return 0, wrong("%s: a step is a number from 1 on, and %.20q is none", f.name, s)
	}
	return n, nil
}
