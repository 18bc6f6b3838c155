package proof

import (
	"math/bits"
)

// MaxSize is the largest tree: 2^53 − 1 leaves, so that every index is a whole number in any JSON reader.
const MaxSize = 1<<53 - 1

// maxNodeLevel is the level of the largest complete subtree in a tree of MaxSize leaves.
const maxNodeLevel = 52

// A NodeID names a complete subtree of a tree: the one over leaves [Index·2^Level, (Index+1)·2^Level). Level 0 is
// the leaf hashes. Only complete subtrees have a NodeID, because only their hash never changes again.
type NodeID struct {
	Level uint8  // 0 (a leaf) to 52
	Index uint64 // position within the level, from the left, from 0
}

// A Tree is the right edge of a growing Merkle tree (a compact range from leaf 0): the roots of the complete subtrees
// that its size is made of, at most 53 hashes. It appends leaves and states roots; it proves nothing, for which the
// hashes inside are needed (see HashReader).
//
// The zero value is the empty tree. A Tree is not safe for concurrent use; copy it with Clone.
type Tree struct {
	size uint64
	edge []Hash // largest subtree first
}

// NewTreeFrom continues a tree from its size and the hashes that Edge returned at that size, largest subtree first.
// The number of hashes must be the number of ones in size; whether they are the right ones only a Root can tell.
func NewTreeFrom(size uint64, edge []Hash) (*Tree, error) {
	if size > MaxSize {
		return nil, malformed("tree", "size %d is above %d", size, uint64(MaxSize))
	}
	if want := bits.OnesCount64(size); len(edge) != want {
		return nil, malformed("tree", "%d edge hashes for size %d, want %d", len(edge), size, want)
	}
	return &Tree{size: size, edge: append([]Hash(nil), edge...)}, nil
}

// EdgeNodes returns which complete subtrees a tree of this size is made of, largest first: the ids of the hashes that
// NewTreeFrom needs.
func EdgeNodes(size uint64) []NodeID { return appendCover(nil, 0, size) }

// Clone returns an independent copy.
func (t *Tree) Clone() *Tree { return &Tree{size: t.size, edge: append([]Hash(nil), t.edge...)} }

// Size returns the number of leaves.
func (t *Tree) Size() uint64 { return t.size }

// Edge returns a copy of the roots of the complete subtrees, largest first.
func (t *Tree) Edge() []Hash { return append([]Hash(nil), t.edge...) }

// Append adds one leaf hash on the right. It panics when the tree has MaxSize leaves already.
func (t *Tree) Append(leaf Hash) { t.add(leaf, nil) }

// AppendAll adds leaf hashes on the right, in order. When completed is not nil it is called for every node that
// becomes complete, the leaves included, children before parents: a ledger fills its tiles from those whose level is
// a multiple of 8. It panics when the tree would grow beyond MaxSize.
func (t *Tree) AppendAll(leaves []Hash, completed func(NodeID, Hash)) {
	for _, leaf := range leaves {
		t.add(leaf, completed)
	}
}

func (t *Tree) add(h Hash, completed func(NodeID, Hash)) {
	if t.size >= MaxSize {
		panic("proof: tree is full")
	}
	index := t.size
	if completed != nil {
		completed(NodeID{0, index}, h)
	}
	// Each one bit at the bottom of the old size is a subtree as large as what we carry: merge, as in binary addition.
	level := uint8(0)
	for ; index&1 == 1; index >>= 1 {
		last := len(t.edge) - 1
		h = NodeHash(t.edge[last], h)
		t.edge = t.edge[:last]
		level++
		if completed != nil {
			completed(NodeID{level, index >> 1}, h)
		}
	}
	t.edge = append(t.edge, h)
	t.size++
}

// Root returns the Merkle tree hash at the present size.
func (t *Tree) Root() Hash {
	if len(t.edge) == 0 {
		return EmptyRoot()
	}
	return foldRight(t.edge)
}

// foldRight joins the complete subtrees of one range, largest first, into that range's root. hashes is not empty.
func foldRight(hashes []Hash) Hash {
	h := hashes[len(hashes)-1]
	for i := len(hashes) - 2; i >= 0; i-- {
		h = NodeHash(hashes[i], h)
	}
	return h
}

// split returns the size of the left subtree of a tree with n > 1 leaves: the largest power of two below n.
func split(n uint64) uint64 { return 1 << (bits.Len64(n-1) - 1) }

// appendCover appends the complete subtrees that make up leaves [lo, hi), from the left. lo must be a multiple of the
// largest power of two that is not above hi − lo, as it is for every subtree that RFC 6962 can meet.
func appendCover(ids []NodeID, lo, hi uint64) []NodeID {
	for lo < hi {
		level := uint8(bits.Len64(hi-lo) - 1)
		ids = append(ids, NodeID{level, lo >> level})
		lo += 1 << level
	}
	return ids
}
