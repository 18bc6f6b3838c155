package fsx

import (
	"errors"
	"io/fs"
	"syscall"
)

// Patient is fsys for who would rather wait than fail where the disk is full. A call that finds no room is given to wait as
// try, which makes it again and says whether there was still none; the call ends, with the last outcome, when wait returns.
// wait may be called from many goroutines at once.
//
// Only those calls are made again that have then changed nothing, or nothing that the next attempt does not write over:
// Create, Rename, Mkdir, and a file's WriteAt and Preallocate. A sync never is, whatever it fails with: what was lost by then
// is lost, and the next one would not say so (THREATS 2).
func Patient(fsys FS, wait func(try func() (full bool))) FS { return patient{fsys, wait} }

type patient struct {
	FS
	wait func(try func() (full bool))
}

func (p patient) do(call func() error) error {
	err := call()
	if isFull(err) {
		p.wait(func() bool {
			err = call()
			return isFull(err)
		})
	}
	return err
}

// isFull says whether err means that the disk, or the user's share of it, has no room, and nothing else beside it.
func isFull(err error) bool {
	for err != nil {
		if several, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // each error of the chain is looked at by itself
			all := several.Unwrap()
			if len(all) != 1 {
				return false
			}
			err = all[0]
			continue
		}
		if err == syscall.ENOSPC || err == syscall.EDQUOT { //nolint:errorlint // the same
			return true
		}
		err = errors.Unwrap(err)
	}
	return false
}

func (p patient) Create(name string, perm fs.FileMode) (f File, err error) {
	err = p.do(func() error {
		f, err = p.FS.Create(name, perm)
		return err
	})
	if err != nil {
		return nil, err
	}
	return patientFile{f, p}, nil
}

func (p patient) Rename(oldname, newname string) error {
	return p.do(func() error { return p.FS.Rename(oldname, newname) })
}

func (p patient) Mkdir(name string, perm fs.FileMode) error {
	return p.do(func() error { return p.FS.Mkdir(name, perm) })
}

type patientFile struct {
	File
	p patient
}

func (f patientFile) WriteAt(b []byte, off int64) (n int, err error) {
	err = f.p.do(func() error {
		n, err = f.File.WriteAt(b, off)
		return err
	})
	return n, err
}

func (f patientFile) Preallocate(size int64) error {
	return f.p.do(func() error { return f.File.Preallocate(size) })
}
