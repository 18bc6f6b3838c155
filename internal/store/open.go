package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/proof"
)

// maxUnpublished bounds the entries of a drain that wait in memory to be published, in bytes.
const maxUnpublished = 64 << 20

// open opens the ledger for writing; the caller holds the lock. A store that has no ledger yet gets its keys, its marker
// and an empty ledger, in this order: a crash in between leaves what the next call finds and goes on with. A change of the
// log's key that a crash cut short is finished. o says how the ledger is to work; whose it is, is filled in here.
func (s *Store) open(ctx context.Context, o ledger.Options) (*desk, error) {
	keys, log, err := s.identity(ctx)
	if err != nil {
		return nil, err
	}
	signers, err := log.signers()
	if err != nil {
		return nil, err
	}
	verifier, err := note.NewVerifier(log.now.VKey)
	if err != nil {
		return nil, err
	}
	if err := s.remembered(ctx, log); err != nil {
		return nil, err
	}
	if o.FS == nil {
		o.FS = s.FS
	}
	o.Origin, o.Verifier, o.Now, o.Rand, o.Workers = log.now.Name, verifier, s.now, s.rand, s.workers
	o.Signer, o.Beside = signers[0], signers[1:]
	l, err := ledger.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	r := newDesk(s, l, keys, log)
	if err := r.settleLogKeys(ctx); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	return r, nil
}

// identity returns the keys of the store, which must be those that its marker names or that took the log's place since, and
// makes both where the store is new.
func (s *Store) identity(ctx context.Context) (Keys, *logKeys, error) {
	m, err := ReadMarker(s.FS)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return Keys{}, nil, err
	}
	if fresh {
		// Keys without a marker are what a crash in the lines below leaves. A log without one is something else.
		for _, name := range []string{ledger.HeadFile, logread.StoreLog, "journal", "streams"} {
			switch _, err := s.FS.Stat(name); {
			case err == nil:
				return Keys{}, nil, &ledger.IntegrityError{File: markerFile, Reason: "it is missing beside " + name + ": the store was tampered with or half deleted"}
			case !errors.Is(err, fs.ErrNotExist):
				return Keys{}, nil, err
			}
		}
	}
	keys, err := s.keys(fresh)
	if err != nil && !fresh && errors.Is(err, fs.ErrNotExist) {
		return Keys{}, nil, &ledger.IntegrityError{File: "keys", Reason: "a key that the store's marker names is missing", Err: err}
	}
	if err != nil {
		return Keys{}, nil, fmt.Errorf("keys of the store: %w", err)
	}
	if fresh {
		m = Marker{Origin: keys.Log.Name, LogKey: keys.Log.VKey, StoreKey: keys.Store.VKey}
	}
	if keys.Log.Name != "" && keys.Log.VKey != m.LogKey || keys.Store.VKey != m.StoreKey {
		return Keys{}, nil, &ledger.IntegrityError{File: markerFile, Reason: "it names other keys than those in keys/: one of them was replaced"}
	}
	log, err := s.logKeys(ctx, m.LogKey, keys.Log)
	if err != nil {
		return Keys{}, nil, err
	}
	if !fresh {
		_, err := s.FS.Stat(ledger.HeadFile)
		if !errors.Is(err, fs.ErrNotExist) {
			return keys, log, err
		}
		// Whoever wrote the marker died, or met an error, before there was a ledger: what can be read need not be durable, and
		// no later sync would help a failed one. So it is written again.
	}
	return keys, log, fsx.Replace(s.FS, markerFile, m.Append(nil), 0o600)
}

// remembered refuses a ledger that is behind or beside what this computer has seen of it. It looks at the head before
// the ledger is opened, because already recovery writes and signs.
func (s *Store) remembered(ctx context.Context, log *logKeys) error {
	h, err := ledger.ReadHead(s.FS)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		h = ledger.Head{Root: proof.EmptyRoot()}
	case errors.Is(err, fsx.ErrTooLarge):
		return &ledger.IntegrityError{File: ledger.HeadFile, Reason: "it is damaged", Err: err}
	case err != nil:
		return err
	}
	now := known.Checkpoint{Checkpoint: proof.Checkpoint{Origin: log.now.Name, Size: h.Size, Root: h.Root}, VKey: log.now.VKey, Chain: log.chain}
	return contradiction(s.Known.Agrees(now, logread.Hashes(ctx, s.Source(), h.Size)))
}

// remember checks the checkpoint that was just published against the last one that this computer has seen, and puts it
// in its place, durably. Where it is the last one already, and nothing is to be removed because of it, that is enough.
func (s *Store) remember(ctx context.Context, log *logKeys, msg []byte, removing bool) (proof.Checkpoint, error) {
	cp, err := proof.ParseCheckpointText(msg)
	if err != nil {
		return cp, err
	}
	if !removing {
		last, ok, err := s.Known.Last(cp.Origin)
		if err != nil || ok && last.VKey == log.now.VKey && bytes.Equal(last.Note, msg) {
			return cp, err
		}
	}
	now := known.Checkpoint{Checkpoint: cp, VKey: log.now.VKey, Note: msg, Chain: log.chain}
	return cp, contradiction(s.Known.Advance(now, logread.Hashes(ctx, s.Source(), cp.Size)))
}

// contradiction makes an integrity failure of what known found: a log that contradicts a signed memory, or that has not
// even the tiles to be compared.
func contradiction(err error) error {
	var damage *logread.DamageError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, known.ErrContradiction):
		return &ledger.IntegrityError{File: ledger.HeadFile, Reason: "the log is not the one that was signed", Err: err}
	case errors.As(err, &damage), errors.Is(err, fs.ErrNotExist):
		return &ledger.IntegrityError{File: logread.StoreLog, Reason: "it cannot be compared with the checkpoint that this computer has seen", Err: err}
	}
	return err
}
