package store

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

const (
	keysDir    = "keys"
	firstKey   = keysDir + "/log.key"
	chainFile  = logread.StoreLog + "/" + proof.KeyChainPath
	maxKeyFile = 1024 // bytes
)

// logKeyFile is where the private half of a log's nth key is: 0 is the one that it began with.
func logKeyFile(n int) string {
	if n == 0 {
		return firstKey
	}
	return fmt.Sprintf("%s/log-%d.key", keysDir, n)
}

// logKeys are the keys of a log at one time. It is not changed once made.
type logKeys struct {
	first  string         // verifier key that the log began with, which the marker names
	chain  proof.KeyChain // how now came from first
	now    keyfile.Key
	beside []oldKey // that still sign, oldest first
}

// oldKey is a key whose place another has taken.
type oldKey struct {
	n int // its number: see logKeyFile
	keyfile.Key
}

// LogKeys tells which keys a log has had.
type LogKeys struct {
	First  string         // verifier key that the log began with
	Chain  proof.KeyChain // how others took its place
	Beside []string       // verifier keys that sign beside the newest until they are retired, oldest first
}

// All lists the log's keys, in the order they came. The last one counts.
func (k LogKeys) All() []string { return k.Chain.Keys(k.First) }

// Newest is the key that counts.
func (k LogKeys) Newest() string {
	all := k.All()
	return all[len(all)-1]
}

// LogKeys tells which keys the log has.
func (h *Held) LogKeys() LogKeys {
	log := h.log.Load()
	k := LogKeys{First: log.first, Chain: log.chain}
	for _, old := range log.beside {
		k.Beside = append(k.Beside, old.VKey)
	}
	return k
}

// NewestLogKey is the key of a store's log that counts. It reads the store only; m is its marker.
func NewestLogKey(ctx context.Context, fsys fsx.FS, m Marker) (string, proof.KeyChain, error) {
	chain, err := logread.Keys(ctx, logread.Store(fsys))
	if err == nil {
		var vkey string
		if vkey, err = newestOf(chain, m.LogKey); err == nil {
			return vkey, chain, nil
		}
	}
	var damage *logread.DamageError
	if errors.As(err, &damage) || errors.Is(err, proof.ErrSignature) {
		err = &ledger.IntegrityError{File: chainFile, Reason: "it does not lead from the log's first key, which the marker names, to others", Err: err}
	}
	return "", proof.KeyChain{}, err
}

// newestOf follows the whole chain of a store from the key that its marker names.
func newestOf(chain proof.KeyChain, first string) (string, error) {
	if chain.Len() > 0 {
		if h, _ := chain.At(0); h.Old != first {
			return "", fmt.Errorf("%w: its first handover is from %s", proof.ErrSignature, h.Old)
		}
	}
	return chain.Newest(first)
}

// logKeys reads which keys the log has. The newest must be there; an older one that is not was retired.
func (s *Store) logKeys(ctx context.Context, first string, firstPair keyfile.Key) (*logKeys, error) {
	newest, chain, err := NewestLogKey(ctx, s.FS, Marker{LogKey: first})
	if err != nil {
		return nil, err
	}
	log := &logKeys{first: first, chain: chain}
	for n, vkey := range chain.Keys(first) {
		k := firstPair
		if n > 0 {
			k, err = s.readLogKey(n)
		} else if k.Name == "" {
			err = fs.ErrNotExist
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) && vkey == newest:
			return nil, &ledger.IntegrityError{File: logKeyFile(n), Reason: "the log's key is missing: restore it from a backup of the store, nothing else can sign for this log", Err: err}
		case errors.Is(err, fs.ErrNotExist):
			continue
		case err != nil:
			return nil, fmt.Errorf("keys of the store: %w", err)
		case k.VKey != vkey:
			return nil, &ledger.IntegrityError{File: logKeyFile(n), Reason: "it is another key than the log's keys name at this place: it was replaced"}
		case vkey == newest:
			log.now = k
		default:
			log.beside = append(log.beside, oldKey{n, k})
		}
	}
	return log, nil
}

// readLogKey reads a key that took another's place. It is refused where others than its owner could have read it.
func (s *Store) readLogKey(n int) (keyfile.Key, error) {
	name := logKeyFile(n)
	fi, err := s.FS.Stat(name)
	if err != nil {
		return keyfile.Key{}, err
	}
	if uid, ok := fsx.Owner(fi); ok && uid != os.Geteuid() {
		return keyfile.Key{}, fmt.Errorf("%s: %w: owner is uid %d", name, keyfile.ErrOwner, uid)
	}
	if mode := fi.Mode(); !mode.IsRegular() || mode.Perm()&0o077 != 0 {
		return keyfile.Key{}, fmt.Errorf("%s: %w: mode is %s; if nobody else can have read it, chmod 600 it", name, keyfile.ErrExposed, mode)
	}
	b, err := fsx.ReadFile(s.FS, name, maxKeyFile)
	if err != nil {
		return keyfile.Key{}, err
	}
	k, err := keyfile.Parse(b)
	if err != nil {
		return keyfile.Key{}, fmt.Errorf("%s: %w", name, err)
	}
	return k, nil
}

// makeLogKey makes the log's nth key, durably, or takes the one that a change that was cut short has left.
func (s *Store) makeLogKey(n int, name string) (keyfile.Key, error) {
	k, err := s.readLogKey(n)
	if err == nil {
		return k, s.FS.SyncDir(keysDir) // whoever made it may have died before that
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return k, err
	}
	k, text, err := keyfile.GenerateFile(name, s.rand)
	if err == nil {
		err = fsx.MkdirAll(s.FS, keysDir, 0o700)
	}
	if err != nil {
		return k, err
	}
	return k, fsx.Replace(s.FS, logKeyFile(n), text, 0o600)
}

// signers are what signs checkpoints: the key that counts, then the others.
func (k *logKeys) signers() ([]note.Signer, error) {
	var all []note.Signer
	add := func(k keyfile.Key) error {
		s, err := k.NoteSigner()
		all = append(all, s)
		return err
	}
	err := add(k.now)
	for _, old := range k.beside {
		err = errors.Join(err, add(old.Key))
	}
	return all, err
}
