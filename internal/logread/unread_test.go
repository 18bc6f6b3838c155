package logread_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/stetlog/stet/internal/logread"
)

// Ranges that touch are one, in whichever direction they were come upon, and the sentence names each, but not endlessly many.
func TestUnread(t *testing.T) {
	at := func(from, to uint64) *logread.UnreadError {
		var u *logread.UnreadError
		err := logread.Unreadable(from, to, &fs.PathError{Op: "open", Path: "log/tile/entries/00x", Err: fs.ErrNotExist})
		if !errors.As(err, &u) || !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("%v", err)
		}
		return u
	}
	for _, c := range []struct {
		ranges [][2]uint64
		n      uint64
		want   string
	}{
		{[][2]uint64{{7, 8}}, 1, "entry 7 cannot be read: tile/entries/00x is missing"},
		{[][2]uint64{{0, 256}, {256, 512}, {768, 1024}}, 768, "entries 0 to 511 cannot be read: tile/entries/00x is missing; entries 768 to 1023 cannot be read: tile/entries/00x is missing"},
		{[][2]uint64{{768, 1024}, {256, 512}, {0, 256}}, 768, "entries 768 to 1023 cannot be read: tile/entries/00x is missing; entries 0 to 511 cannot be read: tile/entries/00x is missing"},
	} {
		var all *logread.UnreadError
		for _, r := range c.ranges {
			all = all.Add(at(r[0], r[1]))
		}
		if all.Error() != c.want || all.Entries() != c.n {
			t.Errorf("%v: %d entries: %s", c.ranges, all.Entries(), all)
		}
	}
	var many *logread.UnreadError
	for i := range uint64(1000) {
		many = many.Add(at(1000*i, 1000*i+1))
	}
	if s := many.Error(); len(s) > 1000 || s[len(s)-len("; and 992 ranges more"):] != "; and 992 ranges more" {
		t.Errorf("%d bytes: %s", len(s), s)
	}
	disk := errors.New("the disk does not answer")
	if err := logread.Unreadable(0, 1, disk); errors.As(err, new(*logread.UnreadError)) || !errors.Is(err, disk) {
		t.Errorf("a failing disk says something of the log: %v", err)
	}
}
