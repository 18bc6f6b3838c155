//go:build unix && !linux

package fsx

import (
	"errors"
	"os"
)

func datasync(f *os.File) error { return f.Sync() }

func preallocate(f *os.File, size int64) error {
	fi, err := f.Stat()
	if err != nil || fi.Size() >= size {
		return err
	}
	return f.Truncate(size)
}

func space(*os.File) (Space, error) { return Space{}, errors.ErrUnsupported }
