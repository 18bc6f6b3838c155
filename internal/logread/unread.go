package logread

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Unread is a range of entries, From ≤ seq < To, that cannot be read, because a file of the log is missing, is damaged, or does
// not say what was signed.
type Unread struct {
	From, To uint64
	Why      string // of the first of them
	// Unsealed is how many entries right before From were read, and their seal could not be.
	Unsealed int
}

// UnreadError says which entries of a log could not be read: an integrity failure. Who stops there returns it with one range; who
// goes on without them returns it at the end with all, so that nobody takes what was found for everything.
type UnreadError struct {
	Ranges []Unread // in the order in which they were come upon; those that touch are one
	Err    error    // why the first could not be read
}

// unreadShown is how many ranges an error names.
const unreadShown = 8

func (e *UnreadError) Error() string {
	var b strings.Builder
	for i, r := range e.Ranges {
		if i == unreadShown {
			_, _ = fmt.Fprintf(&b, "; and %d ranges more", len(e.Ranges)-i)
			break
		}
		if i > 0 {
			b.WriteString("; ")
		}
		if r.To-r.From == 1 {
			_, _ = fmt.Fprintf(&b, "entry %d cannot be read: %s", r.From, r.Why)
		} else {
			_, _ = fmt.Fprintf(&b, "entries %d to %d cannot be read: %s", r.From, r.To-1, r.Why)
		}
		if r.Unsealed > 0 {
			_, _ = fmt.Fprintf(&b, ", nor can the seal over the %d before", r.Unsealed)
		}
	}
	return b.String()
}

func (e *UnreadError) Unwrap() error { return e.Err }

// Entries is how many entries could not be read.
func (e *UnreadError) Entries() (n uint64) {
	for _, r := range e.Ranges {
		n += r.To - r.From
	}
	return n
}

// Add takes over the ranges of another one; e may be nil.
func (e *UnreadError) Add(more *UnreadError) *UnreadError {
	if e == nil {
		return &UnreadError{Ranges: append([]Unread(nil), more.Ranges...), Err: more.Err}
	}
	for _, r := range more.Ranges {
		last := &e.Ranges[len(e.Ranges)-1]
		switch {
		case r.From == last.To:
			last.To = r.To
		case r.To == last.From: // on the way back
			r.To, r.Why = last.To, last.Why
			*last = r
		default:
			e.Ranges = append(e.Ranges, r)
		}
	}
	return e
}

// Unreadable is why the entries from ≤ seq < to cannot be read, if err says that of the log: an *UnreadError. Other errors, such as
// one of a disk, say nothing of the log.
func Unreadable(from, to uint64, err error) error {
	why := Wrong(err)
	if why == "" {
		return fmt.Errorf("read entries from %d: %w", from, err)
	}
	return &UnreadError{Ranges: []Unread{{From: from, To: to, Why: why}}, Err: err}
}

// missing names the file that an error says is not there.
func missing(err error) string {
	var at *fs.PathError
	if errors.As(err, &at) {
		if i := strings.Index(at.Path, "tile/"); i >= 0 {
			return at.Path[i:] + " is missing"
		}
	}
	return "a file of the log is missing"
}
