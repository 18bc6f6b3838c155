package snapshot

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"syscall"
)

// walker goes through a tree once, in the order of names, a directory before what is in it.
type walker struct {
	encoder
	ctx context.Context //nolint:containedctx // lives for one call of Tree
	o   TreeOptions
	buf []byte

	seen      int // entries
	files     int64
	bytesRead int64
	unread    named
	moving    named
	kept      map[string][sha256.Size]byte
	kind      map[string]byte
}

// Kinds of entries as they stand in the digest.
const (
	kindFile   = "file"
	kindDir    = "dir"
	kindLink   = "link"
	kindFIFO   = "fifo"
	kindSocket = "socket"
	kindDevice = "device"
	kindChar   = "chardevice"
	kindOther  = "other"
)

func kindOf(m fs.FileMode) string {
	switch m.Type() {
	case 0:
		return kindFile
	case fs.ModeDir:
		return kindDir
	case fs.ModeSymlink:
		return kindLink
	case fs.ModeNamedPipe:
		return kindFIFO
	case fs.ModeSocket:
		return kindSocket
	case fs.ModeDevice:
		return kindDevice
	case fs.ModeDevice | fs.ModeCharDevice:
		return kindChar
	}
	return kindOther
}

// permissions are the twelve bits of POSIX.
func permissions(m fs.FileMode) int64 {
	bits := int64(m.Perm())
	for _, b := range []struct {
		mode fs.FileMode
		bit  int64
	}{{fs.ModeSetuid, 0o4000}, {fs.ModeSetgid, 0o2000}, {fs.ModeSticky, 0o1000}} {
		if m&b.mode != 0 {
			bits |= b.bit
		}
	}
	return bits
}

// entry takes the entry called name in dir, and what is below it. at is its path from the root of the tree.
func (w *walker) entry(dir *os.Root, name, at string, fi fs.FileInfo, depth int) error {
	if err := w.ctx.Err(); err != nil {
		return err
	}
	if w.seen++; w.seen > w.o.MaxFiles {
		return fmt.Errorf("%w: %d entries", ErrTooLarge, w.o.MaxFiles)
	}
	if depth > w.o.MaxDepth {
		return fmt.Errorf("%w: %d directories within each other", ErrTooLarge, w.o.MaxDepth)
	}
	kind := kindOf(fi.Mode())
	e := record{kind: kind, mode: permissions(fi.Mode())}
	switch kind {
	case kindFile:
		w.files++
		sum, n, err := w.content(dir, name, at, fi)
		if fatal(err) {
			return err
		}
		e.unread, e.sum, e.size = err != nil, sum, n
	case kindLink:
		target, err := dir.Readlink(name)
		e.unread, e.target = err != nil, target
	case kindDir:
		return w.directory(dir, name, at, fi, depth, e)
	}
	w.record(at, e)
	return nil
}

// fatal tells an error that ends the walk from one of a single entry.
func fatal(err error) bool {
	return errors.Is(err, ErrTooLarge) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// record is what the digest holds of one entry.
type record struct {
	kind   string
	mode   int64
	unread bool
	size   int64
	sum    []byte
	target string
}

func (w *walker) record(at string, e record) {
	one := sha256.New()
	for _, enc := range []*encoder{&w.encoder, {w: one}} {
		switch {
		case e.unread:
			enc.open(tagList, 4)
		case e.kind == kindFile:
			enc.open(tagList, 5)
		case e.kind == kindLink:
			enc.open(tagList, 4)
		default:
			enc.open(tagList, 3)
		}
		enc.text(at)
		enc.text(e.kind)
		enc.int(e.mode)
		switch {
		case e.unread:
			enc.null()
		case e.kind == kindFile:
			enc.int(e.size)
			enc.bytes(tagBytes, e.sum)
		case e.kind == kindLink:
			enc.text(e.target)
		}
	}
	if e.unread {
		w.unread.add(at)
	}
	if w.kept == nil {
		return
	}
	if len(w.kept) == w.o.Keep {
		w.kept, w.kind = nil, nil
		return
	}
	w.kept[at] = [sha256.Size]byte(one.Sum(nil))
	if e.kind == kindFile {
		w.kind[at] = 'f'
	}
}

// directory takes a directory and, after it, what is in it.
func (w *walker) directory(dir *os.Root, name, at string, fi fs.FileInfo, depth int, e record) error {
	sub, err := dir.OpenRoot(name)
	if err != nil {
		e.unread = true
		w.record(at, e)
		return nil
	}
	defer func() { _ = sub.Close() }() // read only
	names, now, err := w.list(sub)
	if fatal(err) {
		return err
	}
	if err == nil && !os.SameFile(fi, now) {
		err = fs.ErrInvalid // something else stands there now, perhaps a link
	}
	if e.unread = err != nil; e.unread {
		w.record(at, e)
		return nil
	}
	w.record(at, e)
	for _, n := range names {
		below := path.Join(at, n)
		if slices.Contains(w.o.Skip, below) {
			continue
		}
		fi, err := sub.Lstat(n)
		if errors.Is(err, fs.ErrNotExist) {
			continue // the directory's time says that it has changed
		}
		if err != nil {
			w.record(below, record{kind: kindOther, unread: true})
			continue
		}
		if err := w.entry(sub, n, below, fi, depth+1); err != nil {
			return err
		}
	}
	after, err := sub.Stat(".")
	if err != nil || !after.ModTime().Equal(now.ModTime()) {
		w.moving.add(at)
	}
	return nil
}

// list returns the names in a directory, sorted, and what the directory was when they were read.
func (w *walker) list(dir *os.Root) ([]string, fs.FileInfo, error) {
	f, err := dir.Open(".")
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = f.Close() }() // read only
	fi, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	var names []string
	for {
		some, err := f.Readdirnames(1000)
		names = append(names, some...)
		if errors.Is(err, io.EOF) {
			slices.Sort(names)
			return names, fi, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if len(names) > w.o.MaxFiles-w.seen {
			return nil, nil, fmt.Errorf("%w: %d entries", ErrTooLarge, w.o.MaxFiles)
		}
		if err := w.ctx.Err(); err != nil {
			return nil, nil, err
		}
	}
}

// content hashes a file. Where something else stands in its place by now, that is an error; opening it waits for nobody.
func (w *walker) content(dir *os.Root, name, at string, fi fs.FileInfo) (sum []byte, n int64, err error) {
	f, err := dir.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = f.Close() }() // read only
	before, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !before.Mode().IsRegular() {
		return nil, 0, fs.ErrInvalid
	}
	h := sha256.New()
	for {
		if err := w.ctx.Err(); err != nil {
			return nil, 0, err
		}
		k, err := f.Read(w.buf)
		_, _ = h.Write(w.buf[:k]) // a hash.Hash never fails
		n += int64(k)
		if w.bytesRead += int64(k); w.bytesRead > w.o.MaxBytes {
			return nil, 0, fmt.Errorf("%w: %s", ErrTooLarge, size(w.o.MaxBytes))
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, 0, err
		}
	}
	after, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if !os.SameFile(fi, after) || after.Size() != n || !after.ModTime().Equal(fi.ModTime()) {
		w.moving.add(at)
	}
	return h.Sum(nil), n, nil
}
