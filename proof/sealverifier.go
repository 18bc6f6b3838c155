package proof

import (
	"fmt"
	"sync"
)

// A SealVerifier opens seals and remembers the keys that it has taken apart, for whoever opens many seals of few
// emitters. It keeps at most 1,024 keys, whatever it is fed. The zero value is ready; it is safe for concurrent use
// and must not be copied.
type SealVerifier struct {
	mu   sync.Mutex
	keys map[string]verifierKey
}

// maxCachedKeys bounds a SealVerifier's memory: about 300 bytes a key.
const maxCachedKeys = 1024

// Open does what OpenSeal does.
func (v *SealVerifier) Open(msg []byte) (Seal, error) {
	p, err := splitSeal(msg)
	if err != nil {
		return Seal{}, err
	}
	k, err := v.key(p.seal.Key)
	if err != nil {
		return Seal{}, err
	}
	return p.verify(k)
}

// Parse does what ParseSeal does: it does not compute the signature.
func (v *SealVerifier) Parse(msg []byte) (Seal, error) {
	p, err := splitSeal(msg)
	if err != nil {
		return Seal{}, err
	}
	k, err := v.key(p.seal.Key)
	if err != nil {
		return Seal{}, err
	}
	if err := p.matches(k); err != nil {
		return Seal{}, err
	}
	return p.seal, nil
}

func (v *SealVerifier) key(vkey string) (verifierKey, error) {
	v.mu.Lock()
	k, ok := v.keys[vkey]
	v.mu.Unlock()
	if ok {
		return k, nil
	}
	k, err := parseVKey(vkey)
	if err != nil {
		return verifierKey{}, fmt.Errorf("seal: %w", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	// Starting afresh is cheaper than choosing whom to forget, and a flood of keys costs no more than no cache.
	if v.keys == nil || len(v.keys) >= maxCachedKeys {
		v.keys = make(map[string]verifierKey)
	}
	v.keys[vkey] = k
	return k, nil
}
