package logread_test

import (
	"bytes"
	"io/fs"
	"time"

	"github.com/stetlog/stet/internal/fsx"
)

// one is a file system in which every name is the same file. Only what reading needs is there.
type one struct {
	fsx.FS // nil: nothing else may be called
	b      []byte
}

func (o one) Open(string) (fsx.File, error)    { return oneFile{Reader: bytes.NewReader(o.b)}, nil }
func (o one) Stat(string) (fs.FileInfo, error) { return oneInfo(len(o.b)), nil }

type oneFile struct {
	fsx.File
	*bytes.Reader
}

func (f oneFile) ReadAt(b []byte, off int64) (int, error) { return f.Reader.ReadAt(b, off) }
func (f oneFile) Size() (int64, error)                    { return f.Reader.Size(), nil }
func (f oneFile) Close() error                            { return nil }

type oneInfo int64

func (i oneInfo) Name() string       { return "000" }
func (i oneInfo) Size() int64        { return int64(i) }
func (i oneInfo) Mode() fs.FileMode  { return 0o400 }
func (i oneInfo) ModTime() time.Time { return time.Time{} }
func (i oneInfo) IsDir() bool        { return false }
func (i oneInfo) Sys() any           { return nil }
