package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// EmitterFile is the emitter's key within the state directory: one a host and user, for all stores and servers.
const EmitterFile = "emitter.key"

// nextFile is a key that is to take the place of the emitter's, and may be registered already.
const nextFile = EmitterFile + ".next"

// emitterName names an emitter's key for people; it proves nothing.
func emitterName(host string) string {
	return CleanName(fmt.Sprintf("stet-emitter/%s/%d", host, os.Geteuid()))
}

// Emitter returns the emitter's key in a state directory, and makes it where there is none; see LoadOrCreate. host only
// names a new key.
func Emitter(state, host string, random io.Reader) (Key, error) {
	return LoadOrCreate(filepath.Join(state, EmitterFile), emitterName(host), random)
}

// NextEmitter returns the key that is to take the emitter's place, and makes it where there is none: so whoever repeats a
// rotation that was interrupted goes on with the same key.
func NextEmitter(state, host string, random io.Reader) (Key, error) {
	return LoadOrCreate(filepath.Join(state, nextFile), emitterName(host), random)
}

// ErrNoNext says that no key is there to take the emitter's place.
var ErrNoNext = errors.New("there is no next key")

// TakeNextEmitter puts the next key in the emitter's place, durably. The old one is gone then: what it sealed verifies
// without it, and a process that runs goes on with its own copy. Whoever opens the key meanwhile gets one of the two.
func TakeNextEmitter(state string) error {
	err := os.Rename(filepath.Join(state, nextFile), filepath.Join(state, EmitterFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("keyfile: %w in %s", ErrNoNext, state)
	}
	if err != nil {
		return fmt.Errorf("keyfile: %w", err)
	}
	return syncDir(state)
}
