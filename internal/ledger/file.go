package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync"
	"time"

	"github.com/klauspost/compress/gzip"

	"github.com/stetlog/stet/internal/fsx"
	"github.com/stetlog/stet/proof"
)

// readAt fills b; a file that is too short is damage, a failed read is not.
func readAt(f fsx.File, name string, b []byte, off int64) error {
	n, err := f.ReadAt(b, off)
	switch {
	case n == len(b):
		return nil
	case errors.Is(err, io.EOF):
		return damaged(name, "it ends at byte %d, where %d more are expected", off+int64(n), len(b)-n)
	}
	return fmt.Errorf("read %s at byte %d: %w", name, off, err)
}

const tempSuffix = ".tmp" // what fsx.IsTemp knows

// removeTemp removes what an interrupted replacement of name left.
func removeTemp(fsys fsx.FS, name string) error {
	_, err := fsys.Stat(name + tempSuffix)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return fsys.Remove(name + tempSuffix)
}

// missing makes an IntegrityError of a file that must be there and is not.
func missing(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &IntegrityError{File: name, Reason: "it is missing", Err: err}
	}
	return err
}

// createOver creates a file, removing first what a crash left under its name.
func createOver(fsys fsx.FS, name string, perm fs.FileMode) (fsx.File, error) {
	f, err := fsys.Create(name, perm)
	if errors.Is(err, fs.ErrExist) {
		if err := fsys.Remove(name); err != nil {
			return nil, err
		}
		f, err = fsys.Create(name, perm)
	}
	return f, err
}

// put writes a read-only file whole, under a temporary name that it then takes off. The bytes are durable when it returns;
// the name is so only after SyncDir of its directory, which the caller does once for many files. A file of that name that a
// crash left is replaced even where its bytes are right, because whether they are durable cannot be known.
func put(fsys fsx.FS, name string, data []byte) error {
	tmp := name + tempSuffix
	f, err := createOver(fsys, tmp, 0o444)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(data, 0)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return fsys.Rename(tmp, name)
}

// A zipper compresses and inflates bundles. It is safe for concurrent use; what it works with is reused.
type zipper struct {
	writers, readers, buffers sync.Pool
}

// buffer gives an empty buffer, which free takes back.
func (z *zipper) buffer() *bytes.Buffer {
	b, ok := z.buffers.Get().(*bytes.Buffer)
	if !ok {
		b = new(bytes.Buffer)
	}
	b.Reset()
	return b
}

func (z *zipper) free(b *bytes.Buffer) { z.buffers.Put(b) }

// bundleHeader begins every bundle: gzip without a name and a time, fastest compression, unknown system (RFC 1952).
const bundleHeader = "\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"

// deflate writes parts, joined, to dst in the gzip format, behind bundleHeader.
func (z *zipper) deflate(dst *bytes.Buffer, parts [][]byte) error {
	w, ok := z.writers.Get().(*gzip.Writer)
	if !ok {
		var err error
		if w, err = gzip.NewWriterLevel(dst, gzip.BestSpeed); err != nil {
			return err
		}
	} else {
		w.Reset(dst)
	}
	defer z.writers.Put(w)
	w.ModTime = time.Unix(0, 0) // the zero time.Time would be written as some time in 2042
	for _, part := range parts {
		if _, err := w.Write(part); err != nil {
			return err
		}
	}
	return w.Close()
}

var errInflate = errors.New("it does not inflate to a bundle")

// inflate appends to dst the bytes of b, which must be one gzip member as deflate makes it, with nothing behind it and at
// most limit bytes in it. The header is compared, so that no bit of a bundle can change unnoticed.
func (z *zipper) inflate(dst *bytes.Buffer, b []byte, limit int64) error {
	if !bytes.HasPrefix(b, []byte(bundleHeader)) {
		return fmt.Errorf("%w: it does not begin with %x", errInflate, bundleHeader)
	}
	src := bytes.NewReader(b)
	r, ok := z.readers.Get().(*gzip.Reader)
	var err error
	if ok {
		err = r.Reset(src)
	} else {
		r, err = gzip.NewReader(src)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errInflate, err)
	}
	defer z.readers.Put(r)
	r.Multistream(false)
	// The member ends with its length (RFC 1952), which is believed as far as it may be.
	if at := len(b) - 4; at >= len(bundleHeader) {
		dst.Grow(int(min(int64(binary.LittleEndian.Uint32(b[at:])), limit)) + bytes.MinRead)
	}
	n, err := io.Copy(dst, io.LimitReader(r, limit+1))
	switch {
	case err != nil:
		return fmt.Errorf("%w: %w", errInflate, err)
	case n > limit:
		return fmt.Errorf("%w: more than %d bytes", errInflate, limit)
	case src.Len() != 0:
		return fmt.Errorf("%w: %d bytes stand behind it", errInflate, src.Len())
	}
	return nil
}

// A dirs makes directories and remembers which are durable. It is not safe for concurrent use.
type dirs struct {
	fsys  fsx.FS
	known map[string]bool
}

// make ensures that a directory and its parents exist, durably. One that exists already is synced into its parent all the
// same, once: the process that made it may have been killed before it could.
func (d *dirs) make(name string) error {
	if name == "." || d.known[name] {
		return nil
	}
	parent := path.Dir(name)
	if err := d.make(parent); err != nil {
		return err
	}
	made := d.fsys.Mkdir(name, 0o755)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return made
	}
	if err := d.fsys.SyncDir(parent); err != nil {
		if made == nil { // no later sync can be trusted to keep this name: the next process makes it anew
			err = errors.Join(err, d.fsys.Remove(name))
		}
		return err
	}
	if len(d.known) >= 1024 {
		clear(d.known)
	}
	d.known[name] = true
	return nil
}

// under takes for durable the directories of the tiles at the right edge of a tree that a head states: no head is written
// before they were synced. A short run, such as a drain, publishes into these alone, and need not sync each again.
func (d *dirs) under(size uint64) {
	for level := -1; level < tileLevels; level++ {
		t := proof.Tile{Entries: level < 0, Level: uint8(max(level, 0))}
		if t.Index, t.Width = proof.TilesFor(size, t.Level); t.Width == 0 {
			if t.Index == 0 {
				continue
			}
			t.Index, t.Width = t.Index-1, proof.TileWidth
		}
		for dir := path.Dir(inLog(t.Path())); dir != "."; dir = path.Dir(dir) {
			d.known[dir] = true
		}
	}
}

// inLog is the path in the store of a path in the log.
func inLog(name string) string { return path.Join(logDir, name) }
