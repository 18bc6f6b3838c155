package follow

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/stetlog/stet/internal/fsx"
)

// MaxRecord bounds a record, in bytes without its line break.
const MaxRecord = 1 << 20

// Bounds of one batch, and of the files that are read at once.
const (
	maxRecords = 1000
	maxBytes   = 4 << 20
	maxFiles   = 8
)

// Options say how a file is followed.
type Options struct {
	// Open tells whether a record goes on behind the line break that b ends with; nil: a line is a record.
	Open func(b []byte) bool
	// Linger is how long a file that was renamed must have been silent before it is left; 0 is 5 s. Its writer goes on with it
	// until it is told of the rotation.
	Linger time.Duration
	// Note is told what a person should know: a rotation, and what could not be found. nil: nobody is.
	Note func(what string)
}

// Record is one record of a file.
type Record struct {
	At    int64  // offset of its first byte
	Size  int64  // bytes, with its line break
	Text  []byte // without its last line break; nil where that is longer than MaxRecord
	Again bool   // it may be one that was given out, and is durable, already
}

// Batch is some records of one file, one behind the other.
type Batch struct {
	Records []Record
	File    [sha256.Size]byte // digest of the first line: with the offset it names a record for good
	Head    []byte            // the first record of the file, with Options.Open; nil where it is in Records
}

// Follower reads one path, whatever file is there.
type Follower struct {
	o     Options
	path  string // absolute
	dir   fsx.FS
	name  string  // of the place in dir
	files []*file // the oldest first; the last one, unless it is old, is at path
	saved place
	given *file // whose batch was given out last
	fresh bool  // nothing is known of the path yet
	now   func() time.Time
}

// New follows the file at path. Its place is the file name in dir, which the caller has locked. Where there is none yet, all that
// the file has now may be recorded already, by who read it before.
func New(path string, dir fsx.FS, name string, o Options) (*Follower, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if o.Linger <= 0 {
		o.Linger = 5 * time.Second
	}
	f := &Follower{o: o, path: path, dir: dir, name: name, now: time.Now}
	p, found, err := load(dir, name, path)
	if err != nil {
		return nil, err
	}
	f.fresh, f.saved = !found, p
	for _, at := range p.Files {
		if err := f.resume(at); err != nil {
			return nil, errors.Join(err, f.closeFiles())
		}
	}
	return f, nil
}

// note tells a person.
func (f *Follower) note(format string, args ...any) {
	if f.o.Note != nil {
		f.o.Note(fmt.Sprintf(format, args...))
	}
}

// resume finds the file of a point again.
func (f *Follower) resume(at point) error {
	h, err := open(f.path)
	if err == nil && same(h, at) && at.is(h) {
		return f.add(h, at)
	}
	if err == nil {
		err = h.Close()
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if h, copied := f.search(at); h != nil {
		if err := f.add(h, at); err != nil {
			return err
		}
		f.files[len(f.files)-1].retire(copied, f.now())
		return nil
	}
	if at.Offset > 0 {
		f.note("%s: the file that was read up to byte %d is not here any more; what came behind that, and in files that came and went meanwhile, was not read", f.path, at.Offset)
	}
	return nil
}

// retire says that nobody opens the file by its path any more.
func (x *file) retire(copied bool, now time.Time) { x.old, x.copied, x.since = true, copied, now }

func (f *Follower) add(h *os.File, at point) error {
	fi, err := h.Stat()
	if err == nil {
		at.Dev, at.Ino = identity(fi)
		if first, ok, ferr := firstOf(h); at.First == "" && ok && ferr == nil {
			at.First = hex.EncodeToString(first[:]) // by which it is found again also where nothing of it was read
		}
		var x *file
		if x, err = newFile(h, at); err == nil {
			f.files = append(f.files, x)
			return nil
		}
	}
	return errors.Join(err, h.Close())
}

// open opens a regular file without waiting for anything else.
func open(path string) (*os.File, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is no regular file, so it cannot be followed", path)
	}
	return os.Open(path)
}

func same(h *os.File, at point) bool {
	fi, err := h.Stat()
	if err != nil {
		return false
	}
	dev, ino := identity(fi)
	return dev == at.Dev && ino == at.Ino
}

// maxSearched bounds the files of a directory that are looked at for one that was renamed or copied.
const maxSearched = 1000

// search looks beside the path for the file of a point: under another name, or as a copy that was made before it was truncated.
func (f *Follower) search(at point) (h *os.File, copied bool) {
	list, err := os.ReadDir(filepath.Dir(f.path))
	if err != nil {
		return nil, false
	}
	for _, e := range list[:min(len(list), maxSearched)] {
		path := filepath.Join(filepath.Dir(f.path), e.Name())
		if path == f.path || !e.Type().IsRegular() {
			continue
		}
		x, err := open(path)
		if err != nil {
			continue
		}
		renamed := same(x, at)
		if at.is(x) && (renamed || at.First != "" && h == nil) {
			if h != nil {
				_ = h.Close() // read only
			}
			h, copied = x, !renamed
			if renamed {
				return h, false
			}
			continue
		}
		_ = x.Close() // read only
	}
	return h, copied
}

