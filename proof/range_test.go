package proof

import (
	"encoding/binary"
	"testing"
)

// naive is a tree that keeps its leaves and recomputes everything from RFC 6962's definitions.
type naive []Hash

func (n naive) root() Hash {
	switch len(n) {
	case 0:
		return EmptyRoot()
	case 1:
		return n[0]
	}
	k := 1
	for k*2 < len(n) {
		k *= 2
	}
	return NodeHash(n[:k].root(), n[k:].root())
}

func (n naive) ReadHashes(ids []NodeID) ([]Hash, error) {
	var out []Hash
	for _, id := range ids {
		out = append(out, n[id.Index<<id.Level:(id.Index+1)<<id.Level].root())
	}
	return out, nil
}

func newNaive(n int) naive {
	out := make(naive, n)
	for i := range out {
		out[i] = LeafHash(binary.BigEndian.AppendUint64(nil, uint64(i)))
	}
	return out
}

// TestRangeExhaustive proves every range of every tree of up to 40 leaves.
func TestRangeExhaustive(t *testing.T) {
	all := newNaive(40)
	for size := 1; size <= len(all); size++ {
		tree, root := all[:size], all[:size].root()
		for first := range size {
			for count := 1; first+count <= size; count++ {
				p, err := ProveRange(uint64(first), uint64(count), uint64(size), tree)
				if err != nil {
					t.Fatal(err)
				}
				if err := VerifyRange(uint64(first), tree[first:first+count], uint64(size), root, p); err != nil {
					t.Fatalf("first %d count %d size %d: %v", first, count, size, err)
				}
			}
		}
	}
}
