package fsx

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// control runs fn on the file's descriptor, again where a signal interrupted it.
func control(f *os.File, fn func(fd int) error) error {
	c, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var ferr error
	if err := c.Control(func(fd uintptr) {
		for {
			if ferr = fn(int(fd)); !errors.Is(ferr, syscall.EINTR) {
				return
			}
		}
	}); err != nil {
		return err
	}
	return ferr
}

// datasync flushes the bytes and, where it changed, the length: enough for a growing file.
func datasync(f *os.File) error {
	if err := control(f, syscall.Fdatasync); err != nil {
		return fmt.Errorf("fdatasync %s: %w", f.Name(), err)
	}
	return nil
}

// preallocate reserves blocks. A failed fallocate may leave a partly grown file, so the length is put back.
func preallocate(f *os.File, size int64) error {
	fi, err := f.Stat()
	if err != nil {
		return err
	}
	if fi.Size() >= size {
		return nil
	}
	err = control(f, func(fd int) error { return syscall.Fallocate(fd, 0, 0, size) })
	if errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return f.Truncate(size)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("fallocate %s to %d bytes: %w", f.Name(), size, err), f.Truncate(fi.Size()))
	}
	return nil
}

func space(f *os.File) (Space, error) {
	var st syscall.Statfs_t
	if err := control(f, func(fd int) error { return syscall.Fstatfs(fd, &st) }); err != nil {
		return Space{}, fmt.Errorf("fstatfs %s: %w", f.Name(), err)
	}
	block := int64(st.Frsize) //nolint:unconvert // 32 bits on some systems
	if block == 0 {           // some file systems leave it to the block size of transfers
		block = int64(st.Bsize) //nolint:unconvert // the same
	}
	return Space{Free: int64(st.Bavail) * block, Size: int64(st.Blocks) * block}, nil
}
