package fsxtest

import (
	"io/fs"
	"path"
	"slices"
	"syscall"

	"github.com/stetlog/stet/internal/fsx"
)

// file is an open file of one process.
type file struct {
	m      *Mem
	name   string
	n      *inode
	write  bool
	closed bool
}

var _ fsx.File = (*file)(nil)

// do carries out an operation on an open file.
func (f *file) do(kind Kind, fn func(verdict) error) error {
	return f.m.do(kind, f.name, func(v verdict) error {
		if f.closed {
			return fs.ErrClosed
		}
		return fn(v)
	})
}

// ReadAt implements fsx.File. It sees what was written, durable or not.
func (f *file) ReadAt(b []byte, off int64) (int, error) {
	var n int
	var eof error
	err := f.do(OpRead, func(verdict) error {
		if off < 0 {
			return fs.ErrInvalid
		}
		n, eof = f.n.live.readAt(b, off)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, eof
}

// WriteAt implements fsx.File.
func (f *file) WriteAt(b []byte, off int64) (int, error) {
	var n int
	all := len(b)
	err := f.do(OpWrite, func(v verdict) error {
		if !f.write {
			return syscall.EBADF
		}
		if off < 0 {
			return fs.ErrInvalid
		}
		if v.half {
			b = b[:len(b)/2]
		}
		room, err := f.reserve(off + int64(len(b)))
		n = int(max(0, min(int64(len(b)), room-off)))
		if n > 0 {
			f.change(&change{op: v.op, kind: OpWrite, off: off, data: slices.Clone(b[:n])})
		}
		return err
	})
	if err != nil && n == all { // an injected error after the whole effect
		n = 0
	}
	return n, err
}

// Truncate implements fsx.File.
func (f *file) Truncate(size int64) error {
	return f.do(OpTruncate, func(v verdict) error {
		if !f.write || size < 0 {
			return syscall.EINVAL
		}
		if size < f.n.alloc {
			f.m.d.used -= f.n.alloc - size
			f.n.alloc = size
		}
		f.change(&change{op: v.op, kind: OpTruncate, size: size})
		return nil
	})
}

// Preallocate implements fsx.File. Where the disk is too small the file stays as it was.
func (f *file) Preallocate(size int64) error {
	return f.do(OpPreallocate, func(v verdict) error {
		if !f.write {
			return syscall.EBADF
		}
		if v.half {
			size = f.n.live.size + (size-f.n.live.size)/2
		}
		if size <= f.n.live.size {
			return nil
		}
		if d := f.m.d; d.limit > 0 && d.used+size-f.n.alloc > d.limit {
			return syscall.ENOSPC
		}
		if _, err := f.reserve(size); err != nil {
			return err
		}
		f.change(&change{op: v.op, kind: OpPreallocate, size: size})
		return nil
	})
}

// Sync implements fsx.File.
func (f *file) Sync() error {
	return f.do(OpSync, func(v verdict) error {
		if v.failed {
			f.n.settle(lost)
			return nil
		}
		f.n.settle(synced)
		d := f.m.d
		if len(f.n.writes) == 0 {
			d.touched = slices.DeleteFunc(d.touched, func(n *inode) bool { return n == f.n })
		}
		return nil
	})
}

// Size implements fsx.File.
func (f *file) Size() (int64, error) {
	var size int64
	err := f.do(OpSize, func(verdict) error {
		size = f.n.live.size
		return nil
	})
	return size, err
}

// Stat implements fsx.File.
func (f *file) Stat() (fs.FileInfo, error) {
	var fi fs.FileInfo
	err := f.do(OpStat, func(verdict) error {
		fi = describe(path.Base(f.name), f.n)
		return nil
	})
	return fi, err
}

// Close implements io.Closer. It makes nothing durable.
func (f *file) Close() error {
	return f.do(OpClose, func(verdict) error {
		f.closed = true
		return nil
	})
}

// change applies a change for readers and remembers it as unsynced.
func (f *file) change(c *change) {
	c.apply(&f.n.live, c.all())
	f.n.writes = append(f.n.writes, c)
	if d := f.m.d; !slices.Contains(d.touched, f.n) {
		d.touched = append(d.touched, f.n)
	}
}

// reserve takes space up to end and returns up to where there is room.
func (f *file) reserve(end int64) (int64, error) {
	d, n := f.m.d, f.n
	if end <= n.alloc || !n.linked {
		return end, nil
	}
	var err error
	if d.limit > 0 && d.used+end-n.alloc > d.limit {
		end, err = n.alloc+max(0, d.limit-d.used), syscall.ENOSPC
	}
	d.used += end - n.alloc
	n.alloc = end
	return end, err
}
