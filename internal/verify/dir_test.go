package verify_test

import (
	"bytes"
	"context"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/logread"
	"github.com/stetlog/stet/internal/verify"
)

// writeAll puts files into a real directory.
func writeAll(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if path.Base(name) == keep {
			continue
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestEveryFileADirectory: on a real file system, a directory where a file should be cannot be read, and that is all
// that is known of it.
func TestEveryFileADirectory(t *testing.T) {
	_, files := spooledStore(t, 2, nil)
	_, crashed := storeFiles(t, 18, 20, false)
	for _, files := range []map[string][]byte{files, crashed} {
		dir := writeAll(t, files)
		fsys, err := fsx.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		check := func() verify.Report {
			t.Helper()
			rep, err := verify.Store(context.Background(), fsys, verify.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return rep
		}
		mustBe(t, check(), verify.Verified, "the store on disk")
		for name, b := range files {
			if path.Base(name) == keep || path.Base(name) == "lock" {
				continue
			}
			file := filepath.Join(dir, name)
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(file, 0o700); err != nil {
				t.Fatal(err)
			}
			mustBe(t, check(), verify.NotChecked, name+" is a directory")
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		mustBe(t, check(), verify.Verified, "the store on disk, put right again")
		for name, b := range files {
			if path.Base(name) == keep {
				continue
			}
			if now, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(now, b) {
				t.Errorf("%s is not what it was: %v", name, err)
			}
		}
		if err := fsys.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestExportOfAStore: what a store has, unpacked, verifies as a log by itself.
func TestExportOfAStore(t *testing.T) {
	w, files := storeFiles(t, 19, 30, true)
	fsys := newMemFS(t, files)
	src := logread.Store(fsys)
	plain := map[string][]byte{}
	err := src.List(context.Background(), func(name string, ok bool, err error) error {
		if err == nil && ok {
			plain[name], err = src.Fetch(context.Background(), name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	rep := checkLayout(t, plain, false, verify.Options{LogKey: w.log.vkey})
	mustBe(t, rep, verify.Verified, "the export")
}
