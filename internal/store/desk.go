package store

import (
	"sync"

	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/proof"
)

// desk is an open ledger, and what the store itself does in it: judge events and keys, enrol, refuse, close the dead. A
// drain works at one for a round, a server for as long as it runs. Its methods are safe for concurrent use.
type desk struct {
	s     *Store
	l     *ledger.Ledger
	keys  Keys
	seals proof.SealVerifier

	acting sync.Mutex // held by an act from the look at its stream to its last batch; before mu

	mu       sync.RWMutex
	enrolled map[string]bool // keys that were found enrolled
}

func newDesk(s *Store, l *ledger.Ledger, keys Keys) *desk {
	return &desk{s: s, l: l, keys: keys, enrolled: map[string]bool{}}
}

func (r *desk) isEnrolled(vkey string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.enrolled[vkey]
}

func (r *desk) noteEnrolled(vkey string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.enrolled[vkey] = true
}
