package segment_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/segment"
)

// mustScan reads data and fails unless what comes out is the first frames of gs.
func mustScan(t *testing.T, data []byte, gs groups, what string) ([]frame, *segment.Reader, error) {
	t.Helper()
	got, r, err := scan(disk(t, "s", data), "s")
	all := gs.frames()
	if len(got) > len(all) {
		t.Fatalf("%s: %d frames came of %d", what, len(got), len(all))
	}
	if d := cmp.Diff(all[:len(got)], got, equateEmpty); d != "" {
		t.Fatalf("%s: %s", what, d)
	}
	return got, r, err
}

var equateEmpty = cmp.FilterValues(func(a, b []frame) bool { return len(a) == 0 && len(b) == 0 },
	cmp.Comparer(func(_, _ []frame) bool { return true }))

func TestCutAtEveryByte(t *testing.T) {
	for _, gs := range []groups{small, large} {
		data, ends := encoded(t, gs)
		for n := range len(data) {
			for _, reserved := range []bool{false, true} { // the file ends there, or zeros follow
				what := fmt.Sprintf("cut at %d, reserved %v", n, reserved)
				cut := slices.Clone(data[:n])
				if reserved {
					cut = append(cut, make([]byte, len(data)-n+100)...)
				}
				got, r, err := mustScan(t, cut, gs, what)
				if n < ends[0] {
					damaged := errors.As(err, new(*segment.CorruptError))
					if !errors.Is(err, segment.ErrNoHeader) && (!reserved || !damaged) {
						t.Fatalf("%s: %v", what, err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%s: %v", what, err)
				}
				whole, atEnd := 0, false
				for _, end := range ends[1:] {
					if end <= n {
						whole++
					}
				}
				atEnd = slices.Contains(ends, n)
				if len(got) != whole || r.Torn() == atEnd || r.Offset() != int64(ends[whole]) {
					t.Fatalf("%s: %d frames, torn %v, end %d; want %d, %v, %d", what, len(got), r.Torn(), r.Offset(), whole, !atEnd, ends[whole])
				}
			}
		}
	}
}

func TestFlipEveryBit(t *testing.T) {
	for _, gs := range []groups{small, large} {
		data, ends := encoded(t, gs)
		last := len(ends) - 2
		for bit := range len(data) * 8 {
			flipped := slices.Clone(data)
			flipped[bit/8] ^= 1 << (bit % 8)
			what := fmt.Sprintf("bit %d of byte %d", bit%8, bit/8)
			got, r, err := mustScan(t, flipped, gs, what)
			in := -1 // the frame that the bit is in
			for bit/8 >= ends[in+1] {
				in++
			}
			var corrupt *segment.CorruptError
			switch {
			case in < 0:
				if !errors.As(err, &corrupt) {
					t.Fatalf("%s of the header: %v", what, err)
				}
			case in < last:
				if !errors.As(err, &corrupt) || corrupt.Offset != int64(ends[in]) || len(got) != in || corrupt.Key != uint64(in) || corrupt.File != "s" {
					t.Fatalf("%s in frame %d: %d frames, %v", what, in, len(got), err)
				}
			default:
				if err != nil || !r.Torn() || len(got) != last {
					t.Fatalf("%s in the last frame: %d frames, torn %v, %v", what, len(got), r.Torn(), err)
				}
			}
		}
	}
}

// Zeros over whole sectors are what a power cut leaves of a write that was under way, and damage in one that was
// acknowledged.
func TestMissingSectors(t *testing.T) {
	data, ends := encoded(t, large)
	group := []int{ends[0], ends[1], ends[4], ends[7]} // where the groups begin, and the end
	for s := 0; s < len(data); s += 512 {
		for e := s + 512; e < len(data)+512; e += 512 {
			holed := slices.Clone(data)
			from, to := max(s, group[0]), min(e, len(data))
			clear(holed[from:to])
			what := fmt.Sprintf("zeros over [%d,%d)", from, to)
			got, r, err := mustScan(t, holed, large, what)
			var corrupt *segment.CorruptError
			switch {
			case from < group[2] && to <= group[2] || from < group[2] && to < len(data)-924: // an acknowledged group, and the last frame is whole
				if !errors.As(err, &corrupt) {
					t.Fatalf("%s: %v after %d frames", what, err, len(got))
				}
			case from >= group[2]:
				if err != nil || len(got) < 4 || !r.Torn() {
					t.Fatalf("%s: %v after %d frames, torn %v", what, err, len(got), r != nil && r.Torn())
				}
			}
		}
	}
}

func TestFramesOfAnotherSegmentDoNotCount(t *testing.T) {
	data, ends := encoded(t, small)
	m := fsxtest.New()
	other := header
	other.Salt[0]++
	write(t, m, "other", other, 0, small)
	stale := bytesOf(t, m, "other")
	for i, end := range ends[:len(ends)-1] {
		mixed := append(slices.Clone(data[:end]), stale[end:]...)
		got, r, err := mustScan(t, mixed, small, "stale tail")
		if err != nil || len(got) != i || !r.Torn() {
			t.Errorf("stale frames behind %d good ones: %d frames, torn %v, %v", i, len(got), r.Torn(), err)
		}
	}
}

func TestAnotherKindOrVersionIsRefused(t *testing.T) {
	data, _ := encoded(t, small)
	m := disk(t, "s", data)
	f, err := m.Open("s")
	if err != nil {
		t.Fatal(err)
	}
	var corrupt *segment.CorruptError
	for _, k := range []segment.Kind{"stet/test/v2", "stet/test/v", "stet/journal/v1", ""} {
		if _, err := segment.NewReader(f, "s", k); !errors.As(err, &corrupt) {
			t.Errorf("kind %q: %v", k, err)
		}
	}
}

// A marker that straddles two search windows must be found all the same.
func TestDamageIsSeenAcrossSearchWindows(t *testing.T) {
	const window = 64 << 10
	for delta := -40; delta <= 40; delta++ {
		for _, windows := range []int{1, 2} {
			gs := groups{{text(window*windows+delta-24, "x")}, {"whole"}}
			data, ends := encoded(t, gs)
			data[ends[0]+4] ^= 0xff // the length: now every byte must be searched
			if _, _, err := mustScan(t, data, gs, "bad length"); !errors.As(err, new(*segment.CorruptError)) {
				t.Fatalf("the next frame stands %d bytes behind, and was missed: %v", ends[1]-ends[0], err)
			}
		}
	}
}

// A length that the file cannot hold must cost neither memory nor time.
func TestHugeLengthsAllocateNothing(t *testing.T) {
	head, _ := encoded(t, nil)
	for _, length := range []uint32{0, 1 << 20, segment.MaxPayload, segment.MaxPayload + 1, 1 << 31, 1<<32 - 1} {
		data := append(slices.Clone(head), 0xF7, 's', 'f', '1')
		data = binary.BigEndian.AppendUint32(data, length)
		data = append(data, make([]byte, 400)...)
		m := disk(t, "s", data)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, r, err := scan(m, "s")
		runtime.ReadMemStats(&after)
		if err != nil || !r.Torn() {
			t.Errorf("length %d: torn %v, %v", length, r.Torn(), err)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 1<<18 {
			t.Errorf("length %d: %d bytes allocated for a file of %d", length, used, len(data))
		}
	}
	binary.BigEndian.PutUint32(head[32:], 1<<31)
	if _, _, err := scan(disk(t, "s", head), "s"); !errors.As(err, new(*segment.CorruptError)) {
		t.Errorf("huge meta: %v", err)
	}
}

// Somebody who fills a file with markers must not get a reader to work for hours.
func TestTheSearchForFramesIsBounded(t *testing.T) {
	head, _ := encoded(t, nil)
	data := append(head, make([]byte, 3)...)
	for i := range 200_000 {
		data = append(data, 0xF7, 's', 'f', '1')
		data = binary.BigEndian.AppendUint32(data, 2<<20)
		data = binary.BigEndian.AppendUint64(data, uint64(i))
		data = append(data, 0, 0, 0, 0, 0, 0, 0, 0) // a group of its own, and no checksum that fits
	}
	_, _, err := scan(disk(t, "s", data), "s")
	if !errors.As(err, new(*segment.CorruptError)) {
		t.Errorf("markers without end: %v", err)
	}
}

// What a crash leaves of a header is no segment; a header that is gone from a segment with frames is damage.
func TestHeadersTornAndLost(t *testing.T) {
	h := header
	h.Meta = bytes.Repeat([]byte("meta"), 500) // four sectors and a bit
	for _, gs := range []groups{nil, small} {
		m := fsxtest.New()
		write(t, m, "s", h, 10_000, gs)
		data := bytesOf(t, m, "s")
		for mask := 1; mask < 1<<5; mask++ {
			holed := slices.Clone(data)
			for s := range 5 {
				if mask>>s&1 == 1 {
					clear(holed[s*512 : min((s+1)*512, int(h.Size()))])
				}
			}
			_, _, err := scan(disk(t, "s", holed), "s")
			if corrupt := errors.As(err, new(*segment.CorruptError)); errors.Is(err, segment.ErrNoHeader) == (gs != nil) || corrupt != (gs != nil) {
				t.Errorf("sectors %05b of the header missing, %d groups: %v", mask, len(gs), err)
			}
		}
	}
}

// Whatever a crash leaves: what was acknowledged is read, in order, whole, and never called damage; what was not is
// there up to some frame.
func TestEveryCrash(t *testing.T) {
	for _, c := range []struct {
		name     string
		prealloc int64
		groups   groups
	}{
		{"growing, small groups", 0, small},
		{"reserved, small groups", 8 << 10, small},
		{"growing, groups over sectors", 0, large},
		{"reserved, groups over sectors", 64 << 10, large},
	} {
		t.Run(c.name, func(t *testing.T) {
			plan := fsxtest.Plan{
				Start: func() *fsxtest.Mem {
					m := fsxtest.New()
					if err := fsx.MkdirAll(m, "d", 0o700); err != nil {
						t.Fatal(err)
					}
					return m
				},
				Run: func(fsys *fsxtest.Mem) any {
					h := header
					h.Meta = bytes.Repeat([]byte("m"), 600)
					n, _ := commit(fsys, "d/s", h, c.prealloc, c.groups) // the error is the crash's
					return n
				},
				Check: func(fsys *fsxtest.Mem, acked any) error {
					got, _, err := scan(fsys, "d/s")
					want := c.groups[:acked.(int)].frames()
					if err != nil {
						if acked == 0 {
							var corrupt *segment.CorruptError
							if errors.As(err, &corrupt) {
								return err
							}
							return nil // not there, or no header: nothing was acknowledged
						}
						return err
					}
					all := c.groups.frames()
					if len(got) < len(want) || len(got) > len(all) {
						return fmt.Errorf("%d frames, acknowledged were %d", len(got), len(want))
					}
					if d := cmp.Diff(all[:len(got)], got, equateEmpty); d != "" {
						return errors.New(d)
					}
					return nil
				},
				MaxStates: 1500,
			}
			fsxtest.Explore(t, plan)
			fsxtest.Faults(t, plan, 100)
		})
	}
}
