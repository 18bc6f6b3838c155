package forward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/stetlog/stet/internal/convert"
)

// File appends rows to a file, a line each. What is written is synced before it is called safe.
//
// Where the file was renamed or removed, as log rotation does, the next rows go to a new one of its name. Rotation that copies and then
// truncates loses what comes between both: do not use it. A line that a crash or a full disk has cut is ended, not removed, and its
// row written again behind it, whole.
type File struct {
	acknowledged
	path   string
	format convert.Format
	f      *os.File
}

// NewFile appends to a file at an absolute path, which is made where there is none, with mode 0600.
func NewFile(path string, format convert.Format) *File { return &File{path: path, format: format} }

// Send implements Destination. A failed sync ends the forwarder: what is on the disk is not known any more.
func (d *File) Send(_ context.Context, rows []Row) Result {
	if err := d.append(rows); err != nil {
		return Result{Left: rows, Err: err}
	}
	return Result{}
}

func (d *File) append(rows []Row) error {
	if err := d.open(); err != nil {
		return err
	}
	var b bytes.Buffer
	empty, torn, err := d.tail()
	switch {
	case err != nil:
		return err
	case empty:
		b.Write(d.format.Head(nil))
	case torn:
		b.WriteString(d.format.End())
	}
	for _, r := range rows {
		b.Write(r.Data)
		b.WriteString(d.format.End())
	}
	if _, err := d.f.Write(b.Bytes()); err != nil {
		return fmt.Errorf("write rows: %w", err)
	}
	if err := d.f.Sync(); err != nil {
		return &EndError{fmt.Errorf("whether rows are on the disk is not known: %w", err)}
	}
	return nil
}

// open opens the file that has the name now.
func (d *File) open() error {
	if d.f != nil {
		mine, err := d.f.Stat()
		if err != nil {
			return err
		}
		if now, err := os.Stat(d.path); err == nil && os.SameFile(mine, now) {
			return nil
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		err = d.f.Close()
		if d.f = nil; err != nil {
			return err
		}
	}
	// O_NONBLOCK: a pipe must not make us wait for whoever reads it.
	f, err := os.OpenFile(d.path, os.O_RDWR|os.O_APPEND|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	fi, err := f.Stat()
	if err == nil && !fi.Mode().IsRegular() {
		err = &EndError{fmt.Errorf("%s is no file that rows could be kept in (%s)", d.path, fi.Mode().Type())}
	}
	if err == nil {
		err = syncDir(filepath.Dir(d.path)) // its name must last as long as its rows
	}
	if err != nil {
		return errors.Join(err, f.Close())
	}
	d.f = f
	return nil
}

// tail says whether the file is empty, and whether its last line has no end.
func (d *File) tail() (empty, torn bool, err error) {
	fi, err := d.f.Stat()
	if err != nil || fi.Size() == 0 {
		return true, false, err
	}
	var last [1]byte
	_, err = d.f.ReadAt(last[:], fi.Size()-1)
	return false, last[0] != '\n', err
}

// Close implements Destination.
func (d *File) Close() error {
	if d.f == nil {
		return nil
	}
	return d.f.Close()
}

func syncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
