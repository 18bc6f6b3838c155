package proof

import (
	"bytes"
	"errors"
	"testing"

	"pgregory.net/rapid"
)

func TestTilePathRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Tile{
			Entries: rapid.Bool().Draw(t, "entries"),
			Index:   rapid.OneOf(rapid.Uint64Range(0, 1_000_001), rapid.Uint64Range(0, maxTileIndex)).Draw(t, "index"),
			Width:   rapid.IntRange(1, TileWidth).Draw(t, "width"),
		}
		if !want.Entries {
			want.Level = rapid.Uint8Range(0, maxTileLevel).Draw(t, "level")
		}
		path := TilePath(want.Level, want.Index, want.Width)
		if want.Entries {
			path = EntriesPath(want.Index, want.Width)
		}
		if got, err := ParseTilePath(path); err != nil || got != want {
			t.Fatalf("%s = %+v, %v; want %+v", path, got, err, want)
		}
	})
}

// TestTilesFor has the two examples of the C2SP document, and the edges.
func TestTilesFor(t *testing.T) {
	for _, c := range []struct {
		size  uint64
		level uint8
		full  uint64
		width int
	}{
		{70_000, 0, 273, 112}, {70_000, 1, 1, 17}, {70_000, 2, 0, 1}, {70_000, 3, 0, 0},
		{256, 0, 1, 0}, {256, 1, 0, 1}, {0, 0, 0, 0}, {MaxSize, 6, 0, 31}, {MaxSize, 7, 0, 0}, {MaxSize, 255, 0, 0},
	} {
		if full, width := TilesFor(c.size, c.level); full != c.full || width != c.width {
			t.Errorf("TilesFor(%d, %d) = %d, %d; want %d, %d", c.size, c.level, full, width, c.full, c.width)
		}
	}
}

func TestBundleRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 0, 300), 0, 20).Draw(t, "entries")
		var b []byte
		for _, e := range want {
			var err error
			if b, err = AppendBundleEntry(b, e); err != nil {
				t.Fatal(err)
			}
		}
		for i := 0; len(b) > 0; i++ {
			var e []byte
			var err error
			if e, b, err = NextBundleEntry(b); err != nil || i >= len(want) || !bytes.Equal(e, want[i]) {
				t.Fatalf("entry %d = %q, %v", i, e, err)
			}
		}
	})
}

func TestBundleLimits(t *testing.T) {
	b, err := AppendBundleEntry([]byte("x"), make([]byte, MaxEntry))
	if err != nil || len(b) != 1+2+MaxEntry {
		t.Errorf("the largest entry: %d bytes, %v", len(b), err)
	}
	b, err = AppendBundleEntry([]byte("x"), make([]byte, MaxEntry+1))
	if !errors.Is(err, ErrMalformed) || string(b) != "x" {
		t.Errorf("an entry too large: %d bytes, %v", len(b), err)
	}
	for _, short := range []string{"", "\x00", "\x00\x01", "\xff\xffabc"} {
		if _, _, err := NextBundleEntry([]byte(short)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v", short, err)
		}
	}
}
