package proof

import (
	"fmt"
	"iter"
)

// A Leaf is one leaf of a set whose place in a tree is shown.
type Leaf struct {
	Index uint64
	Hash  Hash
	// Hidden says that the leaf belongs to the set by its place alone: its hash is in the proof, not with whoever verifies.
	Hidden bool
}

// SetRoot computes the root of a tree of size leaves, at least one, from a set of its leaves and the proof of that set: the
// roots of all maximal subtrees without any leaf of the set, and the hashes of the set's hidden leaves, from left to right.
// Each hash that several inclusion proofs would share stands there once. docs/spec/evidence.md calls this WALK.
//
// next returns the leaves in the order of their places, and rest the hashes of the proof; false says that there are no more.
// Both may be read from a stream: nothing is kept but one hash a level. Errors of next and rest are returned as they are; an
// order that does not rise, or a leaf outside the tree, wraps ErrMalformed, and a proof that is too short ErrProof. It takes no
// more hashes than it needs: whether others follow, and whether the root is the right one, is for the caller to say.
func SetRoot(size uint64, next func() (Leaf, bool, error), rest func() (Hash, bool, error)) (Hash, error) {
	if size == 0 || size > MaxSize {
		return Hash{}, malformed("set proof", "a tree of %d leaves", size)
	}
	w := setWalk{next: next, rest: rest}
	if err := w.advance(0); err != nil {
		return Hash{}, err
	}
	root, err := w.root(0, size)
	if err != nil {
		return Hash{}, err
	}
	if w.more {
		return Hash{}, malformed("set proof", "leaf %d is not in a tree of %d", w.leaf.Index, size)
	}
	return root, nil
}

type setWalk struct {
	next func() (Leaf, bool, error)
	rest func() (Hash, bool, error)
	leaf Leaf // the next one of the set, when more
	more bool
}

func (w *setWalk) advance(from uint64) (err error) {
	if w.leaf, w.more, err = w.next(); err == nil && w.more && w.leaf.Index < from {
		err = malformed("set proof", "leaf %d comes behind leaf %d", w.leaf.Index, from-1)
	}
	return err
}

// root goes at most 53 levels deep.
func (w *setWalk) root(lo, hi uint64) (Hash, error) {
	switch {
	case !w.more || w.leaf.Index >= hi:
		return w.hash(lo, hi)
	case hi-lo == 1:
		h := w.leaf.Hash
		if w.leaf.Hidden {
			var err error
			if h, err = w.hash(lo, hi); err != nil {
				return h, err
			}
		}
		return h, w.advance(hi)
	}
	mid := lo + split(hi-lo)
	left, err := w.root(lo, mid)
	if err != nil {
		return Hash{}, err
	}
	right, err := w.root(mid, hi)
	return NodeHash(left, right), err
}

func (w *setWalk) hash(lo, hi uint64) (Hash, error) {
	h, ok, err := w.rest()
	if err == nil && !ok {
		err = broken("set proof", "it ends before the hash of leaves %d to %d", lo, hi-1)
	}
	return h, err
}

// setChunk is how many hashes ProveSet asks for at once.
const setChunk = 256

// ProveSet hands the proof of a set of leaves of a tree of size leaves to emit, hash by hash, in the order in which SetRoot
// takes them. set is the leaves in the order of their places; of their hashes nothing is read. r is called once for some hundred
// hashes. Errors of emit are returned as they are.
func ProveSet(size uint64, set iter.Seq[Leaf], r HashReader, emit func(Hash) error) error {
	const what = "set proof"
	next, stop := iter.Pull(set)
	defer stop()
	var spans []span
	flush := func() error {
		hashes, err := readSpans(what, spans, r)
		if err != nil {
			return err
		}
		for _, h := range hashes {
			if err := emit(h); err != nil {
				return err
			}
		}
		spans = spans[:0]
		return nil
	}
	leaf, more := next()
	var walk func(lo, hi uint64) error
	walk = func(lo, hi uint64) error {
		if more && leaf.Index < lo {
			return malformed(what, "leaf %d stands twice, or out of order", leaf.Index)
		}
		if more && leaf.Index < hi && hi-lo > 1 {
			mid := lo + split(hi-lo)
			if err := walk(lo, mid); err != nil {
				return err
			}
			return walk(mid, hi)
		}
		shown := more && leaf.Index < hi && !leaf.Hidden
		if more && leaf.Index < hi {
			leaf, more = next()
		}
		if shown {
			return nil
		}
		if spans = append(spans, span{lo, hi}); len(spans) < setChunk {
			return nil
		}
		return flush()
	}
	if size == 0 || size > MaxSize {
		return malformed(what, "a tree of %d leaves", size)
	}
	if err := walk(0, size); err != nil {
		return fmt.Errorf("prove a set: %w", err)
	}
	if more {
		return malformed(what, "leaf %d is not in a tree of %d", leaf.Index, size)
	}
	return flush()
}
