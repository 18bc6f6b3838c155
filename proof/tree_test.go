package proof

import (
	"errors"
	"math/rand/v2"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestTreeAgainstNaive grows a tree in arbitrary steps, passing through its stored form now and then, and compares
// root, edge and completed nodes with the naive tree.
func TestTreeAgainstNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tree, all := new(Tree), newNaive(rapid.IntRange(0, 700).Draw(t, "size"))
		seen := map[NodeID]Hash{}
		for left := all; len(left) > 0; {
			n := min(rapid.IntRange(1, 300).Draw(t, "step"), len(left))
			tree.AppendAll(left[:n], func(id NodeID, h Hash) {
				if _, again := seen[id]; again {
					t.Fatalf("node %v completed twice", id)
				}
				if id.Level > 0 {
					l, ok1 := seen[NodeID{id.Level - 1, id.Index * 2}]
					r, ok2 := seen[NodeID{id.Level - 1, id.Index*2 + 1}]
					if !ok1 || !ok2 || NodeHash(l, r) != h {
						t.Fatalf("node %v came before its children, or is not their hash", id)
					}
				}
				seen[id] = h
			})
			left = left[n:]
			if rapid.Bool().Draw(t, "reload") {
				var err error
				if tree, err = NewTreeFrom(tree.Size(), tree.Edge()); err != nil {
					t.Fatal(err)
				}
			}
		}
		if tree.Size() != uint64(len(all)) || tree.Root() != all.root() {
			t.Fatalf("size %d, root %s; want %d, %s", tree.Size(), tree.Root(), len(all), all.root())
		}
		if RootOf(all) != all.root() {
			t.Fatal("RootOf differs")
		}
		complete := 0
		for n := len(all); n > 0; n /= 2 {
			complete += n
		}
		if len(seen) != complete {
			t.Fatalf("%d nodes completed, want %d", len(seen), complete)
		}
		edge, err := all.ReadHashes(EdgeNodes(tree.Size()))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(edge, append([]Hash{}, tree.Edge()...)); d != "" {
			t.Fatal("edge:", d)
		}
	})
}

// TestTreeCopies: neither Clone nor Edge nor NewTreeFrom shares memory with the tree.
func TestTreeCopies(t *testing.T) {
	all := newNaive(100)
	var tree Tree
	tree.AppendAll(all[:37], nil)
	edge := tree.Edge()
	from, err := NewTreeFrom(37, edge)
	if err != nil {
		t.Fatal(err)
	}
	clone := tree.Clone()
	tree.AppendAll(all[37:64], nil)
	clear(edge)
	for name, other := range map[string]*Tree{"Clone": clone, "NewTreeFrom": from} {
		if other.Root() != all[:37].root() {
			t.Errorf("%s shares memory with the tree it came from", name)
		}
		other.AppendAll(all[37:], nil)
		if other.Root() != all.root() {
			t.Errorf("%s does not grow like the tree it came from", name)
		}
	}
	if tree.Root() != all[:64].root() {
		t.Error("a copy changed the tree")
	}
}

func TestNewTreeFromRefuses(t *testing.T) {
	for _, c := range []struct {
		size uint64
		n    int
	}{{0, 1}, {1, 0}, {3, 1}, {3, 3}, {MaxSize + 1, 1}} {
		if _, err := NewTreeFrom(c.size, make([]Hash, c.n)); !errors.Is(err, ErrMalformed) {
			t.Errorf("size %d with %d hashes: %v", c.size, c.n, err)
		}
	}
}

// TestTreeIsBounded: growing past the last index panics before the tree changes; there is no number left to name it.
func TestTreeIsBounded(t *testing.T) {
	tree, err := NewTreeFrom(MaxSize, make([]Hash, 53))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if recover() == nil || tree.Size() != MaxSize {
			t.Error("the tree grew past MaxSize")
		}
	}()
	tree.Append(Hash{})
}

// tileStore fills tiles the way a ledger does: from the completed nodes whose level is a multiple of eight.
type tileStore map[NodeID]Hash

func (s tileStore) add(id NodeID, h Hash) {
	if id.Level%TileHeight == 0 {
		s[NodeID{id.Level / TileHeight, id.Index}] = h
	}
}

func (s tileStore) ReadTile(tile Tile) ([]byte, error) {
	var out []byte
	for i := range tile.Width {
		h, ok := s[NodeID{tile.Level, tile.Index*TileWidth + uint64(i)}]
		if !ok {
			return nil, errors.New("no such tile: " + tile.Path())
		}
		out = append(out, h[:]...)
	}
	return out, nil
}

// TestTileHashes proves from tiles in a tree of three tile levels, and compares with what the naive tree proves.
func TestTileHashes(t *testing.T) {
	all := newNaive(70_000)
	var tree Tree
	store := tileStore{}
	tree.AppendAll(all, store.add)
	rng := rand.New(rand.NewPCG(1, 2))
	for _, size := range []uint64{1, 255, 256, 257, 511, 65_535, 65_536, 65_537, 70_000} {
		read := TileHashes{Size: size, Tiles: store}
		root := all[:size].root()
		for range 6 {
			first := rng.Uint64N(size)
			count := 1 + rng.Uint64N(min(size-first, 1001))
			p, err := ProveRange(first, count, size, read)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyRange(first, all[first:first+count], size, root, p); err != nil {
				t.Errorf("%d from %d of %d: %v", count, first, size, err)
			}
			if p, err = ProveInclusion(first, size, read); err != nil {
				t.Fatal(err)
			}
			if err := VerifyInclusion(first, size, all[first], root, p); err != nil {
				t.Errorf("leaf %d of %d: %v", first, size, err)
			}
			if p, err = ProveConsistency(first, size, read); err != nil {
				t.Fatal(err)
			}
			if err := VerifyConsistency(first, size, all[:first].root(), root, p); err != nil {
				t.Errorf("%d to %d: %v", first, size, err)
			}
		}
	}
}

// TestTileHashesRefuse: no hash is invented for a subtree that is not complete, and no tile of another length used.
func TestTileHashesRefuse(t *testing.T) {
	good := TileReaderFunc(func(tile Tile) ([]byte, error) { return make([]byte, tile.Width*HashSize), nil })
	for _, id := range []NodeID{{0, 300}, {1, 150}, {8, 1}, {9, 0}, {52, 0}, {53, 0}, {255, 0}, {7, 1 << 60}, {0, 1<<64 - 1}} {
		if _, err := (TileHashes{Size: 300, Tiles: good}).ReadHashes([]NodeID{id}); !errors.Is(err, ErrMalformed) {
			t.Errorf("node %v of 300: %v", id, err)
		}
	}
	short := TileReaderFunc(func(tile Tile) ([]byte, error) { return make([]byte, tile.Width*HashSize-1), nil })
	if _, err := (TileHashes{Size: 300, Tiles: short}).ReadHashes([]NodeID{{0, 299}}); !errors.Is(err, ErrMalformed) {
		t.Errorf("a short tile: %v", err)
	}
	gone := errors.New("gone")
	if _, err := (TileHashes{Size: 300, Tiles: TileReaderFunc(func(Tile) ([]byte, error) { return nil, gone })}).ReadHashes([]NodeID{{0, 2}}); !errors.Is(err, gone) {
		t.Errorf("a reader's error is lost: %v", err)
	}
}
