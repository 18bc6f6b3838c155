package fsx_test

import (
	"path/filepath"
	"syscall"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

func TestDirConforms(t *testing.T) {
	fsxtest.Conform(t, func(t *testing.T) fsx.FS {
		d, err := fsx.OpenDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := d.Close(); err != nil {
				t.Error(err)
			}
		})
		return d
	})
}

// A pipe in a store is somebody's trap: opening it must not wait for a writer.
func TestOpenDoesNotWaitForAPipe(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "head"), 0o600); err != nil {
		t.Fatal(err)
	}
	d, err := fsx.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if f, err := d.Open("head"); err == nil {
		t.Errorf("a pipe was opened as a file: %v", f.Close())
	}
	if err := d.Close(); err != nil {
		t.Error(err)
	}
}
