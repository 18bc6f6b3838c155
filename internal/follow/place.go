package follow

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/stetlog/stet/internal/fsx"
)

// placeFormat is the format member of a place file.
const placeFormat = "stet.place/1"

// Bounds of a place file.
const (
	maxPlace  = 64 << 10 // bytes
	maxPoints = 128
)

// place is what is durable of a Follower.
type place struct {
	Format string  `json:"format"`
	Path   string  `json:"path"`
	Files  []point `json:"files"` // the oldest first; the last one is, or was, at Path
}

// point is where a Follower stands in one file.
type point struct {
	Dev    uint64 `json:"dev"`
	Ino    uint64 `json:"ino"`
	Offset int64  `json:"offset"` // all before is durable where it was taken to
	Until  int64  `json:"until"`  // what stands from Offset up to here may be
	First  string `json:"first"`  // hexadecimal SHA-256 of the first line; "" while it has none
	Before string `json:"before"` // the same of the last bytes before Offset
}

// What digests are made of, in bytes: of the first line up to its end at most firstBytes, and that many before an offset.
const (
	firstBytes  = 1024
	beforeBytes = 256
)

// load reads a place. None is no error.
func load(dir fsx.FS, name, path string) (p place, found bool, err error) {
	b, err := fsx.ReadFile(dir, name, maxPlace)
	if errors.Is(err, fs.ErrNotExist) {
		return p, false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, &p)
	}
	if err == nil && (p.Format != placeFormat || p.Path != path || len(p.Files) > maxPoints) {
		err = fmt.Errorf("it is not the %s of %s", placeFormat, path)
	}
	for _, at := range p.Files {
		if err == nil && (at.Offset < 0 || at.Until < at.Offset) {
			err = errors.New("its offsets are none")
		}
	}
	if err != nil {
		return p, false, fmt.Errorf("read how far a file was followed (%s): %w; take the file away to begin anew", name, err)
	}
	return p, true, nil
}

func (p place) save(dir fsx.FS, name string) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := fsx.Replace(dir, name, append(b, '\n'), 0o600); err != nil {
		return fmt.Errorf("note how far a file was followed: %w", err)
	}
	return nil
}

// identity is the device and inode of a file.
func identity(fi fs.FileInfo) (dev, ino uint64) {
	if st, ok := fi.Sys().(*syscall.Stat_t); ok {
		return uint64(st.Dev), st.Ino //nolint:unconvert // Dev is an int32 on some systems
	}
	return 0, 0
}

// firstOf is the digest of a file's first line; ok is false while it has not ended.
func firstOf(f io.ReaderAt) (sum [sha256.Size]byte, ok bool, err error) {
	b := make([]byte, firstBytes)
	n, err := f.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return sum, false, err
	}
	for i, c := range b[:n] {
		if c == '\n' {
			return sha256.Sum256(b[:i+1]), true, nil
		}
	}
	return sha256.Sum256(b[:n]), n == firstBytes, nil
}

// is tells whether f is the file that the point is in: it begins with the same line, and has the same before the offset.
func (at point) is(f *os.File) bool {
	if at.First == "" {
		return true
	}
	first, _, err := firstOf(f)
	if err != nil || hex.EncodeToString(first[:]) != at.First {
		return false
	}
	before, err := beforeOf(f, at.Offset)
	return err == nil && (at.Offset == 0 || digest(before) == at.Before)
}

// beforeOf reads what stands before an offset.
func beforeOf(f io.ReaderAt, offset int64) ([]byte, error) {
	b := make([]byte, min(offset, beforeBytes))
	_, err := io.ReadFull(io.NewSectionReader(f, offset-int64(len(b)), int64(len(b))), b)
	return b, err
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
