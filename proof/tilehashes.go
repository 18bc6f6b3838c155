package proof

import "fmt"

// A TileReader gives tiles of hashes: width hashes of HashSize bytes each, from the tile's left. A reader that stores a
// wider version of a partial tile may cut it to width, and must when the narrow one is gone; TileHashes checks only
// the length. It is called from the goroutine that asked for the proof. Errors are passed on wrapped.
type TileReader interface {
	ReadTile(t Tile) ([]byte, error)
}

// TileReaderFunc makes a function a TileReader.
type TileReaderFunc func(t Tile) ([]byte, error)

// ReadTile calls f.
func (f TileReaderFunc) ReadTile(t Tile) ([]byte, error) { return f(t) }

// TileHashes is the HashReader over the tiles of a tree of Size leaves. It trusts what the tiles say: a proof made
// from damaged tiles is a proof that does not verify, so whoever hands one out verifies it first. It reads each tile
// once a call and keeps nothing between calls.
type TileHashes struct {
	Size  uint64     // size of the tree; decides how wide the right-most tiles are
	Tiles TileReader // where the tiles are
}

// ReadHashes computes each node from the tile that holds its descendants at the next lower tile level.
func (t TileHashes) ReadHashes(ids []NodeID) ([]Hash, error) {
	tiles := make(map[Tile][]byte)
	out := make([]Hash, len(ids))
	for i, id := range ids {
		level, height := id.Level/TileHeight, id.Level%TileHeight
		first := id.Index << height // in hashes of the tile's level
		count := uint64(1) << height
		full, partial := TilesFor(t.Size, level)
		tile := Tile{Level: level, Index: first / TileWidth, Width: TileWidth}
		if tile.Index == full {
			tile.Width = partial
		}
		at := first % TileWidth
		if id.Level > maxNodeLevel || id.Index >= t.Size>>id.Level {
			return nil, malformed("node id", "no complete subtree at level %d, index %d in a tree of %d", id.Level, id.Index, t.Size)
		}
		data, ok := tiles[tile]
		if !ok {
			var err error
			if data, err = t.Tiles.ReadTile(tile); err != nil {
				return nil, fmt.Errorf("%s: %w", tile.Path(), err)
			}
			if len(data) != tile.Width*HashSize {
				return nil, malformed("tile", "%s has %d bytes, want %d", tile.Path(), len(data), tile.Width*HashSize)
			}
			tiles[tile] = data
		}
		out[i] = tileNode(data[at*HashSize : (at+count)*HashSize])
	}
	return out, nil
}

// tileNode returns the root over a power of two of hashes that stand one after the other.
func tileNode(data []byte) Hash {
	if len(data) == HashSize {
		return Hash(data)
	}
	half := len(data) / 2
	return NodeHash(tileNode(data[:half]), tileNode(data[half:]))
}
