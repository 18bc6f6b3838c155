package verify_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
	"github.com/stetlog/stet/internal/ledger"
	"github.com/stetlog/stet/internal/verify"
)

// options opens the ledger of a store that the test writes.
func (w *world) options(fsys fsx.FS) ledger.Options {
	w.t.Helper()
	v, err := note.NewVerifier(w.log.vkey)
	if err != nil {
		w.t.Fatal(err)
	}
	return ledger.Options{FS: fsys, Origin: origin, Signer: w.log.signer, Verifier: v, Now: w.clock,
		Rand: rand.NewChaCha8([32]byte{1}), SegmentBytes: 16 << 10, PublishBusy: 1, PublishIdle: 1 << 40, HeadStreams: 4, Workers: 1}
}

// openStore opens a store's ledger, and makes the store where there is none.
func (w *world) openStore(fsys fsx.FS) (*ledger.Ledger, error) {
	if _, err := fsys.Stat("store"); errors.Is(err, fs.ErrNotExist) {
		if err := fsx.MkdirAll(fsys, "keys", 0o700); err != nil {
			return nil, err
		}
		marker := fmt.Appendf(nil, "stet/store/v1\norigin %s\nlog %s\nstore %s\n", origin, w.log.vkey, w.store.vkey)
		for _, f := range []struct {
			name string
			data []byte
		}{{"keys/log.key", w.log.file}, {"keys/store.key", w.store.file}, {"store", marker}} {
			if err := fsx.Replace(fsys, f.name, f.data, 0o600); err != nil {
				return nil, err
			}
		}
	}
	return ledger.Open(context.Background(), w.options(fsys))
}

// into has the world write into a ledger.
func (w *world) into(l *ledger.Ledger) {
	w.take = func(b ledger.Batch, loss *ledger.Loss) {
		var err error
		if loss != nil {
			_, err = l.AppendLoss(context.Background(), b.Via, *loss)
		} else {
			_, err = l.Append(context.Background(), b)
		}
		if err != nil && !w.soft {
			w.t.Fatal(err)
		}
	}
}

// storeFiles makes a store of n batches, of which all but the last few are published, and returns its files. clean says
// that it was closed; otherwise its process was killed.
func storeFiles(t testing.TB, seed uint64, n int, clean bool) (*world, map[string][]byte) {
	t.Helper()
	w := newIdleWorld(t, seed)
	disk := fsxtest.New()
	fsys := disk.Process()
	l, err := w.openStore(fsys)
	if err != nil {
		t.Fatal(err)
	}
	w.into(l)
	w.enrol(w.store)
	for i := range n {
		w.fill(1)
		if i%7 == 3 && i < n-3 {
			if _, err := l.Publish(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if clean {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		return w, readAll(t, disk.Process(), ".")
	}
	fsys.Kill()
	_ = l.Close() // it can only fail
	return w, readAll(t, disk.Process(), ".")
}

func readAll(t testing.TB, fsys fsx.FS, dir string) map[string][]byte {
	t.Helper()
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		name := strings.TrimPrefix(dir+"/"+e.Name(), "./")
		if e.IsDir() {
			maps.Copy(files, readAll(t, fsys, name))
			if len(files) == 0 || name == "journal" || name == "streams" || name == "log" {
				files[name+"/"+keep] = nil
			}
			continue
		}
		if files[name], err = fsx.ReadFile(fsys, name, 1<<30); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

func checkStore(t testing.TB, files map[string][]byte, o verify.Options) verify.Report {
	t.Helper()
	rep, err := verify.Store(context.Background(), newMemFS(t, files), o)
	if err != nil {
		t.Fatal(err)
	}
	return rep
}

func TestSoundStores(t *testing.T) {
	for seed := range uint64(8) {
		for _, clean := range []bool{true, false} {
			w, files := storeFiles(t, seed, int(seed)*6, clean)
			rep := checkStore(t, files, verify.Options{})
			mustBe(t, rep, verify.Verified, fmt.Sprintf("store %d, clean %v", seed, clean))
			if rep.LogKeyFrom != verify.KeyOwn || rep.StoreKey != w.store.vkey && rep.Entries > 0 {
				t.Errorf("%s, store key %q", rep.LogKeyFrom, rep.StoreKey)
			}
			if clean && rep.Pending > 0 || !clean && seed > 2 && rep.Pending == 0 {
				t.Errorf("%d entries pending, clean %v", rep.Pending, clean)
			}
			mustBe(t, checkStore(t, files, verify.Options{LogKey: w.log.vkey}), verify.Verified, "with its key pinned")
			mustFail(t, checkStore(t, files, verify.Options{LogKey: w.store.vkey}), "another key pinned")
		}
	}
}

// clock is the ledger's clock.
func (w *world) clock() time.Time { return w.now }
