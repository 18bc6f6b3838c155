package proof

import (
	"encoding/binary"
	"errors"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// naive is a tree that keeps its leaves and recomputes everything from RFC 6962's definitions, which take six lines.
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
	out := make([]Hash, len(ids))
	for i, id := range ids {
		lo, hi := id.Index<<id.Level, (id.Index+1)<<id.Level
		if hi > uint64(len(n)) {
			return nil, errors.New("asked for a subtree that is not complete")
		}
		out[i] = n[lo:hi].root()
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

// exhaustive is the size up to which every case there is gets tried.
const exhaustive = 40

// TestInclusionExhaustive proves every leaf of every small tree, and has golang.org/x/mod's tlog agree.
func TestInclusionExhaustive(t *testing.T) {
	all := newNaive(exhaustive)
	for size := 1; size <= len(all); size++ {
		tree, root := all[:size], all[:size].root()
		for i := range size {
			p, err := ProveInclusion(uint64(i), uint64(size), tree)
			if err != nil {
				t.Fatal(err)
			}
			if err := VerifyInclusion(uint64(i), uint64(size), tree[i], root, p); err != nil {
				t.Fatalf("leaf %d of %d: %v", i, size, err)
			}
			if err := tlog.CheckRecord(tlogProof(p), int64(size), tlog.Hash(root), int64(i), tlog.Hash(tree[i])); err != nil {
				t.Fatalf("leaf %d of %d: tlog: %v", i, size, err)
			}
			tampered(p, func(p []Hash) {
				if VerifyInclusion(uint64(i), uint64(size), tree[i], root, p) == nil {
					t.Fatalf("leaf %d of %d: a tampered proof was accepted", i, size)
				}
			})
			for j := range size {
				if j != i && VerifyInclusion(uint64(j), uint64(size), tree[i], root, p) == nil {
					t.Fatalf("leaf %d of %d was accepted as leaf %d", i, size, j)
				}
			}
		}
	}
}

// TestConsistencyExhaustive proves every pair of small trees, and has golang.org/x/mod's tlog agree.
func TestConsistencyExhaustive(t *testing.T) {
	all := newNaive(exhaustive)
	other := append(naive{LeafHash([]byte("another history"))}, all[1:]...)
	for size := 0; size <= len(all); size++ {
		for old := 0; old <= size; old++ {
			p, err := ProveConsistency(uint64(old), uint64(size), all[:size])
			if err != nil {
				t.Fatal(err)
			}
			a, b := all[:old].root(), all[:size].root()
			if err := VerifyConsistency(uint64(old), uint64(size), a, b, p); err != nil {
				t.Fatalf("%d to %d: %v", old, size, err)
			}
			if old > 0 {
				if err := tlog.CheckTree(tlogProof(p), int64(size), tlog.Hash(b), int64(old), tlog.Hash(a)); err != nil {
					t.Fatalf("%d to %d: tlog: %v", old, size, err)
				}
				if VerifyConsistency(uint64(old), uint64(size), other[:old].root(), b, p) == nil {
					t.Fatalf("%d to %d: another history's old tree was accepted", old, size)
				}
				if VerifyConsistency(uint64(old), uint64(size), a, other[:size].root(), p) == nil {
					t.Fatalf("%d to %d: another history's new tree was accepted", old, size)
				}
			}
			if VerifyConsistency(uint64(old), uint64(size), Hash{1}, b, p) == nil {
				t.Fatalf("%d to %d: a wrong old root was accepted", old, size)
			}
			tampered(p, func(p []Hash) {
				if VerifyConsistency(uint64(old), uint64(size), a, b, p) == nil {
					t.Fatalf("%d to %d: a tampered proof was accepted", old, size)
				}
			})
		}
	}
}

// TestRangeExhaustive proves every range of every small tree. A proof for one place must not serve for another.
func TestRangeExhaustive(t *testing.T) {
	all := newNaive(exhaustive)
	for size := 1; size <= len(all); size++ {
		tree, root := all[:size], all[:size].root()
		for first := range size {
			for count := 1; first+count <= size; count++ {
				leaves := tree[first : first+count]
				p, err := ProveRange(uint64(first), uint64(count), uint64(size), tree)
				if err != nil {
					t.Fatal(err)
				}
				if err := VerifyRange(uint64(first), leaves, uint64(size), root, p); err != nil {
					t.Fatalf("%d from %d of %d: %v", count, first, size, err)
				}
				if count > 1 && VerifyRange(uint64(first), leaves[:count-1], uint64(size), root, p) == nil ||
					VerifyRange(uint64(first)+1, leaves, uint64(size), root, p) == nil ||
					VerifyRange(uint64(first)+1, leaves[1:], uint64(size), root, p) == nil {
					t.Fatalf("%d from %d of %d: accepted in another place", count, first, size)
				}
				if size > 24 {
					continue // what follows is a few thousand hashes a case
				}
				tampered(p, func(p []Hash) {
					if VerifyRange(uint64(first), leaves, uint64(size), root, p) == nil {
						t.Fatalf("%d from %d of %d: a tampered proof was accepted", count, first, size)
					}
				})
			}
		}
	}
}

// tampered calls try with p changed in every way that keeps its hashes whole: one left out, one twice, one foreign,
// two swapped.
func tampered(p []Hash, try func([]Hash)) {
	edit := func(change func([]Hash) []Hash) { try(change(append([]Hash(nil), p...))) }
	edit(func(q []Hash) []Hash { return append(q, Hash{}) })
	edit(func(q []Hash) []Hash { return append([]Hash{{}}, q...) })
	for i := range p {
		edit(func(q []Hash) []Hash { return append(q[:i], q[i+1:]...) })
		edit(func(q []Hash) []Hash { return append(q[:i+1], q[i:]...) })
		edit(func(q []Hash) []Hash { q[i][31] ^= 1; return q })
		if i > 0 {
			edit(func(q []Hash) []Hash { q[i], q[i-1] = q[i-1], q[i]; return q })
		}
	}
}

// TestEveryBitOfAProof flips every bit of proofs, leaves and roots of the three kinds.
func TestEveryBitOfAProof(t *testing.T) {
	const size, first, count, old = 77, 20, 9, 41
	tree := newNaive(size)
	inclusion, err1 := ProveInclusion(first, size, tree)
	consistency, err2 := ProveConsistency(old, size, tree)
	ranges, err3 := ProveRange(first, count, size, tree)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	// Slices of one, so that their bits can be flipped where the proof functions read them.
	leaf, leaves := tree[first:first+1], tree[first:first+count]
	roots, oldRoots := []Hash{tree.root()}, []Hash{tree[:old].root()}
	checks := map[string]struct {
		parts  [][]Hash
		verify func() error
	}{
		"inclusion": {[][]Hash{inclusion, leaf, roots}, func() error {
			return VerifyInclusion(first, size, leaf[0], roots[0], inclusion)
		}},
		"consistency": {[][]Hash{consistency, oldRoots, roots}, func() error {
			return VerifyConsistency(old, size, oldRoots[0], roots[0], consistency)
		}},
		"range": {[][]Hash{ranges, leaves, roots}, func() error {
			return VerifyRange(first, leaves, size, roots[0], ranges)
		}},
	}
	for name, c := range checks {
		t.Run(name, func(t *testing.T) {
			if err := c.verify(); err != nil {
				t.Fatal(err)
			}
			for _, part := range c.parts {
				for i := range part {
					for bit := range 8 * HashSize {
						part[i][bit/8] ^= 1 << (bit % 8)
						if err := c.verify(); !errors.Is(err, ErrProof) {
							t.Fatalf("bit %d of hash %d flipped: %v", bit, i, err)
						}
						part[i][bit/8] ^= 1 << (bit % 8)
					}
				}
			}
		})
	}
}

// TestSenselessProofs: places that do not exist are malformed, in proving as in verifying, before anything is read.
func TestSenselessProofs(t *testing.T) {
	unread := HashReaderFunc(func([]NodeID) ([]Hash, error) { t.Error("a hash was read"); return nil, nil })
	const huge = 1<<64 - 1
	for _, c := range [][3]uint64{{0, 1, 0}, {5, 1, 5}, {0, 0, 5}, {4, 2, 5}, {huge, 2, 5}, {1, huge, 5}, {0, 1, MaxSize + 1}, {huge, 1, huge}} {
		if _, err := ProveRange(c[0], c[1], c[2], unread); !errors.Is(err, ErrMalformed) {
			t.Errorf("ProveRange(%v): %v", c, err)
		}
		if c[1] == 1 {
			if _, err := ProveInclusion(c[0], c[2], unread); !errors.Is(err, ErrMalformed) {
				t.Errorf("ProveInclusion(%v): %v", c, err)
			}
			if err := VerifyInclusion(c[0], c[2], Hash{}, Hash{}, nil); !errors.Is(err, ErrMalformed) {
				t.Errorf("VerifyInclusion(%v): %v", c, err)
			}
		}
		if c[1] < 10 {
			if err := VerifyRange(c[0], make([]Hash, c[1]), c[2], Hash{}, nil); !errors.Is(err, ErrMalformed) {
				t.Errorf("VerifyRange(%v): %v", c, err)
			}
		}
	}
	for _, c := range [][2]uint64{{2, 1}, {1, MaxSize + 1}, {huge, huge}} {
		if _, err := ProveConsistency(c[0], c[1], unread); !errors.Is(err, ErrMalformed) {
			t.Errorf("ProveConsistency(%v): %v", c, err)
		}
		if err := VerifyConsistency(c[0], c[1], Hash{}, Hash{}, nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("VerifyConsistency(%v): %v", c, err)
		}
	}
}

// TestHashReaderFailures: a reader's error comes through, and a reader that answers too little is caught.
func TestHashReaderFailures(t *testing.T) {
	broken := errors.New("disk on fire")
	if _, err := ProveInclusion(3, 9, HashReaderFunc(func([]NodeID) ([]Hash, error) { return nil, broken })); !errors.Is(err, broken) {
		t.Errorf("the reader's error is lost: %v", err)
	}
	if _, err := ProveRange(3, 2, 9, HashReaderFunc(func(ids []NodeID) ([]Hash, error) { return make([]Hash, len(ids)-1), nil })); !errors.Is(err, ErrMalformed) {
		t.Errorf("a short answer: %v", err)
	}
}

func tlogProof(p []Hash) []tlog.Hash {
	out := make([]tlog.Hash, len(p))
	for i, h := range p {
		out[i] = tlog.Hash(h)
	}
	return out
}
