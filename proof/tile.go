package proof

import (
	"encoding/binary"
	"strconv"
	"strings"
)

// The tile geometry of C2SP tlog-tiles: a tile is 256 consecutive hashes of one level, and its parent tile's level is
// eight tree levels up.
const (
	TileHeight = 8               // tree levels a tile spans
	TileWidth  = 1 << TileHeight // hashes in a full tile, entries in a full bundle
	TileBytes  = TileWidth * HashSize
)

// maxTileLevel is what C2SP tlog-tiles allows in a path. A tree of MaxSize leaves reaches level 6.
const maxTileLevel = 63

// maxTileIndex bounds the tile number in a path: no tree of at most MaxSize leaves has a tile beyond it.
const maxTileIndex = MaxSize / TileWidth

// A Tile names one tile or entry bundle, as its path does.
type Tile struct {
	Entries bool   // an entry bundle; Level is 0
	Level   uint8  // 0 to 63: tile level, each of them TileHeight tree levels
	Index   uint64 // number within the level, from 0
	Width   int    // 1 to TileWidth; less than TileWidth is a partial tile
}

// Path returns the path below the log's prefix: tile/<L>/<N>[.p/<W>] or tile/entries/<N>[.p/<W>].
func (t Tile) Path() string {
	b := make([]byte, 0, 48)
	b = append(b, "tile/"...)
	if t.Entries {
		b = append(b, "entries"...)
	} else {
		b = strconv.AppendUint(b, uint64(t.Level), 10)
	}
	// Three digits a path element, all but the last marked with x: no directory can then have a file's name.
	var groups [7]uint64
	n, rest := 0, t.Index
	for {
		groups[n] = rest % 1000
		rest /= 1000
		n++
		if rest == 0 {
			break
		}
	}
	for n--; n >= 0; n-- {
		b = append(b, '/')
		if n > 0 {
			b = append(b, 'x')
		}
		g := groups[n]
		b = append(b, byte('0'+g/100), byte('0'+g/10%10), byte('0'+g%10))
	}
	if t.Width != TileWidth {
		b = append(b, ".p/"...)
		b = strconv.AppendInt(b, int64(t.Width), 10)
	}
	return string(b)
}

// TilePath returns the path of a tile of hashes. width is TileWidth for a full tile and less for a partial one.
func TilePath(level uint8, index uint64, width int) string {
	return Tile{Level: level, Index: index, Width: width}.Path()
}

// EntriesPath returns the path of an entry bundle.
func EntriesPath(index uint64, width int) string {
	return Tile{Entries: true, Index: index, Width: width}.Path()
}

// ParseTilePath is the strict inverse of Tile.Path: it accepts no other spelling of a path, and none with a tile that
// a tree of at most MaxSize leaves cannot have. Its error wraps ErrMalformed.
func ParseTilePath(path string) (Tile, error) {
	const what = "tile path"
	if len(path) > 64 {
		return Tile{}, malformed(what, "%s is longer than 64 bytes", clip(path))
	}
	bad := func(why string) (Tile, error) { return Tile{}, malformed(what, "%s: %s", clip(path), why) }
	rest, ok := strings.CutPrefix(path, "tile/")
	if !ok {
		return bad("it does not begin with tile/")
	}
	kind, rest, ok := strings.Cut(rest, "/")
	if !ok {
		return bad("it has no tile number")
	}
	t := Tile{Width: TileWidth}
	if kind == "entries" {
		t.Entries = true
	} else {
		level, ok := parseUint(kind, maxTileLevel)
		if !ok {
			return bad("the level is not a plain decimal from 0 to 63")
		}
		t.Level = uint8(level)
	}
	number, width, partial := strings.Cut(rest, ".p/")
	if partial {
		w, ok := parseUint(width, TileWidth-1)
		if !ok || w == 0 {
			return bad("the width of a partial tile is not a plain decimal from 1 to 255")
		}
		t.Width = int(w)
	}
	for i := 0; ; i++ {
		var group string
		group, number, ok = strings.Cut(number, "/")
		if more := strings.HasPrefix(group, "x"); more != ok {
			return bad("all elements of the tile number but the last begin with x")
		}
		group = strings.TrimPrefix(group, "x")
		if len(group) != 3 || !isDigits(group) {
			return bad("each element of the tile number has three digits")
		}
		if i == 0 && ok && group == "000" {
			return bad("the tile number begins with a group of zeros")
		}
		t.Index = t.Index*1000 + uint64(group[0]-'0')*100 + uint64(group[1]-'0')*10 + uint64(group[2]-'0')
		if t.Index > maxTileIndex {
			return bad("the tile number is above 2^45")
		}
		if !ok {
			return t, nil
		}
	}
}

// TilesFor returns how wide the right-most tile of a level is in a tree of size leaves, and how many full tiles stand
// before it. width is 0 when there is no partial tile.
func TilesFor(size uint64, level uint8) (full uint64, width int) {
	if shift := uint(level) * TileHeight; shift < 64 {
		n := size >> shift
		return n / TileWidth, int(n % TileWidth)
	}
	return 0, 0
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// parseUint reads a plain decimal without sign, leading zeros or anything else, up to limit.
func parseUint[T ~string | ~[]byte](s T, limit uint64) (uint64, bool) {
	if len(s) == 0 || len(s) > 20 || len(s) > 1 && s[0] == '0' {
		return 0, false
	}
	var n uint64
	for i := range len(s) {
		d := uint64(s[i]) - '0'
		if d > 9 || n > (limit-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return n, true
}

// MaxEntry is the size limit of an entry in bytes: what a bundle's two length bytes can say.
const MaxEntry = 1<<16 - 1

// MaxBundle is the size limit of a bundle in bytes, uncompressed.
const MaxBundle = TileWidth * (2 + MaxEntry)

// AppendBundleEntry appends an entry to a bundle: its length as two big-endian bytes, then its bytes. It refuses an
// entry above MaxEntry, because a cut length would shift every entry behind it.
func AppendBundleEntry(dst, entry []byte) ([]byte, error) {
	if len(entry) > MaxEntry {
		return dst, malformed("entry", "%d bytes, at most %d fit a bundle", len(entry), MaxEntry)
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(entry)))
	return append(dst, entry...), nil
}

// NextBundleEntry splits the first entry off a bundle; both results alias b. A whole bundle is read when rest is
// empty; the caller counts the entries.
func NextBundleEntry(b []byte) (entry, rest []byte, err error) {
	if len(b) < 2 {
		return nil, nil, malformed("bundle", "%d bytes left, an entry begins with 2 bytes of length", len(b))
	}
	n := int(binary.BigEndian.Uint16(b))
	if len(b)-2 < n {
		return nil, nil, malformed("bundle", "an entry says %d bytes, %d are left", n, len(b)-2)
	}
	return b[2 : 2+n : 2+n], b[2+n:], nil
}
