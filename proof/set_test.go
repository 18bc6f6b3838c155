package proof_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/stetlog/stet/proof"
)

// setOf draws a tree, a set of its leaves, and the set's proof.
func setOf(t *rapid.T) (leaves []proof.Hash, set []proof.Leaf, hashes []proof.Hash) {
	size := rapid.IntRange(1, 300).Draw(t, "size")
	leaves = make([]proof.Hash, size)
	for i := range leaves {
		leaves[i] = proof.LeafHash([]byte{byte(i), byte(i >> 8)})
	}
	from, to := rapid.IntRange(0, size).Draw(t, "from"), rapid.IntRange(0, size).Draw(t, "to") // of hidden ones
	every := rapid.IntRange(1, 64).Draw(t, "every")
	for i, h := range leaves {
		if rapid.IntRange(0, every).Draw(t, "in") == 0 {
			set = append(set, proof.Leaf{Index: uint64(i), Hash: h})
		} else if i >= from && i < to {
			set = append(set, proof.Leaf{Index: uint64(i), Hidden: true})
		}
	}
	if err := proof.ProveSet(uint64(size), slices.Values(set), hashesOf(leaves), func(h proof.Hash) error {
		hashes = append(hashes, h)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return leaves, set, hashes
}

func hashesOf(leaves []proof.Hash) proof.HashReader {
	return proof.HashReaderFunc(func(ids []proof.NodeID) (out []proof.Hash, err error) {
		for _, id := range ids {
			out = append(out, proof.RootOf(leaves[id.Index<<id.Level:(id.Index+1)<<id.Level]))
		}
		return out, nil
	})
}

func setRoot(size int, set []proof.Leaf, hashes []proof.Hash) (proof.Hash, error) {
	root, err := proof.SetRoot(uint64(size), func() (l proof.Leaf, ok bool, err error) {
		if ok = len(set) > 0; ok {
			l, set = set[0], set[1:]
		}
		return l, ok, nil
	}, func() (h proof.Hash, ok bool, err error) {
		if ok = len(hashes) > 0; ok {
			h, hashes = hashes[0], hashes[1:]
		}
		return h, ok, nil
	})
	if err == nil && len(hashes) > 0 {
		err = fmt.Errorf("%w: %d hashes are left", proof.ErrProof, len(hashes))
	}
	return root, err
}

// TestASetOfLeavesLeadsToTheRoot: with its own proof and no other.
func TestASetOfLeavesLeadsToTheRoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		leaves, set, hashes := setOf(t)
		want := proof.RootOf(leaves)
		if got, err := setRoot(len(leaves), set, hashes); err != nil || got != want {
			t.Fatalf("root %s, %v; want %s", got, err, want)
		}
		other := func(what string, set []proof.Leaf, hashes []proof.Hash) {
			if got, err := setRoot(len(leaves), set, hashes); err == nil && got == want {
				t.Fatalf("%s leads to the same root", what)
			} else if err != nil && !errors.Is(err, proof.ErrProof) && !errors.Is(err, proof.ErrMalformed) {
				t.Fatalf("%s: %v", what, err)
			}
		}
		other("one hash too many", set, append(slices.Clone(hashes), want))
		if len(hashes) > 0 {
			i := rapid.IntRange(0, len(hashes)-1).Draw(t, "hash")
			other("a proof without one hash", set, slices.Delete(slices.Clone(hashes), i, i+1))
			changed := slices.Clone(hashes)
			changed[i][7] ^= 1
			other("a changed hash", set, changed)
		}
		if len(set) > 0 {
			i := rapid.IntRange(0, len(set)-1).Draw(t, "leaf")
			if !set[i].Hidden { // a hidden one may as well be a subtree by itself
				other("a set without one leaf", slices.Delete(slices.Clone(set), i, i+1), hashes)
				changed := slices.Clone(set)
				changed[i].Hash[31] ^= 1
				other("a changed leaf", changed, hashes)
			}
			other("a leaf outside the tree", append(slices.Clone(set), proof.Leaf{Index: uint64(len(leaves))}), hashes)
			other("a leaf twice", append(slices.Clone(set), set[len(set)-1]), hashes)
		}
	})
}

// TestOneLeafTakesTheHashesOfItsInclusionProof, in another order, as a range of one does.
func TestOneLeafTakesTheHashesOfItsInclusionProof(t *testing.T) {
	leaves := make([]proof.Hash, 13)
	for i := range leaves {
		leaves[i] = proof.LeafHash([]byte{byte(i)})
	}
	for i := range uint64(13) {
		want, err := proof.ProveRange(i, 1, 13, hashesOf(leaves))
		if err != nil {
			t.Fatal(err)
		}
		var got []proof.Hash
		if err := proof.ProveSet(13, slices.Values([]proof.Leaf{{Index: i}}), hashesOf(leaves), func(h proof.Hash) error {
			got = append(got, h)
			return nil
		}); err != nil || !slices.Equal(got, want) {
			t.Errorf("leaf %d: %v, %v; want %v", i, got, err, want)
		}
	}
}
