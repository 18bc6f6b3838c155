package fsx_test

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/internal/fsx/fsxtest"
)

func TestPatientConforms(t *testing.T) {
	fsxtest.Conform(t, func(*testing.T) fsx.FS { return fsx.Patient(fsxtest.New(), func(func() bool) {}) })
}

// failing is a file system on which every call fails.
type failing struct {
	fsx.FS
	err   error
	calls int
}

func (f *failing) fail() error {
	f.calls++
	return f.err
}

func (f *failing) Create(string, fs.FileMode) (fsx.File, error) { return nil, f.fail() }
func (f *failing) SyncDir(string) error                         { return f.fail() }
func (f *failing) Remove(string) error                          { return f.fail() }

// TestPatientWaitsForRoomAlone: it tries again what found no room, as long as it is let, and nothing else.
func TestPatientWaitsForRoomAlone(t *testing.T) {
	const attempts = 3
	full := &fs.PathError{Op: "write", Path: "f", Err: syscall.ENOSPC}
	create := func(f fsx.FS) error { _, err := f.Create("f", 0o600); return err }
	for name, c := range map[string]struct {
		err  error
		call func(fsx.FS) error
		want int // calls
	}{
		"no room":                    {full, create, 1 + attempts},
		"no share of it":             {fmt.Errorf("create: %w", syscall.EDQUOT), create, 1 + attempts},
		"said alone":                 {fmt.Errorf("create: %w", errors.Join(full, nil)), create, 1 + attempts},
		"and something else":         {errors.Join(full, syscall.EIO), create, 1},
		"something else":             {&fs.PathError{Op: "write", Path: "f", Err: syscall.EIO}, create, 1},
		"a sync that finds no room":  {full, func(f fsx.FS) error { return f.SyncDir(".") }, 1},
		"a removal that finds none":  {full, func(f fsx.FS) error { return f.Remove("f") }, 1},
		"a name that is there, full": {fmt.Errorf("%w: %w", fs.ErrExist, syscall.ENOSPC), create, 1},
	} {
		disk := &failing{err: c.err}
		left := attempts
		err := c.call(fsx.Patient(disk, func(try func() bool) {
			for ; left > 0 && try(); left-- {
			}
		}))
		if disk.calls != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: %d calls, want %d; %v", name, disk.calls, c.want, err)
		}
	}
}

// A write of which a part found room is made again whole, and nobody is told that it failed.
func TestPatientWritesAgainWhole(t *testing.T) {
	m := fsxtest.New()
	m.Limit(6)
	waits := 0
	f, err := fsx.Patient(m, func(try func() bool) {
		for m.Limit(100); try(); waits++ {
		}
	}).Create("f", 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := f.WriteAt([]byte("0123456789"), 0); n != 10 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	if b, err := fsx.ReadFile(m, "f", 100); err != nil || string(b) != "0123456789" || waits > 0 {
		t.Errorf("%q, %v, %d waits", b, err, waits)
	}
}
