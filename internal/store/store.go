// Package store joins spools and ledger in one directory: it locks, drains what emitters have spooled, and closes the
// streams of processes that died.
//
//	store         marker: format, origin, verifier keys
//	lock          held by whoever writes the ledger
//	head, journal/, streams/, log/   the ledger's (package ledger)
//	keys/         log.key signs checkpoints, store.key seals the store's own events
//	spool/        a directory a stream (package spool)
//	quarantine/   what could not be taken in: never deleted
//
// Writers never wait for each other. Who finds the lock taken goes away, because the holder looks again after it has
// let go: so whatever was spooled before somebody was turned away is drained by the holder.
package store

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/origin"
	"github.com/stetlog/stet/proof"
)

const (
	lockFile   = "lock"
	markerFile = "store"
	// KnownDir is where known checkpoints are, within the state directory.
	KnownDir = "known"
)

// ErrNotAllowed says that the store belongs to another user.
var ErrNotAllowed = errors.New("not allowed")

// ErrNoStore says that a directory holds nothing of stet's.
var ErrNoStore = errors.New("there is no store here")

// Keys are the two keys of a store. They do one thing each: a checkpoint can never be taken for a seal.
type Keys struct {
	Log   keyfile.Key // signs checkpoints; its name is the log's origin
	Store keyfile.Key // seals the store's own events
}

// Store is a store directory. Methods are safe for one goroutine at a time; several processes may have the same one.
type Store struct {
	Path  string // as given to Open; "" where the store is not a directory of the operating system
	FS    fsx.FS
	Known known.Dir

	keys    func(create bool) (Keys, error)
	where   origin.Origin
	clock   *clock.Clock
	codec   *event.Codec
	rand    io.Reader
	closers []io.Closer
}

