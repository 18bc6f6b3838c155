package proof

import "math/bits"

// VerifyInclusion checks that the leaf hash is at index in the tree of size leaves with this root, by the algorithm
// of RFC 9162 section 2.1.3.2. It returns nil when that is proven, an error that wraps ErrProof when it is not, and
// one that wraps ErrMalformed when index and size make no sense.
func VerifyInclusion(index, size uint64, leaf, root Hash, p []Hash) error {
	const what = "inclusion proof"
	if err := checkRange(what, index, 1, size); err != nil {
		return err
	}
	fn, sn := index, size-1
	h := leaf
	for _, sibling := range p {
		if sn == 0 {
			return broken(what, "%d hashes are too many for leaf %d of %d", len(p), index, size)
		}
		if fn&1 == 1 || fn == sn {
			h = NodeHash(sibling, h)
			for fn&1 == 0 && fn != 0 {
				fn >>= 1
				sn >>= 1
			}
		} else {
			h = NodeHash(h, sibling)
		}
		fn >>= 1
		sn >>= 1
	}
	if sn != 0 {
		return broken(what, "%d hashes are too few for leaf %d of %d", len(p), index, size)
	}
	return checkRoot(what, h, root)
}

// VerifyConsistency checks that the tree of old leaves with oldRoot is a prefix of the tree of size leaves with
// root, by the algorithm of RFC 9162 section 2.1.4.2. Two cases that the RFC leaves out are settled here: equal
// sizes need equal roots and an empty proof, and the empty tree (its root must be EmptyRoot) is a prefix of every
// tree, proven by the empty proof.
func VerifyConsistency(old, size uint64, oldRoot, root Hash, p []Hash) error {
	const what = "consistency proof"
	if old > size || size > MaxSize {
		return malformed(what, "from size %d to size %d: sizes must grow and stay below 2^53", old, size)
	}
	if old == 0 || old == size {
		if len(p) != 0 {
			return broken(what, "from size %d to size %d takes no hashes, not %d", old, size, len(p))
		}
		if old == 0 {
			if err := checkRoot(what+" (old tree)", EmptyRoot(), oldRoot); err != nil {
				return err
			}
			if size == 0 {
				return checkRoot(what+" (new tree)", EmptyRoot(), root)
			}
			return nil
		}
		return checkRoot(what, oldRoot, root)
	}
	if len(p) == 0 {
		return broken(what, "no hashes, from size %d to size %d", old, size)
	}
	// When the old tree is one complete subtree its root is itself the first node, and the proof leaves it out.
	var seed Hash
	if bits.OnesCount64(old) == 1 {
		seed = oldRoot
	} else {
		seed, p = p[0], p[1:]
	}
	fn, sn := old-1, size-1
	for fn&1 == 1 {
		fn >>= 1
		sn >>= 1
	}
	fr, sr := seed, seed
	for _, c := range p {
		if sn == 0 {
			return broken(what, "too many hashes from size %d to size %d", old, size)
		}
		if fn&1 == 1 || fn == sn {
			fr = NodeHash(c, fr)
			sr = NodeHash(c, sr)
			for fn&1 == 0 && fn != 0 {
				fn >>= 1
				sn >>= 1
			}
		} else {
			sr = NodeHash(sr, c)
		}
		fn >>= 1
		sn >>= 1
	}
	if sn != 0 {
		return broken(what, "too few hashes from size %d to size %d", old, size)
	}
	if err := checkRoot(what+" (old tree)", fr, oldRoot); err != nil {
		return err
	}
	return checkRoot(what+" (new tree)", sr, root)
}

// VerifyRange checks that leaves are the leaf hashes at [first, first+len(leaves)) in the tree of size leaves with
// this root. p holds the roots of all maximal subtrees without any of them, from left to right, no more and no less.
// A range proof of nothing is refused: it would prove nothing. It takes O(len(leaves) + log size) hashes.
func VerifyRange(first uint64, leaves []Hash, size uint64, root Hash, p []Hash) error {
	const what = "range proof"
	if err := checkRange(what, first, uint64(len(leaves)), size); err != nil {
		return err
	}
	w := rangeWalk{first: first, end: first + uint64(len(leaves)), leaves: leaves, rest: p}
	got := w.root(0, size)
	if w.short {
		return broken(what, "%d hashes are too few for leaves %d to %d of %d", len(p), w.first, w.end-1, size)
	}
	if len(w.rest) != 0 {
		return broken(what, "%d hashes, of which %d too many, for leaves %d to %d of %d", len(p), len(w.rest), w.first, w.end-1, size)
	}
	return checkRoot(what, got, root)
}

// rangeWalk computes a root from known leaves and, from left to right, the hashes of the subtrees without any. It
// goes at most 53 levels deep.
type rangeWalk struct {
	first, end uint64
	leaves     []Hash
	rest       []Hash
	short      bool // rest ran out
}

func (w *rangeWalk) root(lo, hi uint64) Hash {
	switch {
	case hi <= w.first || w.end <= lo:
		if len(w.rest) == 0 {
			w.short = true
			return Hash{}
		}
		h := w.rest[0]
		w.rest = w.rest[1:]
		return h
	case hi-lo == 1:
		return w.leaves[lo-w.first]
	}
	mid := lo + split(hi-lo)
	left := w.root(lo, mid)
	return NodeHash(left, w.root(mid, hi))
}

// checkRoot compares the root that a proof leads to with the one it should lead to. Roots are public, so the
// comparison need not take constant time.
func checkRoot(what string, got, want Hash) error {
	if got != want {
		return broken(what, "it leads to root %s, not %s", got, want)
	}
	return nil
}
