package exports

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"github.com/stetlog/stet/evidence"
	"github.com/stetlog/stet/internal/admin"
	"github.com/stetlog/stet/internal/exhibit"
)

// ErrUnverified says that what a log holds does not verify, so that no evidence can be made of it.
var ErrUnverified = errors.New("what the log holds does not verify, and no evidence is made of it")

// A File is what evidence is written to and read back from.
type File interface {
	io.Writer
	io.ReaderAt
}

// Made is a file of evidence that was verified.
type Made struct {
	evidence.Manifest
	SHA256 string // of the file, 64 hexadecimal digits
	Bytes  int64
}

// Export is what the log is told of it.
func (m Made) Export() admin.Export {
	x := admin.Export{File: "sha256:" + m.SHA256, Query: m.Asked.Query, Entries: m.Counts.Found, Size: m.Log.Size}
	if m.Whole != nil {
		x.Whole = fmt.Sprintf("%d-%d", m.Whole.First, m.Whole.Last)
	}
	return x
}

// Make writes evidence to f, and verifies it as anybody would who is given the file: nobody may be given it before. o is for that; its
// LogKey is the log's. The error is that of exhibit.Write, ErrUnverified, or that ctx ended.
func Make(ctx context.Context, f File, log exhibit.Log, q exhibit.Request, o evidence.Options) (m Made, err error) {
	digest := sha256.New()
	n := &counter{w: io.MultiWriter(f, digest)}
	if m.Manifest, err = exhibit.Write(ctx, n, log, q); err != nil {
		return m, err
	}
	m.SHA256, m.Bytes, o.LogKey = hex.EncodeToString(digest.Sum(nil)), n.n, log.VKey
	rep, err := evidence.Verify(ctx, f, n.n, o)
	if err == nil && rep.State() != evidence.Verified {
		first, _ := rep.First()
		err = fmt.Errorf("%w: %s. stet verify says more", ErrUnverified, first)
	}
	return m, err
}

// counter counts what is written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(b []byte) (int, error) {
	n, err := c.w.Write(b)
	c.n += int64(n)
	return n, err
}