// Open opens a store for reading and draining. The directory must exist and be the user's own (ErrNotAllowed); one that
// holds nothing of stet's is ErrNoStore. state is the directory of this host's and user's memory, created where it is
// missing. Nothing in the store is changed before Drain.
func Open(path, state string) (*Store, error) {
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s does not exist; record something first, or name another with --store", ErrNoStore, path)
	}
	if err != nil {
		return nil, err
	}
	if !fi.IsDir() {
		return nil, fmt.Errorf("%w: %s is not a directory", ErrNoStore, path)
	}
	if uid, ok := fsx.Owner(fi); ok && uid != os.Geteuid() {
		return nil, fmt.Errorf("%w: %s belongs to uid %d and you are uid %d; a store has one owner, others reach it through a stet server", ErrNotAllowed, path, uid, os.Geteuid())
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return nil, err
	}
	stateFS, err := fsx.OpenDir(state)
	if err != nil {
		return nil, err
	}
	dir, err := fsx.OpenDir(path)
	if err != nil {
		return nil, errors.Join(err, stateFS.Close())
	}
	s := New(dir, known.Dir{FS: stateFS, Name: KnownDir}, func(create bool) (Keys, error) { return loadKeys(path, create) })
	s.Path = path
	s.closers = []io.Closer{dir, stateFS}
	if empty, err := s.empty(); err != nil || empty {
		if err == nil {
			err = fmt.Errorf("%w: %s is empty; record something first, or name another with --store", ErrNoStore, path)
		}
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// New makes a Store of its parts, for tests and for other kinds of stores.
func New(fsys fsx.FS, k known.Dir, keys func(create bool) (Keys, error)) *Store {
	return &Store{FS: fsys, Known: k, keys: keys, where: origin.Detect(os.LookupEnv), clock: clock.New(), codec: &event.Codec{}, rand: rand.Reader}
}

// Close gives up the directories.
func (s *Store) Close() error {
	var errs []error
	for _, c := range s.closers {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// empty says whether the directory has neither a marker nor a spool.
func (s *Store) empty() (bool, error) {
	for _, name := range []string{markerFile, "spool", "head", "log"} {
		_, err := s.FS.Stat(name)
		if err == nil {
			return false, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return false, err
		}
	}
	return true, nil
}

func loadKeys(path string, create bool) (k Keys, err error) {
	logPath, storePath := filepath.Join(path, "keys", "log.key"), filepath.Join(path, "keys", "store.key")
	if !create {
		if k.Log, err = keyfile.Load(logPath); err != nil {
			return k, err
		}
		k.Store, err = keyfile.Load(storePath)
		return k, err
	}
	var id [8]byte
	if _, err := rand.Read(id[:]); err != nil {
		return k, err
	}
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "unknown"
	}
	name := keyfile.CleanName(fmt.Sprintf("stet.local/%s/%s", host, hex.EncodeToString(id[:])))
	if k.Log, err = keyfile.LoadOrCreate(logPath, name, rand.Reader); err != nil {
		return k, err
	}
	k.Store, err = keyfile.LoadOrCreate(storePath, keyfile.CleanName("stet-store/"+name), rand.Reader)
	return k, err
}

// Marker is what the file "store" says: which log this is, and which keys it has. It is written once.
type Marker struct {
	Origin   string
	LogKey   string // verifier key of the log
	StoreKey string // verifier key of the store's own seals
}

const markerHeader = "stet/store/v1"

func (m Marker) bytes() []byte {
	return fmt.Appendf(nil, "%s\norigin %s\nlog %s\nstore %s\n", markerHeader, m.Origin, m.LogKey, m.StoreKey)
}

// ReadMarker reads the marker; a missing one is fs.ErrNotExist.
func ReadMarker(fsys fsx.FS) (Marker, error) {
	b, err := fsx.ReadFile(fsys, markerFile, 4096)
	if err != nil {
		return Marker{}, err
	}
	var m Marker
	lines := bytes.Split(b, []byte("\n"))
	if len(lines) == 5 {
		for i, p := range []struct {
			prefix string
			field  *string
		}{{"origin ", &m.Origin}, {"log ", &m.LogKey}, {"store ", &m.StoreKey}} {
			v, _ := bytes.CutPrefix(lines[i+1], []byte(p.prefix))
			*p.field = string(v)
		}
	}
	if !bytes.Equal(m.bytes(), b) {
		return Marker{}, &ledger.IntegrityError{File: markerFile, Reason: "the marker is damaged or of a version that this stet does not know"}
	}
	return m, nil
}

// Marker reads the store's marker.
func (s *Store) Marker() (Marker, error) { return ReadMarker(s.FS) }

// Source reads the store's log.
func (s *Store) Source() *logread.Dir { return logread.Store(s.FS) }

// open opens the ledger for writing; the caller holds the lock. A store that has no ledger yet gets its keys, its marker
// and its first entry.
func (s *Store) open(ctx context.Context) (*ledger.Ledger, Keys, error) {
	m, err := ReadMarker(s.FS)
	fresh := errors.Is(err, fs.ErrNotExist)
	if err != nil && !fresh {
		return nil, Keys{}, err
	}
	if fresh {
		// Keys without a marker are what a crash in the lines below leaves. A log without one is something else.
		for _, name := range []string{"head", "log", "journal"} {
			if _, err := s.FS.Stat(name); err == nil {
				return nil, Keys{}, &ledger.IntegrityError{File: markerFile, Reason: "it is missing beside " + name + ": the store was tampered with or half deleted"}
			}
		}
	}
	keys, err := s.keys(fresh)
	if err != nil {
		return nil, Keys{}, fmt.Errorf("keys of the store: %w", err)
	}
	want := Marker{Origin: keys.Log.Name, LogKey: keys.Log.VKey, StoreKey: keys.Store.VKey}
	if fresh {
		if err := fsx.Replace(s.FS, markerFile, want.bytes(), 0o600); err != nil {
			return nil, Keys{}, err
		}
	} else if m != want {
		return nil, Keys{}, &ledger.IntegrityError{File: markerFile, Reason: "it names other keys than those in keys/: one of them was replaced"}
	}
	signer, err := keys.Log.NoteSigner()
	if err != nil {
		return nil, Keys{}, err
	}
	verifier, err := note.NewVerifier(keys.Log.VKey)
	if err != nil {
		return nil, Keys{}, err
	}
	l, err := ledger.Open(ctx, ledger.Options{FS: s.FS, Origin: want.Origin, Signer: signer, Verifier: verifier,
		Now: s.now, Rand: s.rand})
	if err != nil {
		return nil, Keys{}, err
	}
	if err := s.agrees(ctx, l, keys); err != nil {
		return nil, Keys{}, errors.Join(err, l.Close())
	}
	return l, keys, nil
}

// agrees refuses a ledger that contradicts what this computer has seen of it: before anything is added to it.
func (s *Store) agrees(ctx context.Context, l *ledger.Ledger, keys Keys) error {
	size, root := l.Head()
	now := known.Checkpoint{Checkpoint: proof.Checkpoint{Origin: keys.Log.Name, Size: size, Root: root}, VKey: keys.Log.VKey}
	err := s.Known.Agrees(now, logread.Hashes(ctx, s.Source(), size))
	if errors.Is(err, known.ErrContradiction) {
		return &ledger.IntegrityError{File: "head", Reason: err.Error()}
	}
	return err
}

// base is what the store's own events share. The environment of the process that happens to drain says nothing about the
// store, so none of it is taken.
func (s *Store) base() event.Event {
	nothing := func(string) (string, bool) { return "", false }
	return emitter.Base(s.where, nothing, storeApp, "", "")
}