// Poll gives out the next records of one file, and none where there is nothing new. Before it does, the place says that they may
// be durable from now on. Until Done is called it gives out the same ones again.
func (f *Follower) Poll() (Batch, error) {
	if err := f.look(); err != nil {
		return Batch{}, err
	}
	for i := 0; i < len(f.files); i++ {
		x := f.files[i]
		silent := x.old && (x.copied || f.now().Sub(x.since) >= f.o.Linger || len(f.files) > maxFiles)
		records, err := x.read(f.o.Open, silent)
		if errors.Is(err, errMoved) {
			if err := f.truncated(i); err != nil {
				return Batch{}, err
			}
			i--
			continue
		}
		if err != nil {
			return Batch{}, fmt.Errorf("read %s: %w", f.path, err)
		}
		if len(records) == 0 {
			if silent {
				err := x.f.Close()
				f.files = append(f.files[:i], f.files[i+1:]...)
				i--
				if err != nil {
					return Batch{}, err
				}
			}
			continue
		}
		if x.old {
			x.since = f.now()
		}
		return f.give(x, records)
	}
	return Batch{}, f.save()
}

// give notes that the records may be durable soon, and gives them out.
func (f *Follower) give(x *file, records []Record) (Batch, error) {
	b := Batch{Records: records, File: x.first}
	if f.o.Open != nil && x.at.Offset > 0 {
		s := &scan{r: bufio.NewReader(io.NewSectionReader(x.f, 0, x.at.Offset)), open: f.o.Open}
		if _, err := s.next(); err != nil {
			return Batch{}, err
		}
		b.Head = bytes.TrimSuffix(s.text, []byte{'\n'})
	}
	x.at.Until = max(x.at.Until, x.end)
	if err := f.save(); err != nil {
		return Batch{}, err
	}
	f.given = x
	return b, nil
}

// Done says that all records of the last batch are durable where they were taken to.
func (f *Follower) Done() {
	if f.given != nil {
		f.given.done()
		f.given = nil
	}
}

// Close notes how far the file was followed, and gives it up.
func (f *Follower) Close() error { return errors.Join(f.save(), f.closeFiles()) }

func (f *Follower) closeFiles() error {
	var errs []error
	for _, x := range f.files {
		errs = append(errs, x.f.Close())
	}
	f.files = nil
	return errors.Join(errs...)
}

// save makes the place durable where it has changed.
func (f *Follower) save() error {
	p := place{Format: placeFormat, Path: f.path}
	for _, x := range f.files {
		p.Files = append(p.Files, x.at)
	}
	if p.equal(f.saved) {
		return nil
	}
	if err := p.save(f.dir, f.name); err != nil {
		return err
	}
	f.saved = p
	return nil
}

func (p place) equal(q place) bool {
	if p.Format != q.Format || len(p.Files) != len(q.Files) {
		return false
	}
	for i := range p.Files {
		if p.Files[i] != q.Files[i] {
			return false
		}
	}
	return true
}

// look finds out which file is at the path now.
func (f *Follower) look() error {
	var last *file
	if n := len(f.files); n > 0 && !f.files[n-1].old {
		last = f.files[n-1]
	}
	h, err := open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // between rename and create; what is open is read on
	}
	if err != nil {
		return err
	}
	if last != nil && same(h, last.at) {
		return h.Close()
	}
	if last != nil {
		last.retire(false, f.now())
		f.note("%s: another file is there now; the one before is read to its end first", f.path)
	}
	at := point{}
	if f.fresh {
		fi, err := h.Stat()
		if err != nil {
			return errors.Join(err, h.Close())
		}
		at.Until, f.fresh = fi.Size(), false
	}
	return f.add(h, at)
}

// truncated begins anew with a file that was written anew, and reads what was behind the offset from its copy, if there is one.
func (f *Follower) truncated(i int) error {
	x := f.files[i]
	was := x.at
	if f.given == x {
		f.given = nil
	}
	if x.old { // somebody used its name, or its space, for something else
		f.files = append(f.files[:i], f.files[i+1:]...)
		f.note("%s: a file that was rotated away was written anew; what came behind byte %d of it was not read", f.path, was.Offset)
		return x.f.Close()
	}
	next, err := newFile(x.f, point{Dev: was.Dev, Ino: was.Ino})
	if err != nil {
		return err
	}
	f.files[i] = next
	h, copied := f.search(was)
	if h == nil {
		f.note("%s: it was truncated, and no copy is beside it; what was written behind byte %d before that was not read", f.path, was.Offset)
		return nil
	}
	f.note("%s: it was truncated; what was not read before is read from the copy", f.path)
	if err := f.add(h, was); err != nil {
		return err
	}
	n := len(f.files) - 1
	f.files[n].retire(copied, f.now())
	f.files[i], f.files[n] = f.files[n], f.files[i]
	return nil
}

// Digest is a batch's file as text.
func (b Batch) Digest() string { return hex.EncodeToString(b.File[:]) }
