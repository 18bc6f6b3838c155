// Package store joins spools and ledger in one directory: it locks, drains what emitters have spooled, and closes the
// streams of processes that died.
//
//	store         marker: format, origin, verifier keys
//	lock          held by whoever writes the ledger
//	head, journal/, streams/, log/   the ledger's (package ledger)
//	keys/         log.key signs checkpoints (log-1.key and so on, when it was rotated), store.key seals the store's own events,
//	              door.key what comes unsealed to a server
//	spool/        a directory a stream (package spool)
//	quarantine/   what could not be taken in: never deleted
//
// Writers never wait for each other. Who finds the lock taken goes away, because the holder looks again after it has
// let go: so whatever was spooled before somebody was turned away is drained by the holder.
//
// A server holds a store open (Hold) for as long as it runs, and does all of this through the one open ledger.
package store

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/stetlog/stet/event"
	"github.com/stetlog/stet/internal/clock"
	"github.com/stetlog/stet/internal/emitter"
	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/known"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/origin"
)

const (
	lockFile = "lock"
	// KnownDir is where known checkpoints are, within the state directory.
	KnownDir = known.DirName
)

// ErrNotAllowed says that the store belongs to another user.
var ErrNotAllowed = errors.New("not allowed")

// ErrNoStore says that a directory holds nothing of stet's.
var ErrNoStore = errors.New("there is no store here")

// Store is a store directory. Methods are safe for one goroutine at a time; several processes may have the same one.
type Store struct {
	Path  string // as given to Open; "" where the store is not a directory of the operating system
	FS    fsx.FS
	Known known.Dir
	// Door returns the key that seals what comes unsealed to a server, and makes it where it is missing. Its name is given.
	Door func(name string) (keyfile.Key, error)

	keys    func(create bool) (Keys, error)
	where   origin.Origin
	clock   *clock.Clock
	codec   *event.Codec
	rand    io.Reader
	closers []io.Closer

	workers int // of the ledger; 0: one a processor
	window  int // batches that may be on their way into the journal at once
}

// Open opens a store for reading and draining. The directory must exist and be the user's own (ErrNotAllowed); one that
// holds nothing of stet's is ErrNoStore. state is the directory of this host's and user's memory, created where it is
// missing. Nothing in the store is changed before Drain.
func Open(path, state string) (*Store, error) {
	s, err := openStore(path, state)
	if err != nil {
		return nil, err
	}
	if empty, err := s.empty(); err != nil || empty {
		if err == nil {
			err = fmt.Errorf("%w: %s is empty; record something first, or name another with --store", ErrNoStore, path)
		}
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// OpenOrMake is Open for a server, which may begin with nothing: a directory that is missing is made (mode 0700), durably,
// and one that is empty becomes a store when it is held. A directory that holds something else is not touched: it is
// ErrNoStore.
func OpenOrMake(path, state string) (*Store, error) {
	if err := makeState(path); err != nil {
		return nil, fmt.Errorf("store directory: %w", err)
	}
	s, err := openStore(path, state)
	if err != nil {
		return nil, err
	}
	empty, err := s.empty()
	if err == nil && empty {
		err = s.unused()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// unused is an error where a directory that is no store holds what a store has not.
func (s *Store) unused() error {
	names, err := s.FS.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range names {
		switch strings.TrimSuffix(e.Name(), ".tmp") {
		case lockFile, markerFile, "keys", "auth", "lost+found": // what a start that was cut short leaves, and a file system
		default:
			return fmt.Errorf("%w: %s holds other things, such as %.80q; name a directory for stet alone", ErrNoStore, s.Path, e.Name())
		}
	}
	return nil
}

func openStore(path, state string) (*Store, error) {
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
	if err := makeState(state); err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
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
	s.Door = func(name string) (keyfile.Key, error) { return loadDoor(path, name) }
	s.closers = []io.Closer{dir, stateFS}
	return s, nil
}

// New makes a Store of its parts, for tests and for other kinds of stores. keys returns the store's keys; with create it
// makes those that are missing, durably. It is called by Drain only.
func New(fsys fsx.FS, k known.Dir, keys func(create bool) (Keys, error)) *Store {
	return &Store{FS: fsys, Known: k, keys: keys, Door: noDoor, where: origin.Detect(os.LookupEnv), clock: clock.New(), codec: &event.Codec{},
		rand: rand.Reader, window: defaultWindow}
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

func (s *Store) now() time.Time { return s.clock.Now().Wall }

// Source reads the store's log.
func (s *Store) Source() *logread.Dir { return logread.Store(s.FS) }

// base is what the store's own events share. The environment of the process that happens to drain says nothing about the
// store, so none of it is taken.
func (s *Store) base() event.Event {
	nothing := func(string) (string, bool) { return "", false }
	return emitter.Base(s.where, nothing, storeApp, "", "")
}
