package store

import (
	"context"
	"hash/fnv"
	"sync"
	"sync/atomic"

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

	acting acting // before mu

	// log is replaced whole, by whoever holds turning.
	log     atomic.Pointer[logKeys]
	turning sync.Mutex // before acting
	unsure  error      // set once: what of the log's keys is on disk is not known; under turning

	mu      sync.RWMutex    // held for reading from the look at a key until its batch is in line
	good    map[string]bool // verifier keys that are known to be enrolled and not revoked
	revoked map[string]bool // ids of keys that are known to be revoked
}

func newDesk(s *Store, l *ledger.Ledger, keys Keys, log *logKeys) *desk {
	r := &desk{s: s, l: l, keys: keys, good: map[string]bool{}, revoked: map[string]bool{}}
	r.log.Store(log)
	return r
}

// acting keeps two calls from doing the same act at once: each is held from the look at the act's stream to its last batch.
// Acts about other subjects need not wait, so that those that come together share a flush.
type acting [64]sync.Mutex

func (a *acting) of(kind, subject string) *sync.Mutex {
	h := fnv.New32a()
	_, _ = h.Write([]byte(kind + "/" + subject)) // never fails
	return &a[h.Sum32()%uint32(len(a))]
}

// enqueue gets a batch in line, of a key that was introduced: see enrol. A batch that comes behind the revocation of its
// key would be a forgery to whoever verifies the log, so no revocation comes in between.
func (r *desk) enqueue(ctx context.Context, c *ledger.Checked, vkey string) (*ledger.Waiting, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if !r.good[vkey] && r.revoked[proof.KeyID(vkey)] {
		return nil, revoked(vkey)
	}
	return r.l.Enqueue(ctx, c)
}
