package logread

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"sync"

	"github.com/klauspost/compress/flate"

	"github.com/stetlog/stet/proof"
)

// A stored bundle is one gzip member (RFC 1952) with a constant header, and nothing behind it: no name, no comment, no
// time, in which something could stand that no hash covers. Its last two bytes say: fastest compressor, unknown system.
// In the middle stands the time. klauspost/compress writes the zero time.Time there where nobody sets one, which is as
// constant as the zero that RFC 1952 means by "no time".
var gzipHeaders = [2][10]byte{
	{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 4, 0xff},
	{0x1f, 0x8b, 8, 0, 0x00, 0x09, 0x6e, 0x88, 4, 0xff},
}

const gzipHeader = len(gzipHeaders[0])

const (
	gzipTrailer = 8 // CRC-32 and length, little-endian

	// maxRatio is the most that DEFLATE can grow: 258 bytes from two bits, rounded up.
	maxRatio = 1032

	// maxCompressed is the largest gzip form of the largest bundle: DEFLATE falls back to stored blocks, which add
	// five bytes to at most 65,535; the rest is allowance for a compressor that cuts its blocks shorter.
	maxCompressed = proof.MaxBundle + proof.MaxBundle/256 + 1024
)

// inflater keeps decompressors, whose windows are 32 KiB each, for reuse.
type inflater struct{ pool *sync.Pool }

// inflate unpacks a stored bundle, into the memory of buf where that is large enough. It allocates at most what the compressed bytes can hold, and at most MaxBundle.
func (p *inflater) inflate(buf, b []byte) ([]byte, error) {
	if len(b) < gzipHeader+gzipTrailer {
		return nil, fmt.Errorf("%d bytes are no gzip file", len(b))
	}
	if !slices.Contains(gzipHeaders[:], [gzipHeader]byte(b[:gzipHeader])) {
		return nil, errors.New("it does not begin with the one gzip header that bundles have")
	}
	trailer := b[len(b)-gzipTrailer:]
	size := int64(binary.LittleEndian.Uint32(trailer[4:]))
	if size > proof.MaxBundle || size > int64(len(b))*maxRatio {
		return nil, fmt.Errorf("it says that it unpacks to %d bytes, which it cannot or may not", size)
	}
	in := bytes.NewReader(b[gzipHeader : len(b)-gzipTrailer])
	fr, _ := p.pool.Get().(io.ReadCloser)
	if fr == nil {
		fr = flate.NewReader(in)
	} else if err := fr.(flate.Resetter).Reset(in, nil); err != nil {
		return nil, err
	}
	// Not closed: that only returns its memory to another pool; and after an error Reset makes it as new.
	defer p.pool.Put(fr)
	out := slices.Grow(buf[:0], int(size))[:size]
	if _, err := io.ReadFull(fr, out); err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	var one [1]byte
	switch n, err := io.ReadFull(fr, one[:]); {
	case n > 0:
		return nil, fmt.Errorf("it unpacks to more than the %d bytes that it says", size)
	case !errors.Is(err, io.EOF):
		return nil, fmt.Errorf("unpack: %w", err)
	case in.Len() > 0:
		return nil, fmt.Errorf("%d bytes follow the compressed data", in.Len())
	case crc32.ChecksumIEEE(out) != binary.LittleEndian.Uint32(trailer):
		return nil, errors.New("its checksum does not match")
	}
	return out, nil
}
