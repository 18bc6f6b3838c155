package watch

import "crypto/sha256"

// hash stands for something that need not be shown, only known again.
type hash [16]byte

// hashOf hashes its parts, none of which holds a zero byte: events hold none.
func hashOf(kind byte, parts ...string) hash {
	var room [256]byte
	b := append(room[:0], kind)
	for _, p := range parts {
		b = append(b, p...)
		b = append(b, 0)
	}
	sum := sha256.Sum256(b)
	return hash(sum[:16])
}

// past remembers hashes, the last half of most at least.
type past struct {
	most     int
	now, old map[hash]struct{}
}

// maxPast is for 100,000 runs, of which none leaves more than five hashes.
const maxPast = 1_000_000

func newPast(most int) past { return past{most: most, now: make(map[hash]struct{})} }

func (p *past) add(h hash) {
	if len(p.now) >= p.most/2 {
		p.old, p.now = p.now, make(map[hash]struct{})
	}
	p.now[h] = struct{}{}
}

func (p *past) has(h hash) bool {
	if _, ok := p.now[h]; ok {
		return true
	}
	_, ok := p.old[h]
	return ok
}
