package store

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/keyfile"
	"github.com/stetlog/stet/internal/ledger"
)

// openDir makes a store directory with one ended stream in it, and a state directory.
func openDir(t *testing.T) (path, state string) {
	t.Helper()
	top := t.TempDir()
	path, state = filepath.Join(top, "S"), filepath.Join(top, "a", "b", "state")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	dir, err := fsx.OpenDir(path)
	if err != nil {
		t.Fatal(err)
	}
	said(t, dir, 1, 2)
	if err := dir.Close(); err != nil {
		t.Fatal(err)
	}
	return path, state
}

func drainDir(t *testing.T, path, state string) (Drained, error) {
	t.Helper()
	s, err := Open(path, state)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}()
	return s.Drain(t.Context())
}

func TestADirectory(t *testing.T) {
	path, state := openDir(t)
	d, err := drainDir(t, path, state)
	if err != nil || d.Events != 2 {
		t.Fatalf("drained %+v, %v, want 2 events", d, err)
	}
	again, err := drainDir(t, path, state)
	if err != nil || again.Size != d.Size || again.Batches != 0 {
		t.Errorf("drained again %+v, %v, want nothing", again, err)
	}
	s, err := Open(path, state)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Marker()
	if err != nil {
		t.Fatal(err)
	}
	if last, ok, err := s.Known.Last(m.Origin); err != nil || !ok || last.Size != d.Size {
		t.Errorf("known: %d, %v, %v, want %d", last.Size, ok, err, d.Size)
	}
	out := filepath.Join(path, "..", "out")
	log, err := s.Reading()
	if err != nil {
		t.Fatal(err)
	}
	if cp, err := log.ExportTlog(t.Context(), out, nil); err != nil || cp.Size != d.Size {
		t.Errorf("export: %d, %v, want %d entries", cp.Size, err, d.Size)
	}
	if _, err := log.ExportTlog(t.Context(), out, nil); err == nil {
		t.Error("an export into a directory that is not empty succeeded")
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

func TestNoStore(t *testing.T) {
	top := t.TempDir()
	file := filepath.Join(top, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(top, "none"), file, t.TempDir()} {
		if _, err := Open(path, filepath.Join(top, "state")); !errors.Is(err, ErrNoStore) {
			t.Errorf("%s: %v, want ErrNoStore", path, err)
		}
	}
}

// TestKeysAreMadeOnce: whatever a crash left of making them, and however many make them at once, there is one pair.
func TestKeysAreMadeOnce(t *testing.T) {
	path := t.TempDir()
	var mu sync.Mutex
	made := map[Marker]int{}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			k, err := loadKeys(path, true)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			made[Marker{k.Log.Name, k.Log.VKey, k.Store.VKey}]++
		})
	}
	all.Wait()
	if len(made) != 1 {
		t.Fatalf("%d pairs of keys were made: %v", len(made), made)
	}
	log, err := keyfile.Load(filepath.Join(path, "keys", "log.key"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(path, "keys", "store.key")); err != nil { // a crash between the two
		t.Fatal(err)
	}
	if _, err := loadKeys(path, false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without create: %v, want fs.ErrNotExist", err)
	}
	k, err := loadKeys(path, true)
	if err != nil || k.Log.VKey != log.VKey || k.Store.Name != "stet-store/"+log.Name {
		t.Errorf("made again: %s and %s, %v, want the same log key, and a store key named for it", k.Log.Name, k.Store.Name, err)
	}
}

// TestAReplacedKey in a real directory is an integrity failure (THREATS 18).
func TestAReplacedKey(t *testing.T) {
	path, state := openDir(t)
	if _, err := drainDir(t, path, state); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"log.key", "store.key"} {
		file := filepath.Join(path, "keys", name)
		old, err := keyfile.Load(file)
		if err != nil {
			t.Fatal(err)
		}
		saved, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
		if _, err := keyfile.LoadOrCreate(file, old.Name, nil); err != nil {
			t.Fatal(err)
		}
		var integrity *ledger.IntegrityError
		if _, err := drainDir(t, path, state); !errors.As(err, &integrity) {
			t.Errorf("%s replaced: %v, want an integrity failure", name, err)
		}
		if err := os.WriteFile(file, saved, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := drainDir(t, path, state); err != nil {
		t.Errorf("with the keys put back: %v", err)
	}
}
