package segment

import (
	"bytes"
	"fmt"
)

// behind looks at what stands behind the last good frame. It returns why that is damage, or "" where it is nothing,
// zeros or a torn tail; see the package comment for the rule. It reads every byte once, in windows that overlap by a
// marker, and what looks like a frame once more.
func (r *Reader) behind() (string, error) {
	r.torn, r.spent, r.resume = false, 0, 0
	sibling := int64(-1) // where the first whole frame stands that was written together with the bad one
	b := make([]byte, min(window, max(0, r.size-r.off)))
	for at := r.off; at < r.size; {
		n := min(window, r.size-at)
		if ok, err := r.read(b[:n], at); !ok {
			return "", err
		}
		if !r.torn && !allZero(b[:n]) {
			r.torn = true
		}
		next := at + n
		if next < r.size {
			next -= int64(len(marker)) - 1
		}
		for i := int64(0); i < n; {
			j := bytes.Index(b[i:n], marker[:])
			if j < 0 {
				break
			}
			i += int64(j)
			fr, group, err := r.frameAt(at + i)
			switch {
			case err != nil:
				return "", err
			case fr.Payload == nil || fr.Offset == r.off:
				if r.spent > searchBudget {
					return "more false frame markers stand behind it than a torn write leaves", nil
				}
				i++
				continue
			}
			if r.resume == 0 {
				r.resume = fr.Offset
			}
			if group > r.off {
				return fmt.Sprintf("a whole frame (key %d) stands behind it at byte %d, written when this one was durable", fr.Key, fr.Offset), nil
			}
			if sibling < 0 {
				sibling = fr.Offset
			}
			if i = fr.end() - at; i >= n {
				next = fr.end()
			}
		}
		at = next
	}
	if sibling < 0 {
		return "", nil
	}
	missing, err := r.missing(r.off, sibling)
	if err != nil || missing {
		return "", err
	}
	return fmt.Sprintf("a whole frame of the same write stands behind it at byte %d, and no sector before that is missing", sibling), nil
}

// missing says whether a sector between two offsets reads as zeros.
func (r *Reader) missing(from, to int64) (bool, error) {
	b := make([]byte, min(window, to-from))
	for from < to {
		n := min(window-from%sector, to-from, int64(len(b))) // end at a sector's end
		if ok, err := r.read(b[:n], from); !ok {
			return true, err
		}
		if missingSector(b[:n], from) {
			return true, nil
		}
		from += n
	}
	return false, nil
}
