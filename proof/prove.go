package proof

import "fmt"

// A HashReader gives the hashes of complete subtrees. A ledger answers from its tiles (see TileHashes); a test from
// a slice.
//
// ReadHashes returns one hash an id, in the order of ids, which name only complete subtrees of the tree that is being
// proven about. It is called once a proof, with at most a few hundred ids, from the goroutine that asked for the
// proof. Its error is passed on wrapped; the caller decides whether to retry.
type HashReader interface {
	ReadHashes(ids []NodeID) ([]Hash, error)
}

// HashReaderFunc makes a function a HashReader.
type HashReaderFunc func(ids []NodeID) ([]Hash, error)

// ReadHashes calls f.
func (f HashReaderFunc) ReadHashes(ids []NodeID) ([]Hash, error) { return f(ids) }

// ProveInclusion returns the RFC 6962 section 2.1.1 audit path of the leaf at index in the tree of size leaves: from
// the leaf's sibling up to the root's child.
func ProveInclusion(index, size uint64, r HashReader) ([]Hash, error) {
	if err := checkRange("inclusion proof", index, 1, size); err != nil {
		return nil, err
	}
	var spans []span
	lo, hi := uint64(0), size
	for hi-lo > 1 {
		mid := lo + split(hi-lo)
		if index < mid {
			spans = append(spans, span{mid, hi})
			hi = mid
		} else {
			spans = append(spans, span{lo, mid})
			lo = mid
		}
	}
	// The walk went down; the path goes up.
	for i, j := 0, len(spans)-1; i < j; i, j = i+1, j-1 {
		spans[i], spans[j] = spans[j], spans[i]
	}
	return readSpans("inclusion proof", spans, r)
}

// ProveConsistency returns the RFC 6962 section 2.1.2 proof that the tree of old leaves is a prefix of the tree of
// size leaves. It is empty when old is 0 or equals size.
func ProveConsistency(old, size uint64, r HashReader) ([]Hash, error) {
	if old > size || size > MaxSize {
		return nil, malformed("consistency proof", "from size %d to size %d: sizes must grow and stay below 2^53", old, size)
	}
	if old == 0 || old == size {
		return nil, nil
	}
	return readSpans("consistency proof", consistencySpans(nil, old, 0, size, true), r)
}

// consistencySpans is SUBPROOF of RFC 6962 section 2.1.2 over leaves [lo, hi); whole says that the old tree's part
// of this range is a subtree that the verifier knows already.
func consistencySpans(spans []span, old, lo, hi uint64, whole bool) []span {
	if old == hi {
		if whole {
			return spans
		}
		return append(spans, span{lo, hi})
	}
	mid := lo + split(hi-lo)
	if old <= mid {
		spans = consistencySpans(spans, old, lo, mid, whole)
		return append(spans, span{mid, hi})
	}
	spans = consistencySpans(spans, old, mid, hi, false)
	return append(spans, span{lo, mid})
}

// ProveRange returns the proof that count consecutive leaves from first on are in the tree of size leaves: the roots
// of all maximal subtrees that hold none of them, from left to right. With count 1 these are the hashes of the
// inclusion proof in another order.
func ProveRange(first, count, size uint64, r HashReader) ([]Hash, error) {
	if err := checkRange("range proof", first, count, size); err != nil {
		return nil, err
	}
	return readSpans("range proof", rangeSpans(nil, first, first+count, 0, size), r)
}

func rangeSpans(spans []span, first, end, lo, hi uint64) []span {
	switch {
	case hi <= first || end <= lo:
		return append(spans, span{lo, hi})
	case first <= lo && hi <= end:
		return spans
	}
	mid := lo + split(hi-lo)
	return rangeSpans(rangeSpans(spans, first, end, lo, mid), first, end, mid, hi)
}

// A span is a subtree over leaves [lo, hi), complete or at the ragged right edge.
type span struct{ lo, hi uint64 }

// readSpans reads the roots of spans with one call to r.
func readSpans(what string, spans []span, r HashReader) ([]Hash, error) {
	if len(spans) == 0 {
		return nil, nil
	}
	var ids []NodeID
	counts := make([]int, len(spans))
	for i, s := range spans {
		before := len(ids)
		ids = appendCover(ids, s.lo, s.hi)
		counts[i] = len(ids) - before
	}
	hashes, err := r.ReadHashes(ids)
	if err != nil {
		return nil, fmt.Errorf("%s: read %d tree hashes: %w", what, len(ids), err)
	}
	if len(hashes) != len(ids) {
		return nil, fmt.Errorf("%s: %w: the hash reader gave %d hashes for %d ids", what, ErrMalformed, len(hashes), len(ids))
	}
	out := make([]Hash, len(spans))
	for i, n := range counts {
		out[i] = foldRight(hashes[:n])
		hashes = hashes[n:]
	}
	return out, nil
}

// checkRange refuses leaves [first, first+count) that are not in a tree of size leaves, or none at all.
func checkRange(what string, first, count, size uint64) error {
	if size > MaxSize {
		return malformed(what, "tree size %d is above 2^53 - 1", size)
	}
	if count == 0 || first >= size || count > size-first {
		return malformed(what, "%d leaves from index %d are not in a tree of %d", count, first, size)
	}
	return nil
}
