package spool

import (
	"errors"
	"path"
	"strings"
	"testing"
	"time"

	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

// occupy puts a spool of so many bytes into dir.
func occupy(t *testing.T, m *fsxtest.Mem, stream string, n int) {
	t.Helper()
	_ = m.Mkdir(Dir, 0o700) // there already
	if err := m.Mkdir(path.Join(Dir, stream), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := m.Create(path.Join(Dir, stream, segmentName(1)), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt(make([]byte, n), 0); err != nil {
		t.Fatal(err)
	}
}

func TestRoom(t *testing.T) {
	const kib = 1 << 10
	for name, c := range map[string]struct {
		disk, spools int // bytes of the disk, 0: endless; of the spools of others
		most, keep   int64
		ask          int64
		reserved     bool
		full         string // what the refusal says; "": there is room
	}{
		"nothing is there":             {ask: 1 << 20},
		"no limits":                    {disk: 100 * kib, spools: 90 * kib, most: -1, keep: -1, ask: 1 << 30},
		"what is asked for counts":     {spools: 800 * kib, most: 1000 * kib, ask: 93 * kib, full: "hold 808.0 KiB, and 1000.0 KiB is their limit; the last tenth is for outcomes"},
		"up to nine tenths":            {spools: 800 * kib, most: 1000 * kib, ask: 92 * kib},
		"the rest is reserved":         {spools: 892 * kib, most: 1000 * kib, ask: 100 * kib, reserved: true},
		"the reserve ends too":         {spools: 892 * kib, most: 1000 * kib, ask: 101 * kib, reserved: true, full: "hold 900.0 KiB, and 1000.0 KiB is their limit; bring them"},
		"the default limit":            {spools: 1 << 20, ask: 1<<30 - 1<<20, full: "1.0 GiB is their limit"},
		"the disk is others' too":      {disk: 1000 * kib, spools: 800 * kib, keep: 100 * kib, ask: 101 * kib, full: "has 200.0 KiB free, and stet leaves 100.0 KiB to others; the last tenth"},
		"up to the watermark":          {disk: 1000 * kib, spools: 800 * kib, keep: 100 * kib, ask: 100 * kib},
		"below it only what must be":   {disk: 1000 * kib, spools: 800 * kib, keep: 100 * kib, ask: 190 * kib, reserved: true},
		"the disk is never filled":     {disk: 1000 * kib, spools: 800 * kib, keep: 100 * kib, ask: 191 * kib, reserved: true, full: "stet leaves 10.0 KiB to others; free some"},
		"a small disk: a hundredth":    {disk: 1000 * kib, spools: 800 * kib, ask: 190 * kib},
		"a small disk: its watermark":  {disk: 1000 * kib, spools: 800 * kib, ask: 191 * kib, full: "stet leaves 10.0 KiB"},
		"a large disk: not more":       {disk: 100 << 30, ask: 100},
		"the limit holds without disk": {most: kib, ask: 2 * kib, full: "is their limit"},
	} {
		t.Run(name, func(t *testing.T) {
			m := fsxtest.New()
			m.Limit(int64(c.disk))
			if c.spools > 0 {
				occupy(t, m, "0198f1a0-0000-7000-8000-000000000001", c.spools)
			}
			r := &Room{FS: m, Dir: Dir, Most: c.most, Keep: c.keep, Now: time.Now}
			r.Look()
			err := r.Take(c.ask, c.reserved)
			switch {
			case c.full == "" && err != nil:
				t.Error(err)
			case c.full != "" && (!errors.Is(err, ErrFull) || !strings.Contains(err.Error(), c.full)):
				t.Errorf("error %v, want one that says %q", err, c.full)
			}
		})
	}
}

// What was promised counts, and what was drained is noticed a second later: the disk is not asked for each event.
func TestRoomIsMeasuredNowAndThen(t *testing.T) {
	m := fsxtest.New()
	occupy(t, m, "0198f1a0-0000-7000-8000-000000000001", 800<<10)
	now := time.Unix(0, 0)
	r := &Room{FS: m, Dir: Dir, Most: 1000 << 10, Now: func() time.Time { return now }}
	for range 92 {
		r.Look()
		if err := r.Take(1<<10, false); err != nil {
			t.Fatal(err)
		}
	}
	asked := len(m.Ops())
	if err := r.Take(1<<10, false); !errors.Is(err, ErrFull) {
		t.Fatalf("error %v", err)
	}
	if err := m.Remove(path.Join(Dir, "0198f1a0-0000-7000-8000-000000000001", segmentName(1))); err != nil {
		t.Fatal(err)
	}
	r.Look()
	if err := r.Take(1<<10, false); !errors.Is(err, ErrFull) || len(m.Ops()) != asked+1 {
		t.Fatalf("error %v; %d operations for nothing", err, len(m.Ops())-asked-1)
	}
	now = now.Add(measureEvery)
	r.Look()
	if err := r.Take(1<<10, false); err != nil {
		t.Error(err)
	}
	for range 2048 { // far from the limit time alone is no reason to ask
		now = now.Add(time.Hour)
		if r.old() && r.since < measureBytes {
			t.Fatal("the disk is asked again")
		}
	}
}
