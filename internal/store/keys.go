package store

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/stetlog/stet/internal/keyfile"
)

// Keys are the two keys that a store begins with. They do one thing each: a checkpoint can never be taken for a seal.
type Keys struct {
	Log   keyfile.Key // signs checkpoints, until it is retired; its name is the log's origin. Zero where its file is gone
	Store keyfile.Key // seals the store's own events
}

// loadKeys reads the keys of the store at path. With create it makes those that are missing, durably, and may be
// repeated after a crash at any moment: a key that is there stays, whoever made it. Without, a missing key is an error,
// because a new one would begin another log under the same roof; only the log's may be gone, because another took its place.
func loadKeys(path string, create bool) (k Keys, err error) {
	logPath, storePath := filepath.Join(path, "keys", "log.key"), filepath.Join(path, "keys", "store.key")
	if !create {
		if k.Log, err = keyfile.Load(logPath); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
	// The random part makes the name, which is the log's origin, one of its kind; so it must outlive any cut.
	const limit = keyfile.MaxName - len("stet-store/stet.local//") - 2*len(id)
	name := keyfile.CleanName(fmt.Sprintf("stet.local/%.*s/%s", limit, host, hex.EncodeToString(id[:])))
	if k.Log, err = keyfile.LoadOrCreate(logPath, name, rand.Reader); err != nil {
		return k, err
	}
	k.Store, err = keyfile.LoadOrCreate(storePath, keyfile.CleanName("stet-store/"+k.Log.Name), rand.Reader)
	return k, err
}

// loadDoor reads the key that seals what comes unsealed to a server, and makes it, durably, where it is missing: it is
// enrolled as an emitter's key is, so a new one begins nothing but new streams.
func loadDoor(path, name string) (keyfile.Key, error) {
	return keyfile.LoadOrCreate(filepath.Join(path, "keys", "door.key"), name, rand.Reader)
}

// noDoor is for a store that has no place for keys.
func noDoor(string) (keyfile.Key, error) {
	return keyfile.Key{}, errors.New("this store has none")
}

// makeState makes a directory, such as that of this user's memory, where it is missing, durably: what is remembered in it
// must not vanish with it.
func makeState(dir string) error {
	_, err := os.Stat(dir)
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	parent := filepath.Dir(dir)
	if err := makeState(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	d, err := os.Open(parent)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
